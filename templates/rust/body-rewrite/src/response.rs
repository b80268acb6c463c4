//! Which responses are rewritten.

use proxy_wasm::traits::HttpContext;

/// Whether the body is text of one of the types, whole, not compressed, and nobody forbids to change it.
pub fn can_be_rewritten(stream: &impl HttpContext, content_types: &[String]) -> bool {
    let header = |name| stream.get_http_response_header_bytes(name);
    let content_type = header("content-type").unwrap_or_default();
    let encoding = header("content-encoding").unwrap_or_default();
    content_types.iter().any(|beginning| begins_with(&content_type, beginning.as_bytes()))
        && (encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity"))
        && header("content-range").is_none()
        // Trailers may come upon bytes that are held back: see `on_http_response_trailers`.
        && header("trailer").is_none()
        && !has_directive(&header("cache-control").unwrap_or_default(), b"no-transform")
}

fn begins_with(text: &[u8], beginning: &[u8]) -> bool {
    text.get(..beginning.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

fn has_directive(list: &[u8], directive: &[u8]) -> bool {
    list.split(|byte| matches!(byte, b',' | b' ' | b'\t'))
        .any(|word| word.eq_ignore_ascii_case(directive))
}

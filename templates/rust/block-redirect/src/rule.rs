//! One rule: which requests it is about, and how they are answered.

use crate::header_name::HeaderName;
use crate::patterns::{without_port, Glob, Host};
use proxy_wasm::traits::HttpContext;

/// A condition that is `None` holds for every request.
pub struct Rule {
    pub path: Option<Glob>,
    /// How much of the path is the prefix of the rule.
    pub prefix_length: usize,
    pub hosts: Option<Vec<Host>>,
    pub header: Option<(HeaderName, Option<String>)>,
    pub sources: Option<Vec<String>>,
    pub action: Action,
}

pub enum Action {
    Block { status: u32, body: String },
    Redirect(Redirect),
}

impl Rule {
    /// Whether all conditions hold. The path has no query, the host is in lower case.
    pub fn fits(&self, path: &[u8], host: &[u8], stream: &impl HttpContext) -> bool {
        let holds = self.path.as_ref().map_or(true, |glob| glob.matches(path))
            && self.hosts.as_ref().map_or(true, |hosts| {
                hosts.iter().any(|pattern| pattern.matches(host))
            });
        holds && self.has_header(stream) && self.comes_from_source(stream)
    }

    fn has_header(&self, stream: &impl HttpContext) -> bool {
        let Some((name, wanted)) = &self.header else {
            return true;
        };
        match (stream.get_http_request_header_bytes(name.as_str()), wanted) {
            (Some(value), Some(wanted)) => value == wanted.as_bytes(),
            (found, _) => found.is_some(),
        }
    }

    /// The client's address is one of the sources; one that ends with a dot or a colon is the beginning of addresses.
    fn comes_from_source(&self, stream: &impl HttpContext) -> bool {
        let Some(sources) = &self.sources else {
            return true;
        };
        let address = stream
            .get_property(vec!["source", "address"])
            .unwrap_or_default();
        let ip = without_port(&address);
        let ip = ip
            .strip_prefix(b"[")
            .and_then(|ip| ip.strip_suffix(b"]"))
            .unwrap_or(ip);
        sources
            .iter()
            .any(|source| match source.ends_with(['.', ':']) {
                true => ip.starts_with(source.as_bytes()),
                false => ip == source.as_bytes(),
            })
    }
}

/// Where a client is sent.
pub struct Redirect {
    pub to: String,
    pub status: u32,
    pub keep_path: bool,
    pub keep_query: bool,
}

impl Redirect {
    /// The new place; `rest` is the request's path, without the prefix of the rule.
    pub fn location(&self, rest: &[u8], query: &[u8]) -> String {
        let mut location = self.to.clone();
        if self.keep_path {
            // Exactly one slash: browsers take "//host", "/\host" and "/<tab>/host" for another host.
            let skipped = rest
                .iter()
                .take_while(|&&byte| byte <= b' ' || matches!(byte, b'/' | b'\\'))
                .count();
            let rest = &rest[skipped..];
            if !rest.is_empty() {
                location.truncate(location.trim_end_matches('/').len());
                location.push('/');
                push_encoded(&mut location, rest);
            }
        }
        if self.keep_query && !query.is_empty() {
            location.push(if location.contains('?') { '&' } else { '?' });
            push_encoded(&mut location, query);
        }
        location
    }
}

/// Appends a part of an address; bytes beyond ASCII, which have no place there, are percent-encoded.
fn push_encoded(address: &mut String, part: &[u8]) {
    for &byte in part {
        match byte.is_ascii_graphic() {
            true => address.push(char::from(byte)),
            false => address.push_str(&format!("%{byte:02X}")),
        }
    }
}

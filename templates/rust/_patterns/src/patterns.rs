//! Texts with stars, and what of an address is compared with them. All of it works on bytes: what comes from a client
//! need not be UTF-8.

use serde::Deserialize;

/// A text in which each `*` stands for any text, also for none.
pub struct Glob(Vec<Vec<u8>>);

impl Glob {
    /// The parts between the stars; one part is a text without stars.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(
            parts
                .into_iter()
                .map(|part| part.as_bytes().to_vec())
                .collect(),
        )
    }

    pub fn matches(&self, text: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_first() else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return text == first.as_slice();
        };
        let Some(mut text) = text
            .strip_prefix(first.as_slice())
            .and_then(|text| text.strip_suffix(last.as_slice()))
        else {
            return false;
        };
        // The first place of each part is as good as any later one: no need to come back.
        for part in middle.iter().filter(|part| !part.is_empty()) {
            let Some(at) = text
                .windows(part.len())
                .position(|window| window == part.as_slice())
            else {
                return false;
            };
            text = &text[at + part.len()..];
        }
        true
    }
}

/// A host; one `*` at its beginning or end stands for any text.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct Host(Glob);

impl Host {
    /// The host to compare with has no port and is in lower case: see [`host_of`].
    pub fn matches(&self, host: &[u8]) -> bool {
        self.0.matches(host)
    }
}

impl TryFrom<String> for Host {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let stars = text.matches('*').count();
        if text.is_empty()
            || stars > 1
            || (stars == 1 && !text.starts_with('*') && !text.ends_with('*'))
        {
            return Err(format!(
                "{text:?} is no host; one * may stand at its beginning or end"
            ));
        }
        Ok(Self(Glob::new(text.to_ascii_lowercase().split('*'))))
    }
}

/// The host of an `:authority`, without the port and in lower case.
pub fn host_of(authority: &[u8]) -> Vec<u8> {
    without_port(authority).to_ascii_lowercase()
}

/// An address without its port. One of IPv6 keeps its brackets.
pub fn without_port(address: &[u8]) -> &[u8] {
    let colon = address.iter().rposition(|byte| matches!(byte, b':' | b']'));
    match colon {
        Some(at) if address[at] == b':' => &address[..at],
        _ => address,
    }
}

/// The path of a `:path`, and the query without its `?`.
pub fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|&byte| byte == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}

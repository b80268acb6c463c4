//! Names of headers in the configuration.

use serde::Deserialize;

/// Name of a header, in lower case (RFC 9110, section 5.6.2). A pseudo header such as `:path` is none.
#[derive(Clone, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct HeaderName(String);

impl HeaderName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HeaderName {
    type Error = String;

    fn try_from(mut name: String) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(format!("{name:?} is no name of a header"));
        }
        name.make_ascii_lowercase();
        Ok(Self(name))
    }
}

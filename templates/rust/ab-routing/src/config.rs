//! The plugin configuration, as `config.schema.json` describes it.

use crate::header_name::HeaderName;
use crate::within::Within;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub variants: Vec<Variant>,
    header: Option<HeaderName>,
    pub response_header: Option<HeaderName>,
    sticky: Option<Sticky>,
    #[serde(default)]
    pub experiment: String,
    #[serde(default)]
    pub client_may_choose: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    pub name: String,
    pub weight: Within<0, 1_000_000>,
    pub path_prefix: Option<String>,
    pub authority: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sticky {
    header: Option<HeaderName>,
    /// The name of a cookie is made of the same characters, but its case matters.
    cookie: Option<String>,
    #[serde(default)]
    max_age: Within<1, 34_560_000, 2_592_000>,
}

/// What a visitor is known by.
pub enum Visitor<'a> {
    Header(&'a HeaderName),
    Cookie { name: &'a str, max_age: u32 },
    Nobody,
}

impl Config {
    pub fn check(&self) -> Result<(), String> {
        if self.variants.len() > 64 || self.variants.is_empty() {
            return Err("variants: 1 to 64 are needed".to_owned());
        }
        for (at, variant) in self.variants.iter().enumerate() {
            variant
                .check()
                .map_err(|error| format!("variants[{at}].{error}"))?;
            if self.variants[..at]
                .iter()
                .any(|other| other.name == variant.name)
            {
                return Err(format!(
                    "variants[{at}].name: {:?} is there twice",
                    variant.name
                ));
            }
        }
        if self
            .variants
            .iter()
            .all(|variant| variant.weight.get() == 0)
        {
            return Err("variants: at least one weight has to be above 0".to_owned());
        }
        match &self.sticky {
            Some(Sticky {
                header: Some(_),
                cookie: None,
                ..
            })
            | None => Ok(()),
            Some(Sticky {
                header: None,
                cookie: Some(name),
                ..
            }) => HeaderName::try_from(name.clone())
                .map(|_| ())
                .map_err(|_| format!("sticky.cookie: {name:?} is no name of a cookie")),
            Some(_) => Err("sticky: one of header and cookie is needed, and only one".to_owned()),
        }
    }

    /// The request header that gets the variant's name.
    pub fn header(&self) -> &str {
        self.header.as_ref().map_or("x-variant", HeaderName::as_str)
    }

    pub fn visitor(&self) -> Visitor<'_> {
        match &self.sticky {
            Some(Sticky {
                header: Some(name), ..
            }) => Visitor::Header(name),
            Some(Sticky {
                cookie: Some(name),
                max_age,
                ..
            }) => Visitor::Cookie {
                name,
                max_age: max_age.get(),
            },
            _ => Visitor::Nobody,
        }
    }
}

impl Variant {
    fn check(&self) -> Result<(), String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(fits) {
            return Err(format!(
                "name: {:?} is not 1 to 64 letters, digits, _ and -",
                self.name
            ));
        }
        if let Some(prefix) = &self.path_prefix {
            let sendable = prefix
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
            if !prefix.starts_with('/') || prefix.ends_with('/') || !sendable {
                return Err(format!(
                    "path_prefix: {prefix:?} does not begin with / and end without it"
                ));
            }
        }
        match &self.authority {
            Some(host) if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(format!("authority: {host:?} is no host"))
            }
            _ => Ok(()),
        }
    }
}

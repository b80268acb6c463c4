//! The plugin configuration, as `config.schema.json` describes it.

use crate::patterns::{Glob, Host};
use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    basic_auth_rules: Vec<RuleConfig>,
    #[serde(default = "default_realm")]
    realm: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleConfig {
    #[serde(default)]
    hosts: Vec<Host>,
    prefix: Option<String>,
    exact: Option<String>,
    suffix: Option<String>,
    request_methods: Vec<String>,
    credentials: Vec<Credentials>,
}

/// What requests need.
pub struct Settings {
    pub rules: Vec<Rule>,
    /// The value of `www-authenticate`.
    pub challenge: String,
}

impl Settings {
    pub fn new(config: Config) -> Result<Self, String> {
        if config.basic_auth_rules.is_empty() {
            return Err("basic_auth_rules: at least one rule is needed".to_owned());
        }
        if config.realm.chars().any(char::is_control) {
            return Err("realm: control characters cannot be sent".to_owned());
        }
        let rules = config.basic_auth_rules.into_iter().enumerate();
        let rules = rules.map(|(at, rule)| {
            rule.compile()
                .map_err(|error| format!("basic_auth_rules[{at}].{error}"))
        });
        let realm = config.realm.replace('\\', "\\\\").replace('"', "\\\"");
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            challenge: format!("Basic realm=\"{realm}\""),
        })
    }
}

impl RuleConfig {
    fn compile(self) -> Result<Rule, String> {
        let (name, text, path) = match (&self.prefix, &self.exact, &self.suffix) {
            (Some(text), None, None) => ("prefix", text, Glob::new([text.as_str(), ""])),
            (None, Some(text), None) => ("exact", text, Glob::new([text.as_str()])),
            (None, None, Some(text)) => ("suffix", text, Glob::new(["", text.as_str()])),
            _ => {
                return Err("prefix, exact, suffix: one of them is needed, and only one".to_owned())
            }
        };
        if text.is_empty() || text.contains(['?', '#']) {
            return Err(format!(
                "{name}: {text:?} is no path; a query is no part of it"
            ));
        }
        if self.request_methods.is_empty() || self.request_methods.iter().any(String::is_empty) {
            return Err(
                "request_methods: at least one is needed, and none may be empty".to_owned(),
            );
        }
        if self.credentials.is_empty() {
            return Err("credentials: at least one is needed".to_owned());
        }
        Ok(Rule {
            hosts: self.hosts,
            path,
            methods: self.request_methods,
            credentials: self.credentials,
        })
    }
}

/// Which requests need credentials, and which ones.
pub struct Rule {
    /// Empty when the rule is about every host.
    hosts: Vec<Host>,
    path: Glob,
    methods: Vec<String>,
    credentials: Vec<Credentials>,
}

impl Rule {
    /// The host is in lower case, the path has no query.
    pub fn covers(&self, method: &[u8], host: &[u8], path: &[u8]) -> bool {
        self.methods.iter().any(|name| name.as_bytes() == method)
            && self.path.matches(path)
            && (self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.matches(host)))
    }

    /// Looks at all credentials and all their bytes: the time this takes does not tell how much was right.
    pub fn accepts(&self, given: &[u8]) -> bool {
        self.credentials
            .iter()
            .fold(false, |found, known| found | known.are(given))
    }
}

/// `user:password` as bytes; in the configuration also as base64 of it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Credentials(Vec<u8>);

impl Credentials {
    fn are(&self, given: &[u8]) -> bool {
        let different = self
            .0
            .iter()
            .zip(given)
            .fold(0, |bits, (a, b)| bits | (a ^ b));
        (self.0.len() == given.len()) & (different == 0)
    }
}

impl TryFrom<String> for Credentials {
    type Error = &'static str;

    /// The error does not repeat a secret.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains(':') {
            return Ok(Self(text.into_bytes()));
        }
        match decode_base64(text.as_bytes()) {
            Some(decoded) if decoded.contains(&b':') => Ok(Self(decoded)),
            _ => Err("neither user:password nor base64 of it"),
        }
    }
}

/// Base64 with its padding or without.
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const PADDING: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDING);
    BASE64.decode(text).ok()
}

fn default_realm() -> String {
    "istio".to_owned()
}

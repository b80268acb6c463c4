//! The plugin configuration, as `config.schema.json` describes it.

use crate::header_name::HeaderName;
use crate::within::Within;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub cluster: String,
    pub authority: Option<String>,
    #[serde(default = "root")]
    pub path: String,
    #[serde(default)]
    pub timeout_ms: Within<1, 60_000, 1_000>,
    #[serde(default)]
    pub fail_open: bool,
    #[serde(default)]
    pub status_on_error: Within<400, 599, 503>,
    #[serde(default = "request_headers")]
    pub request_headers: Vec<HeaderName>,
    #[serde(default)]
    pub upstream_headers: Vec<HeaderName>,
    #[serde(default = "client_headers")]
    pub client_headers: Vec<HeaderName>,
    #[serde(default)]
    skip: Vec<String>,
}

impl Config {
    pub fn check(&self) -> Result<(), String> {
        if self.cluster.is_empty() {
            return Err("cluster: it has to be named".to_owned());
        }
        if !self.path.starts_with('/') {
            return Err(format!("path: {:?} does not begin with /", self.path));
        }
        match self.skip.iter().find(|path| !path.starts_with('/')) {
            Some(path) => Err(format!("skip: {path:?} does not begin with /")),
            None => Ok(()),
        }
    }

    /// Whether a `:path` passes unasked. Paths are compared whole: nothing gets in by `/healthz/../secret`.
    pub fn skips(&self, target: &[u8]) -> bool {
        let path = target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        self.skip.iter().any(|skipped| skipped.as_bytes() == path)
    }
}

fn root() -> String {
    "/".to_owned()
}

fn request_headers() -> Vec<HeaderName> {
    names(&["authorization", "cookie"])
}

fn client_headers() -> Vec<HeaderName> {
    names(&["content-type", "location", "set-cookie", "www-authenticate"])
}

fn names(known: &[&str]) -> Vec<HeaderName> {
    known
        .iter()
        .filter_map(|name| HeaderName::try_from((*name).to_owned()).ok())
        .collect()
}

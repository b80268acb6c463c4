//! The plugin configuration, as `config.schema.json` describes it.

use crate::header_name::HeaderName;
use crate::keys::Jwks;
use crate::within::Within;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub jwks: Option<Jwks>,
    pub remote_jwks: Option<RemoteJwks>,
    pub issuer: Option<String>,
    pub audiences: Option<Vec<String>>,
    #[serde(default)]
    pub leeway_seconds: Within<0, 600, 60>,
    #[serde(default)]
    pub claim_headers: BTreeMap<HeaderName, String>,
    #[serde(default)]
    pub forward_token: bool,
    #[serde(default)]
    skip: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteJwks {
    pub cluster: String,
    pub path: String,
    authority: Option<String>,
    #[serde(default)]
    timeout_ms: Within<1, 60_000, 1_000>,
    #[serde(default)]
    pub refresh_seconds: Within<10, 86_400, 300>,
}

impl Config {
    pub fn check(&self) -> Result<(), String> {
        if let Some(RemoteJwks { cluster, path, .. }) = &self.remote_jwks {
            if cluster.is_empty() {
                return Err("remote_jwks.cluster: it has to be named".to_owned());
            }
            if !path.starts_with('/') {
                return Err(format!("remote_jwks.path: {path:?} does not begin with /"));
            }
        }
        if self.audiences.as_ref().is_some_and(Vec::is_empty) {
            return Err("audiences: at least one is needed".to_owned());
        }
        match self.skip.iter().find(|path| !path.starts_with('/')) {
            Some(path) => Err(format!("skip: {path:?} does not begin with /")),
            None => Ok(()),
        }
    }

    /// Whether a `:path` needs no token. Paths are compared whole: nothing gets in by `/healthz/../secret`.
    pub fn skips(&self, target: &[u8]) -> bool {
        let path = target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        self.skip.iter().any(|skipped| skipped.as_bytes() == path)
    }
}

impl RemoteJwks {
    pub fn authority(&self) -> &str {
        self.authority.as_ref().unwrap_or(&self.cluster)
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms.get()))
    }
}

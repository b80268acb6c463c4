//! The keys: given in the configuration, or fetched when the first token comes and then again and again.

use crate::config::RemoteJwks;
use crate::keys::{Algorithm, Jwks, Key};
use crate::metrics::Counter;
use proxy_wasm::traits::Context;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

pub struct KeyStore {
    keys: RefCell<Vec<Rc<Key>>>,
    remote: Option<Remote>,
}

struct Remote {
    config: RemoteJwks,
    failed: Counter,
    /// When keys were fetched last, or could not be fetched.
    tried: Cell<Option<SystemTime>>,
}

/// As long as there are no keys, they are asked for again so soon.
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(1);
/// Tokens that name keys nobody knows, which anyone can make, make the proxy ask no more often.
const PAUSE_WITH_KEYS: Duration = Duration::from_secs(10);

impl KeyStore {
    pub fn new(jwks: Option<Jwks>, remote: Option<RemoteJwks>) -> Result<Self, String> {
        match (jwks, remote) {
            (Some(jwks), None) => {
                let keys: Vec<_> = jwks.usable().into_iter().map(Rc::new).collect();
                if keys.is_empty() {
                    return Err("jwks: none of the keys can be used".to_owned());
                }
                Ok(Self {
                    keys: RefCell::new(keys),
                    remote: None,
                })
            }
            (None, Some(config)) => {
                let failed = Counter::define("jwt_auth.fetch_failed")?;
                let remote = Some(Remote {
                    config,
                    failed,
                    tried: Cell::new(None),
                });
                Ok(Self {
                    keys: RefCell::default(),
                    remote,
                })
            }
            _ => Err("jwks, remote_jwks: one of them is needed, and only one".to_owned()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.borrow().is_empty()
    }

    /// The keys that a token may be signed with.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<Rc<Key>> {
        self.keys
            .borrow()
            .iter()
            .filter(|key| key.fits(kid, algorithm))
            .cloned()
            .collect()
    }

    /// How often the keys are to be fetched.
    pub fn refresh(&self) -> Option<Duration> {
        let seconds = self.remote.as_ref()?.config.refresh_seconds.get();
        Some(Duration::from_secs(u64::from(seconds)))
    }

    /// Whether it is time to look for a key that is not here.
    pub fn may_fetch(&self, context: &impl Context) -> bool {
        let Some(remote) = &self.remote else {
            return false;
        };
        let pause = if self.is_empty() {
            PAUSE_WITHOUT_KEYS
        } else {
            PAUSE_WITH_KEYS
        };
        let since = remote
            .tried
            .get()
            .and_then(|tried| context.get_current_time().duration_since(tried).ok());
        since.is_none_or(|since| since >= pause)
    }

    /// Asks for the keys. The answer comes to the same context, to be given to `take_answer`; `false` when none will.
    pub fn fetch(&self, context: &impl Context) -> bool {
        let Some(Remote { config, tried, .. }) = &self.remote else {
            return false;
        };
        // Without keys, another request need not rely on an answer that this one may not live to see.
        if !self.is_empty() {
            tried.set(Some(context.get_current_time()));
        }
        let headers = vec![
            (":method", "GET"),
            (":path", config.path.as_str()),
            (":authority", config.authority()),
        ];
        let sent =
            context.dispatch_http_call(&config.cluster, headers, None, vec![], config.timeout());
        if sent.is_err() {
            self.note_failure(context, "cannot be called");
        }
        sent.is_ok()
    }

    /// Takes the keys that were asked for. Without any, those that were there stay.
    pub fn take_answer(&self, context: &impl Context, body_size: usize) {
        let status = context
            .get_http_call_response_header_bytes(":status")
            .unwrap_or_default();
        if status != b"200" {
            return self.note_failure(
                context,
                &format!("answered {}", String::from_utf8_lossy(&status)),
            );
        }
        let body = context
            .get_http_call_response_body(0, body_size)
            .unwrap_or_default();
        let keys = serde_json::from_slice(&body).map_or_else(|_| Vec::new(), Jwks::usable);
        if keys.is_empty() {
            return self.note_failure(context, "sent no usable keys");
        }
        self.keys.replace(keys.into_iter().map(Rc::new).collect());
        self.note_try(context);
    }

    fn note_failure(&self, context: &impl Context, what: &str) {
        if let Some(Remote { config, failed, .. }) = &self.remote {
            log::warn!("jwt_auth: cluster {} {what}", config.cluster);
            failed.add(1);
        }
        self.note_try(context);
    }

    fn note_try(&self, context: &impl Context) {
        if let Some(remote) = &self.remote {
            remote.tried.set(Some(context.get_current_time()));
        }
    }
}

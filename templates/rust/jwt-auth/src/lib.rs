//! Lets requests pass that bear a valid JSON Web Token. See `config.rs` for what can be chosen, `token.rs` for what
//! makes a token valid, and `key_store.rs` for where the keys come from.

mod claims;
mod config;
mod header_name;
mod key_store;
mod keys;
mod metrics;
mod read_config;
mod refusal;
mod token;
mod within;

use crate::claims::Claims;
use crate::config::Config;
use crate::key_store::KeyStore;
use crate::metrics::Counter;
use crate::read_config::read_config;
use crate::refusal::Refusal;
use crate::token::{bearer, Token};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;

proxy_wasm::main! {{
    // Everything goes to the proxy, whose own level decides what is written.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { gate: None }));
}}

/// The filter at one place in the proxy.
struct Plugin {
    gate: Option<Rc<Gate>>,
}

struct Gate {
    config: Config,
    keys: KeyStore,
    allowed: Counter,
    denied: Counter,
}

impl RootContext for Plugin {
    /// A proxy that is told `false` refuses the filter.
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.gate() {
            Ok(gate) => {
                if let Some(period) = gate.keys.refresh() {
                    self.set_tick_period(period);
                }
                self.gate = Some(Rc::new(gate));
            }
            Err(error) => {
                log::error!("jwt_auth: configuration refused: {error}");
                return false;
            }
        }
        true
    }

    fn on_tick(&mut self) {
        if let Some(gate) = &self.gate {
            gate.keys.fetch(self);
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let gate = self.gate.clone()?;
        Some(Box::new(Stream { gate, token: None }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Plugin {
    /// The keys that `on_tick` asked for.
    fn on_http_call_response(
        &mut self,
        _token: u32,
        _headers: usize,
        body_size: usize,
        _trailers: usize,
    ) {
        if let Some(gate) = &self.gate {
            gate.keys.take_answer(self, body_size);
        }
    }
}

impl Plugin {
    fn gate(&self) -> Result<Gate, String> {
        let mut config: Config = read_config(self.get_plugin_configuration())?;
        config.check()?;
        let keys = KeyStore::new(config.jwks.take(), config.remote_jwks.take())?;
        let (allowed, denied) = (
            Counter::define("jwt_auth.allowed")?,
            Counter::define("jwt_auth.denied")?,
        );
        Ok(Gate {
            config,
            keys,
            allowed,
            denied,
        })
    }
}

impl Gate {
    fn check(&self, token: &Token, now: f64) -> Result<Claims, Refusal> {
        let claims = token.verify(|kid, algorithm| self.keys.find(kid, algorithm))?;
        claims.check(&self.config, now)?;
        Ok(claims)
    }
}

/// One request and its response.
struct Stream {
    gate: Rc<Gate>,
    /// The token of a request that waits for keys.
    token: Option<Token>,
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let gate = Rc::clone(&self.gate);
        // Only a token says what stands in these.
        for name in gate.config.claim_headers.keys() {
            self.remove_http_request_header(name.as_str());
        }
        if gate.config.skips(
            &self
                .get_http_request_header_bytes(":path")
                .unwrap_or_default(),
        ) {
            return Action::Continue;
        }
        let authorization = self
            .get_http_request_header_bytes("authorization")
            .unwrap_or_default();
        let token = match bearer(&authorization).and_then(Token::parse) {
            Ok(token) => token,
            Err(refusal) => return self.refuse(refusal),
        };
        match gate.check(&token, self.now()) {
            Ok(claims) => self.admit(&claims),
            // The issuer may have a new key.
            Err(Refusal::UnknownKey) if gate.keys.may_fetch(self) && gate.keys.fetch(self) => {
                self.token = Some(token);
                Action::Pause
            }
            Err(refusal) => self.refuse(refusal),
        }
    }
}

impl Context for Stream {
    /// The keys that this request waits for.
    fn on_http_call_response(
        &mut self,
        _token: u32,
        _headers: usize,
        body_size: usize,
        _trailers: usize,
    ) {
        let gate = Rc::clone(&self.gate);
        gate.keys.take_answer(self, body_size);
        let Some(token) = self.token.take() else {
            return;
        };
        match gate.check(&token, self.now()) {
            Ok(claims) => {
                self.admit(&claims);
                self.resume_http_request();
            }
            Err(refusal) => {
                self.refuse(refusal);
            }
        }
    }
}

impl Stream {
    /// Lets the request pass, with the claims that the upstream is to have.
    fn admit(&self, claims: &Claims) -> Action {
        let Gate {
            config, allowed, ..
        } = &*self.gate;
        allowed.add(1);
        if !config.forward_token {
            self.remove_http_request_header("authorization");
        }
        for (header, claim) in &config.claim_headers {
            if let Some(value) = claims.header_value(claim) {
                self.set_http_request_header(header.as_str(), Some(&value));
            }
        }
        Action::Continue
    }

    fn refuse(&self, refusal: Refusal) -> Action {
        // No token is at fault as long as there are no keys at all.
        let refusal = match refusal {
            Refusal::UnknownKey if self.gate.keys.is_empty() => Refusal::NoKeys,
            refusal => refusal,
        };
        self.gate.denied.add(1);
        let (status, challenge) = refusal.status_and_challenge();
        let mut headers = vec![("content-type", "text/plain")];
        headers.extend(challenge.map(|challenge| ("www-authenticate", challenge)));
        self.send_http_response(status, headers, Some(format!("{refusal}\n").as_bytes()));
        Action::Pause
    }

    /// Seconds since 1970.
    fn now(&self) -> f64 {
        let now = self
            .get_current_time()
            .duration_since(std::time::UNIX_EPOCH);
        now.unwrap_or_default().as_secs_f64()
    }
}

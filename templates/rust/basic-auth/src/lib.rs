//! Asks for a user name and a password where a rule of the configuration says so. See `config.rs` for the rules.

mod config;
mod patterns;
mod read_config;

use crate::config::{decode_base64, Settings};
use crate::patterns::{host_of, split_query};
use crate::read_config::read_config;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;

proxy_wasm::main! {{
    // Everything goes to the proxy, whose own level decides what is written.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { settings: None }));
}}

/// The filter at one place in the proxy.
struct Plugin {
    settings: Option<Rc<Settings>>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A proxy that is told `false` refuses the filter.
    fn on_configure(&mut self, _size: usize) -> bool {
        match read_config(self.get_plugin_configuration()).and_then(Settings::new) {
            Ok(settings) => self.settings = Some(Rc::new(settings)),
            Err(error) => {
                log::error!("basic_auth: configuration refused: {error}");
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let settings = self.settings.clone()?;
        Some(Box::new(Stream { settings }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request and its response.
struct Stream {
    settings: Rc<Settings>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let header = |name| self.get_http_request_header_bytes(name).unwrap_or_default();
        let (method, authority, target) =
            (header(":method"), header(":authority"), header(":path"));
        let (host, (path, _)) = (host_of(&authority), split_query(&target));
        let mut rules = self
            .settings
            .rules
            .iter()
            .filter(|rule| rule.covers(&method, &host, path))
            .peekable();
        if rules.peek().is_none() {
            return Action::Continue;
        }
        match credentials(&header("authorization")) {
            None => self.refuse("user name and password needed\n"),
            Some(given) if rules.all(|rule| rule.accepts(&given)) => Action::Continue,
            Some(_) => self.refuse("wrong user name or password\n"),
        }
    }
}

impl Stream {
    fn refuse(&self, body: &str) -> Action {
        let headers = vec![
            ("www-authenticate", self.settings.challenge.as_str()),
            ("content-type", "text/plain"),
        ];
        self.send_http_response(401, headers, Some(body.as_bytes()));
        Action::Pause
    }
}

/// What an `authorization` header says, decoded; `None` when it is of another scheme. What cannot be decoded is empty,
/// and nobody's: credentials have a colon.
fn credentials(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = header.split_at(header.len().min(5));
    if !scheme.eq_ignore_ascii_case(b"basic") || encoded.first().is_some_and(|&byte| byte != b' ') {
        return None;
    }
    let encoded = encoded
        .iter()
        .copied()
        .skip_while(|&byte| byte == b' ')
        .collect::<Vec<_>>();
    Some(decode_base64(&encoded).unwrap_or_default())
}

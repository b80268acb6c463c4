//! Asks another service by a callout whether a request may pass. See `config.rs` for what can be chosen.

mod config;
mod header_name;
mod metrics;
mod read_config;
mod within;

use crate::config::Config;
use crate::header_name::HeaderName;
use crate::metrics::Counter;
use crate::read_config::read_config;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;
use std::time::Duration;

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
    allowed: Counter,
    denied: Counter,
    failed: Counter,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A proxy that is told `false` refuses the filter.
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.gate() {
            Ok(gate) => self.gate = Some(Rc::new(gate)),
            Err(error) => {
                log::error!("ext_auth: configuration refused: {error}");
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let gate = self.gate.clone()?;
        Some(Box::new(Stream { gate }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Plugin {
    fn gate(&self) -> Result<Gate, String> {
        let config: Config = read_config(self.get_plugin_configuration())?;
        config.check()?;
        Ok(Gate {
            config,
            allowed: Counter::define("ext_auth.allowed")?,
            denied: Counter::define("ext_auth.denied")?,
            failed: Counter::define("ext_auth.failed")?,
        })
    }
}

/// One request and its response.
struct Stream {
    gate: Rc<Gate>,
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let config = &self.gate.config;
        // Only the service says what stands in these.
        for name in &config.upstream_headers {
            self.remove_http_request_header(name.as_str());
        }
        let target = self
            .get_http_request_header_bytes(":path")
            .unwrap_or_default();
        if config.skips(&target) {
            return Action::Continue;
        }
        if self.ask() {
            return Action::Pause;
        }
        log::warn!("ext_auth: cluster {} cannot be called", config.cluster);
        match self.passes_without_answer() {
            true => Action::Continue,
            false => Action::Pause,
        }
    }
}

impl Context for Stream {
    /// The answer. One that came too late, or from a service that cannot be reached, is made by the proxy: 503 or 504.
    fn on_http_call_response(
        &mut self,
        _token: u32,
        _headers: usize,
        body_size: usize,
        _trailers: usize,
    ) {
        let status = self
            .get_http_call_response_header_bytes(":status")
            .unwrap_or_default();
        let status = std::str::from_utf8(&status)
            .ok()
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or_default();
        match status {
            200..=299 => {
                self.gate.allowed.add(1);
                for (name, value) in self.answer_headers(&self.gate.config.upstream_headers) {
                    self.add_http_request_header_bytes(&name, &value);
                }
                self.resume_http_request();
            }
            300..=499 => {
                self.gate.denied.add(1);
                self.deny(status, body_size);
            }
            _ => {
                log::warn!(
                    "ext_auth: cluster {} answered {status}",
                    self.gate.config.cluster
                );
                if self.passes_without_answer() {
                    self.resume_http_request();
                }
            }
        }
    }
}

impl Stream {
    /// Sends the question; `false` when the proxy does not.
    fn ask(&self) -> bool {
        let config = &self.gate.config;
        let shown = [
            ("x-forwarded-method", ":method"),
            ("x-forwarded-proto", ":scheme"),
            ("x-forwarded-host", ":authority"),
            ("x-forwarded-uri", ":path"),
        ];
        let names = shown.into_iter().chain(
            config
                .request_headers
                .iter()
                .map(|name| (name.as_str(), name.as_str())),
        );
        // The SDK sends text only: a value that is no UTF-8 is not shown.
        let values = names.filter_map(|(name, source)| {
            let value = self.get_http_request_header_bytes(source)?;
            Some((name, String::from_utf8(value).ok()?))
        });
        let values: Vec<_> = values.collect();
        let authority = config.authority.as_ref().unwrap_or(&config.cluster);
        let mut headers = vec![
            (":method", "GET"),
            (":path", config.path.as_str()),
            (":authority", authority.as_str()),
        ];
        headers.extend(values.iter().map(|(name, value)| (*name, value.as_str())));
        let timeout = Duration::from_millis(u64::from(config.timeout_ms.get()));
        self.dispatch_http_call(&config.cluster, headers, None, vec![], timeout)
            .is_ok()
    }

    /// Sends the service's refusal to the client.
    fn deny(&self, status: u32, body_size: usize) {
        let body = self
            .get_http_call_response_body(0, body_size)
            .unwrap_or_default();
        let headers = self.answer_headers(&self.gate.config.client_headers);
        let headers = headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value).ok()?)));
        self.send_http_response(status, headers.collect(), Some(&body));
    }

    /// Counts a question without an answer and, unless the request passes all the same, answers it.
    fn passes_without_answer(&self) -> bool {
        let Gate { config, failed, .. } = &*self.gate;
        failed.add(1);
        if !config.fail_open {
            let headers = vec![("content-type", "text/plain")];
            let body = b"the authorization service did not answer\n";
            self.send_http_response(config.status_on_error.get(), headers, Some(body));
        }
        config.fail_open
    }

    /// Those headers of the answer that have one of the names, in the order of the answer.
    fn answer_headers(&self, names: &[HeaderName]) -> Vec<(String, Vec<u8>)> {
        let mut headers = self.get_http_call_response_headers_bytes();
        headers.retain(|(name, _)| names.iter().any(|wanted| wanted.as_str() == name));
        headers
    }
}

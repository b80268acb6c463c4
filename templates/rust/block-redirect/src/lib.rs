//! Answers requests by rules: with a status and a text, or with another place to go to. The first rule all of whose
//! conditions hold decides; a request that no rule fits passes. See `config.rs` for what a rule can say.

mod config;
mod header_name;
mod metrics;
mod patterns;
mod read_config;
mod rule;
mod within;

use crate::config::read_rules;
use crate::metrics::Counter;
use crate::patterns::{host_of, split_query};
use crate::read_config::read_config;
use crate::rule::{Action as RuleAction, Rule};
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
    rules: Vec<Rule>,
    blocked: Counter,
    redirected: Counter,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A proxy that is told `false` refuses the filter.
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.gate() {
            Ok(gate) => self.gate = Some(Rc::new(gate)),
            Err(error) => {
                log::error!("block_redirect: configuration refused: {error}");
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
        Ok(Gate {
            rules: read_rules(read_config(self.get_plugin_configuration())?)?,
            blocked: Counter::define("block_redirect.blocked")?,
            redirected: Counter::define("block_redirect.redirected")?,
        })
    }
}

/// One request and its response.
struct Stream {
    gate: Rc<Gate>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let authority = self
            .get_http_request_header_bytes(":authority")
            .unwrap_or_default();
        let target = self
            .get_http_request_header_bytes(":path")
            .unwrap_or_default();
        let (path, query) = split_query(&target);
        let host = host_of(&authority);
        let Some(rule) = self
            .gate
            .rules
            .iter()
            .find(|rule| rule.fits(path, &host, self))
        else {
            return Action::Continue;
        };
        match &rule.action {
            RuleAction::Block { status, body } => {
                self.gate.blocked.add(1);
                let headers = vec![("content-type", "text/plain")];
                self.send_http_response(*status, headers, Some(body.as_bytes()));
            }
            RuleAction::Redirect(redirect) => {
                self.gate.redirected.add(1);
                let location =
                    redirect.location(&path[rule.prefix_length..], query.unwrap_or_default());
                self.send_http_response(redirect.status, vec![("location", &location)], None);
            }
        }
        Action::Pause
    }
}

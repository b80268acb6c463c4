//! Chooses a variant for every request, by weight and always the same one for the same visitor. See `config.rs` for
//! what can be chosen.

mod config;
mod draw;
mod header_name;
mod metrics;
mod read_config;
mod within;

use crate::config::{Config, Visitor};
use crate::draw::{choose, hash};
use crate::metrics::Counter;
use crate::read_config::read_config;
use proxy_wasm::hostcalls::set_property;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

proxy_wasm::main! {{
    // Everything goes to the proxy, whose own level decides what is written.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { switch: None }));
}}

/// The filter at one place in the proxy.
struct Plugin {
    switch: Option<Rc<Switch>>,
}

struct Switch {
    config: Config,
    /// For each variant, how many requests it got.
    requests: Vec<Counter>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A proxy that is told `false` refuses the filter.
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.switch() {
            Ok(switch) => self.switch = Some(Rc::new(switch)),
            Err(error) => {
                log::error!("ab_routing: configuration refused: {error}");
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let switch = self.switch.clone()?;
        Some(Box::new(Stream {
            switch,
            variant: None,
            new_cookie: None,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Plugin {
    fn switch(&self) -> Result<Switch, String> {
        let config: Config = read_config(self.get_plugin_configuration())?;
        config.check()?;
        let names = config
            .variants
            .iter()
            .map(|variant| format!("ab_routing.requests.{}", variant.name));
        let requests = names
            .map(|name| Counter::define(&name))
            .collect::<Result<_, _>>()?;
        Ok(Switch { config, requests })
    }
}

/// One request and its response.
struct Stream {
    switch: Rc<Switch>,
    /// Place of the variant in the configuration.
    variant: Option<usize>,
    /// A cookie for a visitor that has none.
    new_cookie: Option<String>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    /// Changes the headers that routes match on. Envoy chooses the route anew by itself when request headers change.
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let place = self.chosen_by_client().unwrap_or_else(|| self.draw());
        self.variant = Some(place);
        let Switch { config, requests } = &*self.switch;
        let variant = &config.variants[place];
        requests[place].add(1);
        self.set_http_request_header(config.header(), Some(&variant.name));
        if let Some(prefix) = &variant.path_prefix {
            let path = self
                .get_http_request_header_bytes(":path")
                .unwrap_or_default();
            self.set_http_request_header_bytes(":path", Some(&[prefix.as_bytes(), &path].concat()));
        }
        if let Some(authority) = &variant.authority {
            self.set_http_request_header(":authority", Some(authority));
        }
        // In an access log of Envoy: %FILTER_STATE(wasm.ab_variant:PLAIN)%
        if let Err(status) = set_property(vec!["ab_variant"], Some(variant.name.as_bytes())) {
            log::warn!("ab_routing: the property ab_variant cannot be set: {status:?}");
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Config {
            variants,
            response_header,
            ..
        } = &self.switch.config;
        if let (Some(name), Some(place)) = (response_header, self.variant) {
            self.set_http_response_header(name.as_str(), Some(&variants[place].name));
        }
        if let Some(cookie) = self.new_cookie.take() {
            self.add_http_response_header("set-cookie", &cookie);
        }
        Action::Continue
    }
}

impl Stream {
    fn chosen_by_client(&self) -> Option<usize> {
        let config = &self.switch.config;
        let name = config
            .client_may_choose
            .then(|| self.get_http_request_header_bytes(config.header()))??;
        config
            .variants
            .iter()
            .position(|variant| variant.name.as_bytes() == name)
    }

    fn draw(&mut self) -> usize {
        let switch = Rc::clone(&self.switch);
        let key = match switch.config.visitor() {
            Visitor::Header(name) => self
                .get_http_request_header_bytes(name.as_str())
                .unwrap_or_else(|| self.nobody()),
            Visitor::Cookie { name, max_age } => self.cookie(name).unwrap_or_else(|| {
                let value = format!("{:016x}", hash(&[&self.nobody()]));
                let secure =
                    self.get_http_request_header_bytes(":scheme").as_deref() == Some(b"https");
                let secure = if secure { "; Secure" } else { "" };
                let rest = format!("Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
                self.new_cookie = Some(format!("{name}={value}; {rest}"));
                value.into_bytes()
            }),
            Visitor::Nobody => self.nobody(),
        };
        choose(&switch.config, &key)
    }

    /// What a request of nobody in particular is drawn by: Envoy gives each an id of its own.
    fn nobody(&self) -> Vec<u8> {
        self.get_http_request_header_bytes("x-request-id")
            .unwrap_or_else(|| {
                let now = self
                    .get_current_time()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                now.as_nanos().to_string().into_bytes()
            })
    }

    /// The value of a cookie; an empty one is none.
    fn cookie(&self, name: &str) -> Option<Vec<u8>> {
        let cookies = self.get_http_request_header_bytes("cookie")?;
        let value = cookies.split(|&byte| byte == b';').find_map(|cookie| {
            let cookie = cookie.strip_prefix(b" ").unwrap_or(cookie);
            cookie.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
        })?;
        (!value.is_empty()).then(|| value.to_vec())
    }
}

//! Counts the bytes of TCP connections both ways, and writes a line of JSON when one ends. See `config.rs` for what can
//! be chosen.

mod config;
mod metrics;
mod read_config;

use crate::config::Config;
use crate::metrics::Counter;
use crate::read_config::read_config;
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, PeerType};
use serde_json::Value;
use std::rc::Rc;
use std::time::SystemTime;

proxy_wasm::main! {{
    // Everything goes to the proxy, whose own level decides what is written.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { logger: None }));
}}

/// The filter at one place in the proxy.
struct Plugin {
    logger: Option<Rc<Logger>>,
}

struct Logger {
    config: Config,
    connections: Counter,
    bytes_received: Counter,
    bytes_sent: Counter,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A proxy that is told `false` refuses the filter.
    fn on_configure(&mut self, size: usize) -> bool {
        match self.logger(size) {
            Ok(logger) => self.logger = Some(Rc::new(logger)),
            Err(error) => {
                log::error!("tcp_logger: configuration refused: {error}");
                return false;
            }
        }
        true
    }

    fn create_stream_context(&self, _id: u32) -> Option<Box<dyn StreamContext>> {
        let logger = self.logger.clone()?;
        let began = self.get_current_time();
        Some(Box::new(Connection {
            logger,
            began,
            bytes_received: 0,
            bytes_sent: 0,
            closed_by: None,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}

impl Plugin {
    fn logger(&self, size: usize) -> Result<Logger, String> {
        let config = if size == 0 {
            Config::default()
        } else {
            read_config(self.get_plugin_configuration())?
        };
        config.check()?;
        Ok(Logger {
            config,
            connections: Counter::define("tcp_logger.connections")?,
            bytes_received: Counter::define("tcp_logger.bytes_received")?,
            bytes_sent: Counter::define("tcp_logger.bytes_sent")?,
        })
    }
}

/// One connection, from the client ("downstream") through the proxy to the upstream.
struct Connection {
    logger: Rc<Logger>,
    began: SystemTime,
    /// From the client.
    bytes_received: u64,
    /// To the client.
    bytes_sent: u64,
    /// The side that ended first.
    closed_by: Option<&'static str>,
}

impl StreamContext for Connection {
    fn on_new_connection(&mut self) -> Action {
        self.logger.connections.add(1);
        Action::Continue
    }

    fn on_downstream_data(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.bytes_received += size as u64;
        self.logger.bytes_received.add(size as u64);
        if end_of_stream {
            self.closed_by.get_or_insert("downstream");
        }
        Action::Continue
    }

    fn on_upstream_data(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.bytes_sent += size as u64;
        self.logger.bytes_sent.add(size as u64);
        if end_of_stream {
            self.closed_by.get_or_insert("upstream");
        }
        Action::Continue
    }

    fn on_downstream_close(&mut self, _peer: PeerType) {
        self.closed_by.get_or_insert("downstream");
    }

    fn on_upstream_close(&mut self, _peer: PeerType) {
        self.closed_by.get_or_insert("upstream");
    }

    /// Called once, when the connection is gone; properties can still be read.
    fn on_log(&mut self) {
        let _ = proxy_wasm::hostcalls::log(self.logger.config.level.into(), &self.line());
    }
}

impl Context for Connection {}

impl Connection {
    fn line(&self) -> String {
        // A clock that was set back measures nothing.
        let duration = self
            .get_current_time()
            .duration_since(self.began)
            .unwrap_or_default()
            .as_millis() as u64;
        let text = |path: Vec<&str>| {
            self.get_property(path)
                .map(|text| Value::from(String::from_utf8_lossy(&text)))
        };
        let mut members = vec![
            ("source", text(vec!["source", "address"])),
            ("destination", text(vec!["destination", "address"])),
            ("bytes_received", Some(self.bytes_received.into())),
            ("bytes_sent", Some(self.bytes_sent.into())),
            ("duration_ms", Some(duration.into())),
            ("closed_by", self.closed_by.map(Value::from)),
        ];
        let fields = self.logger.config.fields.iter();
        members.extend(fields.map(|(name, path)| (name.as_str(), text(path.split('.').collect()))));
        let members = members
            .into_iter()
            .filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

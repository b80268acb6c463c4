//! Lets requests through as long as there are tokens in a bucket that all worker threads of the proxy share.

mod bucket;
mod config;
mod header_name;
mod metrics;
mod read_config;
mod within;

use crate::bucket::take_token;
use crate::config::Config;
use crate::metrics::Counter;
use crate::read_config::read_config;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

proxy_wasm::main! {{
    // Everything goes to the proxy, whose own level decides what is written.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { limiter: None }));
}}

/// The filter at one place in the proxy.
struct Plugin {
    limiter: Option<Rc<Limiter>>,
}

struct Limiter {
    config: Config,
    limited: Counter,
    /// What the keys of the buckets begin with: two plugins of one proxy have buckets of their own.
    key_prefix: String,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A proxy that is told `false` refuses the filter.
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.limiter() {
            Ok(limiter) => self.limiter = Some(Rc::new(limiter)),
            Err(error) => {
                log::error!("local_rate_limit: configuration refused: {error}");
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let limiter = self.limiter.clone()?;
        Some(Box::new(Stream { limiter }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Plugin {
    fn limiter(&self) -> Result<Limiter, String> {
        let config = read_config(self.get_plugin_configuration())?;
        let name = self.get_property(vec!["plugin_name"]).unwrap_or_default();
        let key_prefix = format!("local_rate_limit/{}/", String::from_utf8_lossy(&name));
        Ok(Limiter {
            config,
            limited: Counter::define("local_rate_limit.limited")?,
            key_prefix,
        })
    }
}

/// One request and its response.
struct Stream {
    limiter: Rc<Limiter>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Limiter {
            config, limited, ..
        } = &*self.limiter;
        let now = self
            .get_current_time()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let wait = match take_token(&self.bucket_key(), config, now.as_nanos() as u64) {
            Ok(None) => return Action::Continue,
            Ok(Some(wait)) => wait,
            Err(status) => {
                log::error!("local_rate_limit: the request goes through uncounted: {status:?}");
                return Action::Continue;
            }
        };
        limited.add(1);
        let seconds = wait.as_nanos().div_ceil(1_000_000_000).to_string();
        let headers = vec![
            ("retry-after", seconds.as_str()),
            ("content-type", "text/plain"),
        ];
        self.send_http_response(config.status.get(), headers, Some(b"rate limit exceeded\n"));
        Action::Pause
    }
}

impl Stream {
    /// Values of the header are spread over a fixed number of buckets, so that invented ones fill no memory.
    fn bucket_key(&self) -> String {
        let Limiter {
            config, key_prefix, ..
        } = &*self.limiter;
        let bucket = config.key_header.as_ref().map_or(0, |name| {
            let value = self
                .get_http_request_header_bytes(name.as_str())
                .unwrap_or_default();
            fnv1a(&value) % config.key_buckets.get()
        });
        format!("{key_prefix}{bucket}")
    }
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

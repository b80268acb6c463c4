//! Metrics of the proxy. Envoy shows them with `wasmcustom.` before the name.

use proxy_wasm::hostcalls::{define_metric, increment_metric};
use proxy_wasm::types::MetricType;

/// A number that only grows.
#[derive(Clone, Copy)]
pub struct Counter(u32);

impl Counter {
    pub fn define(name: &str) -> Result<Self, String> {
        match define_metric(MetricType::Counter, name) {
            Ok(id) => Ok(Self(id)),
            Err(status) => Err(format!("the metric {name} cannot be defined: {status:?}")),
        }
    }

    pub fn add(self, count: u64) {
        // The proxy refuses 0.
        if count > 0 {
            let _ = increment_metric(self.0, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

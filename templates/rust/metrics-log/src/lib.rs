//! Counts requests by the class of their status, measures how long they take, and writes a line of JSON for each. See
//! `config.rs` for what can be chosen.

mod config;
mod counters;
mod header_name;
mod line;
mod metrics;
mod read_config;

use crate::config::{Column, Config};
use crate::counters::{LabelCounters, RequestCounters};
use crate::line::Line;
use crate::read_config::read_config;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType};
use std::rc::Rc;
use std::time::SystemTime;

proxy_wasm::main! {{
    // Everything goes to the proxy, whose own level decides what is written.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { meters: None }));
}}

/// The filter at one place in the proxy.
struct Plugin {
    meters: Option<Rc<Meters>>,
}

struct Meters {
    columns: Vec<Column>,
    requests: RequestCounters,
    labels: Vec<LabelCounters>,
    /// A histogram, in milliseconds.
    duration: u32,
    /// A gauge.
    in_flight: u32,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A proxy that is told `false` refuses the filter.
    fn on_configure(&mut self, size: usize) -> bool {
        match self.meters(size) {
            Ok(meters) => self.meters = Some(Rc::new(meters)),
            Err(error) => {
                log::error!("metrics_log: configuration refused: {error}");
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let meters = self.meters.clone()?;
        Some(Box::new(Stream {
            meters,
            began: None,
            status: 0,
            labels: Vec::new(),
            texts: Vec::new(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Plugin {
    fn meters(&self, size: usize) -> Result<Meters, String> {
        let config = if size == 0 {
            Config::default()
        } else {
            read_config(self.get_plugin_configuration())?
        };
        config.check()?;
        let prefix = config.stat_prefix.as_str();
        Ok(Meters {
            requests: RequestCounters::new(prefix),
            labels: config
                .labels
                .iter()
                .map(|label| LabelCounters::new(prefix, label))
                .collect(),
            duration: define(MetricType::Histogram, &format!("{prefix}.duration_ms"))?,
            in_flight: define(MetricType::Gauge, &format!("{prefix}.in_flight"))?,
            columns: config.columns(),
        })
    }
}

fn define(kind: MetricType, name: &str) -> Result<u32, String> {
    hostcalls::define_metric(kind, name)
        .map_err(|status| format!("the metric {name} cannot be defined: {status:?}"))
}

/// One request and its response.
struct Stream {
    meters: Rc<Meters>,
    /// When the request came; `None` when another filter answered before this one saw it.
    began: Option<SystemTime>,
    /// That of the response, 0 as long as there is none.
    status: u32,
    /// For each label, which of its values the request has.
    labels: Vec<usize>,
    /// For each column, what the request says; `None` what is not there.
    texts: Vec<Option<Vec<u8>>>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    /// Keeps what is needed at the end, when the request is gone.
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.began = Some(self.get_current_time());
        let _ = hostcalls::increment_metric(self.meters.in_flight, 1);
        let labels = self.meters.labels.iter();
        self.labels = labels
            .map(|label| {
                label.place_of(
                    self.get_http_request_header_bytes(label.header.as_str())
                        .as_deref(),
                )
            })
            .collect();
        self.texts = self
            .meters
            .columns
            .iter()
            .map(|column| column.read(self))
            .collect();
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let status = self
            .get_http_response_header_bytes(":status")
            .unwrap_or_default();
        self.status = std::str::from_utf8(&status)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_default();
        Action::Continue
    }

    /// Called when all is over, also when the client went away.
    fn on_log(&mut self) {
        let Some(began) = self.began else { return };
        // A clock that was set back measures nothing.
        let duration = self
            .get_current_time()
            .duration_since(began)
            .unwrap_or_default()
            .as_millis() as u64;
        let meters = &self.meters;
        let _ = hostcalls::increment_metric(meters.in_flight, -1);
        let _ = hostcalls::record_metric(meters.duration, duration);
        meters.requests.count(self.status);
        for (label, &place) in meters.labels.iter().zip(&self.labels) {
            label.count(place, self.status);
        }
        if !meters.columns.is_empty() {
            let mut line = Line::new();
            for (column, text) in meters.columns.iter().zip(&self.texts) {
                match column {
                    Column::Status => line.number(column.name(), u64::from(self.status)),
                    Column::DurationMs => line.number(column.name(), duration),
                    _ => line.text(column.name(), text.as_deref()),
                }
            }
            log::info!("{}", line.end());
        }
    }
}

//! Counters of requests by the class of their status, and by the value of a header.

use crate::config::Label;
use crate::header_name::HeaderName;
use crate::metrics::Counter;
use std::cell::OnceCell;

/// A counter for each class of status, made when it is needed first.
pub struct RequestCounters {
    prefix: String,
    counters: [OnceCell<Counter>; CLASSES.len()],
}

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

impl RequestCounters {
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{prefix}.requests."),
            counters: Default::default(),
        }
    }

    pub fn count(&self, status: u32) {
        let class = Some(status as usize / 100)
            .filter(|&class| class < CLASSES.len())
            .unwrap_or_default();
        match self.counters[class].get() {
            Some(counter) => counter.add(1),
            None => match Counter::define(&format!("{}{}", self.prefix, CLASSES[class])) {
                Ok(counter) => self.counters[class].get_or_init(|| counter).add(1),
                Err(error) => log::error!("metrics_log: {error}"),
            },
        }
    }
}

/// Counters for each value of a header that is configured, for all others, and for requests without the header:
/// clients cannot make metrics.
pub struct LabelCounters {
    pub header: HeaderName,
    values: Vec<String>,
    /// In the order of the values, then those for `other` and `none`.
    counters: Vec<RequestCounters>,
}

impl LabelCounters {
    pub fn new(prefix: &str, label: &Label) -> Self {
        let names = label
            .values
            .iter()
            .map(String::as_str)
            .chain(["other", "none"]);
        let counters = names
            .map(|value| RequestCounters::new(&format!("{prefix}.{}.{value}", label.name)))
            .collect();
        Self {
            header: label.header.clone(),
            values: label.values.clone(),
            counters,
        }
    }

    /// Which counters are those of a value.
    pub fn place_of(&self, value: Option<&[u8]>) -> usize {
        match value {
            None => self.values.len() + 1,
            Some(value) => self
                .values
                .iter()
                .position(|known| known.as_bytes() == value)
                .unwrap_or(self.values.len()),
        }
    }

    pub fn count(&self, place: usize, status: u32) {
        self.counters[place].count(status);
    }
}

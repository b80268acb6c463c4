//! The plugin configuration, as `config.schema.json` describes it.

use crate::header_name::HeaderName;
use proxy_wasm::traits::HttpContext;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub stat_prefix: String,
    pub labels: Vec<Label>,
    log_fields: Vec<Column>,
    log_headers: Vec<HeaderName>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    pub name: String,
    pub header: HeaderName,
    pub values: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        let stat_prefix = "metrics_log".to_owned();
        Self {
            stat_prefix,
            labels: Vec::new(),
            log_fields: Vec::new(),
            log_headers: Vec::new(),
        }
    }
}

impl Config {
    /// Says what cannot be part of a metric's name.
    pub fn check(&self) -> Result<(), String> {
        if self.stat_prefix.len() > 64
            || !self.stat_prefix.split('.').all(|word| is_word(word, b"_"))
        {
            return Err(format!(
                "stat_prefix: {:?} is no beginning of a metric's name",
                self.stat_prefix
            ));
        }
        for (at, label) in self.labels.iter().enumerate() {
            if label.name.contains('-')
                || !is_word(&label.name, b"_")
                || !label.name.as_bytes()[0].is_ascii_lowercase()
            {
                return Err(format!(
                    "labels[{at}].name: {:?} cannot be part of a metric's name",
                    label.name
                ));
            }
            let fits = |value: &String| is_word(&value.to_ascii_lowercase(), b"_-");
            if label.values.is_empty() || label.values.len() > 64 || !label.values.iter().all(fits)
            {
                return Err(format!(
                    "labels[{at}].values: 1 to 64 are needed, of letters, digits, _ and -"
                ));
            }
        }
        if self.labels.len() > 8 {
            return Err("labels: at most 8".to_owned());
        }
        Ok(())
    }

    /// The columns of the access log.
    pub fn columns(self) -> Vec<Column> {
        self.log_fields
            .into_iter()
            .chain(self.log_headers.into_iter().map(Column::Header))
            .collect()
    }
}

/// 1 to 64 lower-case letters, digits and others.
fn is_word(text: &str, others: &[u8]) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || others.contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// A name and a value in the line of the access log.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    Method,
    Host,
    Path,
    Query,
    Status,
    DurationMs,
    RequestId,
    UserAgent,
    SourceIp,
    #[serde(skip_deserializing)]
    Header(HeaderName),
}

impl Column {
    pub fn name(&self) -> &str {
        match self {
            Self::Method => "method",
            Self::Host => "host",
            Self::Path => "path",
            Self::Query => "query",
            Self::Status => "status",
            Self::DurationMs => "duration_ms",
            Self::RequestId => "request_id",
            Self::UserAgent => "user_agent",
            Self::SourceIp => "source_ip",
            Self::Header(name) => name.as_str(),
        }
    }

    /// What the request says; `None` what it does not, and what is known at its end only.
    pub fn read(&self, stream: &impl HttpContext) -> Option<Vec<u8>> {
        let header = |name| stream.get_http_request_header_bytes(name);
        match self {
            Self::Method => header(":method"),
            Self::Host => header(":authority"),
            Self::Path => header(":path").map(|mut path| {
                path.truncate(
                    path.iter()
                        .position(|&byte| byte == b'?')
                        .unwrap_or(path.len()),
                );
                path
            }),
            Self::Query => header(":path").and_then(|path| {
                let at = path.iter().position(|&byte| byte == b'?')?;
                Some(path[at + 1..].to_vec())
            }),
            Self::RequestId => header("x-request-id"),
            Self::UserAgent => header("user-agent"),
            Self::SourceIp => stream.get_property(vec!["source", "address"]).map(ip_of),
            Self::Header(name) => header(name.as_str()),
            Self::Status | Self::DurationMs => None,
        }
    }
}

/// An address without port and brackets.
fn ip_of(mut address: Vec<u8>) -> Vec<u8> {
    let colon = address.iter().rposition(|byte| matches!(byte, b':' | b']'));
    if let Some(at) = colon.filter(|&at| address[at] == b':') {
        address.truncate(at);
    }
    address.retain(|byte| !matches!(byte, b'[' | b']'));
    address
}

//! The plugin configuration, as `config.schema.json` describes it.

use proxy_wasm::types::LogLevel;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub level: Level,
    /// Paths of properties, by the names they have in the line.
    pub fields: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Critical,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}

impl Config {
    pub fn check(&self) -> Result<(), String> {
        if self.fields.len() > 16 {
            return Err("fields: at most 16".to_owned());
        }
        for (name, path) in &self.fields {
            let fits =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if !name.starts_with(|first: char| first.is_ascii_lowercase())
                || !name.bytes().all(fits)
            {
                return Err(format!(
                    "fields: {name:?} is not made of lower-case letters, digits and _"
                ));
            }
            if path.split('.').any(str::is_empty) {
                return Err(format!(
                    "fields.{name}: {path:?} is no path such as connection.tls_version"
                ));
            }
        }
        Ok(())
    }
}

//! The plugin configuration, as `config.schema.json` describes it.

use crate::header_name::HeaderName;
use crate::within::Within;
use serde::Deserialize;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub max_tokens: Within<1, 1_000_000_000>,
    #[serde(default)]
    pub tokens_per_fill: Within<1, 1_000_000_000>,
    pub fill_interval: Interval,
    #[serde(default)]
    pub status: Within<400, 599, 429>,
    pub key_header: Option<HeaderName>,
    #[serde(default)]
    pub key_buckets: Within<1, 65_536, 1024>,
}

/// `500ms`, `1s`, `5m` or `1h`; more than nothing and at most 24 hours.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct Interval(pub Duration);

impl TryFrom<String> for Interval {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = match unit {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            _ => None,
        };
        let milliseconds = number
            .parse::<u32>()
            .ok()
            .zip(factor)
            .map(|(number, factor)| u64::from(number) * factor);
        match milliseconds {
            Some(milliseconds @ 1..=86_400_000) => Ok(Self(Duration::from_millis(milliseconds))),
            _ => Err(format!(
                "{text:?} is no interval such as 500ms, 1s, 5m or 1h, at most 24h"
            )),
        }
    }
}

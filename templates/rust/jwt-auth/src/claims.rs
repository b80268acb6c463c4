//! What a token says (RFC 7519).

use crate::config::Config;
use crate::refusal::Refusal;
use serde_json::{Map, Value};

pub struct Claims(Map<String, Value>);

impl Claims {
    pub fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(payload)
            .map(Self)
            .map_err(|_| Refusal::Malformed)
    }

    /// Holds them against the configuration; `now` is in seconds since 1970.
    pub fn check(&self, config: &Config, now: f64) -> Result<(), Refusal> {
        let leeway = f64::from(config.leeway_seconds.get());
        let expires = self.time("exp")?.ok_or(Refusal::NoExpiry)?;
        if now >= expires + leeway {
            return Err(Refusal::Expired);
        }
        if self
            .time("nbf")?
            .is_some_and(|begins| now < begins - leeway)
        {
            return Err(Refusal::NotYet);
        }
        let issuer = self.0.get("iss").and_then(Value::as_str);
        if config.issuer.is_some() && config.issuer.as_deref() != issuer {
            return Err(Refusal::Issuer);
        }
        match &config.audiences {
            Some(audiences) if !self.names_one_of(audiences) => Err(Refusal::Audience),
            _ => Ok(()),
        }
    }

    /// The claim as it can stand in a header: text, a whole number, true or false, or a list of texts.
    pub fn header_value(&self, claim: &str) -> Option<String> {
        let value = match self.0.get(claim)? {
            Value::String(text) => text.clone(),
            Value::Number(number) if !number.is_f64() => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Array(items) if !items.is_empty() => items
                .iter()
                .map(Value::as_str)
                .collect::<Option<Vec<_>>>()?
                .join(","),
            _ => return None,
        };
        // A line break would begin another header.
        (!value.chars().any(char::is_control)).then_some(value)
    }

    fn time(&self, claim: &str) -> Result<Option<f64>, Refusal> {
        match self.0.get(claim) {
            None => Ok(None),
            Some(time) => time.as_f64().map(Some).ok_or(Refusal::Malformed),
        }
    }

    fn names_one_of(&self, audiences: &[String]) -> bool {
        let accepted = |name: &Value| {
            name.as_str()
                .is_some_and(|name| audiences.iter().any(|known| known == name))
        };
        match self.0.get("aud") {
            Some(Value::Array(names)) => names.iter().any(accepted),
            Some(name) => accepted(name),
            None => false,
        }
    }
}

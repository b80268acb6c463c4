//! The plugin configuration, as `config.schema.json` describes it.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub rules: Vec<RuleConfig>,
    #[serde(default = "texts")]
    pub content_types: Vec<String>,
    #[serde(default)]
    pub ask_for_plain: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    pub search: String,
    pub replace: String,
}

impl Config {
    pub fn check(&self) -> Result<(), String> {
        if self.rules.is_empty() || self.rules.len() > 32 {
            return Err("rules: 1 to 32 are needed".to_owned());
        }
        if let Some(at) = self
            .rules
            .iter()
            .position(|rule| !(1..=1024).contains(&rule.search.len()))
        {
            return Err(format!("rules[{at}].search: 1 to 1024 bytes are needed"));
        }
        if self.content_types.is_empty() || self.content_types.iter().any(String::is_empty) {
            return Err("content_types: at least one is needed, and none may be empty".to_owned());
        }
        Ok(())
    }
}

fn texts() -> Vec<String> {
    [
        "text/",
        "application/json",
        "application/javascript",
        "application/xml",
    ]
    .map(str::to_owned)
    .to_vec()
}

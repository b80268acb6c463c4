//! The plugin configuration, as `config.schema.json` describes it.

use crate::header_name::HeaderName;
use crate::patterns::{Glob, Host};
use crate::rule::{Action, Redirect, Rule};
use crate::within::Within;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    rules: Vec<RuleConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleConfig {
    exact: Option<String>,
    prefix: Option<String>,
    glob: Option<String>,
    hosts: Option<Vec<Host>>,
    header: Option<HeaderConfig>,
    sources: Option<Vec<String>>,
    block: Option<BlockConfig>,
    redirect: Option<RedirectConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderConfig {
    name: HeaderName,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlockConfig {
    #[serde(default)]
    status: Within<200, 599, 403>,
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedirectConfig {
    to: Place,
    #[serde(default)]
    status: RedirectStatus,
    #[serde(default)]
    keep_path: bool,
    #[serde(default = "yes")]
    keep_query: bool,
}

/// The rules in the order in which they are tried.
pub fn read_rules(config: Config) -> Result<Vec<Rule>, String> {
    if config.rules.is_empty() {
        return Err("rules: at least one is needed".to_owned());
    }
    let rules = config.rules.into_iter().enumerate();
    rules
        .map(|(at, rule)| {
            rule.compile()
                .map_err(|error| format!("rules[{at}].{error}"))
        })
        .collect()
}

impl RuleConfig {
    fn compile(self) -> Result<Rule, String> {
        let (path, prefix_length) = self.path()?;
        if self.hosts.as_ref().is_some_and(Vec::is_empty) {
            return Err("hosts: at least one is needed".to_owned());
        }
        if self
            .sources
            .as_ref()
            .is_some_and(|all| all.is_empty() || all.iter().any(String::is_empty))
        {
            return Err("sources: at least one is needed, and none may be empty".to_owned());
        }
        let action = match (self.block, self.redirect) {
            (Some(block), None) => Action::Block {
                status: block.status.get(),
                body: block.body.unwrap_or_else(|| "blocked\n".to_owned()),
            },
            (None, Some(redirect)) => Action::Redirect(redirect.compile()?),
            _ => return Err("block, redirect: one of them is needed, and only one".to_owned()),
        };
        let header = self.header.map(|header| (header.name, header.value));
        Ok(Rule {
            path,
            prefix_length,
            hosts: self.hosts,
            header,
            sources: self.sources,
            action,
        })
    }

    /// What the path must look like, and how much of it a redirect with `keep_path` leaves out.
    fn path(&self) -> Result<(Option<Glob>, usize), String> {
        for (key, text) in [
            ("exact", &self.exact),
            ("prefix", &self.prefix),
            ("glob", &self.glob),
        ] {
            if let Some(text) = text
                .as_ref()
                .filter(|text| text.is_empty() || text.contains(['?', '#']))
            {
                return Err(format!(
                    "{key}: {text:?} is no path; a query is no part of it"
                ));
            }
        }
        match (&self.exact, &self.prefix, &self.glob) {
            (None, None, None) => Ok((None, 0)),
            (Some(text), None, None) => Ok((Some(Glob::new([text.as_str()])), 0)),
            (None, Some(text), None) => Ok((Some(Glob::new([text.as_str(), ""])), text.len())),
            (None, None, Some(text)) => Ok((Some(Glob::new(text.split('*'))), 0)),
            _ => Err("exact, prefix, glob: only one of them can be given".to_owned()),
        }
    }
}

impl RedirectConfig {
    fn compile(self) -> Result<Redirect, String> {
        if self.keep_path && self.to.0.contains('?') {
            return Err(
                "redirect.keep_path: a query in redirect.to does not go with it".to_owned(),
            );
        }
        let Self {
            to: Place(to),
            status: RedirectStatus(status),
            keep_path,
            keep_query,
        } = self;
        Ok(Redirect {
            to,
            status,
            keep_path,
            keep_query,
        })
    }
}

/// A path of this host, or an address: ASCII without blanks, so that it can be sent as a header as it is.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Place(String);

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let leads_somewhere = match (host, text.strip_prefix('/')) {
            (Some(host), _) => {
                host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
            }
            // Browsers take "//host" and "/\host" for another host.
            (None, Some(path)) => !path.starts_with(['/', '\\']),
            (None, None) => false,
        };
        if leads_somewhere
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        {
            return Ok(Self(text));
        }
        Err(format!(
            "{text:?} is neither a path nor an address with http:// or https://"
        ))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "u32")]
struct RedirectStatus(u32);

impl Default for RedirectStatus {
    fn default() -> Self {
        Self(302)
    }
}

impl TryFrom<u32> for RedirectStatus {
    type Error = String;

    fn try_from(status: u32) -> Result<Self, String> {
        match status {
            301 | 302 | 303 | 307 | 308 => Ok(Self(status)),
            _ => Err(format!("{status} is none of 301, 302, 303, 307 and 308")),
        }
    }
}

fn yes() -> bool {
    true
}

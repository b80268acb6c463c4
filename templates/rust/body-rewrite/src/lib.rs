//! Searches and replaces in the bodies of responses while they pass, piece by piece. See `config.rs` for what can be
//! chosen, and `rewriter.rs` for how a match is found that is spread over several pieces.

mod config;
mod metrics;
mod read_config;
mod response;
mod rewriter;

use crate::config::Config;
use crate::metrics::Counter;
use crate::read_config::read_config;
use crate::response::can_be_rewritten;
use crate::rewriter::{Rewriter, Rules};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;

proxy_wasm::main! {{
    // Everything goes to the proxy, whose own level decides what is written.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { editor: None }));
}}

/// The filter at one place in the proxy.
struct Plugin {
    editor: Option<Rc<Editor>>,
}

struct Editor {
    rules: Rules,
    content_types: Vec<String>,
    ask_for_plain: bool,
    replacements: Counter,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A proxy that is told `false` refuses the filter.
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.editor() {
            Ok(editor) => self.editor = Some(Rc::new(editor)),
            Err(error) => {
                log::error!("body_rewrite: configuration refused: {error}");
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let editor = self.editor.clone()?;
        Some(Box::new(Stream {
            editor,
            rewriter: None,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Plugin {
    fn editor(&self) -> Result<Editor, String> {
        let config: Config = read_config(self.get_plugin_configuration())?;
        config.check()?;
        let rules = config
            .rules
            .into_iter()
            .map(|rule| (rule.search.into_bytes(), rule.replace.into_bytes()));
        Ok(Editor {
            rules: Rules::new(rules.collect()),
            content_types: config.content_types,
            ask_for_plain: config.ask_for_plain,
            replacements: Counter::define("body_rewrite.replacements")?,
        })
    }
}

/// One request and its response.
struct Stream {
    editor: Rc<Editor>,
    /// `None` when the body is left alone.
    rewriter: Option<Rewriter>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if self.editor.ask_for_plain {
            self.remove_http_request_header("accept-encoding");
            self.remove_http_request_header("range");
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if !can_be_rewritten(self, &self.editor.content_types) {
            return Action::Continue;
        }
        self.rewriter = Some(Rewriter::default());
        // What is no longer true of the body that the client gets.
        for name in [
            "content-length",
            "accept-ranges",
            "content-md5",
            "digest",
            "content-digest",
            "repr-digest",
        ] {
            self.remove_http_response_header(name);
        }
        let etag = self
            .get_http_response_header_bytes("etag")
            .unwrap_or_default();
        if etag.starts_with(b"\"") {
            self.set_http_response_header_bytes("etag", Some(&[b"W/", etag.as_slice()].concat()));
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(mut rewriter) = self.rewriter.take() else {
            return Action::Continue;
        };
        let piece = self.get_http_response_body(0, size).unwrap_or_default();
        let (output, replacements) = rewriter.next(&self.editor.rules, piece, end_of_stream);
        self.rewriter = Some(rewriter);
        self.editor.replacements.add(replacements);
        if let Some(output) = output {
            self.set_http_response_body(0, size, &output);
        }
        Action::Continue
    }

    /// A body that trailers follow has no last piece, and once they are here nothing can be put before them any more.
    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        let held = self.rewriter.take().map_or(0, |rewriter| rewriter.held());
        if held == 0 {
            return Action::Continue;
        }
        log::error!(
            "body_rewrite: trailers came while {held} bytes were held back, the response is reset"
        );
        self.reset_http_response();
        Action::Pause
    }
}

//! A line of the access log: compact JSON.

/// An object whose members are written one after the other.
pub struct Line(String);

/// How many bytes of a text stand in the line.
const LONGEST: usize = 512;

impl Line {
    pub fn new() -> Self {
        Self(String::with_capacity(256))
    }

    pub fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    /// A text, shortened when it is long; `null` without one. Bytes that are no UTF-8 are shown as U+FFFD.
    pub fn text(&mut self, name: &str, value: Option<&[u8]>) {
        self.name(name);
        match value {
            None => self.0.push_str("null"),
            Some(value) if value.len() <= LONGEST => self.quoted(&String::from_utf8_lossy(value)),
            Some(value) => {
                let text = String::from_utf8_lossy(&value[..whole_characters(value)]);
                self.quoted(&(text.into_owned() + "..."));
            }
        }
    }

    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.quoted(name);
        self.0.push(':');
    }

    fn quoted(&mut self, text: &str) {
        self.0.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Up to `LONGEST`, but never within a character.
fn whole_characters(text: &[u8]) -> usize {
    let continues = |byte: u8| byte & 0xc0 == 0x80;
    (LONGEST - 3..=LONGEST)
        .rev()
        .find(|&end| !continues(text[end]))
        .unwrap_or(LONGEST)
}

//! Search and replace in a text that comes in pieces. The end of a piece that could be the beginning of a match is held
//! back until more is known: less than the longest search, however long the text is.

/// What is searched for and what takes its place; where several fit at one place, the first one wins.
pub struct Rules {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether a search begins with the byte: most bytes of a text are passed by with one look.
    begins: [bool; 256],
}

impl Rules {
    /// No search may be empty.
    pub fn new(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let mut begins = [false; 256];
        for (search, _) in &pairs {
            begins[usize::from(search[0])] = true;
        }
        Self { pairs, begins }
    }

    fn look(&self, text: &[u8], is_end: bool) -> Found<'_> {
        for (search, replacement) in &self.pairs {
            if text.starts_with(search) {
                return Found::Match {
                    length: search.len(),
                    replacement,
                };
            }
            if !is_end && search.starts_with(text) {
                return Found::Perhaps;
            }
        }
        Found::Nothing
    }
}

/// What a text begins with.
enum Found<'a> {
    Match {
        length: usize,
        replacement: &'a [u8],
    },
    /// A match, if the text goes on in the right way.
    Perhaps,
    Nothing,
}

/// Where a text has got to.
#[derive(Default)]
pub struct Rewriter {
    held: Vec<u8>,
}

impl Rewriter {
    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes the next piece. Returns what goes on in its place (`None`: the piece as it is), and how many matches were
    /// replaced.
    pub fn next(&mut self, rules: &Rules, piece: Vec<u8>, is_end: bool) -> (Option<Vec<u8>>, u64) {
        let had_held = !self.held.is_empty();
        let mut text = std::mem::take(&mut self.held);
        if had_held {
            text.extend_from_slice(&piece);
        } else {
            text = piece;
        }
        let mut output = Vec::new();
        let (mut replacements, mut written, mut at) = (0, 0, 0);
        while let Some(skipped) = text[at..]
            .iter()
            .position(|&byte| rules.begins[usize::from(byte)])
        {
            at += skipped;
            match rules.look(&text[at..], is_end) {
                Found::Match {
                    length,
                    replacement,
                } => {
                    output.extend_from_slice(&text[written..at]);
                    output.extend_from_slice(replacement);
                    at += length;
                    written = at;
                    replacements += 1;
                }
                Found::Perhaps => {
                    self.held = text.split_off(at);
                    break;
                }
                Found::Nothing => at += 1,
            }
        }
        if !had_held && replacements == 0 && self.held.is_empty() {
            return (None, 0);
        }
        output.extend_from_slice(&text[written..]);
        (Some(output), replacements)
    }
}

#[cfg(test)]
mod tests {
    use super::{Rewriter, Rules};

    fn rewrite(rules: &Rules, text: &[u8], pieces: usize) -> Vec<u8> {
        let mut rewriter = Rewriter::default();
        let mut output = Vec::new();
        let mut chunks = text.chunks(pieces).peekable();
        while let Some(piece) = chunks.next() {
            let rewritten = rewriter
                .next(rules, piece.to_vec(), chunks.peek().is_none())
                .0;
            output.extend(rewritten.unwrap_or_else(|| piece.to_vec()));
            assert!(rewriter.held() < 4);
        }
        output
    }

    #[test]
    fn the_pieces_do_not_matter() {
        let pairs = [("aab", "1"), ("abcd", "22"), ("ab", ""), ("c", "aab")];
        let pairs = pairs.map(|(search, replace)| (search.into(), replace.into()));
        let rules = Rules::new(pairs.to_vec());
        // Every text of eight letters out of four.
        for number in 0..65_536_u32 {
            let text: Vec<u8> = (0..8)
                .map(|place| b"abcd"[(number >> (2 * place)) as usize & 3])
                .collect();
            let whole = rewrite(&rules, &text, 8);
            for pieces in 1..8 {
                assert_eq!(rewrite(&rules, &text, pieces), whole);
            }
        }
    }
}

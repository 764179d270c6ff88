//! A scalar, and the way from an offset in its text back to its place in the file.
//!
//! In:  the text as YAML reads it, and as it stands in the file.
//! Out: a [`Scalar`] that answers [`Scalar::place_at`].
//!
//! Invariants:
//! - YAML changes only white space and escapes, so the n-th visible character of the text is the n-th
//!   visible one in the file: that is how a place is found, whatever the folding.

use crate::mistake::Place;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|` or `>`
    Block,
}

/// A scalar's text and where it stands.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// Where it begins.
    pub place: Place,
    /// Its value as text.
    pub text: String,
    /// How it is written.
    pub style: Style,
    /// As it stands in the file, quotes included.
    raw: Box<str>,
}

impl Scalar {
    pub(super) fn new(text: &str, style: Style, raw: &str, place: Place) -> Self {
        Self { place, text: text.to_owned(), style, raw: raw.into() }
    }

    /// The place in the file of a byte offset of [`Scalar::text`].
    #[must_use]
    pub fn place_at(&self, offset: usize) -> Place {
        let head = self.text.get(..offset).unwrap_or(&self.text);
        let visible = head.chars().filter(|letter| !letter.is_ascii_whitespace()).count();
        let at_space =
            self.text[head.len()..].chars().next().is_none_or(|next| next.is_ascii_whitespace());
        let letters = visible_letters(&self.raw, self.style);
        // White space is counted from the letter before it, as its own length may differ in the file.
        let (anchor, extra) = if at_space && visible > 0 {
            let spaces = head.chars().rev().take_while(char::is_ascii_whitespace).count();
            (letters.get(visible - 1).map(|(start, end)| (*start, *end)), spaces)
        } else {
            (letters.get(visible).map(|(start, _)| (*start, *start)), 0)
        };
        anchor.map_or_else(|| self.place.clone(), |(_, end)| self.place_in_raw(end, extra))
    }

    fn place_in_raw(&self, end: usize, extra: usize) -> Place {
        let before = self.raw.get(..end).unwrap_or_default();
        let extra = u32::try_from(extra).unwrap_or(0);
        let length = |text: &str| u32::try_from(text.chars().count()).unwrap_or(0);
        let lines = u32::try_from(before.matches('\n').count()).unwrap_or(0);
        let column = match before.rsplit_once('\n') {
            Some((_, last)) => length(last) + 1,
            None => self.place.column + length(before),
        };
        Place {
            file: self.place.file.clone(),
            line: self.place.line + lines,
            column: column + extra,
        }
    }
}

/// Byte ranges in `raw` of the characters that are not white space in the value.
fn visible_letters(raw: &str, style: Style) -> Vec<(usize, usize)> {
    let mut letters = Vec::new();
    let mut rest = raw.char_indices().peekable();
    let quoted = match style {
        Style::Plain | Style::Block => false,
        Style::SingleQuoted | Style::DoubleQuoted => true,
    };
    if quoted {
        rest.next();
    }
    while let Some((start, letter)) = rest.next() {
        let mut end = start + letter.len_utf8();
        if style == Style::SingleQuoted && letter == '\'' {
            match rest.next() {
                Some((second, _)) => end = second + 1,
                None => break,
            }
        } else if style == Style::DoubleQuoted && letter == '"' {
            break;
        } else if style == Style::DoubleQuoted && letter == '\\' {
            let Some((second, kind)) = rest.next() else { break };
            end = second + kind.len_utf8();
            let digits = escape_digits(kind);
            let code = raw.get(end..end + digits).unwrap_or_default();
            for _ in 0..digits {
                rest.next();
            }
            end += digits;
            if escapes_to_space(kind, code) {
                continue;
            }
        } else if letter.is_ascii_whitespace() {
            continue;
        }
        letters.push((start, end));
    }
    letters
}

/// Hexadecimal digits after `\x`, `\u`, `\U` (YAML 1.2, 5.7).
fn escape_digits(kind: char) -> usize {
    match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    }
}

/// Whether an escape stands for white space, or, at a line's end, for nothing.
fn escapes_to_space(kind: char, code: &str) -> bool {
    let coded = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
    match kind {
        'n' | 'r' | 't' | '\t' | ' ' | 'f' | '\n' | '\r' => true,
        'x' | 'u' | 'U' => coded.is_some_and(|letter| letter.is_ascii_whitespace()),
        _ => false,
    }
}

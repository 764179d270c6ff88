//! Edits a statement's text at byte offsets; never prints a tree.
//!
//! In:  the client's text and a list of [`Edit`]s.
//! Out: the new text, and where each edit landed in it ([`Spliced`]).
//!
//! Invariants:
//! - Edits do not overlap; text between them is copied byte for byte.
//! - Two edits at one offset keep the order in which they were added.

use std::fmt::Write as _;
use std::ops::Range;

/// Replaces a range of the client's text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// Byte offsets into the original; empty for an insertion.
    pub range: Range<usize>,
    /// What stands there instead.
    pub text: String,
}

/// Edits could not be carried out. Always our own bug; the statement is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SpliceError {
    /// Two edits claim the same bytes.
    #[error("edits overlap at byte {0}")]
    Overlap(usize),
    /// An edit reaches past the text or into the middle of a character.
    #[error("edit at byte {0} is outside the text")]
    OutOfBounds(usize),
}

/// The result of [`apply`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Spliced {
    /// The new text.
    pub text: String,
    /// For each edit, in text order: its range in the original and in the new text.
    pub moved: Vec<(Range<usize>, Range<usize>)>,
}

impl Spliced {
    /// Maps a byte offset of the new text back to the original; offsets inside an edit map to its start.
    #[must_use]
    pub fn original(&self, offset: usize) -> usize {
        let mut shift = 0_isize;
        for (old, new) in &self.moved {
            if offset < new.start {
                break;
            }
            if offset < new.end {
                return old.start;
            }
            shift = old.end.cast_signed() - new.end.cast_signed();
        }
        offset.saturating_add_signed(shift)
    }

    /// Maps a byte offset of the original, outside every edit, to the new text.
    #[must_use]
    pub fn moved(&self, offset: usize) -> usize {
        let mut shift = 0_isize;
        for (old, new) in &self.moved {
            if offset < old.end || (old.is_empty() && offset < old.start) {
                break;
            }
            shift = new.end.cast_signed() - old.end.cast_signed();
        }
        offset.saturating_add_signed(shift)
    }
}

/// Carries out `edits` on `text`.
///
/// # Errors
/// [`SpliceError`] if they overlap or leave the text.
pub fn apply(text: &str, mut edits: Vec<Edit>) -> Result<Spliced, SpliceError> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut spliced = Spliced {
        text: String::with_capacity(text.len() + added),
        moved: Vec::with_capacity(edits.len()),
    };
    let mut done = 0;
    for edit in edits {
        if edit.range.start < done {
            return Err(SpliceError::Overlap(edit.range.start));
        }
        let kept = text.get(done..edit.range.start);
        let replaced = text.get(edit.range.clone());
        let (Some(kept), Some(_)) = (kept, replaced) else {
            return Err(SpliceError::OutOfBounds(edit.range.start));
        };
        spliced.text.push_str(kept);
        let start = spliced.text.len();
        spliced.text.push_str(&edit.text);
        done = edit.range.end;
        spliced.moved.push((edit.range, start..spliced.text.len()));
    }
    let rest = text.get(done..).ok_or(SpliceError::OutOfBounds(done))?;
    spliced.text.push_str(rest);
    Ok(spliced)
}

/// Writes an identifier, always quoted: no keyword list to keep, no case to fold.
#[must_use]
pub fn quoted(identifier: &str) -> String {
    let mut text = String::with_capacity(identifier.len() + 2);
    push_quoted(&mut text, identifier);
    text
}

/// Appends a quoted identifier.
pub fn push_quoted(text: &mut String, identifier: &str) {
    text.push('"');
    for character in identifier.chars() {
        if character == '"' {
            text.push('"');
        }
        text.push(character);
    }
    text.push('"');
}

/// `"schema"."name"`.
#[must_use]
pub fn qualified(schema: &str, name: &str) -> String {
    let mut text = String::with_capacity(schema.len() + name.len() + 5);
    push_quoted(&mut text, schema);
    text.push('.');
    push_quoted(&mut text, name);
    text
}

/// Writes a string constant that reads the same whatever `standard_conforming_strings` says:
/// a backslash makes it an `E''` string.
#[must_use]
pub fn literal(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 3);
    if value.contains('\\') {
        text.push_str(" E");
    }
    text.push('\'');
    for character in value.chars() {
        match character {
            '\'' => text.push_str("''"),
            '\\' => text.push_str("\\\\"),
            plain => {
                let _ = text.write_char(plain);
            }
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(range: Range<usize>, text: &str) -> Edit {
        Edit { range, text: text.to_owned() }
    }

    #[test]
    fn edits_are_carried_out_and_mapped_both_ways() {
        let spliced = apply("select a from t", vec![edit(14..15, "public.t"), edit(7..7, "x, ")])
            .expect("no overlap");
        assert_eq!(spliced.text, "select x, a from public.t");
        assert_eq!(spliced.original(10), 7);
        assert_eq!(spliced.original(19), 14);
        assert_eq!(spliced.moved(7), 10);
        assert_eq!(spliced.moved(9), 12);
    }

    #[test]
    fn overlapping_edits_are_refused() {
        let overlapping = apply("abcdef", vec![edit(0..3, "x"), edit(2..4, "y")]);
        assert_eq!(overlapping, Err(SpliceError::Overlap(2)));
        assert_eq!(apply("abc", vec![edit(2..9, "")]), Err(SpliceError::OutOfBounds(2)));
    }

    #[test]
    fn literals_and_identifiers_are_escaped() {
        assert_eq!(literal("O'Hara"), "'O''Hara'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
        assert_eq!(qualified("a\"b", "c"), "\"a\"\"b\".\"c\"");
    }
}

//! Mistakes in what people write, each with its place and what to do about it.
//!
//! In:  places in YAML files.
//! Out: [`Mistake`]s, gathered in a [`Report`], so that all are told at once.
//!
//! Invariants:
//! - A message never repeats a password or an attribute's value.
//! - Lines and columns count from 1; columns count characters.

use std::fmt;
use std::sync::Arc;

/// One file: its name for messages, and its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// As it shall stand in messages.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A place in a file.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The file's name.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

/// What a caller may want to tell apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum MistakeKind {
    /// The file is not YAML, or uses a part of YAML that is refused.
    Yaml,
    /// An unknown or missing key, or a value of the wrong shape.
    Structure,
    /// A part of the language that this version does not have.
    Unsupported,
    /// A role, group, user, mask or attribute that nothing defines.
    Reference,
    /// A value that its type does not admit.
    Value,
    /// An expression that does not parse.
    Expression,
    /// Something that the catalog has, but that does not fit the rule.
    Catalog,
    /// A relation, or every relation of a wildcard, that the catalog lacks. With several catalogs it is a
    /// mistake only if all of them lack it.
    UnknownRelation,
    /// A function that the catalog lacks. With several catalogs it is a mistake only if all of them lack it.
    UnknownFunction,
    /// A password in clear text stands at the place. The mistake does not hold it.
    ClearText,
    /// No mistake: something that deserves a look.
    Note,
}

/// One mistake.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Mistake {
    /// The file's name.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it; empty when there is nothing to add.
    pub hint: String,
    /// For callers that tell mistakes apart.
    pub kind: MistakeKind,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(formatter, " (hint: {})", self.hint) }
    }
}

impl std::error::Error for Mistake {}

/// Most mistakes that are told; a file of rubbish must not become a flood.
const MAX_MISTAKES: usize = 1000;
/// After so many mistakes there are no more suggestions: each compares with every known name.
const MAX_SUGGESTIONS: usize = 200;

/// Gathers mistakes; nobody stops at the first.
#[derive(Debug, Default)]
pub struct Report {
    mistakes: Vec<Mistake>,
    notes: Vec<Mistake>,
}

impl Report {
    /// Notes one mistake.
    pub fn add(
        &mut self,
        place: &Place,
        kind: MistakeKind,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.mistakes.len() >= MAX_MISTAKES {
            return;
        }
        self.mistakes.push(Mistake {
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            message: message.into(),
            hint: hint.into(),
            kind,
        });
    }

    /// Notes what deserves a look and is no mistake.
    pub fn note(&mut self, place: &Place, message: impl Into<String>) {
        if self.notes.len() < MAX_MISTAKES {
            let mistake = Mistake {
                file: place.file.to_string(),
                line: place.line,
                column: place.column,
                message: message.into(),
                hint: String::new(),
                kind: MistakeKind::Note,
            };
            self.notes.push(mistake);
        }
    }

    /// What was noted and is no mistake.
    #[must_use]
    pub fn take_notes(&mut self) -> Vec<Mistake> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.sort();
        notes
    }

    /// As [`did_you_mean`], as long as the mistakes are few.
    #[must_use]
    pub fn suggest<'a>(&self, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
        if self.mistakes.len() < MAX_SUGGESTIONS {
            did_you_mean(word, known)
        } else {
            String::new()
        }
    }

    /// Takes over mistakes found elsewhere.
    pub fn extend(&mut self, mistakes: Vec<Mistake>) {
        self.mistakes.extend(mistakes);
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// All mistakes by file, line and column, each once.
    #[must_use]
    pub fn finish(mut self) -> Vec<Mistake> {
        self.mistakes.sort();
        self.mistakes.dedup();
        self.mistakes
    }
}

/// ``did you mean `sales_rep`?``, or an empty text when nothing known is near.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let reach = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate, reach), candidate))
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map_or_else(String::new, |(_, nearest)| format!("did you mean `{nearest}`?"))
}

/// Edits (insert, remove, change, swap neighbours) between two words, capital letters ignored; anything
/// beyond `reach` when they are surely further apart.
fn distance(left: &str, right: &str, reach: usize) -> usize {
    let left: Vec<char> = left.chars().map(|letter| letter.to_ascii_lowercase()).collect();
    let right: Vec<char> = right.chars().map(|letter| letter.to_ascii_lowercase()).collect();
    if left.len().abs_diff(right.len()) > reach || left.len() > 128 {
        return reach + 1;
    }
    let mut rows = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for (index, row) in rows.iter_mut().enumerate() {
        row[0] = index;
    }
    rows[0] = (0..=right.len()).collect();
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            let changed = usize::from(left[i - 1] != right[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            best = best.min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, known: &[&str], expected: &str) {
        assert_eq!(did_you_mean(word, known.iter().copied()), expected, "{word}");
    }

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        check("slaes_rep", &["sales_rep", "manager"], "did you mean `sales_rep`?");
        check("mangaer", &["sales_rep", "manager"], "did you mean `manager`?");
        check("rows:", &["rows", "allow"], "did you mean `rows`?");
        check("Manager", &["manager"], "did you mean `manager`?");
        check("owner", &["sales_rep", "manager"], "");
        check("", &["a"], "did you mean `a`?");
        check("x", &[], "");
    }

    #[test]
    fn a_mistake_prints_its_place_and_its_hint() {
        let place = Place { file: "a.yaml".into(), line: 3, column: 7 };
        let mut report = Report::default();
        report.add(&place, MistakeKind::Structure, "unknown key `x`", "remove it");
        report.add(&place, MistakeKind::Structure, "unknown key `x`", "remove it");
        let printed: Vec<String> = report.finish().iter().map(Mistake::to_string).collect();
        assert_eq!(printed, ["a.yaml:3:7: unknown key `x` (hint: remove it)"]);
    }
}

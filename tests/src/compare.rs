//! Two answers to one statement: what counts as equal.
//!
//! In:  pgcordon's answer and that of native row security.
//! Out: nothing, or what differs.
//!
//! Invariants:
//! - Column names, type OIDs, rows, tags, the transaction's status and the SQLSTATE count; messages do not.
//! - A refusal that is worded otherwise on purpose is a line of [`WORDED_OTHERWISE`], nothing else is.

use crate::answer::{Answer, ResultSet};

/// pgcordon's SQLSTATE, PostgreSQL's, and why.
const WORDED_OTHERWISE: [(&str, &str); 2] = [
    // A relation that is not granted does not exist.
    ("42P01", "42501"),
    // A masked column of a view is an expression to PostgreSQL: it cannot be written at all.
    ("42501", "0A000"),
];

/// OID of `record`.
const RECORD: u32 = 2249;

/// A case of a file: `-- name`, then the statement; `; ordered` after the name means that the rows' order counts.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// Whether the order of rows counts.
    pub ordered: bool,
    /// One statement or several.
    pub sql: String,
}

/// Reads cases.
///
/// # Panics
/// When a title has no statement.
#[must_use]
pub fn cases(text: &str) -> Vec<Case> {
    let text = format!("\n{text}");
    let cases = text.split("\n-- ").skip(1).map(|case| {
        let (title, sql) = case.split_once('\n').expect("a title and a statement");
        let (name, ordered) = match title.strip_suffix("; ordered") {
            Some(name) => (name, true),
            None => (title, false),
        };
        Case { name: name.to_owned(), ordered, sql: sql.trim().trim_end_matches(';').to_owned() }
    });
    cases.collect()
}

/// What tells two answers apart; nothing if nothing does.
#[must_use]
pub fn difference(got: &Answer, native: &Answer, ordered: bool) -> Option<String> {
    let states = (got.sqlstate(), native.sqlstate());
    let same_error = states.0 == states.1 || WORDED_OTHERWISE.contains(&states);
    if !same_error {
        let said = |answer: &Answer| match &answer.error {
            Some(error) => format!("{} {}", error.sqlstate(), error.message()),
            None => format!("no error, {} rows", rows(answer)),
        };
        return Some(format!("got: {}\n native: {}", said(got), said(native)));
    }
    if got.status != native.status {
        return Some(format!("status got: {}, native: {}", got.status, native.status));
    }
    // Rows before an error depend on how far the plan came.
    if got.error.is_some() {
        return None;
    }
    let (left, right) = (text(got, ordered), text(native, ordered));
    (left != right).then(|| first_difference(&left, &right))
}

fn rows(answer: &Answer) -> usize {
    answer.results.iter().map(|result| result.rows.len()).sum()
}

fn text(answer: &Answer, ordered: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for result in &answer.results {
        lines.push(format!("[{}] {}", described(result), result.tag));
        let mut rows: Vec<String> = result.rows.iter().map(|row| row_text(row)).collect();
        if !ordered {
            rows.sort();
        }
        lines.extend(rows);
        lines.extend(result.copied.iter().cloned());
    }
    lines
}

fn described(result: &ResultSet) -> String {
    let columns = result.columns.iter().zip(&result.types).map(|(name, oid)| {
        // A view in place of a table has a row type of its own; pgcordon makes the row of a filtered table a record.
        let row = *oid >= 16_384 || *oid == RECORD;
        if row { format!("{name}:row or user") } else { format!("{name}:{oid}") }
    });
    columns.collect::<Vec<String>>().join("|")
}

fn row_text(row: &[Option<String>]) -> String {
    let values: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or("\\N")).collect();
    values.join("|")
}

fn first_difference(left: &[String], right: &[String]) -> String {
    let at = left.iter().zip(right).position(|(one, other)| one != other);
    let at = at.unwrap_or_else(|| left.len().min(right.len()));
    let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(end)".to_owned());
    format!(
        "got, line {at} of {}: {}\n native, of {}: {}",
        left.len(),
        line(left),
        right.len(),
        line(right)
    )
}

//! Compares what a test expects with what came back.
//!
//! In:  an [`Expected`] and a [`Reply`].
//! Out: lines that tell the difference, `-` for what was expected and `+` for what came; none if there is none.
//!
//! Invariants:
//! - NULL and the text "NULL" look different, and so do any two values that differ.
//! - Rows that differ only in their order are equal where the test says `unordered`, and nowhere else.

use std::collections::BTreeMap;

use pgcordon_policy::{Expected, ExpectedRows};

use super::client::{Answer, Reply, Row};

/// Lines of a difference that are shown.
const MAX_LINES: usize = 40;
/// Beyond so many pairs of rows the common ones between two changed ones are not looked for.
const MAX_PAIRS: usize = 250_000;

/// How the reply differs from what was expected.
///
/// | expected | reply  | outcome                                        |
/// |----------|--------|------------------------------------------------|
/// | answer   | answer | each of rows, count, columns that is said      |
/// | answer   | error  | differs                                        |
/// | error    | answer | differs                                        |
/// | error    | error  | SQLSTATE, and `message` as part of the message |
pub(super) fn difference(expected: &Expected, reply: &Reply) -> Vec<String> {
    match (expected, reply) {
        (Expected::Answer { rows, count, columns }, Reply::Answer(answer)) => {
            let mut lines = Vec::new();
            if let Some(columns) = columns {
                lines.extend(of_columns(columns, answer));
            }
            if let Some(count) = count {
                lines.extend(of_count(*count, answer));
            }
            if let Some(rows) = rows {
                lines.extend(of_rows(rows, answer));
            }
            lines
        }
        (Expected::Answer { rows, count, columns }, Reply::Error { sqlstate, message }) => {
            let rows = rows.as_ref().map(|rows| of_number(rows.rows.len()));
            let count = count.map(of_number);
            let columns = columns.as_ref().map(|columns| format!("columns {}", columns.join(", ")));
            let wanted = rows.or(count).or(columns).unwrap_or_default();
            vec![format!("- {wanted}"), format!("+ error {sqlstate}: {message}")]
        }
        (Expected::Error { sqlstate, message }, Reply::Answer(answer)) => {
            let mut lines = vec![wanted_error(sqlstate, message.as_ref()), said(answer)];
            lines.extend(answer.rows.iter().map(|row| format!("+ {}", shown(row))));
            cut(lines)
        }
        (
            Expected::Error { sqlstate, message },
            Reply::Error { sqlstate: found, message: text },
        ) => {
            let contained = message.as_ref().is_none_or(|part| text.contains(part));
            if found == sqlstate && contained {
                return Vec::new();
            }
            vec![wanted_error(sqlstate, message.as_ref()), format!("+ error {found}: {text}")]
        }
    }
}

fn wanted_error(sqlstate: &str, message: Option<&String>) -> String {
    match message {
        Some(message) => format!("- error {sqlstate} with `{message}`"),
        None => format!("- error {sqlstate}"),
    }
}

fn of_number(count: impl TryInto<u64>) -> String {
    match count.try_into() {
        Ok(1) => "1 row".to_owned(),
        Ok(count) => format!("{count} rows"),
        Err(_) => "rows".to_owned(),
    }
}

fn said(answer: &Answer) -> String {
    match answer.columns {
        Some(_) => format!("+ {}", of_number(answer.count)),
        None => format!("+ {} touched", of_number(answer.count)),
    }
}

fn of_columns(wanted: &[String], answer: &Answer) -> Vec<String> {
    match &answer.columns {
        Some(columns) if columns == wanted => Vec::new(),
        Some(columns) => vec![
            format!("- columns {}", wanted.join(", ")),
            format!("+ columns {}", columns.join(", ")),
        ],
        None => vec![format!("- columns {}", wanted.join(", ")), said(answer)],
    }
}

fn of_count(wanted: u64, answer: &Answer) -> Vec<String> {
    if wanted == answer.count {
        return Vec::new();
    }
    vec![format!("- {}", of_number(wanted)), said(answer)]
}

fn of_rows(wanted: &ExpectedRows, answer: &Answer) -> Vec<String> {
    if answer.columns.is_none() {
        return vec![format!("- {}", of_number(wanted.rows.len())), said(answer)];
    }
    let wanted_lines: Vec<String> = wanted.rows.iter().map(shown).collect();
    let lines: Vec<String> = answer.rows.iter().map(shown).collect();
    let differs = if wanted.ordered {
        in_order(&wanted_lines, &lines)
    } else {
        in_any_order(&wanted_lines, &lines)
    };
    let mut all = cut(differs);
    // Rows that were not kept are more than any that were expected.
    if all.is_empty() && answer.rows.len() as u64 != answer.count {
        all = vec![format!("- {}", of_number(wanted.rows.len())), said(answer)];
    }
    all
}

/// Removed and added lines with the common ones between them; none at all if there is no difference.
fn in_order(wanted: &[String], found: &[String]) -> Vec<String> {
    if wanted == found {
        return Vec::new();
    }
    let alike = wanted.iter().zip(found).take_while(|(left, right)| left == right).count();
    let (before, wanted) = wanted.split_at(alike);
    let found = &found[alike..];
    let tail = wanted.iter().rev().zip(found.iter().rev());
    let tail = tail.take_while(|(left, right)| left == right).count();
    let (wanted, after) = wanted.split_at(wanted.len() - tail);
    let found = &found[..found.len() - tail];
    let mut lines: Vec<String> = before.iter().map(|line| format!("  {line}")).collect();
    lines.extend(between(wanted, found));
    lines.extend(after.iter().map(|line| format!("  {line}")));
    lines
}

/// By the longest common subsequence.
fn between(wanted: &[String], found: &[String]) -> Vec<String> {
    let (removed, added) =
        (|line: &String| format!("- {line}"), |line: &String| format!("+ {line}"));
    if wanted.len().saturating_mul(found.len()) > MAX_PAIRS {
        return wanted.iter().map(removed).chain(found.iter().map(added)).collect();
    }
    let mut longest = vec![vec![0_usize; found.len() + 1]; wanted.len() + 1];
    for i in (0..wanted.len()).rev() {
        for j in (0..found.len()).rev() {
            longest[i][j] = if wanted[i] == found[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < wanted.len() && j < found.len() {
        if wanted[i] == found[j] {
            lines.push(format!("  {}", wanted[i]));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            lines.push(removed(&wanted[i]));
            i += 1;
        } else {
            lines.push(added(&found[j]));
            j += 1;
        }
    }
    lines.extend(wanted[i..].iter().map(removed));
    lines.extend(found[j..].iter().map(added));
    lines
}

fn in_any_order(wanted: &[String], found: &[String]) -> Vec<String> {
    let mut surplus: BTreeMap<&String, i64> = BTreeMap::new();
    for line in found {
        *surplus.entry(line).or_default() += 1;
    }
    for line in wanted {
        *surplus.entry(line).or_default() -= 1;
    }
    let times = |line: &String, sign: &str, count: u64| match count {
        1 => format!("{sign} {line}"),
        count => format!("{sign} {line} ({count} times)"),
    };
    let missing = surplus.iter().filter(|(_, count)| **count < 0);
    let missing = missing.map(|(line, count)| times(line, "-", count.unsigned_abs()));
    let added = surplus.iter().filter(|(_, count)| **count > 0);
    let added = added.map(|(line, count)| times(line, "+", count.unsigned_abs()));
    missing.chain(added).collect()
}

/// A row on one line, so that different rows look different.
fn shown(row: &Row) -> String {
    let values = row.iter().map(|value| match value {
        None => "NULL".to_owned(),
        Some(text) if is_plain(text) => text.clone(),
        Some(text) => format!("{text:?}"),
    });
    let line = values.collect::<Vec<String>>().join(" | ");
    if row.is_empty() { "(no column)".to_owned() } else { line }
}

/// Whether a text could be taken for nothing else.
fn is_plain(text: &str) -> bool {
    let odd = |letter: char| letter.is_control() || letter == '|' || letter == '"';
    !text.is_empty() && text.trim() == text && text != "NULL" && !text.contains(odd)
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MAX_LINES);
    if more > 0 {
        lines.truncate(MAX_LINES);
        lines.push(format!("  … {more} more lines"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Row> {
        let value = |value: &str| (value != "~").then(|| value.to_owned());
        text.split(';')
            .filter(|row| !row.is_empty())
            .map(|row| row.split(',').map(value).collect())
            .collect()
    }

    fn answer(text: &str) -> Reply {
        let rows = rows(text);
        let columns = Some(vec!["a".to_owned()]);
        Reply::Answer(Answer { columns, count: rows.len() as u64, rows })
    }

    fn wanted(text: &str, ordered: bool) -> Expected {
        let rows = Some(ExpectedRows { rows: rows(text), ordered });
        Expected::Answer { rows, count: None, columns: None }
    }

    fn check(expected: &Expected, reply: &Reply, lines: &[&str]) {
        assert_eq!(difference(expected, reply), lines);
    }

    #[test]
    fn order_counts_unless_the_test_says_otherwise() {
        check(&wanted("a;b;c", true), &answer("a;b;c"), &[]);
        check(&wanted("a;b;c", true), &answer("a;c;b"), &["  a", "- b", "  c", "+ b"]);
        check(&wanted("a;b;c", false), &answer("c;a;b"), &[]);
        check(&wanted("a;b;b", false), &answer("a;a;b"), &["- b", "+ a"]);
        check(&wanted("a;a;a", false), &answer("a"), &["- a (2 times)"]);
        check(&wanted("", true), &answer(""), &[]);
        check(&wanted("", true), &answer("a"), &["+ a"]);
        check(&wanted("", false), &answer("a"), &["+ a"]);
        check(&wanted("a", true), &answer(""), &["- a"]);
    }

    #[test]
    fn values_that_differ_look_different() {
        check(&wanted("~", true), &answer("NULL"), &["- NULL", "+ \"NULL\""]);
        check(&wanted("a", true), &answer("a "), &["- a", "+ \"a \""]);
        check(&wanted("a,b", true), &answer("a | b"), &["- a | b", "+ \"a | b\""]);
        check(&wanted("1", true), &answer("1.0"), &["- 1", "+ 1.0"]);
    }

    #[test]
    fn errors_are_compared_by_state_and_part_of_the_message() {
        let error = |state: &str, message: &str| Reply::Error {
            sqlstate: state.to_owned(),
            message: message.to_owned(),
        };
        let wanted_error = |message: Option<&str>| Expected::Error {
            sqlstate: "42501".to_owned(),
            message: message.map(str::to_owned),
        };
        check(&wanted_error(None), &error("42501", "x"), &[]);
        check(&wanted_error(Some("for table")), &error("42501", "denied for table t"), &[]);
        check(
            &wanted_error(Some("for column")),
            &error("42501", "denied for table t"),
            &["- error 42501 with `for column`", "+ error 42501: denied for table t"],
        );
        check(&wanted_error(None), &error("42P01", "x"), &["- error 42501", "+ error 42P01: x"]);
        check(&wanted_error(None), &answer("a"), &["- error 42501", "+ 1 row", "+ a"]);
        check(&wanted("a;b", true), &error("42501", "x"), &["- 2 rows", "+ error 42501: x"]);
    }

    #[test]
    fn counts_and_columns() {
        let touched = Reply::Answer(Answer { columns: None, rows: Vec::new(), count: 3 });
        let count = |count| Expected::Answer { rows: None, count: Some(count), columns: None };
        let columns = |names: &[&str]| Expected::Answer {
            rows: None,
            count: None,
            columns: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        check(&count(3), &touched, &[]);
        check(&count(2), &touched, &["- 2 rows", "+ 3 rows touched"]);
        check(&count(1), &answer("a;b"), &["- 1 row", "+ 2 rows"]);
        check(&columns(&["a"]), &answer("x"), &[]);
        check(&columns(&["b"]), &answer("x"), &["- columns b", "+ columns a"]);
        check(&columns(&["a"]), &touched, &["- columns a", "+ 3 rows touched"]);
        check(&wanted("", true), &touched, &["- 0 rows", "+ 3 rows touched"]);
    }

    #[test]
    fn rows_that_were_not_kept_still_count() {
        let mut reply = answer("a");
        if let Reply::Answer(answer) = &mut reply {
            answer.count = 7;
        }
        check(&wanted("a", true), &reply, &["- 1 row", "+ 7 rows"]);
    }

    #[test]
    fn a_long_difference_is_cut_and_says_so() {
        let many = "x;".repeat(50);
        let lines = difference(&wanted("", true), &answer(&many));
        assert_eq!(lines.len(), MAX_LINES + 1);
        assert_eq!(lines.last().map(String::as_str), Some("  … 10 more lines"));
    }
}

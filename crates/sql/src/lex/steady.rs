//! Whether a text means the same whenever it is parsed.
//!
//! PostgreSQL reads a constant when it parses a statement, not when it runs it: `'today'` in a prepared statement is the
//! day on which it was prepared.
//!
//! Invariants:
//! - What might be read by the clock counts as unsteady, whatever its type is: no type is known here.
//! - What depends on settings (TimeZone, DateStyle, IntervalStyle) is steady: statements are shared only between sessions
//!   of the same settings.

use super::escape::string_value;
use super::scan::Scanner;
use super::{TokenKind, fold};

/// Words of `datetime.c` that stand for a time that moves.
const CLOCK: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

/// Whether every constant of a text stands for the same value whenever it is parsed.
///
/// | constant                                          | why it is not steady                                  |
/// |---------------------------------------------------|-------------------------------------------------------|
/// | a string with one of the words `now`, `today` …   | could be a date or a time                             |
/// | a time without a date before it                   | its zone's offset may be today's (`timetz`)           |
/// | any, where a type `reg…` or `timetz` is named     | an OID looked up by name; an offset of today's        |
#[must_use]
pub fn is_steady(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    while let Ok(Some(token)) = scanner.next() {
        let word = token.text(text);
        let steady = match token.kind {
            TokenKind::Identifier => !is_unsteady_type(&fold(word)),
            TokenKind::QuotedIdentifier => !is_unsteady_type(word.trim_matches('"')),
            // Could be spelled to hide a name from us.
            TokenKind::UnicodeIdentifier => false,
            TokenKind::String
            | TokenKind::EscapeString
            | TokenKind::UnicodeString
            | TokenKind::NationalString
            | TokenKind::DollarString => {
                string_value(token.kind, word).is_some_and(|value| is_steady_value(&value))
            }
            TokenKind::BitString
            | TokenKind::HexString
            | TokenKind::Integer
            | TokenKind::Float
            | TokenKind::Parameter
            | TokenKind::Operator
            | TokenKind::LeftParen
            | TokenKind::RightParen
            | TokenKind::LeftBracket
            | TokenKind::RightBracket
            | TokenKind::Comma
            | TokenKind::Semicolon
            | TokenKind::Colon
            | TokenKind::DoubleColon
            | TokenKind::ColonEquals
            | TokenKind::EqualsGreater
            | TokenKind::Dot
            | TokenKind::DotDot => true,
        };
        if !steady {
            return false;
        }
    }
    true
}

fn is_unsteady_type(name: &str) -> bool {
    const ALIASES: [&str; 11] = [
        "regclass",
        "regcollation",
        "regconfig",
        "regdictionary",
        "regnamespace",
        "regoper",
        "regoperator",
        "regproc",
        "regprocedure",
        "regrole",
        "regtype",
    ];
    name == "timetz" || ALIASES.contains(&name)
}

/// Whether a string constant stands for the same value at any time, whatever its type is.
pub(crate) fn is_steady_value(value: &str) -> bool {
    // The mark of a check of ours, digits and a colon in it: no date or time begins so.
    if value.starts_with(crate::RESERVED_PREFIX) {
        return true;
    }
    let lower = value.to_ascii_lowercase();
    if CLOCK.iter().any(|word| lower.contains(word)) {
        return false;
    }
    let bytes = lower.trim_start().as_bytes();
    let dated = bytes.len() > 4 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-';
    let timed = bytes.windows(2).any(|pair| pair[0].is_ascii_digit() && pair[1] == b':');
    dated || !timed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clock_decides_is_not_steady() {
        let steady = [
            "select 1",
            "select now(), current_date",
            "select * from t where d > '2025-01-01 10:00' and u = 'http://x:y'",
            "select '{\"a\":1}'",
            "select \"now\"",
            "select 'pgcordon-07:known;'",
        ];
        for text in steady {
            assert!(is_steady(text), "{text}");
        }
        let unsteady = [
            "select * from t where d > 'now'",
            "select date 'TODAY'",
            "select 'tomorrow'::date",
            "select E'n\\x6fw'",
            "select $$ yesterday $$",
            "select * from t where a = '10:00'",
            "select '1'::timetz",
            "select 't'::regclass",
            "select 't'::U&\"r\\0065gclass\"",
            "select 't'::pg_catalog.\"regclass\"",
        ];
        for text in unsteady {
            assert!(!is_steady(text), "{text}");
        }
    }
}

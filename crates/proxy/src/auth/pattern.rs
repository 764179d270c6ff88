//! What to make of a field's value: an anchored pattern, and a text made of its groups.
//!
//! In:  `pattern` and `to` of the configuration; a value that a certificate or token holds.
//! Out: the text, or nothing where the value does not match.
//!
//! Invariants:
//! - A pattern matches whole values only: `rita` does not match `rita@evil.example` or `xrita`.
//! - Matching takes time linear in the value (the crate `regex` knows no backtracking).

use regex::Regex;

/// A pattern and what is made of a value that it matches.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// Anchored; none takes every value as it is.
    rule: Option<(Regex, Vec<Piece>)>,
}

/// A part of the text that is made.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// A group of the pattern by its number; 0 is the whole value.
    Group(usize),
}

impl Pattern {
    /// The value as it is.
    pub(crate) fn whole() -> Self {
        Self { rule: None }
    }

    /// Reads a pattern and a text with `{1}` or `{name}` for its groups.
    ///
    /// # Errors
    /// What is wrong: in the pattern, or in the text.
    pub(crate) fn read(pattern: &str, to: &str) -> Result<Self, Problem> {
        let anchored = format!(r"\A(?:{pattern})\z");
        // Alone first: anchors around a pattern with an unmatched bracket would be misleading.
        Regex::new(pattern).map_err(|error| Problem::Pattern(last_line(&error)))?;
        let regex = Regex::new(&anchored).map_err(|error| Problem::Pattern(last_line(&error)))?;
        let pieces = read_pieces(to, &regex).map_err(Problem::To)?;
        Ok(Self { rule: Some((regex, pieces)) })
    }

    /// What the value gives; nothing where it does not match, or where a group that is wanted is not in it.
    pub(crate) fn apply(&self, value: &str) -> Option<String> {
        let Some((regex, pieces)) = &self.rule else { return Some(value.to_owned()) };
        let groups = regex.captures(value)?;
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Group(number) => text.push_str(groups.get(*number)?.as_str()),
            }
        }
        Some(text)
    }
}

/// Where a mistake is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Problem {
    Pattern(String),
    To(String),
}

/// Errors of the crate draw the pattern first.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

fn read_pieces(to: &str, regex: &Regex) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest) = (Vec::new(), to);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) =
            after.split_once('}').ok_or_else(|| "a `{` without its `}`".to_owned())?;
        let number = match name.parse::<usize>() {
            Ok(number) => Some(number).filter(|number| *number < regex.captures_len()),
            Err(_) => regex.capture_names().position(|known| known == Some(name)),
        };
        let number = number.ok_or_else(|| format!("the pattern has no group `{name}`"))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Group(number));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, to: &str, value: &str, expected: Option<&str>) {
        let pattern = Pattern::read(pattern, to).expect("a pattern");
        assert_eq!(pattern.apply(value).as_deref(), expected, "{value}");
    }

    #[test]
    fn patterns_match_whole_values() {
        check(r"([^@]+)@corp\.example", "{1}", "rita@corp.example", Some("rita"));
        check(r"([^@]+)@corp\.example", "{1}", "rita@corp.example.evil", None);
        check(r"([^@]+)@corp\.example", "{1}", "rita@corp.example\n", None);
        check("a|b", "{0}", "b", Some("b"));
        check("a|b", "{0}", "xb", None);
        check("a|b", "{0}", "ax", None);
        check("(?P<who>[a-z]+)-(?P<what>[a-z]+)", "{what}.{who}", "rita-north", Some("north.rita"));
        check("(a)|(b)", "{1}", "b", None);
    }

    #[test]
    fn mistakes_are_told() {
        let problem = |pattern: &str, to: &str| Pattern::read(pattern, to).expect_err("a mistake");
        assert_eq!(problem("a", "{1}"), Problem::To("the pattern has no group `1`".to_owned()));
        assert_eq!(problem("a", "{x}"), Problem::To("the pattern has no group `x`".to_owned()));
        assert_eq!(problem("a", "{0"), Problem::To("a `{` without its `}`".to_owned()));
        assert!(matches!(problem("(", "{0}"), Problem::Pattern(_)));
        assert!(matches!(problem(")(", "{0}"), Problem::Pattern(_)));
    }
}

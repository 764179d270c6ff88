//! The mark by which the relay recognises an error that we raised inside a statement.
//!
//! A check that fails casts a text with the mark to an integer; PostgreSQL answers 22P02 and quotes it.
//! `proxy::relay` turns that into PostgreSQL's own 42501.

/// A secret word of one proxy process; a client cannot guess it, so it cannot forge our errors.
#[derive(Clone, Eq, PartialEq)]
pub struct Mark(String);

/// What a recognised error stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// The relation's name, for `new row violates row-level security policy for table "..."`.
    pub relation: String,
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Mark(..)")
    }
}

impl Mark {
    /// From 16 random bytes of the proxy's.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        use std::fmt::Write as _;
        let mut word = String::from("pgcordon-");
        for byte in random {
            let _ = write!(word, "{byte:02x}");
        }
        Self(word)
    }

    /// The word that goes into the statement, followed by the relation's name.
    pub(crate) fn word(&self) -> &str {
        &self.0
    }

    /// Reads an error's primary message back.
    #[must_use]
    pub fn recognise(&self, message: &str) -> Option<Violation> {
        let (_, rest) = message.split_once(self.0.as_str())?;
        let (relation, _) = rest.strip_prefix(':')?.rsplit_once(';')?;
        Some(Violation { relation: relation.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_mark_is_recognised() {
        let (own, other) = (Mark::new([1; 16]), Mark::new([2; 16]));
        let message =
            format!("invalid input syntax for type integer: \"{}:customers;\"", own.word());
        let relation = "customers".to_owned();
        assert_eq!(own.recognise(&message), Some(Violation { relation }));
        assert_eq!(other.recognise(&message), None);
    }
}

//! The mark by which the relay recognises an error that we raised inside a statement.
//!
//! A check that fails casts a text with the mark to an integer; PostgreSQL answers 22P02 and quotes it.
//! `proxy::relay` turns that into PostgreSQL's own 42501.

/// A secret word of one proxy process; a client cannot guess it, so it cannot forge our errors.
#[derive(Clone, Eq, PartialEq)]
pub struct Mark(String);

/// Which check failed, as `ExecWithCheckOptions` of PostgreSQL's execMain.c tells them apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A new row.
    New,
    /// The row that an INSERT … ON CONFLICT DO UPDATE would change.
    Conflicting,
    /// The row that an action of MERGE would change.
    Target,
    /// A new row, by a view's WITH CHECK OPTION.
    View,
}

/// What a recognised error stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Which check.
    pub kind: Kind,
    /// The relation's name.
    pub relation: String,
}

impl Violation {
    /// PostgreSQL's own SQLSTATE.
    #[must_use]
    pub fn sqlstate(&self) -> &'static str {
        match self.kind {
            Kind::New | Kind::Conflicting | Kind::Target => "42501",
            Kind::View => "44000",
        }
    }

    /// PostgreSQL's own words.
    #[must_use]
    pub fn message(&self) -> String {
        let row = match self.kind {
            Kind::New => "new row violates row-level security policy",
            Kind::Conflicting => "new row violates row-level security policy (USING expression)",
            Kind::Target => "target row violates row-level security policy (USING expression)",
            Kind::View => {
                return format!("new row violates check option for view \"{}\"", self.relation);
            }
        };
        format!("{row} for table \"{}\"", self.relation)
    }
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

    /// The word that goes into the statement.
    pub(crate) fn word(&self, kind: Kind, relation: &str) -> String {
        let kind = match kind {
            Kind::New => ':',
            Kind::Conflicting => '?',
            Kind::Target => '!',
            Kind::View => '%',
        };
        format!("{}{kind}{relation};", self.0)
    }

    /// Reads an error's primary message back.
    #[must_use]
    pub fn recognise(&self, message: &str) -> Option<Violation> {
        let (_, rest) = message.split_once(self.0.as_str())?;
        let mut rest = rest.chars();
        let kind = match rest.next()? {
            ':' => Kind::New,
            '?' => Kind::Conflicting,
            '!' => Kind::Target,
            '%' => Kind::View,
            _ => return None,
        };
        let (relation, _) = rest.as_str().rsplit_once(';')?;
        Some(Violation { kind, relation: relation.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_mark_is_recognised() {
        let (own, other) = (Mark::new([1; 16]), Mark::new([2; 16]));
        for kind in [Kind::New, Kind::Conflicting, Kind::Target, Kind::View] {
            let word = own.word(kind, "a:b");
            let message = format!("invalid input syntax for type integer: \"{word}\"");
            let relation = "a:b".to_owned();
            assert_eq!(own.recognise(&message), Some(Violation { kind, relation }));
            assert_eq!(other.recognise(&message), None);
        }
    }
}

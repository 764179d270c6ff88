//! Lexes the constants out of a text: statements that differ only in them have one skeleton.
//!
//! In:  a text.
//! Out: a [`Skeleton`]: the key, in which a NUL and a letter stand for each constant, and where the constants are.
//!
//! Invariants:
//! - The rules are those of [`super::lex`]: the same scanner finds the tokens.
//! - The key is injective: a text that is lexed holds no NUL, so two texts of one key are the same byte by byte, and
//!   token by token, outside their constants; white space and comments included.
//! - The class of a constant is all that the grammar and the analysis may go by: an integer's range (a sign is a token
//!   of its own), a bound on a numeric's digits. What could mean more (`1e5`, `E'…'`, `$$…$$`, a string in several
//!   parts, a number of more than 64 bytes) is no constant here and stays in the key.

use std::ops::Range;

use super::TokenKind;
use super::scan::Scanner;

/// Longest numeric that is lexed out, in bytes: the analysis bounds the digits of all of them by this.
pub(crate) const NUMERIC_BYTES: usize = 64;

/// What is known of a constant whose value is not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// Digits alone, at most 2147483647: `int4` to PostgreSQL.
    Integer,
    /// Digits alone, at most 9223372036854775807: `int8` to PostgreSQL.
    Bigint,
    /// Any other number without an exponent, of at most 64 bytes: `numeric` to PostgreSQL.
    Numeric,
    /// `'…'`, in one part, without a prefix: of no type yet.
    String,
}

impl Class {
    /// What stands behind the NUL in a key.
    fn letter(self) -> char {
        match self {
            Self::Integer => 'i',
            Self::Bigint => 'b',
            Self::Numeric => 'n',
            Self::String => 's',
        }
    }
}

/// A constant and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Constant {
    /// Its bytes, quotes included.
    pub range: Range<usize>,
    /// What it is.
    pub class: Class,
    /// Which token of the text it is, from 0.
    pub token: usize,
}

/// A text and what it is without its constants. Only [`skeleton`] makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skeleton<'t> {
    text: &'t str,
    key: String,
    constants: Vec<Constant>,
}

impl<'t> Skeleton<'t> {
    /// The text itself.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The text with NUL and a letter for each constant.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// As [`Skeleton::key`].
    #[must_use]
    pub fn into_key(self) -> String {
        self.key
    }

    /// In order.
    #[must_use]
    pub fn constants(&self) -> &[Constant] {
        &self.constants
    }

    /// A constant's bytes, quotes included.
    #[must_use]
    pub fn word(&self, constant: &Constant) -> &'t str {
        &self.text[constant.range.clone()]
    }
}

/// Lexes the constants out of a text; `None` for a text that is not lexed.
///
/// One pass, two allocations for a statement of up to eight constants.
#[must_use]
pub fn skeleton(text: &str) -> Option<Skeleton<'_>> {
    if u32::try_from(text.len()).is_err() || text.as_bytes().contains(&0) {
        return None;
    }
    let key = String::with_capacity(text.len() + 16);
    let mut found = Skeleton { text, key, constants: Vec::with_capacity(8) };
    let mut scanner = Scanner::new(text);
    let (mut done, mut index) = (0, 0);
    while let Some(token) = scanner.next().ok()? {
        let class = class_of(token.kind, token.text(text));
        let place = index;
        index += 1;
        let Some(class) = class else { continue };
        let range = token.range();
        found.key.push_str(&text[done..range.start]);
        found.key.push('\0');
        found.key.push(class.letter());
        done = range.end;
        found.constants.push(Constant { range, class, token: place });
    }
    found.key.push_str(&text[done..]);
    Some(found)
}

/// The class of a token; `None` for what is no constant whose value could be put in later.
fn class_of(kind: TokenKind, word: &str) -> Option<Class> {
    match kind {
        TokenKind::Integer => integer(word),
        TokenKind::Float => {
            let plain = word.len() <= NUMERIC_BYTES && !word.bytes().any(|byte| byte | 32 == b'e');
            plain.then_some(Class::Numeric)
        }
        TokenKind::String => in_one_part(word).then_some(Class::String),
        TokenKind::Identifier
        | TokenKind::QuotedIdentifier
        | TokenKind::UnicodeIdentifier
        | TokenKind::EscapeString
        | TokenKind::UnicodeString
        | TokenKind::BitString
        | TokenKind::HexString
        | TokenKind::NationalString
        | TokenKind::DollarString
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
        | TokenKind::DotDot => None,
    }
}

/// As `process_integer_literal` of scan.l and `make_const` of parse_node.c read digits.
fn integer(word: &str) -> Option<Class> {
    match word.parse::<i64>() {
        Ok(value) if i32::try_from(value).is_ok() => Some(Class::Integer),
        Ok(_) => Some(Class::Bigint),
        Err(_) => (word.len() <= NUMERIC_BYTES).then_some(Class::Numeric),
    }
}

/// Whether every quote inside a string is doubled: none ends a part.
fn in_one_part(word: &str) -> bool {
    let mut inside = word.as_bytes()[1..word.len() - 1].iter();
    while let Some(byte) = inside.next() {
        if *byte == b'\'' && inside.next() != Some(&b'\'') {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> String {
        skeleton(text).expect("lexed").into_key().replace('\0', "?")
    }

    #[test]
    fn constants_become_their_class() {
        let check = |text: &str, expected: &str| assert_eq!(key(text), expected, "{text}");
        check("SELECT a FROM t WHERE b = 12345;", "SELECT a FROM t WHERE b = ?i;");
        check("a = 2147483647", "a = ?i");
        check("a = 2147483648", "a = ?b");
        check("a = -2147483648", "a = -?b");
        check("a = 9223372036854775807", "a = ?b");
        check("a = 9223372036854775808", "a = ?n");
        check("a = 00012 and b = .5 or c = 5.", "a = ?i and b = ?n or c = ?n");
        check("a='it''s' /* 1 '2' */ -- '3'\n", "a=?s /* 1 '2' */ -- '3'\n");
        check("a -5", "a -?i");
        check("''", "?s");
    }

    #[test]
    fn what_could_mean_more_stays() {
        let long = "1".repeat(65);
        let stays = [
            "1e5",
            "1.5E-3",
            "e'a'",
            "E'a'",
            "U&'a'",
            "b'1'",
            "x'1f'",
            "n'a'",
            "$$a$$",
            "$t$1$t$",
            "$1",
            "\"1\"",
            "'a'\n'b'",
            "'it''s'\n'b'",
            long.as_str(),
        ];
        for text in stays {
            assert_eq!(key(text), text);
        }
        for text in ["'a", "\"a", "1abc", "/* ", "a\0", "$$ a"] {
            assert_eq!(skeleton(text), None, "{text}");
        }
    }

    #[test]
    fn constants_are_found_where_they_are() {
        let text = "é='ü' AND b IN (1,2.5)";
        let found = skeleton(text).expect("lexed");
        let words: Vec<(&str, Class)> = found
            .constants()
            .iter()
            .map(|constant| (found.word(constant), constant.class))
            .collect();
        let expected = [("'ü'", Class::String), ("1", Class::Integer), ("2.5", Class::Numeric)];
        assert_eq!(words, expected);
    }
}

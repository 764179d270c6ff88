//! What a statement is whatever its constants, its layout and its spelling of keywords: a rule's `sql:` means that.
//!
//! In:  a text.
//! Out: the [`Fingerprint`] of the whole, and those of the statements inside it: in a cursor, PREPARE, EXPLAIN, COPY,
//!      CREATE … AS, WITH, a sub-select, a branch of UNION.
//!
//! | does not count                                                        | counts                               |
//! |-----------------------------------------------------------------------|--------------------------------------|
//! | constants and parameters, their sign and cast, and how many in a list | names as PostgreSQL folds them       |
//! | white space, comments, semicolons                                     | operators (`!=` is `<>`)             |
//! | upper and lower case of what has no quotes; quotes that change nothing | parentheses, order of everything     |
//! | the words AS, INNER and OUTER; the schema `public` before a name      | any other schema before a name       |
//!
//! Invariants:
//! - Texts that differ in constants alone have one fingerprint: a plan that is shared by them stays right.
//! - Nothing is resolved: a fingerprint says that statement, not others that read the same.
//! - Time is linear in the text, but for comparing what is as long as a fingerprint that somebody looks for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::lex::{self, Limits, TokenKind, unquote_identifier};

/// What stands for a constant.
const CONSTANT: &str = "?";

/// Words with which a statement begins.
const STARTS: [&str; 8] =
    ["select", "insert", "update", "delete", "merge", "values", "with", "table"];

/// A statement without what does not count.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint {
    /// How many words.
    length: usize,
    /// The words, a NUL behind each.
    words: String,
}

impl Fingerprint {
    /// Of a text that holds one statement; `None` if it is not lexed.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let words = words(text)?;
        Some(Self::join(&words))
    }

    /// How many words: for [`Fingerprint::within`].
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The fingerprints of that length of a text and of every statement inside it; `None` if it is not lexed.
    #[must_use]
    pub fn within(text: &str, lengths: &BTreeSet<usize>) -> Option<BTreeSet<Self>> {
        let words = words(text)?;
        let wanted = parts(&words).into_iter().filter(|part| lengths.contains(&part.len()));
        Some(wanted.map(|part| Self::join(&words[part])).collect())
    }

    fn join(words: &[Cow<'_, str>]) -> Self {
        let mut joined = String::new();
        for word in words {
            joined.push_str(word);
            joined.push('\0');
        }
        Self { length: words.len(), words: joined }
    }
}

/// The words that count.
fn words(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let limits = Limits { tokens: usize::MAX, nesting: usize::MAX };
    let tokens = lex::lex(text, limits).ok()?;
    let mut words: Vec<Cow<'_, str>> = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        index += 1;
        let spelled = token.text(text);
        match word(token.kind, spelled, words.last().map(AsRef::as_ref)) {
            Word::Nothing => {}
            // `orders` is `public.orders`, as everywhere in a policy.
            Word::Other(word)
                if word == "." && words.last().is_some_and(|last| last == "public") =>
            {
                words.pop();
            }
            Word::Other(word) => push(&mut words, word),
            Word::Constant => {
                if is_sign(&words) {
                    words.pop();
                }
                push(&mut words, Cow::Borrowed(CONSTANT));
                index = behind_cast(&tokens, text, index);
            }
        }
    }
    Some(words)
}

enum Word<'t> {
    Nothing,
    Constant,
    Other(Cow<'t, str>),
}

/// What a token comes to; `before` is the word before it.
fn word<'t>(kind: TokenKind, spelled: &'t str, before: Option<&str>) -> Word<'t> {
    match kind {
        TokenKind::Identifier => {
            let name = lex::fold(spelled);
            match name.as_ref() {
                "as" | "inner" | "outer" => Word::Nothing,
                "true" | "false" | "null" if !matches!(before, Some("is" | "not")) => {
                    Word::Constant
                }
                _ => Word::Other(name),
            }
        }
        TokenKind::QuotedIdentifier | TokenKind::UnicodeIdentifier => {
            let name = unquote_identifier(spelled);
            let plain = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte >= 0x80
            };
            // Anything else could be taken for punctuation or for a name without quotes.
            let odd = !name.bytes().all(plain);
            Word::Other(if odd { Cow::Owned(format!("\"{name}\"")) } else { name })
        }
        TokenKind::String
        | TokenKind::EscapeString
        | TokenKind::UnicodeString
        | TokenKind::BitString
        | TokenKind::HexString
        | TokenKind::NationalString
        | TokenKind::DollarString
        | TokenKind::Integer
        | TokenKind::Float
        | TokenKind::Parameter => Word::Constant,
        TokenKind::Semicolon => Word::Nothing,
        TokenKind::Operator if spelled == "!=" => Word::Other(Cow::Borrowed("<>")),
        TokenKind::Operator
        | TokenKind::LeftParen
        | TokenKind::RightParen
        | TokenKind::LeftBracket
        | TokenKind::RightBracket
        | TokenKind::Comma
        | TokenKind::Colon
        | TokenKind::DoubleColon
        | TokenKind::ColonEquals
        | TokenKind::EqualsGreater
        | TokenKind::Dot
        | TokenKind::DotDot => Word::Other(Cow::Borrowed(spelled)),
    }
}

/// Whether the last word is a sign of the constant that comes: what is before it is no operand.
fn is_sign(words: &[Cow<'_, str>]) -> bool {
    const KEYWORDS: [&str; 24] = [
        "select",
        "where",
        "and",
        "or",
        "not",
        "on",
        "having",
        "when",
        "then",
        "else",
        "case",
        "between",
        "in",
        "like",
        "limit",
        "offset",
        "by",
        "returning",
        "set",
        "distinct",
        "all",
        "any",
        "is",
        "using",
    ];
    let [.., before, sign] = words else { return false };
    let operator = |word: &str| word.bytes().all(|byte| b"+-*/<>=~!@#%^&|`?".contains(&byte));
    let open = ["(", "[", ",", ":", "=>", ":="].contains(&before.as_ref());
    let no_operand = open || KEYWORDS.contains(&before.as_ref());
    // A constant is written as an operator is: `5 - 3`.
    let after_operator = operator(before) && before != CONSTANT;
    (sign == "-" || sign == "+") && (no_operand || after_operator)
}

/// The index behind `::type`, if that comes next.
fn behind_cast(tokens: &lex::Tokens, text: &str, mut index: usize) -> usize {
    let kind = |index: usize| tokens.get(index).map(|token| token.kind);
    let named = |index: usize| {
        kind(index) == Some(TokenKind::Identifier)
            || kind(index) == Some(TokenKind::QuotedIdentifier)
    };
    while kind(index) == Some(TokenKind::DoubleColon) && named(index + 1) {
        index += 2;
        while kind(index) == Some(TokenKind::Dot) && named(index + 1) {
            index += 2;
        }
        for open in [TokenKind::LeftParen, TokenKind::LeftBracket] {
            if kind(index) == Some(open)
                && let Some(close) = tokens.closing(index)
                && tokens[close].start as usize - tokens[index].end as usize <= 8
                && !text[tokens[index].range().end..tokens[close].range().start].contains('(')
            {
                index = close + 1;
            }
        }
    }
    index
}

/// Adds a word; lists of constants, and lists of such lists, come to one.
fn push<'t>(words: &mut Vec<Cow<'t, str>>, word: Cow<'t, str>) {
    let ends = |words: &[Cow<'_, str>], end: &[&str]| {
        words.len() >= end.len()
            && words[words.len() - end.len()..].iter().zip(end).all(|(a, b)| a == b)
    };
    if word == CONSTANT && ends(words, &[CONSTANT, ","]) {
        words.pop();
        return;
    }
    words.push(word);
    let row = ["(", CONSTANT, ")", ",", "(", CONSTANT, ")"];
    if ends(words, &row) {
        words.truncate(words.len() - 4);
    }
}

/// The whole, and every statement inside: from the word that begins it to the end of its parentheses, and to the next
/// UNION, INTERSECT or EXCEPT there.
fn parts(words: &[Cow<'_, str>]) -> Vec<Range<usize>> {
    let whole = 0..words.len();
    let mut parts = Vec::with_capacity(8);
    parts.push(whole);
    // Ends of the groups that are open, the innermost last, each with the next set operation in it.
    let mut groups = Vec::from([(words.len(), None::<usize>)]);
    for (index, word) in words.iter().enumerate().rev() {
        match word.as_ref() {
            ")" => groups.push((index, None)),
            "(" if groups.len() > 1 => {
                groups.pop();
            }
            "union" | "intersect" | "except" => {
                if let Some(group) = groups.last_mut() {
                    group.1 = Some(index);
                }
            }
            start if STARTS.contains(&start) => {
                if let Some((end, stop)) = groups.last().copied() {
                    let data = without_data(words, end);
                    parts.extend([end, data].into_iter().chain(stop).map(|end| index..end));
                }
            }
            _ => {}
        }
    }
    parts.retain(|part| part.start < part.end);
    parts
}

/// The end without WITH [NO] DATA, which belongs to CREATE … AS.
fn without_data(words: &[Cow<'_, str>], end: usize) -> usize {
    match &words[..end] {
        [.., with, no, data] if with == "with" && no == "no" && data == "data" => end - 3,
        [.., with, data] if with == "with" && data == "data" => end - 2,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Fingerprint {
        Fingerprint::of(text).expect("lexed")
    }

    const EXPORT: &str = "SELECT * FROM payroll WHERE month = $1";

    #[test]
    fn what_does_not_count() {
        for same in [
            "select * from payroll where month = 3",
            "SELECT  *\n  FROM \"payroll\" -- all of it\n WHERE /* which */ month = 'May';",
            "Select * From PAYROLL Where MONTH=-3",
            "SELECT * FROM payroll WHERE month = $1::int",
            "SELECT * FROM payroll WHERE month = '3'::pg_catalog.numeric(10)",
            "SELECT * FROM payroll WHERE month = NULL",
            "SELECT * FROM payroll WHERE month = U&'\\0033'",
            "SELECT * FROM payroll WHERE month = $$3$$",
            "SELECT * FROM Public . \"payroll\" WHERE month = 3",
        ] {
            assert_eq!(of(same), of(EXPORT), "{same}");
        }
        for (one, other) in [
            ("SELECT a FROM t WHERE b IN (1, 2, 3)", "SELECT a FROM t WHERE b IN ($1)"),
            ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES ($1, $2)"),
            (
                "SELECT a AS b FROM t LEFT OUTER JOIN u ON a != 1",
                "SELECT a b FROM t left join u on a <> 2",
            ),
            ("UPDATE t SET a = - 5", "UPDATE t SET a = 5"),
        ] {
            assert_eq!(of(one), of(other), "{one}");
        }
    }

    #[test]
    fn what_counts() {
        for other in [
            "SELECT * FROM payroll WHERE month = 3 AND true",
            "SELECT * FROM payroll",
            "SELECT * FROM payroll WHERE month <> 3",
            "SELECT * FROM app.payroll WHERE month = 3",
            "SELECT * FROM \"Payroll\" WHERE month = 3",
            "SELECT * FROM payroll WHERE month = year",
            "SELECT month FROM payroll WHERE month = 3",
        ] {
            assert_ne!(of(other), of(EXPORT), "{other}");
        }
        assert_ne!(of("SELECT a - 5 FROM t"), of("SELECT a 5 FROM t"));
        assert_ne!(of("SELECT a IS NULL FROM t"), of("SELECT a IS TRUE FROM t"));
        assert_ne!(of("SELECT \"(\" FROM t"), of("SELECT ( FROM t"));
    }

    fn holds(text: &str, wanted: &str) -> bool {
        let wanted = of(wanted);
        let lengths = BTreeSet::from([wanted.length()]);
        Fingerprint::within(text, &lengths).expect("lexed").contains(&wanted)
    }

    #[test]
    fn statements_inside_are_found() {
        for carrier in [
            "{}",
            "{};",
            "PREPARE p (int) AS {}",
            "EXPLAIN {}",
            "EXPLAIN (ANALYZE, FORMAT json) {}",
            "DECLARE c SCROLL CURSOR WITH HOLD FOR {}",
            "COPY ({}) TO STDOUT WITH (FORMAT csv)",
            "CREATE TABLE t AS {}",
            "CREATE TABLE t AS {} WITH NO DATA",
            "CREATE MATERIALIZED VIEW v AS {} WITH DATA",
            "WITH x AS ({}) SELECT * FROM x",
            "WITH x AS (SELECT 1) {}",
            "SELECT * FROM ({}) AS y WHERE EXISTS (SELECT 1)",
            "SELECT 1 UNION ALL {}",
            "{} UNION SELECT 2",
            "(({}) EXCEPT SELECT 1)",
            "SELECT (SELECT (SELECT 1), ARRAY({}))",
            "INSERT INTO t {}",
        ] {
            assert!(holds(&carrier.replace("{}", EXPORT), EXPORT), "{carrier}");
        }
        let delete = "DELETE FROM t WHERE a = 1";
        assert!(holds("WITH d AS (DELETE FROM t WHERE a = 7) SELECT 1", delete));
        let longer = "SELECT * FROM payroll WHERE month = 3 AND year = 4";
        assert!(!holds(longer, EXPORT));
        assert!(!holds(&format!("SELECT * FROM ({longer}) x"), EXPORT));
        assert!(!holds("SELECT 'SELECT * FROM payroll WHERE month = 3'", EXPORT));
        assert!(holds("SHOW timezone", "show TimeZone"));
    }

    /// A long text of nested statements is looked at once.
    #[test]
    fn deep_texts_take_linear_time() {
        let deep = format!("{}SELECT 1{}", "SELECT (".repeat(200_000), ")".repeat(200_000));
        assert!(holds(&deep, "select 7"));
        assert!(!holds(&deep, EXPORT));
    }
}

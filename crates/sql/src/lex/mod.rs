//! Splits a statement's text into tokens, as PostgreSQL's `scan.l` does with `standard_conforming_strings` on.
//!
//! In:  the client's text, UTF-8, and [`Limits`].
//! Out: [`Tokens`] with byte offsets; white space and comments are not tokens.
//!
//! Invariants:
//! - Text that the scanners of PostgreSQL 13 to 18 read differently (`1_000`, `0x1F`, `123abc`, `$1abc`,
//!   vertical tabs) is refused, never guessed at; so is what the scanner of libpg_query reads differently
//!   (comments between the parts of a string).
//! - A name that PostgreSQL would truncate (over 63 bytes) is refused.
//! - One pass, time linear in the text, no allocation but the vector (strings with byte or Unicode escapes aside).

mod escape;
mod scan;
mod skeleton;
mod steady;

use std::ops::{Index, Range};

pub use escape::{fold, unquote_identifier};
pub(crate) use skeleton::NUMERIC_BYTES;
pub use skeleton::{Class, Constant, Skeleton, skeleton};
pub use steady::is_steady;

/// The longest identifier and operator in bytes: `NAMEDATALEN - 1`.
pub const NAME_BYTES: usize = 63;

/// The highest parameter number that the wire protocol can carry.
const PARAMETERS: usize = 65_535;

/// What a token is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TokenKind {
    /// Without quotes, keywords included.
    Identifier,
    /// `"…"`
    QuotedIdentifier,
    /// `U&"…"`
    UnicodeIdentifier,
    /// `'…'`, with what continues it on a later line.
    String,
    /// `E'…'`
    EscapeString,
    /// `U&'…'`
    UnicodeString,
    /// `B'…'`
    BitString,
    /// `X'…'`
    HexString,
    /// `N'…'`: one token here; to the grammar it is the keyword NCHAR and a string that starts a byte later.
    NationalString,
    /// `$tag$…$tag$`
    DollarString,
    /// Digits alone, also those that do not fit an integer.
    Integer,
    /// With a point or an exponent.
    Float,
    /// `$1`
    Parameter,
    /// Any operator, also those of one character and `<= >= <> !=`.
    Operator,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `:`
    Colon,
    /// `::`
    DoubleColon,
    /// `:=`
    ColonEquals,
    /// `=>`
    EqualsGreater,
    /// `.`
    Dot,
    /// `..`
    DotDot,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its first byte.
    pub start: u32,
    /// The byte behind it.
    pub end: u32,
}

impl Token {
    /// Its bytes.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Its spelling in the text that it was lexed from.
    ///
    /// # Panics
    /// If `text` is another text.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> &'a str {
        &text[self.range()]
    }
}

/// How much is lexed before the text is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most tokens.
    pub tokens: usize,
    /// Deepest nesting of parentheses and brackets.
    pub nesting: usize,
}

/// The text is not lexed; the statement is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind}")]
pub struct LexError {
    /// Why.
    pub kind: LexErrorKind,
    /// Byte offset: of the token for what is unterminated, else of the place.
    pub offset: usize,
}

/// Why a text is not lexed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LexErrorKind {
    /// A NUL byte ends the text for PostgreSQL.
    #[error("invalid byte sequence: 0x00")]
    Nul,
    /// `/*` without its `*/`.
    #[error("unterminated /* comment")]
    UnterminatedComment,
    /// A string without its closing quote.
    #[error("unterminated quoted string")]
    UnterminatedString,
    /// `$tag$` without its end.
    #[error("unterminated dollar-quoted string")]
    UnterminatedDollarString,
    /// `"` without its closing one.
    #[error("unterminated quoted identifier")]
    UnterminatedIdentifier,
    /// `""`
    #[error("zero-length delimited identifier")]
    EmptyIdentifier,
    /// PostgreSQL would truncate it.
    #[error("identifier is longer than 63 bytes")]
    IdentifierTooLong,
    /// PostgreSQL refuses it as well, but for runs of `+` that it would cut up.
    #[error("operator too long")]
    OperatorTooLong,
    /// `123abc`, `1_000`, `0x1F`, `1e`: versions differ.
    #[error("trailing junk after numeric literal")]
    NumberJunk,
    /// `$1abc`: versions differ.
    #[error("trailing junk after parameter")]
    ParameterJunk,
    /// Not within 1 to 65535.
    #[error("parameter number is out of range")]
    ParameterNumber,
    /// `\u`, `\U` or, in `U&`, `\` that is not followed by the right number of hexadecimal digits.
    #[error("invalid Unicode escape")]
    UnicodeEscape,
    /// Zero or beyond U+10FFFF.
    #[error("invalid Unicode escape value")]
    UnicodeValue,
    /// Half a surrogate pair.
    #[error("invalid Unicode surrogate pair")]
    SurrogatePair,
    /// `\v`, which is a vertical tab in some versions and the letter in others.
    #[error("unsupported escape \\v in a string")]
    VerticalTabEscape,
    /// Byte escapes that give a NUL or are not UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\" in a string")]
    InvalidBytes,
    /// `'a' -- comment`, newline, `'b'`: one string to PostgreSQL, two to libpg_query, whose scanner gives comments as
    /// tokens. The grammar must read what PostgreSQL will read.
    #[error("a comment between the parts of a string constant is not supported")]
    CommentInString,
    /// `U&… UESCAPE`
    #[error("UESCAPE is not supported")]
    Uescape,
    /// A character that begins no token.
    #[error("syntax error")]
    UnexpectedCharacter,
    /// The limit on tokens.
    #[error("statement has too many tokens")]
    TooManyTokens,
    /// The limit on nesting.
    #[error("parentheses are nested too deeply")]
    TooDeep,
    /// Offsets are 32 bits wide.
    #[error("statement is too long")]
    TooLong,
}

impl LexErrorKind {
    /// Whether a limit was met (SQLSTATE 54000), rather than a mistake in the text (42601).
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(self, Self::TooManyTokens | Self::TooDeep | Self::TooLong)
    }
}

/// The tokens of one text, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tokens {
    list: Vec<Token>,
}

impl Tokens {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the text held white space and comments only.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The token of that index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Token> {
        self.list.get(index)
    }

    /// In order.
    pub fn iter(&self) -> std::slice::Iter<'_, Token> {
        self.list.iter()
    }

    /// Index of the token that starts at exactly that byte.
    #[must_use]
    pub fn at_offset(&self, start: usize) -> Option<usize> {
        self.list.binary_search_by_key(&start, |token| token.start as usize).ok()
    }

    /// Index of the first token that starts at that byte or behind it; [`Tokens::len`] if there is none.
    #[must_use]
    pub fn first_at_or_after(&self, offset: usize) -> usize {
        self.list.partition_point(|token| (token.start as usize) < offset)
    }

    /// Index of the token that closes the parenthesis or bracket at `open`.
    ///
    /// `None` if there is none at `open`, or if what it encloses is not balanced.
    #[must_use]
    pub fn closing(&self, open: usize) -> Option<usize> {
        let opener = self.get(open)?.kind;
        let closer = if opener == TokenKind::LeftParen {
            TokenKind::RightParen
        } else if opener == TokenKind::LeftBracket {
            TokenKind::RightBracket
        } else {
            return None;
        };
        // Counted apart: `( [ )` ends with a count that is not zero.
        let (mut parens, mut brackets) = (0_usize, 0_usize);
        for (index, token) in self.list.iter().enumerate().skip(open) {
            let kind = token.kind;
            if kind == TokenKind::LeftParen {
                parens += 1;
            } else if kind == TokenKind::LeftBracket {
                brackets += 1;
            } else if kind == TokenKind::RightParen {
                parens = parens.checked_sub(1)?;
            } else if kind == TokenKind::RightBracket {
                brackets = brackets.checked_sub(1)?;
            }
            if parens == 0 && brackets == 0 {
                return (kind == closer).then_some(index);
            }
        }
        None
    }
}

impl Index<usize> for Tokens {
    type Output = Token;

    fn index(&self, index: usize) -> &Token {
        &self.list[index]
    }
}

/// Lexes a whole text.
///
/// # Errors
/// [`LexError`] for what PostgreSQL refuses, for what its versions read differently, and beyond the limits.
pub fn lex(text: &str, limits: Limits) -> Result<Tokens, LexError> {
    let fail = |kind, offset| Err(LexError { kind, offset });
    if u32::try_from(text.len()).is_err() {
        return fail(LexErrorKind::TooLong, 0);
    }
    if let Some(offset) = text.bytes().position(|byte| byte == 0) {
        return fail(LexErrorKind::Nul, offset);
    }
    let mut list: Vec<Token> = Vec::with_capacity((text.len() / 4 + 2).min(4096));
    let mut scanner = scan::Scanner::new(text);
    let mut depth = 0_usize;
    while let Some(token) = scanner.next()? {
        if list.len() >= limits.tokens {
            return fail(LexErrorKind::TooManyTokens, token.start as usize);
        }
        if token.kind == TokenKind::LeftParen || token.kind == TokenKind::LeftBracket {
            depth += 1;
            if depth > limits.nesting {
                return fail(LexErrorKind::TooDeep, token.start as usize);
            }
        } else if token.kind == TokenKind::RightParen || token.kind == TokenKind::RightBracket {
            depth = depth.saturating_sub(1);
        } else if is_uescape(text, list.last(), token) {
            return fail(LexErrorKind::Uescape, token.start as usize);
        }
        list.push(token);
    }
    Ok(Tokens { list })
}

/// What the string constants of a text stand for, as far as it can be lexed; no limits, for a text that passed them.
#[must_use]
pub fn strings(text: &str) -> Vec<String> {
    let limits = Limits { tokens: usize::MAX, nesting: usize::MAX };
    let Ok(tokens) = lex(text, limits) else { return Vec::new() };
    let values = tokens.iter().map(|token| escape::string_value(token.kind, token.text(text)));
    values.flatten().collect()
}

/// The highest parameter of a text, 0 without one.
#[must_use]
pub fn highest_parameter(text: &str) -> usize {
    let mut scanner = scan::Scanner::new(text);
    let mut highest = 0;
    while let Ok(Some(token)) = scanner.next() {
        if token.kind == TokenKind::Parameter {
            highest = highest.max(token.text(text)[1..].parse().unwrap_or(PARAMETERS));
        }
    }
    highest
}

/// The token before the one that starts at `start`.
#[must_use]
pub fn token_before(text: &str, start: usize) -> Option<Token> {
    let mut scanner = scan::Scanner::new(text);
    let mut before = None;
    while let Ok(Some(token)) = scanner.next() {
        if token.start as usize >= start {
            return before.filter(|_| token.start as usize == start);
        }
        before = Some(token);
    }
    None
}

/// Whether `token` is the word UESCAPE behind a `U&` token: it changes what the token before it means.
fn is_uescape(text: &str, before: Option<&Token>, token: Token) -> bool {
    let Some(before) = before else { return false };
    (before.kind == TokenKind::UnicodeString || before.kind == TokenKind::UnicodeIdentifier)
        && token.kind == TokenKind::Identifier
        && token.text(text).eq_ignore_ascii_case("uescape")
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

//! A text, its tokens and its tree: PostgreSQL's own grammar, checked against our own lexer.
//!
//! In:  the client's text.
//! Out: a [`Parsed`]; `analyze` reads it and nothing else.
//!
//! Invariants:
//! - The lexer read the whole text and found nothing that PostgreSQL versions read differently.
//! - Every node location that is used as an offset is the start of a token; otherwise the statement is refused.

use std::ops::Range;

use pg_raw_parse::{Node, ParseResult};

use crate::error::Error;
use crate::lex::{self, TokenKind, Tokens};

/// Size limits, asked before anything is parsed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Longest text, in bytes.
    pub bytes: usize,
    /// Most tokens.
    pub tokens: usize,
    /// Deepest nesting of parentheses and brackets.
    pub nesting: usize,
}

impl Limits {
    /// For text that the proxy read from the catalog or from its own policy.
    pub const VIEW: Self = Self { bytes: 1 << 20, tokens: 1 << 18, nesting: 500 };

    /// For a text of our own making: the client's, within its limits, and our edits.
    pub(crate) const CENSUS: Self = Self { bytes: usize::MAX, tokens: usize::MAX, nesting: 1_000 };

    /// For a client's statement of at most so many bytes.
    #[must_use]
    pub const fn of_bytes(bytes: usize) -> Self {
        Self { bytes, tokens: bytes, nesting: 500 }
    }
}

/// A text that PostgreSQL's grammar accepts.
pub struct Parsed<'a> {
    text: &'a str,
    tokens: Tokens,
    tree: ParseResult,
}

impl<'a> Parsed<'a> {
    /// Lexes and parses.
    ///
    /// # Errors
    /// [`Error::Limit`] or [`Error::Syntax`].
    pub fn new(text: &'a str, limits: Limits) -> Result<Self, Error> {
        if text.len() > limits.bytes {
            let what = format!("statement is longer than {} bytes", limits.bytes);
            return Err(Error::Limit { what });
        }
        let tokens = lex::lex(text, lex::Limits { tokens: limits.tokens, nesting: limits.nesting })
            .map_err(|error| lex_error(&error))?;
        // The grammar's C code keeps its own stack on the heap, but its actions use ours.
        let parse = |text: &str| {
            stacker::maybe_grow(512 * 1024, 4 * 1024 * 1024, || pg_raw_parse::parse(text))
        };
        let tree = match parse(text) {
            Ok(tree) => tree,
            // libpg_query makes tokens of comments, so that it stumbles over `NOT /* … */ IN`; PostgreSQL does not.
            Err(error) => match without_comments(text, &tokens) {
                Some(blank) => parse(&blank).map_err(|error| syntax_error(text, &error))?,
                None => return Err(syntax_error(text, &error)),
            },
        };
        Ok(Self { text, tokens, tree })
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The tokens.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Every statement with the bytes from its first to its last token.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the lexer and the grammar disagree on where a statement is.
    pub fn statements(&self) -> Result<Vec<(Range<usize>, Node<'_>)>, Error> {
        let mut found = Vec::with_capacity(self.tree.len());
        for raw in self.tree.iter() {
            let start = usize::try_from(raw.stmt_location).unwrap_or(0);
            let length = usize::try_from(raw.stmt_len).unwrap_or(0);
            let end = if length == 0 { self.text.len() } else { start + length };
            let range = self.trimmed(start..end)?;
            found.push((range, raw.stmt()));
        }
        let statements = self.semicolon_separated();
        if statements != found.len() {
            return Err(disagreement(0));
        }
        Ok(found)
    }

    /// Cuts white space, comments and semicolons off a range.
    fn trimmed(&self, range: Range<usize>) -> Result<Range<usize>, Error> {
        let first = self.tokens.first_at_or_after(range.start);
        let mut last = self.tokens.first_at_or_after(range.end);
        while last > first && self.tokens[last - 1].kind == TokenKind::Semicolon {
            last -= 1;
        }
        if first >= last {
            return Err(disagreement(range.start));
        }
        Ok(self.start(first)..self.end(last - 1))
    }

    /// How many non-empty statements the tokens form. CREATE FUNCTION … BEGIN ATOMIC has semicolons inside, but
    /// counts wrongly to the safe side: it is refused.
    fn semicolon_separated(&self) -> usize {
        let mut count = 0;
        let mut inside = false;
        for token in self.tokens.iter() {
            if token.kind == TokenKind::Semicolon {
                inside = false;
            } else if !inside {
                inside = true;
                count += 1;
            }
        }
        count
    }

    /// Index of the token that starts at a node's location.
    pub(crate) fn token_at(&self, location: i32) -> Result<usize, Error> {
        let offset = usize::try_from(location).map_err(|_| disagreement(0))?;
        self.tokens.at_offset(offset).ok_or_else(|| disagreement(offset))
    }

    /// First byte of a token.
    pub(crate) fn start(&self, token: usize) -> usize {
        self.tokens[token].start as usize
    }

    /// Byte behind a token.
    pub(crate) fn end(&self, token: usize) -> usize {
        self.tokens[token].end as usize
    }

    /// A token's text.
    pub(crate) fn word(&self, token: usize) -> &'a str {
        &self.text[self.start(token)..self.end(token)]
    }

    /// Whether a token is that keyword (given in lower case), unquoted.
    pub(crate) fn is_keyword(&self, token: usize, keyword: &str) -> bool {
        self.tokens.get(token).is_some_and(|found| found.kind == TokenKind::Identifier)
            && self.word(token).eq_ignore_ascii_case(keyword)
    }

    /// Whether a token is of that kind.
    pub(crate) fn is(&self, token: usize, kind: TokenKind) -> bool {
        self.tokens.get(token).is_some_and(|found| found.kind == kind)
    }

    /// Bytes of a relation's name with ONLY before it and `*` behind it.
    pub(crate) fn relation_range(
        &self,
        location: i32,
        parts: usize,
    ) -> Result<Range<usize>, Error> {
        let first = self.token_at(location)?;
        let mut last = self.name_end(first, parts)?;
        let mut start = first;
        if first >= 1 && self.is_keyword(first - 1, "only") {
            start = first - 1;
        } else if first >= 2
            && self.is(first - 1, TokenKind::LeftParen)
            && self.is_keyword(first - 2, "only")
            && self.is(last + 1, TokenKind::RightParen)
        {
            start = first - 2;
            last += 1;
        }
        if self.is(last + 1, TokenKind::Operator) && self.word(last + 1) == "*" {
            last += 1;
        }
        Ok(self.start(start)..self.end(last))
    }

    /// Where `TABLE` stands before a relation's name (and ONLY), in the command of that name.
    pub(crate) fn table_command(&self, location: i32) -> Result<Option<usize>, Error> {
        let mut token = self.token_at(location)?;
        while token >= 1
            && (self.is_keyword(token - 1, "only") || self.is(token - 1, TokenKind::LeftParen))
        {
            token -= 1;
        }
        Ok((token >= 1 && self.is_keyword(token - 1, "table")).then(|| self.start(token - 1)))
    }

    /// Last token of a dotted name of so many parts that starts at `first`.
    pub(crate) fn name_end(&self, first: usize, parts: usize) -> Result<usize, Error> {
        let last = first + 2 * (parts - 1);
        for token in first..=last {
            let dot = (token - first) % 2 == 1;
            let fits = if dot { self.is(token, TokenKind::Dot) } else { self.is_name(token) };
            if !fits {
                return Err(disagreement(self.start(first)));
            }
        }
        Ok(last)
    }

    /// The bytes of a dotted name that starts at that token and is spelled as the tree says.
    pub(crate) fn spelled_name(&self, token: usize, parts: &[&str]) -> Result<Range<usize>, Error> {
        let last = self.name_end(token, parts.len())?;
        for (index, part) in parts.iter().enumerate() {
            let word = self.word(token + 2 * index);
            let spelled = match self.tokens[token + 2 * index].kind {
                TokenKind::Identifier => lex::fold(word),
                TokenKind::QuotedIdentifier => lex::unquote_identifier(word),
                _ => return Err(disagreement(self.start(token))),
            };
            if spelled != *part {
                return Err(disagreement(self.start(token)));
            }
        }
        Ok(self.start(token)..self.end(last))
    }

    /// The token behind a comma.
    pub(crate) fn behind_comma(&self, token: usize) -> Result<usize, Error> {
        if self.is(token, TokenKind::Comma) {
            return Ok(token + 1);
        }
        let offset = self.tokens.get(token).map_or(self.text.len(), |token| token.start as usize);
        Err(disagreement(offset))
    }

    fn is_name(&self, token: usize) -> bool {
        self.is(token, TokenKind::Identifier)
            || self.is(token, TokenKind::QuotedIdentifier)
            || self.is(token, TokenKind::UnicodeIdentifier)
            || (self.is(token, TokenKind::Operator) && self.word(token) == "*")
    }

    /// TABLESAMPLE with its method, arguments and REPEATABLE; the location is the method's.
    pub(crate) fn sample_range(&self, location: i32) -> Result<Range<usize>, Error> {
        let method = self.token_at(location)?;
        let before = method.checked_sub(1).filter(|token| self.is_keyword(*token, "tablesample"));
        let first = before.ok_or_else(|| disagreement(self.start(method)))?;
        let mut last = self.closing(method + 1)?;
        if self.is_keyword(last + 1, "repeatable") {
            last = self.closing(last + 2)?;
        }
        Ok(self.start(first)..self.end(last))
    }

    /// The closing parenthesis of the one at `open`.
    pub(crate) fn closing(&self, open: usize) -> Result<usize, Error> {
        let offset = self.tokens.get(open).map_or(self.text.len(), |token| token.start as usize);
        if !self.is(open, TokenKind::LeftParen) {
            return Err(disagreement(offset));
        }
        self.tokens.closing(open).ok_or_else(|| disagreement(offset))
    }

    /// What stands in the parentheses of `name [(columns)] AS [NOT MATERIALIZED] ( … )` at a CTE's location.
    pub(crate) fn parenthesized_after(&self, location: i32) -> Result<Range<usize>, Error> {
        let mut token = self.token_at(location)? + 1;
        if self.is(token, TokenKind::LeftParen) {
            token = self.closing(token)? + 1;
        }
        for keyword in ["as", "not", "materialized"] {
            if self.is_keyword(token, keyword) {
                token += 1;
            }
        }
        let close = self.closing(token)?;
        if close == token + 1 {
            return Err(disagreement(self.start(token)));
        }
        Ok(self.start(token + 1)..self.end(close - 1))
    }

    /// Bytes of a CTE's name and column list.
    pub(crate) fn common_table_header(&self, location: i32) -> Result<Range<usize>, Error> {
        let first = self.token_at(location)?;
        let mut last = first;
        if self.is(first + 1, TokenKind::LeftParen) {
            last = self.closing(first + 1)?;
        }
        Ok(self.start(first)..self.end(last))
    }

    /// The first token in `range`, outside any parentheses that open there, which is that keyword and stands
    /// where a keyword can: not behind a dot, not behind AS.
    pub(crate) fn clause(&self, range: &Range<usize>, keyword: &str) -> Option<usize> {
        let mut token = self.tokens.first_at_or_after(range.start);
        let end = self.tokens.first_at_or_after(range.end);
        while token < end {
            match self.tokens[token].kind {
                TokenKind::LeftParen | TokenKind::LeftBracket => {
                    token = self.tokens.closing(token)?;
                }
                TokenKind::Identifier if self.is_keyword(token, keyword) => {
                    let label = token > 0
                        && (self.is(token - 1, TokenKind::Dot) || self.is_keyword(token - 1, "as"));
                    if !label {
                        return Some(token);
                    }
                }
                _ => {}
            }
            token += 1;
        }
        None
    }
}

impl Parsed<'_> {
    /// Every parameter (`$1`) with its number.
    pub(crate) fn parameters(&self) -> Vec<(Range<usize>, usize)> {
        let parameters = self.tokens.iter().filter(|token| token.kind == TokenKind::Parameter);
        parameters
            .map(|token| {
                let range = token.start as usize..token.end as usize;
                let number = self.text[range.start + 1..range.end].parse().unwrap_or(0);
                (range, number)
            })
            .collect()
    }

    /// Every identifier and keyword, folded as PostgreSQL folds it.
    pub(crate) fn identifiers(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            let word = self.word(index);
            match token.kind {
                TokenKind::Identifier => names.push(lex::fold(word).into_owned()),
                TokenKind::QuotedIdentifier => {
                    names.push(lex::unquote_identifier(word).into_owned());
                }
                _ => {}
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Byte behind the last token.
    pub(crate) fn last_byte(&self) -> usize {
        self.tokens.iter().last().map_or(0, |token| token.end as usize)
    }
}

/// The text with spaces for comments, every byte where it was; `None` without comments.
pub(crate) fn without_comments(text: &str, tokens: &Tokens) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let ends = tokens.iter().map(|token| token.end as usize);
    let starts = tokens.iter().map(|token| token.start as usize).chain([text.len()]);
    let mut found = false;
    for (start, end) in std::iter::once(0).chain(ends).zip(starts) {
        for byte in &mut bytes[start..end] {
            if !byte.is_ascii_whitespace() {
                *byte = b' ';
                found = true;
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|_| found)
}

/// The lexer and the grammar read something differently, or a location is not where we think.
pub(crate) fn disagreement(offset: usize) -> Error {
    Error::Unsupported {
        what: "this statement: its text and its parse tree do not agree".to_owned(),
        offset: Some(offset),
    }
}

fn lex_error(error: &lex::LexError) -> Error {
    if error.kind.is_limit() {
        return Error::Limit { what: error.to_string() };
    }
    Error::Syntax { message: error.to_string(), offset: Some(error.offset) }
}

fn syntax_error(text: &str, error: &pg_raw_parse::Error) -> Error {
    let message = match error {
        pg_raw_parse::Error::Parse(error) => error.to_string(),
        pg_raw_parse::Error::PgError(error) => error.to_string(),
        pg_raw_parse::Error::StatementContainedNul(_) => "invalid byte sequence: 0x00".to_owned(),
    };
    Error::Syntax { offset: crate::locate::syntax_error(text), message }
}

//! Finds where the next token ends: the rules of `scan.l`, one function each.
//!
//! In:  a text without NUL, shorter than 4 GiB.
//! Out: one [`Token`] after the other.
//!
//! Invariants:
//! - Every position that is sliced at is behind an ASCII byte or at one, so it is a character boundary.
//! - A byte is looked at a fixed number of times: no input makes this slower than linear.

use super::escape::{self, EscapeScan};
use super::{LexError, LexErrorKind, NAME_BYTES, PARAMETERS, Token, TokenKind};

/// `self.at` is the first byte not yet read.
pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

type Scanned = Result<(TokenKind, usize), LexError>;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// The next token; `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Token>, LexError> {
        self.at = self.skip_blank(self.at)?;
        let start = self.at;
        let Some(first) = self.byte(start) else { return Ok(None) };
        let (kind, end) = self.token(first, start)?;
        self.at = end;
        Ok(Some(Token { kind, start: narrow(start), end: narrow(end) }))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// `{whitespace}` and `<xc>`: ends at the first byte of a token.
    fn skip_blank(&self, mut at: usize) -> Result<usize, LexError> {
        loop {
            at = match (self.byte(at), self.byte(at + 1)) {
                (Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0c), _) => at + 1,
                (Some(b'-'), Some(b'-')) => self.line_end(at),
                (Some(b'/'), Some(b'*')) => self.comment_end(at)?,
                _ => return Ok(at),
            };
        }
    }

    /// `{comment}`: the newline is not part of it.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        rest.map_or(self.bytes.len(), |length| at + length)
    }

    /// Block comments nest.
    fn comment_end(&self, start: usize) -> Result<usize, LexError> {
        let mut depth = 0_usize;
        let mut at = start;
        loop {
            match (self.byte(at), self.byte(at + 1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        return Ok(at);
                    }
                }
                (Some(_), _) => at += 1,
                (None, _) => return fail(LexErrorKind::UnterminatedComment, start),
            }
        }
    }

    fn token(&self, first: u8, start: usize) -> Scanned {
        let second = self.byte(start + 1);
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word(first, start),
            b'0'..=b'9' => self.number(start),
            b'\'' => self.string(TokenKind::String, start, start + 1),
            b'"' => self.quoted_identifier(start),
            b'$' => self.dollar(start),
            b'(' => Ok((TokenKind::LeftParen, start + 1)),
            b')' => Ok((TokenKind::RightParen, start + 1)),
            b'[' => Ok((TokenKind::LeftBracket, start + 1)),
            b']' => Ok((TokenKind::RightBracket, start + 1)),
            b',' => Ok((TokenKind::Comma, start + 1)),
            b';' => Ok((TokenKind::Semicolon, start + 1)),
            b':' => Ok(match second {
                Some(b':') => (TokenKind::DoubleColon, start + 2),
                Some(b'=') => (TokenKind::ColonEquals, start + 2),
                _ => (TokenKind::Colon, start + 1),
            }),
            b'.' => match second {
                Some(b'.') => Ok((TokenKind::DotDot, start + 2)),
                Some(b'0'..=b'9') => self.number(start),
                _ => Ok((TokenKind::Dot, start + 1)),
            },
            byte if is_operator(byte) => self.operator(start),
            _ => fail(LexErrorKind::UnexpectedCharacter, start),
        }
    }

    /// `{identifier}`, and the letters that begin a constant.
    fn word(&self, first: u8, start: usize) -> Scanned {
        if let Some((kind, body)) = self.prefixed(first, start) {
            return match kind {
                Some(kind) => self.string(kind, start, body),
                None => self.unicode_identifier(start),
            };
        }
        let rest = self.bytes[start..].iter().position(|byte| !is_word(*byte));
        let end = rest.map_or(self.bytes.len(), |length| start + length);
        if end - start > NAME_BYTES {
            return fail(LexErrorKind::IdentifierTooLong, start);
        }
        Ok((TokenKind::Identifier, end))
    }

    /// What `E'`, `B'`, `X'`, `N'`, `U&'` and `U&"` begin (`None` for the identifier), and where its body starts.
    fn prefixed(&self, first: u8, start: usize) -> Option<(Option<TokenKind>, usize)> {
        let second = self.byte(start + 1)?;
        let unicode = second == b'&' && first.eq_ignore_ascii_case(&b'u');
        if unicode {
            return match self.byte(start + 2)? {
                b'\'' => Some((Some(TokenKind::UnicodeString), start + 3)),
                b'"' => Some((None, start + 3)),
                _ => None,
            };
        }
        if second != b'\'' {
            return None;
        }
        let kind = match first {
            b'e' | b'E' => TokenKind::EscapeString,
            b'b' | b'B' => TokenKind::BitString,
            b'x' | b'X' => TokenKind::HexString,
            b'n' | b'N' => TokenKind::NationalString,
            _ => return None,
        };
        Some((Some(kind), start + 2))
    }

    /// `<xq> <xe> <xus> <xb> <xh>`: a string whose first body starts at `body`, with its continuations.
    fn string(&self, kind: TokenKind, start: usize, body: usize) -> Scanned {
        let doubling = kind != TokenKind::BitString && kind != TokenKind::HexString;
        let mut escapes = EscapeScan::new(kind == TokenKind::EscapeString);
        let mut at = body;
        let end = loop {
            let Some(stop) = escapes.body_end(self.bytes, at)? else {
                return fail(LexErrorKind::UnterminatedString, start);
            };
            at = stop + 1;
            if doubling && self.byte(at) == Some(b'\'') {
                at += 1;
            } else if let Some((next, commented)) = self.continuation(at) {
                if commented {
                    return fail(LexErrorKind::CommentInString, start);
                }
                at = next;
            } else {
                break at;
            }
        };
        if escapes.gives_bytes() || kind == TokenKind::UnicodeString {
            escape::check_string(kind, &self.text[start..end], start)?;
        }
        Ok((kind, end))
    }

    /// `{quotecontinue}`: white space with a newline, `--` comments (never block comments), and a quote; gives the
    /// byte behind the quote, and whether there was a comment.
    pub(super) fn continuation(&self, mut at: usize) -> Option<(usize, bool)> {
        let (mut newline, mut commented) = (false, false);
        loop {
            at = match (self.byte(at)?, self.byte(at + 1)) {
                (b'\n' | b'\r', _) => {
                    newline = true;
                    at + 1
                }
                (b' ' | b'\t' | 0x0c, _) => at + 1,
                (b'-', Some(b'-')) => {
                    commented = true;
                    self.line_end(at)
                }
                (b'\'', _) if newline => return Some((at + 1, commented)),
                _ => return None,
            };
        }
    }

    fn quoted_identifier(&self, start: usize) -> Scanned {
        let (end, doubled) = self.double_quotes_end(start, start + 1)?;
        let length = end - start - 2 - doubled;
        identifier_length(length, start)?;
        Ok((TokenKind::QuotedIdentifier, end))
    }

    fn unicode_identifier(&self, start: usize) -> Scanned {
        let (end, _) = self.double_quotes_end(start, start + 3)?;
        let name = escape::unicode_identifier(&self.text[start..end])
            .map_err(|kind| LexError { kind, offset: start })?;
        identifier_length(name.len(), start)?;
        Ok((TokenKind::UnicodeIdentifier, end))
    }

    /// `<xd> <xui>`: the byte behind the closing quote, and how many quotes are doubled.
    fn double_quotes_end(&self, start: usize, body: usize) -> Result<(usize, usize), LexError> {
        let mut at = body;
        let mut doubled = 0;
        loop {
            let Some(length) = self.bytes[at..].iter().position(|byte| *byte == b'"') else {
                return fail(LexErrorKind::UnterminatedIdentifier, start);
            };
            at += length + 1;
            if self.byte(at) != Some(b'"') {
                return Ok((at, doubled));
            }
            doubled += 1;
            at += 1;
        }
    }

    /// `{param}` and `{dolqdelim}`; any other `$` begins nothing.
    fn dollar(&self, start: usize) -> Scanned {
        if self.byte(start + 1).is_some_and(|byte| byte.is_ascii_digit()) {
            return self.parameter(start);
        }
        let tag = &self.bytes[start + 1..];
        let length = tag.iter().position(|byte| !is_word(*byte) || *byte == b'$');
        let Some(length) = length.filter(|length| tag[*length] == b'$') else {
            return fail(LexErrorKind::UnexpectedCharacter, start);
        };
        // The tag is empty or an identifier: what starts with a digit is a parameter.
        let body = start + length + 2;
        let delimiter = &self.text[start..body];
        match self.text[body..].find(delimiter) {
            Some(inside) => Ok((TokenKind::DollarString, body + inside + delimiter.len())),
            None => fail(LexErrorKind::UnterminatedDollarString, start),
        }
    }

    fn parameter(&self, start: usize) -> Scanned {
        let end = self.digits_end(start + 1);
        if self.byte(end).is_some_and(is_word_start) {
            return fail(LexErrorKind::ParameterJunk, start);
        }
        match self.text[start + 1..end].parse::<usize>() {
            Ok(1..=PARAMETERS) => Ok((TokenKind::Parameter, end)),
            Ok(_) | Err(_) => fail(LexErrorKind::ParameterNumber, start),
        }
    }

    fn digits_end(&self, at: usize) -> usize {
        let rest = self.bytes[at..].iter().position(|byte| !byte.is_ascii_digit());
        rest.map_or(self.bytes.len(), |length| at + length)
    }

    /// `{integer}`, `{decimal}`, `{real}`, and what must not follow them.
    fn number(&self, start: usize) -> Scanned {
        let mut kind = TokenKind::Integer;
        let mut at = self.digits_end(start);
        // `1..2` is an integer, two dots, an integer (`{decimalfail}`).
        if self.byte(at) == Some(b'.') && (at == start || self.byte(at + 1) != Some(b'.')) {
            kind = TokenKind::Float;
            at = self.digits_end(at + 1);
        }
        if let Some(b'e' | b'E') = self.byte(at) {
            let sign = usize::from(matches!(self.byte(at + 1), Some(b'+' | b'-')));
            let end = self.digits_end(at + 1 + sign);
            if end == at + 1 + sign {
                return fail(LexErrorKind::NumberJunk, start);
            }
            kind = TokenKind::Float;
            at = end;
            // `1e5$1`: `e5$1` is an identifier, and number with identifier is the longer match.
            if self.byte(at) == Some(b'$') {
                return fail(LexErrorKind::NumberJunk, start);
            }
        }
        if self.byte(at).is_some_and(is_word_start) {
            return fail(LexErrorKind::NumberJunk, start);
        }
        Ok((kind, at))
    }

    /// `{operator}`: the longest run that holds no comment start, without a trailing `+` or `-` unless it holds a
    /// character that no operator of the SQL standard has.
    fn operator(&self, start: usize) -> Scanned {
        let mut end = start + 1;
        while let Some(byte) = self.byte(end).filter(|byte| is_operator(*byte)) {
            let pair = (byte, self.byte(end + 1));
            if pair == (b'/', Some(b'*')) || pair == (b'-', Some(b'-')) {
                break;
            }
            end += 1;
            // Asked here and not at the end, as PostgreSQL does, so that `++++…` does not cost a square.
            if end - start > NAME_BYTES {
                return fail(LexErrorKind::OperatorTooLong, start);
            }
        }
        let own = |byte: &u8| b"~!@#^&|`?%".contains(byte);
        let run = &self.bytes[start..end];
        if matches!(run, [.., b'+' | b'-']) && !run[..run.len() - 1].iter().any(own) {
            while end - start > 1 && matches!(self.bytes[end - 1], b'+' | b'-') {
                end -= 1;
            }
        }
        let arrow = &self.bytes[start..end] == b"=>";
        Ok((if arrow { TokenKind::EqualsGreater } else { TokenKind::Operator }, end))
    }
}

fn identifier_length(length: usize, start: usize) -> Result<(), LexError> {
    match length {
        0 => fail(LexErrorKind::EmptyIdentifier, start),
        1..=NAME_BYTES => Ok(()),
        _ => fail(LexErrorKind::IdentifierTooLong, start),
    }
}

fn fail<T>(kind: LexErrorKind, offset: usize) -> Result<T, LexError> {
    Err(LexError { kind, offset })
}

/// Texts are shorter than 4 GiB: `lex` asks first.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// `{ident_start}`
fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// `{ident_cont}`
fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// `{op_chars}`
fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

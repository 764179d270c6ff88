//! What quotes and escapes stand for: names without their quotes, and whether a string's escapes are valid.
//!
//! In:  a token's text.
//! Out: the name that PostgreSQL stores; or the mistake in an escape.
//!
//! Invariants:
//! - A string that passes is valid UTF-8 without NUL once its escapes are read (`pg_verifymbstr` in `scan.l`).

use std::borrow::Cow;

use super::scan::Scanner;
use super::{LexError, LexErrorKind, TokenKind};

/// Lower case as `downcase_identifier` in scansup.c does it in a UTF-8 database: ASCII letters only.
#[must_use]
pub fn fold(identifier: &str) -> Cow<'_, str> {
    if identifier.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(identifier.to_ascii_lowercase())
    } else {
        Cow::Borrowed(identifier)
    }
}

/// The name that an identifier's token stands for: unquoted ones are folded, quoted ones lose their quotes and
/// `U&` escapes.
///
/// Exact for the text of an identifier token; any other text comes back folded.
#[must_use]
pub fn unquote_identifier(token: &str) -> Cow<'_, str> {
    if let Some(body) = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return if body.contains('"') {
            Cow::Owned(body.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(body)
        };
    }
    match unicode_identifier(token) {
        Ok(name) if token.get(1..3) == Some("&\"") => Cow::Owned(name),
        Ok(_) | Err(_) => fold(token),
    }
}

/// The name that `U&"…"` stands for.
pub(super) fn unicode_identifier(token: &str) -> Result<String, LexErrorKind> {
    let body = token.get(3..token.len().saturating_sub(1)).unwrap_or_default();
    unescape_unicode(&body.replace("\"\"", "\""))
}

/// Finds the quotes that end a string's bodies, and watches its escapes if it is `E''`.
pub(super) struct EscapeScan {
    escapes: bool,
    gives_bytes: bool,
}

impl EscapeScan {
    pub(super) fn new(escapes: bool) -> Self {
        Self { escapes, gives_bytes: false }
    }

    /// Whether an escape gave a byte that may make the string invalid.
    pub(super) fn gives_bytes(&self) -> bool {
        self.gives_bytes
    }

    /// The next quote that is not escaped; `None` if there is none.
    pub(super) fn body_end(
        &mut self,
        bytes: &[u8],
        mut at: usize,
    ) -> Result<Option<usize>, LexError> {
        if !self.escapes {
            return Ok(bytes[at..].iter().position(|byte| *byte == b'\'').map(|n| at + n));
        }
        loop {
            let rest = &bytes[at..];
            let Some(length) = rest.iter().position(|byte| matches!(byte, b'\'' | b'\\')) else {
                return Ok(None);
            };
            at += length;
            if bytes[at] == b'\'' {
                return Ok(Some(at));
            }
            let Some((escape, length)) = read_escape(bytes, at)? else { return Ok(None) };
            self.gives_bytes |= matches!(escape, Escape::Byte(0 | 0x80..));
            at += length;
        }
    }
}

/// What a backslash and its followers stand for in `E''`.
enum Escape {
    Byte(u8),
    Character(char),
}

/// Reads the escape at `at`, and its length; `None` if the text ends within it.
fn read_escape(bytes: &[u8], at: usize) -> Result<Option<(Escape, usize)>, LexError> {
    let Some(letter) = bytes.get(at + 1).copied() else { return Ok(None) };
    let fail = |kind| Err(LexError { kind, offset: at });
    let byte = |value, length| Ok(Some((Escape::Byte(value), length)));
    match letter {
        b'0'..=b'7' => {
            let (value, digits) = leading(bytes, at + 1, 8, 3);
            // `unsigned char c = strtoul(…)`: the high bits of \400 and up are dropped.
            byte((value & 0xff) as u8, 1 + digits)
        }
        b'x' => match leading(bytes, at + 2, 16, 2) {
            (_, 0) => byte(b'x', 2),
            (value, digits) => byte((value & 0xff) as u8, 2 + digits),
        },
        b'u' | b'U' => unicode_escape(bytes, at)
            .map(|(character, length)| Some((Escape::Character(character), length))),
        b'v' => fail(LexErrorKind::VerticalTabEscape),
        b'b' => byte(0x08, 2),
        b'f' => byte(0x0c, 2),
        b'n' => byte(b'\n', 2),
        b'r' => byte(b'\r', 2),
        b't' => byte(b'\t', 2),
        // The first byte of a longer character, or any other one, stands for itself; `check_string` sees
        // whether the whole is valid.
        other => byte(other, 2),
    }
}

/// `\uXXXX` and `\UXXXXXXXX`, two of them for a surrogate pair.
fn unicode_escape(bytes: &[u8], at: usize) -> Result<(char, usize), LexError> {
    let fail = |kind, offset| Err(LexError { kind, offset });
    let unit = |at: usize| {
        let width = match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'\\'), Some(b'u')) => 4,
            (Some(b'\\'), Some(b'U')) => 8,
            _ => return None,
        };
        let (value, digits) = leading(bytes, at + 2, 16, width);
        (digits == width).then_some((value, 2 + width))
    };
    let Some((first, length)) = unit(at) else { return fail(LexErrorKind::UnicodeEscape, at) };
    match surrogate(first) {
        Surrogate::None => match valid_character(first) {
            Some(character) => Ok((character, length)),
            None => fail(LexErrorKind::UnicodeValue, at),
        },
        Surrogate::Second => fail(LexErrorKind::SurrogatePair, at),
        Surrogate::First => match unit(at + length) {
            Some((second, more)) => match joined(first, second) {
                Some(character) => Ok((character, length + more)),
                None => fail(LexErrorKind::SurrogatePair, at + length),
            },
            None => fail(LexErrorKind::SurrogatePair, at + length),
        },
    }
}

/// Reads up to `most` digits: their value and number.
fn leading(bytes: &[u8], at: usize, radix: u32, most: usize) -> (u32, usize) {
    let mut value = 0_u32;
    let mut digits = 0;
    while digits < most
        && let Some(digit) =
            bytes.get(at + digits).and_then(|byte| char::from(*byte).to_digit(radix))
    {
        value = value.wrapping_mul(radix).wrapping_add(digit);
        digits += 1;
    }
    (value, digits)
}

enum Surrogate {
    None,
    First,
    Second,
}

fn surrogate(value: u32) -> Surrogate {
    match value {
        0xD800..=0xDBFF => Surrogate::First,
        0xDC00..=0xDFFF => Surrogate::Second,
        _ => Surrogate::None,
    }
}

fn joined(first: u32, second: u32) -> Option<char> {
    match surrogate(second) {
        Surrogate::Second => char::from_u32(0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff)),
        Surrogate::None | Surrogate::First => None,
    }
}

/// `is_valid_unicode_codepoint`
fn valid_character(value: u32) -> Option<char> {
    char::from_u32(value).filter(|character| *character != '\0')
}

/// Checks what a string stands for.
pub(super) fn check_string(kind: TokenKind, token: &str, start: usize) -> Result<(), LexError> {
    let fail = |kind| Err(LexError { kind, offset: start });
    if kind == TokenKind::UnicodeString {
        return match unescape_unicode(&plain_content(token, 3)) {
            Ok(_) => Ok(()),
            Err(kind) => fail(kind),
        };
    }
    let content = escaped_content(token)?;
    let valid = std::str::from_utf8(&content).is_ok() && !content.contains(&0);
    if valid { Ok(()) } else { fail(LexErrorKind::InvalidBytes) }
}

/// What a string constant stands for; `None` for a token of another kind, or escapes that are not valid.
pub(super) fn string_value(kind: TokenKind, token: &str) -> Option<String> {
    if kind == TokenKind::DollarString {
        let tag = token.get(1..)?.find('$')? + 2;
        return Some(token.get(tag..token.len().checked_sub(tag)?)?.to_owned());
    }
    if kind == TokenKind::EscapeString {
        return String::from_utf8(escaped_content(token).ok()?).ok();
    }
    if kind == TokenKind::UnicodeString {
        return unescape_unicode(&plain_content(token, 3)).ok();
    }
    if kind == TokenKind::NationalString {
        return Some(plain_content(token, 2));
    }
    (kind == TokenKind::String).then(|| plain_content(token, 1))
}

/// The content of a string whose first body starts at `at`, before its escapes are read: quotes undoubled,
/// continuations joined.
fn plain_content(token: &str, mut at: usize) -> String {
    let mut content = Vec::with_capacity(token.len());
    let scanner = Scanner::new(token);
    let bytes = token.as_bytes();
    while let Some(byte) = bytes.get(at) {
        at += 1;
        if *byte != b'\'' {
            content.push(*byte);
        } else if bytes.get(at) == Some(&b'\'') {
            content.push(b'\'');
            at += 1;
        } else if let Some((next, _)) = scanner.continuation(at) {
            at = next;
        }
    }
    String::from_utf8_lossy(&content).into_owned()
}

/// The bytes that `E'…'` stands for.
fn escaped_content(token: &str) -> Result<Vec<u8>, LexError> {
    let mut content = Vec::with_capacity(token.len());
    let scanner = Scanner::new(token);
    let bytes = token.as_bytes();
    let mut at = 2;
    while let Some(byte) = bytes.get(at) {
        match (*byte, bytes.get(at + 1)) {
            (b'\\', _) => {
                let Some((escape, length)) = read_escape(bytes, at)? else { break };
                match escape {
                    Escape::Byte(byte) => content.push(byte),
                    Escape::Character(character) => {
                        content.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
                at += length;
            }
            (b'\'', Some(b'\'')) => {
                content.push(b'\'');
                at += 2;
            }
            (b'\'', _) => at = scanner.continuation(at + 1).map_or(bytes.len(), |(next, _)| next),
            (plain, _) => {
                content.push(plain);
                at += 1;
            }
        }
    }
    Ok(content)
}

/// `str_udeescape` in parser.c, with the backslash as escape: `\XXXX`, `\+XXXXXX`, `\\`.
fn unescape_unicode(content: &str) -> Result<String, LexErrorKind> {
    let bytes = content.as_bytes();
    let mut name = String::with_capacity(content.len());
    let mut at = 0;
    let mut pending: Option<u32> = None;
    while let Some(character) = content[at..].chars().next() {
        let (plain, value, length) = match (character, bytes.get(at + 1)) {
            ('\\', Some(b'\\')) => (Some('\\'), 0, 2),
            ('\\', Some(b'+')) => (None, exactly(bytes, at + 2, 6)?, 8),
            ('\\', _) => (None, exactly(bytes, at + 1, 4)?, 5),
            (plain, _) => (Some(plain), 0, plain.len_utf8()),
        };
        at += length;
        let next = match (pending.take(), plain, surrogate(value)) {
            (None, Some(plain), _) => plain,
            (None, None, Surrogate::None) => {
                valid_character(value).ok_or(LexErrorKind::UnicodeValue)?
            }
            (None, None, Surrogate::First) => {
                pending = Some(value);
                continue;
            }
            (Some(first), None, Surrogate::Second) => {
                joined(first, value).ok_or(LexErrorKind::SurrogatePair)?
            }
            (None, None, Surrogate::Second) | (Some(_), Some(_) | None, _) => {
                return Err(LexErrorKind::SurrogatePair);
            }
        };
        name.push(next);
    }
    if pending.is_some() { Err(LexErrorKind::SurrogatePair) } else { Ok(name) }
}

fn exactly(bytes: &[u8], at: usize, width: usize) -> Result<u32, LexErrorKind> {
    match leading(bytes, at, 16, width) {
        (value, digits) if digits == width => Ok(value),
        (_, _) => Err(LexErrorKind::UnicodeEscape),
    }
}

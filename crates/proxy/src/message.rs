//! Bodies of the extended protocol's client messages, and the messages that we originate ourselves.
//!
//! In:  a [`Frame`](crate::frame::Frame)'s body.
//! Out: borrowed parts whose counts and lengths were checked to the last byte.
//!
//! Invariants:
//! - What PostgreSQL would read from the same bytes is what we read: a body with a byte too many or too few is
//!   rejected, never repaired.

use bytes::{BufMut as _, BytesMut};

use crate::frame::{Malformed, Reader, put, put_text};

/// `Parse`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parse<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) text: &'a [u8],
    /// Count and type oids, as sent.
    pub(crate) types: &'a [u8],
}

impl<'a> Parse<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (name, text) = (reader.text()?, reader.text()?);
        let types = reader.rest();
        let mut check = Reader::new(types);
        let count = check.u16()?;
        check.take(4 * usize::from(count))?;
        check.finish()?;
        Ok(Self { name, text, types })
    }
}

/// The type oids of a `Parse`, from their count and themselves as sent; empty in the simple protocol.
pub(crate) fn type_oids(types: &[u8]) -> Vec<u32> {
    let oids = types.get(2..).unwrap_or_default().chunks_exact(4);
    oids.map(|oid| u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]])).collect()
}

/// `Bind`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bind<'a> {
    pub(crate) portal: &'a [u8],
    pub(crate) statement: &'a [u8],
    /// Parameter formats and values, as sent.
    pub(crate) parameters: &'a [u8],
    /// Result format codes, two bytes each.
    pub(crate) formats: &'a [u8],
}

impl<'a> Bind<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (portal, statement) = (reader.text()?, reader.text()?);
        let parameters = reader.rest();
        let mut reader = Reader::new(parameters);
        let formats = reader.u16()?;
        reader.take(2 * usize::from(formats))?;
        let values = reader.u16()?;
        if formats > 1 && formats != values {
            return Err(Malformed);
        }
        for _ in 0..values {
            match reader.i32()? {
                -1 => {}
                length => {
                    reader.take(usize::try_from(length).map_err(|_| Malformed)?)?;
                }
            }
        }
        let tail = reader.rest();
        let parameters = &parameters[..parameters.len() - tail.len()];
        let mut reader = Reader::new(tail);
        let count = reader.u16()?;
        let formats = reader.take(2 * usize::from(count))?;
        reader.finish()?;
        Ok(Self { portal, statement, parameters, formats })
    }
}

/// One parameter's value as sent; `None` for NULL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Argument<'a> {
    pub(crate) binary: bool,
    pub(crate) value: Option<&'a [u8]>,
}

/// The values of a `Bind`'s parameters.
pub(crate) fn arguments(parameters: &[u8]) -> Result<Vec<Argument<'_>>, Malformed> {
    let mut reader = Reader::new(parameters);
    let count = reader.u16()?;
    let mut formats = Vec::new();
    for _ in 0..count {
        formats.push(reader.u16()?);
    }
    let mut arguments = Vec::new();
    for index in 0..usize::from(reader.u16()?) {
        let value = match usize::try_from(reader.i32()?) {
            Ok(length) => Some(reader.take(length)?),
            Err(_null) => None,
        };
        // One format is for all.
        let format = formats.get(index).or(formats.first().filter(|_| formats.len() == 1));
        arguments.push(Argument { binary: format == Some(&1), value });
    }
    reader.finish()?;
    Ok(arguments)
}

/// What `Describe` and `Close` are about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target<'a> {
    Statement(&'a [u8]),
    Portal(&'a [u8]),
}

impl<'a> Target<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (kind, name) = (reader.byte()?, reader.text()?);
        reader.finish()?;
        match kind {
            b'S' => Ok(Self::Statement(name)),
            b'P' => Ok(Self::Portal(name)),
            _ => Err(Malformed),
        }
    }
}

/// `Execute`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Execute<'a> {
    pub(crate) portal: &'a [u8],
    /// 0 for all.
    pub(crate) max_rows: i32,
}

impl<'a> Execute<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (portal, max_rows) = (reader.text()?, reader.i32()?);
        reader.finish()?;
        Ok(Self { portal, max_rows })
    }
}

/// The one string of `Query`.
pub(crate) fn read_query(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(body);
    let text = reader.text()?;
    reader.finish()?;
    Ok(text)
}

/// How bad an error of ours is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
    /// Nothing is wrong.
    Notice,
}

/// An error that we originate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Report {
    pub(crate) severity: Severity,
    pub(crate) sqlstate: &'static str,
    pub(crate) message: String,
    /// Left out when empty.
    pub(crate) detail: String,
    /// Left out when empty.
    pub(crate) hint: String,
    /// In characters, from 1.
    pub(crate) position: Option<usize>,
}

impl Report {
    pub(crate) fn error(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            sqlstate,
            message: message.into(),
            detail: String::new(),
            hint: String::new(),
            position: None,
        }
    }

    pub(crate) fn fatal(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, ..Self::error(sqlstate, message) }
    }

    /// What PostgreSQL says to everything in a transaction that has failed.
    pub(crate) fn aborted() -> Self {
        let message =
            "current transaction is aborted, commands ignored until end of transaction block";
        Self::error("25P02", message)
    }

    /// The same, and the connection ends.
    pub(crate) fn fatally(self) -> Self {
        Self { severity: Severity::Fatal, ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// A NoticeResponse.
    pub(crate) fn notice(message: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, ..Self::error("00000", message) }
    }

    /// Appends an ErrorResponse, or a NoticeResponse.
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        let severity = match self.severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Notice => "NOTICE",
        };
        let tag = if self.severity == Severity::Notice { b'N' } else { b'E' };
        let position = self.position.map(|position| position.to_string()).unwrap_or_default();
        let fields = [
            (b'S', severity),
            (b'V', severity),
            (b'C', self.sqlstate),
            (b'M', self.message.as_str()),
            (b'D', self.detail.as_str()),
            (b'H', self.hint.as_str()),
            (b'P', position.as_str()),
        ];
        put(buffer, tag, |body| {
            for (code, value) in fields {
                if !value.is_empty() {
                    body.put_u8(code);
                    // A NUL would end the field early.
                    put_text(body, value.replace('\0', " ").as_bytes());
                }
            }
            body.put_u8(0);
        });
    }
}

/// Transaction status of ReadyForQuery.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Status {
    /// `I`
    #[default]
    Idle,
    /// `T`
    Transaction,
    /// `E`
    Failed,
}

impl Status {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Malformed> {
        match body {
            b"I" => Ok(Self::Idle),
            b"T" => Ok(Self::Transaction),
            b"E" => Ok(Self::Failed),
            _ => Err(Malformed),
        }
    }

    /// Appends ReadyForQuery.
    pub(crate) fn put(self, buffer: &mut BytesMut) {
        put(buffer, b'Z', |body| {
            body.put_u8(match self {
                Self::Idle => b'I',
                Self::Transaction => b'T',
                Self::Failed => b'E',
            });
        });
    }
}

/// Appends ParameterStatus.
pub(crate) fn put_parameter(buffer: &mut BytesMut, name: &[u8], value: &[u8]) {
    put(buffer, b'S', |body| {
        put_text(body, name);
        put_text(body, value);
    });
}

/// Type oid of `text`.
pub(crate) const TEXT: u32 = 25;
/// Type oid of `bool`.
pub(crate) const BOOL: u32 = 16;

/// Appends RowDescription: columns of type text, all in one format (0 is text, 1 binary).
pub(crate) fn put_columns(buffer: &mut BytesMut, names: &[&str], format: u16) {
    put(buffer, b'T', |body| {
        put_count(body, names.len());
        for name in names {
            put_text(body, name.replace('\0', " ").as_bytes());
            // No table, no column; a length that varies, no modifier.
            body.put_slice(&[0; 6]);
            body.put_u32(TEXT);
            body.put_i16(-1);
            body.put_i32(-1);
            body.put_u16(format);
        }
    });
}

/// Appends DataRow. A text's bytes are the same in both formats.
pub(crate) fn put_row(buffer: &mut BytesMut, values: &[&str]) {
    put(buffer, b'D', |body| {
        put_count(body, values.len());
        for value in values {
            body.put_i32(i32::try_from(value.len()).expect("a value of ours is short"));
            body.put_slice(value.as_bytes());
        }
    });
}

/// Appends ParameterDescription.
pub(crate) fn put_parameter_types(buffer: &mut BytesMut, types: &[u32]) {
    put(buffer, b't', |body| {
        put_count(body, types.len());
        types.iter().for_each(|kind| body.put_u32(*kind));
    });
}

/// Appends CommandComplete.
pub(crate) fn put_complete(buffer: &mut BytesMut, tag: &str) {
    put(buffer, b'C', |body| put_text(body, tag.as_bytes()));
}

/// Appends NoticeResponse: a warning.
pub(crate) fn put_warning(buffer: &mut BytesMut, sqlstate: &str, message: &str) {
    let fields = [(b'S', "WARNING"), (b'V', "WARNING"), (b'C', sqlstate), (b'M', message)];
    put(buffer, b'N', |body| {
        for (code, value) in fields {
            body.put_u8(code);
            put_text(body, value.as_bytes());
        }
        body.put_u8(0);
    });
}

fn put_count(body: &mut BytesMut, count: usize) {
    body.put_u16(u16::try_from(count).expect("a message of ours is short"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bind(body: &[u8], accepted: bool) {
        assert_eq!(Bind::read(body).is_ok(), accepted, "{}", body.escape_ascii());
    }

    #[test]
    fn bind_counts_must_match() {
        check_bind(b"\0\0\0\0\0\0\0\0", true);
        check_bind(b"\0\0\0\0\0\0\0", false);
        check_bind(b"\0\0\0\0\0\0\0\0\0", false);
        // One value of two bytes, one result format.
        check_bind(b"p\0s\0\0\0\0\x01\0\0\0\x02hi\0\x01\0\x01", true);
        // The value claims three bytes, or a negative length that is not NULL.
        check_bind(b"p\0s\0\0\0\0\x01\0\0\0\x07hi\0\x01\0\x01", false);
        check_bind(b"p\0s\0\0\0\0\x01\xff\xff\xff\xfehi\0\0", false);
        check_bind(b"p\0s\0\0\0\0\x01\xff\xff\xff\xff\0\0", true);
        // Two formats for one value.
        check_bind(b"\0\0\0\x02\0\0\0\0\0\x01\xff\xff\xff\xff\0\0", false);
        check_bind(b"\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff\0\0", true);
        // 65,535 values claimed, none there.
        check_bind(b"\0\0\0\0\xff\xff", false);
    }

    #[test]
    fn bind_parts() {
        let bind = Bind::read(b"p\0s\0\0\0\0\x01\0\0\0\x02hi\0\x01\0\x01").expect("valid");
        assert_eq!((bind.portal, bind.statement), (&b"p"[..], &b"s"[..]));
        assert_eq!(bind.parameters, b"\0\0\0\x01\0\0\0\x02hi");
        assert_eq!(bind.formats, b"\0\x01");
    }

    #[test]
    fn arguments_with_their_formats() {
        let read = |parameters| {
            let found = arguments(parameters).expect("checked by Bind");
            let shown = found.iter().map(|one| match one.value {
                Some(value) => format!("{}{}", if one.binary { "b" } else { "t" }, value.len()),
                None => "null".to_owned(),
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read(b"\0\0\0\x02\0\0\0\x02hi\xff\xff\xff\xff"), "t2 null");
        assert_eq!(read(b"\0\x01\0\x01\0\x02\0\0\0\x02hi\0\0\0\x01\x01"), "b2 b1");
        assert_eq!(read(b"\0\x02\0\0\0\x01\0\x02\0\0\0\x02hi\0\0\0\x01\x01"), "t2 b1");
        assert!(arguments(b"\0\0\0\x01\0\0\0\x02h").is_err());
    }

    #[test]
    fn parse_counts_must_match() {
        assert!(Parse::read(b"s\0SELECT $1\0\0\x01\0\0\0\x17").is_ok());
        assert!(Parse::read(b"s\0SELECT $1\0\0\x02\0\0\0\x17").is_err());
        assert!(Parse::read(b"s\0SELECT $1\0\0\0\0").is_err());
        assert!(Parse::read(b"s\0SELECT $1").is_err());
    }

    #[test]
    fn describe_and_execute() {
        assert_eq!(Target::read(b"Sx\0"), Ok(Target::Statement(b"x")));
        assert_eq!(Target::read(b"P\0"), Ok(Target::Portal(b"")));
        assert_eq!(Target::read(b"Xx\0"), Err(Malformed));
        assert!(Execute::read(b"\0\0\0\0\x05").is_ok());
        assert!(Execute::read(b"\0\0\0\x05").is_err());
        assert!(read_query(b"SELECT 1\0").is_ok());
        assert!(read_query(b"SELECT 1\0; DROP TABLE x\0").is_err());
    }
}

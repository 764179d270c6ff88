//! Edits what PostgreSQL answers: columns that are ours, fields of errors that could hold another person's row.
//!
//! In:  the body of a backend message.
//! Out: the body, or the whole message, that the client gets.
//!
//! Invariants:
//! - A field that is not on the list of harmless ones never reaches a restricted person.
//! - A body that is not what the protocol says is an error; it is not passed on.

use std::borrow::Cow;

use bytes::{BufMut as _, BytesMut};
use pgcordon_rewrite::{Cleared, Known, Mark};

use crate::frame::{Malformed, Reader, put, put_text};
use crate::message::Report;
use crate::redact::Redactor;

/// The client's text beside what was sent for it, to map positions back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts<'a> {
    pub(crate) original: &'a str,
    pub(crate) cleared: &'a Cleared,
}

/// Fields of an ErrorResponse or NoticeResponse by their code.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'b>(Vec<(u8, &'b [u8])>);

impl<'b> Fields<'b> {
    pub(crate) fn read(body: &'b [u8]) -> Result<Self, Malformed> {
        let (mut reader, mut fields) = (Reader::new(body), Vec::new());
        loop {
            match reader.byte()? {
                0 => break,
                code => fields.push((code, reader.text()?)),
            }
        }
        reader.finish()?;
        Ok(Self(fields))
    }

    fn find(&self, code: u8) -> Option<&'b [u8]> {
        self.0.iter().find(|(other, _)| *other == code).map(|(_, text)| *text)
    }

    /// A field as text; empty if there is none.
    pub(crate) fn text(&self, code: u8) -> Cow<'b, str> {
        self.find(code).map_or(Cow::Borrowed(""), String::from_utf8_lossy)
    }

    /// Whether that field says exactly that.
    pub(crate) fn has(&self, code: u8, text: &str) -> bool {
        self.find(code) == Some(text.as_bytes())
    }
}

/// The SQLSTATE of an ErrorResponse.
pub(crate) fn sqlstate(body: &[u8]) -> Result<[u8; 5], Malformed> {
    let code = Fields::read(body)?.find(b'C').ok_or(Malformed)?;
    code.try_into().map_err(|_| Malformed)
}

/// The primary message of an ErrorResponse, for our own log.
pub(crate) fn primary_message(body: &[u8]) -> String {
    Fields::read(body).unwrap_or_default().text(b'M').into_owned()
}

/// Appends the error or notice as a restricted person may see it.
///
/// | field                                     | outcome                                                      |
/// |-------------------------------------------|--------------------------------------------------------------|
/// | primary message with our mark             | becomes 42501, nothing else is kept                          |
/// | severity `LOG` or `DEBUG…`                 | the whole notice is dropped: it could show our predicates    |
/// | `S V C`                                   | kept                                                         |
/// | `F L R`: where in the server's source      | kept: constants of the server, and drivers decide by `R`     |
/// | `M` primary message                       | without what could come from a hidden row (`redact`)         |
/// | `H` hint                                  | kept if nothing of it has to go                              |
/// | `s t c d n`: names of objects              | kept if the person may know that object                      |
/// | `P` position                              | mapped to the client's text, or dropped                      |
/// | `D` detail, `W` context, `q` `p` internal  | dropped, and so is whatever is not listed                    |
pub(crate) fn put_restricted(
    buffer: &mut BytesMut,
    tag: u8,
    body: &[u8],
    mark: &Mark,
    texts: Option<Texts<'_>>,
    redactor: &Redactor<'_>,
) -> Result<(), Malformed> {
    let fields = Fields::read(body)?;
    let severity = fields.text(b'V');
    if tag == b'N' && (severity == "LOG" || severity.starts_with("DEBUG")) {
        return Ok(());
    }
    for (_, text) in &fields.0 {
        if let Some(violation) = mark.recognise(&String::from_utf8_lossy(text)) {
            Report::error(violation.sqlstate(), violation.message()).put(buffer);
            return Ok(());
        }
    }
    put(buffer, tag, |out| {
        for (code, text) in &fields.0 {
            let kept = match code {
                b'S' | b'V' | b'C' | b'F' | b'L' | b'R' => Some(text.to_vec()),
                b'M' => Some(redactor.message(&fields).into_bytes()),
                b'H' => redactor.hint(&fields).map(String::into_bytes),
                b's' | b't' | b'c' | b'd' | b'n' => match redactor.object(&fields, *code) {
                    Known::Yes => Some(text.to_vec()),
                    Known::No => None,
                },
                b'P' => mapped(text, texts).map(|position| position.to_string().into_bytes()),
                _ => None,
            };
            if let Some(kept) = kept {
                out.put_u8(*code);
                put_text(out, &kept);
            }
        }
        out.put_u8(0);
    });
    Ok(())
}

fn mapped(position: &[u8], texts: Option<Texts<'_>>) -> Option<usize> {
    let Texts { original, cleared } = texts?;
    let position = std::str::from_utf8(position).ok()?.parse().ok()?;
    cleared.client_position(original, position)
}

/// Appends a RowDescription without its last field.
pub(crate) fn put_description_without_last(
    buffer: &mut BytesMut,
    body: &[u8],
    visible: usize,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(body);
    let count = usize::from(reader.u16()?);
    if count != visible + 1 {
        return Err(Malformed);
    }
    let all = reader.rest();
    let mut reader = Reader::new(all);
    for _ in 0..visible {
        reader.text()?;
        // Table oid, column, type oid, size, modifier, format.
        reader.take(18)?;
    }
    let kept = &all[..all.len() - reader.rest().len()];
    put_counted(buffer, b'T', visible, kept)
}

/// Appends a DataRow without its last value.
pub(crate) fn put_row_without_last(
    buffer: &mut BytesMut,
    body: &[u8],
    visible: usize,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(body);
    let count = usize::from(reader.u16()?);
    if count != visible + 1 {
        return Err(Malformed);
    }
    let all = reader.rest();
    let mut reader = Reader::new(all);
    for _ in 0..visible {
        match reader.i32()? {
            -1 => {}
            length => {
                reader.take(usize::try_from(length).map_err(|_| Malformed)?)?;
            }
        }
    }
    let kept = &all[..all.len() - reader.rest().len()];
    put_counted(buffer, b'D', visible, kept)
}

fn put_counted(buffer: &mut BytesMut, tag: u8, count: usize, kept: &[u8]) -> Result<(), Malformed> {
    let count = u16::try_from(count).map_err(|_| Malformed)?;
    put(buffer, tag, |out| {
        out.put_u16(count);
        out.put_slice(kept);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use pgcordon_policy::{BoundPolicy, Principal};
    use pgcordon_rewrite::{Context, Names};
    use pgcordon_sql::catalog::Snapshot;

    use super::*;

    fn error(fields: &[(char, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (code, text) in fields {
            body.push(*code as u8);
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        body.push(0);
        body
    }

    fn check(fields_in: &[(char, &str)], expected: &str) {
        let mut out = BytesMut::new();
        let mark = Mark::new([7; 16]);
        let (snapshot, policy) = (Snapshot::default(), BoundPolicy::default());
        let principal = Principal::default();
        let context = Context {
            snapshot: &snapshot,
            policy: &policy,
            principal: &principal,
            search_path: &[],
            database: "shop",
            mark: &mark,
            parameter_types: &[],
            max_statement_bytes: 0,
        };
        let redactor = Redactor::new(Names::new(context), None, []);
        put_restricted(&mut out, b'E', &error(fields_in), &mark, None, &redactor)
            .expect("well formed");
        let shown: Vec<String> = Fields::read(&out[5..])
            .expect("well formed")
            .0
            .into_iter()
            .map(|(code, text)| format!("{}={}", code as char, String::from_utf8_lossy(text)))
            .collect();
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn fields_that_hold_rows_are_dropped() {
        check(
            &[('C', "23505"), ('M', "duplicate key"), ('D', "Key (id)=(7)"), ('R', "x")],
            "C=23505 M=duplicate key R=x",
        );
        check(
            &[('C', "22P02"), ('W', "COPY line 3: x"), ('q', "SELECT"), ('p', "3"), ('R', "x")],
            "C=22P02 R=x",
        );
        check(
            &[('C', "42703"), ('M', "no"), ('P', "8"), ('H', "try"), ('R', "x")],
            "C=42703 M=no H=try R=x",
        );
        check(
            &[('C', "23505"), ('s', "public"), ('t', "payroll"), ('n', "payroll_pkey")],
            "C=23505",
        );
    }

    #[test]
    fn our_mark_becomes_postgresqls_message() {
        let word = "pgcordon-07070707070707070707070707070707";
        let message = format!("invalid input syntax for type integer: \"{word}:customers;\"");
        check(
            &[('S', "ERROR"), ('C', "22P02"), ('M', &message), ('D', "row")],
            "S=ERROR V=ERROR C=42501 M=new row violates row-level security policy for table \
             \"customers\"",
        );
        let other = message.replace("07", "08");
        check(
            &[('C', "22P02"), ('M', &other), ('R', "x")],
            "C=22P02 M=invalid input syntax for type integer: \"…\" R=x",
        );
    }

    #[test]
    fn the_last_column_goes() {
        let field = |name: &str| [name.as_bytes(), &[0; 19]].concat();
        let body = [&[0, 2][..], &field("id"), &field("ours")].concat();
        let mut out = BytesMut::new();
        put_description_without_last(&mut out, &body, 1).expect("two fields");
        assert_eq!(&out[5..], [&[0, 1][..], &field("id")].concat());
        assert!(put_description_without_last(&mut out, &body, 2).is_err());
        assert!(put_description_without_last(&mut out, &body[..20], 1).is_err());

        let row = b"\0\x02\0\0\0\x02hi\xff\xff\xff\xff";
        let mut out = BytesMut::new();
        put_row_without_last(&mut out, row, 1).expect("two values");
        assert_eq!(&out[5..], b"\0\x01\0\0\0\x02hi");
        assert!(put_row_without_last(&mut out, b"\0\x02\0\0\0\x09hi", 1).is_err());
        assert!(put_row_without_last(&mut out, row, 2).is_err());
    }
}

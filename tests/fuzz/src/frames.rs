//! What must hold for whatever bytes a client sends.
//!
//! Shared by the fuzz target and by the proxy's unit tests, which run the seeds.
//!
//! Invariants:
//! - How bytes arrive does not change what is read.
//! - A message is as long as its header says, and within its limit.
//! - What a reader took from a body, put together again, is that body.

use bytes::{BufMut as _, BytesMut};

use crate::frame::{Decoder, HEADER, Limits, Step, header};
use crate::message::{Bind, Execute, Parse, Target, read_query, type_oids};

const LIMITS: Limits = Limits { message: 512, statement: 256 };

/// Runs all of it on one input.
///
/// # Panics
/// When something does not hold.
pub(crate) fn check(bytes: &[u8]) {
    let whole = steps(bytes, bytes.len().max(1));
    for size in [1, 3, 7] {
        assert_eq!(whole, steps(bytes, size), "fed {size} bytes at a time");
    }
    // A body on its own, as every reader would meet it.
    body(bytes);
}

/// What the decoder finds when the bytes come in pieces; the last entry is how it ended.
fn steps(bytes: &[u8], size: usize) -> Vec<String> {
    let (mut decoder, mut buffer, mut seen) =
        (Decoder::new(LIMITS), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            let declared = header(&buffer).ok().flatten();
            match decoder.next(&mut buffer) {
                Ok(Step::NeedMore) => break,
                Ok(Step::TooLong(tag)) => seen.push(format!("{tag} too long")),
                Ok(Step::Message(frame)) => {
                    assert!(frame.body.len() + HEADER <= bytes.len());
                    // While a long message is skipped, the header is found behind it.
                    if let Some((tag, length)) = declared.filter(|(tag, _)| *tag == frame.tag) {
                        assert!(tag == frame.tag && length >= frame.body.len() || !seen.is_empty());
                    }
                    body(&frame.body);
                    seen.push(format!("{} {}", frame.tag, frame.body.escape_ascii()));
                }
                Err(error) => {
                    seen.push(error.to_string());
                    return seen;
                }
            }
        }
    }
    seen
}

fn body(body: &[u8]) {
    if let Ok(parse) = Parse::read(body) {
        let types = type_oids(parse.types);
        let mut again = BytesMut::new();
        put_text(&mut again, parse.name);
        put_text(&mut again, parse.text);
        again.put_u16(u16::try_from(types.len()).expect("a count of 16 bits"));
        types.iter().for_each(|oid| again.put_u32(*oid));
        assert_eq!(&again[..], body);
    }
    if let Ok(bind) = Bind::read(body) {
        let mut again = BytesMut::new();
        put_text(&mut again, bind.portal);
        put_text(&mut again, bind.statement);
        again.extend_from_slice(bind.parameters);
        again.put_u16(u16::try_from(bind.formats.len() / 2).expect("a count of 16 bits"));
        again.extend_from_slice(bind.formats);
        assert_eq!(&again[..], body);
    }
    if let Ok(target) = Target::read(body) {
        let (kind, name) = match target {
            Target::Statement(name) => (b'S', name),
            Target::Portal(name) => (b'P', name),
        };
        assert_eq!([&[kind], name, &[0]].concat(), body);
    }
    if let Ok(execute) = Execute::read(body) {
        let rows = execute.max_rows.to_be_bytes();
        assert_eq!([execute.portal, &[0], &rows].concat(), body);
    }
    if let Ok(text) = read_query(body) {
        assert_eq!([text, &[0]].concat(), body);
    }
}

fn put_text(buffer: &mut BytesMut, text: &[u8]) {
    buffer.extend_from_slice(text);
    buffer.put_u8(0);
}

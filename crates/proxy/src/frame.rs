//! Bounded framing of protocol 3 messages, both directions.
//!
//! In:  bytes as they arrived.
//! Out: a [`Frame`] whose body is exactly as long as its header says, or word that more is needed.
//!
//! Invariants:
//! - No allocation follows a declared length: a buffer grows with the bytes that really came.
//! - A message over its limit is skipped byte by byte, never stored.
//! - A length below 4, or an unknown type, is an error at once, before the body is awaited.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Type byte and length word.
pub(crate) const HEADER: usize = 5;

/// Messages that a client may send after authentication (protocol chapter 55.7).
const FRONTEND: &[u8] = b"QPBDECSHXFdcfp";

/// One whole message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    /// Type byte.
    pub(crate) tag: u8,
    /// Without type and length.
    pub(crate) body: Bytes,
}

/// The bytes are not the protocol; the connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum FrameError {
    /// A length that does not count itself, or beyond what PostgreSQL reads.
    #[error("invalid message length {0}")]
    Length(u32),
    /// Not a message that this side may send.
    #[error("invalid frontend message type {0}")]
    UnknownType(u8),
}

/// What the decoder found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// A message within its limit.
    Message(Frame),
    /// A message over its limit; its body is being skipped.
    TooLong(u8),
    /// Wait for more bytes.
    NeedMore,
}

/// How long a client's messages may be, in bytes of body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Any message but those that carry statement text.
    pub(crate) message: usize,
    /// Statement text of Query and Parse.
    pub(crate) statement: usize,
}

impl Limits {
    /// Parse carries a name and up to 65,535 type oids beside its text.
    fn of(self, tag: u8) -> usize {
        const PARSE_EXTRA: usize = 64 + 2 + 4 * 65_535;
        match tag {
            b'Q' => self.statement + 1,
            b'P' => self.statement + PARSE_EXTRA,
            _ => self.message,
        }
    }
}

/// Cuts a client's bytes into messages.
#[derive(Debug)]
pub(crate) struct Decoder {
    limits: Limits,
    skipping: usize,
}

impl Decoder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, skipping: 0 }
    }

    /// The type of the next message, once its header is complete and nothing is being skipped.
    pub(crate) fn peek(&mut self, buffer: &mut BytesMut) -> Option<u8> {
        self.skip(buffer);
        (self.skipping == 0 && buffer.len() >= HEADER).then(|| buffer[0])
    }

    /// Whether the next message needs more bytes than there are.
    pub(crate) fn wants(&self, buffer: &[u8]) -> bool {
        match header(buffer) {
            Ok(Some((_, length))) => self.skipping > 0 || buffer.len() < HEADER + length,
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Takes the next message off the front of `buffer`.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Step, FrameError> {
        self.skip(buffer);
        if self.skipping > 0 {
            return Ok(Step::NeedMore);
        }
        let Some((tag, length)) = header(buffer)? else {
            return Ok(Step::NeedMore);
        };
        if !FRONTEND.contains(&tag) {
            return Err(FrameError::UnknownType(tag));
        }
        if length > self.limits.of(tag) {
            buffer.advance(HEADER);
            self.skipping = length;
            self.skip(buffer);
            return Ok(Step::TooLong(tag));
        }
        if buffer.len() < HEADER + length {
            return Ok(Step::NeedMore);
        }
        buffer.advance(HEADER);
        Ok(Step::Message(Frame { tag, body: buffer.split_to(length).freeze() }))
    }

    fn skip(&mut self, buffer: &mut BytesMut) {
        let now = self.skipping.min(buffer.len());
        buffer.advance(now);
        self.skipping -= now;
    }
}

/// Type and body length of the message at the front; `None` while the header is incomplete.
pub(crate) fn header(buffer: &[u8]) -> Result<Option<(u8, usize)>, FrameError> {
    let Some((tag, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    let Some(word) = rest.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*word);
    // PQ_LARGE_MESSAGE_LIMIT of libpq/pqcomm.c is MaxAllocSize - 1.
    if !(4..0x3fff_ffff).contains(&length) {
        return Err(FrameError::Length(length));
    }
    Ok(Some((*tag, length as usize - 4)))
}

/// Appends one message; its length is filled in afterwards.
pub(crate) fn put(buffer: &mut BytesMut, tag: u8, fill: impl FnOnce(&mut BytesMut)) {
    buffer.put_u8(tag);
    let start = buffer.len();
    buffer.put_u32(0);
    fill(buffer);
    let length = u32::try_from(buffer.len() - start).expect("bodies are bounded far below 4 GiB");
    buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a NUL-terminated string.
pub(crate) fn put_text(buffer: &mut BytesMut, text: &[u8]) {
    buffer.put_slice(text);
    buffer.put_u8(0);
}

/// A body that says more than it holds, or holds more than it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("message body does not match its contents")]
pub(crate) struct Malformed;

/// Reads a message body from the front, never past its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Up to the next NUL, which is consumed.
    pub(crate) fn text(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(text)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The body must end here.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { message: 64, statement: 16 };

    /// Feeds `bytes` in pieces of `step` and renders what comes out.
    fn check(bytes: &[u8], step: usize, expected: &str) {
        let (mut decoder, mut buffer, mut seen) =
            (Decoder::new(LIMITS), BytesMut::new(), Vec::new());
        'feed: for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.next(&mut buffer) {
                    Ok(Step::Message(frame)) => {
                        let body = frame.body.escape_ascii();
                        seen.push(format!("{}:{body}", frame.tag as char));
                    }
                    Ok(Step::TooLong(tag)) => seen.push(format!("{}:too long", tag as char)),
                    Ok(Step::NeedMore) => break,
                    Err(error) => {
                        seen.push(error.to_string());
                        break 'feed;
                    }
                }
            }
        }
        assert_eq!(seen.join(" | "), expected, "fed {step} bytes at a time");
    }

    #[test]
    fn frames_do_not_depend_on_how_bytes_arrive() {
        let two = b"Q\0\0\0\x0bSELECT\0S\0\0\0\x04";
        for step in 1..=two.len() {
            check(&two[..], step, r"Q:SELECT\x00 | S:");
        }
    }

    #[test]
    fn lying_lengths() {
        check(b"Q\0\0\0\x03", 99, "invalid message length 3");
        check(b"Q\xff\xff\xff\xff", 99, "invalid message length 4294967295");
        check(b"Q\0\0\0\x04", 99, "Q:");
        check(b"Q\0\0", 99, "");
    }

    #[test]
    fn unknown_types() {
        check(b"z\0\0\0\x04", 99, "invalid frontend message type 122");
        check(b"X\0\0\0\x04", 99, "X:");
    }

    #[test]
    fn long_messages_are_skipped_and_the_next_is_found() {
        let mut bytes = b"Q\0\0\0\x40".to_vec();
        bytes.extend([b'a'; 60]);
        bytes.extend(b"S\0\0\0\x04");
        for step in [1, 7, 64, 99] {
            check(&bytes, step, "Q:too long | S:");
        }
    }

    #[test]
    fn random_bytes_never_panic_and_never_exceed_the_limit() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..2_000 {
            let mut bytes = Vec::new();
            for _ in 0..40 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let pool = [0, 0, 0, 4, 5, 9, b'Q', b'B', b'S', (seed >> 20) as u8];
                bytes.push(pool[(seed % 10) as usize]);
            }
            let (mut decoder, mut buffer) = (Decoder::new(LIMITS), BytesMut::from(&bytes[..]));
            while let Ok(Step::Message(frame)) = decoder.next(&mut buffer) {
                assert!(frame.body.len() <= LIMITS.of(frame.tag), "seed {seed}");
            }
        }
    }

    #[test]
    fn readers_stop_at_the_end() {
        let mut reader = Reader::new(b"ab\0\0\x01");
        assert_eq!(reader.text(), Ok(&b"ab"[..]));
        assert_eq!(reader.u16(), Ok(1));
        assert_eq!(reader.byte(), Err(Malformed));
        assert_eq!(reader.finish(), Ok(()));
        assert_eq!(Reader::new(b"ab").text(), Err(Malformed));
        assert_eq!(Reader::new(b"ab").finish(), Err(Malformed));
    }
}

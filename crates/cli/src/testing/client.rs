//! A client that speaks the protocol in text, as psql does.
//!
//! In:  a socket of a session, statements, parameters as text.
//! Out: a [`Reply`]: the last answer of what was sent, every value as PostgreSQL prints it.
//!
//! Invariants:
//! - Rows beyond [`MAX_KEPT`] are counted and not kept.
//! - Every wait for a reply has a deadline.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Rows that are kept for a comparison.
const MAX_KEPT: usize = 10_000;
/// How long a statement may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// So that the same rows give the same text on every server.
const SETTINGS: [(&str, &str); 4] = [
    ("client_encoding", "UTF8"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
];

/// One row; `None` is NULL.
pub(super) type Row = Vec<Option<String>>;

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reply {
    Answer(Answer),
    Error { sqlstate: String, message: String },
}

/// An answer without an error.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Answer {
    /// `None` for a statement that gives no rows.
    pub(super) columns: Option<Vec<String>>,
    pub(super) rows: Vec<Row>,
    /// Rows given, or touched.
    pub(super) count: u64,
}

/// Where the session is after a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Idle,
    InTransaction,
    Failed,
    /// The connection has ended.
    Gone,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    inbound: BytesMut,
}

impl Client {
    /// Sends the startup packet and waits for the greeting; an error of the server's is a reply.
    pub(super) async fn start(
        stream: UnixStream,
        user: &str,
        database: &str,
    ) -> io::Result<(Self, Reply, Status)> {
        let mut client = Self { stream, inbound: BytesMut::new() };
        let mut bytes = BytesMut::new();
        let who = [("user", user), ("database", database)];
        frontend::startup_message(who.into_iter().chain(SETTINGS), &mut bytes)?;
        let (reply, status) = client.exchange(&bytes, &[]).await?;
        Ok((client, reply, status))
    }

    /// A text of any number of statements.
    pub(super) async fn simple(&mut self, sql: &str) -> io::Result<(Reply, Status)> {
        let mut bytes = BytesMut::new();
        frontend::query(sql, &mut bytes)?;
        let mut refuse_copy = BytesMut::new();
        frontend::copy_fail(NO_ROWS, &mut refuse_copy)?;
        self.exchange(&bytes, &refuse_copy).await
    }

    /// One statement with parameters, all of them as text.
    pub(super) async fn extended(
        &mut self,
        sql: &str,
        parameters: &[Option<String>],
    ) -> io::Result<(Reply, Status)> {
        let mut bytes = BytesMut::new();
        frontend::parse("", sql, [], &mut bytes)?;
        let put = |value: &Option<String>, buffer: &mut BytesMut| match value {
            None => Ok(IsNull::Yes),
            Some(text) => {
                buffer.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        };
        frontend::bind("", "", [], parameters, put, [], &mut bytes)
            .map_err(|_| io::Error::other("the parameters are too long"))?;
        frontend::describe(b'P', "", &mut bytes)?;
        frontend::execute("", 0, &mut bytes)?;
        frontend::sync(&mut bytes);
        let mut refuse_copy = BytesMut::new();
        frontend::copy_fail(NO_ROWS, &mut refuse_copy)?;
        // PostgreSQL ignores a Sync while it waits for rows.
        frontend::sync(&mut refuse_copy);
        self.exchange(&bytes, &refuse_copy).await
    }

    async fn exchange(&mut self, bytes: &[u8], refuse_copy: &[u8]) -> io::Result<(Reply, Status)> {
        let talking = async {
            self.stream.write_all(bytes).await?;
            self.reply(refuse_copy).await
        };
        let late = |_| {
            let seconds = PATIENCE.as_secs();
            io::Error::new(io::ErrorKind::TimedOut, format!("no reply within {seconds} s"))
        };
        tokio::time::timeout(PATIENCE, talking).await.map_err(late)?
    }

    /// Reads up to ReadyForQuery, or to the end after an error that ends the connection.
    async fn reply(&mut self, refuse_copy: &[u8]) -> io::Result<(Reply, Status)> {
        let mut reading = Reading::default();
        loop {
            let Some((tag, body)) = self.message().await? else {
                return match reading.error {
                    Some(error) => Ok((error, Status::Gone)),
                    None => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            };
            if tag == b'G' {
                self.stream.write_all(refuse_copy).await?;
            }
            if let Some(status) = reading.take(tag, &body)? {
                let answer = Reply::Answer(reading.done);
                return Ok((reading.error.unwrap_or(answer), status));
            }
        }
    }

    /// The next message; `None` at the end of the stream.
    async fn message(&mut self) -> io::Result<Option<(u8, BytesMut)>> {
        loop {
            if let Some(mut header) = self.inbound.get(..5) {
                let tag = header.get_u8();
                let length = usize::try_from(header.get_i32()).map_err(|_| misshapen())?;
                if length < 4 {
                    return Err(misshapen());
                }
                if self.inbound.len() > length {
                    let mut message = self.inbound.split_to(length + 1);
                    message.advance(5);
                    return Ok(Some((tag, message)));
                }
            }
            if self.stream.read_buf(&mut self.inbound).await? == 0 {
                return if self.inbound.is_empty() { Ok(None) } else { Err(misshapen()) };
            }
        }
    }
}

/// A test has no rows for COPY FROM STDIN.
const NO_ROWS: &str = "a test has no rows to copy";

/// What the messages of one reply have said so far.
#[derive(Debug, Default)]
struct Reading {
    open: Answer,
    done: Answer,
    error: Option<Reply>,
}

impl Reading {
    /// Takes one message; the status ends the reply.
    fn take(&mut self, tag: u8, mut body: &[u8]) -> io::Result<Option<Status>> {
        match tag {
            b'T' => {
                let count = number(&mut body)?;
                let columns = (0..count).map(|_| {
                    let name = text(&mut body)?;
                    // Table, attribute, type, length, modifier, format.
                    skip(&mut body, 18)?;
                    Ok(name)
                });
                let columns = columns.collect::<io::Result<Vec<String>>>()?;
                self.open = Answer { columns: Some(columns), ..Answer::default() };
            }
            b'D' => {
                self.open.count += 1;
                if self.open.rows.len() < MAX_KEPT {
                    self.open.rows.push(row(body)?);
                }
            }
            b'C' => {
                let mut answer = std::mem::take(&mut self.open);
                if answer.columns.is_none() {
                    let tag = text(&mut body)?;
                    answer.count =
                        tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
                }
                self.done = answer;
            }
            b'E' => self.error = Some(error(body)?),
            b'Z' => {
                return match body {
                    b"I" => Ok(Some(Status::Idle)),
                    b"T" => Ok(Some(Status::InTransaction)),
                    b"E" => Ok(Some(Status::Failed)),
                    _ => Err(misshapen()),
                };
            }
            // Authentication, settings, keys, notices, copied rows, what Parse and Bind answer: nothing to compare.
            _ => {}
        }
        Ok(None)
    }
}

fn row(mut body: &[u8]) -> io::Result<Row> {
    let count = number(&mut body)?;
    let values = (0..count).map(|_| {
        if body.len() < 4 {
            return Err(misshapen());
        }
        // -1 is NULL.
        let Ok(length) = usize::try_from(body.get_i32()) else { return Ok(None) };
        let value = body.get(..length).ok_or_else(misshapen)?;
        body = &body[length..];
        Ok(Some(String::from_utf8_lossy(value).into_owned()))
    });
    values.collect()
}

fn error(mut body: &[u8]) -> io::Result<Reply> {
    let (mut sqlstate, mut message) = (String::new(), String::new());
    while body.first().is_some_and(|kind| *kind != 0) {
        let kind = body.get_u8();
        let value = text(&mut body)?;
        match kind {
            b'C' => sqlstate = value,
            b'M' => message = value,
            _ => {}
        }
    }
    Ok(Reply::Error { sqlstate, message })
}

fn number(body: &mut &[u8]) -> io::Result<u16> {
    if body.len() < 2 { Err(misshapen()) } else { Ok(body.get_u16()) }
}

fn text(body: &mut &[u8]) -> io::Result<String> {
    let end = body.iter().position(|byte| *byte == 0).ok_or_else(misshapen)?;
    let text = String::from_utf8_lossy(&body[..end]).into_owned();
    body.advance(end + 1);
    Ok(text)
}

fn skip(body: &mut &[u8], bytes: usize) -> io::Result<()> {
    if body.len() < bytes {
        return Err(misshapen());
    }
    body.advance(bytes);
    Ok(())
}

fn misshapen() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message that is not of the protocol")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(messages: &[(u8, &[u8])], expected: &Reply) {
        let mut reading = Reading::default();
        for (tag, body) in messages {
            reading.take(*tag, body).expect("well-formed");
        }
        let reply = reading.error.unwrap_or(Reply::Answer(reading.done));
        assert_eq!(reply, *expected);
    }

    const ONE_COLUMN: &[u8] = b"\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";

    #[test]
    fn the_last_answer_counts() {
        let rows = Answer {
            columns: Some(vec!["a".to_owned()]),
            rows: vec![vec![Some("x".to_owned())], vec![None]],
            count: 2,
        };
        let both: [(u8, &[u8]); 4] = [
            (b'T', ONE_COLUMN),
            (b'D', b"\0\x01\0\0\0\x01x"),
            (b'D', b"\0\x01\xff\xff\xff\xff"),
            (b'C', b"SELECT 2\0"),
        ];
        check(&both, &Reply::Answer(rows.clone()));
        let update = (b'C', &b"UPDATE 3\0"[..]);
        check(&[update, both[0], both[1], both[2], both[3]], &Reply::Answer(rows));
        let touched = Answer { columns: None, rows: Vec::new(), count: 3 };
        check(&[both[0], both[1], both[3], update], &Reply::Answer(touched));
    }

    #[test]
    fn an_error_outweighs_what_came_before() {
        let message = b"SERROR\0C42501\0Mpermission denied\0\0";
        let error =
            Reply::Error { sqlstate: "42501".to_owned(), message: "permission denied".to_owned() };
        check(&[(b'C', b"UPDATE 3\0"), (b'E', message)], &error);
    }

    #[test]
    fn bytes_that_are_missing_are_an_error() {
        for (tag, body) in [
            (b'T', &ONE_COLUMN[..9]),
            (b'D', &b"\0\x01\0\0\0\x09x"[..]),
            (b'D', &b"\0\x02\0\0\0\x01x"[..]),
            (b'E', &b"C42501"[..]),
            (b'Z', &b"?"[..]),
        ] {
            assert!(Reading::default().take(tag, body).is_err(), "{}", char::from(tag));
        }
    }
}

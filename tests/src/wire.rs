//! A raw client of PostgreSQL's protocol 3.0, plain or over TLS, for what no driver would send.
//!
//! In:  frames, good or bad.
//! Out: the server's messages as they came.
//!
//! Invariants:
//! - Blocking, with a deadline on every read and write: a silent server fails the test instead of hanging it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use crate::answer::{Answer, ServerError};

/// How long a server may stay silent.
const SILENCE: Duration = Duration::from_secs(60);

/// One backend message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Its type byte.
    pub kind: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

/// What a connection runs over.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    /// Process id and secret key for cancelling; empty before BackendKeyData.
    pub key: Vec<u8>,
    /// ParameterStatus so far, in order.
    pub parameters: Vec<(String, String)>,
}

impl Client {
    /// Opens a TCP connection and says nothing.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn open(port: u16) -> Self {
        Self::try_open(port).expect("somebody listens")
    }

    fn try_open(port: u16) -> std::io::Result<Self> {
        let stream = Stream::Plain(connect(port)?);
        Ok(Self { stream, key: Vec::new(), parameters: Vec::new() })
    }

    /// Opens a connection and encrypts it.
    ///
    /// # Errors
    /// When nobody listens, the server has no TLS, or the handshake fails.
    ///
    /// # Panics
    /// Never: the address is one.
    pub fn open_tls(port: u16, config: Arc<ClientConfig>) -> std::io::Result<Self> {
        let mut socket = connect(port)?;
        socket.write_all(&[8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat())?;
        let mut answer = [0; 1];
        socket.read_exact(&mut answer)?;
        if answer != *b"S" {
            return Err(ErrorKind::Unsupported.into());
        }
        let host = ServerName::try_from("127.0.0.1").expect("an address");
        let mut session = ClientConnection::new(config, host).map_err(std::io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        let stream = Stream::Tls(Box::new(StreamOwned::new(session, socket)));
        Ok(Self { stream, key: Vec::new(), parameters: Vec::new() })
    }

    /// Connects, authenticates and waits for ReadyForQuery.
    ///
    /// # Errors
    /// What the server said, or an error without fields when the connection broke.
    pub fn login(
        port: u16,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<Self, ServerError> {
        Self::login_with(port, password, &[("user", user), ("database", database)])
    }

    /// As [`Client::login`] with any startup parameters.
    ///
    /// # Errors
    /// As there.
    pub fn login_with(
        port: u16,
        password: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Self, ServerError> {
        let mut client = Self::try_open(port).map_err(|_| ServerError::default())?;
        client.send_bytes(&startup(parameters)).map_err(|_| ServerError::default())?;
        client.authenticate(password)?;
        Ok(client)
    }

    /// Answers the server's challenges after a startup packet.
    ///
    /// # Errors
    /// As [`Client::login`].
    pub fn authenticate(&mut self, password: &str) -> Result<(), ServerError> {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let Some(message) = self.receive() else { return Err(ServerError::default()) };
            match message.kind {
                b'R' => self.answer_challenge(&mut scram, &message.body)?,
                b'K' => self.key = message.body,
                b'E' => return Err(ServerError::read(&message.body)),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    fn answer_challenge(
        &mut self,
        scram: &mut ScramSha256,
        body: &[u8],
    ) -> Result<(), ServerError> {
        let (code, data) = body.split_at_checked(4).ok_or_else(ServerError::default)?;
        match code {
            [0, 0, 0, 0] => Ok(()),
            [0, 0, 0, 10] => {
                let first = scram.message();
                let mut body = b"SCRAM-SHA-256\0".to_vec();
                body.extend(length_of(first).to_be_bytes());
                body.extend(first);
                self.send(b'p', &body);
                Ok(())
            }
            [0, 0, 0, 11] => {
                scram.update(data).map_err(|_| ServerError::default())?;
                let last = scram.message().to_vec();
                self.send(b'p', &last);
                Ok(())
            }
            [0, 0, 0, 12] => scram.finish(data).map_err(|_| ServerError::default()),
            _ => Err(ServerError::default()),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the server closed the connection.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends one frame. A closed connection shows at the next receive.
    pub fn send(&mut self, kind: u8, body: &[u8]) {
        let _ = self.send_bytes(&frame(kind, body));
    }

    /// Ends the sending half.
    pub fn finish(&self) {
        let _ = self.stream.socket().shutdown(std::net::Shutdown::Write);
    }

    /// The next message; nothing when the server closed the connection.
    ///
    /// # Panics
    /// When the server is silent for too long.
    pub fn receive(&mut self) -> Option<Message> {
        let mut head = [0; 5];
        self.fill(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; usize::try_from(length).ok()?.checked_sub(4)?];
        self.fill(&mut body)?;
        let message = Message { kind: head[0], body };
        if message.kind == b'S' {
            let mut words = message.body.split(|byte| *byte == 0).map(lossy);
            let pair = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            self.parameters.push(pair);
        }
        Some(message)
    }

    /// One byte outside of any frame, as the answer to SSLRequest.
    ///
    /// # Panics
    /// When the server is silent for too long.
    pub fn receive_byte(&mut self) -> Option<u8> {
        let mut byte = [0; 1];
        self.fill(&mut byte)?;
        Some(byte[0])
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer within {SILENCE:?}")
            }
            Err(_) => None,
        }
    }

    /// Messages up to and with ReadyForQuery, or to the end of the connection.
    pub fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.receive() {
            let last = message.kind == b'Z';
            messages.push(message);
            if last {
                break;
            }
        }
        messages
    }

    /// Runs a text of any number of statements through the simple protocol.
    pub fn simple(&mut self, sql: &str) -> Answer {
        self.send(b'Q', &terminated(sql));
        Answer::read(&self.until_ready())
    }

    /// Runs one statement through the extended protocol with text parameters.
    pub fn extended(&mut self, sql: &str, parameters: &[Option<&str>]) -> Answer {
        let mut bytes = frame(b'P', &parse("", sql));
        bytes.extend(frame(b'B', &bind("", "", parameters)));
        bytes.extend(frame(b'D', b"P\0"));
        bytes.extend(frame(b'E', &execute("", 0)));
        bytes.extend(frame(b'S', b""));
        let _ = self.send_bytes(&bytes);
        Answer::read(&self.until_ready())
    }

    /// As [`Client::simple`], for statements that must not fail.
    ///
    /// # Panics
    /// When one does.
    pub fn run(&mut self, sql: &str) -> Answer {
        let answer = self.simple(sql);
        if let Some(error) = &answer.error {
            let head: String = sql.chars().take(400).collect();
            panic!("{} {}: {head}", error.sqlstate(), error.message());
        }
        assert!(answer.status != ' ', "the connection was closed");
        answer
    }

    /// A cancel request with this connection's key, over a connection of its own; waits until it is closed.
    pub fn cancel(port: u16, key: &[u8]) {
        let mut client = Self::open(port);
        let mut packet = (length_of(key) + 8).to_be_bytes().to_vec();
        packet.extend(80_877_102_u32.to_be_bytes());
        packet.extend(key);
        let _ = client.send_bytes(&packet);
        while client.receive_byte().is_some() {}
    }

    /// Whether the server has closed the connection; reads away what is left.
    pub fn is_closed(&mut self) -> bool {
        while self.receive().is_some() {}
        true
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.send(b'X', b"");
    }
}

impl Message {
    /// Column names of a RowDescription.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let mut rest = self.body.get(2..).unwrap_or_default();
        let mut names = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == 0) {
            names.push(lossy(&rest[..end]));
            rest = rest.get(end + 19..).unwrap_or_default();
        }
        names
    }

    /// Type OIDs of a RowDescription.
    #[must_use]
    pub fn types(&self) -> Vec<u32> {
        let mut rest = self.body.get(2..).unwrap_or_default();
        let mut types = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == 0) {
            // After the name: the table's OID, the column's number, then the type's OID.
            let oid = rest.get(end + 7..end + 11).and_then(|oid| <[u8; 4]>::try_from(oid).ok());
            types.extend(oid.map(u32::from_be_bytes));
            rest = rest.get(end + 19..).unwrap_or_default();
        }
        types
    }

    /// Values of a DataRow.
    #[must_use]
    pub fn row(&self) -> Vec<Option<String>> {
        let mut rest = self.body.get(2..).unwrap_or_default();
        let mut values = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let length = i32::from_be_bytes(*length);
            let Ok(length) = usize::try_from(length) else {
                values.push(None);
                rest = tail;
                continue;
            };
            let (value, tail) = tail.split_at(length.min(tail.len()));
            values.push(Some(lossy(value)));
            rest = tail;
        }
        values
    }

    /// The body as text without a closing NUL or line feed.
    #[must_use]
    pub fn text(&self) -> String {
        lossy(&self.body).trim_end_matches(['\0', '\n']).to_owned()
    }
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("frames of the tests are small")
}

/// A string with its NUL.
#[must_use]
pub fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// A frame with an honest length.
#[must_use]
pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = length_of(body) + 4;
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// A startup packet of protocol 3.0.
#[must_use]
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend(terminated(name));
        body.extend(terminated(value));
    }
    body.push(0);
    [&(length_of(&body) + 4).to_be_bytes()[..], &body].concat()
}

/// The body of Parse without declared types.
#[must_use]
pub fn parse(statement: &str, sql: &str) -> Vec<u8> {
    [terminated(statement), terminated(sql), vec![0, 0]].concat()
}

/// The body of Bind with text parameters and text results.
#[must_use]
pub fn bind(portal: &str, statement: &str, parameters: &[Option<&str>]) -> Vec<u8> {
    let mut body = [terminated(portal), terminated(statement), vec![0, 0]].concat();
    let count = u16::try_from(parameters.len()).expect("few parameters");
    body.extend(count.to_be_bytes());
    for parameter in parameters {
        match parameter {
            Some(value) => {
                body.extend(length_of(value.as_bytes()).to_be_bytes());
                body.extend(value.as_bytes());
            }
            None => body.extend((-1_i32).to_be_bytes()),
        }
    }
    body.extend([0, 0]);
    body
}

/// The body of Execute.
#[must_use]
pub fn execute(portal: &str, max_rows: u32) -> Vec<u8> {
    [terminated(portal), max_rows.to_be_bytes().to_vec()].concat()
}

//! One connection to PostgreSQL: dial, TLS, authentication, reset.
//!
//! In:  an [`UpstreamConfig`] and a database name.
//! Out: an [`Upstream`], ready for a statement.
//!
//! Invariants:
//! - `standard_conforming_strings` is on and `client_encoding` UTF8, also after RESET ALL and DISCARD ALL: both
//!   come with the startup packet.
//! - A cleartext password request is refused. The upstream's proof of the password is checked.
//! - Bytes that arrive ahead of the TLS handshake end the connection.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use pgcordon_policy::Principal;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::answer;
use crate::catalog::{self, Row, Rows};
use crate::certificate::{self, EndPoint};
use crate::config::UpstreamConfig;
use crate::frame::{Frame, Malformed, Reader, put, put_text};
use crate::link::{Link, Stream};
use crate::message::Status;
use crate::statements::{Reading, Statements};
use crate::tls::{self, SslMode, TlsError};
use crate::wire::{Own, Wire};

/// Longest message during start and reset.
const MAX_MESSAGE: usize = 64 * 1024;
/// Longest row of the catalog: a view's definition is in it.
const MAX_ROW: usize = 16 << 20;
/// For the last message to a server that may not read.
const GOODBYE: Duration = Duration::from_secs(1);
const SSL_REQUEST: i32 = 80_877_103;
const CANCEL_REQUEST: i32 = 80_877_102;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Could not connect, or lost on the way.
    #[error("upstream connection failed: {0}")]
    Io(#[from] io::Error),
    /// TLS files or configuration.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The mode demands TLS and the server has none.
    #[error("upstream does not support SSL, but sslmode demands it")]
    NoTls,
    /// An authentication request that we do not answer.
    #[error("upstream asks for authentication method {0}, which is refused")]
    Authentication(i32),
    /// PostgreSQL's own error.
    #[error("upstream refused: {message}")]
    Server {
        /// Its SQLSTATE.
        sqlstate: [u8; 5],
        /// Its primary message.
        message: String,
    },
    /// Not the protocol.
    #[error("upstream sent something unexpected")]
    Protocol,
    /// Took too long.
    #[error("upstream did not answer in time")]
    Timeout,
}

impl From<Malformed> for UpstreamError {
    fn from(_: Malformed) -> Self {
        Self::Protocol
    }
}

/// How it shows that a server is away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outage {
    /// Nobody answers.
    Unreachable,
    /// It says that it is starting, stopping or recovering.
    Starting,
}

impl UpstreamError {
    /// PostgreSQL's own error, from the body of its message.
    fn server(body: &[u8]) -> Self {
        let sqlstate = answer::sqlstate(body).unwrap_or(*b"XX000");
        Self::Server { sqlstate, message: answer::primary_message(body) }
    }

    /// Whether waiting may help: the server is away, and does not refuse us in particular.
    pub(crate) fn outage(&self) -> Option<Outage> {
        match self {
            Self::Io(error) => match error.kind() {
                // Certificates, host names, proofs of the password.
                io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::Other => None,
                _ => Some(Outage::Unreachable),
            },
            Self::Timeout => Some(Outage::Unreachable),
            // admin_shutdown, crash_shutdown, cannot_connect_now
            Self::Server { sqlstate: [b'5', b'7', b'P', b'0', b'1'..=b'3'], .. } => {
                Some(Outage::Starting)
            }
            Self::Server { .. }
            | Self::Tls(_)
            | Self::NoTls
            | Self::Authentication(_)
            | Self::Protocol => None,
        }
    }

    /// Whether the server has no connection left for us at this moment.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Server { sqlstate: [b'5', b'3', b'3', b'0', b'0'], .. })
    }
}

/// A connection that a session has for its whole life, or for a transaction.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) link: Link,
    /// As last reported.
    pub(crate) parameters: BTreeMap<Bytes, Bytes>,
    /// BackendKeyData's body: process id and secret.
    pub(crate) key: Bytes,
    /// At a message boundary and in no transaction: it may be lent.
    pub(crate) clean: bool,
    /// Idle so long that it must be tried before it is lent.
    pub(crate) stale: AtomicBool,
    /// Prepared statements of ours.
    pub(crate) statements: Statements,
    /// How it reads literals, by what it last reported.
    pub(crate) reading: Reading,
    /// Who had it last.
    pub(crate) owner: Option<Arc<Principal>>,
    /// They may have left something in it that the proxy does not track.
    pub(crate) traces: bool,
    /// The settings that it has, as [`Settings::statement`](crate::settings::Settings::statement) writes them;
    /// `None` when not known.
    pub(crate) settings: Option<Arc<str>>,
    /// Its search_path as PostgreSQL shows it, where a session sets none.
    pub(crate) path: Arc<str>,
}

/// Connects and authenticates.
pub(crate) async fn connect(
    config: &UpstreamConfig,
    database: &str,
) -> Result<Upstream, UpstreamError> {
    let (mut link, binding) = dial(config).await?;
    put_startup(&mut link.outbound, &config.user, database);
    link.flush().await?;
    authenticate(&mut link, config, binding).await?;
    let mut upstream = Upstream {
        link,
        parameters: BTreeMap::new(),
        key: Bytes::new(),
        clean: true,
        stale: AtomicBool::new(false),
        statements: Statements::default(),
        reading: Reading::default(),
        owner: None,
        traces: false,
        settings: Some("".into()),
        path: "".into(),
    };
    upstream.until_ready().await?;
    let shown = upstream.run(Own::Show("search_path")).await?;
    upstream.path = shown.unwrap_or_default().into();
    Ok(upstream)
}

/// Sends a cancel request and waits until PostgreSQL has taken it: it closes the connection.
pub(crate) async fn cancel(config: &UpstreamConfig, key: &[u8]) -> Result<(), UpstreamError> {
    let (mut link, _) = dial(config).await?;
    let length = i32::try_from(key.len() + 8).map_err(|_| UpstreamError::Protocol)?;
    link.outbound.put_i32(length);
    link.outbound.put_i32(CANCEL_REQUEST);
    link.outbound.put_slice(key);
    link.flush().await?;
    match link.fill().await {
        Ok(()) => Err(UpstreamError::Protocol),
        Err(_closed) => Ok(()),
    }
}

impl Upstream {
    /// DISCARD ALL, alone in its message; afterwards the connection is clean.
    pub(crate) async fn reset(&mut self) -> Result<(), UpstreamError> {
        self.run(Own::DiscardAll).await?;
        self.statements.clear();
        (self.owner, self.traces) = (None, false);
        self.settings = Some("".into());
        self.clean = true;
        Ok(())
    }

    /// Says goodbye and closes.
    pub(crate) async fn goodbye(mut self) {
        Wire(&mut self.link.outbound).terminate();
        let _unheard = tokio::time::timeout(GOODBYE, self.link.shutdown()).await;
    }

    /// Runs a statement of ours at a message boundary; the first column of its last row, as text.
    pub(crate) async fn run(&mut self, own: Own<'_>) -> Result<Option<String>, UpstreamError> {
        Wire(&mut self.link.outbound).own_query(own);
        // A simple query drops it.
        self.statements.unnamed = None;
        self.link.flush().await?;
        self.until_ready().await
    }

    /// Reads the catalog as this connection's transaction sees it. Nothing may be outstanding; the transaction stays as
    /// it is, within a batch too, unless none is open (`idle`). `path` is the search_path that it has, as PostgreSQL shows it.
    pub(crate) async fn catalog(
        &mut self,
        path: &str,
        idle: bool,
    ) -> Result<Vec<Rows>, UpstreamError> {
        let mut wire = Wire(&mut self.link.outbound);
        // Definitions of views are written with every name qualified.
        wire.own_sequence(Own::LocalPath(""));
        for query in catalog::QUERIES {
            wire.own_sequence(Own::Catalog(query));
        }
        wire.own_sequence(Own::LocalPath(path));
        match idle {
            true => wire.sync(),
            false => wire.flush(),
        }
        self.link.flush().await?;
        self.sequence().await?;
        let mut answers = Vec::with_capacity(catalog::QUERIES.len());
        for _ in catalog::QUERIES {
            answers.push(self.sequence().await?);
        }
        self.sequence().await?;
        if idle {
            self.until_ready().await?;
        }
        Ok(answers)
    }

    /// The rows of one sequence of our own, up to the second of its CloseComplete.
    async fn sequence(&mut self) -> Result<Rows, UpstreamError> {
        let (mut rows, mut closed) = (Rows::new(), 0);
        while closed < 2 {
            let Frame { tag, body } = self.link.read_frame(MAX_ROW).await?;
            match tag {
                b'S' => self.parameter(&body)?,
                b'D' => rows.push(columns(&body)?),
                b'3' => closed += 1,
                b'1' | b'2' | b'C' | b'N' | b'A' => {}
                b'E' => return Err(UpstreamError::server(&body)),
                _ => return Err(UpstreamError::Protocol),
            }
        }
        Ok(rows)
    }

    /// Reads up to ReadyForQuery in state idle.
    async fn until_ready(&mut self) -> Result<Option<String>, UpstreamError> {
        let (mut value, mut failure) = (None, None);
        loop {
            let Frame { tag, body } = self.link.read_frame(MAX_MESSAGE).await?;
            match tag {
                b'S' => self.parameter(&body)?,
                b'K' => self.key = body,
                b'D' => value = first_column(&body)?,
                b'E' => failure = Some(UpstreamError::server(&body)),
                b'T' | b'C' | b'N' | b'A' | b'I' => {}
                b'Z' => break self.ready(&body, failure).map(|()| value),
                _ => break Err(UpstreamError::Protocol),
            }
            // A fatal error is followed by the end of the stream, not by ReadyForQuery.
            if self.key.is_empty()
                && let Some(failure) = failure.take()
            {
                break Err(failure);
            }
        }
    }

    fn ready(&self, body: &[u8], failure: Option<UpstreamError>) -> Result<(), UpstreamError> {
        match (Status::read(body)?, failure) {
            (_, Some(failure)) => Err(failure),
            (Status::Idle, None) => Ok(()),
            (Status::Transaction | Status::Failed, None) => Err(UpstreamError::Protocol),
        }
    }

    /// Notes a ParameterStatus.
    pub(crate) fn parameter(&mut self, body: &Bytes) -> Result<(), Malformed> {
        let mut reader = Reader::new(body);
        let (name, value) = (reader.text()?, reader.text()?);
        reader.finish()?;
        self.parameters.insert(body.slice_ref(name), body.slice_ref(value));
        if Reading::depends_on(name) {
            self.reading = Reading::of(&self.parameters);
        }
        Ok(())
    }
}

/// The values of a DataRow in text format.
fn columns(body: &[u8]) -> Result<Row, Malformed> {
    let mut reader = Reader::new(body);
    let count = usize::from(reader.u16()?);
    let mut cells = Vec::with_capacity(count);
    for _ in 0..count {
        cells.push(match usize::try_from(reader.i32()?) {
            Ok(length) => Some(String::from_utf8_lossy(reader.take(length)?).into_owned()),
            Err(_null) => None,
        });
    }
    reader.finish()?;
    Ok(Row(cells))
}

/// The first value of a DataRow in text format.
pub(crate) fn first_column(body: &[u8]) -> Result<Option<String>, Malformed> {
    let mut reader = Reader::new(body);
    if reader.u16()? == 0 {
        return Ok(None);
    }
    match usize::try_from(reader.i32()?) {
        Ok(length) => Ok(Some(String::from_utf8_lossy(reader.take(length)?).into_owned())),
        Err(_null) => Ok(None),
    }
}

/// Opens the socket and, as the mode says, encrypts it.
pub(crate) async fn dial(
    config: &UpstreamConfig,
) -> Result<(Link, Option<EndPoint>), UpstreamError> {
    if config.host.starts_with('/') {
        let path = format!("{}/.s.PGSQL.{}", config.host, config.port);
        let stream = UnixStream::connect(path).await?;
        return Ok((Link::new(Stream::Unix(stream)), None));
    }
    let stream = TcpStream::connect((config.host.as_str(), config.port)).await?;
    stream.set_nodelay(true)?;
    let mut link = Link::new(Stream::Plain(stream));
    let Some(tls) = tls::client(config.sslmode, config.ca.as_deref())? else {
        return Ok((link, None));
    };
    link.outbound.put_i32(8);
    link.outbound.put_i32(SSL_REQUEST);
    link.flush().await?;
    let answer = link.take(1).await?;
    if !link.inbound.is_empty() {
        return Err(UpstreamError::Protocol);
    }
    match (&answer[..], config.sslmode) {
        (b"S", _) => encrypt(link, config, tls).await,
        (b"N", SslMode::Prefer) => Ok((link, None)),
        (b"N", _) => Err(UpstreamError::NoTls),
        (_, _) => Err(UpstreamError::Protocol),
    }
}

async fn encrypt(
    link: Link,
    config: &UpstreamConfig,
    tls: Arc<rustls::ClientConfig>,
) -> Result<(Link, Option<EndPoint>), UpstreamError> {
    let Stream::Plain(stream) = link.into_stream() else {
        return Err(UpstreamError::Protocol);
    };
    let name = ServerName::try_from(config.host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(tls).connect(name, stream).await?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let binding = certificates.first().and_then(|leaf| certificate::end_point(leaf));
    Ok((Link::new(Stream::Tls(Box::new(TlsStream::Client(stream)))), binding))
}

fn put_startup(buffer: &mut BytesMut, user: &str, database: &str) {
    let parameters = [
        ("user", user),
        ("database", database),
        ("application_name", "pgcordon"),
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
    ];
    let mut body = BytesMut::new();
    body.put_i32(3 << 16);
    for (name, value) in parameters {
        put_text(&mut body, name.as_bytes());
        put_text(&mut body, value.as_bytes());
    }
    body.put_u8(0);
    buffer.put_i32(i32::try_from(body.len() + 4).expect("names are bounded by the configuration"));
    buffer.extend_from_slice(&body);
}

async fn authenticate(
    link: &mut Link,
    config: &UpstreamConfig,
    binding: Option<EndPoint>,
) -> Result<(), UpstreamError> {
    loop {
        let (code, data) = read_request(link).await?;
        match code {
            0 => return Ok(()),
            5 => {
                let salt = data.as_ref().try_into().map_err(|_| UpstreamError::Protocol)?;
                let user = config.user.as_bytes();
                let answer = md5_hash(user, config.password.expose().as_bytes(), salt);
                put(&mut link.outbound, b'p', |body| put_text(body, answer.as_bytes()));
                link.flush().await?;
            }
            10 => scram(link, config, &data, binding.as_ref()).await?,
            other => return Err(UpstreamError::Authentication(other)),
        }
    }
}

async fn read_request(link: &mut Link) -> Result<(i32, Bytes), UpstreamError> {
    let Frame { tag, body } = link.read_frame(MAX_MESSAGE).await?;
    match tag {
        b'R' => {
            let mut reader = Reader::new(&body);
            let code = reader.i32()?;
            Ok((code, body.slice(4..)))
        }
        b'E' => Err(UpstreamError::server(&body)),
        _ => Err(UpstreamError::Protocol),
    }
}

async fn scram(
    link: &mut Link,
    config: &UpstreamConfig,
    mechanisms: &[u8],
    binding: Option<&EndPoint>,
) -> Result<(), UpstreamError> {
    let offered = |name: &[u8]| mechanisms.split(|byte| *byte == 0).any(|other| other == name);
    let (plain, bound) = (&b"SCRAM-SHA-256"[..], &b"SCRAM-SHA-256-PLUS"[..]);
    let (mechanism, binding) = match (offered(bound), offered(plain), binding) {
        (true, _, Some(hash)) => (bound, ChannelBinding::tls_server_end_point(hash.clone())),
        (false, true, Some(_)) => (plain, ChannelBinding::unrequested()),
        (_, true, None) => (plain, ChannelBinding::unsupported()),
        (_, false, _) => return Err(UpstreamError::Authentication(10)),
    };
    let mut client = ScramSha256::new(config.password.expose().as_bytes(), binding);
    put(&mut link.outbound, b'p', |body| {
        put_text(body, mechanism);
        body.put_i32(i32::try_from(client.message().len()).expect("a short message"));
        body.put_slice(client.message());
    });
    link.flush().await?;
    let (11, first) = read_request(link).await? else {
        return Err(UpstreamError::Protocol);
    };
    client.update(&first)?;
    put(&mut link.outbound, b'p', |body| body.put_slice(client.message()));
    link.flush().await?;
    let (12, last) = read_request(link).await? else {
        return Err(UpstreamError::Protocol);
    };
    Ok(client.finish(&last)?)
}

//! The first messages of a connection: encryption requests, cancel requests, the startup packet.
//!
//! In:  a fresh TCP connection.
//! Out: an [`Opening`]: a session to authenticate, or a cancel request.
//!
//! Invariants:
//! - At most [`MAX_STARTUP`] bytes are read before authentication.
//! - Bytes sent ahead of the TLS handshake end the connection (CVE-2021-23214).
//! - A parameter that is not on the list ends the connection: none is ignored.

use std::io;

use bytes::{BufMut as _, BytesMut};
use tokio_rustls::TlsAcceptor;

use crate::frame::{Malformed, Reader, put, put_text};
use crate::link::{Link, Stream};
use crate::message::Report;
use crate::settings::{Settings, SettingsError};
use crate::tls::ServerTls;

/// MAX_STARTUP_PACKET_LENGTH of PostgreSQL.
const MAX_STARTUP: usize = 10_000;
const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;
const MAJOR: i32 = 3;
/// Longest minor version that we speak: 3.2 (longer cancel keys).
const MINOR: i32 = 2;

/// What the connection is for.
#[derive(Debug)]
pub(crate) enum Opening {
    /// A session; authenticate next.
    Session(Box<Startup>),
    /// A cancel request with its key, process id first.
    Cancel(Vec<u8>),
}

/// What the startup packet said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Startup {
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) settings: Settings,
    /// 0 or 2.
    pub(crate) minor: i32,
    /// Whether the connection is encrypted.
    pub(crate) encrypted: bool,
    /// The client's certificate in DER, if it showed one; the handshake has verified it.
    pub(crate) certificate: Option<Box<[u8]>>,
}

/// Why the connection does not become a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartupError {
    /// Not the protocol, or not what we accept; the client is told.
    #[error("rejected: {}", .0.message)]
    Rejected(Report),
    /// The connection broke.
    #[error("connection lost")]
    Io(#[from] io::Error),
    /// Bytes came before the TLS handshake.
    #[error("unencrypted data after an SSL request")]
    Ahead,
}

fn protocol(message: impl Into<String>) -> StartupError {
    StartupError::Rejected(Report::fatal("08P01", message))
}

impl From<Malformed> for StartupError {
    fn from(_: Malformed) -> Self {
        protocol("invalid startup packet layout: expected terminator as last byte")
    }
}

/// Reads up to the startup packet, encrypting on request.
pub(crate) async fn open(
    mut link: Link,
    tls: Option<&ServerTls>,
    require_tls: bool,
) -> (Link, Result<Opening, StartupError>) {
    let (mut encrypted, mut gss_asked) = (false, false);
    loop {
        let packet = match read_packet(&mut link).await {
            Ok(packet) => packet,
            Err(error) => return (link, Err(error)),
        };
        let mut reader = Reader::new(&packet);
        let outcome = match reader.i32() {
            Ok(SSL_REQUEST) if !encrypted => {
                match encrypt(link, tls).await {
                    Ok((next, now)) => (link, encrypted) = (next, now),
                    Err((back, error)) => return (back, Err(error)),
                }
                continue;
            }
            Ok(GSS_REQUEST) if !encrypted && !gss_asked => {
                gss_asked = true;
                link.outbound.put_u8(b'N');
                match link.flush().await {
                    Ok(()) => continue,
                    Err(error) => Err(error.into()),
                }
            }
            Ok(CANCEL_REQUEST) => Ok(Opening::Cancel(reader.rest().to_vec())),
            Ok(version) if version >> 16 == MAJOR => {
                if require_tls && !encrypted {
                    Err(StartupError::Rejected(Report::fatal(
                        "28000",
                        "SSL connection is required",
                    )))
                } else {
                    session(&mut link, version & 0xffff, reader.rest(), encrypted)
                }
            }
            Ok(version) => Err(StartupError::Rejected(Report::fatal(
                "0A000",
                format!(
                    "unsupported frontend protocol {}.{}: server supports 3.0 to 3.{MINOR}",
                    version >> 16,
                    version & 0xffff
                ),
            ))),
            Err(malformed) => Err(malformed.into()),
        };
        return (link, outcome);
    }
}

async fn read_packet(link: &mut Link) -> Result<BytesMut, StartupError> {
    let word = link.take(4).await?;
    let length = Reader::new(&word).i32()?;
    match usize::try_from(length) {
        Ok(length) if (8..=MAX_STARTUP).contains(&length) => Ok(link.take(length - 4).await?),
        _ => Err(protocol("invalid length of startup packet")),
    }
}

/// Answers an SSLRequest; `false` when there is no certificate.
async fn encrypt(
    mut link: Link,
    tls: Option<&ServerTls>,
) -> Result<(Link, bool), (Link, StartupError)> {
    if !link.inbound.is_empty() {
        return Err((link, StartupError::Ahead));
    }
    link.outbound.put_u8(if tls.is_some() { b'S' } else { b'N' });
    if let Err(error) = link.flush().await {
        return Err((link, error.into()));
    }
    let Some(tls) = tls else {
        return Ok((link, false));
    };
    match link.into_stream() {
        Stream::Plain(stream) => {
            match TlsAcceptor::from(tls.config.clone()).accept(stream).into_fallible().await {
                Ok(stream) => Ok((Link::new(Stream::Tls(Box::new(stream.into()))), true)),
                Err((error, stream)) => Err((Link::new(Stream::Plain(stream)), error.into())),
            }
        }
        other => Err((Link::new(other), protocol("SSL is not available on this connection"))),
    }
}

fn session(
    link: &mut Link,
    minor: i32,
    parameters: &[u8],
    encrypted: bool,
) -> Result<Opening, StartupError> {
    let (mut startup, unknown) = read_parameters(parameters)?;
    startup.encrypted = encrypted;
    startup.certificate = link.peer_certificate().map(Into::into);
    startup.minor = if minor >= MINOR { MINOR } else { 0 };
    if minor > startup.minor || !unknown.is_empty() {
        put_negotiation(&mut link.outbound, startup.minor, &unknown);
    }
    Ok(Opening::Session(Box::new(startup)))
}

/// NegotiateProtocolVersion: the newest minor version that we speak, and `_pq_.` options that we do not know.
fn put_negotiation(buffer: &mut BytesMut, minor: i32, unknown: &[String]) {
    put(buffer, b'v', |body| {
        body.put_i32((MAJOR << 16) | minor);
        body.put_i32(i32::try_from(unknown.len()).expect("a startup packet holds few options"));
        for name in unknown {
            put_text(body, name.as_bytes());
        }
    });
}

fn read_parameters(parameters: &[u8]) -> Result<(Startup, Vec<String>), StartupError> {
    let (mut reader, mut seen) = (Reader::new(parameters), Vec::<String>::new());
    let (mut startup, mut unknown) = (Startup::default(), Vec::new());
    let mut options = None;
    loop {
        let name = text(reader.text()?)?;
        if name.is_empty() {
            break;
        }
        let value = text(reader.text()?)?;
        let key = name.to_ascii_lowercase();
        if seen.contains(&key) {
            return Err(SettingsError::Duplicate(name).into());
        }
        seen.push(key);
        match name.as_str() {
            "user" => startup.user = value,
            "database" => startup.database = value,
            "options" => options = Some(value),
            "replication" => no_replication(&value)?,
            extension if extension.starts_with("_pq_.") => unknown.push(name),
            setting => startup.settings.set(setting, &value)?,
        }
    }
    reader.finish()?;
    if startup.user.is_empty() {
        let report = Report::fatal("28000", "no PostgreSQL user name specified in startup packet");
        return Err(StartupError::Rejected(report));
    }
    if startup.database.is_empty() {
        startup.database.clone_from(&startup.user);
    }
    Ok((with_options(startup, options)?, unknown))
}

/// PostgreSQL applies `options` before the packet's own parameters.
fn with_options(mut startup: Startup, options: Option<String>) -> Result<Startup, StartupError> {
    if let Some(options) = options {
        let mut settings = Settings::default();
        settings.set_options(&options)?;
        settings.overlay(std::mem::take(&mut startup.settings));
        startup.settings = settings;
    }
    Ok(startup)
}

fn no_replication(value: &str) -> Result<(), StartupError> {
    match value {
        "false" | "off" | "no" | "0" => Ok(()),
        _ => Err(StartupError::Rejected(Report::fatal(
            "0A000",
            "pgcordon does not support replication connections",
        ))),
    }
}

fn text(bytes: &[u8]) -> Result<String, StartupError> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|_| protocol("startup packet is not valid UTF-8"))
}

impl From<SettingsError> for StartupError {
    fn from(error: SettingsError) -> Self {
        let (sqlstate, hint) = match &error {
            SettingsError::Unknown(_) => {
                ("42704", "pgcordon lets a connection start with a fixed list of settings.")
            }
            SettingsError::Denied(_) => ("42501", ""),
            SettingsError::Encoding(_) => ("0A000", "Use client_encoding UTF8."),
            SettingsError::Duplicate(_) => ("08P01", ""),
            SettingsError::Options(_) => ("42601", "Write options as -c name=value."),
        };
        Self::Rejected(Report::fatal(sqlstate, error.to_string()).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parameters: &[u8], expected: &str) {
        let outcome = match read_parameters(parameters) {
            Ok((startup, unknown)) => {
                let settings = startup.settings.statement().unwrap_or_default();
                format!("{}@{} {settings}{}", startup.user, startup.database, unknown.join(","))
            }
            Err(StartupError::Rejected(report)) => {
                format!("{} {}", report.sqlstate, report.message)
            }
            Err(other) => other.to_string(),
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn who_and_where() {
        check(b"user\0rita\0\0", "rita@rita ");
        check(b"user\0rita\0database\0shop\0\0", "rita@shop ");
        check(b"database\0shop\0\0", "28000 no PostgreSQL user name specified in startup packet");
        check(b"user\0rita\0_pq_.x\0on\0\0", "rita@rita _pq_.x");
    }

    #[test]
    fn what_is_not_listed_is_rejected() {
        check(
            b"user\0rita\0role\0admin\0\0",
            "42704 unrecognized configuration parameter \"role\"",
        );
        check(
            b"user\0rita\0replication\0database\0\0",
            "0A000 pgcordon does not support replication connections",
        );
        check(b"user\0rita\0user\0max\0\0", "08P01 parameter \"user\" given more than once");
        check(b"user\0rita\0USER\0max\0\0", "08P01 parameter \"USER\" given more than once");
        check(
            b"user\0rita\0client_encoding\0SQL_ASCII\0\0",
            "0A000 client encoding \"SQL_ASCII\" is not supported",
        );
    }

    #[test]
    fn the_packet_overrides_its_options() {
        check(
            b"user\0rita\0geqo\0on\0options\0-c geqo=off\0\0",
            "rita@rita SELECT pg_catalog.set_config('geqo', 'on', false)",
        );
    }

    #[test]
    fn layout() {
        let layout = "08P01 invalid startup packet layout: expected terminator as last byte";
        check(b"user\0rita\0", layout);
        check(b"user\0rita\0\0x", layout);
        check(b"user\0rita", layout);
        check(b"user\0\xff\0\0", "08P01 startup packet is not valid UTF-8");
    }
}

//! Everything that is written to PostgreSQL on a session's connection.
//!
//! In:  a [`Cleared`] statement, a statement of our own, or a message that carries no statement text.
//! Out: messages in the upstream's outbound buffer.
//!
//! Invariants:
//! - Statement text goes upstream from here only, and only as `Cleared` or [`Own`].

use std::borrow::Cow;

use bytes::{BufMut as _, BytesMut};
use pgcordon_rewrite::Cleared;

use crate::frame::{put, put_text};
use crate::message::Bind;
use crate::settings::Settings;

/// Names of statements and portals that are ours begin so.
pub(crate) const RESERVED: &str = "pgcordon ";

/// Name of our own statements and portals.
const OWN_NAME: &[u8] = b"pgcordon own";

/// Whether a client may not use that name for a statement or a portal.
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(RESERVED.as_bytes())
}

/// A statement that the proxy itself needs. Holds nothing of a client's but quoted settings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Own<'a> {
    /// A sign of life is wanted.
    Nothing,
    /// Between two people.
    DiscardAll,
    /// A person left in the middle of a transaction.
    Rollback,
    /// Fails, so that a refusal undoes the transaction as an error of PostgreSQL's would.
    Fail,
    /// The client's startup settings.
    Settings(&'a Settings),
    /// Settings of the session that has the connection from now on; with `traces`, what the last person may have
    /// left in it is removed first.
    Adopt { settings: &'a Settings, traces: bool },
    /// What a setting is.
    Show(&'static str),
    /// One of the catalog queries.
    Catalog(&'static str),
    /// The search_path until the transaction ends, or the next of these.
    LocalPath(&'a str),
    /// Stands for a prepared statement that the client gives up by name.
    Placeholder,
}

/// All that DISCARD ALL removes but prepared statements, which are ours ("DISCARD" in the manual).
const REMOVE_TRACES: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; UNLISTEN *; \
     SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES; ";

impl Own<'_> {
    fn text(self) -> Cow<'static, str> {
        match self {
            Self::Nothing => "".into(),
            Self::DiscardAll => "DISCARD ALL".into(),
            Self::Rollback => "ROLLBACK".into(),
            Self::Fail => "SELECT pg_catalog.pgcordon_refused_a_statement()".into(),
            Self::Settings(settings) => {
                settings.statement().unwrap_or_else(|| "SELECT 1".to_owned()).into()
            }
            Self::Adopt { settings, traces } => {
                let first = if traces { REMOVE_TRACES } else { "" };
                format!("{first}RESET ALL; {}", settings.statement().unwrap_or_default()).into()
            }
            Self::Show(name) => format!("SHOW {name}").into(),
            Self::Catalog(query) => query.into(),
            Self::LocalPath(path) => {
                let path = pgcordon_sql::splice::literal(path);
                format!("SELECT pg_catalog.set_config('search_path', {path}, true)").into()
            }
            Self::Placeholder => "SELECT 1".into(),
        }
    }
}

/// Writes messages behind each other; nothing is sent before the link is flushed.
#[derive(Debug)]
pub(crate) struct Wire<'a>(pub(crate) &'a mut BytesMut);

impl Wire<'_> {
    /// The simple protocol.
    pub(crate) fn query(&mut self, cleared: &Cleared) {
        put(self.0, b'Q', |body| put_text(body, cleared.sql().as_bytes()));
    }

    /// `types` are the declared type oids with their count, as the client sent them.
    pub(crate) fn parse(&mut self, name: &[u8], cleared: &Cleared, types: &[u8]) {
        put(self.0, b'P', |body| {
            put_text(body, name);
            put_text(body, cleared.sql().as_bytes());
            // The simple protocol declares none.
            body.put_slice(if types.is_empty() { &[0, 0] } else { types });
        });
    }

    /// The simple protocol, for a statement of our own.
    pub(crate) fn own_query(&mut self, own: Own<'_>) {
        put(self.0, b'Q', |body| put_text(body, own.text().as_bytes()));
    }

    /// Parse alone, for [`Own::Fail`]: PostgreSQL refuses it there.
    pub(crate) fn own_parse(&mut self, own: Own<'_>) {
        self.own_named(OWN_NAME, own);
    }

    fn own_named(&mut self, name: &[u8], own: Own<'_>) {
        put(self.0, b'P', |body| {
            put_text(body, name);
            put_text(body, own.text().as_bytes());
            body.put_u16(0);
        });
    }

    /// Has PostgreSQL know a statement of that name, whatever it knew before.
    pub(crate) fn placeholder(&mut self, name: &[u8]) {
        self.close(b'S', name);
        self.own_named(name, Own::Placeholder);
    }

    /// A prepared statement through the unnamed portal, with its rows as the simple protocol gives them. `parameters`
    /// with their formats, as in Bind; `held`: Sync is sent later.
    pub(crate) fn run_shared(&mut self, name: &[u8], parameters: &[u8], held: bool) {
        put(self.0, b'B', |body| {
            put_text(body, b"");
            put_text(body, name);
            body.put_slice(parameters);
            body.put_u16(0);
        });
        self.describe(b'P', b"");
        self.execute(b"", 0);
        if held { self.flush() } else { self.sync() }
    }

    /// Parse, Bind, Execute and Close of a statement of our own: touches no name of the client's.
    pub(crate) fn own_sequence(&mut self, own: Own<'_>) {
        self.own_parse(own);
        self.run_own();
    }

    fn run_own(&mut self) {
        put(self.0, b'B', |body| {
            put_text(body, OWN_NAME);
            put_text(body, OWN_NAME);
            body.put_slice(&[0; 6]);
        });
        self.execute(OWN_NAME, 0);
        self.close(b'P', OWN_NAME);
        self.close(b'S', OWN_NAME);
    }

    /// Parse, Bind, Execute and Close of a cleared statement that gives no rows.
    pub(crate) fn cleared_sequence(&mut self, cleared: &Cleared) {
        self.parse(OWN_NAME, cleared, &[]);
        self.run_own();
    }

    /// `statement` and `formats` replace the client's.
    pub(crate) fn bind(&mut self, bind: &Bind<'_>, statement: &[u8], formats: &[u8]) {
        let count = u16::try_from(formats.len() / 2).expect("one more than the client's at most");
        put(self.0, b'B', |body| {
            put_text(body, bind.portal);
            put_text(body, statement);
            body.put_slice(bind.parameters);
            body.put_u16(count);
            body.put_slice(formats);
        });
    }

    /// `kind` is `S` or `P`.
    pub(crate) fn describe(&mut self, kind: u8, name: &[u8]) {
        self.named(b'D', kind, name);
    }

    /// `kind` is `S` or `P`.
    pub(crate) fn close(&mut self, kind: u8, name: &[u8]) {
        self.named(b'C', kind, name);
    }

    fn named(&mut self, tag: u8, kind: u8, name: &[u8]) {
        put(self.0, tag, |body| {
            body.put_u8(kind);
            put_text(body, name);
        });
    }

    pub(crate) fn execute(&mut self, portal: &[u8], max_rows: i32) {
        put(self.0, b'E', |body| {
            put_text(body, portal);
            body.put_i32(max_rows);
        });
    }

    pub(crate) fn sync(&mut self) {
        put(self.0, b'S', |_| {});
    }

    pub(crate) fn flush(&mut self) {
        put(self.0, b'H', |_| {});
    }

    pub(crate) fn terminate(&mut self) {
        put(self.0, b'X', |_| {});
    }

    /// CopyData, CopyDone or CopyFail: rows of a COPY FROM that was cleared.
    pub(crate) fn copy(&mut self, tag: u8, data: &[u8]) {
        put(self.0, tag, |body| body.put_slice(data));
    }
}

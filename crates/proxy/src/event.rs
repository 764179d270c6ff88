//! What happens in the proxy, as one typed enum; log, audit and metrics subscribe to it.
//!
//! Invariants:
//! - Never a literal, a bind value, a password or an attribute value.
//! - An event is emitted once, where it is handled.

use std::fmt;
use std::net::SocketAddr;

/// Names one refusal to the person and in the audit trail.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RefusalId(u64);

impl RefusalId {
    /// A random one.
    pub(crate) fn new() -> Self {
        Self(rand::random::<u64>() >> 16)
    }
}

impl fmt::Display for RefusalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:012x}", self.0)
    }
}

/// Everything worth telling an operator.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The proxy accepts connections.
    Listening {
        /// Where.
        address: SocketAddr,
    },
    /// No thread can be started: nothing is served.
    NoWorkers {
        /// Why.
        reason: &'a str,
    },
    /// A person is connected.
    Connected {
        /// The login name.
        user: &'a str,
        /// The database name that they used.
        database: &'a str,
        /// Where from.
        peer: &'a str,
        /// How they have proven who they are, as the rules call it.
        way: &'static str,
        /// Whether over TLS.
        encrypted: bool,
    },
    /// A connection did not become a session.
    NotConnected {
        /// The login name, empty when unknown.
        user: &'a str,
        /// Where from.
        peer: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A session ended.
    Disconnected {
        /// The login name.
        user: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A statement was refused.
    Refused {
        /// As the person was told.
        id: RefusalId,
        /// As whom it was judged.
        user: &'a str,
        /// The login name, where that is somebody else.
        by: Option<&'a str>,
        /// The database name that they used.
        database: &'a str,
        /// The [`Layer`](pgcordon_rewrite::Layer) that refused.
        layer: &'static str,
        /// [`Refusal::code`](pgcordon_rewrite::Refusal::code).
        code: &'static str,
        /// What was refused, by name; no literal.
        reason: &'a str,
    },
    /// Somebody runs statements as another person from now on.
    ActsAs {
        /// As whom.
        user: &'a str,
        /// The login name.
        by: &'a str,
        /// The database name that they used.
        database: &'a str,
        /// By `view_as`: to see what that person would see.
        viewing: bool,
    },
    /// A statement of a principal with `bypass` was sent.
    Bypassed {
        /// Whose statement it is.
        user: &'a str,
        /// The login name, where that is somebody else.
        by: Option<&'a str>,
        /// The database name that they used.
        database: &'a str,
        /// Kinds of the statements.
        kinds: &'a str,
        /// A hash of the text.
        text_hash: u64,
    },
    /// A fault of our own: somebody must look at it.
    Alarm {
        /// What happened.
        what: &'a str,
        /// The login name.
        user: &'a str,
    },
    /// The catalog was read again and had changed.
    CatalogLoaded {
        /// Name of the upstream.
        upstream: &'a str,
        /// Real name of the database.
        database: &'a str,
        /// How many relations it holds.
        relations: usize,
    },
    /// The catalog could not be read; the old snapshot stays.
    CatalogFailed {
        /// Name of the upstream.
        upstream: &'a str,
        /// Real name of the database.
        database: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A rule does not fit the catalog any more; its relation is refused until mended.
    RuleBroken {
        /// File, line, column, problem, hint.
        mistake: &'a str,
    },
    /// The policy files were read again.
    PolicyLoaded,
    /// The policy files hold mistakes; the old policy stays.
    PolicyRejected {
        /// File, line, column, problem, hint.
        mistake: &'a str,
    },
    /// Keys for tokens were fetched.
    KeysLoaded {
        /// Where from.
        url: &'a str,
        /// How many can be used.
        keys: usize,
    },
    /// They could not be; the old ones stay for a while.
    KeysFailed {
        /// Where from.
        url: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A cancel request was passed on, or was not.
    Cancelled {
        /// Whether its key was known.
        known: bool,
    },
    /// An upstream connection was closed instead of reused.
    UpstreamDropped {
        /// Why.
        reason: &'a str,
    },
    /// An upstream is away: connections to it wait until it is back.
    UpstreamLost {
        /// Name of the upstream.
        upstream: &'a str,
        /// Real name of the database.
        database: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// It is back.
    UpstreamBack {
        /// Name of the upstream.
        upstream: &'a str,
        /// Real name of the database.
        database: &'a str,
    },
    /// The proxy stops accepting; sessions may finish.
    Draining {
        /// How many are left.
        sessions: usize,
    },
}

/// Hands an event to its subscribers: for now the log.
pub(crate) fn emit(event: &Event<'_>) {
    use tracing::{debug, error, info, warn};
    match event {
        Event::Listening { address } => info!(%address, "listening"),
        Event::NoWorkers { reason } => error!(reason, "no thread can be started"),
        Event::Connected { user, database, peer, way, encrypted } => {
            info!(user, database, peer, way, encrypted, "connected");
        }
        Event::NotConnected { user, peer, reason } => info!(user, peer, reason, "not connected"),
        Event::Disconnected { user, reason } => info!(user, reason, "disconnected"),
        Event::Refused { id, user, by, database, layer, code, reason } => {
            warn!(target: "pgcordon::audit", %id, user, by, database, layer, code, reason, "refused");
        }
        Event::ActsAs { user, by, database, viewing: true } => {
            info!(target: "pgcordon::audit", user, by, database, "views as");
        }
        // One for each transaction of an application.
        Event::ActsAs { user, by, database, viewing: false } => {
            debug!(target: "pgcordon::audit", user, by, database, "acts for");
        }
        Event::Bypassed { user, by, database, kinds, text_hash } => {
            let text_hash = format!("{text_hash:016x}");
            info!(target: "pgcordon::audit", user, by, database, kinds, text_hash, "bypass");
        }
        Event::Alarm { what, user } => error!(user, what, "alarm"),
        Event::CatalogLoaded { upstream, database, relations } => {
            info!(upstream, database, relations, "catalog loaded");
        }
        Event::CatalogFailed { upstream, database, reason } => {
            warn!(upstream, database, reason, "catalog not loaded");
        }
        Event::RuleBroken { mistake } => error!(mistake, "rule does not fit the catalog"),
        Event::PolicyLoaded => info!("policy loaded"),
        Event::PolicyRejected { mistake } => error!(mistake, "policy rejected, the old one stays"),
        Event::KeysLoaded { url, keys } => info!(url, keys, "keys for tokens fetched"),
        Event::KeysFailed { url, reason } => warn!(url, reason, "keys for tokens not fetched"),
        Event::Cancelled { known } => info!(known, "cancel request"),
        Event::UpstreamDropped { reason } => warn!(reason, "upstream connection dropped"),
        Event::UpstreamLost { upstream, database, reason } => {
            warn!(upstream, database, reason, "upstream lost");
        }
        Event::UpstreamBack { upstream, database } => {
            info!(upstream, database, "upstream is back");
        }
        Event::Draining { sessions } => info!(sessions, "draining"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_twelve_digits() {
        assert_eq!(RefusalId(0xab).to_string(), "0000000000ab");
        assert_eq!(RefusalId::new().to_string().len(), 12);
    }
}

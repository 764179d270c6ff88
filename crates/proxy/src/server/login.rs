//! From an accepted connection to a running session.
//!
//! In:  a TCP connection.
//! Out: a session run to its end, a cancel request passed on, or an error to the client.
//!
//! Invariants:
//! - Unknown user, wrong password: the same work and the same answer. What a person may not use is told only after
//!   they are authenticated.

use std::net::{IpAddr, SocketAddr};

use pgcordon_policy::{ConnectDenial, Identity};
use tokio::net::TcpStream;

use super::Shared;
use super::seats::{Room, Seat};
use crate::auth::{Attempt, Door, Proven};
use crate::event::{Event, emit};
use crate::frame::Limits;
use crate::link::{Link, Stream};
use crate::message::Report;
use crate::session::{Parts, Patience, Session, Stop, Who};
use crate::startup::{self, Opening, Startup, StartupError};

/// For an error message to a client that does not read.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);

/// Too many connections.
pub(super) async fn turn_away(stream: TcpStream) {
    let report = Report::fatal("53300", "sorry, too many clients already");
    let report = report.hint("The limit is max_connections.");
    reject(Link::new(Stream::Plain(stream)), &report).await;
}

fn too_many_of_address() -> Report {
    let report = Report::fatal("53300", "too many connections from your address");
    report.hint("The limit is max_connections_per_address.")
}

fn too_many_of_user(user: &str) -> Report {
    // As PostgreSQL says it of a role's own limit.
    let report = Report::fatal("53300", format!("too many connections for role \"{user}\""));
    report.hint("The limit is max_connections_per_user, or max_connections of your roles.")
}

async fn reject(mut link: Link, report: &Report) {
    report.put(&mut link.outbound);
    let _unheard = tokio::time::timeout(GOODBYE, link.shutdown()).await;
}

/// Why there is no session.
pub(super) struct Denied {
    pub(super) link: Link,
    pub(super) user: String,
    pub(super) report: Option<Report>,
    pub(super) reason: String,
}

impl Denied {
    fn with(link: Link, user: &str, report: Report) -> Self {
        let reason = report.message.clone();
        Self { link, user: user.to_owned(), report: Some(report), reason }
    }
}

/// Serves one client from its first byte to its last.
pub(super) async fn serve_client(shared: &Shared, stream: TcpStream, peer: SocketAddr) {
    let (_seat, room) = shared.addresses.take(peer.ip().to_canonical(), None);
    if room == Room::None {
        return reject(Link::new(Stream::Plain(stream)), &too_many_of_address()).await;
    }
    // On the heap, and freed when it is done: an idle session's task is small.
    let started = Box::pin(start(shared, stream, peer, room)).await;
    if let Some((session, _seat)) = started {
        session.run().await;
    }
}

/// Up to the greeting, with the user's seat.
async fn start(
    shared: &Shared,
    stream: TcpStream,
    peer: SocketAddr,
    room: Room,
) -> Option<(Session, Option<Seat<String>>)> {
    let address = peer.ip();
    let peer = peer.to_string();
    // Without it each small answer would wait for an acknowledgement.
    let _best_effort = stream.set_nodelay(true);
    let mut stopping = shared.stopping.subscribe();
    let outcome = tokio::select! {
        outcome = authenticated(shared, stream, address, room) => outcome,
        // Nothing of a person's is lost when a connection ends before it is a session.
        _ = stopping.wait_for(|stopping| *stopping) => return None,
    };
    let denied = match outcome {
        Ok(Some(arrived)) => match session(shared, arrived, &peer).await {
            Ok(seated) => return Some(seated),
            Err(denied) => denied,
        },
        Ok(None) => return None,
        Err(denied) => denied,
    };
    deny(denied, &peer).await;
    None
}

pub(super) async fn deny(denied: Denied, peer: &str) {
    let Denied { link, user, report, reason } = denied;
    emit(&Event::NotConnected { user: &user, peer, reason: &reason });
    if let Some(report) = report {
        reject(link, &report).await;
    }
}

/// Somebody authenticated, who has no session yet.
pub(super) struct Arrived {
    pub(super) link: Link,
    pub(super) startup: Box<Startup>,
    pub(super) proven: Proven,
    /// The database that they asked for, or that they land in.
    pub(super) database: String,
}

/// Startup, TLS and proof, all within one deadline. `None` for a cancel request.
async fn authenticated(
    shared: &Shared,
    stream: TcpStream,
    address: IpAddr,
    room: Room,
) -> Result<Option<Arrived>, Denied> {
    let deadline = tokio::time::Instant::now() + shared.config.limits.authentication_timeout;
    let ways = shared.ways.load_full();
    let fresh = Link::new(Stream::Plain(stream));
    let opening = startup::open(fresh, ways.tls.as_ref(), ways.require_tls);
    let Ok((mut link, opened)) = tokio::time::timeout_at(deadline, opening).await else {
        return Err(too_slow(Link::new(Stream::Closed), ""));
    };
    let startup = match opened {
        Ok(Opening::Session(startup)) if room == Room::Enough => startup,
        Ok(Opening::Session(startup)) => {
            return Err(Denied::with(link, &startup.user, too_many_of_address()));
        }
        Ok(Opening::Cancel(key)) => {
            let timeout = shared.config.limits.queue_timeout;
            let known = shared.cancels.cancel(&key, timeout).await;
            emit(&Event::Cancelled { known });
            return Ok(None);
        }
        Err(error) => return Err(not_started(link, &error)),
    };
    let policy = shared.policy.load_full();
    let (impostor, throttle) = (&shared.impostor, &shared.throttle);
    let door = Door { ways: &ways, policy: &policy, impostor, throttle };
    let attempt = Attempt { door, startup: &startup, address };
    match tokio::time::timeout_at(deadline, attempt.authenticate(&mut link)).await {
        Ok(Ok(proven)) => {
            let database = attempt.landing(&proven.identity);
            Ok(Some(Arrived { link, startup, proven, database }))
        }
        Ok(Err(error)) => Err(Denied {
            link,
            report: Some(error.report(&startup.user)),
            reason: error.to_string(),
            user: startup.user,
        }),
        Err(_elapsed) => Err(too_slow(link, &startup.user)),
    }
}

pub(super) fn too_slow(link: Link, user: &str) -> Denied {
    Denied {
        link,
        user: user.to_owned(),
        report: Some(Report::fatal("57014", "canceling authentication due to timeout")),
        reason: "authentication timeout".to_owned(),
    }
}

pub(super) fn not_started(link: Link, error: &StartupError) -> Denied {
    let report = match error {
        StartupError::Rejected(report) => Some(report.clone()),
        StartupError::Ahead => {
            Some(Report::fatal("08P01", "received unencrypted data after SSL request"))
        }
        StartupError::Io(_) => None,
    };
    Denied { link, user: String::new(), report, reason: error.to_string() }
}

/// The connect layer, the user's seat, an upstream connection, the greeting.
pub(super) async fn session(
    shared: &Shared,
    arrived: Arrived,
    peer: &str,
) -> Result<(Session, Option<Seat<String>>), Denied> {
    let Arrived { mut link, startup, proven, database } = arrived;
    let denied = |link: Link, report: Report| Denied::with(link, &startup.user, report);
    let who = match identify(shared, &proven.identity, &database) {
        Ok(who) => who,
        Err(report) => return Err(denied(link, report)),
    };
    let own = who.principal.limits.max_connections;
    let (seat, room) = shared.users.take(startup.user.clone(), own);
    if room != Room::Enough {
        return Err(denied(link, too_many_of_user(&startup.user)));
    }
    let asked = &startup.database;
    if *asked != database {
        // PostgreSQL, too, has words before the first ReadyForQuery (a collation that has changed).
        let message = format!(
            "permission denied for database \"{asked}\"; connected to \"{database}\" instead"
        );
        Report::notice(message).put(&mut link.outbound);
    }
    let limits = shared.config.limits;
    let ticket = shared.cancels.register(&who.database.upstream, startup.minor);
    let parts = Parts {
        client: link,
        who,
        settings: startup.settings.clone(),
        ticket,
        limits: Limits { message: limits.max_message_bytes, statement: limits.max_statement_bytes },
        adopt_timeout: limits.queue_timeout,
        max_names: limits.max_prepared_statements,
        patience: Patience {
            idle: limits.idle_session_timeout,
            idle_in_transaction: limits.idle_in_transaction_timeout,
        },
        stop: Stop::new(shared.stopping.subscribe(), proven.until),
    };
    // Waiting for a connection has its own deadline.
    let starting = tokio::time::timeout(2 * limits.queue_timeout, Session::start(parts)).await;
    match starting {
        Ok(Ok(session)) => {
            emit(&Event::Connected {
                user: &startup.user,
                database: &database,
                peer,
                way: proven.way,
                encrypted: startup.encrypted,
            });
            Ok((session, seat))
        }
        Ok(Err((link, report))) => Err(denied(link, report)),
        Err(_elapsed) => {
            let report = Report::fatal("57014", "the upstream did not answer in time");
            Err(denied(Link::new(Stream::Closed), report))
        }
    }
}

/// Who the person is, on which database, by the newest policy.
fn identify(shared: &Shared, identity: &Identity, name: &str) -> Result<Who, Report> {
    let policy = shared.policy.load_full();
    let denied = |denial: ConnectDenial| denial_report(name, &denial, &policy.usable(identity));
    policy.principal(identity, name).map_err(denied)?;
    let entry = policy.database(name).ok_or(ConnectDenial::UnknownDatabase).map_err(denied)?;
    let key = (entry.upstream.clone(), entry.dbname.clone());
    let database = shared.databases.load().get(&key).cloned();
    let database = database.ok_or(ConnectDenial::UnknownDatabase).map_err(denied)?;
    let state = database.state();
    // The state's own policy counts: it is the one that statements are judged by.
    let principal = state.principal(identity, name).map_err(denied)?;
    Ok(Who {
        login: principal.clone(),
        acting: None,
        until: None,
        ways: shared.ways.clone(),
        principal,
        database,
        state,
        private: None,
        mark: shared.mark.clone(),
        max_statement_bytes: shared.config.limits.max_statement_bytes,
        long_texts: shared.long_texts.clone(),
    })
}

/// Unknown and forbidden databases answer alike.
fn denial_report(database: &str, denial: &ConnectDenial, usable: &[String]) -> Report {
    match denial {
        ConnectDenial::UnknownDatabase | ConnectDenial::NotAllowed { .. } => {}
        ConnectDenial::BadAttribute { name, problem } => {
            return Report::fatal("42501", format!("your attribute \"{name}\" {problem}"));
        }
    }
    let report = Report::fatal("42501", format!("permission denied for database \"{database}\""));
    if usable.is_empty() {
        report
    } else {
        report.hint(format!("You may use: {}.", usable.join(", ")))
    }
}

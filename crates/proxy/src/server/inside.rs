//! Sessions of this process itself: `pgcordon test`.
//!
//! In:  a [`Config`] and, for each session, the name of the person for whom the caller vouches.
//! Out: a socket on which a session speaks as to any client, from the startup packet on.
//!
//! Invariants:
//! - Nothing listens: a session is reached through a pair of sockets that only this process holds.
//! - The proof of who it is alone is left out. The connect layer, enforcement, redaction and the pool are every session's.
//! - Every session is joined before [`Inside::close`] returns.

use std::io;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::login::{self, Arrived, Denied};
use super::seats::Seat;
use super::{ServeError, Server, Shared};
use crate::auth;
use crate::config::Config;
use crate::link::{Link, Stream};
use crate::message::Report;
use crate::session::Session;
use crate::startup::{self, Opening};

/// What events call the place that these sessions come from.
const PEER: &str = "this process";
/// How long sessions may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The proxy without a door.
#[derive(Debug)]
pub struct Inside {
    server: Server,
    sessions: JoinSet<()>,
}

impl Inside {
    /// Reads every catalog and binds the policy to it, as [`Server::bind`] does; listens nowhere.
    ///
    /// # Errors
    /// [`ServeError`]; a rule that does not fit is one.
    pub async fn open(config: Config) -> Result<Self, ServeError> {
        let config = Config { listen: Vec::new(), tls: None, ..config };
        Ok(Self { server: Server::bind(config).await?, sessions: JoinSet::new() })
    }

    /// Begins a session of that person, who need not authenticate. It waits for the startup packet.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn connect(&mut self, user: &str) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        let (shared, user) = (self.server.shared.clone(), user.to_owned());
        self.sessions.spawn(async move { serve(&shared, theirs, &user).await });
        Ok(ours)
    }

    /// Ends every session, then the connections to PostgreSQL.
    pub async fn close(mut self) {
        self.server.shared.stopping.send_replace(true);
        let all = async { while self.sessions.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            self.sessions.shutdown().await;
        }
        // The keepers end with the last handle of their databases.
        self.server.shared.databases.store(std::sync::Arc::default());
        self.server.keepers.shutdown().await;
    }
}

async fn serve(shared: &Shared, stream: UnixStream, user: &str) {
    // On the heap, as `login` has it.
    match Box::pin(start(shared, stream, user)).await {
        Ok((session, _seat)) => session.run().await,
        Err(denied) => login::deny(denied, PEER).await,
    }
}

async fn start(
    shared: &Shared,
    stream: UnixStream,
    user: &str,
) -> Result<(Session, Option<Seat<String>>), Denied> {
    let deadline = tokio::time::Instant::now() + shared.config.limits.authentication_timeout;
    let opening = startup::open(Link::new(Stream::Unix(stream)), None, false);
    let Ok((mut link, opened)) = tokio::time::timeout_at(deadline, opening).await else {
        return Err(login::too_slow(Link::new(Stream::Closed), user));
    };
    let startup = match opened {
        Ok(Opening::Session(startup)) if startup.user == user => startup,
        Ok(Opening::Session(_) | Opening::Cancel(_)) => {
            let report = Report::fatal("28000", "the caller vouches for another person");
            let reason = report.message.clone();
            return Err(Denied { link, user: user.to_owned(), reason, report: Some(report) });
        }
        Err(error) => return Err(login::not_started(link, &error)),
    };
    let (ways, policy) = (shared.ways.load_full(), shared.policy.load_full());
    let vouched = auth::vouched(&ways, &policy, user, &mut link);
    match tokio::time::timeout_at(deadline, vouched).await {
        Ok(Ok(proven)) => {
            let database = policy.landing(&proven.identity, &startup.database).to_owned();
            let arrived = Arrived { link, startup, proven, database };
            login::session(shared, arrived, PEER).await
        }
        Ok(Err(error)) => Err(Denied {
            report: Some(error.report(user)),
            reason: error.to_string(),
            user: user.to_owned(),
            link,
        }),
        Err(_elapsed) => Err(login::too_slow(link, user)),
    }
}

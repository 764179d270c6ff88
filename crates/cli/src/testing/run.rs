//! Runs one test: its statements in one transaction, which is rolled back.
//!
//! In:  a [`TestCase`] and the database that it asks.
//! Out: an [`Outcome`].
//!
//! Invariants:
//! - The statements take the way of a client's, from the startup packet to the redaction of errors.
//! - Whatever a test did is undone before the next one begins, or its session is given up.
//! - One session at a time: a pool of one connection is enough.

use std::io;
use std::time::Duration;

use pgcordon_policy::TestCase;
use pgcordon_proxy::Inside;

use super::client::{Client, Reply, Status};
use super::compare;

/// How often, and how long in between, a person with too many connections is asked for again.
const CLOSING_LOOKS: usize = 20;
const CLOSING_LOOK: Duration = Duration::from_millis(100);

/// How a test ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Passed,
    /// What differs, in lines.
    Failed(Vec<String>),
    /// It could not be run to its end.
    Broken(String),
}

/// Holds the session of the last test: the next one may be of the same person.
#[derive(Debug)]
pub(super) struct Runner {
    inside: Inside,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    user: String,
    database: String,
    client: Client,
}

/// What the last statement answered, or which earlier one failed.
enum Played {
    Last(Reply),
    Earlier {
        number: usize,
        sqlstate: String,
        message: String,
    },
    /// A statement has ended the transaction: what it did may stay.
    Left,
}

impl Runner {
    pub(super) fn new(inside: Inside) -> Self {
        Self { inside, held: None }
    }

    /// Runs one test.
    pub(super) async fn run(&mut self, test: &TestCase, database: &str) -> Outcome {
        let held = self.held.take();
        let same = held.filter(|held| held.user == test.user && held.database == database);
        let mut client = match same {
            Some(held) => held.client,
            None => match self.connect(&test.user, database).await {
                Ok(Ok(client)) => client,
                Ok(Err(refused)) => return judged(test, Played::Last(refused)),
                Err(error) => return Outcome::Broken(format!("connecting: {error}")),
            },
        };
        match play(&mut client, test).await {
            Ok((played, true)) => {
                let (user, database) = (test.user.clone(), database.to_owned());
                self.held = Some(Held { user, database, client });
                judged(test, played)
            }
            // The session is given up, and what it did with it.
            Ok((played, false)) => judged(test, played),
            Err(error) => Outcome::Broken(error.to_string()),
        }
    }

    /// As [`Runner::begin`]. The session before may not have given its connection back yet.
    async fn connect(&mut self, user: &str, database: &str) -> io::Result<Result<Client, Reply>> {
        for _ in 0..CLOSING_LOOKS {
            match self.begin(user, database).await? {
                Err(Reply::Error { sqlstate, .. }) if sqlstate == "53300" => {
                    tokio::time::sleep(CLOSING_LOOK).await;
                }
                begun => return Ok(begun),
            }
        }
        self.begin(user, database).await
    }

    /// The inner error is what the person would be told.
    async fn begin(&mut self, user: &str, database: &str) -> io::Result<Result<Client, Reply>> {
        let stream = self.inside.connect(user)?;
        let (client, reply, status) = Client::start(stream, user, database).await?;
        match (reply, status) {
            (Reply::Answer(_), Status::Idle) => Ok(Ok(client)),
            (refused @ Reply::Error { .. }, _) => Ok(Err(refused)),
            (Reply::Answer(_), _) => Err(io::Error::other("the session is not ready")),
        }
    }

    /// Ends every session.
    pub(super) async fn close(self) {
        // A client that is gone ends its session.
        drop(self.held);
        self.inside.close().await;
    }
}

/// What came out, and whether the session may be used again.
async fn play(client: &mut Client, test: &TestCase) -> io::Result<(Played, bool)> {
    let (reply, status) = client.simple("BEGIN").await?;
    if status != Status::InTransaction {
        return Err(io::Error::other(format!("BEGIN was answered {reply:?}")));
    }
    let (played, status) = statements(client, test).await?;
    match status {
        Status::InTransaction | Status::Failed => {}
        Status::Idle | Status::Gone => return Ok((played, false)),
    }
    let (_, status) = client.simple("ROLLBACK").await?;
    if status != Status::Idle {
        return Ok((played, false));
    }
    // Prepared statements outlive a transaction.
    let (reply, status) = client.simple("DISCARD ALL").await?;
    let clean = matches!(reply, Reply::Answer(_)) && status == Status::Idle;
    Ok((played, clean))
}

async fn statements(client: &mut Client, test: &TestCase) -> io::Result<(Played, Status)> {
    let count = test.statements.len();
    for (number, sql) in (1..).zip(&test.statements) {
        let last = number == count;
        let (reply, status) = if last && !test.parameters.is_empty() {
            client.extended(sql, &test.parameters).await?
        } else {
            client.simple(sql).await?
        };
        if status == Status::Idle {
            return Ok((Played::Left, status));
        }
        match reply {
            reply if last => return Ok((Played::Last(reply), status)),
            Reply::Answer(_) => {}
            Reply::Error { sqlstate, message } => {
                return Ok((Played::Earlier { number, sqlstate, message }, status));
            }
        }
    }
    Err(io::Error::other("the test has no statement"))
}

fn judged(test: &TestCase, played: Played) -> Outcome {
    match played {
        Played::Last(reply) => {
            let lines = compare::difference(&test.expected, &reply);
            match reply {
                _ if lines.is_empty() => Outcome::Passed,
                Reply::Error { sqlstate, message } if is_trouble(&sqlstate) => {
                    Outcome::Broken(format!("error {sqlstate}: {message}"))
                }
                Reply::Error { .. } | Reply::Answer(_) => Outcome::Failed(lines),
            }
        }
        Played::Earlier { number, sqlstate, message } => {
            let count = test.statements.len();
            let title = format!("statement {number} of {count} failed before the last one");
            Outcome::Failed(vec![title, format!("+ error {sqlstate}: {message}")])
        }
        Played::Left => Outcome::Broken(
            "a statement has ended the test's transaction; what it did stays".into(),
        ),
    }
}

/// Connections, resources, shutdown, the system (PostgreSQL's appendix A): says nothing about the policy.
fn is_trouble(sqlstate: &str) -> bool {
    ["08", "53", "57P", "58"].iter().any(|class| sqlstate.starts_with(class))
}

//! `pgcordon demo --tour`: tells the story through real connections, and checks each point of it.
//!
//! In:  a running [`Stage`].
//! Out: the story on stdout; an error if any point did not come out as told.
//!
//! Invariants:
//! - What is told was answered by the proxy just now; the SQL beside it comes from `enforce` itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::people::person;
use super::stage::Stage;
use super::story::{Expected, STORY, Step};
use super::table::Rows;
use crate::console::{self, indented, wrapped};
use crate::failure::{Failure, told};
use crate::sight::Sight;

/// Width of printed SQL.
const LINE: usize = 100;

/// What came back for one statement.
#[derive(Debug)]
enum Answer {
    Rows(Rows),
    Touched(u64),
    Error { sqlstate: String, message: String },
}

/// A person's connection, and what `enforce` needs to show their SQL.
struct Seat {
    client: Client,
    sight: Sight,
}

/// Runs the whole story.
pub(super) async fn run(stage: &Stage) -> Result<(), Failure> {
    let truth = stage.cluster.superuser("shop").await?;
    let mut seats: BTreeMap<(&str, &str), Seat> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (number, point) in STORY.iter().enumerate() {
        console::line(format_args!("{}. {}\n", number + 1, point.title));
        for step in point.steps {
            let seat = match seats.entry((step.user, step.database)) {
                Entry::Occupied(taken) => taken.into_mut(),
                Entry::Vacant(free) => free.insert(Seat::take(stage, step).await?),
            };
            if let Err(trouble) = tell(seat, &truth, step).await? {
                console::line(format_args!("   NOT AS TOLD: {trouble}\n"));
                wrong.push(format!("point {}, {}: {trouble}", number + 1, step.user));
            }
        }
    }
    let steps: usize = STORY.iter().map(|point| point.steps.len()).sum();
    if wrong.is_empty() {
        console::line(format_args!("All {steps} statements came out as told."));
        return Ok(());
    }
    Err(Failure::Told(format!(
        "{} of {steps} did not come out as told\n{}",
        wrong.len(),
        wrong.join("\n")
    )))
}

impl Seat {
    async fn take(stage: &Stage, step: &Step) -> Result<Self, Failure> {
        let known = person(step.user);
        let person = known.ok_or_else(|| Failure::Told(format!("who is {}?", step.user)))?;
        let account = (person.name, person.password);
        let client = super::cluster::connect(stage.address.port(), account, step.database).await?;
        let sight = Sight::open(&stage.config, step.user, step.database).await?;
        Ok(Self { client, sight })
    }
}

/// Runs one statement, prints it, and compares; the inner error is a point that did not come out.
async fn tell(seat: &Seat, truth: &Client, step: &Step) -> Result<Result<(), String>, Failure> {
    let before = before(truth, &step.expected).await?;
    let answer = ask(&seat.client, step.sql).await?;
    let upstream = pgcordon_rewrite::enforce(step.sql, seat.sight.context());
    console::line(format_args!(
        "   {}, in {}, asks:\n{}",
        step.user,
        step.database,
        indented(&wrapped(step.sql, LINE), 6)
    ));
    match &upstream {
        Ok(cleared) => {
            console::line(format_args!(
                "   PostgreSQL gets:\n{}",
                indented(&wrapped(cleared.sql(), LINE), 6)
            ));
        }
        Err(_) => console::line("   PostgreSQL gets:\n      nothing"),
    }
    console::line(format_args!("   {} sees:\n{}", step.user, indented(&shown(&answer), 6)));
    let outcome = compare(truth, &step.expected, &answer, &before, upstream.is_ok()).await?;
    if let Ok(proof) = &outcome {
        console::line(format_args!("   ok: {proof}\n"));
    }
    Ok(outcome.map(|_| ()))
}

/// What must be looked at before the statement runs.
async fn before(truth: &Client, expected: &Expected) -> Result<Vec<Rows>, Failure> {
    match expected {
        Expected::SameAs(_) | Expected::Refused(_) | Expected::Undone(_) => Ok(Vec::new()),
        Expected::Touches { count, untouched } => {
            Ok(vec![direct(truth, count).await?, direct(truth, untouched).await?])
        }
    }
}

/// The proof in words, or what went wrong.
async fn compare(
    truth: &Client,
    expected: &Expected,
    answer: &Answer,
    before: &[Rows],
    sent: bool,
) -> Result<Result<String, String>, Failure> {
    Ok(match (expected, answer) {
        (Expected::SameAs(sql), Answer::Rows(rows)) if sent => {
            let wanted = direct(truth, sql).await?;
            if *rows == wanted {
                Ok(format!(
                    "the same as a superuser gets for\n{}",
                    indented(&wrapped(sql, LINE), 6)
                ))
            } else {
                Err(format!(
                    "the server itself answers\n{}",
                    indented(&wanted.lines().join("\n"), 6)
                ))
            }
        }
        (Expected::Refused(code), Answer::Error { sqlstate, .. }) if code == sqlstate && !sent => {
            Ok("refused, nothing was sent".to_owned())
        }
        (Expected::Undone(code), Answer::Error { sqlstate, .. }) if code == sqlstate && sent => {
            Ok("refused inside the statement, which is undone".to_owned())
        }
        (Expected::Touches { untouched, .. }, Answer::Touched(count)) if sent => {
            let after = direct(truth, untouched).await?;
            let wanted = before.first().and_then(single);
            if wanted == Some(count.to_string().as_str()) && before.get(1) == Some(&after) {
                Ok(format!("{count} rows of her own, and no other"))
            } else {
                Err(format!("{count} rows were touched, {wanted:?} were to be"))
            }
        }
        (expected, _) => Err(format!("expected {expected:?}")),
    })
}

fn single(rows: &Rows) -> Option<&str> {
    rows.rows.first()?.first()?.as_deref()
}

fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Rows(rows) => rows.lines().join("\n"),
        Answer::Touched(count) => format!("{count} rows touched"),
        Answer::Error { sqlstate, message } => format!("ERROR {sqlstate}: {message}"),
    }
}

async fn direct(truth: &Client, sql: &str) -> Result<Rows, Failure> {
    match ask(truth, sql).await? {
        Answer::Rows(rows) => Ok(rows),
        other => Err(Failure::Told(format!("the tour's own `{sql}` answered {}", shown(&other)))),
    }
}

/// One statement through the simple protocol.
async fn ask(client: &Client, sql: &str) -> Result<Answer, Failure> {
    let messages = match client.simple_query(sql).await {
        Ok(messages) => messages,
        Err(error) => {
            let Some(server) = error.as_db_error() else {
                return Err(Failure::Told(format!("`{sql}`: {}", told(&error))));
            };
            let sqlstate = server.code().code().to_owned();
            return Ok(Answer::Error { sqlstate, message: server.message().to_owned() });
        }
    };
    let mut rows = Rows::default();
    let mut described = false;
    let mut touched = 0;
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                described = true;
                rows.columns = columns.iter().map(|column| column.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) => {
                rows.rows
                    .push((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect());
            }
            SimpleQueryMessage::CommandComplete(count) => touched = count,
            other => return Err(Failure::Told(format!("unexpected message {other:?}"))),
        }
    }
    Ok(if described { Answer::Rows(rows) } else { Answer::Touched(touched) })
}

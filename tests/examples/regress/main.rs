//! Walks PostgreSQL's regression suite and asks pgcordon about every statement before PostgreSQL runs it.
//!
//! In:  the folder `src/test/regress` of PostgreSQL's source; names of files to stop at the first few, if any.
//! Out: tables of what is accepted and refused, by kind; exit code 1 when a fault was found or too little is analysed.
//!
//! Invariants:
//! - A statement is judged with the catalog as its session sees it at that moment.
//! - A statement that PostgreSQL refuses does not count, unless pgcordon's text of it behaves otherwise.

mod judge;
mod script;
mod session;
mod tally;
mod temporary;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use e2e::Cluster;
use pgcordon_rewrite::Refusal;

use judge::Bench;
use script::{Script, Step};
use session::{Outcome, Session};
use tally::{Tally, Verdict};

/// Of SELECT, INSERT, UPDATE, DELETE and MERGE, in tenths of a percent.
const TARGET: usize = 980;

/// Statements whose answer depends on the catalog.
const READING: [&str; 11] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "EXPLAIN",
    "DECLARE",
    "PREPARE",
    "COPY",
    "CREATE TABLE AS",
    "VIEW",
];

/// What differs from one run to the next by itself: clocks, numbers drawn, places of rows; the catalog, of which
/// pgcordon shows a part; functions of the suite that draw numbers or write.
const UNSTEADY: &str = "random now( current_ clock_ timestamp txid xact nextval currval lastval xmin xmax cmin ctid \
    tableoid setval pg_backend pg_size relation_size gen_random 'now' 'today' 'tomorrow' 'yesterday' pg_ \
    tablesample localtime lo_ _seq has_ relfilenode advisory information_schema. rngfunc_ sp_add_user";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        say("usage: regress FOLDER [FILE…]");
        return ExitCode::FAILURE;
    };
    let chosen: Vec<String> = arguments.collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tally = runtime.expect("a runtime").block_on(walk(Path::new(&folder), &chosen));
    say(&tally.report());
    let (all, analysed) = tally.queries();
    let enough = all > 0 && analysed * 1000 / all >= TARGET;
    if enough && tally.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}

/// The files in the order in which pg_regress runs them.
fn schedule(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("parallel_schedule")).expect("a schedule");
    let lines = text.lines().filter_map(|line| line.strip_prefix("test:"));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

async fn walk(folder: &Path, chosen: &[String]) -> Tally {
    let cluster = Cluster::start();
    cluster.admin("postgres").run("CREATE DATABASE regression TEMPLATE template0");
    let mut walk = Walk { port: cluster.port(), folder: folder.to_owned(), ..Walk::default() };
    let all = schedule(folder);
    for name in &all {
        // What is not chosen but sets things up is run without being judged.
        walk.judging = chosen.is_empty() || chosen.contains(name);
        let sets_up = name == "test_setup" || name.starts_with("create_") || name == "geometry";
        if walk.judging || sets_up {
            walk.file(name).await;
        }
    }
    walk.tally
}

#[derive(Default)]
struct Walk {
    port: u16,
    folder: PathBuf,
    judging: bool,
    place: String,
    bench: Option<Bench>,
    /// The catalog may have changed since it was read.
    stale: bool,
    uncommitted: bool,
    search_path: Vec<String>,
    /// Takes back what would have been temporary.
    dropped: Vec<String>,
    tally: Tally,
}

impl Walk {
    async fn file(&mut self, name: &str) {
        let path = self.folder.join("sql").join(format!("{name}.sql"));
        let bytes = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let folder = self.folder.display().to_string();
        let variables = BTreeMap::from([
            ("abs_srcdir".to_owned(), folder.clone()),
            ("abs_builddir".to_owned(), folder.clone()),
            ("libdir".to_owned(), folder),
            ("dlsuffix".to_owned(), ".so".to_owned()),
        ]);
        let mut script = Script::new(&text, variables);
        let mut session = Session::open(self.port, None).await.expect("the server answers");
        self.connected(&session).await;
        let mut number = 0;
        while let Some(step) = script.step() {
            number += 1;
            self.place = format!("{name}#{number}");
            match step {
                Step::Connect(user) => {
                    session = Session::open(self.port, user.as_deref())
                        .await
                        .expect("the server answers");
                    self.connected(&session).await;
                }
                Step::Statement(sql) => {
                    self.statement(&session, &sql, &mut script).await;
                }
                Step::Set(sql, prefix) => {
                    let outcome = self.statement(&session, &sql, &mut script).await;
                    set(&mut script, &prefix, outcome);
                }
                Step::Run(sql) => {
                    let outcome = self.statement(&session, &sql, &mut script).await;
                    let Outcome::Rows { rows, .. } = outcome else { continue };
                    for sql in rows.into_iter().flatten().flatten() {
                        self.statement(&session, &sql, &mut script).await;
                    }
                }
            }
        }
        let session = Session::open(self.port, None).await.expect("the server answers");
        for drop in std::mem::take(&mut self.dropped) {
            session.run(&drop).await;
        }
        say(&format!("{name}: {number} statements"));
    }

    async fn statement(
        &mut self,
        session: &Session,
        sql: &str,
        script: &mut Script<'_>,
    ) -> Outcome {
        let kind = judge::kind(sql);
        let copies = kind.starts_with("COPY") && sql.to_ascii_lowercase().contains("from stdin");
        let (mut judged, mut attempt) = self.consider(session, &kind, sql).await;
        let failed = matches!(judged, Some(Err(_))) || matches!(attempt, Some(Outcome::Failed(..)));
        // An older catalog is good for most statements, and reading it is what takes the time.
        if failed && self.stale && READING.contains(&kind.as_str()) {
            self.reload(session).await;
            (judged, attempt) = self.consider(session, &kind, sql).await;
        }
        let outcome = if copies {
            session.copy(sql, || script.copy_data()).await;
            Outcome::Rows { columns: Vec::new(), rows: Vec::new(), touched: 0 }
        } else {
            self.run(session, sql).await
        };
        self.after(session, &kind, &outcome).await;
        if let Some(judged) = judged {
            self.count(&kind, sql, judged, &outcome, attempt);
        }
        outcome
    }

    async fn connected(&mut self, session: &Session) {
        self.stale = true;
        if let Some(path) = session.search_path().await {
            self.search_path = path;
        }
    }

    /// Asks pgcordon, and runs its text of a query.
    async fn consider(
        &mut self,
        session: &Session,
        kind: &str,
        sql: &str,
    ) -> (Option<Result<String, Verdict>>, Option<Outcome>) {
        let user = if self.judging { session.user().await } else { None };
        if user.is_none() {
            return (None, None);
        }
        let judged = self.judge(session, sql).await;
        // Another user's rights stop at a view, and pgcordon's text names what is behind it.
        let comparable = user.as_deref() == Some("postgres");
        let attempt = match &judged {
            Ok(text) if comparable && tally::QUERIES.contains(&kind) => {
                Some(session.attempt(text).await)
            }
            Ok(_) | Err(_) => None,
        };
        (Some(judged), attempt)
    }

    /// Makes a temporary relation an ordinary one where that works: nobody behind pgcordon has temporary ones.
    async fn run(&mut self, session: &Session, sql: &str) -> Outcome {
        if let Some((permanent, drop)) = temporary::permanent(sql)
            && let done @ Outcome::Rows { .. } = session.run(&permanent).await
        {
            self.dropped.push(drop);
            return done;
        }
        session.run(sql).await
    }

    async fn judge(&mut self, session: &Session, sql: &str) -> Result<String, Verdict> {
        if self.bench.is_none() {
            self.reload(session).await;
        }
        let Some(bench) = &self.bench else {
            return Err(Verdict::Refused("the catalog could not be read".to_owned()));
        };
        let refused = |refusal: Refusal| match &refusal {
            Refusal::UnknownRelation { name, .. } if bench.is_temporary(name) => Verdict::Invalid,
            other => judge::verdict(other),
        };
        let text = bench.ask(sql, &self.search_path).map_err(refused)?;
        if let Err(fault) = judge::lost(sql, &text, bench) {
            self.tally.faults.push(format!("{}: {fault}\n  {sql}\n  {text}", self.place));
        }
        Ok(text)
    }

    async fn reload(&mut self, session: &Session) {
        let Some(names) = session.names().await else { return };
        match session.catalog().await {
            Ok(loaded) => {
                self.bench = Some(Bench::new(loaded.snapshot, &names));
                self.search_path = names.search_path;
                self.stale = false;
            }
            Err(error) => self.tally.faults.push(format!("{}: catalog: {error}", self.place)),
        }
    }

    /// Forgets what the statement may have changed.
    async fn after(&mut self, session: &Session, kind: &str, outcome: &Outcome) {
        let quiet =
            ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "EXPLAIN", "FETCH", "DECLARE"];
        let steady = ["SHOW", "CLOSE", "MOVE", "EXECUTE", "PREPARE", "COPY", "ANALYZE", "VACUUM"];
        match kind {
            "SET" => {
                if let Some(path) = session.search_path().await {
                    self.search_path = path;
                }
            }
            "transaction" => self.stale |= std::mem::take(&mut self.uncommitted),
            _ if quiet.contains(&kind) || steady.contains(&kind) => {}
            _ if matches!(outcome, Outcome::Failed(..)) => {}
            _ => {
                self.stale = true;
                // A rollback may take it back.
                self.uncommitted = true;
            }
        }
    }

    fn count(
        &mut self,
        kind: &str,
        sql: &str,
        judged: Result<String, Verdict>,
        outcome: &Outcome,
        attempt: Option<Outcome>,
    ) {
        let verdict = match (&judged, outcome) {
            (Err(_), Outcome::Failed(..)) => Verdict::Invalid,
            (Err(verdict), Outcome::Rows { .. }) => verdict.clone(),
            (Ok(_), _) => Verdict::Accepted,
        };
        self.tally.count(kind, &verdict, &self.place, sql);
        let (Ok(text), Some(attempt)) = (judged, attempt) else { return };
        self.tally.compared += 1;
        if let Some(fault) = difference(kind, sql, outcome, &attempt) {
            self.tally.faults.push(format!("{}: {fault}\n  {sql}\n  {text}", self.place));
        }
    }
}

/// How the rewritten text's answer differs from the original's.
fn difference(kind: &str, sql: &str, original: &Outcome, attempt: &Outcome) -> Option<String> {
    let lower = sql.to_ascii_lowercase();
    let unsteady = UNSTEADY.split_whitespace().any(|word| lower.contains(word));
    match (original, attempt) {
        (Outcome::Failed(..), Outcome::Failed(..)) => None,
        (Outcome::Failed(code, message), Outcome::Rows { .. }) => {
            Some(format!("only the original fails: {code} {message}"))
        }
        (Outcome::Rows { .. }, Outcome::Failed(code, message)) => {
            Some(format!("only the rewritten text fails: {code} {message}"))
        }
        (
            Outcome::Rows { columns, rows, touched },
            Outcome::Rows { columns: other_columns, rows: others, touched: other_touched },
        ) => {
            if touched != other_touched && !unsteady {
                return Some(format!("{touched} rows, then {other_touched}"));
            }
            if kind != "SELECT" || unsteady {
                return None;
            }
            let sorted = |rows: &[Vec<Option<String>>]| {
                let mut rows = rows.to_vec();
                rows.sort();
                rows
            };
            if columns != other_columns {
                return Some(format!("columns {columns:?}, then {other_columns:?}"));
            }
            (sorted(rows) != sorted(others)).then(|| "other rows".to_owned())
        }
    }
}

fn set(script: &mut Script<'_>, prefix: &str, outcome: Outcome) {
    let Outcome::Rows { columns, rows, .. } = outcome else { return };
    let [row] = rows.as_slice() else { return };
    for (name, value) in columns.iter().zip(row) {
        if let Some(value) = value {
            script.variables.insert(format!("{prefix}{name}"), value.clone());
        }
    }
}

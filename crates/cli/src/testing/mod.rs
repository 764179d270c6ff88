//! `pgcordon test`: runs the tests of a policy against live databases.
//!
//! In:  a configuration, files of tests, which of them to run.
//! Out: a line per test, with the difference where there is one; JUnit XML on request. Exit code 0 when all pass,
//!      1 when some fail, 2 when they cannot be run.
//!
//! Invariants:
//! - Statements take the way of a client's through the proxy; nothing is decided here.
//! - No test at all is no success.

mod client;
mod compare;
mod junit;
mod run;

use std::path::Path;
use std::time::{Duration, Instant};

use pgcordon_policy::mistake::{Mistake, MistakeKind, Report, Source};
use pgcordon_policy::{Identity, Policy, TestCase};
use pgcordon_proxy::{Config, Inside};

use crate::arguments::Test;
use crate::console;
use crate::failure::Failure;
use run::{Outcome, Runner};

/// A test that was run.
#[derive(Clone, Debug)]
struct Finished<'t> {
    test: &'t TestCase,
    outcome: Outcome,
    took: Duration,
}

/// Runs the command.
pub(crate) async fn run(arguments: &Test) -> Result<(), Failure> {
    let unable = |failure: Failure| Failure::Unable(Box::new(failure));
    let config = Config::load(&arguments.config).map_err(|mistakes| unable(mistakes.into()))?;
    let tests = gathered(&config.policy, arguments).map_err(unable)?;
    let databases = databases(&config.policy, &tests, arguments.database.as_deref());
    let databases = databases.map_err(|mistakes| unable(mistakes.into()))?;
    let inside = Inside::open(config).await;
    let inside = inside.map_err(|error| unable(crate::serve::failure(error)))?;
    let mut runner = Runner::new(inside);
    let mut finished = Vec::with_capacity(tests.len());
    for (test, database) in tests.iter().zip(&databases) {
        let started = Instant::now();
        let outcome = runner.run(test, database).await;
        let one = Finished { test, outcome, took: started.elapsed() };
        tell(&one, database);
        finished.push(one);
    }
    runner.close().await;
    if let Some(path) = &arguments.junit {
        std::fs::write(path, junit::document(&finished))
            .map_err(Failure::io(format!("writing `{}`", path.display())))
            .map_err(unable)?;
    }
    conclusion(&finished)
}

/// Those that were asked for, in the order of the files.
fn gathered(policy: &Policy, arguments: &Test) -> Result<Vec<TestCase>, Failure> {
    let mut tests = policy.tests().to_vec();
    let mut mistakes = Vec::new();
    for path in &arguments.files {
        match policy.read_tests(&source(path)?) {
            Ok(more) => tests.extend(more),
            Err(more) => mistakes.extend(more),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes.into());
    }
    if tests.is_empty() {
        let told = "no tests: write `tests:` in a policy file, or name a file that has them";
        return Err(Failure::Told(told.to_owned()));
    }
    let count = tests.len();
    tests.retain(|test| {
        let named = arguments.filter.as_ref().is_none_or(|part| test.name.contains(part));
        let asked = arguments.user.as_ref().is_none_or(|user| test.user == *user);
        named && asked
    });
    if tests.is_empty() {
        let told = format!("none of the {count} tests is meant by --filter and --as");
        return Err(Failure::Told(told));
    }
    Ok(tests)
}

fn source(path: &Path) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(Failure::io(format!("reading `{name}`")))?;
    Ok(Source { name, text })
}

/// The database that each test asks.
///
/// | the test names one | `--database` | the person may use | outcome   |
/// |--------------------|--------------|--------------------|-----------|
/// | yes                | -            | -                  | that one  |
/// | no                 | yes          | -                  | that one  |
/// | no                 | no           | exactly one        | that one  |
/// | no                 | no           | none or several    | a mistake |
fn databases(
    policy: &Policy,
    tests: &[TestCase],
    default: Option<&str>,
) -> Result<Vec<String>, Vec<Mistake>> {
    let (mut databases, mut report) = (Vec::with_capacity(tests.len()), Report::default());
    for test in tests {
        let usable = policy.usable(&Identity::named(&test.user));
        match (test.database.as_deref().or(default), usable.as_slice()) {
            (Some(named), _) => databases.push(named.to_owned()),
            (None, [only]) => databases.push(only.clone()),
            (None, []) => {
                let message = format!("`{}` may use no database", test.user);
                let hint = "say `database`, and the error that is expected";
                report.add(&test.place, MistakeKind::Value, message, hint);
            }
            (None, [..]) => {
                let message = format!("`{}` may use several databases", test.user);
                let hint = format!("say `database`: one of {}", usable.join(", "));
                report.add(&test.place, MistakeKind::Value, message, hint);
            }
        }
    }
    if report.is_empty() { Ok(databases) } else { Err(report.finish()) }
}

fn tell(one: &Finished<'_>, database: &str) {
    let TestCase { name, place, user, statements, .. } = one.test;
    let place = format!("{}:{}", place.file, place.line);
    let place = if *name == place { String::new() } else { format!("{place}, ") };
    let (word, lines) = match &one.outcome {
        Outcome::Passed => {
            console::line(format_args!("ok    {name}"));
            return;
        }
        Outcome::Failed(lines) => ("FAIL ", lines.clone()),
        Outcome::Broken(why) => ("ERROR", vec![why.clone()]),
    };
    console::line(format_args!("{word} {name} ({place}{user} in {database})"));
    for sql in statements {
        console::line(console::indented(sql.trim_end(), 6));
    }
    for line in lines {
        console::line(format_args!("      {line}"));
    }
}

fn conclusion(finished: &[Finished<'_>]) -> Result<(), Failure> {
    let (mut failed, mut broken) = (0, 0);
    for one in finished {
        match one.outcome {
            Outcome::Passed => {}
            Outcome::Failed(_) => failed += 1,
            Outcome::Broken(_) => broken += 1,
        }
    }
    let (count, passed) = (finished.len(), finished.len() - failed - broken);
    let plural = if count == 1 { "" } else { "s" };
    console::line(format_args!(
        "{count} test{plural}: {passed} passed, {failed} failed, {broken} not run to their end"
    ));
    match (failed, broken) {
        (0, 0) => Ok(()),
        (failed, 0) => Err(Failure::Told(format!("{failed} of {count} tests failed"))),
        (_, broken) => {
            let told = format!("{broken} of {count} tests could not be run");
            Err(Failure::Unable(Box::new(Failure::Told(told))))
        }
    }
}

//! `pgcordon check`: every mistake at once.
//!
//! In:  a configuration file, and the catalogs of its databases unless offline.
//! Out: one line per mistake with file, line, column and a hint; exit code 1 if there is any. What deserves a look
//!      and is no mistake comes first, on stdout.
//!
//! Invariants:
//! - A catalog that cannot be read is a mistake: what was not compared is not fine.
//! - A password in clear text is never printed: in its place stands the verifier made of it.

use std::collections::BTreeSet;

use pgcordon_policy::yaml::{self, Node, Value};
use pgcordon_policy::{Mistake, MistakeKind, Source};
use pgcordon_proxy::{Config, check_lookups, describe, load_snapshot, now, that_count};

use crate::arguments::Check;
use crate::console;
use crate::failure::Failure;
use crate::password::verifier;
use crate::sight::upstream;

/// Runs the command.
pub(crate) async fn run(arguments: &Check) -> Result<(), Failure> {
    let config = Config::load(&arguments.config).map_err(with_verifiers)?;
    for note in config.policy.notes(now()) {
        console::line(format_args!("note: {note}"));
    }
    if arguments.offline {
        console::line(format_args!(
            "{}: no mistake (not compared with a catalog)",
            arguments.config.display()
        ));
        return Ok(());
    }
    let mut troubles = Vec::new();
    let mut per_catalog = Vec::new();
    for (upstream_name, dbname) in targets(&config) {
        let upstream = upstream(&config, &upstream_name)?;
        match load_snapshot(upstream, &dbname).await {
            Ok(loaded) => {
                if loaded.superuser {
                    troubles.push(superuser(&config, upstream_name.as_str(), &upstream.user));
                }
                let names = names_of(&config, &upstream_name, &dbname);
                per_catalog.push(config.policy.bind(&loaded.snapshot, &names, now()).1);
            }
            Err(error) => troubles.push(format!(
                "{}: upstream `{upstream_name}`, database `{dbname}`: {} (hint: --offline leaves the \
                 catalogs out)",
                config.path.display(),
            describe(&error)
            )),
        }
    }
    troubles.extend(that_count(per_catalog).iter().map(ToString::to_string));
    troubles.extend(check_lookups(&config).await.iter().map(ToString::to_string));
    troubles.sort();
    troubles.dedup();
    if troubles.is_empty() {
        console::line(format_args!("{}: no mistake", arguments.config.display()));
        return Ok(());
    }
    Err(Failure::Mistakes(troubles))
}

/// Where a password stands in clear text, the hint is what to paste in its place.
fn with_verifiers(mut mistakes: Vec<Mistake>) -> Failure {
    for mistake in mistakes.iter_mut().filter(|one| one.kind == MistakeKind::ClearText) {
        let Ok(text) = std::fs::read_to_string(&mistake.file) else { continue };
        let name = mistake.file.clone();
        let Ok(root) = yaml::parse(&Source { name, text }) else { continue };
        let place = (mistake.line, mistake.column);
        if let Some(Ok(verifier)) = scalar_at(&root, place).map(verifier) {
            mistake.hint = format!("write \"{verifier}\" instead, and change the password");
        }
    }
    mistakes.into()
}

/// The scalar that begins at a line and column; the depth of a file is bounded.
fn scalar_at(node: &Node, place: (u32, u32)) -> Option<&str> {
    match &node.value {
        Value::Null => None,
        Value::Scalar(scalar) => {
            ((scalar.place.line, scalar.place.column) == place).then_some(scalar.text.as_str())
        }
        Value::List(nodes) => nodes.iter().find_map(|node| scalar_at(node, place)),
        Value::Map(entries) => entries.iter().find_map(|entry| scalar_at(&entry.node, place)),
    }
}

/// The names under which clients reach a real database.
fn names_of<'c>(config: &'c Config, upstream: &str, dbname: &str) -> Vec<&'c str> {
    let leads_there = config
        .policy
        .databases()
        .filter(|entry| entry.upstream == upstream && entry.dbname == dbname);
    leads_there.map(|entry| entry.name.as_str()).collect()
}

/// Each real database once.
fn targets(config: &Config) -> BTreeSet<(String, String)> {
    config.policy.databases().map(|entry| (entry.upstream.clone(), entry.dbname.clone())).collect()
}

fn superuser(config: &Config, upstream: &str, role: &str) -> String {
    format!(
        "{}: upstream `{upstream}`: the role `{role}` is a superuser (hint: give pgcordon a role with the \
         grants it needs and no more)",
        config.path.display()
    )
}

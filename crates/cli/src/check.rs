//! `pgcordon check`: every mistake at once.
//!
//! In:  a configuration file, and the catalogs of its databases unless offline.
//! Out: one line per mistake with file, line, column and a hint; exit code 1 if there is any.
//!
//! Invariants:
//! - A catalog that cannot be read is a mistake: what was not compared is not fine.

use std::collections::BTreeSet;

use pgcordon_proxy::{Config, describe, load_snapshot, that_count};

use crate::arguments::Check;
use crate::console;
use crate::failure::Failure;
use crate::sight::upstream;

/// Runs the command.
pub(crate) async fn run(arguments: &Check) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
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
                per_catalog.push(config.policy.bind(&loaded.snapshot, &names).1);
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
    troubles.sort();
    troubles.dedup();
    if troubles.is_empty() {
        console::line(format_args!("{}: no mistake", arguments.config.display()));
        return Ok(());
    }
    Err(Failure::Mistakes(troubles))
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

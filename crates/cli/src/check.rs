//! `pgcordon check`: every mistake at once.
//!
//! In:  a configuration file, and the catalogs of its databases unless offline.
//! Out: one line per mistake with file, line, column and a hint; exit code 1 if there is any.
//!
//! Invariants:
//! - A catalog that cannot be read is a mistake: what was not compared is not fine.

use std::collections::{BTreeMap, BTreeSet};

use pgcordon_policy::{Mistake, MistakeKind};
use pgcordon_proxy::{Config, load_snapshot};

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
                per_catalog.push(config.policy.bind(&loaded.snapshot).1);
            }
            Err(error) => troubles.push(format!(
                "{}: upstream `{upstream_name}`, database `{dbname}`: {error} (hint: --offline leaves the \
                 catalogs out)",
                config.path.display()
            )),
        }
    }
    troubles.extend(united(per_catalog).iter().map(ToString::to_string));
    troubles.sort();
    troubles.dedup();
    if troubles.is_empty() {
        console::line(format_args!("{}: no mistake", arguments.config.display()));
        return Ok(());
    }
    Err(Failure::Mistakes(troubles))
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

/// A rule may be about a relation or function of one database only: a mistake if every catalog lacks it.
fn united(per_catalog: Vec<Vec<Mistake>>) -> Vec<Mistake> {
    let catalogs = per_catalog.len();
    let mut counted: BTreeMap<Mistake, usize> = BTreeMap::new();
    for mistakes in per_catalog {
        for mistake in mistakes.into_iter().collect::<BTreeSet<_>>() {
            *counted.entry(mistake).or_default() += 1;
        }
    }
    let counts = |(mistake, count): (Mistake, usize)| match mistake.kind {
        MistakeKind::UnknownRelation | MistakeKind::UnknownFunction => {
            (count == catalogs).then_some(mistake)
        }
        MistakeKind::Yaml
        | MistakeKind::Structure
        | MistakeKind::Unsupported
        | MistakeKind::Reference
        | MistakeKind::Value
        | MistakeKind::Expression
        | MistakeKind::Catalog => Some(mistake),
    };
    counted.into_iter().filter_map(counts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(line: u32, kind: MistakeKind) -> Mistake {
        let (message, hint) = ("m".to_owned(), String::new());
        Mistake { file: "p.yaml".to_owned(), line, column: 1, message, hint, kind }
    }

    fn check(per_catalog: &[&[(u32, MistakeKind)]], expected: &[u32]) {
        let made = |mistakes: &&[(u32, MistakeKind)]| {
            mistakes.iter().map(|(line, kind)| mistake(*line, *kind)).collect()
        };
        let lines: Vec<u32> =
            united(per_catalog.iter().map(made).collect()).iter().map(|found| found.line).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_relation_is_missing_only_if_every_catalog_lacks_it() {
        let (relation, column) = (MistakeKind::UnknownRelation, MistakeKind::Catalog);
        check(&[&[(1, relation)], &[]], &[]);
        check(&[&[(1, relation)], &[(1, relation)]], &[1]);
        check(&[&[(1, relation), (1, relation)], &[]], &[]);
        check(&[&[(1, column)], &[]], &[1]);
        check(&[], &[]);
    }
}

//! `pgcordon export-sql`: the policy of one database as PostgreSQL's own means.
//!
//! In:  a configuration, a database name; the catalog is read.
//! Out: SQL on stdout; on stderr a line for each thing that PostgreSQL cannot be told. Nothing is changed.
//!
//! Invariants:
//! - A rule that does not fit the catalog ends the command: a script that left it out would look whole.

use pgcordon_proxy::{Config, describe, load_snapshot, now};
use pgcordon_rewrite::{ExportRequest, export_sql};

use crate::arguments::ExportSql;
use crate::console;
use crate::failure::Failure;
use crate::sight::upstream;

/// Runs the command.
pub(crate) async fn run(arguments: &ExportSql) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    let name = arguments.database.as_str();
    let entry = config
        .policy
        .database(name)
        .ok_or_else(|| Failure::Told(format!("no database `{name}` in the policy")))?;
    let upstream = upstream(&config, &entry.upstream)?;
    let loaded = load_snapshot(upstream, &entry.dbname).await.map_err(|error| {
        let (place, why) = (&upstream.name, describe(&error));
        Failure::Told(format!("catalog of `{}` on upstream `{place}`: {why}", entry.dbname))
    })?;
    let (bound, mistakes) = config.policy.bind(&loaded.snapshot, &[name], now());
    if !mistakes.is_empty() {
        return Err(Failure::from(mistakes));
    }
    let export = export_sql(&ExportRequest {
        policy: &config.policy,
        bound: &bound,
        snapshot: &loaded.snapshot,
        database: name,
        upstream_role: &upstream.user,
        passwords: arguments.passwords,
    });
    console::line(export.sql);
    for what in &export.not_expressed {
        console::trouble(format_args!("not expressed: {what}"));
    }
    Ok(())
}

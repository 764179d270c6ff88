//! `pgcordon export-sql`: the policy of one database as PostgreSQL's own means.
//!
//! In:  a configuration, a database name; the catalog is read.
//! Out: SQL on stdout; on stderr a line for each thing that PostgreSQL cannot be told. Nothing is changed.
//!
//! Invariants:
//! - A rule that does not fit the catalog ends the command: a script that left it out would look whole.

use pgcordon_rewrite::{ExportRequest, export_sql};

use crate::arguments::ExportSql;
use crate::console;
use crate::failure::Failure;
use crate::sight::Whole;

/// Runs the command.
pub(crate) async fn run(arguments: &ExportSql) -> Result<(), Failure> {
    let whole = Whole::open(&arguments.config, &arguments.database).await?;
    let export = export_sql(&ExportRequest {
        policy: &whole.config.policy,
        bound: &whole.bound,
        snapshot: &whole.snapshot,
        database: &arguments.database,
        upstream_role: &whole.upstream.user,
        passwords: arguments.passwords,
    });
    console::line(export.sql);
    for what in &export.not_expressed {
        console::trouble(format_args!("not expressed: {what}"));
    }
    Ok(())
}

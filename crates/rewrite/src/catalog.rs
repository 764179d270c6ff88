//! Built-in rules for `pg_catalog` and `information_schema`.
//!
//! Invariants:
//! - What is not listed is refused: system relations hold other people's queries, statistics and secrets.

use pgcordon_policy::{ColumnAccess, Command, Decision, Denial, Filter};
use pgcordon_sql::catalog::RelationId;

use crate::Context;

/// System relations that say nothing of any user's relation.
const HARMLESS: &[&str] =
    &["pg_am", "pg_collation", "pg_language", "pg_range", "pg_timezone_abbrevs", "pg_timezone_names"];

/// Decides on a system relation.
pub(crate) fn decide(
    context: &Context<'_>,
    relation: RelationId,
    command: Command,
) -> Result<Decision, Denial> {
    let found = context.snapshot.relation(relation);
    let harmless = found.schema == "pg_catalog" && HARMLESS.contains(&found.name.as_str());
    match (harmless, command) {
        (true, Command::Select) => Ok(Decision {
            using: Filter::All,
            check: Filter::All,
            columns: vec![ColumnAccess::Clear; found.columns.len()],
            presets: Vec::new(),
            rules: vec!["built-in".to_owned()],
        }),
        (true, Command::Insert | Command::Update | Command::Delete) => {
            Err(Denial::CommandNotGranted)
        }
        (false, _) => Err(Denial::NoRule),
    }
}

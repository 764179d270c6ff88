//! Who may do what: YAML in, decisions out.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

pub mod decide;
pub mod principal;

pub use decide::{Cell, ColumnAccess, Command, Decision, Denial, Expression, Filter};
pub use principal::Principal;

use pgcordon_sql::catalog::RelationId;

/// A policy whose rules were compiled against one catalog snapshot.
#[derive(Debug, Default)]
pub struct BoundPolicy {}

impl BoundPolicy {
    /// Decides; see [`decide`].
    ///
    /// # Errors
    /// [`Denial`] when the principal may not.
    pub fn decide(
        &self,
        _principal: &Principal,
        _relation: RelationId,
        _command: Command,
    ) -> Result<Decision, Denial> {
        Err(Denial::NoRule)
    }

    /// Whether `functions: allow` names that function outside `pg_catalog`.
    #[must_use]
    pub fn allows_function(&self, _schema: &str, _name: &str) -> bool {
        false
    }
}

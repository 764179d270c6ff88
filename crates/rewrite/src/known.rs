//! Which names a principal may know: what of PostgreSQL's own words may reach them.
//!
//! In:  names that an error or notice of PostgreSQL's holds.
//! Out: [`Known::Yes`] or [`Known::No`]; `proxy::redact` is the only consumer.
//!
//! Invariants:
//! - A relation that no rule grants, a column that is hidden, and a constraint named after either are not known.
//! - What is not in the snapshot is not known.

use pgcordon_policy::{ColumnAccess, Command, Denial};
use pgcordon_sql::catalog::{Relation, RelationId, RelationKind};

use crate::Context;

/// Whether a name may be said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    /// The principal may know it.
    Yes,
    /// It is hidden, or nobody knows it.
    No,
}

impl From<bool> for Known {
    fn from(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }
}

/// Answers for one principal, catalog and policy.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a>(Context<'a>);

impl<'a> Names<'a> {
    /// For the principal of that context.
    #[must_use]
    pub fn new(context: Context<'a>) -> Self {
        Self(context)
    }

    /// A relation, by schema and name.
    #[must_use]
    pub fn relation(&self, schema: &str, name: &str) -> Known {
        let found = self.0.snapshot.qualified(schema, name);
        found.map_or(Known::No, |id| self.granted(id))
    }

    /// A column of that relation.
    #[must_use]
    pub fn column(&self, schema: &str, relation: &str, column: &str) -> Known {
        match self.0.snapshot.qualified(schema, relation) {
            Some(id) => self.column_of(id, column),
            None => Known::No,
        }
    }

    /// A constraint or index of that relation. Such names are made of relations' and columns' names, so one that holds
    /// the name of a hidden one is hidden as well.
    #[must_use]
    pub fn constraint(&self, schema: &str, relation: &str, constraint: &str) -> Known {
        let Some(id) = self.0.snapshot.qualified(schema, relation) else { return Known::No };
        if self.granted(id) == Known::No {
            return Known::No;
        }
        let own = self.0.snapshot.relation(id);
        let hidden_column = own.columns.iter().any(|column| {
            holds(constraint, &column.name) && self.column_of(id, &column.name) == Known::No
        });
        let hidden_relation = self.0.snapshot.relations().any(|(other, relation)| {
            has_rows(relation.kind)
                && holds(constraint, &relation.name)
                && !is_system(relation)
                && self.named(&relation.name) == Known::No
                && self.granted(other) == Known::No
        });
        Known::from(!hidden_column && !hidden_relation)
    }

    /// A word that stands alone: the name of a schema, relation, column or type of any relation that is known.
    #[must_use]
    pub fn name(&self, word: &str) -> Known {
        if self.named(word) == Known::Yes {
            return Known::Yes;
        }
        let mut relations = self.0.snapshot.relations().filter(|(_, one)| !is_system(one));
        Known::from(relations.any(|(id, relation)| {
            let column = relation.columns.iter().any(|column| column.name == word);
            let kind = relation.columns.iter().any(|column| is_type(&column.type_sql, word));
            let schema = relation.schema == word;
            (column && self.column_of(id, word) == Known::Yes)
                || ((kind || schema) && self.granted(id) == Known::Yes)
        }))
    }

    /// A word of the messages that functions of the database raise.
    #[must_use]
    pub fn raised(&self, word: &str) -> Known {
        Known::from(self.0.snapshot.is_raised(&word.to_ascii_lowercase()))
    }

    /// A relation of that name in any schema.
    fn named(&self, name: &str) -> Known {
        let mut same = self.0.snapshot.relations().filter(|(_, relation)| relation.name == name);
        Known::from(same.any(|(id, _)| self.granted(id) == Known::Yes))
    }

    fn granted(&self, id: RelationId) -> Known {
        if is_system(self.0.snapshot.relation(id)) {
            return Known::Yes;
        }
        match self.0.policy.decide(self.0.principal, id, Command::Select) {
            Ok(_)
            | Err(
                Denial::CommandNotGranted | Denial::MissingAttribute(_) | Denial::BrokenRule { .. },
            ) => Known::Yes,
            Err(Denial::NoRule) => Known::No,
        }
    }

    fn column_of(&self, id: RelationId, name: &str) -> Known {
        let relation = self.0.snapshot.relation(id);
        let Some(column) = relation.column(name) else { return Known::No };
        if is_system(relation) {
            return Known::Yes;
        }
        let commands = [Command::Select, Command::Insert, Command::Update];
        let decided = commands
            .into_iter()
            .find_map(|command| self.0.policy.decide(self.0.principal, id, command).ok());
        let access = decided.and_then(|decision| decision.columns.into_iter().nth(column.0.into()));
        match access {
            Some(ColumnAccess::Clear | ColumnAccess::Denied | ColumnAccess::Cells(_)) => Known::Yes,
            Some(ColumnAccess::Hidden) | None => Known::No,
        }
    }
}

/// Indexes are named after their table, and sequences, too: they are no relation of somebody else's.
fn has_rows(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Table
        | RelationKind::PartitionedTable
        | RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::ForeignTable => true,
        RelationKind::Sequence
        | RelationKind::Toast
        | RelationKind::CompositeType
        | RelationKind::Index => false,
    }
}

fn is_system(relation: &Relation) -> bool {
    relation.schema == "pg_catalog" || relation.schema == "information_schema"
}

/// Whether `schema.name(…)` of a column's type is that name.
fn is_type(type_sql: &str, word: &str) -> bool {
    let name = type_sql.split('(').next().unwrap_or_default();
    name.rsplit('.').next().is_some_and(|last| last.trim_matches('"') == word)
}

/// Whether a constraint's name holds another name between underscores.
fn holds(constraint: &str, name: &str) -> bool {
    let bounded = |character: Option<char>| character.is_none_or(|one| !one.is_alphanumeric());
    !name.is_empty()
        && constraint.match_indices(name).any(|(at, _)| {
            bounded(constraint[..at].chars().next_back())
                && bounded(constraint[at + name.len()..].chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_hold_names_between_underscores() {
        for (constraint, name, expected) in [
            ("customers_credit_limit_check", "credit_limit", true),
            ("customers_credit_limit_check", "credit", true),
            ("customers_accredit_check", "credit", false),
            ("ssn", "ssn", true),
            ("orders_pkey", "", false),
        ] {
            assert_eq!(holds(constraint, name), expected, "{constraint} {name}");
        }
        assert!(is_type("public.level", "level") && !is_type("public.level", "public"));
        assert!(is_type("pg_catalog.\"numeric\"(12,2)", "numeric"));
    }
}

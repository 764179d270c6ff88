//! What definitions may not change: which rules of the policy are about which rows.
//!
//! In:  a [`Definition`] whose relations the person holds whole.
//! Out: nothing, or a [`Refusal`].
//!
//! | change                        | refused where                                                                |
//! |-------------------------------|------------------------------------------------------------------------------|
//! | a relation comes into being   | a rule's sub-select reads that name                                          |
//! | a relation gets another name  | other keys or databases speak of the new name, or a rule's sub-select reads one of both |
//! | a relation goes               | a rule's sub-select reads it, or a partition or child of it; a view with a key of its own |
//! | a column comes, goes, changes | a rule about the relation, a parent or a child mentions it                   |
//! | a type comes or goes          | any rule mentions it                                                         |

use std::collections::BTreeSet;

use pgcordon_policy::Coverage;
use pgcordon_sql::analyze::{Definition, DefinitionChange as Change};
use pgcordon_sql::catalog::{Relation, RelationId, RelationKind, Snapshot};

use crate::{Context, Refusal};

/// Whether the policy lets it be.
pub(crate) fn admitted(context: Context<'_>, definition: &Definition) -> Result<(), Refusal> {
    let own = |change: &&Change| !is_temporary(context.snapshot, change);
    definition.changes.iter().filter(own).try_for_each(|change| admitted_change(context, change))
}

/// Whether it is about a temporary table of the session's own.
fn is_temporary(snapshot: &Snapshot, change: &Change) -> bool {
    match change {
        Change::Makes { schema, .. } => schema == "pg_temp",
        Change::Renames { relation, .. }
        | Change::Column { relation, .. }
        | Change::Drops(relation) => snapshot.is_temporary(snapshot.relation(*relation)),
        Change::Type(_) => false,
    }
}

fn admitted_change(context: Context<'_>, change: &Change) -> Result<(), Refusal> {
    let (snapshot, policy) = (context.snapshot, context.policy);
    match change {
        Change::Makes { schema, name } => makes(context, schema, name),
        Change::Renames { relation, schema, name } => {
            let old = snapshot.relation(*relation);
            let (before, after) = ((old.schema.as_str(), old.name.as_str()), (&**schema, &**name));
            let alike = !takes_rules(old) || policy.speaks_alike(before, after);
            let read = policy.reads(before.0, before.1) || policy.reads(after.0, after.1);
            if alike && !read { Ok(()) } else { Err(governed(&old.name)) }
        }
        Change::Drops(relation) if is_ruled_copy(context, *relation) => {
            Err(governed(&snapshot.relation(*relation).name))
        }
        Change::Drops(relation) => {
            let gone = family(snapshot, *relation, false);
            let read = gone
                .into_iter()
                .map(|id| snapshot.relation(id))
                .find(|relation| policy.reads(&relation.schema, &relation.name));
            read.map_or(Ok(()), |_| Err(governed(&snapshot.relation(*relation).name)))
        }
        Change::Column { relation, name } => {
            let mentioned = family(snapshot, *relation, true).into_iter().any(|id| {
                let relation = snapshot.relation(id);
                policy.mentions(&relation.schema, &relation.name, name)
            });
            if mentioned { Err(governed(name)) } else { Ok(()) }
        }
        Change::Type(name) if policy.mentions_anywhere(name) => Err(governed(name)),
        Change::Type(_) => Ok(()),
    }
}

/// A relation of that name comes into being.
pub(crate) fn makes(context: Context<'_>, schema: &str, name: &str) -> Result<(), Refusal> {
    if context.policy.reads(schema, name) { Err(governed(name)) } else { Ok(()) }
}

/// A view or materialized view with rules of its own: another one in its place would show other rows under them.
fn is_ruled_copy(context: Context<'_>, relation: RelationId) -> bool {
    let copy = match context.snapshot.relation(relation).kind {
        RelationKind::View | RelationKind::MaterializedView => true,
        RelationKind::Table
        | RelationKind::PartitionedTable
        | RelationKind::ForeignTable
        | RelationKind::Sequence
        | RelationKind::Toast
        | RelationKind::CompositeType
        | RelationKind::Index => false,
    };
    copy && context.policy.coverage(relation) == Coverage::Named
}

fn governed(name: &str) -> Refusal {
    Refusal::Governed { name: name.to_owned() }
}

/// The relation, its partitions and children, theirs, and with `parents` what it is a partition or child of.
fn family(snapshot: &Snapshot, relation: RelationId, parents: bool) -> BTreeSet<RelationId> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![relation];
    while let Some(next) = waiting.pop() {
        if found.insert(next) {
            waiting.extend(snapshot.children(snapshot.relation(next).oid));
        }
    }
    let mut waiting = vec![relation];
    while let Some(next) = waiting.pop().filter(|_| parents) {
        found.insert(next);
        let above = snapshot.relation(next).parents.iter();
        waiting.extend(above.filter_map(|oid| snapshot.by_oid(*oid)));
    }
    found
}

fn takes_rules(relation: &Relation) -> bool {
    match relation.kind {
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

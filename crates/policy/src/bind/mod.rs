//! Fits a policy to one catalog snapshot.
//!
//! In:  a [`Policy`], a [`Snapshot`], the names by which clients reach that catalog.
//! Out: a [`BoundPolicy`], and what does not fit.
//!
//! Invariants:
//! - A rule that does not fit stays in the result as broken: it refuses its relation to those whom it is
//!   for, and never disappears.
//! - A relation that no rule is about is not in the result, and so is denied.

mod assign;
mod fit;
pub(crate) mod query;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use pgcordon_sql::catalog::{Relation, RelationId, RelationKind, Snapshot};

use crate::bound::{BoundPolicy, BoundRelation};
use crate::mistake::{Mistake, MistakeKind, Place, Report};
use crate::moment::Moment;
use crate::name::{RelationPattern, is_system_schema};
use crate::policy::Policy;
use assign::Assigner;
use fit::Misfits;
use query::BoundQueries;

impl Policy {
    /// Compiles every rule that counts at `now` against a catalog. At [`Policy::next_until`] it is to be done again.
    ///
    /// `database_names` are all names under `databases` that lead to it. Mistakes of the kinds
    /// [`MistakeKind::UnknownRelation`] and [`MistakeKind::UnknownFunction`] count only if every catalog has
    /// them; the bound policy is safe to use whatever mistakes there are.
    #[must_use]
    pub fn bind(
        &self,
        snapshot: &Snapshot,
        database_names: &[&str],
        now: Moment,
    ) -> (BoundPolicy, Vec<Mistake>) {
        let mut report = Report::default();
        self.report_unknown(snapshot, &mut report);
        let mut bound = BoundPolicy {
            functions: self.function_names(),
            reach: Arc::clone(&self.reach),
            ..BoundPolicy::default()
        };
        let mut assigner = Assigner::new(self, snapshot, now);
        let mut misfits = Misfits::default();
        for (id, relation) in snapshot.relations().filter(|(_, relation)| takes_rules(relation)) {
            let assigned = assigner.assigned(id);
            let rules = fit::rules(snapshot, id, &assigned.rules, &mut misfits);
            if !rules.is_empty() || assigned.named {
                let coverage = assigned.coverage();
                let relation = BoundRelation::new(coverage, relation.columns.len(), rules);
                bound.relations.insert(id, relation);
            }
        }
        misfits.report(&mut report);
        bound.queries = BoundQueries::bind(&self.queries, snapshot, &mut report);
        for name in database_names {
            if let Some(database) = self.database(name) {
                let scope = database.tables.as_deref();
                let scope = scope.map(|patterns| bind_scope(patterns, snapshot, &mut report));
                bound.scopes.insert(database.name.clone(), scope);
            }
        }
        (bound, report.finish())
    }

    /// Keys and functions that this catalog lacks.
    fn report_unknown(&self, snapshot: &Snapshot, report: &mut Report) {
        for table in &self.tables {
            check_pattern(
                &table.pattern,
                &table.place,
                MistakeKind::UnknownRelation,
                snapshot,
                report,
            );
            for rule in table.rules.iter().filter(|rule| !rule.when_columns.is_empty()) {
                report_unmatched(&table.pattern, rule, snapshot, report);
            }
        }
        for (function, place) in &self.functions {
            let mut known = snapshot.functions(&function.name);
            if !known.any(|known| known.schema == function.schema) {
                let message = format!("function `{function}` does not exist");
                report.add(place, MistakeKind::UnknownFunction, message, "");
            }
        }
    }
}

/// Whether rules can be about it at all.
pub(crate) fn takes_rules(relation: &Relation) -> bool {
    let readable = match relation.kind {
        RelationKind::Table
        | RelationKind::PartitionedTable
        | RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::ForeignTable => true,
        RelationKind::Sequence
        | RelationKind::Toast
        | RelationKind::CompositeType
        | RelationKind::Index => false,
    };
    readable && !is_system_schema(&relation.schema)
}

fn bind_scope(
    patterns: &[(RelationPattern, Place)],
    snapshot: &Snapshot,
    report: &mut Report,
) -> HashSet<RelationId> {
    let mut scope = HashSet::new();
    for (pattern, place) in patterns {
        scope.extend(matching(pattern, snapshot).map(|(id, _)| id));
        check_pattern(pattern, place, MistakeKind::Catalog, snapshot, report);
    }
    scope
}

/// The relations that a pattern stands for.
fn matching<'s>(
    pattern: &RelationPattern,
    snapshot: &'s Snapshot,
) -> impl Iterator<Item = (RelationId, &'s Relation)> {
    snapshot.relations().filter(move |(_, relation)| {
        takes_rules(relation) && pattern.covers(&relation.schema, &relation.name)
    })
}

fn check_pattern(
    pattern: &RelationPattern,
    place: &Place,
    kind: MistakeKind,
    snapshot: &Snapshot,
    report: &mut Report,
) {
    let (message, kind) = match pattern {
        RelationPattern::Exact(name) => match snapshot.qualified(&name.schema, &name.name) {
            Some(id) if takes_rules(snapshot.relation(id)) => return,
            Some(_) => {
                let message = format!("`{pattern}` is neither a table nor a view");
                return report.add(place, MistakeKind::Catalog, message, "");
            }
            None => (format!("relation `{pattern}` does not exist"), kind),
        },
        RelationPattern::Schema(_) | RelationPattern::Every => {
            if matching(pattern, snapshot).next().is_some() {
                return;
            }
            (format!("`{pattern}` stands for no table"), kind)
        }
    };
    let known: Vec<String> = snapshot
        .relations()
        .filter(|(_, relation)| takes_rules(relation))
        .map(|(_, relation)| format!("{}.{}", relation.schema, relation.name))
        .collect();
    let near = report.suggest(&pattern.to_string(), known.iter().map(String::as_str));
    report.add(place, kind, message, near);
}

/// A misspelt column under `when_columns` would turn a wall off without a word.
fn report_unmatched(
    pattern: &RelationPattern,
    rule: &crate::rule::Rule,
    snapshot: &Snapshot,
    report: &mut Report,
) {
    let has_all = |relation: &Relation| {
        rule.when_columns.iter().all(|column| relation.column(&column.name).is_some())
    };
    if matching(pattern, snapshot).any(|(_, relation)| has_all(relation)) {
        return;
    }
    let mut columns: BTreeMap<&str, ()> = BTreeMap::new();
    for (_, relation) in matching(pattern, snapshot) {
        columns.extend(relation.columns.iter().map(|column| (column.name.as_str(), ())));
    }
    let unknown = rule.when_columns.iter().find(|column| !columns.contains_key(&*column.name));
    let place = unknown.map_or(&rule.place, |column| &column.place);
    let near = unknown
        .map_or_else(String::new, |column| report.suggest(&column.name, columns.keys().copied()));
    let message =
        format!("rule `{}`: no table of `{pattern}` has all its `when_columns`", rule.name);
    report.add(place, MistakeKind::UnknownRelation, message, near);
}

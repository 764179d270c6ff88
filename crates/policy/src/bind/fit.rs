//! Compiles rules for one relation.
//!
//! In:  the rules assigned to a relation.
//! Out: [`BoundRule`]s in their final order; what does not fit is gathered in [`Misfits`].
//!
//! Invariants:
//! - One problem anywhere in a rule, and the rule is broken as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgcordon_sql::catalog::{ColumnId, Relation, RelationId, Snapshot};
use pgcordon_sql::template::{Piece, Purpose, Template, compile};

use super::assign::Assignment;
use crate::audience::Audience;
use crate::bound::{BoundRows, BoundRule, BoundTreatment};
use crate::expression::ExpressionText;
use crate::mistake::{MistakeKind, Place, Report, did_you_mean};
use crate::rule::{ColumnName, Rows, Treatment};

/// Problems of rules with relations: a wildcard may meet the same one many times.
#[derive(Debug, Default)]
pub(super) struct Misfits {
    /// By place, message and hint: the relations that have it.
    found: BTreeMap<(Place, String, String), Vec<String>>,
}

impl Misfits {
    /// One mistake per problem, naming the first relations.
    pub(super) fn report(self, report: &mut Report) {
        for ((place, message, hint), relations) in self.found {
            let named = relations.iter().take(3).cloned().collect::<Vec<String>>().join("`, `");
            let more = match relations.len().checked_sub(3) {
                Some(more @ 1..) => format!(" and {more} more"),
                Some(0) | None => String::new(),
            };
            let message = format!("{message} (in `{named}`{more})");
            report.add(&place, MistakeKind::Catalog, message, hint);
        }
    }
}

/// The rules of one relation, compiled and in their final order: by name, then key, then parent.
pub(super) fn rules<'p>(
    snapshot: &Snapshot,
    id: RelationId,
    assigned: &[Assignment<'p>],
    misfits: &mut Misfits,
) -> Vec<(BoundRule, &'p Audience)> {
    let mut ordered: Vec<&Assignment<'p>> = assigned.iter().collect();
    ordered.sort_by(|left, right| {
        let key = |assignment: &Assignment<'p>| {
            (&assignment.rule.name, &assignment.table.pattern, assignment.columns.clone())
        };
        let (left, right) = (key(left), key(right));
        left.cmp(&right)
    });
    let relation = snapshot.relation(id);
    let fitted = ordered.into_iter().map(|assignment| {
        let mut fitting = Fitting { snapshot, id, relation, assignment, problem: None, misfits };
        (fitting.rule(), &assignment.rule.to)
    });
    fitted.collect()
}

/// One rule on its way to one relation.
struct Fitting<'a, 'p> {
    snapshot: &'a Snapshot,
    id: RelationId,
    relation: &'a Relation,
    assignment: &'a Assignment<'p>,
    /// The first problem.
    problem: Option<String>,
    misfits: &'a mut Misfits,
}

impl Fitting<'_, '_> {
    fn rule(&mut self) -> BoundRule {
        let rule = self.assignment.rule;
        let rows = self.rows(&rule.rows);
        let check = self.rows(&rule.check);
        let columns = self.columns();
        let mut presets = Vec::new();
        for (name, expression) in &rule.presets {
            if let Some(column) = self.settable(name)
                && let Some(template) = self.compile(expression, Purpose::Preset)
            {
                presets.push((column, template));
            }
        }
        BoundRule {
            name: rule.name.clone(),
            restrictive: rule.restrictive,
            commands: rule.commands.clone(),
            rows,
            check,
            columns,
            presets,
            broken: self.problem.take(),
        }
    }

    /// A predicate that does not compile leaves the rule broken, whatever stands here instead.
    fn rows(&mut self, rows: &Rows) -> BoundRows {
        match rows {
            Rows::All => BoundRows::All,
            Rows::Test(expression) => {
                let template = self.compile(expression, Purpose::Predicate);
                BoundRows::Test(template.unwrap_or_default())
            }
        }
    }

    fn columns(&mut self) -> Vec<BoundTreatment> {
        let assignment = self.assignment;
        if assignment.rule.columns.is_empty() && assignment.columns.is_none() {
            return Vec::new();
        }
        let granted = |name: &str| match &assignment.columns {
            None => true,
            Some(columns) => columns.contains(name),
        };
        let start = |granted| if granted { BoundTreatment::Clear } else { BoundTreatment::Hide };
        let names = self.relation.columns.iter();
        let mut treatments: Vec<BoundTreatment> =
            names.map(|column| start(granted(&column.name))).collect();
        for (name, treatment) in &assignment.rule.columns {
            let Some(column) = self.column(name) else { continue };
            let bound = match treatment {
                Treatment::Hide => BoundTreatment::Hide,
                Treatment::Deny => BoundTreatment::Deny,
                Treatment::Mask(expression) => {
                    match self.compile(expression, Purpose::Mask(column)) {
                        Some(template) => BoundTreatment::Mask(template),
                        None => BoundTreatment::Hide,
                    }
                }
            };
            if let Some(slot) = treatments.get_mut(usize::from(column.0)) {
                *slot = bound;
            }
        }
        treatments
    }

    fn column(&mut self, name: &ColumnName) -> Option<ColumnId> {
        let found = self.relation.column(&name.name);
        if found.is_none() {
            let message = format!("column `{}` does not exist", name.name);
            let near = self.relation.columns.iter().map(|column| column.name.as_str());
            let hint = did_you_mean(&name.name, near);
            let hint = if hint.is_empty() { self.wildcard_hint() } else { hint };
            self.misfit(name.place.clone(), message, hint);
        }
        found
    }

    fn settable(&mut self, name: &ColumnName) -> Option<ColumnId> {
        let column = self.column(name)?;
        let found = &self.relation.columns[usize::from(column.0)];
        if found.generated || found.identity_always == Some(true) {
            let message = format!("column `{}` is generated and cannot be set", name.name);
            self.misfit(name.place.clone(), message, String::new());
        }
        Some(column)
    }

    fn compile(&mut self, expression: &ExpressionText, purpose: Purpose) -> Option<Arc<Template>> {
        let scalar = &expression.scalar;
        let problems = match compile(&scalar.text, purpose, self.id, self.snapshot) {
            Ok(template) if is_whole(&template) => return Some(Arc::new(template)),
            Ok(_) => Vec::new(),
            Err(problems) => problems,
        };
        if problems.is_empty() {
            let message = "the expression does not fit the relation".to_owned();
            self.misfit(scalar.place.clone(), message, String::new());
        }
        for problem in problems {
            let hint = if problem.hint.is_empty() { self.wildcard_hint() } else { problem.hint };
            self.misfit(scalar.place_at(problem.offset), problem.message, hint);
        }
        None
    }

    fn wildcard_hint(&self) -> String {
        if self.assignment.table.pattern.is_wildcard() {
            "`when_columns: […]` limits the rule to tables that have the columns".to_owned()
        } else {
            String::new()
        }
    }

    fn misfit(&mut self, place: Place, message: String, hint: String) {
        self.problem.get_or_insert_with(|| message.clone());
        let rule = &self.assignment.rule.name;
        let message = format!("rule `{rule}`: {message}");
        let relation = format!("{}.{}", self.relation.schema, self.relation.name);
        let relations = self.misfits.found.entry((place, message, hint)).or_default();
        if relations.last() != Some(&relation) {
            relations.push(relation);
        }
    }
}

/// Whether a value is known for every place that takes one.
fn is_whole(template: &Template) -> bool {
    template.pieces.iter().all(|piece| match piece {
        Piece::Value(index) => usize::from(*index) < template.placeholders.len(),
        Piece::Text(_) | Piece::Alias => true,
    })
}

//! Checks a row that INSERT … VALUES proposes, before any constraint sees it.
//!
//! Native row security raises 42501 before unique and NOT NULL constraints, and before ON CONFLICT DO NOTHING skips
//! the row. The check in RETURNING comes after them, so the values are checked where they are named as well.
//!
//! ```sql
//! VALUES (1, 'East')  →  VALUES (CASE WHEN (SELECT CASE WHEN … THEN 0 ELSE raise END
//!                                           FROM (SELECT CAST('East' AS text) AS region) AS pgcordon_row) = 0
//!                                     THEN CAST(1 AS int4) END, 'East')
//! ```
//!
//! Invariants:
//! - Only an addition: where it cannot be written (DEFAULT, sub-selects, triggers), the check in RETURNING remains.
//! - The client's text stands in a sub-select of its own, where no name of the policy's is in scope.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use pgcordon_policy::{Decision, Filter};
use pgcordon_sql::analyze::{InsertSource, Statement};
use pgcordon_sql::catalog::{ColumnId, Relation};
use pgcordon_sql::splice::{literal, push_quoted};

use crate::Mark;
use crate::plan::Plan;
use crate::read::Row;

/// What one INSERT proposes.
pub(crate) struct Proposal<'a> {
    pub(crate) text: &'a str,
    pub(crate) mark: &'a Mark,
    pub(crate) statement: &'a Statement,
    pub(crate) relation: &'a Relation,
    pub(crate) decision: &'a Decision,
    /// The columns given, in order.
    pub(crate) columns: &'a [ColumnId],
    /// Forced values.
    pub(crate) presets: &'a [(ColumnId, String)],
}

impl Proposal<'_> {
    /// Adds the check to every row of VALUES, if all that it reads is known there.
    pub(crate) fn check(&self, source: &InsertSource, plan: &mut Plan) {
        let InsertSource::Values(rows) = source else { return };
        if self.decision.check == Filter::All || self.relation.rewrites_rows {
            return;
        }
        let mut needed = BTreeSet::new();
        columns_of(&self.decision.check, &mut needed);
        for (_, values) in rows {
            if let Some((before, range, after)) = self.guard(values, &needed) {
                plan.edit(range.start..range.start, before);
                plan.edit(range.end..range.end, after);
            }
        }
    }

    /// What stands before and after the value that carries the check.
    fn guard(
        &self,
        values: &[Range<usize>],
        needed: &BTreeSet<ColumnId>,
    ) -> Option<(String, Range<usize>, String)> {
        let mut row = String::new();
        for column in needed {
            let value = self.value(*column, values)?;
            let comma = if row.is_empty() { "" } else { ", " };
            let _ = write!(row, "{comma}CAST(({value}) AS {}) AS ", self.plain_type(*column));
            push_quoted(&mut row, &self.name(*column));
        }
        let mut given = self.columns.iter().zip(values);
        let (carrier, range) = given.find(|(column, range)| {
            let forced = self.presets.iter().any(|(preset, _)| preset == *column);
            !forced && !self.is_default(range)
        })?;
        let mut test = String::new();
        Row::Proposed.filter(&self.decision.check, &mut test);
        let word = literal(&format!("{}:{};", self.mark.word(), self.relation.name));
        let before = format!(
            "CASE WHEN (SELECT CASE WHEN {test} THEN 0 ELSE CAST(({word} OPERATOR(pg_catalog.||) \
             pg_catalog.\"left\"(CAST(pg_catalog.random() AS pg_catalog.text), 0)) AS pg_catalog.int4) END \
             FROM (SELECT {row}) AS \"pgcordon_row\") OPERATOR(pg_catalog.=) 0 THEN CAST(("
        );
        Some((before, range.clone(), format!(") AS {}) END", self.plain_type(*carrier))))
    }

    /// The text of a column's proposed value, if it can stand a second time.
    fn value(&self, column: ColumnId, values: &[Range<usize>]) -> Option<String> {
        if let Some((_, preset)) = self.presets.iter().find(|(preset, _)| *preset == column) {
            return Some(preset.clone());
        }
        let Some(index) = self.columns.iter().position(|given| *given == column) else {
            let found = &self.relation.columns[usize::from(column.0)];
            let plain = !found.has_default && !found.generated && found.identity_always.is_none();
            return plain.then(|| "NULL".to_owned());
        };
        let range = values.get(index)?;
        if self.is_default(range) || self.is_edited(range) {
            return None;
        }
        // A comment up to the end of the line would swallow what follows.
        let text = self.text.get(range.clone())?;
        (!text.contains("--")).then(|| text.to_owned())
    }

    fn is_default(&self, range: &Range<usize>) -> bool {
        self.text.get(range.clone()).is_some_and(|text| text.eq_ignore_ascii_case("default"))
    }

    fn is_edited(&self, range: &Range<usize>) -> bool {
        let inside = |other: &Range<usize>| range.start <= other.start && other.end <= range.end;
        self.statement.accesses.iter().any(|access| inside(&access.range))
            || self.statement.edits.iter().any(|edit| inside(&edit.range))
            || self.statement.names.iter().any(|offset| range.contains(offset))
    }

    fn name(&self, column: ColumnId) -> String {
        self.relation.columns[usize::from(column.0)].name.clone()
    }

    /// The column's type without its modifier: an explicit cast to `varchar(3)` would cut what an INSERT refuses.
    fn plain_type(&self, column: ColumnId) -> String {
        let mut plain = String::new();
        let (mut quoted, mut depth) = (false, 0_u32);
        for character in self.relation.columns[usize::from(column.0)].type_sql.chars() {
            match character {
                '"' => quoted = !quoted,
                '(' if !quoted => depth += 1,
                _ => {}
            }
            if depth == 0 {
                plain.push(character);
            }
            if character == ')' && !quoted {
                depth = depth.saturating_sub(1);
            }
        }
        plain
    }
}

fn columns_of(filter: &Filter, into: &mut BTreeSet<ColumnId>) {
    match filter {
        Filter::All | Filter::Nothing => {}
        Filter::Test(expression) => into.extend(&expression.template.columns),
        Filter::Any(list) | Filter::Every(list) => {
            for part in list {
                columns_of(part, into);
            }
        }
    }
}

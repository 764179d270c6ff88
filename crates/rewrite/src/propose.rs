//! Checks a row that a write proposes, before any constraint sees it.
//!
//! Native row security raises 42501 before unique and NOT NULL constraints, and before ON CONFLICT DO NOTHING skips
//! the row. The check in RETURNING comes after them, so the values are checked where they are named as well.
//!
//! ```sql
//! VALUES (1, 'East')  →  VALUES (CASE WHEN (SELECT CASE WHEN … THEN 0 ELSE raise END
//!                                           FROM (SELECT CAST('East' AS text) AS region) AS pgcordon_row) = 0
//!                                     THEN 1 END, 'East')
//! ```
//!
//! Invariants:
//! - Only an addition: where it cannot be written (DEFAULT, generated columns, triggers), the check in RETURNING
//!   remains.
//! - The client's text stands in a sub-select of its own, where no name of the policy's is in scope.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use pgcordon_policy::Filter;
use pgcordon_sql::analyze::{Statement, Value, ValueKind, ValueRow};
use pgcordon_sql::catalog::{ColumnId, Relation};
use pgcordon_sql::splice::{self, Edit, literal, push_quoted};

use crate::Mark;
use crate::mark::Kind;
use crate::plan::Plan;
use crate::read::Row;

/// What one INSERT proposes.
pub(crate) struct Proposal<'a> {
    pub(crate) text: &'a str,
    pub(crate) mark: &'a Mark,
    pub(crate) statement: &'a Statement,
    pub(crate) relation: &'a Relation,
    /// What every new row must satisfy.
    pub(crate) filter: &'a Filter,
    /// The columns given, in order.
    pub(crate) columns: &'a [ColumnId],
    /// Columns of which only a part is given.
    pub(crate) partial: &'a [ColumnId],
    /// Forced values.
    pub(crate) presets: &'a [(ColumnId, String)],
}

impl Proposal<'_> {
    /// Adds the check to every row of VALUES, if all that it reads is known there.
    pub(crate) fn check(&self, rows: &[ValueRow], plan: &mut Plan) {
        for row in rows {
            if let Some((before, range, after)) = self.guard(&row.values) {
                plan.edit(range.start..range.start, before);
                plan.edit(range.end..range.end, after);
            }
        }
    }

    /// The only row of VALUES, where its check cannot be written there, but as a query's: it has a sub-select.
    pub(crate) fn better_as_query<'r>(&self, rows: &'r [ValueRow]) -> Option<&'r ValueRow> {
        let [row] = rows else { return None };
        let default = row.values.iter().any(|value| value.kind == ValueKind::Default);
        if default || !self.partial.is_empty() || self.guard(&row.values).is_some() {
            return None;
        }
        let given = |column| self.columns.contains(&column).then(String::new);
        self.row(given).map(|_| row)
    }

    /// What the check reads of the proposed row, as a SELECT list; `None` where it cannot be written, or where every
    /// row passes. `given` writes the value that the client gives for a column.
    pub(crate) fn row(&self, given: impl Fn(ColumnId) -> Option<String>) -> Option<String> {
        if *self.filter == Filter::All || self.relation.rewrites_rows {
            return None;
        }
        let mut row = String::new();
        for column in columns_of(self.filter) {
            let found = &self.relation.columns[usize::from(column.0)];
            let preset = self.presets.iter().find(|(preset, _)| *preset == column);
            let value = match preset {
                Some((_, preset)) => preset.clone(),
                None if self.partial.contains(&column) || found.generated => return None,
                None if self.columns.contains(&column) => given(column)?,
                None if found.has_default || found.identity_always.is_some() => return None,
                None => "NULL".to_owned(),
            };
            let comma = if row.is_empty() { "" } else { ", " };
            let kind = checked_type(found);
            let _ = write!(row, "{comma}CAST(({value}) AS {kind}) AS ");
            push_quoted(&mut row, &found.name);
        }
        Some(row)
    }

    /// 0, or an error of ours where the filter does not admit the row.
    pub(crate) fn raise(&self, row: Row<'_>) -> String {
        raise(self.filter, row, self.mark, self.relation)
    }

    /// What stands before and after the value that carries the check.
    fn guard(&self, values: &[Value]) -> Option<(String, Range<usize>, String)> {
        let row = self.row(|column| self.value(column, values))?;
        let mut given = self.columns.iter().zip(values);
        let (carrier, value) = given.find(|(column, value)| {
            let forced = self.presets.iter().any(|(preset, _)| preset == *column);
            // A part of a column (`tags[1]`) has another type than the column.
            let part = self.partial.contains(column);
            !forced && !part && value.kind != ValueKind::Default
        })?;
        let before = format!(
            "CASE WHEN (SELECT {} FROM (SELECT {row}) AS \"pgcordon_row\") OPERATOR(pg_catalog.=) 0 THEN ",
            self.raise(Row::Proposed)
        );
        let range = value.range.clone();
        Some(match value.kind {
            ValueKind::Untyped => {
                let after = format!(") AS {}) END", self.plain_type(*carrier));
                (format!("{before}CAST(("), range, after)
            }
            ValueKind::Typed | ValueKind::Default => {
                (format!("{before}("), range, ") END".to_owned())
            }
        })
    }

    /// The text of a column's proposed value, if it can stand a second time.
    fn value(&self, column: ColumnId, values: &[Value]) -> Option<String> {
        let index = self.columns.iter().position(|given| *given == column)?;
        let value = values.get(index)?;
        if value.kind == ValueKind::Default {
            return None;
        }
        copied(self.text, self.statement, &[], &value.range)
    }

    pub(crate) fn plain_type(&self, column: ColumnId) -> String {
        without_modifier(&self.relation.columns[usize::from(column.0)].type_sql)
    }
}

/// An expression of type integer that raises an error of ours unless the filter admits the row.
pub(crate) fn raise(filter: &Filter, row: Row<'_>, mark: &Mark, relation: &Relation) -> String {
    let mut test = String::new();
    row.filter(filter, &mut test);
    // Not known before the statement runs, so that it is not evaluated while planning.
    raising(&test, &mark.word(Kind::New, &relation.name), "pg_catalog.random()")
}

/// 0 where `test` is true, else an error that quotes `word`; `salt` is what keeps it from being evaluated early.
pub(crate) fn raising(test: &str, word: &str, salt: &str) -> String {
    format!("CASE WHEN {test} {}", raise_unless(word, salt))
}

/// What stands behind the condition of [`raising`].
pub(crate) fn raise_unless(word: &str, salt: &str) -> String {
    let word = literal(word);
    format!(
        "THEN 0 ELSE CAST(({word} OPERATOR(pg_catalog.||) \
         pg_catalog.\"left\"(CAST({salt} AS pg_catalog.text), 0)) AS pg_catalog.int4) END"
    )
}

/// A part of the client's text with the edits that do not depend on a decision and those of `references`; `None` where
/// it may not stand twice: it reads relations, or calls functions of users.
pub(crate) fn copied(
    text: &str,
    statement: &Statement,
    references: &[Edit],
    range: &Range<usize>,
) -> Option<String> {
    let inside = |other: &Range<usize>| range.start <= other.start && other.end <= range.end;
    let once = statement.accesses.iter().any(|access| inside(&access.range))
        || statement.calls.iter().any(|call| range.contains(&call.offset))
        || statement.names.iter().any(|offset| range.contains(offset))
        || statement.guards.iter().any(|guard| inside(&guard.range));
    let part = text.get(range.clone()).filter(|_| !once)?;
    let replaced = |edit: &Edit| {
        let (inner, at) = (&edit.range, !edit.range.is_empty());
        references
            .iter()
            .any(|outer| at && outer.range.start <= inner.start && inner.end <= outer.range.end)
    };
    let plain = statement.edits.iter().filter(|edit| !replaced(edit));
    let edits = references.iter().chain(plain).filter(|edit| inside(&edit.range));
    let moved = |offset: usize| offset - range.start;
    let edits = edits.map(|edit| Edit {
        range: moved(edit.range.start)..moved(edit.range.end),
        text: edit.text.clone(),
    });
    splice::apply(part, edits.collect()).ok().map(|spliced| spliced.text)
}

/// The type in which a check sees a value. An explicit cast to `varchar(3)` would cut what a write refuses.
pub(crate) fn checked_type(column: &pgcordon_sql::catalog::Column) -> String {
    const CUT: [&str; 4] = ["varchar", "bpchar", "bit", "varbit"];
    let plain = without_modifier(&column.type_sql);
    let name = plain.rsplit('.').next().unwrap_or_default();
    let name = name.trim_matches('"').trim_start_matches('_');
    if CUT.contains(&name) { plain } else { column.type_sql.clone() }
}

/// A type without its modifier.
pub(crate) fn without_modifier(type_sql: &str) -> String {
    let mut plain = String::new();
    let (mut quoted, mut depth) = (false, 0_u32);
    for character in type_sql.chars() {
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

/// The columns that a filter reads.
pub(crate) fn columns_of(filter: &Filter) -> BTreeSet<ColumnId> {
    let mut found = BTreeSet::new();
    collect(filter, &mut found);
    found
}

fn collect(filter: &Filter, into: &mut BTreeSet<ColumnId>) {
    match filter {
        Filter::All | Filter::Nothing => {}
        Filter::Test(expression) => into.extend(&expression.template.columns),
        Filter::Any(list) | Filter::Every(list) => {
            for part in list {
                collect(part, into);
            }
        }
    }
}

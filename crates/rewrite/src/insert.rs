//! Rewrites where an INSERT's rows come from: column list, forced values, and the check of each proposed row.
//!
//! ```sql
//! SELECT id, region FROM …  →  SELECT CASE WHEN check … THEN "pgcordon_row"."pgcordon_0" END, …
//!                              FROM (SELECT …, CAST(… AS text) AS "region" FROM (SELECT id, region FROM …) …) …
//! ```
//!
//! Invariants:
//! - A forced value stands in for whatever the client gives for that column.
//! - The client's query stands in a sub-select of its own, where no name of the policy's is in scope.

use std::fmt::Write as _;
use std::ops::Range;

use pgcordon_policy::{ColumnAccess, Decision, Filter};
use pgcordon_sql::analyze::{InsertSource, Through, ValueKind, ValueRow};
use pgcordon_sql::catalog::ColumnId;
use pgcordon_sql::splice::quoted;

use crate::Refusal;
use crate::plan::Plan;
use crate::propose::Proposal;
use crate::read::Row;
use crate::write::Writer;

/// A query whose rows are inserted.
struct Source<'s> {
    range: &'s Range<usize>,
    width: usize,
    /// Constants and parameters that take the type of their column.
    untyped: Vec<(usize, Range<usize>)>,
}

/// The columns that an INSERT fills.
pub(crate) struct Placed {
    /// Those that the client gives, in order.
    pub(crate) columns: Vec<ColumnId>,
    /// Forced values.
    pub(crate) presets: Vec<(ColumnId, String)>,
    /// Forced values of columns that the client does not give, each behind a comma.
    pub(crate) added: String,
}

impl Writer<'_> {
    /// Column list, forced values, checks of what is proposed. `made` is what every new row must satisfy.
    pub(crate) fn insert(
        &self,
        decision: &Decision,
        made: &Filter,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let Placed { columns, presets, added } = self.place_columns(decision, plan)?;
        let proposal = Proposal {
            text: self.text,
            mark: self.context.mark,
            statement: self.statement,
            relation: self.relation(),
            filter: made,
            columns: &columns,
            partial: &self.write.partial,
            presets: &presets,
        };
        match self.source()? {
            InsertSource::Defaults(range) => {
                if let Some(values) = added.strip_prefix(", ") {
                    plan.edit(range.clone(), format!("VALUES ({values})"));
                }
            }
            InsertSource::Values { range, rows } => match proposal.better_as_query(rows) {
                Some(row) => query(&proposal, &as_source(range, row), &added, plan),
                None => {
                    proposal.check(rows, plan);
                    forced_values(&proposal, rows, &added, plan);
                }
            },
            InsertSource::Query { range, width, untyped } => match width {
                // A constant for a part of a column would take the whole column's type.
                Some(_) if presets.is_empty() && !self.write.partial.is_empty() => {}
                Some(width) => {
                    let source = Source { range, width: *width, untyped: untyped.clone() };
                    query(&proposal, &source, &added, plan);
                }
                None if presets.is_empty() => {}
                None => return Err(unknown_width(range)),
            },
        }
        Ok(())
    }

    /// Finds out which columns are filled, and writes their list where the client's text does not say it.
    pub(crate) fn place_columns(
        &self,
        decision: &Decision,
        plan: &mut Plan,
    ) -> Result<Placed, Refusal> {
        let source = self.source()?;
        let plain = decision.columns.iter().all(|column| *column == ColumnAccess::Clear);
        let presets = self.presets(decision);
        let listed = self.write.column_list.is_some();
        let view = self.write.through.is_some();
        let as_given = presets.is_empty() && (plain && !view || listed);
        let columns: Vec<ColumnId> = match listed {
            true => self.write.columns.iter().map(|(id, _)| *id).collect(),
            false => self.implicit_columns(decision, source, as_given)?,
        };
        let missing: Vec<&(ColumnId, String)> =
            presets.iter().filter(|(column, _)| !columns.contains(column)).collect();
        if !as_given {
            self.column_list(&columns, &missing, plan);
        }
        let added: String = missing.iter().map(|(_, value)| format!(", {value}")).collect();
        Ok(Placed { columns, presets, added })
    }

    fn source(&self) -> Result<&InsertSource, Refusal> {
        let missing = || Refusal::Verification("an INSERT without a source".to_owned());
        self.write.source.as_ref().ok_or_else(missing)
    }

    fn presets(&self, decision: &Decision) -> Vec<(ColumnId, String)> {
        let presets = decision.presets.iter().map(|(column, expression)| {
            let mut text = String::new();
            expression.template.render("", &expression.values, &mut text);
            let type_sql = &self.relation().columns[usize::from(column.0)].type_sql;
            (*column, format!("CAST({text} AS {type_sql})"))
        });
        presets.collect()
    }

    /// The columns that an INSERT without a list fills: the first ones that the principal knows of.
    fn implicit_columns(
        &self,
        decision: &Decision,
        source: &InsertSource,
        as_given: bool,
    ) -> Result<Vec<ColumnId>, Refusal> {
        let known = decision
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| **column != ColumnAccess::Hidden);
        let mut known: Vec<ColumnId> =
            known.filter_map(|(index, _)| u16::try_from(index).ok().map(ColumnId)).collect();
        if let Some(through) = &self.write.through {
            known = self.view_targets(through, source)?;
        }
        let given = match source {
            InsertSource::Defaults(_) => 0,
            InsertSource::Values { rows, .. } => rows.first().map_or(0, |row| row.values.len()),
            InsertSource::Query { width: Some(width), .. } => *width,
            InsertSource::Query { width: None, .. } if as_given => 0,
            InsertSource::Query { range, width: None, .. } => return Err(unknown_width(range)),
        };
        let columns: Vec<ColumnId> = known.into_iter().take(given).collect();
        let placed: Vec<(ColumnId, usize)> =
            columns.iter().map(|column| (*column, self.access().range.start)).collect();
        self.writable(&placed, decision)?;
        Ok(columns)
    }

    /// The table's columns that the columns of a view are, as far as values are given.
    fn view_targets(
        &self,
        through: &Through,
        source: &InsertSource,
    ) -> Result<Vec<ColumnId>, Refusal> {
        let given = match source {
            InsertSource::Defaults(_) => 0,
            InsertSource::Values { rows, .. } => rows.first().map_or(0, |row| row.values.len()),
            InsertSource::Query { range, width, .. } => {
                width.ok_or_else(|| unknown_width(range))?
            }
        };
        let view = self.context.snapshot.relation(through.view);
        let columns = (0..).map(ColumnId).zip(&view.columns).take(given);
        let stored = columns.map(|(column, known)| {
            through.stored(column).ok_or_else(|| Refusal::NotUpdatable {
                command: "insert into",
                view: view.name.clone(),
                column: Some(known.name.clone()),
                offset: Some(self.access().range.start),
            })
        });
        stored.collect()
    }

    fn column_list(&self, columns: &[ColumnId], added: &[&(ColumnId, String)], plan: &mut Plan) {
        let name = |column: &ColumnId| quoted(&self.relation().columns[usize::from(column.0)].name);
        let extra = added.iter().map(|(column, _)| name(column));
        match (&self.write.column_list, self.write.column_list_at) {
            (Some(list), _) => {
                let text: String = extra.map(|name| format!(", {name}")).collect();
                plan.edit(list.end..list.end, text);
            }
            (None, Some(at)) => {
                let all: Vec<String> = columns.iter().map(name).chain(extra).collect();
                if !all.is_empty() {
                    plan.edit(at..at, format!(" ({})", all.join(", ")));
                }
            }
            (None, None) => {}
        }
    }
}

fn unknown_width(range: &Range<usize>) -> Refusal {
    let what = "INSERT from a query whose columns are not known here".to_owned();
    Refusal::Unsupported { what, offset: Some(range.start) }
}

fn as_source<'s>(range: &'s Range<usize>, row: &ValueRow) -> Source<'s> {
    let untyped = row.values.iter().enumerate();
    let untyped = untyped.filter(|(_, value)| value.kind == ValueKind::Untyped);
    let untyped = untyped.map(|(index, value)| (index, value.range.clone())).collect();
    Source { range, width: row.values.len(), untyped }
}

/// Forced values in rows of VALUES.
pub(crate) fn forced_values(
    proposal: &Proposal<'_>,
    rows: &[ValueRow],
    added: &str,
    plan: &mut Plan,
) {
    for row in rows {
        for (column, value) in proposal.presets {
            let index = proposal.columns.iter().position(|listed| listed == column);
            if let Some(given) = index.and_then(|index| row.values.get(index)) {
                plan.edit(given.range.clone(), value.clone());
            }
        }
        if !added.is_empty() {
            plan.edit(row.inside.end..row.inside.end, added.to_owned());
        }
    }
}

/// Wraps a query: each of its rows is checked before it is inserted, and forced values take their places.
fn query(proposal: &Proposal<'_>, source: &Source<'_>, added: &str, plan: &mut Plan) {
    let given = |column| {
        let index = proposal.columns.iter().position(|listed| *listed == column)?;
        (index < source.width).then(|| format!("\"pgcordon_source\".\"pgcordon_{index}\""))
    };
    let row = proposal.row(given);
    if (row.is_none() && proposal.presets.is_empty()) || (source.width == 0 && added.is_empty()) {
        return;
    }
    let mut items = String::new();
    for index in 0..source.width {
        let column = proposal.columns.get(index);
        let preset = proposal.presets.iter().find(|(preset, _)| Some(preset) == column);
        let value = match preset {
            Some((_, value)) => value.clone(),
            None => format!("\"pgcordon_row\".\"pgcordon_{index}\""),
        };
        let comma = if index == 0 { "" } else { ", " };
        let _ = match (index, &row) {
            (0, Some(_)) => {
                let raise = proposal.raise(Row::Proposed);
                write!(items, "CASE WHEN ({raise}) OPERATOR(pg_catalog.=) 0 THEN {value} END")
            }
            (_, _) => write!(items, "{comma}{value}"),
        };
    }
    // A query may have no columns at all: every column of the new row has its default then.
    let added = if items.is_empty() { added.trim_start_matches(", ") } else { added };
    let names: Vec<String> =
        (0..source.width).map(|index| format!("\"pgcordon_{index}\"")).collect();
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    let needed = row.filter(|row| !row.is_empty()).map(|row| format!(", {row}"));
    let start = source.range.start;
    let before = format!(
        "SELECT {items}{added} FROM (SELECT \"pgcordon_source\".*{} FROM (",
        needed.unwrap_or_default()
    );
    plan.edit(start..start, before);
    for (index, range) in &source.untyped {
        let Some(column) = proposal.columns.get(*index) else { continue };
        plan.edit(range.start..range.start, "CAST(".to_owned());
        plan.edit(range.end..range.end, format!(" AS {})", proposal.plain_type(*column)));
    }
    let end = source.range.end;
    let after = format!(") AS \"pgcordon_source\"{names}) AS \"pgcordon_row\"");
    plan.edit(end..end, after);
}

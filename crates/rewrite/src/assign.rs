//! Checks the row that an UPDATE makes, before any constraint sees it: the values assigned, else the row's own.
//!
//! ```sql
//! SET region = upper($1), note = 'x'  →
//! SET ("region", "note") = (SELECT CASE WHEN check … THEN "pgcordon_row"."pgcordon_0" END, "pgcordon_row"."pgcordon_1"
//!     FROM (SELECT "pgcordon_set".*, CAST("pgcordon_set"."pgcordon_0" AS text) AS "region", t."owner" AS "owner"
//!           FROM (SELECT (upper($1)) AS "pgcordon_0", CAST(('x') AS text) AS "pgcordon_1"
//!                 WHERE t.tableoid IS NOT NULL) AS "pgcordon_set") AS "pgcordon_row")
//! ```
//!
//! Invariants:
//! - Only an addition: where it cannot be written (DEFAULT, a part of a column, generated columns, triggers), the
//!   check in RETURNING remains.
//! - Each value stands where the client wrote it, once, in a sub-select where no name of ours is in scope.
//! - A value is computed for each row, as it is where SET says it plainly: the sub-select reads the target's row.

use std::fmt::Write as _;
use std::ops::Range;

use pgcordon_policy::Filter;
use pgcordon_sql::analyze::{Assigned, Assignment, Value, ValueKind};
use pgcordon_sql::catalog::ColumnId;
use pgcordon_sql::splice::quoted;

use crate::plan::Plan;
use crate::propose::{checked_type, columns_of, raise, without_modifier};
use crate::read::Row;
use crate::write::Writer;

/// Assignments that can share one sub-select.
enum Run<'a> {
    /// Neighbours with values written out.
    Values(&'a [Assignment]),
    /// `(a, b) = (SELECT …)`.
    Query(&'a Assignment, &'a Range<usize>),
}

impl Writer<'_> {
    /// Adds the check of the row that SET makes. `touched` is what the row satisfied before.
    pub(crate) fn propose_update(
        &self,
        assignments: &[Assignment],
        touched: &Filter,
        made: &Filter,
        plan: &mut Plan,
    ) {
        if *made == Filter::All || self.relation().rewrites_rows {
            return;
        }
        let needed = columns_of(made);
        let generated =
            |column: &ColumnId| self.relation().columns[usize::from(column.0)].generated;
        let assigned: Vec<ColumnId> = assignments
            .iter()
            .flat_map(|assignment| &assignment.columns)
            .map(|(column, _)| *column)
            .filter(|column| needed.contains(column))
            .collect();
        let kept = assigned.is_empty() && crate::read::both(touched, made) == *touched;
        if kept || needed.iter().any(generated) {
            return;
        }
        match runs(assignments).into_iter().find(|run| covers(run, &assigned)) {
            Some(Run::Values(list)) => self.wrap_values(list, made, plan),
            Some(Run::Query(assignment, query)) => {
                self.wrap_query(assignment, query, made, plan);
            }
            None => {}
        }
    }

    fn wrap_values(&self, list: &[Assignment], made: &Filter, plan: &mut Plan) {
        let mut header = String::new();
        let mut given: Vec<(ColumnId, &Value)> = Vec::new();
        for (column, value) in list.iter().flat_map(values) {
            match value.kind {
                ValueKind::Default => {
                    let _ = write!(header, "{} = DEFAULT, ", self.column_name(column));
                }
                ValueKind::Typed | ValueKind::Untyped => given.push((column, value)),
            }
        }
        let columns: Vec<ColumnId> = given.iter().map(|(column, _)| *column).collect();
        let _ = write!(header, "{} FROM (SELECT ", self.checked(&columns, made));
        let (Some(first), Some(last)) = (list.first(), list.last()) else { return };
        let mut at = first.range.start;
        let mut between = header;
        for (index, (column, value)) in given.into_iter().enumerate() {
            let open = match value.kind {
                ValueKind::Untyped => "CAST((",
                ValueKind::Typed | ValueKind::Default => "(",
            };
            plan.edit(at..value.range.start, format!("{between}{open}"));
            let mut close = String::from(")");
            if value.kind == ValueKind::Untyped {
                let type_sql = &self.relation().columns[usize::from(column.0)].type_sql;
                let _ = write!(close, " AS {})", without_modifier(type_sql));
            }
            between = format!("{close} AS \"pgcordon_{index}\", ");
            at = value.range.end;
        }
        let close = between.strip_suffix(", ").unwrap_or_default();
        // PostgreSQL runs a sub-select that reads nothing of the row only once, so every row would get the same value.
        let own = format!("{}.tableoid IS NOT NULL", quoted(&self.access().alias));
        let text = format!("{close} WHERE {own}) AS \"pgcordon_set\") AS \"pgcordon_row\")");
        plan.edit(at..last.range.end, text);
    }

    fn wrap_query(
        &self,
        assignment: &Assignment,
        query: &Range<usize>,
        made: &Filter,
        plan: &mut Plan,
    ) {
        let columns: Vec<ColumnId> = assignment.columns.iter().map(|(column, _)| *column).collect();
        let names: Vec<String> =
            (0..columns.len()).map(|index| format!("\"pgcordon_{index}\"")).collect();
        // Without a row of its own the columns become NULL: that is checked, too. The row that stands in for it has no
        // column, which a name of the client's could mean.
        let before = format!(
            "{} FROM (SELECT) AS \"pgcordon_one\" LEFT JOIN LATERAL ",
            self.checked(&columns, made)
        );
        plan.edit(assignment.range.start..query.start, before);
        let names = names.join(", ");
        let after = format!(" AS \"pgcordon_set\" ({names}) ON true) AS \"pgcordon_row\")");
        plan.edit(query.end..assignment.range.end, after);
    }

    /// `(columns) = (SELECT …, the first one with the check FROM (SELECT …` up to the FROM that gives the values.
    fn checked(&self, columns: &[ColumnId], made: &Filter) -> String {
        let names: Vec<String> = columns.iter().map(|column| self.column_name(*column)).collect();
        let mut text = format!("({}) = (SELECT ", names.join(", "));
        for index in 0..columns.len() {
            let value = format!("\"pgcordon_row\".\"pgcordon_{index}\"");
            let _ = if index == 0 {
                let raise = raise(made, Row::Proposed, self.context.mark, self.relation());
                write!(text, "CASE WHEN ({raise}) OPERATOR(pg_catalog.=) 0 THEN {value} END")
            } else {
                write!(text, ", {value}")
            };
        }
        text.push_str(" FROM (SELECT \"pgcordon_set\".*");
        for needed in columns_of(made) {
            let column = &self.relation().columns[usize::from(needed.0)];
            let name = quoted(&column.name);
            let assigned = columns.iter().position(|given| *given == needed);
            let _ = match assigned {
                Some(index) => write!(
                    text,
                    ", CAST(\"pgcordon_set\".\"pgcordon_{index}\" AS {}) AS {name}",
                    checked_type(column)
                ),
                None => write!(text, ", {}.{name} AS {name}", quoted(&self.access().alias)),
            };
        }
        text
    }

    fn column_name(&self, column: ColumnId) -> String {
        quoted(&self.relation().columns[usize::from(column.0)].name)
    }
}

/// Columns with their values; none where they are not written out.
fn values(assignment: &Assignment) -> Vec<(ColumnId, &Value)> {
    match &assignment.from {
        Assigned::Values(values) => {
            assignment.columns.iter().map(|(column, _)| *column).zip(values).collect()
        }
        Assigned::Query(_) | Assigned::Other => Vec::new(),
    }
}

fn runs(assignments: &[Assignment]) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut first = 0;
    for (index, assignment) in assignments.iter().enumerate() {
        match &assignment.from {
            Assigned::Values(_) => continue,
            Assigned::Query(query) => runs.push(Run::Query(assignment, query)),
            Assigned::Other => {}
        }
        runs.push(Run::Values(&assignments[first..index]));
        first = index + 1;
    }
    runs.push(Run::Values(&assignments[first..]));
    runs
}

/// Whether the run gives all of these columns, and something at all.
fn covers(run: &Run<'_>, assigned: &[ColumnId]) -> bool {
    match run {
        Run::Query(assignment, _) => assigned
            .iter()
            .all(|wanted| assignment.columns.iter().any(|(column, _)| column == wanted)),
        Run::Values(list) => {
            let given: Vec<ColumnId> = list
                .iter()
                .flat_map(values)
                .filter(|(_, value)| value.kind != ValueKind::Default)
                .map(|(column, _)| column)
                .collect();
            !given.is_empty() && assigned.iter().all(|wanted| given.contains(wanted))
        }
    }
}

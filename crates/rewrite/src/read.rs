//! Rewrites what is read: each relation becomes a sub-select that gives only the permitted rows and columns.
//!
//! ```sql
//! FROM orders o   →   FROM (SELECT "pgcordon_scan".* FROM "public"."orders" AS "pgcordon_scan" WHERE …) AS o
//! ```
//!
//! Invariants:
//! - A scan without filter and without changed columns is only qualified.
//! - A filtered scan that a condition reads which could raise an error is fenced with OFFSET 0: the planner cannot
//!   flatten it, so the condition never sees a row that the predicate has not admitted. Conjuncts that cannot raise
//!   are copied inside the fence.
//! - Under FOR UPDATE a fence would lock every permitted row: there the conjunct is wrapped in CASE instead.

use std::fmt::Write as _;

use pgcordon_policy::{Cell, ColumnAccess, Command, Decision, Expression, Filter};
use pgcordon_sql::analyze::{Access, GroupKey, Role, Scan, Statement, ViewBody};
use pgcordon_sql::catalog::{Relation, RelationKind};
use pgcordon_sql::splice::{self, push_quoted};

use crate::lens::PolicyLens;
use crate::plan::{Draft, Guard, Piece};
use crate::propose::columns_of;
use crate::{Context, Refusal};

/// The alias of every scan of ours; clients cannot use names that begin so.
pub(crate) const SCAN_ALIAS: &str = "\"pgcordon_scan\"";

/// How a row is named in an expression: by our own alias, or by one that the client chose.
#[derive(Clone, Copy)]
pub(crate) enum Row<'a> {
    /// [`SCAN_ALIAS`]: nothing can capture it.
    Ours,
    /// The client's alias of a write's target.
    Theirs(&'a str, &'a Relation),
    /// `"pgcordon_row"`: a row that INSERT proposes.
    Proposed,
}

/// The alias of a proposed row.
const PROPOSED_ALIAS: &str = "\"pgcordon_row\"";

impl Row<'_> {
    fn expression(self, expression: &Expression, into: &mut String) {
        match self {
            Self::Ours => expression.template.render(SCAN_ALIAS, &expression.values, into),
            Self::Proposed => expression.template.render(PROPOSED_ALIAS, &expression.values, into),
            Self::Theirs(alias, relation) => {
                expression.template.render_for(alias, relation, &expression.values, into);
            }
        }
    }

    /// `alias.column`
    pub(crate) fn column(self, name: &str, into: &mut String) {
        match self {
            Self::Ours => into.push_str(SCAN_ALIAS),
            Self::Proposed => into.push_str(PROPOSED_ALIAS),
            Self::Theirs(alias, _) => push_quoted(into, alias),
        }
        into.push('.');
        push_quoted(into, name);
    }

    /// Writes a filter as a condition in parentheses.
    pub(crate) fn filter(self, filter: &Filter, into: &mut String) {
        let (list, word) = match filter {
            Filter::All => return into.push_str("(true)"),
            Filter::Nothing => return into.push_str("(false)"),
            Filter::Test(expression) => return self.expression(expression, into),
            Filter::Any(list) => (list, " OR "),
            Filter::Every(list) => (list, " AND "),
        };
        into.push('(');
        for (index, part) in list.iter().enumerate() {
            if index > 0 {
                into.push_str(word);
            }
            self.filter(part, into);
        }
        into.push(')');
    }

    /// Writes what a principal sees in a column.
    pub(crate) fn cells(
        self,
        relation: &Relation,
        column: usize,
        cells: &[(Filter, Cell)],
        into: &mut String,
    ) {
        let column = &relation.columns[column];
        if let [(_, cell)] = cells {
            return self.cell(&column.name, &column.type_sql, cell, into);
        }
        into.push_str("CASE");
        for (filter, cell) in cells {
            match filter {
                Filter::All => into.push_str(" ELSE "),
                Filter::Nothing | Filter::Test(_) | Filter::Any(_) | Filter::Every(_) => {
                    into.push_str(" WHEN ");
                    self.filter(filter, into);
                    into.push_str(" THEN ");
                }
            }
            self.cell(&column.name, &column.type_sql, cell, into);
        }
        into.push_str(" END");
    }

    fn cell(self, name: &str, type_sql: &str, cell: &Cell, into: &mut String) {
        match cell {
            Cell::Clear => self.column(name, into),
            Cell::Masked(mask) => {
                into.push_str("CAST(");
                self.expression(mask, into);
                let _ = write!(into, " AS {type_sql})");
            }
            Cell::Null => {
                let _ = write!(into, "CAST(NULL AS {type_sql})");
            }
        }
    }
}

/// Whether every column is seen as it is.
pub(crate) fn all_clear(decision: &Decision) -> bool {
    decision.columns.iter().all(|column| *column == ColumnAccess::Clear)
}

/// Both filters; what one already demands is not said twice.
pub(crate) fn both(left: &Filter, right: &Filter) -> Filter {
    let mut parts: Vec<&Filter> = Vec::new();
    for filter in [left, right] {
        let list = match filter {
            Filter::All => continue,
            Filter::Every(list) => list.as_slice(),
            Filter::Nothing | Filter::Test(_) | Filter::Any(_) => std::slice::from_ref(filter),
        };
        for part in list {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
    }
    match parts.as_slice() {
        [] => Filter::All,
        [only] => (*only).clone(),
        several => Filter::Every(several.iter().map(|part| (*part).clone()).collect()),
    }
}

/// A relation of which only some rows or columns are read.
struct Filtered<'a> {
    relation: &'a Relation,
    decision: &'a Decision,
    filter: &'a Filter,
    only: bool,
    /// TABLESAMPLE, as the client wrote it.
    sample: Option<&'a str>,
    /// System columns and the row, as far as they are asked for: items of the select list.
    system: &'a [String],
    /// No row may leave it before the filter admits it.
    fenced: bool,
    /// May be scanned many times: sub-selects of the filter are kept out of the join order.
    correlated: bool,
    /// Conditions of the client's that cannot raise, over our alias; only inside a fence.
    conjuncts: &'a [String],
}

/// Writes scans for one text.
pub(crate) struct Reader<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) lens: &'a PolicyLens<'a>,
    pub(crate) text: &'a str,
}

impl Reader<'_> {
    /// The edit for an item of FROM; `None` for a write's target.
    fn scan(
        &self,
        access: &Access,
        index: usize,
        statement: &Statement,
    ) -> Result<Vec<Piece>, Refusal> {
        let Role::Scan(scan) = &access.role else { return Ok(Vec::new()) };
        let mut draft = match &scan.view {
            Some(body) => self.view(access, body, scan.locked)?,
            None => self.relation(access, scan, index, statement)?,
        };
        let replaced = draft.text.starts_with('(');
        if scan.command {
            let mut query = Draft::default();
            query.push("SELECT * FROM ");
            query.append(draft);
            draft = query;
        }
        if replaced && !access.aliased {
            draft.push(" AS ");
            draft.push(&splice::quoted(&access.alias));
        }
        let mut pieces = Vec::with_capacity(1);
        if let (true, Some(sample)) = (replaced, &scan.sample) {
            if scan.view.is_some() {
                let what = "TABLESAMPLE of a view".to_owned();
                return Err(Refusal::Unsupported { what, offset: Some(sample.start) });
            }
            pieces.push(Piece {
                edit: splice::Edit { range: sample.clone(), text: String::new() },
                marks: Vec::new(),
            });
        }
        pieces.push(Piece {
            edit: splice::Edit { range: access.range.clone(), text: draft.text },
            marks: draft.marks,
        });
        Ok(pieces)
    }

    /// A relation with its rows and columns filtered, or just its qualified name.
    fn relation(
        &self,
        access: &Access,
        scan: &Scan,
        index: usize,
        statement: &Statement,
    ) -> Result<Draft, Refusal> {
        let relation = self.context.snapshot.relation(access.relation);
        let answer = self.lens.granted(access.relation, Command::Select)?;
        let Ok(decision) = &*answer else { return Err(missing(relation)) };
        let filter = self.rows(access, scan.locked)?;
        let mut draft = Draft::default();
        if filter == Filter::All && all_clear(decision) {
            if access.only {
                draft.push("ONLY ");
            }
            draft.relation(relation, Guard::Free);
            return Ok(draft);
        }
        let sample = scan.sample.as_ref().and_then(|range| self.text.get(range.clone()));
        let only = access.only;
        let (fenced, correlated) = (access.fenced && !scan.locked, access.correlated);
        let (filter, conjuncts) = (&filter, &self.conjuncts(statement, index)?);
        let system = &system_columns(access, index, statement);
        let found = Filtered {
            relation,
            decision,
            filter,
            only,
            sample,
            system,
            fenced,
            correlated,
            conjuncts,
        };
        Ok(filtered(&found))
    }

    /// The rows of a relation that may be read, and under FOR UPDATE locked.
    fn rows(&self, access: &Access, locked: bool) -> Result<Filter, Refusal> {
        let relation = self.context.snapshot.relation(access.relation);
        let answer = self.lens.granted(access.relation, Command::Select)?;
        let Ok(decision) = &*answer else { return Err(missing(relation)) };
        if !locked {
            return Ok(decision.using.clone());
        }
        match &*self.lens.granted(access.relation, Command::Update)? {
            Ok(update) => Ok(both(&decision.using, &update.using)),
            Err(_) => Err(missing(relation)),
        }
    }

    /// The client's conjuncts that cannot raise, spelled for a scan of ours.
    fn conjuncts(&self, statement: &Statement, index: usize) -> Result<Vec<String>, Refusal> {
        let access = &statement.accesses[index];
        let columns = &self.context.snapshot.relation(access.relation).columns;
        let mine = statement.conjuncts.iter().filter(|conjunct| conjunct.access == index);
        mine.map(|conjunct| {
            let mut edits: Vec<splice::Edit> = Vec::with_capacity(conjunct.columns.len());
            let base = conjunct.range.start;
            let shifted = |range: &std::ops::Range<usize>| range.start - base..range.end - base;
            for (range, column) in &conjunct.columns {
                let mut text = String::new();
                Row::Ours.column(&columns[usize::from(column.0)].name, &mut text);
                edits.push(splice::Edit { range: shifted(range), text });
            }
            for edit in &statement.edits {
                let inside = base <= edit.range.start && edit.range.end <= conjunct.range.end;
                let respelled = |(range, _): &(std::ops::Range<usize>, _)| {
                    range.start <= edit.range.start && edit.range.end <= range.end
                };
                if inside && !conjunct.columns.iter().any(respelled) {
                    edits.push(splice::Edit {
                        range: shifted(&edit.range),
                        text: edit.text.clone(),
                    });
                }
            }
            let text = self.text.get(conjunct.range.clone()).unwrap_or_default();
            let spliced = splice::apply(text, edits);
            spliced
                .map(|spliced| spliced.text)
                .map_err(|error| Refusal::Verification(error.to_string()))
        })
        .collect()
    }

    /// Under FOR UPDATE: conjuncts that could raise wait for the predicates of the relations that they read.
    pub(crate) fn locked_conjuncts(
        &self,
        statement: &Statement,
        locked: bool,
    ) -> Result<Vec<Piece>, Refusal> {
        let mut pieces = Vec::new();
        let insert = |at: usize, text: String| Piece {
            edit: splice::Edit { range: at..at, text },
            marks: Vec::new(),
        };
        for conjunct in &statement.unsafe_conjuncts {
            let mut test = String::new();
            for index in conjunct.direct.iter().chain(&conjunct.derived) {
                let access = &statement.accesses[*index];
                let Role::Scan(scan) = &access.role else { continue };
                if !scan.locked && !locked {
                    continue;
                }
                let Some(filter) = self.locked_rows(access, scan)? else { continue };
                let offset = Some(access.range.start);
                if conjunct.range.is_none() || !conjunct.direct.contains(index) {
                    let what = "FOR UPDATE with a condition here that could raise an error";
                    return Err(Refusal::Unsupported { what: what.to_owned(), offset });
                }
                let relation = self.context.snapshot.relation(access.relation);
                test.push_str(if test.is_empty() { "" } else { " AND " });
                Row::Theirs(&access.alias, relation).filter(&filter, &mut test);
            }
            if let (false, Some(range)) = (test.is_empty(), &conjunct.range) {
                pieces.push(insert(range.start, format!("CASE WHEN {test} THEN (")));
                pieces.push(insert(range.end, ") END".to_owned()));
            }
        }
        Ok(pieces)
    }

    /// The predicate of a locked relation, if it has one; all that it reads must be seen through the scan.
    fn locked_rows(&self, access: &Access, scan: &Scan) -> Result<Option<Filter>, Refusal> {
        let offset = Some(access.range.start);
        if scan.view.is_some() {
            let what = "FOR UPDATE of a view with a condition that could raise an error".to_owned();
            return Err(Refusal::Unsupported { what, offset });
        }
        let filter = self.rows(access, true)?;
        if filter == Filter::All {
            return Ok(None);
        }
        let relation = self.context.snapshot.relation(access.relation);
        let answer = self.lens.granted(access.relation, Command::Select)?;
        let Ok(decision) = &*answer else { return Err(missing(relation)) };
        let read = columns_of(&filter);
        let clear = |column: &pgcordon_sql::catalog::ColumnId| {
            decision.columns[usize::from(column.0)] == ColumnAccess::Clear
        };
        if read.iter().all(clear) {
            return Ok(Some(filter));
        }
        let what = "FOR UPDATE with a condition that could raise an error, of a relation whose rule reads hidden columns";
        Err(Refusal::Unsupported { what: what.to_owned(), offset })
    }

    /// A view without rules: its definition, rewritten for the reader.
    ///
    /// A view with a security barrier runs its own condition before the reader's as any other does: one that could
    /// raise is fenced.
    fn view(&self, access: &Access, body: &ViewBody, locked: bool) -> Result<Draft, Refusal> {
        let inner = Reader { text: &body.text, ..*self };
        let pieces = inner.definition(&body.statement, locked)?;
        let mut draft = Draft::default();
        let fenced = access.fenced && !locked;
        draft.push(if fenced { "(SELECT * FROM (" } else { "(" });
        draft.append(carry_out(&body.text, pieces)?);
        draft.push(if fenced { ") AS \"pgcordon_view\" OFFSET 0)" } else { ")" });
        Ok(draft)
    }

    /// The edits for a view's definition.
    pub(crate) fn definition(
        &self,
        statement: &Statement,
        locked: bool,
    ) -> Result<Vec<Piece>, Refusal> {
        let mut pieces = self.scans(statement, locked)?;
        pieces.extend(self.locked_conjuncts(statement, locked)?);
        pieces.extend(self.guards(statement));
        pieces.extend(statement.names.iter().map(|at| common_table(*at)));
        let plain = statement.edits.iter();
        pieces.extend(plain.map(|edit| Piece { edit: edit.clone(), marks: Vec::new() }));
        Ok(pieces)
    }

    /// The edits for every scan of a statement.
    pub(crate) fn scans(&self, statement: &Statement, locked: bool) -> Result<Vec<Piece>, Refusal> {
        let mut pieces = Vec::with_capacity(statement.accesses.len());
        for key in &statement.group_keys {
            pieces.extend(self.group_key(&statement.accesses[key.access], key)?);
        }
        for (index, access) in statement.accesses.iter().enumerate() {
            match (&access.role, locked) {
                (Role::Scan(scan), true) => {
                    let role = Role::Scan(Scan { locked: true, ..scan.clone() });
                    pieces.extend(self.scan(
                        &Access { role, ..access.clone() },
                        index,
                        statement,
                    )?);
                }
                (Role::Scan(_), false) | (Role::Target | Role::Object, _) => {
                    pieces.extend(self.scan(access, index, statement)?)
                }
            }
        }
        Ok(pieces)
    }

    /// GROUP BY a primary key: the other columns are grouped by as well, since they depend on it.
    fn group_key(&self, access: &Access, key: &GroupKey) -> Result<Option<Piece>, Refusal> {
        let relation = self.context.snapshot.relation(access.relation);
        let answer = self.lens.granted(access.relation, Command::Select)?;
        let Ok(decision) = &*answer else { return Err(missing(relation)) };
        if decision.using == Filter::All && all_clear(decision) {
            return Ok(None);
        }
        let mut text = String::new();
        for (index, column) in relation.columns.iter().enumerate() {
            let grouped = key.columns.iter().any(|known| usize::from(known.0) == index);
            let comparable = self.context.snapshot.is_groupable(column.type_oid);
            if !grouped && comparable && visible(&decision.columns[index]) {
                text.push_str(", ");
                push_quoted(&mut text, &access.alias);
                text.push('.');
                push_quoted(&mut text, &column.name);
            }
        }
        let edit = splice::Edit { range: key.at..key.at, text };
        Ok(Some(Piece { edit, marks: Vec::new() }))
    }

    /// The edits for what would tell of an object in the catalog.
    pub(crate) fn guards(&self, statement: &Statement) -> Vec<Piece> {
        if statement.guards.is_empty() {
            return Vec::new();
        }
        crate::catalog::guards(statement, &self.lens.visible())
    }

    /// COPY relation TO: the query that gives the same rows.
    pub(crate) fn copied(
        &self,
        access: &Access,
        asked: Option<&[pgcordon_sql::catalog::ColumnId]>,
    ) -> Result<Draft, Refusal> {
        let relation = self.context.snapshot.relation(access.relation);
        let answer = self.lens.granted(access.relation, Command::Select)?;
        let Ok(decision) = &*answer else { return Err(missing(relation)) };
        let only = relation.kind != RelationKind::PartitionedTable;
        let filter = &decision.using;
        let inner = filtered(&Filtered {
            relation,
            decision,
            filter,
            only,
            sample: None,
            system: &[],
            fenced: false,
            correlated: false,
            conjuncts: &[],
        });
        let mut draft = Draft::default();
        draft.push("(SELECT ");
        let listed: Vec<usize> = match asked {
            Some(columns) => columns.iter().map(|column| usize::from(column.0)).collect(),
            None => (0..relation.columns.len())
                .filter(|index| {
                    visible(&decision.columns[*index]) && !relation.columns[*index].generated
                })
                .collect(),
        };
        for (index, column) in listed.into_iter().enumerate() {
            if index > 0 {
                draft.push(", ");
            }
            push_quoted(&mut draft.text, &relation.columns[column].name);
        }
        draft.push(" FROM ");
        draft.append(inner);
        draft.push(" AS \"pgcordon_copy\")");
        Ok(draft)
    }
}

/// What the statement asks of a relation besides its columns, each once: system columns, and the row as a column that
/// is named as the item is.
fn system_columns(access: &Access, index: usize, statement: &Statement) -> Vec<String> {
    let uses = statement.system_uses.iter().filter(|used| used.access == index);
    let mut names: Vec<String> = uses.map(|used| format!("{SCAN_ALIAS}.{}", used.name)).collect();
    names.sort_unstable();
    names.dedup();
    if statement.whole_rows.contains(&index) {
        names.push(format!("{SCAN_ALIAS} AS {}", splice::quoted(&access.alias)));
    }
    names
}

/// Marks the name of a CTE in a view's definition.
fn common_table(at: usize) -> Piece {
    let mark =
        crate::plan::Mark { offset: 0, schema: String::new(), name: None, guard: Guard::Name };
    Piece { edit: splice::Edit { range: at..at, text: String::new() }, marks: vec![mark] }
}

fn has_subquery(filter: &Filter) -> bool {
    match filter {
        Filter::All | Filter::Nothing => false,
        Filter::Test(expression) => expression.template.has_subquery,
        Filter::Any(list) | Filter::Every(list) => list.iter().any(has_subquery),
    }
}

fn filtered(scan: &Filtered<'_>) -> Draft {
    let mut draft = Draft::default();
    draft.push("(SELECT ");
    columns(scan.relation, scan.decision, &mut draft.text);
    for (index, name) in scan.system.iter().enumerate() {
        // A relation may have no column that is seen.
        let first = index == 0 && draft.text.ends_with("SELECT ");
        let _ = write!(draft.text, "{}{name}", if first { "" } else { ", " });
    }
    draft.push(if scan.only { " FROM ONLY " } else { " FROM " });
    draft.relation(scan.relation, Guard::Scan { condition: *scan.filter != Filter::All });
    draft.push(" AS ");
    draft.push(SCAN_ALIAS);
    if let Some(sample) = scan.sample {
        draft.push(" ");
        draft.push(sample);
    }
    if *scan.filter != Filter::All {
        draft.push(" WHERE ");
        Row::Ours.filter(scan.filter, &mut draft.text);
        if scan.correlated && has_subquery(scan.filter) {
            // PostgreSQL makes a join of `IN (SELECT …)` at the top of WHERE, and runs it anew for each row outside; behind
            // IS TRUE it stays a sub-plan, hashed once, as in a policy of native row security.
            draft.push(" IS TRUE");
        }
        if scan.fenced {
            for conjunct in scan.conjuncts {
                draft.push(" AND (");
                draft.push(conjunct);
                // A comment up to the end of the line would swallow the parenthesis.
                draft.push("\n)");
            }
            draft.push(" OFFSET 0");
        }
    }
    draft.push(")");
    draft
}

fn visible(column: &ColumnAccess) -> bool {
    match column {
        ColumnAccess::Clear | ColumnAccess::Cells(_) => true,
        ColumnAccess::Hidden | ColumnAccess::Denied => false,
    }
}

/// The select list of a scan.
fn columns(relation: &Relation, decision: &Decision, into: &mut String) {
    if all_clear(decision) {
        into.push_str(SCAN_ALIAS);
        into.push_str(".*");
        return;
    }
    let mut first = true;
    for (index, column) in decision.columns.iter().enumerate() {
        if !visible(column) {
            continue;
        }
        if !std::mem::take(&mut first) {
            into.push_str(", ");
        }
        let name = &relation.columns[index].name;
        match column {
            ColumnAccess::Clear | ColumnAccess::Hidden | ColumnAccess::Denied => {
                Row::Ours.column(name, into);
            }
            ColumnAccess::Cells(cells) => {
                Row::Ours.cells(relation, index, cells, into);
                into.push_str(" AS ");
                push_quoted(into, name);
            }
        }
    }
}

pub(crate) fn missing(relation: &Relation) -> Refusal {
    Refusal::UnknownRelation { name: relation.name.clone(), offset: None }
}

/// Applies edits to a text of ours and keeps their marks.
pub(crate) fn carry_out(text: &str, pieces: Vec<Piece>) -> Result<Draft, Refusal> {
    let (spliced, marks) = place(text, pieces)?;
    Ok(Draft { text: spliced.text, marks })
}

/// Applies pieces; gives the new text and every mark at its offset in it.
pub(crate) fn place(
    text: &str,
    mut pieces: Vec<Piece>,
) -> Result<(splice::Spliced, Vec<crate::plan::Mark>), Refusal> {
    pieces.sort_by_key(|piece| (piece.edit.range.start, piece.edit.range.end));
    let edits = pieces.iter().map(|piece| piece.edit.clone()).collect();
    let spliced =
        splice::apply(text, edits).map_err(|error| Refusal::Verification(error.to_string()))?;
    let mut marks = Vec::new();
    for (piece, (_, moved)) in pieces.into_iter().zip(&spliced.moved) {
        for mark in piece.marks {
            marks.push(crate::plan::Mark { offset: mark.offset + moved.start, ..mark });
        }
    }
    Ok((spliced, marks))
}

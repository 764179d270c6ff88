//! Rewrites what is written: USING on the rows touched, WITH CHECK on the rows made.
//!
//! The check stands in RETURNING, on the row as stored, after defaults and triggers: an item that raises when the
//! check is not true undoes the statement. The relay drops that item from the answer.
//!
//! | command | rows touched                                   | rows made                                  |
//! |---------|------------------------------------------------|--------------------------------------------|
//! | INSERT  | ON CONFLICT: `using` of update, else it raises | `check`, and `rows` of select if it returns |
//! | UPDATE  | `using`, and `rows` of select if it reads      | `check`, and `rows` of select if it reads  |
//! | DELETE  | `using`, and `rows` of select if it reads      | -                                          |
//!
//! As `rowsecurity.c` has it: a statement that reads columns of its target needs SELECT too.

use std::fmt::Write as _;
use std::ops::Range;

use pgcordon_policy::{ColumnAccess, Command, Decision, Filter};
use pgcordon_sql::analyze::{
    Conflict, InsertSource, Statement, TargetPart, TargetUse, Within, Write, WriteKind,
};
use pgcordon_sql::catalog::{ColumnId, Relation};
use pgcordon_sql::splice::{literal, push_quoted, quoted};

use crate::lens::{PolicyLens, command};
use crate::plan::{Draft, Guard, Mark, Plan};
use crate::propose::Proposal;
use crate::read::{Row, both};
use crate::{Context, Refusal};

/// The name of the item that checks a row.
pub(crate) const CHECK_NAME: &str = "pgcordon_check";

/// Writes the edits of one INSERT, UPDATE or DELETE.
pub(crate) struct Writer<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) lens: &'a PolicyLens<'a>,
    pub(crate) text: &'a str,
    pub(crate) statement: &'a Statement,
    pub(crate) write: &'a Write,
    /// Which write of the statement: numbers our wrapper CTEs.
    pub(crate) index: usize,
}

impl<'a> Writer<'a> {
    /// Adds the write's edits to the plan; says whether a check was added.
    pub(crate) fn edits(&self, plan: &mut Plan) -> Result<bool, Refusal> {
        let relation = self.relation();
        let kind = self.write.kind;
        let granted = self.lens.granted(self.access().relation, command(kind))?;
        let Ok(decision) = &*granted else { return Err(crate::read::missing(relation)) };
        let reads = self.reads()?;
        self.writable(&self.write.columns, decision)?;
        let (check, guard) = match kind {
            WriteKind::Insert => {
                self.insert(decision, plan)?;
                let check = self.insert_check(decision, &reads, plan)?;
                let guard = Guard::Inserted { check: check.is_some() };
                (check, guard)
            }
            WriteKind::Update | WriteKind::Delete => {
                let using = both(&decision.using, &reads);
                let and_in = self.condition(&using, plan);
                let check = (kind == WriteKind::Update)
                    .then(|| both(&decision.check, &reads))
                    .and_then(|filter| self.check_item(&filter));
                let condition = using != Filter::All || self.write.condition.is_some();
                (check.clone(), Guard::Changed { and_in, condition, check: check.is_some() })
            }
        };
        self.target(guard, plan);
        self.references(plan)?;
        if let Some(check) = &check {
            self.returning(check, plan)?;
        }
        Ok(check.is_some())
    }

    fn access(&self) -> &'a pgcordon_sql::analyze::Access {
        &self.statement.accesses[self.write.access]
    }

    fn relation(&self) -> &'a Relation {
        self.context.snapshot.relation(self.access().relation)
    }

    fn row(&self) -> Row<'a> {
        Row::Theirs(&self.access().alias, self.relation())
    }

    /// `rows` of select, if the statement reads its target.
    fn reads(&self) -> Result<Filter, Refusal> {
        if !self.write.reads_target {
            return Ok(Filter::All);
        }
        let granted = self.lens.granted(self.access().relation, Command::Select)?;
        match &*granted {
            Ok(decision) => Ok(decision.using.clone()),
            Err(_) => Err(crate::read::missing(self.relation())),
        }
    }

    /// A column that some rule hides, masks or denies cannot be written.
    fn writable(&self, columns: &[(ColumnId, usize)], decision: &Decision) -> Result<(), Refusal> {
        for (column, offset) in columns {
            let index = usize::from(column.0);
            let name = self.relation().columns[index].name.clone();
            let offset = Some(*offset);
            match decision.columns[index] {
                ColumnAccess::Clear => {}
                ColumnAccess::Hidden => return Err(Refusal::UnknownColumn { name, offset }),
                ColumnAccess::Denied | ColumnAccess::Cells(_) => {
                    return Err(Refusal::ColumnDenied { name, offset });
                }
            }
        }
        Ok(())
    }

    fn target(&self, guard: Guard, plan: &mut Plan) {
        let access = self.access();
        let mut draft = Draft::default();
        if access.only {
            draft.push("ONLY ");
        }
        draft.relation(self.relation(), guard);
        plan.mark(access.range.clone(), draft.text, draft.marks);
    }

    /// Adds the predicate to WHERE; gives the piece in which a new top-level AND stands.
    fn condition(&self, using: &Filter, plan: &mut Plan) -> Option<usize> {
        if *using == Filter::All {
            return None;
        }
        let mut predicate = String::new();
        self.row().filter(using, &mut predicate);
        let Some(range) = &self.write.condition else {
            let at = self.write.condition_at;
            plan.edit(at..at, format!(" WHERE {predicate}"));
            return None;
        };
        let (before, after) = if self.statement.calm {
            (format!("{predicate} AND ("), ")".to_owned())
        } else {
            (format!("{predicate} AND CASE WHEN {predicate} THEN ("), ") END".to_owned())
        };
        let piece = plan.edit(range.start..range.start, before);
        plan.edit(range.end..range.end, after);
        Some(piece)
    }

    /// An expression of type integer that raises an error of ours unless the filter admits the row.
    fn raise(&self, filter: &Filter) -> String {
        let mut text = String::from("CASE WHEN ");
        self.row().filter(filter, &mut text);
        let word = literal(&format!("{}:{};", self.context.mark.word(), self.relation().name));
        let alias = quoted(&self.access().alias);
        // Depends on the row, so that it is not evaluated while planning.
        let _ = write!(
            text,
            " THEN 0 ELSE CAST(({word} OPERATOR(pg_catalog.||) \
             pg_catalog.\"left\"(CAST({alias}.tableoid AS pg_catalog.text), 0)) AS pg_catalog.int4) END"
        );
        text
    }

    fn check_item(&self, filter: &Filter) -> Option<String> {
        if *filter == Filter::All {
            return None;
        }
        Some(format!("{} AS \"{CHECK_NAME}\"", self.raise(filter)))
    }

    /// The check of an INSERT; one with ON CONFLICT DO UPDATE checks rows it made and rows it changed apart.
    fn insert_check(
        &self,
        decision: &Decision,
        reads: &Filter,
        plan: &mut Plan,
    ) -> Result<Option<String>, Refusal> {
        let made = both(&decision.check, reads);
        let Some(Conflict::Update { columns, condition, at }) = &self.write.conflict else {
            return Ok(self.check_item(&made));
        };
        let granted = self.lens.granted(self.access().relation, Command::Update)?;
        let Ok(update) = &*granted else { return Err(crate::read::missing(self.relation())) };
        self.writable(columns, update)?;
        let select = self.lens.granted(self.access().relation, Command::Select)?;
        let Ok(select) = &*select else { return Err(crate::read::missing(self.relation())) };
        let touched = both(&update.using, &select.using);
        self.conflict_condition(&touched, condition.as_ref(), *at, plan);
        let changed = both(&update.check, &select.using);
        if made == changed {
            return Ok(self.check_item(&made));
        }
        // A row that was updated carries this transaction in xmax; one that was inserted carries none.
        let alias = quoted(&self.access().alias);
        Ok(Some(format!(
            "CASE WHEN {alias}.xmax OPERATOR(pg_catalog.=) 0 THEN {} ELSE {} END AS \"{CHECK_NAME}\"",
            self.raise(&made),
            self.raise(&changed)
        )))
    }

    /// A conflicting row that may not be updated raises instead of being skipped.
    fn conflict_condition(
        &self,
        touched: &Filter,
        condition: Option<&Range<usize>>,
        at: usize,
        plan: &mut Plan,
    ) {
        if *touched == Filter::All {
            return;
        }
        let raise = self.raise(touched);
        let guard = format!("CASE WHEN ({raise}) OPERATOR(pg_catalog.=) 0 THEN ");
        match condition {
            Some(range) => {
                plan.edit(range.start..range.start, format!("{guard}("));
                plan.edit(range.end..range.end, ") END".to_owned());
            }
            None => {
                plan.edit(at..at, format!(" WHERE {guard}true END"));
            }
        }
    }

    /// Column list and presets.
    fn insert(&self, decision: &Decision, plan: &mut Plan) -> Result<(), Refusal> {
        let Some(source) = &self.write.source else {
            return Err(Refusal::Verification("an INSERT without a source".to_owned()));
        };
        let plain = decision.columns.iter().all(|column| *column == ColumnAccess::Clear);
        let presets = self.presets(decision);
        let listed = self.write.column_list.is_some();
        let mut columns: Vec<ColumnId> = self.write.columns.iter().map(|(id, _)| *id).collect();
        let as_given = presets.is_empty() && (plain || listed);
        match source {
            InsertSource::Query(_) if as_given => {}
            _ if !listed => columns = self.implicit_columns(decision, source)?,
            InsertSource::Defaults(_) | InsertSource::Values(_) | InsertSource::Query(_) => {}
        }
        let proposal = Proposal {
            text: self.text,
            mark: self.context.mark,
            statement: self.statement,
            relation: self.relation(),
            decision,
            columns: &columns,
            presets: &presets,
        };
        proposal.check(source, plan);
        if as_given {
            return Ok(());
        }
        let missing: Vec<&(ColumnId, String)> =
            presets.iter().filter(|(column, _)| !columns.contains(column)).collect();
        self.column_list(&columns, &missing, plan);
        self.forced_values(source, &columns, &presets, &missing, plan)
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
    ) -> Result<Vec<ColumnId>, Refusal> {
        let known = decision
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| **column != ColumnAccess::Hidden);
        let known: Vec<ColumnId> =
            known.filter_map(|(index, _)| u16::try_from(index).ok().map(ColumnId)).collect();
        let given = match source {
            InsertSource::Defaults(_) => 0,
            InsertSource::Values(rows) => rows.first().map_or(0, |(_, values)| values.len()),
            InsertSource::Query(range) => {
                let what = "INSERT … SELECT without a column list here".to_owned();
                return Err(Refusal::Unsupported { what, offset: Some(range.start) });
            }
        };
        let columns: Vec<ColumnId> = known.into_iter().take(given).collect();
        let placed: Vec<(ColumnId, usize)> =
            columns.iter().map(|column| (*column, self.access().range.start)).collect();
        self.writable(&placed, decision)?;
        Ok(columns)
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

    fn forced_values(
        &self,
        source: &InsertSource,
        columns: &[ColumnId],
        presets: &[(ColumnId, String)],
        missing: &[&(ColumnId, String)],
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let added: String = missing.iter().map(|(_, value)| format!(", {value}")).collect();
        match source {
            InsertSource::Defaults(range) => {
                if let Some(values) = added.strip_prefix(", ") {
                    plan.edit(range.clone(), format!("VALUES ({values})"));
                }
            }
            InsertSource::Values(rows) => {
                for (inside, values) in rows {
                    for (column, value) in presets {
                        let index = columns.iter().position(|listed| listed == column);
                        if let Some(range) = index.and_then(|index| values.get(index)) {
                            plan.edit(range.clone(), value.clone());
                        }
                    }
                    plan.edit(inside.end..inside.end, added.clone());
                }
            }
            InsertSource::Query(range) => {
                let given = presets.iter().find(|(column, _)| columns.contains(column));
                if let Some((column, _)) = given {
                    let name = self.relation().columns[usize::from(column.0)].name.clone();
                    return Err(Refusal::ColumnDenied { name, offset: Some(range.start) });
                }
                let before = format!("SELECT \"pgcordon_source\".*{added} FROM (");
                plan.edit(range.start..range.start, before);
                plan.edit(range.end..range.end, ") AS \"pgcordon_source\"".to_owned());
            }
        }
        Ok(())
    }

    /// Adds the check to RETURNING. Inside WITH the client's columns must stay as they are: a CTE of ours takes the
    /// write, and the client's CTE reads from it.
    fn returning(&self, check: &str, plan: &mut Plan) -> Result<(), Refusal> {
        let end = self.write.range.end;
        if !self.write.has_returning {
            plan.edit(end..end, format!(" RETURNING {check}"));
            return Ok(());
        }
        let Some(within) = &self.write.within else {
            plan.edit(end..end, format!(", {check}"));
            return Ok(());
        };
        self.wrap(within, check, plan)
    }

    fn wrap(&self, within: &Within, check: &str, plan: &mut Plan) -> Result<(), Refusal> {
        let wrapper = format!("pgcordon_write_{}", self.index);
        let quoted_wrapper = quoted(&wrapper);
        let mut columns = String::new();
        let mut select = String::new();
        for (index, name) in within.output_names.iter().enumerate() {
            let _ = write!(columns, "\"c{index}\", ");
            let comma = if index == 0 { "" } else { ", " };
            let _ = write!(select, "{comma}\"c{index}\" AS ");
            push_quoted(&mut select, name);
        }
        let (start, end) = (self.write.range.start, self.write.range.end);
        let header = format!("{quoted_wrapper} ({columns}\"{CHECK_NAME}\") AS (");
        plan.edit(within.header.start..start, header);
        let mut draft = Draft::default();
        let client = self.context_text(within.header.clone())?;
        draft.push(&format!(", {check}), {client} AS (SELECT {select} FROM "));
        draft.marks.push(Mark {
            offset: draft.text.len(),
            schema: String::new(),
            name: Some(wrapper),
            guard: Guard::Name,
        });
        draft.push(&quoted_wrapper);
        plan.mark(end..end, draft.text, draft.marks);
        Ok(())
    }

    fn context_text(&self, range: Range<usize>) -> Result<&'a str, Refusal> {
        self.text
            .get(range)
            .ok_or_else(|| Refusal::Verification("a CTE's name is out of bounds".to_owned()))
    }

    /// References to masked columns of the target are replaced where they stand.
    fn references(&self, plan: &mut Plan) -> Result<(), Refusal> {
        let uses = self.statement.target_uses.iter();
        let mine: Vec<&TargetUse> =
            uses.filter(|target| target.access == self.write.access).collect();
        if mine.is_empty() {
            return Ok(());
        }
        let granted = self.lens.granted(self.access().relation, Command::Select)?;
        let Ok(select) = &*granted else { return Err(crate::read::missing(self.relation())) };
        if crate::read::all_clear(select) {
            return Ok(());
        }
        for target in mine {
            self.reference(target, select, plan)?;
        }
        Ok(())
    }

    fn reference(
        &self,
        target: &TargetUse,
        select: &Decision,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let offset = Some(target.range.start);
        match target.part {
            TargetPart::Column(column) => {
                let index = usize::from(column.0);
                if let ColumnAccess::Cells(cells) = &select.columns[index] {
                    let mut text = String::from("(");
                    self.row().cells(self.relation(), index, cells, &mut text);
                    text.push(')');
                    if let Some(name) = &target.output_name {
                        text.push_str(" AS ");
                        push_quoted(&mut text, name);
                    }
                    plan.edit(target.range.clone(), text);
                }
                Ok(())
            }
            TargetPart::Row => {
                let what = "a whole row of a relation with masked or hidden columns".to_owned();
                Err(Refusal::Unsupported { what, offset })
            }
            TargetPart::Star if self.write.joins_others && !self.qualified(target) => {
                let what = "RETURNING * over several relations, one with masked columns".to_owned();
                Err(Refusal::Unsupported { what, offset })
            }
            TargetPart::Star => {
                plan.edit(target.range.clone(), self.star(select));
                Ok(())
            }
        }
    }

    fn qualified(&self, target: &TargetUse) -> bool {
        target.range.len() > 1
    }

    fn star(&self, select: &Decision) -> String {
        let mut text = String::new();
        for (index, column) in select.columns.iter().enumerate() {
            let name = &self.relation().columns[index].name;
            let comma = if text.is_empty() { "" } else { ", " };
            match column {
                ColumnAccess::Hidden | ColumnAccess::Denied => continue,
                ColumnAccess::Clear => {
                    text.push_str(comma);
                    self.row().column(name, &mut text);
                }
                ColumnAccess::Cells(cells) => {
                    text.push_str(comma);
                    self.row().cells(self.relation(), index, cells, &mut text);
                    text.push_str(" AS ");
                    push_quoted(&mut text, name);
                }
            }
        }
        text
    }
}

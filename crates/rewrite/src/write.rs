//! Rewrites what is written (MERGE apart): USING on the rows touched, WITH CHECK on the rows made.
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
use pgcordon_sql::analyze::{Assigned, Conflict, Statement, ValueKind, Within, Write, WriteKind};
use pgcordon_sql::catalog::{ColumnId, Relation};
use pgcordon_sql::splice::{push_quoted, quoted};

use crate::lens::{PolicyLens, command};
use crate::mark::Kind;
use crate::plan::{Draft, Guard, Mark, Plan};
use crate::propose::{raising, without_modifier};
use crate::read::{Row, both};
use crate::{Context, Refusal};

/// The name of the item that checks a row.
pub(crate) const CHECK_NAME: &str = "pgcordon_check";

/// Writes the edits of one INSERT, UPDATE, DELETE or MERGE.
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
        match self.write.kind {
            WriteKind::Merge => self.merge(plan).map(|()| false),
            WriteKind::Insert | WriteKind::Update | WriteKind::Delete => self.command(plan),
        }
    }

    fn command(&self, plan: &mut Plan) -> Result<bool, Refusal> {
        let relation = self.relation();
        let kind = self.write.kind;
        let granted = self.lens.granted(self.access().relation, command(kind))?;
        let Ok(decision) = &*granted else { return Err(crate::read::missing(relation)) };
        let reads = self.reads()?;
        self.writable(&self.write.columns, decision)?;
        let (check, guard) = match kind {
            WriteKind::Insert => {
                self.insert(decision, &both(&decision.check, &reads), plan)?;
                let check = self.insert_check(decision, &reads, plan)?;
                let check = self.all_checks(check)?;
                let columns = self.settable(decision);
                let guard = Guard::Inserted { check: check.is_some(), columns };
                (check, guard)
            }
            WriteKind::Update | WriteKind::Delete if self.write.current_of => {
                self.current_of(decision, &reads, plan)?
            }
            WriteKind::Update | WriteKind::Delete => {
                let using = both(&decision.using, &reads);
                let made = match kind {
                    WriteKind::Update => both(&decision.check, &reads),
                    WriteKind::Insert | WriteKind::Delete | WriteKind::Merge => Filter::All,
                };
                self.propose_update(&self.write.assignments, &using, &made, plan);
                let touched = self.touched(&using)?;
                let condition = touched.is_some() || self.write.condition.is_some();
                let and_in = touched.and_then(|predicate| self.condition(&predicate, plan));
                let check = match kind {
                    WriteKind::Update => self.all_checks(self.check_item(&made))?,
                    WriteKind::Insert | WriteKind::Delete | WriteKind::Merge => None,
                };
                let columns = self.settable(decision);
                let guard = Guard::Changed { and_in, condition, check: check.is_some(), columns };
                (check, guard)
            }
            WriteKind::Merge => {
                return Err(Refusal::Verification("MERGE as one command".to_owned()));
            }
        };
        self.target(guard, plan);
        self.references(plan)?;
        let checked = check.is_some();
        if let Some(check) = check {
            self.returning(check, plan)?;
        }
        Ok(checked)
    }

    pub(crate) fn access(&self) -> &'a pgcordon_sql::analyze::Access {
        &self.statement.accesses[self.write.access]
    }

    pub(crate) fn relation(&self) -> &'a Relation {
        self.context.snapshot.relation(self.access().relation)
    }

    pub(crate) fn row(&self) -> Row<'a> {
        Row::Theirs(&self.access().alias, self.relation())
    }

    /// `rows` of select, if the statement reads its target.
    pub(crate) fn reads(&self) -> Result<Filter, Refusal> {
        if !self.write.reads_target {
            return Ok(Filter::All);
        }
        let granted = self.lens.granted(self.access().relation, Command::Select)?;
        match &*granted {
            Ok(decision) => Ok(decision.using.clone()),
            Err(_) => Err(crate::read::missing(self.relation())),
        }
    }

    pub(crate) fn writable(
        &self,
        columns: &[(ColumnId, usize)],
        decision: &Decision,
    ) -> Result<(), Refusal> {
        writable(self.relation(), columns, decision)
    }

    pub(crate) fn target(&self, guard: Guard, plan: &mut Plan) {
        let access = self.access();
        let mut draft = Draft::default();
        if access.only {
            draft.push("ONLY ");
        }
        draft.relation(self.relation(), guard);
        if self.write.through.is_some() {
            draft.push(&format!(" AS {}", quoted(&access.alias)));
        }
        plan.mark(access.range.clone(), draft.text, draft.marks);
    }

    /// WHERE CURRENT OF takes no predicate beside it. A row that DELETE may not touch raises in RETURNING, which shows the
    /// old row; a RETURNING of the client's would see such a row before it raises. UPDATE shows the new one there, so
    /// every value of its SET, which sees the old one, waits for the rules.
    fn current_of(
        &self,
        decision: &Decision,
        reads: &Filter,
        plan: &mut Plan,
    ) -> Result<(Option<Draft>, Guard), Refusal> {
        let using = both(&decision.using, reads);
        let check = match self.write.kind {
            WriteKind::Delete if using == Filter::All || !self.write.has_returning => {
                self.check_item(&using)
            }
            WriteKind::Update | WriteKind::Insert if using == Filter::All => {
                self.check_item(&both(&decision.check, reads))
            }
            WriteKind::Delete => {
                let what = "RETURNING with WHERE CURRENT OF on a filtered relation".to_owned();
                let offset = self.write.condition.as_ref().map(|range| range.start);
                return Err(Refusal::Unsupported { what, offset });
            }
            WriteKind::Update | WriteKind::Insert | WriteKind::Merge => {
                self.guard_values(&using, plan)?;
                self.check_item(&both(&decision.check, reads))
            }
        };
        let check = self.all_checks(check)?;
        let columns = self.settable(decision);
        let guard =
            Guard::Changed { and_in: None, condition: true, check: check.is_some(), columns };
        Ok((check, guard))
    }

    /// Each value of SET is computed only for a row that the filter admits; another one raises.
    fn guard_values(&self, using: &Filter, plan: &mut Plan) -> Result<(), Refusal> {
        let raise = self.raise(using, Kind::New);
        let guard = format!("CASE WHEN ({raise}) OPERATOR(pg_catalog.=) 0 THEN ");
        let mut guarded = false;
        for assignment in &self.write.assignments {
            let Assigned::Values(values) = &assignment.from else {
                return Err(self.unguarded(assignment.range.start));
            };
            for (value, (column, _)) in values.iter().zip(&assignment.columns) {
                let (open, close) = match value.kind {
                    ValueKind::Default => continue,
                    ValueKind::Typed => ("(", ") END".to_owned()),
                    ValueKind::Untyped => {
                        let column = &self.relation().columns[usize::from(column.0)];
                        ("CAST((", format!(") AS {}) END", without_modifier(&column.type_sql)))
                    }
                };
                plan.edit(value.range.start..value.range.start, format!("{guard}{open}"));
                plan.edit(value.range.end..value.range.end, close);
                guarded = true;
            }
        }
        if guarded { Ok(()) } else { Err(self.unguarded(self.write.range.start)) }
    }

    fn unguarded(&self, offset: usize) -> Refusal {
        let what = "WHERE CURRENT OF on a filtered relation with this SET".to_owned();
        Refusal::Unsupported { what, offset: Some(offset) }
    }

    /// What a row must satisfy to be touched: the rules, and what views on the way demand. `None` where that is nothing.
    pub(crate) fn touched(&self, using: &Filter) -> Result<Option<Draft>, Refusal> {
        let view = self.view_condition(using)?;
        if *using == Filter::All {
            return Ok(view);
        }
        let mut draft = Draft::default();
        self.row().filter(using, &mut draft.text);
        if let Some(view) = view {
            draft.push(" AND ");
            draft.append(view);
        }
        Ok(Some(draft))
    }

    /// Names of the columns that the write may name as written.
    pub(crate) fn settable(&self, decision: &Decision) -> Vec<String> {
        let named = self.write.columns.iter().map(|(column, _)| *column);
        let on_conflict = match &self.write.conflict {
            Some(Conflict::Update { columns, .. }) => columns.as_slice(),
            Some(Conflict::Nothing) | None => &[],
        };
        let named = named.chain(on_conflict.iter().map(|(column, _)| *column));
        let every = named.chain(decision.presets.iter().map(|(column, _)| *column));
        let all = &self.relation().columns;
        let listed = self.write.column_list.is_some() || self.write.kind != WriteKind::Insert;
        if listed {
            return every.map(|column| all[usize::from(column.0)].name.clone()).collect();
        }
        // Without a list the columns are ours: the first ones that may be written.
        let clear = decision.columns.iter().zip(all);
        let clear = clear.filter(|(access, _)| **access == ColumnAccess::Clear);
        let ours = clear.map(|(_, column)| column.name.clone());
        every.map(|column| all[usize::from(column.0)].name.clone()).chain(ours).collect()
    }

    /// The rules' check and the views' check options, which come behind it; the first that fails raises.
    fn all_checks(&self, check: Option<String>) -> Result<Option<Draft>, Refusal> {
        let rules = check.map(|text| Draft { text, marks: Vec::new() });
        let mut checks: Vec<Draft> = rules.into_iter().chain(self.view_checks()?).collect();
        let Some(mut all) = checks.pop() else { return Ok(None) };
        while let Some(earlier) = checks.pop() {
            let mut both = Draft::default();
            both.push("CASE WHEN (");
            both.append(earlier);
            both.push(") OPERATOR(pg_catalog.=) 0 THEN ");
            both.append(all);
            both.push(" END");
            all = both;
        }
        all.push(&format!(" AS \"{CHECK_NAME}\""));
        Ok(Some(all))
    }

    /// Adds the predicate to WHERE; gives the piece in which a new top-level AND stands.
    pub(crate) fn condition(&self, predicate: &Draft, plan: &mut Plan) -> Option<usize> {
        let add = |plan: &mut Plan, at: usize, before: &str, after: &str| {
            let mut draft = Draft::default();
            draft.push(before);
            draft.append(predicate.clone());
            draft.push(after);
            plan.mark(at..at, draft.text, draft.marks)
        };
        let Some(range) = &self.write.condition else {
            add(plan, self.write.condition_at, " WHERE ", "");
            return None;
        };
        // Conjuncts that could raise wait for the predicate; the others may use an index. A sub-select further inside
        // that reads the target lies in a conjunct that could raise as a whole.
        let mine = self
            .statement
            .unsafe_conjuncts
            .iter()
            .filter(|conjunct| conjunct.direct.contains(&self.write.access));
        let ranges: Vec<_> = mine.map(|conjunct| conjunct.range.clone()).collect();
        let placed: Option<Vec<Range<usize>>> = ranges.into_iter().collect();
        let inside = |part: &Range<usize>| range.start <= part.start && part.end <= range.end;
        let wrapped = match placed {
            Some(parts) if parts.iter().all(inside) => parts,
            Some(_) | None => vec![range.clone()],
        };
        let piece = add(plan, range.start, "", " AND (");
        for part in wrapped {
            add(plan, part.start, "CASE WHEN ", " THEN (");
            plan.edit(part.end..part.end, ") END".to_owned());
        }
        plan.edit(range.end..range.end, ")".to_owned());
        Some(piece)
    }

    /// An expression of type integer that raises an error of ours unless the filter admits the row.
    pub(crate) fn raise(&self, filter: &Filter, kind: Kind) -> String {
        let mut test = String::new();
        self.row().filter(filter, &mut test);
        let word = self.context.mark.word(kind, &self.relation().name);
        // Depends on the row, so that it is not evaluated while planning.
        raising(&test, &word, &format!("{}.tableoid", quoted(&self.access().alias)))
    }

    fn check_item(&self, filter: &Filter) -> Option<String> {
        if *filter == Filter::All {
            return None;
        }
        Some(self.raise(filter, Kind::New))
    }

    /// The check of an INSERT; one with ON CONFLICT DO UPDATE checks rows it made and rows it changed apart.
    fn insert_check(
        &self,
        decision: &Decision,
        reads: &Filter,
        plan: &mut Plan,
    ) -> Result<Option<String>, Refusal> {
        let made = both(&decision.check, reads);
        let Some(Conflict::Update { columns, assignments, condition, at }) = &self.write.conflict
        else {
            return Ok(self.check_item(&made));
        };
        let granted = self.lens.granted(self.access().relation, Command::Update)?;
        let Ok(update) = &*granted else { return Err(crate::read::missing(self.relation())) };
        self.writable(columns, update)?;
        let select = self.lens.granted(self.access().relation, Command::Select)?;
        let Ok(select) = &*select else { return Err(crate::read::missing(self.relation())) };
        let touched = both(&update.using, &select.using);
        let changed = both(&update.check, &select.using);
        self.propose_update(assignments, &touched, &changed, plan);
        self.conflict_condition(&touched, condition.as_ref(), *at, plan);
        if made == changed {
            return Ok(self.check_item(&made));
        }
        // A row that was updated carries this transaction in xmax; one that was inserted carries none.
        let alias = quoted(&self.access().alias);
        Ok(Some(format!(
            "CASE WHEN {alias}.xmax OPERATOR(pg_catalog.=) 0 THEN {} ELSE {} END",
            self.raise(&made, Kind::New),
            self.raise(&changed, Kind::New)
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
        let raise = self.raise(touched, Kind::Conflicting);
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

    /// Adds the check to RETURNING. Inside WITH the client's columns must stay as they are: a CTE of ours takes the
    /// write, and the client's CTE reads from it.
    fn returning(&self, check: Draft, plan: &mut Plan) -> Result<(), Refusal> {
        let end = self.write.range.end;
        let mut draft = Draft::default();
        draft.push(if self.write.has_returning { ", " } else { " RETURNING " });
        draft.append(check);
        match &self.write.within {
            Some(within) if self.write.has_returning => self.wrap(within, draft, plan),
            Some(_) | None => {
                plan.mark(end..end, draft.text, draft.marks);
                Ok(())
            }
        }
    }

    fn wrap(&self, within: &Within, mut draft: Draft, plan: &mut Plan) -> Result<(), Refusal> {
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
        let mut header = format!("{quoted_wrapper} ({columns}\"{CHECK_NAME}\") AS (");
        let client = self.context_text(within.header.clone())?;
        // Without a header it is the query of COPY: our CTE is its only one.
        let behind = match client.is_empty() {
            true => {
                header.insert_str(0, "WITH ");
                " ".to_owned()
            }
            false => format!(", {client} AS ("),
        };
        plan.edit(within.header.start..start, header);
        draft.push(&format!("){behind}SELECT {select} FROM "));
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
}

/// A column that some rule hides, masks or denies cannot be written.
pub(crate) fn writable(
    relation: &Relation,
    columns: &[(ColumnId, usize)],
    decision: &Decision,
) -> Result<(), Refusal> {
    for (column, offset) in columns {
        let index = usize::from(column.0);
        let name = relation.columns[index].name.clone();
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

//! Rewrites MERGE: which rows it sees, which ones its actions may touch, and which ones they may make.
//!
//! ```sql
//! ON t.id = s.id            →  ON (rows of select) AND (t.id = s.id)
//! WHEN MATCHED AND s.x > 1  →  WHEN MATCHED AND CASE WHEN (s.x > 1) THEN
//!                                CASE WHEN (raise unless `rows` of update) = 0 THEN
//!                                CASE WHEN (raise unless `check`, over the values assigned) = 0 THEN true END END END
//! ```
//!
//! | action  | the row that it touches             | the row that it makes                          |
//! |---------|-------------------------------------|------------------------------------------------|
//! | UPDATE  | `rows` of update, else it raises    | `check`, and `rows` of select if MERGE reads   |
//! | DELETE  | `rows` of delete, else it raises    | -                                              |
//! | INSERT  | -                                   | `check`                                        |
//! | NOTHING | -                                   | -                                              |
//!
//! As `rowsecurity.c` and `nodeModifyTable.c` of PostgreSQL 15 have it: a row that SELECT's rules hide is not matched; the
//! checks come when the clause's own condition has held, and before any constraint.
//!
//! Invariants:
//! - MERGE of PostgreSQL 15 has no RETURNING: what is checked must be what is stored, or the statement is refused. A value
//!   that could differ when it is computed twice is checked where it stands ([`Values::Query`]) or refused.
//! - Every action that needs a check has one, in its condition or in a value; `verify` counts them.

use std::fmt::Write as _;
use std::ops::Range;

use pgcordon_policy::{Command, Decision, Filter};
use pgcordon_sql::analyze::{Action, Assigned, InsertSource, Value, ValueKind, When, Write};
use pgcordon_sql::catalog::{Column, ColumnId, TypeKind};
use pgcordon_sql::splice::{Edit, quoted};

use crate::Refusal;
use crate::copy::rewrites_rows;
use crate::insert::forced_values;
use crate::mark::Kind;
use crate::plan::{Guard, Plan, WhenGuard};
use crate::propose::{Proposal, columns_of, copied, raise};
use crate::read::{Row, both};
use crate::write::Writer;

/// Where a column of a row that an action makes gets its value from.
enum Source<'v> {
    /// The client's text.
    Given(&'v Value),
    /// Text of ours, which may stand twice.
    Known(String),
}

/// A value as its check reads it.
enum Part {
    /// Text of ours.
    Ours(String),
    /// Text of the client's.
    Copied(String),
}

/// Where the check of a new row stands.
enum Check {
    /// In the clause's condition: an integer, or an error.
    Condition(String),
    /// Around a value that can be computed only once: what stands before and after it.
    Value(Range<usize>, String, String),
}

impl Writer<'_> {
    /// Adds the edits of a MERGE to the plan.
    pub(crate) fn merge(&self, plan: &mut Plan) -> Result<(), Refusal> {
        let reads = self.reads()?;
        let first = plan.pieces.len();
        self.references(plan)?;
        let references: Vec<Edit> =
            plan.pieces[first..].iter().map(|piece| piece.edit.clone()).collect();
        let read = self.touched(&reads)?;
        let and = read.and_then(|predicate| self.condition(&predicate, plan)).is_some();
        let mut whens = Vec::with_capacity(self.write.whens.len());
        for when in &self.write.whens {
            whens.push(self.when(when, &reads, &references, plan)?);
        }
        self.target(Guard::Merged { and, whens }, plan);
        Ok(())
    }

    fn when(
        &self,
        when: &When,
        reads: &Filter,
        references: &[Edit],
        plan: &mut Plan,
    ) -> Result<WhenGuard, Refusal> {
        let mut tests = Vec::new();
        let mut guard = WhenGuard { condition: false, value: false, columns: Vec::new() };
        let check = match &when.action {
            Action::Nothing => None,
            Action::Delete => {
                let decision = self.decision(Command::Delete)?;
                tests.extend(self.touch(&decision.using, reads));
                None
            }
            Action::Update(update) => {
                let decision = self.decision(Command::Update)?;
                self.writable(&update.columns, &decision)?;
                guard.columns = Writer { write: update, ..*self }.settable(&decision);
                tests.extend(self.touch(&decision.using, reads));
                let touched = both(&decision.using, reads);
                self.changed(update, &touched, &both(&decision.check, reads), references)?
            }
            Action::Insert(insert) => {
                let decision = self.decision(Command::Insert)?;
                self.writable(&insert.columns, &decision)?;
                let writer = Writer { write: insert, ..*self };
                guard.columns = writer.settable(&decision);
                writer.inserted(&decision, references, plan)?
            }
        };
        match check {
            None => {}
            Some(Check::Condition(test)) => tests.push(test),
            Some(Check::Value(range, before, after)) => {
                plan.edit(range.start..range.start, before);
                plan.edit(range.end..range.end, after);
                guard.value = true;
            }
        }
        guard.condition = !tests.is_empty();
        guard_condition(when, &tests, plan);
        Ok(guard)
    }

    fn decision(&self, command: Command) -> Result<Decision, Refusal> {
        match &*self.lens.granted(self.access().relation, command)? {
            Ok(decision) => Ok(decision.clone()),
            Err(_) => Err(crate::read::missing(self.relation())),
        }
    }

    /// Raises for a row of the target that the action may not touch; ON has admitted only rows of `reads`.
    fn touch(&self, using: &Filter, reads: &Filter) -> Option<String> {
        (both(using, reads) != *reads).then(|| self.raise(using, Kind::Target))
    }

    /// The check of the row that UPDATE makes; `touched` is what the row satisfied before.
    fn changed(
        &self,
        update: &Write,
        touched: &Filter,
        made: &Filter,
        references: &[Edit],
    ) -> Result<Option<Check>, Refusal> {
        let needed = columns_of(made);
        let assigned = update.columns.iter().any(|(column, _)| needed.contains(column));
        let kept = !assigned && both(touched, made) == *touched;
        if *made == Filter::All || (kept && !self.alters()) {
            return Ok(None);
        }
        self.unaltered()?;
        self.check(made, references, |column| {
            let found = self.column(column);
            let named = |(assigned, _): &(ColumnId, usize)| *assigned == column;
            let Some(item) = update.assignments.iter().find(|item| item.columns.iter().any(named))
            else {
                let own = format!("{}.{}", quoted(&self.access().alias), quoted(&found.name));
                return Ok(Source::Known(own));
            };
            let at = item.columns.iter().position(named).unwrap_or_default();
            match &item.from {
                Assigned::Values(values) => match values.get(at) {
                    Some(value) if value.kind != ValueKind::Default => Ok(Source::Given(value)),
                    Some(_) | None => self.default_of(found),
                },
                Assigned::Query(_) | Assigned::Other => {
                    let what = "MERGE that sets a column which a rule reads by a sub-select for several columns, by `row.*`, or in part";
                    Err(unsupported(what, item.range.start))
                }
            }
        })
    }

    /// Column list, forced values, and the check of the row that INSERT makes.
    fn inserted(
        &self,
        decision: &Decision,
        references: &[Edit],
        plan: &mut Plan,
    ) -> Result<Option<Check>, Refusal> {
        let placed = self.place_columns(decision, plan)?;
        let made = &decision.check;
        let proposal = Proposal {
            text: self.text,
            mark: self.context.mark,
            statement: self.statement,
            relation: self.relation(),
            filter: made,
            columns: &placed.columns,
            partial: &self.write.partial,
            presets: &placed.presets,
        };
        let rows = match &self.write.source {
            Some(InsertSource::Values { rows, .. }) => rows.as_slice(),
            Some(InsertSource::Defaults(range)) => {
                if let Some(values) = placed.added.strip_prefix(", ") {
                    plan.edit(range.clone(), format!("VALUES ({values})"));
                }
                &[]
            }
            // It is not known which value is for which column.
            Some(InsertSource::Query { .. })
                if *made == Filter::All && placed.presets.is_empty() =>
            {
                &[]
            }
            Some(InsertSource::Query { range, .. }) => {
                let what = "MERGE that inserts `row.*` where a rule checks or sets columns";
                return Err(unsupported(what, range.start));
            }
            None => {
                return Err(Refusal::Verification("MERGE without values".to_owned()));
            }
        };
        forced_values(&proposal, rows, &placed.added, plan);
        if *made == Filter::All {
            return Ok(None);
        }
        self.unaltered()?;
        self.check(made, references, |column| {
            let found = self.column(column);
            if let Some((_, preset)) = placed.presets.iter().find(|(preset, _)| *preset == column) {
                return Ok(Source::Known(preset.clone()));
            }
            if self.write.partial.contains(&column) || found.identity_always.is_some() {
                let what = "MERGE that inserts an identity column, or a part of a column, which a rule reads";
                return Err(unsupported(what, self.write.range.start));
            }
            let index = placed.columns.iter().position(|listed| *listed == column);
            let value = index.and_then(|index| rows.first()?.values.get(index));
            match value {
                Some(value) if value.kind != ValueKind::Default => Ok(Source::Given(value)),
                Some(_) | None => self.default_of(found),
            }
        })
    }

    fn column(&self, column: ColumnId) -> &Column {
        &self.relation().columns[usize::from(column.0)]
    }

    /// What a column holds that is given no value: NULL, if the catalog says so.
    fn default_of(&self, column: &Column) -> Result<Source<'static>, Refusal> {
        let kind = self.context.snapshot.type_by_oid(column.type_oid).map(|found| found.kind);
        let typed = match kind {
            // A domain or base type may have a default of its own.
            Some(TypeKind::Domain | TypeKind::Base | TypeKind::Pseudo) => true,
            Some(TypeKind::Composite | TypeKind::Enum | TypeKind::Range | TypeKind::Multirange)
            | None => false,
        };
        if column.has_default || column.identity_always.is_some() || typed {
            let what = "MERGE that leaves a column which a rule reads to its default";
            return Err(unsupported(what, self.write.range.start));
        }
        Ok(Source::Known("NULL".to_owned()))
    }

    /// Whether triggers could change a row between its check and its storage.
    fn alters(&self) -> bool {
        rewrites_rows(self.relation(), self.context.snapshot)
    }

    fn unaltered(&self) -> Result<(), Refusal> {
        if self.alters() {
            let what = "MERGE into a relation whose triggers or rules can change a checked row";
            return Err(unsupported(what, self.access().range.start));
        }
        Ok(())
    }

    /// The check of a new row over the values that the action gives it.
    fn check<'v>(
        &self,
        made: &Filter,
        references: &[Edit],
        source: impl Fn(ColumnId) -> Result<Source<'v>, Refusal>,
    ) -> Result<Option<Check>, Refusal> {
        let mut parts = Vec::new();
        let mut single: Option<&Value> = None;
        for needed in columns_of(made) {
            let column = self.column(needed);
            if column.generated {
                let what = "MERGE where a rule reads a generated column";
                return Err(unsupported(what, self.access().range.start));
            }
            let part = match source(needed)? {
                Source::Known(text) => Part::Ours(text),
                Source::Given(value) => {
                    self.steady(value)?;
                    match copied(self.text, self.statement, references, &value.range) {
                        Some(text) => Part::Copied(text),
                        None if single.is_none() => {
                            single = Some(value);
                            Part::Ours("\"pgcordon_set\".\"pgcordon_0\"".to_owned())
                        }
                        None => {
                            let what = "MERGE that gives sub-selects to several columns which a rule reads";
                            return Err(unsupported(what, value.range.start));
                        }
                    }
                }
            };
            parts.push((column, part));
        }
        let raise = raise(made, Row::Proposed, self.context.mark, self.relation());
        Ok(Some(match single {
            None => in_condition(&parts, &raise),
            Some(value) => in_value(&parts, &raise, value),
        }))
    }

    /// A checked value must not come out otherwise when it is stored.
    fn steady(&self, value: &Value) -> Result<(), Refusal> {
        // It may come out otherwise as soon as a setting that it depends on is another one.
        if self.statement.settings.iter().any(|used| used.changed) {
            let what = "MERGE that changes settings and gives a column which a rule reads a value";
            return Err(unsupported(what, value.range.start));
        }
        let drawn = self.statement.drawn.iter().any(|offset| value.range.contains(offset));
        let calls = self.statement.calls.iter().any(|call| value.range.contains(&call.offset));
        if drawn || calls {
            let what = "MERGE that gives a column which a rule reads the answer of a function that may change";
            return Err(unsupported(what, value.range.start));
        }
        Ok(())
    }
}

/// The check where every value may stand twice: none of them has a name of ours in scope.
fn in_condition(parts: &[(&Column, Part)], raise: &str) -> Check {
    let row = parts.iter().map(|(column, part)| match part {
        Part::Ours(text) | Part::Copied(text) => checked(column, text),
    });
    let row: Vec<String> = row.collect();
    let row = row.join(", ");
    Check::Condition(format!("SELECT {raise} FROM (SELECT {row}) AS \"pgcordon_row\""))
}

/// The check around the value that may not stand twice. Copies of others stand beside it, where no name of ours is in
/// scope either.
fn in_value(parts: &[(&Column, Part)], raise: &str, value: &Value) -> Check {
    let (mut row, mut beside) = (String::new(), String::new());
    for (index, (column, part)) in (1..).zip(parts) {
        let text = match part {
            Part::Ours(text) => text.clone(),
            Part::Copied(text) => {
                let kind = &column.type_sql;
                let _ = write!(beside, "CAST(({text}\n) AS {kind}) AS \"pgcordon_{index}\", ");
                format!("\"pgcordon_set\".\"pgcordon_{index}\"")
            }
        };
        let _ = write!(row, ", {}", checked(column, &text));
    }
    // OFFSET 0 keeps the planner from putting the value in both of its places.
    let before = format!(
        "(SELECT CASE WHEN ({raise}) OPERATOR(pg_catalog.=) 0 THEN \"pgcordon_row\".\"pgcordon_0\" END \
         FROM (SELECT \"pgcordon_set\".\"pgcordon_0\"{row} FROM (SELECT {beside}("
    );
    let after = ") AS \"pgcordon_0\" OFFSET 0) AS \"pgcordon_set\") AS \"pgcordon_row\")";
    Check::Value(value.range.clone(), before, after.to_owned())
}

/// A column of the row that is checked, of the column's own type: padded as it is stored. A value that the cast would cut
/// is refused when it is stored.
fn checked(column: &Column, text: &str) -> String {
    // A comment at the end of the client's text would swallow what follows.
    format!("CAST(({text}\n) AS {}) AS {}", column.type_sql, quoted(&column.name))
}

/// Joins tests to a clause's condition, in their order and behind it.
fn guard_condition(when: &When, tests: &[String], plan: &mut Plan) {
    if tests.is_empty() {
        return;
    }
    let mut text = String::new();
    for test in tests {
        let _ = write!(text, "CASE WHEN ({test}) OPERATOR(pg_catalog.=) 0 THEN ");
    }
    text.push_str("true");
    text.push_str(&" END".repeat(tests.len()));
    match &when.condition {
        None => {
            plan.edit(when.at..when.at, format!(" AND {text}"));
        }
        Some(range) => {
            plan.edit(range.start..range.start, "CASE WHEN (".to_owned());
            plan.edit(range.end..range.end, format!(") THEN {text} END"));
        }
    }
}

fn unsupported(what: &str, offset: usize) -> Refusal {
    Refusal::Unsupported { what: what.to_owned(), offset: Some(offset) }
}

//! COPY FROM STDIN: the check of each new row stands in COPY's WHERE, where it raises.
//!
//! ```sql
//! COPY orders FROM STDIN  →  COPY "public"."orders" FROM STDIN WHERE CASE WHEN (raise) = 0 THEN true END
//! ```
//!
//! | the rule's check                                  | outcome                              |
//! |---------------------------------------------------|--------------------------------------|
//! | every row                                         | only the column list is looked at    |
//! | has a sub-select                                  | refused: COPY's WHERE may not have one |
//! | reads a generated column                          | refused: it is computed afterwards   |
//! | any, and row triggers, rules or a foreign table   | refused: the stored row may differ   |
//! | any other                                         | in WHERE                             |
//!
//! Invariants:
//! - COPY has no RETURNING: what WHERE sees must be what is stored, or the statement is refused.
//! - Rows that the client's own WHERE leaves out are not made, so they are not checked.

use pgcordon_policy::{ColumnAccess, Command, Decision, Filter};
use pgcordon_sql::analyze::{Access, CopyIn, Statement, TargetPart};
use pgcordon_sql::catalog::{ColumnId, Relation, RelationKind, Snapshot};
use pgcordon_sql::splice::quoted;

use crate::lens::PolicyLens;
use crate::mark::Kind;
use crate::plan::{Draft, Guard, Plan};
use crate::propose::{columns_of, raising};
use crate::read::{Row, both};
use crate::write::writable;
use crate::{Context, Refusal};

/// Writes the edits of one COPY FROM.
pub(crate) struct Copier<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) lens: &'a PolicyLens<'a>,
    pub(crate) statement: &'a Statement,
    pub(crate) copy: &'a CopyIn,
}

impl Copier<'_> {
    /// Adds the edits to the plan.
    pub(crate) fn edits(&self, plan: &mut Plan) -> Result<(), Refusal> {
        let granted = self.lens.granted(self.access().relation, Command::Insert)?;
        let Ok(decision) = &*granted else { return Err(crate::read::missing(self.relation())) };
        if !decision.presets.is_empty() {
            return Err(self.unsupported("COPY FROM into a relation with forced values"));
        }
        if self.statement.accesses.len() > 1 || !self.statement.guards.is_empty() {
            return Err(self.unsupported("COPY FROM … WHERE with a sub-select or a type's name"));
        }
        let made = both(&decision.check, &self.reads()?);
        let mut draft = Draft::default();
        let check = made != Filter::All;
        draft.relation(self.relation(), Guard::Copied { check });
        draft.push(&self.column_list(decision)?);
        plan.mark(self.access().range.clone(), draft.text, draft.marks);
        if check {
            self.checkable(&made)?;
            self.condition(&made, plan);
        }
        Ok(())
    }

    fn access(&self) -> &Access {
        &self.statement.accesses[self.copy.access]
    }

    fn relation(&self) -> &Relation {
        self.context.snapshot.relation(self.access().relation)
    }

    fn unsupported(&self, what: &str) -> Refusal {
        Refusal::Unsupported { what: what.to_owned(), offset: Some(self.access().range.start) }
    }

    /// `rows` of select, if the client's condition reads the new row. There it would see what was written, not masks.
    fn reads(&self) -> Result<Filter, Refusal> {
        if !self.copy.reads {
            return Ok(Filter::All);
        }
        let granted = self.lens.granted(self.access().relation, Command::Select)?;
        let Ok(select) = &*granted else { return Err(crate::read::missing(self.relation())) };
        let clear = self.statement.target_uses.iter().all(|target| match target.part {
            TargetPart::Column(column) => {
                select.columns[usize::from(column.0)] == ColumnAccess::Clear
            }
            TargetPart::Row | TargetPart::Star => crate::read::all_clear(select),
        });
        match clear {
            true => Ok(select.using.clone()),
            false => Err(self.unsupported("COPY FROM … WHERE over masked or hidden columns")),
        }
    }

    /// The column list that hidden columns make necessary; empty where the client's text says enough.
    fn column_list(&self, decision: &Decision) -> Result<String, Refusal> {
        if let Some(listed) = &self.copy.columns {
            writable(self.relation(), listed, decision)?;
            return Ok(String::new());
        }
        let (mut names, mut placed) = (Vec::new(), Vec::new());
        for (index, column) in (0_u16..).zip(&self.relation().columns) {
            let hidden = decision.columns[usize::from(index)] == ColumnAccess::Hidden;
            if !hidden && !column.generated {
                names.push(quoted(&column.name));
                placed.push((ColumnId(index), self.access().range.start));
            }
        }
        writable(self.relation(), &placed, decision)?;
        let all = decision.columns.iter().all(|column| *column == ColumnAccess::Clear);
        if names.is_empty() {
            return Err(self.unsupported("COPY FROM into a relation without visible columns"));
        }
        Ok(if all { String::new() } else { format!(" ({})", names.join(", ")) })
    }

    fn checkable(&self, made: &Filter) -> Result<(), Refusal> {
        let relation = self.relation();
        if relation.kind == RelationKind::ForeignTable
            || rewrites_rows(relation, self.context.snapshot)
        {
            let what = "COPY FROM into a relation whose triggers or rules can change a checked row";
            return Err(self.unsupported(what));
        }
        if columns_of(made).iter().any(|column| relation.columns[usize::from(column.0)].generated) {
            return Err(self.unsupported("COPY FROM where a rule reads a generated column"));
        }
        if has_subquery(made) {
            return Err(self.unsupported("COPY FROM where a rule has a sub-select"));
        }
        Ok(())
    }

    fn condition(&self, made: &Filter, plan: &mut Plan) {
        let alias = &self.access().alias;
        let mut test = String::new();
        Row::Theirs(alias, self.relation()).filter(made, &mut test);
        let word = self.context.mark.word(Kind::New, &self.relation().name);
        // A volatile function would make COPY insert row by row.
        let salt = match columns_of(made).first() {
            Some(column) => {
                let name = quoted(&self.relation().columns[usize::from(column.0)].name);
                format!("coalesce(CAST({}.{name} AS pg_catalog.text), '')", quoted(alias))
            }
            None => "pg_catalog.random()".to_owned(),
        };
        let check = format!("({}) OPERATOR(pg_catalog.=) 0", raising(&test, &word, &salt));
        match &self.copy.condition {
            Some(client) => {
                plan.edit(client.start..client.start, "CASE WHEN (".to_owned());
                plan.edit(client.end..client.end, format!(") THEN {check} END"));
            }
            None => {
                let end = self.statement.range.end;
                plan.edit(end..end, format!(" WHERE CASE WHEN {check} THEN true END"));
            }
        }
    }
}

/// Whether triggers or rules of the relation, or of a partition that a row could end in, can change a row.
pub(crate) fn rewrites_rows(relation: &Relation, snapshot: &Snapshot) -> bool {
    let mut open = vec![relation];
    let mut seen = 0;
    while let Some(next) = open.pop() {
        seen += 1;
        if next.rewrites_rows || next.kind == RelationKind::ForeignTable || seen > 100_000 {
            return true;
        }
        open.extend(snapshot.children(next.oid).iter().map(|child| snapshot.relation(*child)));
    }
    false
}

fn has_subquery(filter: &Filter) -> bool {
    match filter {
        Filter::All | Filter::Nothing => false,
        Filter::Test(expression) => expression.template.has_subquery,
        Filter::Any(list) | Filter::Every(list) => list.iter().any(has_subquery),
    }
}

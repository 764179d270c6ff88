//! Writes through views: what a view's columns and conditions are in terms of the table that takes its place.
//!
//! ```sql
//! UPDATE v SET note = 'x' WHERE id = 1  →  UPDATE public.orders AS "pgcordon_target" SET "note" = 'x'
//!     WHERE rule AND (("pgcordon_target"."amount" > 0)) AND ("pgcordon_target"."id" = 1)
//! ```
//!
//! Invariants:
//! - Relations inside a definition are read by the reader's rules; its masked columns are masked.
//! - A condition of a view's that could raise sees only rows that the table's rules admit; one of the client's that
//!   could raise, only rows that these and the views' conditions admit.

use std::ops::Range;

use pgcordon_policy::{ColumnAccess, Command, Decision, Filter};
use pgcordon_sql::analyze::{TARGET_ALIAS, TargetPart, TargetUse, Through};
use pgcordon_sql::catalog::{CheckOption, ColumnId};
use pgcordon_sql::splice::{Edit, quoted};

use crate::Refusal;
use crate::mark::Kind;
use crate::plan::{Draft, Piece, Plan};
use crate::propose::raise_unless;
use crate::read::{Reader, carry_out};
use crate::write::Writer;

/// Longest text of a definition's part: columns of views that name others twice grow by powers of two.
const MAX_BYTES: usize = 1 << 20;

impl Writer<'_> {
    /// What the views' conditions demand of a row, innermost first; `None` where they demand nothing.
    pub(crate) fn view_condition(&self, using: &Filter) -> Result<Option<Draft>, Refusal> {
        let mut all = Draft::default();
        let mut calm = true;
        for layer in self.layers() {
            let Some(range) = &layer.condition else { continue };
            all.push(if all.text.is_empty() { "(" } else { " AND (" });
            all.append(self.part(layer, range)?);
            all.push(")");
            calm &= layer.statement.unsafe_conjuncts.is_empty();
        }
        if all.text.is_empty() {
            return Ok(None);
        }
        let mut draft = Draft::default();
        if calm || *using == Filter::All {
            draft.push("(");
            draft.append(all);
            draft.push(")");
        } else {
            let mut test = String::new();
            self.row().filter(using, &mut test);
            draft.push(&format!("CASE WHEN {test} THEN ("));
            draft.append(all);
            draft.push(") END");
        }
        Ok(Some(draft))
    }

    /// The check options of the views, innermost first, as `rewriteTargetView` collects them: each raises by its own
    /// view's name.
    pub(crate) fn view_checks(&self) -> Result<Vec<Draft>, Refusal> {
        let mut checks = Vec::new();
        let mut cascaded = false;
        for layer in self.write.through.iter().flat_map(|through| through.layers()) {
            let view = self.context.snapshot.relation(layer.view);
            let own = self.context.snapshot.writing(view.oid).map(|writing| writing.check);
            let checked = match own.unwrap_or_default() {
                CheckOption::Cascaded => {
                    cascaded = true;
                    true
                }
                CheckOption::Local => true,
                CheckOption::None => cascaded,
            };
            let Some(range) = layer.condition.as_ref().filter(|_| checked) else { continue };
            let word = self.context.mark.word(Kind::View, &view.name);
            let salt = format!("{}.tableoid", quoted(TARGET_ALIAS));
            let mut check = Draft::default();
            check.push("CASE WHEN (");
            check.append(self.part(layer, range)?);
            check.push(&format!(") {}", raise_unless(&word, &salt)));
            checks.push(check);
        }
        checks.reverse();
        Ok(checks)
    }

    /// The client's references to the view become what its definition says.
    pub(crate) fn view_references(
        &self,
        through: &Through,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let uses = self.statement.target_uses.iter();
        for used in uses.filter(|used| used.access == self.write.access) {
            let mut draft = match used.part {
                TargetPart::Star if self.write.joins_others && used.range.len() == 1 => {
                    let what = "RETURNING * over several relations, one of them a view".to_owned();
                    let offset = Some(used.range.start);
                    return Err(Refusal::Unsupported { what, offset });
                }
                TargetPart::Star => self.view_columns(through, true)?,
                TargetPart::Row => self.view_row(through)?,
                TargetPart::Column(column) => self.view_column(through, column)?,
            };
            name_reference(used, &mut draft);
            plan.replaced.push(used.range.start);
            plan.mark(used.range.clone(), draft.text, draft.marks);
        }
        Ok(())
    }

    /// Every column of a view.
    fn view_columns(&self, through: &Through, named: bool) -> Result<Draft, Refusal> {
        let view = self.context.snapshot.relation(through.view);
        let mut draft = Draft::default();
        for (index, (column, known)) in through.columns.iter().zip(&view.columns).enumerate() {
            draft.push(if index == 0 { "" } else { ", " });
            draft.append(self.part(through, &column.range)?);
            if named {
                draft.push(&format!(" AS {}", quoted(&known.name)));
            }
        }
        Ok(draft)
    }

    /// A row of the view's type.
    fn view_row(&self, through: &Through) -> Result<Draft, Refusal> {
        let mut draft = Draft::default();
        draft.push("CAST(ROW(");
        draft.append(self.view_columns(through, false)?);
        let view = self.context.snapshot.relation(through.view);
        draft.push(&format!(") AS {})", view.qualified()));
        Ok(draft)
    }

    fn view_column(&self, through: &Through, column: ColumnId) -> Result<Draft, Refusal> {
        let found = &through.columns[usize::from(column.0)];
        let mut draft = Draft::default();
        draft.push("(");
        draft.append(self.part(through, &found.range)?);
        draft.push(")");
        Ok(draft)
    }

    /// Views from the table outwards.
    fn layers(&self) -> Vec<&Through> {
        let mut layers: Vec<&Through> =
            self.write.through.iter().flat_map(|through| through.layers()).collect();
        layers.reverse();
        layers
    }

    /// A part of a definition, with every name in it resolved, over the table.
    fn part(&self, layer: &Through, range: &Range<usize>) -> Result<Draft, Refusal> {
        let reader = Reader { context: self.context, lens: self.lens, text: &layer.text };
        let statement = &layer.statement;
        let mut pieces = reader.definition(statement, false)?;
        let uses: Vec<&TargetUse> =
            statement.target_uses.iter().filter(|used| used.access == 0).collect();
        let inside = |outer: &Range<usize>, inner: &Range<usize>| {
            outer.start <= inner.start && inner.end <= outer.end
        };
        pieces.retain(|piece| {
            let edit = &piece.edit.range;
            inside(range, edit) && !uses.iter().any(|used| inside(&used.range, edit))
        });
        for used in uses.into_iter().filter(|used| inside(range, &used.range)) {
            let mut draft = self.behind(layer, used)?;
            name_reference(used, &mut draft);
            let edit = Edit { range: used.range.clone(), text: draft.text };
            pieces.push(Piece { edit, marks: draft.marks });
        }
        for piece in &mut pieces {
            let edit = &mut piece.edit.range;
            *edit = edit.start - range.start..edit.end - range.start;
        }
        let text = layer.text.get(range.clone());
        let text = text.ok_or_else(|| Refusal::Verification("a definition's bytes".to_owned()))?;
        let draft = carry_out(text, pieces)?;
        if draft.text.len() > MAX_BYTES {
            return Err(Refusal::Limit { what: "a view's definition grows too long".to_owned() });
        }
        Ok(draft)
    }

    /// What a definition reads of the relation behind its view.
    fn behind(&self, layer: &Through, used: &TargetUse) -> Result<Draft, Refusal> {
        match (used.part, layer.inner.as_deref()) {
            (TargetPart::Column(column), Some(inner)) => self.view_column(inner, column),
            (TargetPart::Row, Some(inner)) => self.view_row(inner),
            (TargetPart::Column(column), None) => {
                let granted = self.lens.granted(self.access().relation, Command::Select)?;
                let Ok(select) = &*granted else {
                    return Err(crate::read::missing(self.relation()));
                };
                self.table_column(select, column)
            }
            (TargetPart::Row | TargetPart::Star, _) => {
                let what = "writing through a view that holds whole rows of its table".to_owned();
                Err(Refusal::Unsupported { what, offset: Some(self.access().range.start) })
            }
        }
    }

    fn table_column(&self, select: &Decision, column: ColumnId) -> Result<Draft, Refusal> {
        let index = usize::from(column.0);
        let mut draft = Draft::default();
        match &select.columns[index] {
            ColumnAccess::Clear => {
                self.row().column(&self.relation().columns[index].name, &mut draft.text);
            }
            ColumnAccess::Cells(cells) => {
                draft.push("(");
                self.row().cells(self.relation(), index, cells, &mut draft.text);
                draft.push(")");
            }
            ColumnAccess::Hidden | ColumnAccess::Denied => {
                return Err(Refusal::Verification("a view reads a hidden column".to_owned()));
            }
        }
        Ok(draft)
    }
}

/// Keeps the name that a reference gives to its item.
pub(crate) fn name_reference(used: &TargetUse, draft: &mut Draft) {
    if let Some(name) = &used.output_name {
        draft.push(&format!(" AS {}", quoted(name)));
    } else if used.names_item {
        // A sub-select takes the name of its column (`FigureColname`), through casts and fields too.
        let mut named = Draft::default();
        named.push("(SELECT ");
        named.append(std::mem::take(draft));
        named.push(&format!(" AS {})", quoted(&used.name)));
        *draft = named;
    }
}

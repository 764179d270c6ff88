//! References to masked columns of a write's target, replaced where they stand.
//!
//! Invariants:
//! - A whole row of a target with masked or hidden columns is refused.

use pgcordon_policy::{ColumnAccess, Command, Decision};
use pgcordon_sql::analyze::{TargetPart, TargetUse};
use pgcordon_sql::splice::push_quoted;

use crate::Refusal;
use crate::plan::{Draft, Plan};
use crate::through::name_reference;
use crate::write::Writer;

impl Writer<'_> {
    /// References to masked columns of the target are replaced where they stand.
    pub(crate) fn references(&self, plan: &mut Plan) -> Result<(), Refusal> {
        let uses = self.statement.target_uses.iter();
        let mine: Vec<&TargetUse> =
            uses.filter(|target| target.access == self.write.access).collect();
        if mine.is_empty() {
            return Ok(());
        }
        if let Some(through) = &self.write.through {
            return self.view_references(through, plan);
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
                    let mut draft = Draft { text, marks: Vec::new() };
                    name_reference(target, &mut draft);
                    plan.replaced.push(target.range.start);
                    plan.mark(target.range.clone(), draft.text, draft.marks);
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

//! Merges what several permissive rules say about the columns.
//!
//! In:  the permissive rules that apply to one command of one principal.
//! Out: a [`ColumnAccess`] per column, and the values forced on insert.
//!
//! Invariants:
//! - Reading merges per cell: a row shows of a column what the most generous rule that admits *this row* shows.
//! - Writing is strict: a column is writable only if every rule leaves it untouched.

use std::sync::Arc;

use pgcordon_sql::catalog::ColumnId;
use pgcordon_sql::template::Template;

use crate::bound::{Applicable, BoundRule, BoundTreatment, Values};
use crate::combine::any;
use crate::decide::{Cell, ColumnAccess, Denial, Expression, Filter};

const CLEAR: BoundTreatment = BoundTreatment::Clear;

impl BoundRule {
    fn treatment(&self, column: usize) -> &BoundTreatment {
        if self.columns.is_empty() {
            return &CLEAR;
        }
        // One per column by construction; a column beyond them was never granted.
        self.columns.get(column).unwrap_or(&BoundTreatment::Hide)
    }
}

/// How the rules treat one column.
struct Treatments<'r> {
    clear: Vec<&'r BoundRule>,
    /// Rules by mask; equal masks together.
    masks: Vec<(&'r Arc<Template>, Vec<&'r BoundRule>)>,
    hides: bool,
    denies: bool,
}

impl<'r> Treatments<'r> {
    fn of(rules: &Applicable<'r>, column: usize) -> Self {
        let mut found = Self { clear: Vec::new(), masks: Vec::new(), hides: false, denies: false };
        for rule in &rules.permissive {
            match rule.treatment(column) {
                BoundTreatment::Clear => found.clear.push(rule),
                BoundTreatment::Mask(mask) => {
                    match found.masks.iter_mut().find(|(known, _)| *known == mask) {
                        Some((_, masking)) => masking.push(rule),
                        None => found.masks.push((mask, vec![rule])),
                    }
                }
                BoundTreatment::Hide => found.hides = true,
                BoundTreatment::Deny => found.denies = true,
            }
        }
        found
    }
}

/// What may be read.
///
/// | clear | mask | hide | deny | outcome                                               |
/// |-------|------|------|------|-------------------------------------------------------|
/// | all   | -    | -    | -    | `Clear`                                               |
/// | -     | -    | all  | -    | `Hidden`                                              |
/// | -     | -    | any  | some | `Denied`                                              |
/// | some  | any  | any  | any  | `Cells`: clear, else masked, else NULL, per row       |
/// | -     | some | any  | any  | `Cells`: masked, else NULL, per row                   |
pub(crate) fn readable(rules: &Applicable<'_>, values: &Values<'_>) -> Vec<ColumnAccess> {
    (0..rules.column_count).map(|column| readable_column(rules, column, values)).collect()
}

fn readable_column(rules: &Applicable<'_>, column: usize, values: &Values<'_>) -> ColumnAccess {
    let found = Treatments::of(rules, column);
    if found.clear.is_empty() && found.masks.is_empty() {
        return if found.denies { ColumnAccess::Denied } else { ColumnAccess::Hidden };
    }
    if found.masks.is_empty() && !found.hides && !found.denies {
        return ColumnAccess::Clear;
    }
    let admitted =
        |rules: &[&BoundRule]| any(rules.iter().map(|rule| values.filter(&rule.rows)).collect());
    let mut cells: Vec<(Filter, Cell)> = Vec::new();
    if !found.clear.is_empty() {
        cells.push((admitted(&found.clear), Cell::Clear));
    }
    for (mask, masking) in &found.masks {
        cells.push((admitted(masking), Cell::Masked(values.expression(mask))));
    }
    if found.hides || found.denies {
        cells.push((Filter::All, Cell::Null));
    }
    close(cells)
}

/// Makes the last case the one for all other rows, and drops cases that no row reaches.
///
/// Each visible row is admitted by one rule at least, so a row that no earlier case took belongs to the last.
fn close(mut cells: Vec<(Filter, Cell)>) -> ColumnAccess {
    if let Some(first) = cells.iter().position(|(filter, _)| *filter == Filter::All) {
        cells.truncate(first + 1);
    }
    if let Some((filter, _)) = cells.last_mut() {
        *filter = Filter::All;
    }
    match cells.as_slice() {
        [] => ColumnAccess::Hidden,
        [(_, Cell::Clear)] => ColumnAccess::Clear,
        [_, ..] => ColumnAccess::Cells(cells),
    }
}

/// What may be written.
///
/// | clear | hide | outcome  |
/// |-------|------|----------|
/// | all   | -    | `Clear`  |
/// | -     | all  | `Hidden` |
/// | else  |      | `Denied` |
pub(crate) fn writable(rules: &Applicable<'_>) -> Vec<ColumnAccess> {
    let column = |column| {
        let found = Treatments::of(rules, column);
        let restricted = !found.masks.is_empty() || found.denies;
        match (found.clear.is_empty(), restricted, found.hides) {
            (false, false, false) => ColumnAccess::Clear,
            (true, false, true) => ColumnAccess::Hidden,
            (_, _, _) => ColumnAccess::Denied,
        }
    };
    (0..rules.column_count).map(column).collect()
}

/// Values forced on insert: those of every rule. Two rules that force different values into one column
/// cannot both be obeyed, so the insert is denied.
pub(crate) fn presets(
    rules: &Applicable<'_>,
    values: &Values<'_>,
) -> Result<Vec<(ColumnId, Expression)>, Denial> {
    let mut presets: Vec<(ColumnId, Expression)> = Vec::new();
    for rule in &rules.permissive {
        for (column, template) in &rule.presets {
            let expression = values.expression(template);
            match presets.iter().find(|(known, _)| known == column) {
                None => presets.push((*column, expression)),
                Some((_, known)) if *known == expression => {}
                Some(_) => {
                    let problem = "another rule forces a different value into the same column";
                    return Err(Denial::BrokenRule {
                        rule: rule.name.clone(),
                        problem: problem.to_owned(),
                    });
                }
            }
        }
    }
    presets.sort_by_key(|(column, _)| *column);
    Ok(presets)
}

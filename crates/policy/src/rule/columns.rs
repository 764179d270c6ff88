//! The key `columns` of a rule: mask, hide and deny.
//!
//! In:  its value and the named masks.
//! Out: one [`Treatment`] per column named.
//!
//! Invariants:
//! - A column is treated in one way only.

use std::collections::BTreeMap;

use super::{ColumnName, RuleReader, Treatment, useless};
use crate::audience::names;
use crate::expression::Use;
use crate::mistake::{MistakeKind, Place, Report};
use crate::yaml::{Entry, Fields, Node};

impl RuleReader<'_> {
    pub(super) fn columns(
        &self,
        node: Option<&Node>,
        restrictive: bool,
        report: &mut Report,
    ) -> Vec<(ColumnName, Treatment)> {
        let Some(node) = node else { return Vec::new() };
        if restrictive {
            useless(node, "`columns`", "a restrictive rule has rows and check only", report);
        }
        let Some(fields) = Fields::read(node, "`columns`", &["mask", "hide", "deny"], report)
        else {
            return Vec::new();
        };
        let mut columns = Vec::new();
        let masked = fields.optional("mask").and_then(|node| node.map("`mask`", report));
        for entry in masked.unwrap_or_default() {
            if let Some(mask) = self.mask(entry, report) {
                columns.push((ColumnName::of(&entry.key), mask));
            }
        }
        for (key, treatment) in [("hide", Treatment::Hide), ("deny", Treatment::Deny)] {
            let nodes =
                fields.optional(key).and_then(|node| node.list(&format!("`{key}`"), report));
            for scalar in names(nodes.unwrap_or_default(), "a column", report) {
                columns.push((ColumnName::of(scalar), treatment.clone()));
            }
        }
        report_twice(&columns, report);
        columns
    }

    /// A word is a mask's name; anything else is an expression. A bare word is no useful mask: it would be
    /// the column itself, in clear.
    fn mask(&self, entry: &Entry, report: &mut Report) -> Option<Treatment> {
        let scalar = entry.node.scalar("a mask", report)?;
        if let Some(mask) = self.masks.get(&scalar.text) {
            return Some(Treatment::Mask(mask.clone()));
        }
        let word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
        let digit_first = scalar.text.starts_with(|letter: char| letter.is_ascii_digit());
        if scalar.text.chars().all(word) && !digit_first && !is_constant(&scalar.text) {
            let near = report.suggest(&scalar.text, self.masks.keys().map(String::as_str));
            let hint = if near.is_empty() { "define it under `masks`" } else { &near };
            let message = format!("unknown mask `{}`", scalar.text);
            report.add(&scalar.place, MistakeKind::Reference, message, hint);
            return None;
        }
        Some(Treatment::Mask(self.expression(scalar, Use::Mask, report)))
    }
}

/// Words that are constants in SQL.
fn is_constant(text: &str) -> bool {
    ["null", "true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn report_twice(columns: &[(ColumnName, Treatment)], report: &mut Report) {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    for (column, _) in columns {
        if let Some(before) = first.insert(&column.name, &column.place) {
            let message = format!("column `{}` is masked, hidden or denied twice", column.name);
            let hint = format!("first at {}:{}:{}", before.file, before.line, before.column);
            report.add(&column.place, MistakeKind::Structure, message, hint);
        }
    }
}

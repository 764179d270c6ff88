//! Names, comments and expressions as they stand in the script.
//!
//! In:  names of the catalog, texts of the policy, [`Filter`]s.
//! Out: pieces of SQL.
//!
//! Invariants:
//! - A comment is one line: nothing in a rule's name can end it.
//! - A relation of a sub-select is never written but through its view of all rows, whose readers are noted.

use std::collections::BTreeSet;
use std::sync::Arc;

use pgcordon_policy::{Expression, Filter};
use pgcordon_sql::catalog::{Relation, RelationId, Snapshot};
use pgcordon_sql::splice;
use pgcordon_sql::template::{Piece, Template};

use crate::export::truth_schema;

/// PostgreSQL cuts longer names off.
const NAME_BYTES: usize = 63;

/// A name that PostgreSQL keeps whole.
pub(super) fn short(name: &str) -> Option<String> {
    (name.len() <= NAME_BYTES).then(|| name.to_owned())
}

/// The beginning of a name, as long as PostgreSQL keeps it.
pub(super) fn cut(name: &str) -> String {
    let mut end = name.len().min(NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

/// A text without line breaks and other control characters.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Quoted names with commas.
pub(super) fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(splice::quoted).collect();
    names.join(", ")
}

/// Writes expressions about one relation's row.
pub(super) struct Writer<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) relation: &'a Relation,
    /// What the row is called.
    pub(super) alias: &'a str,
    /// Relations that the expressions' sub-selects read.
    pub(super) truths: BTreeSet<RelationId>,
}

impl Writer<'_> {
    /// A condition; `None` where it cannot be written.
    pub(super) fn filter(&mut self, filter: &Filter) -> Option<String> {
        match filter {
            Filter::All => Some("true".to_owned()),
            Filter::Nothing => Some("false".to_owned()),
            Filter::Test(expression) => self.expression(expression),
            Filter::Any(filters) => self.joined(filters, " OR "),
            Filter::Every(filters) => self.joined(filters, " AND "),
        }
    }

    fn joined(&mut self, filters: &[Filter], word: &str) -> Option<String> {
        let parts: Option<Vec<String>> = filters.iter().map(|filter| self.filter(filter)).collect();
        Some(format!("({})", parts?.join(word)))
    }

    /// An expression; `None` where a relation in it has no view of all its rows.
    pub(super) fn expression(&mut self, expression: &Expression) -> Option<String> {
        let template = self.over_truths(&expression.template)?;
        let mut text = String::new();
        template.render_for(self.alias, self.relation, &expression.values, &mut text);
        Some(text)
    }

    /// The same expression, its sub-selects reading the views of all rows.
    fn over_truths(&mut self, template: &Arc<Template>) -> Option<Template> {
        let mut changed = Template::clone(template);
        for (index, id) in &template.relations {
            let found = self.snapshot.relation(*id);
            let piece = changed.pieces.get_mut(*index)?;
            if *piece != Piece::Text(found.qualified()) {
                // ONLY: the view would read the children, too.
                return None;
            }
            let schema = truth_schema(&found.schema)?;
            *piece = Piece::Text(splice::qualified(&schema, &found.name));
            self.truths.insert(*id);
        }
        Some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_cannot_be_ended_by_what_it_holds() {
        assert_eq!(one_line("a\nDROP TABLE x;\r\u{85}b"), "a DROP TABLE x;  b");
    }

    #[test]
    fn names_are_cut_between_letters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ä".repeat(40)), "ä".repeat(31));
        assert_eq!(short(&"x".repeat(64)), None);
        assert_eq!(short(&"x".repeat(63)), Some("x".repeat(63)));
    }
}

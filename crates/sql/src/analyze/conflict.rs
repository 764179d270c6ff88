//! ON CONFLICT.
//!
//! Invariants:
//! - A conflict target reads columns as SELECT does (`parse_clause.c`, transformOnConflictArbiter), but it is matched
//!   with an index as it stands: nothing in it is replaced.
//! - EXCLUDED as a whole row holds columns that the reader may not see: refused where there are any.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, OnConflictAction};
use pg_raw_parse::walk::{Recurse, walk_manual};

use super::Walker;
use super::assign::{Assignment, columns_of};
use super::scope::{Item, Scope, Source, Visibility};
use super::write::Write;
use crate::catalog::{ColumnId, Relation};
use crate::error::Error;

/// ON CONFLICT.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Conflict {
    /// DO NOTHING.
    Nothing,
    /// DO UPDATE SET … [WHERE …].
    Update {
        /// Columns set, with where they are named.
        columns: Vec<(ColumnId, usize)>,
        /// The same, item by item.
        assignments: Vec<Assignment>,
        /// Bytes of the condition behind WHERE; `None` without one.
        condition: Option<Range<usize>>,
        /// Where a condition would begin: behind the last token of SET, or at WHERE.
        at: usize,
    },
}

impl<'a> Walker<'a> {
    pub(super) fn conflict(
        &mut self,
        conflict: &'a nodes::OnConflictClause,
        items: &[Item<'a>],
        relation: &Relation,
        write: &mut Write,
    ) -> Result<(), Error> {
        if let Some(infer) = conflict.infer() {
            write.reads_target = true;
            self.conflict_target(infer, &items[..1])?;
        }
        if conflict.action != OnConflictAction::ONCONFLICT_UPDATE {
            write.conflict = Some(Conflict::Nothing);
            return Ok(());
        }
        let start = self.parsed.token_at(conflict.location)?;
        let end = match self.parsed.clause(&write.range, "returning") {
            Some(token) => self.parsed.end(token - 1),
            None => write.range.end,
        };
        let whole = self.parsed.start(start)..end;
        let action = self.parsed.clause(&whole, "do");
        let action = action.ok_or_else(|| crate::parse::disagreement(whole.start))?;
        let set = self.parsed.start(action)..end;
        let scope = Scope { items, parent: None };
        let text = self.set_text(&set)?;
        let assignments = self.set_list(conflict.target_list().iter(), &text, relation, &scope)?;
        let (condition, at) = self.condition_in(&set, conflict.where_clause(), &scope)?;
        if partly_seen(&items[1]) {
            for target in conflict.target_list() {
                whole_excluded(target.val())?;
            }
            whole_excluded(conflict.where_clause())?;
        }
        let columns = columns_of(&assignments);
        write.conflict = Some(Conflict::Update { columns, assignments, condition, at });
        Ok(())
    }

    fn conflict_target(
        &mut self,
        infer: &'a nodes::InferClause,
        items: &[Item<'a>],
    ) -> Result<(), Error> {
        let scope = Scope { items, parent: None };
        let uses = self.out.target_uses.len();
        for element in infer.index_elems() {
            let Node::IndexElem(element) = element else {
                return Err(Error::unsupported("this conflict target", infer.location));
            };
            if let Some(name) = element.name() {
                scope.single(name, None)?;
            }
            self.optional(element.expr(), &scope)?;
        }
        self.optional(infer.where_clause(), &scope)?;
        self.out.target_uses.truncate(uses);
        Ok(())
    }
}

/// Whether the reader sees less of the item than there is.
fn partly_seen(item: &Item<'_>) -> bool {
    match &item.source {
        Source::Relation { view, .. } => view.iter().any(|seen| *seen != Visibility::Clear),
        Source::Derived(_) => false,
    }
}

fn whole_excluded(node: Node<'_>) -> Result<(), Error> {
    let mut found = None;
    let mut visit = |node: Node<'_>| {
        let Node::ColumnRef(reference) = node else { return };
        let mut fields = reference.fields().iter();
        let excluded = fields.next().and_then(Node::as_str) == Some("excluded");
        let whole = matches!(fields.next(), None | Some(Node::A_Star(_)));
        if excluded && whole {
            found = Some(reference.location);
        }
    };
    if matches!(node, Node::None) {
        return Ok(());
    }
    visit(node);
    walk_manual::<()>(node, |node| {
        visit(node);
        Recurse::yes()
    });
    match found {
        None => Ok(()),
        Some(location) => Err(Error::unsupported(
            "EXCLUDED as a whole row of a relation with masked or hidden columns",
            location,
        )),
    }
}

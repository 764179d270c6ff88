//! The edits of one text, and what the result must look like.
//!
//! In:  edits with marks: where in their text relations are named.
//! Out: a [`Plan`]; `verify` carries it out and proves it.

use std::ops::Range;

use pgcordon_sql::analyze::{Bind, Free, Outline};
use pgcordon_sql::splice::Edit;

use crate::cleared::ClearedStatement;

/// What must guard a relation in the text that is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Guard {
    /// Nothing: the principal may read every row and column of it.
    Free,
    /// It is the only item of a sub-select of ours, under our alias; with a WHERE clause if `condition`.
    Scan { condition: bool },
    /// It is the target of an UPDATE or DELETE.
    Changed {
        /// The condition's top is an AND inside this edit (index into the plan's pieces).
        and_in: Option<usize>,
        /// It has a WHERE clause.
        condition: bool,
        /// The last item of RETURNING is our check.
        check: bool,
        /// Columns that may be set.
        columns: Vec<String>,
    },
    /// It is the target of an INSERT; the last item of RETURNING is our check if `check`. It names no other columns to
    /// be written.
    Inserted { check: bool, columns: Vec<String> },
    /// It is the target of a MERGE: the top of ON is an AND of ours if `and`, and each WHEN clause is guarded as said.
    Merged { and: bool, whens: Vec<WhenGuard> },
    /// A command names it whole: LOCK, TRUNCATE.
    Object,
    /// The statement makes it.
    Made,
    /// It is the target of COPY FROM; its condition is our check if `check`.
    Copied { check: bool },
    /// Not a relation: a CTE of ours.
    Name,
}

/// What must guard a WHEN clause of MERGE.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WhenGuard {
    /// Its condition is a CASE of ours.
    pub(crate) condition: bool,
    /// A value of its action is a sub-select of ours.
    pub(crate) value: bool,
    /// Columns that its action may name to be written.
    pub(crate) columns: Vec<String>,
}

/// A relation that an edit names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    /// Byte offset within the edit's text.
    pub(crate) offset: usize,
    /// Expected schema; empty for [`Guard::Name`].
    pub(crate) schema: String,
    /// Expected name; `None` for a CTE of a view's definition, whatever it is called.
    pub(crate) name: Option<String>,
    /// Expected guard.
    pub(crate) guard: Guard,
}

/// One edit with what it names.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// The edit.
    pub(crate) edit: Edit,
    /// Relations named in its text.
    pub(crate) marks: Vec<Mark>,
}

/// Everything that is to be done to one text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// In any order.
    pub(crate) pieces: Vec<Piece>,
    /// Offsets in the client's text of names that are CTEs.
    pub(crate) names: Vec<usize>,
    /// Offsets in the client's text of references to a write's target that an edit must replace.
    pub(crate) replaced: Vec<usize>,
    /// Functions and operators outside `pg_catalog` that the policy allows.
    pub(crate) calls: Vec<(String, String)>,
    /// Expected statements.
    pub(crate) outlines: Vec<Outline>,
    /// What the session must know of each.
    pub(crate) statements: Vec<ClearedStatement>,
    /// Constants whose value decided nothing.
    pub(crate) free: Vec<Free>,
}

impl Plan {
    /// Adds an edit that names no relation.
    pub(crate) fn edit(&mut self, range: Range<usize>, text: String) -> usize {
        self.mark(range, text, Vec::new())
    }

    /// Adds an edit; gives its index.
    pub(crate) fn mark(&mut self, range: Range<usize>, text: String, marks: Vec<Mark>) -> usize {
        self.pieces.push(Piece { edit: Edit { range, text }, marks });
        self.pieces.len() - 1
    }

    /// The free constants in order, each once. Where two places disagree, the narrower one holds.
    pub(crate) fn constants(&mut self) -> Vec<Free> {
        let mut free = std::mem::take(&mut self.free);
        free.sort_by_key(|constant| constant.token);
        free.dedup_by(|next, kept| {
            let same = next.token == kept.token;
            if same && next.bind != kept.bind {
                kept.bind = Bind::Never;
            }
            same
        });
        free
    }
}

/// Text under construction, with marks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) text: String,
    pub(crate) marks: Vec<Mark>,
}

impl Draft {
    /// Writes a qualified relation name and marks it.
    pub(crate) fn relation(&mut self, relation: &pgcordon_sql::catalog::Relation, guard: Guard) {
        self.marks.push(Mark {
            offset: self.text.len(),
            schema: relation.schema.clone(),
            name: Some(relation.name.clone()),
            guard,
        });
        self.text.push_str(&relation.qualified());
    }

    /// Writes text.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends another draft.
    pub(crate) fn append(&mut self, other: Self) {
        let shift = self.text.len();
        self.text.push_str(&other.text);
        self.marks.extend(
            other.marks.into_iter().map(|mark| Mark { offset: mark.offset + shift, ..mark }),
        );
    }
}

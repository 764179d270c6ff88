//! System columns (`ctid` and kin) of relations that a sub-select may take the place of.
//!
//! The sub-select then gives the system columns that are asked for besides its own columns. PostgreSQL keeps them out
//! of `*`, of whole rows and of NATURAL JOIN: so do we, by writing `*` out, or by refusing.
//!
//! Invariants:
//! - No `*`, whole row or natural join of a statement holds a system column that was not there before.

use std::ops::Range;

use pg_raw_parse::nodes;

use super::scope::{Item, Scope};
use super::shape::Shape;
use super::{SystemUse, Walker};
use crate::catalog::Oid;
use crate::error::{Error, offset};
use crate::splice::{Edit, push_quoted};

/// `tid`, `xid`, `cid`, `oid` in `pg_catalog.pg_type`.
const TYPES: [(&str, Oid); 6] = [
    ("ctid", Oid(27)),
    ("xmin", Oid(28)),
    ("cmin", Oid(29)),
    ("xmax", Oid(28)),
    ("cmax", Oid(29)),
    ("tableoid", Oid(26)),
];

/// A place that takes all columns of some relations.
pub(super) struct Wide {
    /// Indexes into [`super::Statement::accesses`].
    accesses: Vec<usize>,
    /// `*` and the columns that it stands for, where they can be written out.
    star: Option<Edit>,
    offset: Option<usize>,
}

impl<'a> Walker<'a> {
    pub(super) fn system_use(&mut self, accesses: Vec<usize>, name: &'static str) -> Shape {
        let uses = accesses.into_iter().map(|access| SystemUse { access, name });
        self.out.system_uses.extend(uses);
        let kind = TYPES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        Shape { kind, calm: true, literal: false }
    }

    pub(super) fn whole_row(&mut self, scanned: Option<usize>, reference: &nodes::ColumnRef) {
        if let Some(access) = scanned {
            let offset = offset(reference.location);
            self.wide.push(Wide { accesses: vec![access], star: None, offset });
        }
    }

    /// A natural join over these items.
    pub(super) fn natural(&mut self, items: &[Item<'a>]) {
        let accesses = items.iter().filter_map(Item::scanned).collect();
        self.wide.push(Wide { accesses, star: None, offset: None });
    }

    /// `*` over these items; `range` is all of the reference, if it stands in the text.
    pub(super) fn wide_star(
        &mut self,
        items: &[&Item<'a>],
        scope: &Scope<'a, '_>,
        range: Option<Range<usize>>,
    ) {
        // Below a join with USING, the items whose columns it takes are not visible themselves.
        let all = scope.items.iter().filter(|item| !item.cols_visible);
        let accesses = items.iter().copied().chain(all).filter_map(Item::scanned).collect();
        let offset = range.as_ref().map(|range| range.start);
        let star = range.zip(written_out(items)).map(|(range, text)| Edit { range, text });
        self.wide.push(Wide { accesses, star, offset });
    }

    /// Writes out each `*` over a relation whose system columns are asked for.
    pub(super) fn narrow(&mut self) -> Result<(), Error> {
        for wide in std::mem::take(&mut self.wide) {
            let asked =
                |access: &usize| self.out.system_uses.iter().any(|one| one.access == *access);
            if !wide.accesses.iter().any(asked) {
                continue;
            }
            let Some(edit) = wide.star else {
                let what = "a system column (ctid and its kin) beside a whole row of the relation";
                return Err(Error::Unsupported { what: what.to_owned(), offset: wide.offset });
            };
            self.out.edits.push(edit);
        }
        Ok(())
    }
}

/// The columns of `*`; `None` where one of them could not be named.
fn written_out(items: &[&Item<'_>]) -> Option<String> {
    let all: Vec<_> = items.iter().map(|item| (item, item.columns())).collect();
    let mut text = String::new();
    for (item, columns) in &all {
        let target = matches!(item.source, super::scope::Source::Relation { target: true, .. });
        if item.open() || target {
            return None;
        }
        let named = item.rel_visible && !item.name.is_empty();
        for column in columns {
            let same = |columns: &[super::scope::OutColumn]| {
                columns.iter().filter(|other| other.name == column.name).count()
            };
            let times = match named {
                true => same(columns),
                false => all.iter().map(|(_, columns)| same(columns)).sum(),
            };
            if times > 1 {
                return None;
            }
            if !text.is_empty() {
                text.push_str(", ");
            }
            if named {
                push_quoted(&mut text, &item.name);
                text.push('.');
            }
            push_quoted(&mut text, &column.name);
        }
    }
    Some(text)
}

//! System columns (`ctid` and kin) and whole rows of relations that a sub-select may take the place of.
//!
//! The sub-select then gives the system columns and the row that are asked for besides its own columns. PostgreSQL
//! keeps them out of `*`, of whole rows and of NATURAL JOIN: so do we, by writing `*` out, or by refusing.
//!
//! Invariants:
//! - No `*`, whole row or natural join of a statement holds a column that was not there before.
//! - A row is given as a column only where every column of the relation is seen as it is.

use std::ops::Range;

use pg_raw_parse::nodes;

use super::scope::{Item, Scope, Source, Visibility};
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
    kind: WideKind,
    offset: Option<usize>,
}

enum WideKind {
    /// `*` and the columns that it stands for, where they can be written out.
    Star(Option<Edit>),
    /// The name of a FROM item for its row. A column of that name could take its place.
    Name { exposable: bool },
    /// Anything else: `t.*` as a value, NATURAL JOIN, an alias of a join.
    Fixed,
}

impl<'a> Walker<'a> {
    pub(super) fn system_use(&mut self, accesses: Vec<usize>, name: &'static str) -> Shape {
        let uses = accesses.into_iter().map(|access| SystemUse { access, name });
        self.out.system_uses.extend(uses);
        let kind = TYPES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        Shape { kind, calm: true, ..Shape::OPAQUE }
    }

    /// A sub-select's row has no type with a name, which PostgreSQL needs for functions of that type, for literals
    /// beside it and for elements of arrays of it. So the scan gives the row as one more column, which is named as the
    /// item is: PostgreSQL takes a column before an item.
    pub(super) fn whole_row(
        &mut self,
        scanned: Option<usize>,
        reference: &nodes::ColumnRef,
        scope: &Scope<'a, '_>,
    ) {
        let Some(access) = scanned else { return };
        let offset = offset(reference.location);
        let kind = match reference.fields().len() {
            1 => WideKind::Name { exposable: scope.exposable(access) },
            _ => WideKind::Fixed,
        };
        self.wide.push(Wide { accesses: vec![access], kind, offset });
    }

    /// A natural join over these items, or an alias for them all.
    pub(super) fn natural(&mut self, items: &[Item<'a>]) {
        let accesses = items.iter().filter_map(Item::scanned).collect();
        self.wide.push(Wide { accesses, kind: WideKind::Fixed, offset: None });
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
        self.wide.push(Wide { accesses, kind: WideKind::Star(star), offset });
    }

    /// Writes out each `*` over a relation whose system columns or row are asked for.
    pub(super) fn narrow(&mut self) -> Result<(), Error> {
        let all = std::mem::take(&mut self.wide);
        self.expose(&all);
        for wide in all {
            let asked = |access: &usize| {
                let row = self.out.whole_rows.contains(access);
                row || self.out.system_uses.iter().any(|one| one.access == *access)
            };
            if !wide.accesses.iter().any(asked) {
                continue;
            }
            match wide.kind {
                WideKind::Star(Some(edit)) => self.out.edits.push(edit),
                WideKind::Name { .. } if self.out.whole_rows.contains(&wide.accesses[0]) => {}
                WideKind::Star(None) | WideKind::Name { .. } | WideKind::Fixed => {
                    let what =
                        "a system column (ctid and its kin) beside a whole row of the relation";
                    return Err(Error::Unsupported { what: what.to_owned(), offset: wide.offset });
                }
            }
        }
        Ok(())
    }

    /// Decides which relations give their row as a column: those where nothing else would take that column in.
    fn expose(&mut self, all: &[Wide]) {
        for wide in all {
            let (WideKind::Name { .. }, [access]) = (&wide.kind, wide.accesses.as_slice()) else {
                continue;
            };
            let grouped = self.out.group_keys.iter().any(|key| key.access == *access);
            let narrowable = all.iter().filter(|other| other.accesses.contains(access)).all(
                |other| match &other.kind {
                    WideKind::Star(star) => star.is_some(),
                    WideKind::Name { exposable } => *exposable,
                    WideKind::Fixed => false,
                },
            );
            if narrowable && !grouped && !self.out.whole_rows.contains(access) {
                self.out.whole_rows.push(*access);
            }
        }
    }
}

impl Scope<'_, '_> {
    /// Whether a relation's row is the same as that of its scan: every column seen as it is, under its own name.
    fn exposable(&self, wanted: usize) -> bool {
        let levels = std::iter::successors(Some(self), |scope| scope.parent);
        let mut items = levels.flat_map(|level| level.items);
        items.any(|item| match &item.source {
            Source::Relation { access, view, target: false, .. } => {
                let clear = view.iter().all(|column| *column == Visibility::Clear);
                *access == wanted && clear && item.renamed.is_empty()
            }
            Source::Relation { target: true, .. } | Source::Derived(_) => false,
        })
    }
}

/// The columns of `*`; `None` where one of them could not be named.
fn written_out(items: &[&Item<'_>]) -> Option<String> {
    let all: Vec<_> = items.iter().map(|item| (item, item.columns())).collect();
    let mut text = String::new();
    for (item, columns) in &all {
        let target = matches!(item.source, Source::Relation { target: true, .. });
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

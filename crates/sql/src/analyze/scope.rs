//! Which name means which column, at one query level.
//!
//! Follows `parse_relation.c`: a FROM item has a name that qualifies columns (`rel_visible`) and columns that may
//! be named alone (`cols_visible`); JOIN … USING merges columns; inner levels hide outer ones.
//!
//! Invariants:
//! - A column that the lens hides is not found; one that it denies is found and refused.
//! - Where an item's columns are unknown (a function's), a name that could be a hidden column of a write's target
//!   is refused, never guessed.

use std::ops::Range;
use std::rc::Rc;

use super::shape::{Shape, Sources};
use crate::catalog::{ColumnId, Relation, RelationKind};
use crate::error::Error;

/// What a reader may do with a column of a relation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Visibility {
    /// Sees every value.
    Clear,
    /// Sees a mask or NULL in some rows.
    Changed,
    /// May not use it.
    Denied,
    /// Does not know of it.
    Hidden,
}

/// A column of a derived table, CTE, view or join.
#[derive(Clone, Debug)]
pub(crate) struct OutColumn {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) denied: bool,
}

/// The columns that a query gives; `open` when a function adds some that are not known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) list: Vec<OutColumn>,
    pub(crate) open: bool,
}

/// Where an item's columns come from.
#[derive(Clone, Debug)]
pub(crate) enum Source<'a> {
    /// A relation of the catalog; `target` when a write touches it in place.
    Relation { access: usize, relation: &'a Relation, view: Rc<[Visibility]>, target: bool },
    /// A query or join.
    Derived(Rc<Columns>),
}

/// One FROM item.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// Qualifier; empty for a join without alias.
    pub(crate) name: String,
    /// Has no alias, so `schema.name.column` works too.
    pub(crate) schema: Option<&'a str>,
    pub(crate) source: Source<'a>,
    /// `t(a, b)`: new names for the first columns.
    pub(crate) renamed: Vec<String>,
    pub(crate) rel_visible: bool,
    pub(crate) cols_visible: bool,
    /// Accesses made inside this item, for FOR UPDATE OF.
    pub(crate) accesses: Range<usize>,
    /// Of a join with USING: which relation's column each of its columns is, where that is one.
    pub(crate) origins: Vec<Option<(usize, ColumnId)>>,
    /// Of a write through a view: the table that will stand in the view's place, whose columns one could name by then.
    pub(crate) behind: Option<&'a Relation>,
}

/// A query level: its FROM items and the level outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a, 's> {
    pub(crate) items: &'s [Item<'a>],
    pub(crate) parent: Option<&'s Scope<'a, 's>>,
}

/// What a name was found to be.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// A column; `target` names the write's target when it is one of its columns.
    Column {
        shape: Shape,
        kind_of_row: Option<crate::catalog::Oid>,
        target: Option<(usize, ColumnId)>,
        /// The relation's column that it is, and the relation's qualifier; not through a join or sub-select.
        origin: Option<(usize, ColumnId)>,
    },
    /// `ctid`, `tableoid` and their kin, of one of these accesses; a write's target is left out.
    System { accesses: Vec<usize>, name: &'static str, sources: Sources },
    /// A whole row; `target` as above, `scanned` names the access of a relation that is read.
    Row {
        target: Option<usize>,
        scanned: Option<usize>,
        columns: Rc<Vec<String>>,
        sources: Sources,
    },
    /// A column of an item whose columns are not known, or else one that comes from these accesses.
    Unknown(Sources),
}

const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"];

impl Item<'_> {
    /// Calls `visit` for each column a reader can name, in order, with its name.
    pub(crate) fn columns(&self) -> Vec<OutColumn> {
        match &self.source {
            Source::Derived(columns) => columns
                .list
                .iter()
                .enumerate()
                .map(|(index, column)| OutColumn {
                    name: self.renamed.get(index).unwrap_or(&column.name).clone(),
                    ..column.clone()
                })
                .collect(),
            Source::Relation { access, relation, view, .. } => relation
                .columns
                .iter()
                .zip(view.iter())
                .filter(|(_, visibility)| **visibility != Visibility::Hidden)
                .enumerate()
                .map(|(index, (column, visibility))| OutColumn {
                    name: self.renamed.get(index).unwrap_or(&column.name).clone(),
                    shape: column_shape(column, *visibility, *access),
                    denied: *visibility == Visibility::Denied,
                })
                .collect(),
        }
    }

    /// Whether some columns of this item are not known.
    pub(crate) fn open(&self) -> bool {
        match &self.source {
            Source::Derived(columns) => columns.open,
            Source::Relation { .. } => false,
        }
    }

    /// Finds a column by name; `Err` when two have it.
    fn find(&self, name: &str, offset: Option<usize>) -> Result<Option<Found>, Error> {
        match &self.source {
            Source::Derived(_) => self.find_derived(name, offset),
            Source::Relation { access, relation, view, target } => {
                if !self.renamed.is_empty() {
                    return self.find_renamed(name, offset);
                }
                let Some(id) = relation.column(name) else { return Ok(None) };
                let column = &relation.columns[usize::from(id.0)];
                match view[usize::from(id.0)] {
                    Visibility::Hidden => Ok(None),
                    Visibility::Denied => {
                        Err(Error::DeniedColumn { name: column.name.clone(), offset })
                    }
                    seen @ (Visibility::Clear | Visibility::Changed) => Ok(Some(Found::Column {
                        shape: column_shape(column, seen, *access),
                        kind_of_row: Some(column.type_oid),
                        target: target.then_some((*access, id)),
                        origin: self.rel_visible.then_some((*access, id)),
                    })),
                }
            }
        }
    }

    fn find_derived(&self, name: &str, offset: Option<usize>) -> Result<Option<Found>, Error> {
        let Source::Derived(columns) = &self.source else { return Ok(None) };
        let mut found = None;
        for (index, column) in columns.list.iter().enumerate() {
            if self.renamed.get(index).unwrap_or(&column.name) != name {
                continue;
            }
            if found.is_some() {
                return Err(Error::AmbiguousColumn { name: name.to_owned(), offset });
            }
            if column.denied {
                return Err(Error::DeniedColumn { name: column.name.clone(), offset });
            }
            let kind_of_row = column.shape.kind;
            found = Some(Found::Column {
                shape: column.shape,
                kind_of_row,
                target: None,
                origin: self.origins.get(index).copied().flatten(),
            });
        }
        Ok(match found {
            None if columns.open => Some(Found::Unknown(Sources::NONE)),
            other => other,
        })
    }

    fn find_renamed(&self, name: &str, offset: Option<usize>) -> Result<Option<Found>, Error> {
        let Some(column) = self.columns().into_iter().find(|column| column.name == name) else {
            return Ok(None);
        };
        if column.denied {
            return Err(Error::DeniedColumn { name: column.name, offset });
        }
        let kind_of_row = column.shape.kind;
        Ok(Some(Found::Column { shape: column.shape, kind_of_row, target: None, origin: None }))
    }

    fn row(&self, offset: Option<usize>) -> Result<Found, Error> {
        let columns = self.columns();
        if let Some(denied) = columns.iter().find(|column| column.denied) {
            return Err(Error::DeniedColumn { name: denied.name.clone(), offset });
        }
        let target = match &self.source {
            Source::Relation { access, target: true, .. } => Some(*access),
            Source::Relation { .. } | Source::Derived(_) => None,
        };
        let columns = Rc::new(columns.into_iter().map(|column| column.name).collect());
        Ok(Found::Row { target, scanned: self.scanned(), columns, sources: self.reach() })
    }

    /// Whether this is a write's target with a hidden column of that name.
    fn hides(&self, name: &str) -> bool {
        match &self.source {
            Source::Relation { relation, view, target: true, .. } => relation
                .column(name)
                .is_some_and(|id| view[usize::from(id.0)] == Visibility::Hidden),
            Source::Relation { .. } | Source::Derived(_) => false,
        }
    }

    /// Accesses that its columns come from.
    pub(crate) fn reach(&self) -> Sources {
        match &self.source {
            Source::Relation { access, .. } => Sources::of(*access),
            Source::Derived(columns) => {
                let sources = columns.list.iter().map(|column| column.shape.sources);
                sources.fold(Sources::NONE, Sources::with)
            }
        }
    }

    /// The access, where the item's name and columns are the relation's own.
    pub(crate) fn stored(&self) -> Sources {
        match &self.source {
            Source::Relation { access, .. } if self.rel_visible && self.renamed.is_empty() => {
                Sources::of(*access)
            }
            Source::Relation { .. } | Source::Derived(_) => Sources::NONE,
        }
    }

    /// The access of a relation that is read.
    pub(crate) fn scanned(&self) -> Option<usize> {
        match &self.source {
            Source::Relation { access, target: false, .. } => Some(*access),
            Source::Relation { target: true, .. } | Source::Derived(_) => None,
        }
    }

    /// Which column of a relation that is read has that name here.
    pub(crate) fn origin(&self, name: &str) -> Option<(usize, ColumnId)> {
        match &self.source {
            Source::Relation { access, relation, target: false, .. } if self.renamed.is_empty() => {
                Some((*access, relation.column(name)?))
            }
            Source::Relation { .. } => None,
            Source::Derived(columns) => {
                let index = columns.list.iter().position(|column| column.name == name)?;
                self.origins.get(index).copied().flatten()
            }
        }
    }

    /// Whether it has system columns.
    fn is_relation(&self) -> bool {
        match &self.source {
            Source::Relation { relation, .. } => relation.kind != RelationKind::View,
            Source::Derived(_) => false,
        }
    }

    /// Whether `name` alone would mean a column of the table that takes this view's place, though it is not `found`.
    fn shadows(&self, name: &str, found: Option<&Found>) -> bool {
        let Some(table) = self.behind else { return false };
        let own = match found {
            Some(Found::Column { target: Some((access, _)), .. }) => self.accesses.contains(access),
            Some(
                Found::Column { target: None, .. }
                | Found::System { .. }
                | Found::Row { .. }
                | Found::Unknown(_),
            )
            | None => false,
        };
        !own && table.column(name).is_some()
    }
}

/// `default`, `C` and `POSIX` of `pg_collation.dat` are deterministic; of any other that is not known here.
fn steady_collation(collation: crate::catalog::Oid) -> crate::catalog::Oid {
    if [100, 950, 951].contains(&collation.0) { collation } else { crate::catalog::Oid(0) }
}

fn system_column(name: &str) -> Option<&'static str> {
    SYSTEM_COLUMNS.into_iter().find(|known| *known == name)
}

fn column_shape(column: &crate::catalog::Column, visibility: Visibility, access: usize) -> Shape {
    let shape = Shape {
        sources: Sources::of(access),
        collation: steady_collation(column.collation),
        digits: super::number::digits_of_column(column),
        ..Shape::value(column.type_oid)
    };
    match visibility {
        Visibility::Clear => shape,
        Visibility::Changed | Visibility::Denied | Visibility::Hidden => {
            Shape { calm: false, ..shape }
        }
    }
}

impl<'a, 's> Scope<'a, 's> {
    /// All levels, innermost first.
    fn levels(&self) -> impl Iterator<Item = &Scope<'a, 's>> {
        std::iter::successors(Some(self), |scope| scope.parent)
    }

    /// Resolves `name` standing alone: a column first, at any level, then a whole row.
    pub(crate) fn single(&self, name: &str, offset: Option<usize>) -> Result<Found, Error> {
        let mut unknown = false;
        for level in self.levels() {
            let mut found = None;
            for item in level.items.iter().filter(|item| item.cols_visible) {
                match item.find(name, offset)? {
                    None => {}
                    Some(Found::Unknown(_)) => unknown = true,
                    Some(other) if found.is_none() => found = Some(other),
                    Some(_) => {
                        return Err(Error::AmbiguousColumn { name: name.to_owned(), offset });
                    }
                }
                if item.hides(name) {
                    return Err(Error::UnknownColumn { name: name.to_owned(), offset });
                }
            }
            if level.items.iter().any(|item| item.shadows(name, found.as_ref())) {
                return Err(match found {
                    Some(_) => Error::Unsupported {
                        what: format!(
                            "\"{name}\" without a qualifier, where the table behind the view has a column of that name"
                        ),
                        offset,
                    },
                    None => Error::UnknownColumn { name: name.to_owned(), offset },
                });
            }
            match found {
                // It may as well be a column of a function's further inside, which we do not know.
                Some(Found::Column { target: Some(_), .. }) if unknown => {
                    return Err(Error::AmbiguousColumn { name: name.to_owned(), offset });
                }
                Some(Found::Column { shape, .. }) if unknown => {
                    return Ok(Found::Unknown(shape.sources));
                }
                Some(found) => return Ok(found),
                None => {}
            }
            if let Some(name) = system_column(name)
                && level.items.iter().any(Item::is_relation)
            {
                let relations = level.items.iter().filter(|item| item.is_relation());
                let sources = relations.map(Item::reach).fold(Sources::NONE, Sources::with);
                let accesses = level.items.iter().filter_map(Item::scanned).collect();
                return Ok(Found::System { accesses, name, sources });
            }
        }
        for level in self.levels() {
            let row = level.items.iter().find(|item| item.rel_visible && item.name == name);
            if let Some(item) = row {
                return item.row(offset);
            }
        }
        if unknown {
            return Ok(Found::Unknown(Sources::NONE));
        }
        Err(Error::UnknownColumn { name: name.to_owned(), offset })
    }

    /// The item that `[schema.]name` qualifies.
    pub(crate) fn item(
        &self,
        schema: Option<&str>,
        name: &str,
        offset: Option<usize>,
    ) -> Result<&Item<'a>, Error> {
        for level in self.levels() {
            let mut matching = level.items.iter().filter(|item| {
                item.rel_visible && item.name == name && (schema.is_none() || item.schema == schema)
            });
            if let Some(item) = matching.next() {
                return match matching.next() {
                    None => Ok(item),
                    Some(_) => Err(Error::AmbiguousColumn { name: name.to_owned(), offset }),
                };
            }
        }
        Err(Error::MissingFrom { name: name.to_owned(), offset })
    }

    /// Resolves `[schema.]name.column`.
    pub(crate) fn qualified(
        &self,
        schema: Option<&str>,
        name: &str,
        column: &str,
        offset: Option<usize>,
    ) -> Result<Found, Error> {
        let item = self.item(schema, name, offset)?;
        if let Some(found) = item.find(column, offset)? {
            return Ok(found);
        }
        if let Some(name) = system_column(column)
            && item.is_relation()
        {
            let accesses = item.scanned().into_iter().collect();
            return Ok(Found::System { accesses, name, sources: item.reach() });
        }
        let name = format!("{name}.{column}");
        Err(Error::UnknownColumn { name, offset })
    }

    /// Resolves `[schema.]name.*` as a whole row.
    pub(crate) fn row(
        &self,
        schema: Option<&str>,
        name: &str,
        offset: Option<usize>,
    ) -> Result<(Found, &Item<'a>), Error> {
        let item = self.item(schema, name, offset)?;
        Ok((item.row(offset)?, item))
    }
}

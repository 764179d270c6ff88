//! Expressions that the database keeps: DEFAULT, CHECK, GENERATED, those of indexes and partition keys, USING.
//!
//! Invariants:
//! - They read the row that they are for, and nothing else.
//! - A function that looks something up or changes a setting is refused; `nextval` of a constant name is resolved here.

use std::rc::Rc;

use pg_raw_parse::nodes;
use pg_raw_parse::{ConstValue, Node};

use super::super::Walker;
use super::super::query::derived;
use super::super::scope::{Columns, Item, OutColumn, Scope};
use super::super::shape::Shape;
use super::{Held, Hold};
use crate::catalog::{Oid, RelationId, RelationKind};
use crate::error::{Error, offset};
use crate::splice::{Edit, literal};

/// The columns that an expression may read, under the table's name.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) name: String,
    columns: Columns,
}

impl Row {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), columns: Columns::default() }
    }

    /// Adds a column; the type where it is known.
    pub(super) fn add(&mut self, name: &str, kind: Option<Oid>) {
        let shape = kind.map_or(Shape::OPAQUE, Shape::value);
        let (name, denied) = (name.to_owned(), false);
        self.columns.list.retain(|known| known.name != name);
        self.columns.list.push(OutColumn { name, shape, denied });
    }

    /// Adds the columns of another row.
    pub(super) fn extend(&mut self, other: Self) {
        for column in other.columns.list {
            self.add(&column.name, column.shape.kind);
        }
    }
}

impl<'a> Walker<'a> {
    /// The columns of a relation, for expressions over its rows.
    pub(super) fn row_of(&mut self, id: RelationId, name: &str) -> Row {
        let relation = self.names.snapshot.relation(id);
        self.note_types(relation);
        let mut row = Row::new(name);
        for column in &relation.columns {
            row.add(&column.name, Some(column.type_oid));
        }
        row
    }

    /// Walks an expression that is kept; nothing where there is none.
    pub(super) fn stored(&mut self, node: Node<'a>, row: &Row) -> Result<(), Error> {
        if matches!(node, Node::None) {
            return Ok(());
        }
        if self.drawn_default(node)? {
            return Ok(());
        }
        let before = (self.out.accesses.len(), self.out.guards.len(), self.out.settings.len());
        let item: Item<'a> = derived(row.name.clone(), Rc::new(row.columns.clone()));
        self.expression(node, &Scope { items: &[item], parent: None })?;
        let after = (self.out.accesses.len(), self.out.guards.len(), self.out.settings.len());
        if before != after {
            let what =
                "a sub-select, a catalog function or a setting in an expression that is kept";
            return Err(Error::unsupported(what, -1));
        }
        Ok(())
    }

    /// `nextval('name')` or `nextval('name'::regclass)` of a sequence that may be used so.
    fn drawn_default(&mut self, node: Node<'a>) -> Result<bool, Error> {
        let Node::FuncCall(call) = node else { return Ok(false) };
        let names: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
        let (["nextval"] | ["pg_catalog", "nextval"], 1) = (names.as_slice(), call.args().len())
        else {
            return Ok(false);
        };
        let (range, parts) = self.arguments(call)?;
        let [part] = parts.as_slice() else { return Err(crate::parse::disagreement(range.start)) };
        let name = call.args().first().and_then(constant_name);
        let unknown = || Error::UnknownRelation {
            name: self.parsed.text()[part.clone()].to_owned(),
            offset: offset(call.location),
        };
        let name = name.and_then(super::super::lookup::split_name).ok_or_else(unknown)?;
        let id = self.found(&name).ok_or_else(unknown)?;
        let sequence = self.names.snapshot.relation(id);
        if sequence.kind != RelationKind::Sequence {
            return Err(unknown());
        }
        let serves = self.names.snapshot.dependents().iter().any(|one| one.oid == sequence.oid);
        // One that no table has yet is nobody's.
        if serves {
            match self.names.lens.holds(id, Hold::Own) {
                Held::Whole => {}
                Held::Partly | Held::Absent => return Err(unknown()),
            }
        }
        let text = format!("{}::pg_catalog.regclass", literal(&sequence.qualified()));
        self.out.edits.push(Edit { range: part.clone(), text });
        if names.len() == 1 {
            self.qualify(call.location)?;
        }
        Ok(true)
    }

    /// The relation that the parts of a name mean, whoever may know of it.
    fn found(&self, parts: &[String]) -> Option<RelationId> {
        let snapshot = self.names.snapshot;
        match parts {
            [name] => snapshot.unqualified(self.names.search_path, name),
            [schema, name] => snapshot.qualified(schema, name),
            _ => None,
        }
    }
}

/// The string of `'name'`, `'name'::regclass` or `CAST('name' AS regclass)`.
fn constant_name(node: Node<'_>) -> Option<&str> {
    let constant = match node {
        Node::A_Const(constant) => constant,
        Node::TypeCast(cast) => {
            let names: Vec<&str> =
                cast.type_name()?.names().iter().filter_map(nodes::String::sval).collect();
            match (names.as_slice(), cast.arg()) {
                (["regclass"] | ["pg_catalog", "regclass"], Node::A_Const(constant)) => constant,
                (_, _) => return None,
            }
        }
        _ => return None,
    };
    match constant.val() {
        Some(ConstValue::String(text)) => Some(text),
        Some(_) | None => None,
    }
}

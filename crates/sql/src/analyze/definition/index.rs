//! CREATE INDEX.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, IndexElem};

use super::super::Walker;
use super::options::{class, method, no_tablespace, storage};
use super::stored::Row;
use super::{Change, Hold, free_name};
use crate::catalog::RelationKind;
use crate::error::Error;

impl<'a> Walker<'a> {
    pub(super) fn create_index(
        &mut self,
        index: &'a nodes::IndexStmt,
    ) -> Result<Vec<Change>, Error> {
        let relation = index.relation().ok_or_else(|| Error::unsupported("this index", -1))?;
        if !index.exclude_op_names().is_empty() || index.idxcomment().is_some() {
            return Err(Error::unsupported("this index", relation.location));
        }
        free_name(index.idxname().unwrap_or_default())?;
        method(index.access_method())?;
        no_tablespace(index.table_space())?;
        storage(index.options().iter().map(Node::DefElem))?;
        let id = self.hold(relation, Hold::Own)?;
        match self.names.snapshot.relation(id).kind {
            RelationKind::Table
            | RelationKind::PartitionedTable
            | RelationKind::MaterializedView => {}
            RelationKind::View
            | RelationKind::ForeignTable
            | RelationKind::Sequence
            | RelationKind::Toast
            | RelationKind::CompositeType
            | RelationKind::Index => {
                let what = "CREATE INDEX on anything but a table or materialized view";
                return Err(Error::unsupported(what, relation.location));
            }
        }
        let row = self.row_of(id, relation.relname().unwrap_or_default());
        for element in index.index_params() {
            self.index_element(element, &row)?;
        }
        for element in index.index_including_params() {
            let Node::IndexElem(element) = element else {
                return Err(Error::unsupported("this INCLUDE", relation.location));
            };
            self.index_element(element, &row)?;
        }
        self.stored(index.where_clause(), &row)?;
        Ok(Vec::new())
    }

    /// A column or an expression, with its operator class.
    pub(super) fn index_element(&mut self, element: &'a IndexElem, row: &Row) -> Result<(), Error> {
        class(element.opclass())?;
        storage_of_class(element)?;
        self.stored(element.expr(), row)
    }
}

/// Parameters of an operator class: numbers.
fn storage_of_class(element: &IndexElem) -> Result<(), Error> {
    if element.opclassopts().is_empty() {
        return Ok(());
    }
    Err(Error::unsupported("parameters of an operator class", -1))
}

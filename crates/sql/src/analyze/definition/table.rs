//! CREATE TABLE: columns, constraints, LIKE, INHERITS, PARTITION BY and PARTITION OF.
//!
//! Invariants:
//! - A table whose definition is copied is read whole by the reader; a parent and what REFERENCES names is their own.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{self, ColumnDef, ConstrType, Constraint, OnCommitAction};

use super::super::create::is_temporary;
use super::super::{NewRelation, Walker};
use super::options::{class, collation, method, no_tablespace, plain_names, storage};
use super::stored::Row;
use super::{Change, Hold, free_name};
use crate::catalog::{Oid, RelationKind};
use crate::error::Error;
use crate::lex::TokenKind;

/// What stands for an integer column with a sequence (`transformColumnDefinition` in parse_utilcmd.c).
const SERIAL: [&str; 6] = ["serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"];

/// A table that is being defined.
pub(super) struct Defined<'n> {
    /// Its columns so far.
    pub(super) row: Row,
    /// What CREATE TABLE makes: its constraints may refer to it.
    pub(super) new: Option<&'n NewRelation>,
}

impl<'a> Walker<'a> {
    pub(super) fn create_table(
        &mut self,
        create: &'a nodes::CreateStmt,
    ) -> Result<Vec<Change>, Error> {
        plain_table(create)?;
        let relation = create.relation().ok_or_else(|| Error::unsupported("this table", -1))?;
        let new = self.new_relation(relation, "CREATE TABLE")?;
        let mut row = Row::new(&new.name);
        for parent in create.inh_relations() {
            let Node::RangeVar(parent) = parent else {
                return Err(Error::unsupported("this parent", -1));
            };
            let id = self.hold(parent, Hold::Own)?;
            row.extend(self.row_of(id, ""));
        }
        for element in create.table_elts() {
            self.declared_columns(element, &mut row)?;
        }
        let change = Change::Makes { schema: new.schema.clone(), name: new.name.clone() };
        let defined = Defined { row, new: Some(&new) };
        for element in create.table_elts() {
            match element {
                Node::ColumnDef(column) => self.column_constraints(column, &defined)?,
                Node::Constraint(constraint) => self.constraint(constraint, &defined)?,
                Node::TableLikeClause(_) => {}
                _ => return Err(Error::unsupported("this part of CREATE TABLE", -1)),
            }
        }
        if let Some(key) = create.partspec() {
            for part in key.part_params() {
                self.stored(part.expr(), &defined.row)?;
                class(part.opclass())?;
            }
        }
        if let Some(bound) = create.partbound() {
            self.partition_bound(bound)?;
        }
        self.out.made.push(new);
        Ok(vec![change])
    }

    /// The columns that an element brings.
    fn declared_columns(&mut self, element: Node<'a>, row: &mut Row) -> Result<(), Error> {
        match element {
            Node::ColumnDef(column) => {
                let name = column.colname().unwrap_or_default();
                let kind = self.column_type(column)?;
                // A partition names columns of its parent, without a type.
                if column.type_name().is_some() {
                    row.add(name, kind);
                }
            }
            Node::TableLikeClause(like) => {
                let relation =
                    like.relation().ok_or_else(|| Error::unsupported("this LIKE", -1))?;
                let id = self.hold(relation, Hold::Read)?;
                match self.names.snapshot.relation(id).kind {
                    RelationKind::Table | RelationKind::PartitionedTable => {}
                    RelationKind::View
                    | RelationKind::MaterializedView
                    | RelationKind::ForeignTable
                    | RelationKind::Sequence
                    | RelationKind::Toast
                    | RelationKind::CompositeType
                    | RelationKind::Index => {
                        let what = "LIKE of anything but a table";
                        return Err(Error::unsupported(what, relation.location));
                    }
                }
                row.extend(self.row_of(id, ""));
            }
            _ => {}
        }
        Ok(())
    }

    /// The type of a column, where it is a plain one.
    pub(super) fn column_type(&mut self, column: &'a ColumnDef) -> Result<Option<Oid>, Error> {
        free_name(column.colname().unwrap_or_default())?;
        if !column.fdwoptions().is_empty() || column.identity_sequence().is_some() {
            return Err(Error::unsupported("these options of a column", column.location));
        }
        collation(column.coll_clause())?;
        let Some(kind) = column.type_name() else { return Ok(None) };
        let names: Vec<&str> = kind.names().iter().filter_map(nodes::String::sval).collect();
        let plain = kind.array_bounds().is_empty() && !kind.pct_type && !kind.setof;
        match names.as_slice() {
            [name] if plain && SERIAL.contains(name) => Ok(None),
            _ => self.kept_type(kind),
        }
    }

    /// As in a cast; and a type that nobody uses yet.
    pub(super) fn kept_type(&mut self, kind: &'a nodes::TypeName) -> Result<Option<Oid>, Error> {
        let names: Vec<&str> = kind.names().iter().filter_map(nodes::String::sval).collect();
        match self.type_name(kind) {
            Err(Error::UnknownType { .. }) if self.type_named(&names).is_some() => Ok(None),
            other => other,
        }
    }

    /// What stands behind a column's type.
    pub(super) fn column_constraints(
        &mut self,
        column: &'a ColumnDef,
        defined: &Defined<'_>,
    ) -> Result<(), Error> {
        for constraint in column.constraints() {
            let Node::Constraint(constraint) = constraint else {
                return Err(Error::unsupported("this constraint", column.location));
            };
            self.constraint(constraint, defined)?;
        }
        Ok(())
    }

    pub(super) fn constraint(
        &mut self,
        constraint: &'a Constraint,
        defined: &Defined<'_>,
    ) -> Result<(), Error> {
        no_tablespace(constraint.indexspace())?;
        let list = |list: &'a NodeList| list.iter();
        match constraint.contype {
            ConstrType::CONSTR_NULL
            | ConstrType::CONSTR_NOTNULL
            | ConstrType::CONSTR_ATTR_DEFERRABLE
            | ConstrType::CONSTR_ATTR_NOT_DEFERRABLE
            | ConstrType::CONSTR_ATTR_DEFERRED
            | ConstrType::CONSTR_ATTR_IMMEDIATE
            | ConstrType::CONSTR_ATTR_ENFORCED
            | ConstrType::CONSTR_ATTR_NOT_ENFORCED => Ok(()),
            ConstrType::CONSTR_DEFAULT
            | ConstrType::CONSTR_GENERATED
            | ConstrType::CONSTR_CHECK => self.stored(constraint.raw_expr(), &defined.row),
            ConstrType::CONSTR_IDENTITY => self.sequence_options(constraint.options(), true),
            ConstrType::CONSTR_PRIMARY | ConstrType::CONSTR_UNIQUE => {
                plain_names(constraint.keys())?;
                plain_names(constraint.including())?;
                storage(list(constraint.options()))
            }
            ConstrType::CONSTR_EXCLUSION => self.exclusion(constraint, defined),
            ConstrType::CONSTR_FOREIGN => self.foreign_key(constraint, defined),
            _ => Err(Error::unsupported("this constraint", constraint.location)),
        }
    }

    fn exclusion(
        &mut self,
        constraint: &'a Constraint,
        defined: &Defined<'_>,
    ) -> Result<(), Error> {
        method(constraint.access_method())?;
        plain_names(constraint.including())?;
        storage(constraint.options().iter())?;
        for exclusion in constraint.exclusions() {
            let Node::NodeList(pair) = exclusion else {
                return Err(Error::unsupported("this EXCLUDE", constraint.location));
            };
            let (Some(Node::IndexElem(element)), Some(Node::NodeList(operator)), 2) =
                (pair.get(0), pair.get(1), pair.len())
            else {
                return Err(Error::unsupported("this EXCLUDE", constraint.location));
            };
            self.index_element(element, &defined.row)?;
            let unknown = super::super::shape::Shape::OPAQUE;
            self.operator(operator, unknown, unknown, constraint.location)?;
        }
        self.stored(constraint.where_clause(), &defined.row)
    }

    /// REFERENCES: other people's deletes and updates there will meet the key.
    fn foreign_key(
        &mut self,
        constraint: &'a Constraint,
        defined: &Defined<'_>,
    ) -> Result<(), Error> {
        for names in [constraint.fk_attrs(), constraint.pk_attrs(), constraint.fk_del_set_cols()] {
            plain_names(names)?;
        }
        let Some(table) = constraint.pktable().filter(|_| constraint.old_conpfeqop().is_empty())
        else {
            return Err(Error::unsupported("this foreign key", constraint.location));
        };
        if let Some(new) = defined.new.filter(|new| self.is_itself(table, new)) {
            let parts = 1 + usize::from(table.schemaname().is_some());
            let range = self.parsed.relation_range(table.location, parts)?;
            let (schema, name) = (new.schema.clone(), new.name.clone());
            self.out.made.push(NewRelation { range, schema, name, again: true });
            return Ok(());
        }
        let id = self.hold(table, Hold::Own)?;
        match self.names.snapshot.relation(id).kind {
            RelationKind::Table | RelationKind::PartitionedTable => Ok(()),
            RelationKind::View
            | RelationKind::MaterializedView
            | RelationKind::ForeignTable
            | RelationKind::Sequence
            | RelationKind::Toast
            | RelationKind::CompositeType
            | RelationKind::Index => {
                let what = "REFERENCES to anything but a table";
                Err(Error::unsupported(what, table.location))
            }
        }
    }

    /// Whether the name means the table that the statement is about to make.
    fn is_itself(&self, table: &nodes::RangeVar, new: &NewRelation) -> bool {
        if table.relname() != Some(new.name.as_str()) || table.catalogname().is_some() {
            return false;
        }
        match table.schemaname() {
            Some(schema) => schema == new.schema,
            None if new.schema == "pg_temp" => true,
            None => {
                let first = self.names.search_path.first() == Some(&new.schema);
                let system = self.names.snapshot.qualified("pg_catalog", &new.name);
                first && system.is_none()
            }
        }
    }

    /// FOR VALUES: constants, MINVALUE and MAXVALUE.
    fn partition_bound(&mut self, bound: &'a nodes::PartitionBoundSpec) -> Result<(), Error> {
        let row = Row::default();
        for list in [bound.listdatums(), bound.lowerdatums(), bound.upperdatums()] {
            for value in list {
                match value {
                    Node::ColumnRef(column) if self.is_extreme(column) => {}
                    _ => self.stored(value, &row)?,
                }
            }
        }
        Ok(())
    }

    fn is_extreme(&self, column: &nodes::ColumnRef) -> bool {
        let Ok(token) = self.parsed.token_at(column.location) else { return false };
        let words = ["minvalue", "maxvalue"];
        column.fields().len() == 1
            && self.parsed.is(token, TokenKind::Identifier)
            && words.iter().any(|word| self.parsed.is_keyword(token, word))
    }
}

/// Refuses what does more than name the table, its parts and its parents.
fn plain_table(create: &nodes::CreateStmt) -> Result<(), Error> {
    let refuse = |option: &str| Err(Error::unsupported(format!("CREATE TABLE {option}"), -1));
    if create.of_typename().is_some() {
        return refuse("OF a type");
    }
    let temporary = create.relation().is_some_and(is_temporary);
    if !temporary && create.oncommit != OnCommitAction::ONCOMMIT_NOOP {
        return refuse("ON COMMIT");
    }
    if create.access_method().is_some() {
        return refuse("USING");
    }
    // Nothing but the parser's own work would fill these.
    if create.constraints().iter().next().is_some() || !create.nnconstraints().is_empty() {
        return refuse("with these constraints");
    }
    no_tablespace(create.tablespacename())?;
    storage(create.options().iter())
}

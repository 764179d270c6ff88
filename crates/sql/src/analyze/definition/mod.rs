//! Statements that define what the database holds: CREATE, ALTER, DROP and their kin.
//!
//! In:  a statement node that [`definition`] names.
//! Out: [`Kind::Define`]: what it does, and the [`Change`]s on which the policy has a word.
//!
//! Invariants:
//! - An allow-list of statements, of their forms and of their options; a field that is not looked at is refused.
//! - A relation that exists is named only where the lens says that the reader holds it whole, and is written qualified.
//! - An expression that is stored (DEFAULT, CHECK, an index's, USING) is walked as any other, and reads no other relation.
//! - CASCADE never goes upstream: it reaches what the statement does not name.

mod alter;
mod drop;
mod index;
mod options;
mod other;
mod stored;
mod table;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, ObjectType};

use super::from::spelled;
use super::{Kind, NewRelation, Role, Walker};
use crate::RESERVED_PREFIX;
use crate::catalog::RelationId;
use crate::error::{Error, offset};

/// A schema that nobody has: what IF EXISTS names there is absent, whoever has made something of that name meanwhile.
pub const ABSENT_SCHEMA: &str = "pgcordon_absent";

/// How much of a relation a definition needs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Hold {
    /// Every row and column may be read.
    Read,
    /// Every row and column may be read and changed, and any row made and removed; of partitions and children as well.
    Own,
}

/// How much of it the reader has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Held {
    /// Nothing: it does not exist for them.
    Absent,
    /// Less than is needed.
    Partly,
    /// What is needed.
    Whole,
}

/// What a definition changes, as far as the policy may speak of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A relation of that name comes into being.
    Makes {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// The relation gets another name or schema.
    Renames {
        /// Which.
        relation: RelationId,
        /// The new schema.
        schema: String,
        /// The new name.
        name: String,
    },
    /// A column of that name comes, goes, or changes its type.
    Column {
        /// Of which relation.
        relation: RelationId,
        /// Its name.
        name: String,
    },
    /// The relation goes.
    Drops(RelationId),
    /// A type of that name comes or goes.
    Type(String),
}

/// A statement that defines something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Definition {
    /// As it is called in an error.
    pub what: &'static str,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// What a statement that defines something is called; `None` for a statement of another kind.
pub(crate) fn definition(node: Node<'_>) -> Option<&'static str> {
    Some(match node {
        Node::CreateStmt(_) => "CREATE TABLE",
        Node::AlterTableStmt(alter) if alter.objtype == ObjectType::OBJECT_INDEX => "ALTER INDEX",
        Node::AlterTableStmt(_) => "ALTER TABLE",
        Node::RenameStmt(_) => "ALTER … RENAME",
        Node::AlterObjectSchemaStmt(_) => "ALTER … SET SCHEMA",
        Node::DropStmt(_) => "DROP",
        Node::IndexStmt(_) => "CREATE INDEX",
        Node::CreateSeqStmt(_) => "CREATE SEQUENCE",
        Node::AlterSeqStmt(_) => "ALTER SEQUENCE",
        Node::CreateSchemaStmt(_) => "CREATE SCHEMA",
        Node::CommentStmt(_) => "COMMENT",
        Node::CreateEnumStmt(_) | Node::CompositeTypeStmt(_) => "CREATE TYPE",
        Node::AlterEnumStmt(_) => "ALTER TYPE",
        Node::CreateDomainStmt(_) => "CREATE DOMAIN",
        Node::RefreshMatViewStmt(_) => "REFRESH MATERIALIZED VIEW",
        Node::VacuumStmt(vacuum) if vacuum.is_vacuumcmd => "VACUUM",
        Node::VacuumStmt(_) => "ANALYZE",
        _ => return None,
    })
}

impl<'a> Walker<'a> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the arm refuses")]
    pub(super) fn define(&mut self, node: Node<'a>) -> Result<Kind, Error> {
        let what = definition(node).unwrap_or("this statement");
        let lens = self.names.lens;
        let granted = lens.defines() || (lens.makes_temporary() && of_tables(node));
        if !granted {
            return Err(Error::NotGranted { what });
        }
        let changes = match node {
            Node::CreateStmt(create) => self.create_table(create)?,
            Node::AlterTableStmt(alter) => self.alter_table(alter)?,
            Node::RenameStmt(rename) => self.rename(rename)?,
            Node::AlterObjectSchemaStmt(alter) => self.set_schema(alter)?,
            Node::DropStmt(drop) => self.drop(drop)?,
            Node::IndexStmt(index) => self.create_index(index)?,
            Node::CreateSeqStmt(create) => self.create_sequence(create)?,
            Node::AlterSeqStmt(alter) => self.alter_sequence(alter)?,
            Node::CreateSchemaStmt(create) => Self::create_schema(create)?,
            Node::CommentStmt(comment) => self.comment(comment)?,
            Node::CreateEnumStmt(create) => self.create_enum(create)?,
            Node::CompositeTypeStmt(create) => self.create_composite(create)?,
            Node::AlterEnumStmt(alter) => self.alter_enum(alter)?,
            Node::CreateDomainStmt(create) => self.create_domain(create)?,
            Node::RefreshMatViewStmt(refresh) => self.refresh(refresh)?,
            Node::VacuumStmt(vacuum) => self.vacuum(vacuum)?,
            _ => return Err(Error::unsupported(what, -1)),
        };
        // No constant of a definition is a value that another could take the place of.
        self.out.free.clear();
        self.only_temporary(what)?;
        Ok(Kind::Define(Definition { what, changes }))
    }

    /// Names a relation that must be held so far; gives its id.
    fn hold(&mut self, relation: &nodes::RangeVar, hold: Hold) -> Result<RelationId, Error> {
        if relation.alias().is_some() {
            return Err(Error::unsupported("an alias here", relation.location));
        }
        let id = self.resolve(relation)?;
        self.held(id, hold, &spelled(relation), relation.location)?;
        self.access(relation, id, spelled(relation), Role::Object)?;
        Ok(id)
    }

    /// Without a grant for more, what is changed or made is temporary.
    fn only_temporary(&self, what: &'static str) -> Result<(), Error> {
        if self.names.lens.defines() {
            return Ok(());
        }
        let own = ["pg_temp", ABSENT_SCHEMA];
        let made = self.out.made.iter().all(|made| own.contains(&made.schema.as_str()));
        if made && self.foreign_held == 0 { Ok(()) } else { Err(Error::NotGranted { what }) }
    }

    /// As [`Walker::hold`], for what IF EXISTS may name: nothing, if it is absent.
    fn hold_if(
        &mut self,
        relation: &nodes::RangeVar,
        hold: Hold,
        missing_ok: bool,
    ) -> Result<Option<RelationId>, Error> {
        match self.hold(relation, hold) {
            Ok(id) => Ok(Some(id)),
            Err(Error::UnknownRelation { .. }) if missing_ok => {
                let parts = 1
                    + usize::from(relation.schemaname().is_some())
                    + usize::from(relation.catalogname().is_some());
                let range = self.parsed.relation_range(relation.location, parts)?;
                self.absent(range, relation.relname().unwrap_or_default());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What is absent for the reader is absent for the database, too.
    fn absent(&mut self, range: std::ops::Range<usize>, name: &str) {
        let (schema, name) = (ABSENT_SCHEMA.to_owned(), name.to_owned());
        self.out.made.push(NewRelation { range, schema, name, again: true });
    }

    fn held(
        &mut self,
        id: RelationId,
        hold: Hold,
        spelled: &str,
        location: i32,
    ) -> Result<(), Error> {
        let (name, offset) = (spelled.to_owned(), offset(location));
        match self.names.lens.holds(id, hold) {
            Held::Whole => {
                let own = self.names.snapshot.is_temporary(self.names.snapshot.relation(id));
                self.foreign_held += usize::from(hold == Hold::Own && !own);
                Ok(())
            }
            Held::Partly => Err(Error::Partial { name, offset }),
            Held::Absent => Err(Error::UnknownRelation { name, offset }),
        }
    }
}

/// Whether a definition can be about a table, and so about a temporary one.
#[expect(clippy::wildcard_enum_match_arm, reason = "the arm says no")]
fn of_tables(node: Node<'_>) -> bool {
    match node {
        Node::CreateStmt(_)
        | Node::AlterTableStmt(_)
        | Node::RenameStmt(_)
        | Node::IndexStmt(_)
        | Node::CommentStmt(_)
        | Node::VacuumStmt(_) => true,
        Node::DropStmt(drop) => {
            [ObjectType::OBJECT_TABLE, ObjectType::OBJECT_INDEX, ObjectType::OBJECT_SEQUENCE]
                .contains(&drop.remove_type)
        }
        _ => false,
    }
}

/// A name that nothing of the client's may have.
fn free_name(name: &str) -> Result<(), Error> {
    if name.starts_with(RESERVED_PREFIX) {
        return Err(Error::unsupported("a name that begins with pgcordon", -1));
    }
    Ok(())
}

//! ALTER TABLE, ALTER INDEX, RENAME, SET SCHEMA.
//!
//! Invariants:
//! - Each subcommand is on a list. Not on it: owners, row security, rules, triggers, inheritance, partitions.
//! - A column that comes, goes, or changes its name or type is a [`Change`] on which the policy has a word.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, AlterTableCmd, AlterTableType, DropBehavior, ObjectType};

use super::super::Walker;
use super::options::{collation, storage};
use super::table::Defined;
use super::{Change, Hold, free_name};
use crate::catalog::RelationKind;
use crate::error::Error;
use crate::lex::TokenKind;
use crate::splice::Edit;

impl<'a> Walker<'a> {
    pub(super) fn alter_table(
        &mut self,
        alter: &'a nodes::AlterTableStmt,
    ) -> Result<Vec<Change>, Error> {
        let relation = alter.relation().ok_or_else(|| Error::unsupported("this ALTER", -1))?;
        match alter.objtype {
            ObjectType::OBJECT_TABLE | ObjectType::OBJECT_INDEX => {}
            _ => return Err(Error::unsupported("ALTER of this kind of object", relation.location)),
        }
        let cascades = alter.cmds().iter().filter(|node| match node {
            Node::AlterTableCmd(command) => command.behavior == DropBehavior::DROP_CASCADE,
            _ => false,
        });
        self.without_cascade(cascades.count())?;
        let id = self.hold_if(relation, Hold::Own, alter.missing_ok)?;
        if let Some(id) = id {
            let kind = self.names.snapshot.relation(id).kind;
            let index = alter.objtype == ObjectType::OBJECT_INDEX;
            if index != (kind == RelationKind::Index) || (!index && !is_table(kind)) {
                let what = "ALTER TABLE of anything but a table";
                return Err(Error::unsupported(what, relation.location));
            }
        }
        let name = relation.relname().unwrap_or_default();
        let row = match id {
            Some(id) => self.row_of(id, name),
            None => super::stored::Row::new(name),
        };
        let mut defined = Defined { row, new: None };
        let mut columns = Vec::new();
        for node in alter.cmds() {
            let Node::AlterTableCmd(command) = node else {
                return Err(Error::unsupported("this ALTER TABLE", relation.location));
            };
            if alter.objtype == ObjectType::OBJECT_INDEX {
                index_command(command)?;
            } else {
                self.table_command(command, &mut defined, &mut columns)?;
            }
        }
        let Some(relation) = id else { return Ok(Vec::new()) };
        Ok(columns.into_iter().map(|name| Change::Column { relation, name }).collect())
    }

    fn table_command(
        &mut self,
        command: &'a AlterTableCmd,
        defined: &mut Defined<'_>,
        columns: &mut Vec<String>,
    ) -> Result<(), Error> {
        use AlterTableType as Kind;
        let name = || command.name().unwrap_or_default().to_owned();
        match (command.subtype, command.def()) {
            (Kind::AT_AddColumn, Node::ColumnDef(column)) => {
                let kind = self.column_type(column)?;
                let name = column.colname().unwrap_or_default();
                defined.row.add(name, kind);
                columns.push(name.to_owned());
                self.column_constraints(column, defined)
            }
            (Kind::AT_DropColumn, Node::None) => {
                columns.push(name());
                Ok(())
            }
            (Kind::AT_AlterColumnType, Node::ColumnDef(column)) => {
                let kind = self.column_type(column)?;
                collation(column.coll_clause())?;
                self.stored(column.raw_default(), &defined.row)?;
                defined.row.add(&name(), kind);
                columns.push(name());
                Ok(())
            }
            (Kind::AT_SetExpression, expression) => {
                columns.push(name());
                self.stored(expression, &defined.row)
            }
            (Kind::AT_ColumnDefault, expression) => self.stored(expression, &defined.row),
            (Kind::AT_AddConstraint, Node::Constraint(constraint))
            | (Kind::AT_AddIdentity, Node::Constraint(constraint)) => {
                self.constraint(constraint, defined)
            }
            (Kind::AT_SetIdentity, Node::NodeList(options)) => self.sequence_options(options, true),
            (
                Kind::AT_SetOptions
                | Kind::AT_ResetOptions
                | Kind::AT_SetRelOptions
                | Kind::AT_ResetRelOptions,
                Node::NodeList(options),
            ) => storage(options.iter()),
            (Kind::AT_AlterConstraint, Node::ATAlterConstraint(_)) => Ok(()),
            // A number or a word.
            (
                Kind::AT_SetStatistics | Kind::AT_SetStorage | Kind::AT_SetCompression,
                Node::None | Node::Integer(_) | Node::String(_),
            ) => Ok(()),
            (
                Kind::AT_DropNotNull
                | Kind::AT_SetNotNull
                | Kind::AT_DropExpression
                | Kind::AT_ValidateConstraint
                | Kind::AT_DropConstraint
                | Kind::AT_DropIdentity
                | Kind::AT_SetLogged
                | Kind::AT_SetUnLogged,
                Node::None,
            ) => Ok(()),
            (kind, _) => Err(Error::unsupported(format!("ALTER TABLE … {}", refused(kind)), -1)),
        }
    }

    /// Takes CASCADE out of a statement that has so many: what depends on an object must be dropped by name.
    pub(super) fn without_cascade(&mut self, expected: usize) -> Result<(), Error> {
        let found = self.cascades();
        if found.len() != expected {
            return Err(Error::unsupported("CASCADE here", -1));
        }
        let edits = found.into_iter().map(|range| Edit { range, text: String::new() });
        self.out.edits.extend(edits);
        Ok(())
    }

    /// The words CASCADE outside parentheses, but for those of ON DELETE and ON UPDATE.
    fn cascades(&self) -> Vec<Range<usize>> {
        let first = self.parsed.tokens().first_at_or_after(self.out.range.start);
        let end = self.parsed.tokens().first_at_or_after(self.out.range.end);
        let (mut found, mut depth) = (Vec::new(), 0_usize);
        for token in first..end {
            if self.parsed.is(token, TokenKind::LeftParen) {
                depth += 1;
            } else if self.parsed.is(token, TokenKind::RightParen) {
                depth = depth.saturating_sub(1);
            }
            let action = ["delete", "update"];
            let of_key =
                token > first && action.iter().any(|word| self.parsed.is_keyword(token - 1, word));
            if depth == 0 && !of_key && self.parsed.is_keyword(token, "cascade") {
                found.push(self.parsed.start(token)..self.parsed.end(token));
            }
        }
        found
    }

    /// RENAME of a table or view, an index, a sequence, a column, a constraint.
    pub(super) fn rename(&mut self, rename: &'a nodes::RenameStmt) -> Result<Vec<Change>, Error> {
        let (Some(relation), Some(new)) = (rename.relation(), rename.newname()) else {
            return Err(Error::unsupported("ALTER … RENAME of this kind of object", -1));
        };
        free_name(new)?;
        let kind = rename.rename_type;
        let of = if kind == ObjectType::OBJECT_COLUMN { rename.relation_type } else { kind };
        match of {
            ObjectType::OBJECT_TABLE
            | ObjectType::OBJECT_VIEW
            | ObjectType::OBJECT_MATVIEW
            | ObjectType::OBJECT_INDEX
            | ObjectType::OBJECT_SEQUENCE
            | ObjectType::OBJECT_TABCONSTRAINT => {}
            _ => {
                let what = "ALTER … RENAME of this kind of object";
                return Err(Error::unsupported(what, relation.location));
            }
        }
        self.without_cascade(usize::from(rename.behavior == DropBehavior::DROP_CASCADE))?;
        let Some(id) = self.hold_if(relation, Hold::Own, rename.missing_ok)? else {
            return Ok(Vec::new());
        };
        let found = self.names.snapshot.relation(id);
        let column = |name: &str| Change::Column { relation: id, name: name.to_owned() };
        Ok(match kind {
            ObjectType::OBJECT_COLUMN => {
                vec![column(rename.subname().unwrap_or_default()), column(new)]
            }
            ObjectType::OBJECT_TABCONSTRAINT => Vec::new(),
            // PostgreSQL lets ALTER TABLE rename any relation.
            _ => {
                let (schema, name) = (found.schema.clone(), new.to_owned());
                vec![Change::Renames { relation: id, schema, name }]
            }
        })
    }

    pub(super) fn set_schema(
        &mut self,
        alter: &'a nodes::AlterObjectSchemaStmt,
    ) -> Result<Vec<Change>, Error> {
        let (Some(relation), Some(schema)) = (alter.relation(), alter.newschema()) else {
            return Err(Error::unsupported("SET SCHEMA of this kind of object", -1));
        };
        match alter.object_type {
            ObjectType::OBJECT_TABLE | ObjectType::OBJECT_VIEW | ObjectType::OBJECT_SEQUENCE => {}
            _ => {
                let what = "SET SCHEMA of this kind of object";
                return Err(Error::unsupported(what, relation.location));
            }
        }
        if schema.starts_with("pg_") || !self.names.snapshot.has_schema(schema) {
            let what = format!("SET SCHEMA to {schema}, which is no schema of yours");
            return Err(Error::unsupported(what, relation.location));
        }
        let Some(id) = self.hold_if(relation, Hold::Own, alter.missing_ok)? else {
            return Ok(Vec::new());
        };
        let name = self.names.snapshot.relation(id).name.clone();
        Ok(vec![Change::Renames { relation: id, schema: schema.to_owned(), name }])
    }
}

/// ALTER INDEX … SET (…) and RESET (…).
fn index_command(command: &AlterTableCmd) -> Result<(), Error> {
    match (command.subtype, command.def()) {
        (
            AlterTableType::AT_SetRelOptions | AlterTableType::AT_ResetRelOptions,
            Node::NodeList(options),
        ) => storage(options.iter()),
        _ => Err(Error::unsupported("this ALTER INDEX", -1)),
    }
}

fn is_table(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Table | RelationKind::PartitionedTable => true,
        RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::ForeignTable
        | RelationKind::Sequence
        | RelationKind::Toast
        | RelationKind::CompositeType
        | RelationKind::Index => false,
    }
}

/// What a refused subcommand is called.
fn refused(kind: AlterTableType::Type) -> &'static str {
    use AlterTableType as Kind;
    match kind {
        Kind::AT_ChangeOwner => "OWNER TO",
        Kind::AT_EnableRowSecurity
        | Kind::AT_DisableRowSecurity
        | Kind::AT_ForceRowSecurity
        | Kind::AT_NoForceRowSecurity => "ROW LEVEL SECURITY",
        Kind::AT_AddInherit | Kind::AT_DropInherit => "INHERIT",
        Kind::AT_AttachPartition | Kind::AT_DetachPartition => "ATTACH or DETACH PARTITION",
        Kind::AT_EnableTrig
        | Kind::AT_EnableAlwaysTrig
        | Kind::AT_EnableReplicaTrig
        | Kind::AT_DisableTrig
        | Kind::AT_EnableTrigAll
        | Kind::AT_DisableTrigAll
        | Kind::AT_EnableTrigUser
        | Kind::AT_DisableTrigUser => "ENABLE or DISABLE TRIGGER",
        Kind::AT_SetTableSpace => "SET TABLESPACE",
        _ => "with this subcommand",
    }
}

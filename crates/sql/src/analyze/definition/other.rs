//! Sequences, schemas, types, comments, REFRESH, VACUUM and ANALYZE.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, ConstrType, ObjectType};

use super::super::{NewRelation, Walker};
use super::options::{collation, plain_names};
use super::stored::Row;
use super::{Change, Hold, free_name};
use crate::catalog::RelationKind;
use crate::error::{Error, offset};

/// Options of VACUUM and ANALYZE. FULL is not among them: it shuts everybody out.
const MAINTENANCE: [&str; 5] = ["analyze", "freeze", "skip_locked", "truncate", "verbose"];

impl<'a> Walker<'a> {
    pub(super) fn create_sequence(
        &mut self,
        create: &'a nodes::CreateSeqStmt,
    ) -> Result<Vec<Change>, Error> {
        let sequence = create.sequence().ok_or_else(|| Error::unsupported("this sequence", -1))?;
        let new = self.new_relation(sequence, "CREATE SEQUENCE")?;
        self.sequence_options(create.options(), false)?;
        Ok(vec![self.made(new)])
    }

    pub(super) fn alter_sequence(
        &mut self,
        alter: &'a nodes::AlterSeqStmt,
    ) -> Result<Vec<Change>, Error> {
        let sequence = alter.sequence().ok_or_else(|| Error::unsupported("this sequence", -1))?;
        if let Some(id) = self.hold_if(sequence, Hold::Own, alter.missing_ok)?
            && self.names.snapshot.relation(id).kind != RelationKind::Sequence
        {
            let what = "ALTER SEQUENCE of anything but a sequence";
            return Err(Error::unsupported(what, sequence.location));
        }
        self.sequence_options(alter.options(), false)?;
        Ok(Vec::new())
    }

    fn made(&mut self, new: NewRelation) -> Change {
        let change = Change::Makes { schema: new.schema.clone(), name: new.name.clone() };
        self.out.made.push(new);
        change
    }

    pub(super) fn create_schema(create: &nodes::CreateSchemaStmt) -> Result<Vec<Change>, Error> {
        let name = create.schemaname().unwrap_or_default();
        if create.authrole().is_some() {
            return Err(Error::unsupported("CREATE SCHEMA AUTHORIZATION", -1));
        }
        if !create.schema_elts().is_empty() {
            return Err(Error::unsupported("CREATE SCHEMA with objects in it", -1));
        }
        if name.is_empty() || name.starts_with("pg_") || name == "information_schema" {
            return Err(Error::unsupported("CREATE SCHEMA of that name", -1));
        }
        free_name(name)?;
        Ok(Vec::new())
    }

    /// COMMENT ON a relation or a column.
    pub(super) fn comment(
        &mut self,
        comment: &'a nodes::CommentStmt,
    ) -> Result<Vec<Change>, Error> {
        let (words, column) = match comment.objtype {
            ObjectType::OBJECT_TABLE
            | ObjectType::OBJECT_VIEW
            | ObjectType::OBJECT_INDEX
            | ObjectType::OBJECT_SEQUENCE => (1, false),
            ObjectType::OBJECT_MATVIEW => (2, false),
            ObjectType::OBJECT_COLUMN => (1, true),
            _ => return Err(Error::unsupported("COMMENT ON this kind of object", -1)),
        };
        let Node::NodeList(list) = comment.object() else {
            return Err(Error::unsupported("COMMENT ON this object", -1));
        };
        plain_names(list)?;
        let names: Vec<&str> = list.iter().filter_map(Node::as_str).collect();
        let relation =
            if column { names.split_last().map(|(_, head)| head) } else { Some(&names[..]) };
        let Some(relation) = relation.filter(|relation| !relation.is_empty()) else {
            return Err(Error::unsupported("COMMENT ON this object", -1));
        };
        let start = self.parsed.tokens().first_at_or_after(self.out.range.start);
        self.hold_named(start + 2 + words, relation, Hold::Own)?;
        Ok(Vec::new())
    }

    pub(super) fn create_enum(
        &self,
        create: &'a nodes::CreateEnumStmt,
    ) -> Result<Vec<Change>, Error> {
        let names: Vec<&str> = create.type_name().iter().filter_map(nodes::String::sval).collect();
        self.new_type(&names)
    }

    /// A type is made in the schema that is named, or in the first of the search_path.
    fn new_type(&self, names: &[&str]) -> Result<Vec<Change>, Error> {
        let (schema, name) = match names {
            [name] => (self.names.search_path.first().map(String::as_str), *name),
            [schema, name] => (Some(*schema), *name),
            _ => (None, ""),
        };
        let Some(schema) = schema else {
            return Err(Error::unsupported("CREATE TYPE without a schema to create in", -1));
        };
        if schema.starts_with("pg_") || schema == "information_schema" {
            return Err(Error::unsupported("CREATE TYPE in a schema of the system", -1));
        }
        if !self.names.snapshot.has_schema(schema) {
            return Err(Error::unsupported("CREATE TYPE in a schema that does not exist", -1));
        }
        free_name(name)?;
        Ok(vec![Change::Type(name.to_owned())])
    }

    pub(super) fn create_composite(
        &mut self,
        create: &'a nodes::CompositeTypeStmt,
    ) -> Result<Vec<Change>, Error> {
        let name = create.typevar().ok_or_else(|| Error::unsupported("this type", -1))?;
        let new = self.new_relation(name, "CREATE TYPE")?;
        for column in create.coldeflist() {
            self.column_type(column)?;
            if !column.constraints().is_empty() {
                return Err(Error::unsupported("a constraint in a type", column.location));
            }
        }
        let kind = Change::Type(new.name.clone());
        Ok(vec![self.made(new), kind])
    }

    /// ALTER TYPE … ADD VALUE; another name for a value would change what is stored.
    pub(super) fn alter_enum(
        &mut self,
        alter: &'a nodes::AlterEnumStmt,
    ) -> Result<Vec<Change>, Error> {
        if alter.old_val().is_some() {
            return Err(Error::unsupported("ALTER TYPE … RENAME VALUE", -1));
        }
        let names: Vec<&str> = alter.type_name().iter().filter_map(nodes::String::sval).collect();
        let start = self.parsed.tokens().first_at_or_after(self.out.range.start);
        self.known_type(start + 2, &names)?;
        Ok(Vec::new())
    }

    /// A type that the reader knows of, or that nobody uses; written qualified.
    fn known_type(&mut self, token: usize, names: &[&str]) -> Result<(), Error> {
        let range = self.parsed.spelled_name(token, names)?;
        let place = Some(range.start);
        let found = self.type_named(names);
        let Some(found) = found else {
            return Err(Error::UnknownType { name: names.join("."), offset: place });
        };
        let text = crate::splice::qualified(&found.schema, &found.name);
        self.out.edits.push(crate::splice::Edit { range, text });
        Ok(())
    }

    pub(super) fn create_domain(
        &mut self,
        create: &'a nodes::CreateDomainStmt,
    ) -> Result<Vec<Change>, Error> {
        let names: Vec<&str> = create.domainname().iter().filter_map(nodes::String::sval).collect();
        let changes = self.new_type(&names)?;
        collation(create.coll_clause())?;
        let base = create.type_name().ok_or_else(|| Error::unsupported("this domain", -1))?;
        let kind = self.kept_type(base)?;
        let mut row = Row::default();
        row.add("value", kind);
        for constraint in create.constraints() {
            match constraint.contype {
                ConstrType::CONSTR_NULL | ConstrType::CONSTR_NOTNULL => {}
                ConstrType::CONSTR_DEFAULT | ConstrType::CONSTR_CHECK => {
                    self.stored(constraint.raw_expr(), &row)?;
                }
                _ => {
                    let what = "this constraint of a domain";
                    return Err(Error::unsupported(what, constraint.location));
                }
            }
        }
        Ok(changes)
    }

    pub(super) fn refresh(
        &mut self,
        refresh: &'a nodes::RefreshMatViewStmt,
    ) -> Result<Vec<Change>, Error> {
        let view = refresh.relation().ok_or_else(|| Error::unsupported("this REFRESH", -1))?;
        let id = self.hold(view, Hold::Read)?;
        if self.names.snapshot.relation(id).kind == RelationKind::MaterializedView {
            return Ok(Vec::new());
        }
        Err(Error::Unsupported {
            what: "REFRESH of anything but a materialized view".to_owned(),
            offset: offset(view.location),
        })
    }

    pub(super) fn vacuum(&mut self, vacuum: &'a nodes::VacuumStmt) -> Result<Vec<Change>, Error> {
        for option in vacuum.options() {
            let name = option.defname().unwrap_or_default();
            if !MAINTENANCE.contains(&name) {
                let what = format!("the option {name} of VACUUM");
                return Err(Error::unsupported(what, option.location));
            }
        }
        let mut any = false;
        for table in vacuum.rels() {
            let relation = table.relation().ok_or_else(|| Error::unsupported("this VACUUM", -1))?;
            plain_names(table.va_cols())?;
            self.hold(relation, Hold::Own)?;
            any = true;
        }
        if any { Ok(Vec::new()) } else { Err(Error::unsupported("VACUUM of every table", -1)) }
    }
}

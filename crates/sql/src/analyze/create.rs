//! Statements that make a relation of a query: CREATE TABLE AS, SELECT INTO, CREATE [MATERIALIZED] VIEW.
//!
//! Invariants:
//! - What is made has a schema of the search_path or the one that is named, never a system one; what is temporary is
//!   written as `pg_temp.name`.
//! - The query is walked as any other; what it reads is rewritten for its reader, and so is what is stored.
//! - Options that do more than name the result are refused.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, ObjectType, OnCommitAction, SelectStmt, ViewCheckOption};

use super::query::Want;
use super::{Carrier, Kind, Walker};
use crate::RESERVED_PREFIX;
use crate::error::Error;

/// What is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Made {
    /// CREATE TABLE AS.
    Table,
    /// SELECT INTO.
    Into,
    /// CREATE VIEW.
    View,
    /// CREATE MATERIALIZED VIEW.
    MaterializedView,
}

impl Made {
    pub(super) fn statement(self) -> &'static str {
        match self {
            Self::Table => "CREATE TABLE AS",
            Self::Into => "SELECT INTO",
            Self::View => "CREATE VIEW",
            Self::MaterializedView => "CREATE MATERIALIZED VIEW",
        }
    }
}

/// The name of what is made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRelation {
    /// Bytes of the name.
    pub range: Range<usize>,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The name stands for what is made elsewhere in the statement, or for nothing at all.
    pub again: bool,
}

/// What is made, under which name, of which query; `None` for a statement of another kind.
pub(crate) fn creation(node: Node<'_>) -> Option<(Made, Option<&nodes::RangeVar>, Node<'_>)> {
    match node {
        Node::SelectStmt(select) => {
            let into = select.into_clause()?;
            Some((Made::Into, into.rel(), node))
        }
        Node::ViewStmt(view) => Some((Made::View, view.view(), view.query())),
        Node::CreateTableAsStmt(create) => {
            let made = match create.objtype {
                ObjectType::OBJECT_MATVIEW => Made::MaterializedView,
                _ => Made::Table,
            };
            Some((made, create.into().and_then(nodes::IntoClause::rel), create.query()))
        }
        _ => None,
    }
}

impl<'a> Walker<'a> {
    pub(super) fn create(&mut self, node: Node<'a>) -> Result<Kind, Error> {
        let Some((made, Some(name), query)) = creation(node) else {
            return Err(Error::unsupported("this CREATE", -1));
        };
        let what = made.statement();
        plain_options(node, is_temporary(name), what)?;
        let first = self.parsed.tokens().first_at_or_after(self.out.range.start);
        let name_token = self.parsed.token_at(name.location)?;
        // The grammar has put a query around it that the text does not have.
        if (first..name_token).any(|token| self.parsed.is_keyword(token, "recursive"))
            && made == Made::View
        {
            return Err(Error::unsupported("CREATE RECURSIVE VIEW", -1));
        }
        let new = self.new_relation(name, what)?;
        if let Node::ViewStmt(view) = node
            && view.replace
            && self.names.snapshot.qualified(&new.schema, &new.name).is_some()
        {
            return Err(Error::unsupported("CREATE OR REPLACE of a view that exists", -1));
        }
        let Node::SelectStmt(select) = query else {
            return Err(Error::unsupported(format!("{what} of this statement"), -1));
        };
        self.into = (made == Made::Into).then_some(name.location);
        self.select(select, None, Want::Nothing)?;
        if !self.out.writes.is_empty() {
            return Err(Error::unsupported(format!("{what} with a write in WITH"), -1));
        }
        self.out.made.push(new);
        Ok(Kind::Carrier(Carrier::Create(made), Box::new(Kind::Select)))
    }

    pub(super) fn new_relation(
        &self,
        name: &nodes::RangeVar,
        what: &'static str,
    ) -> Result<NewRelation, Error> {
        let refuse = |problem: &str| Error::unsupported(format!("{what} {problem}"), name.location);
        let relname = name.relname().unwrap_or_default();
        if relname.starts_with(RESERVED_PREFIX) {
            return Err(Error::unsupported("a name that begins with pgcordon", name.location));
        }
        if name.catalogname().is_some() {
            return Err(refuse("with the name of a database"));
        }
        if is_temporary(name) {
            return self.new_temporary(name, what);
        }
        let schema = match (name.schemaname(), self.names.search_path.first()) {
            (Some(schema), _) => schema,
            (None, Some(schema)) => schema,
            (None, None) => return Err(refuse("without a schema to create in")),
        };
        if schema.starts_with("pg_") || schema == "information_schema" {
            return Err(refuse("in a schema of the system"));
        }
        if !self.names.snapshot.has_schema(schema) {
            return Err(refuse("in a schema that does not exist"));
        }
        let parts = 1 + usize::from(name.schemaname().is_some());
        let range = self.parsed.relation_range(name.location, parts)?;
        let (schema, name) = (schema.to_owned(), relname.to_owned());
        Ok(NewRelation { range, schema, name, again: false })
    }

    /// A temporary table; views and sequences are not made so.
    fn new_temporary(
        &self,
        name: &nodes::RangeVar,
        what: &'static str,
    ) -> Result<NewRelation, Error> {
        let refuse = |problem: &str| Error::unsupported(format!("{what} {problem}"), name.location);
        if !self.names.lens.makes_temporary() {
            return Err(Error::NotGranted { what: "CREATE TEMPORARY TABLE" });
        }
        if !["CREATE TABLE", "CREATE TABLE AS", "SELECT INTO"].contains(&what) {
            return Err(refuse("of a temporary relation"));
        }
        // `pg_temp_3` could be somebody else's.
        if name.schemaname().is_some_and(|schema| schema != "pg_temp") {
            return Err(refuse("in a schema of the system"));
        }
        let relname = name.relname().unwrap_or_default();
        let parts = 1 + usize::from(name.schemaname().is_some());
        let range = self.parsed.relation_range(name.location, parts)?;
        let (schema, name) = ("pg_temp".to_owned(), relname.to_owned());
        Ok(NewRelation { range, schema, name, again: false })
    }

    /// Whether INTO may stand in that SELECT.
    pub(super) fn admit_into(&mut self, select: &SelectStmt) -> Result<(), Error> {
        let Some(into) = select.into_clause() else { return Ok(()) };
        let location = into.rel().map_or(-1, |relation| relation.location);
        if self.into.take() == Some(location) {
            return Ok(());
        }
        Err(Error::unsupported("SELECT INTO here", location))
    }
}

/// Whether the relation is to be temporary: `relpersistence` of pg_class.h is p, u or t.
pub(super) fn is_temporary(name: &nodes::RangeVar) -> bool {
    name.relpersistence.unsigned_abs() == b't' || name.schemaname() == Some("pg_temp")
}

/// Refuses what does more than name the result and its columns.
fn plain_options(node: Node<'_>, temporary: bool, what: &str) -> Result<(), Error> {
    let refuse = |option: &str| Err(Error::unsupported(format!("{what} with {option}"), -1));
    let into = match node {
        Node::ViewStmt(view) => {
            if view.with_check_option != ViewCheckOption::NO_CHECK_OPTION {
                return refuse("CHECK OPTION");
            }
            return if view.options().is_empty() { Ok(()) } else { refuse("options") };
        }
        Node::CreateTableAsStmt(create) => create.into(),
        Node::SelectStmt(select) => select.into_clause(),
        _ => None,
    };
    let Some(into) = into else { return refuse("nothing to create") };
    let plain = into.options().is_empty()
        && into.access_method().is_none()
        && into.table_space_name().is_none()
        && (temporary || into.on_commit == OnCommitAction::ONCOMMIT_NOOP);
    if plain { Ok(()) } else { refuse("options") }
}

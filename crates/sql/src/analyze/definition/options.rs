//! Options of definitions: storage parameters, sequences, operator classes, access methods.
//!
//! Invariants:
//! - Each is on a list; none of them names anything but columns, or says who may do what.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{self, DefElem};

use super::super::Walker;
use super::super::name::last_string;
use super::{Hold, free_name};
use crate::catalog::RelationId;
use crate::error::Error;

/// Storage parameters of tables and indexes ("CREATE TABLE", "CREATE INDEX" in the manual).
const STORAGE: [&str; 14] = [
    "autosummarize",
    "buffering",
    "deduplicate_items",
    "fastupdate",
    "fillfactor",
    "gin_pending_list_limit",
    "log_autovacuum_min_duration",
    "n_distinct",
    "n_distinct_inherited",
    "pages_per_range",
    "parallel_workers",
    "toast_tuple_target",
    "vacuum_index_cleanup",
    "vacuum_truncate",
];

/// Access methods of PostgreSQL itself.
const METHODS: [&str; 6] = ["btree", "hash", "gist", "spgist", "gin", "brin"];

/// Operator classes that are asked for by name: built-in ones that are not a type's default, and those of `pg_trgm`.
const CLASSES: [&str; 17] = [
    "array_ops",
    "bpchar_pattern_ops",
    "date_ops",
    "gin_trgm_ops",
    "gist_trgm_ops",
    "inet_ops",
    "int4_ops",
    "int8_ops",
    "jsonb_ops",
    "jsonb_path_ops",
    "network_ops",
    "range_ops",
    "text_ops",
    "text_pattern_ops",
    "timestamptz_ops",
    "uuid_ops",
    "varchar_pattern_ops",
];

/// WITH (…), SET (…), RESET (…) of a table, a column or an index.
pub(super) fn storage<'n>(options: impl IntoIterator<Item = Node<'n>>) -> Result<(), Error> {
    for option in options {
        let Node::DefElem(option) = option else {
            return Err(Error::unsupported("this storage parameter", -1));
        };
        let name = option.defname().unwrap_or_default();
        let space = option.defnamespace();
        let known = STORAGE.contains(&name) || name.starts_with("autovacuum_");
        if !known || space.is_some_and(|space| space != "toast") {
            let what = format!("the storage parameter {name}");
            return Err(Error::unsupported(what, option.location));
        }
    }
    Ok(())
}

/// USING method; none is `btree`.
pub(super) fn method(name: Option<&str>) -> Result<(), Error> {
    match name {
        None => Ok(()),
        Some(name) if METHODS.contains(&name) => Ok(()),
        Some(name) => Err(Error::unsupported(format!("the access method {name}"), -1)),
    }
}

/// An operator class by name.
pub(super) fn class(name: &NodeList) -> Result<(), Error> {
    let names: Vec<&str> = name.iter().filter_map(Node::as_str).collect();
    match names.as_slice() {
        [] => Ok(()),
        [name] | ["pg_catalog", name] if CLASSES.contains(name) => Ok(()),
        names => Err(Error::unsupported(format!("the operator class {}", names.join(".")), -1)),
    }
}

pub(super) fn no_tablespace(name: Option<&str>) -> Result<(), Error> {
    match name {
        None => Ok(()),
        Some(_) => Err(Error::unsupported("TABLESPACE", -1)),
    }
}

impl<'a> Walker<'a> {
    /// Options of a sequence, or of an identity column's. A table that owns it must be the reader's.
    pub(super) fn sequence_options(
        &mut self,
        options: &'a NodeList,
        identity: bool,
    ) -> Result<(), Error> {
        for option in options {
            let Node::DefElem(option) = option else {
                return Err(Error::unsupported("this sequence option", -1));
            };
            match option.defname().unwrap_or_default() {
                "increment" | "start" | "minvalue" | "maxvalue" | "cache" | "cycle" | "restart" => {
                }
                // SET GENERATED ALWAYS, of ALTER COLUMN.
                "generated" if identity => {}
                "as" if !identity => {
                    if let Node::TypeName(kind) = option.arg() {
                        self.type_name(kind)?;
                    }
                }
                "owned_by" if !identity => self.owned_by(option)?,
                name => {
                    let what = format!("the sequence option {name}");
                    return Err(Error::unsupported(what, option.location));
                }
            }
        }
        Ok(())
    }

    /// OWNED BY NONE, or a column of a table.
    fn owned_by(&mut self, option: &'a DefElem) -> Result<(), Error> {
        let Node::NodeList(list) = option.arg() else {
            return Err(Error::unsupported("this OWNED BY", option.location));
        };
        let names: Vec<&str> = list.iter().filter_map(Node::as_str).collect();
        if names == ["none"] {
            return Ok(());
        }
        let Some((_, table)) = names.split_last().filter(|(_, table)| !table.is_empty()) else {
            return Err(Error::unsupported("this OWNED BY", option.location));
        };
        let first = self.parsed.token_at(option.location)? + 2;
        self.hold_named(first, table, Hold::Own)?;
        Ok(())
    }

    /// Names a relation of which the tree keeps no location: its name starts at that token.
    pub(super) fn hold_named(
        &mut self,
        token: usize,
        names: &[&str],
        hold: Hold,
    ) -> Result<RelationId, Error> {
        let range = self.parsed.spelled_name(token, names)?;
        let snapshot = self.names.snapshot;
        let found = match names {
            [name] => snapshot.unqualified(self.names.search_path, name),
            [schema, name] => snapshot.qualified(schema, name),
            [database, schema, name] if self.names.databases.contains(database) => {
                snapshot.qualified(schema, name)
            }
            _ => None,
        };
        let spelled = names.join(".");
        let unknown =
            || Error::UnknownRelation { name: spelled.clone(), offset: Some(range.start) };
        let id = found.ok_or_else(unknown)?;
        let location = i32::try_from(range.start).unwrap_or(-1);
        self.held(id, hold, &spelled, location)?;
        let alias = names.last().copied().unwrap_or_default();
        free_name(alias)?;
        self.out.accesses.push(super::super::Access {
            relation: id,
            role: super::super::Role::Object,
            range,
            spelled: spelled.clone(),
            alias: alias.to_owned(),
            aliased: false,
            only: false,
            fenced: false,
            correlated: false,
            unconditional: true,
        });
        Ok(id)
    }
}

/// The strings of a list of columns.
pub(super) fn plain_names(list: &NodeList) -> Result<(), Error> {
    match list.iter().all(|node| node.as_str().is_some()) {
        true => Ok(()),
        false => Err(Error::unsupported("this list of columns", -1)),
    }
}

/// COLLATE: a name, which PostgreSQL resolves.
pub(super) fn collation(clause: Option<&nodes::CollateClause>) -> Result<(), Error> {
    match clause {
        Some(clause) if last_string(clause.collname()).is_none() => {
            Err(Error::unsupported("this COLLATE", clause.location))
        }
        Some(_) | None => Ok(()),
    }
}

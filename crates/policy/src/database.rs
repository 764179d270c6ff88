//! Databases as clients name them.
//!
//! In:  the section `databases`.
//! Out: [`Database`]s: where they lead, who may connect, and what they show.
//!
//! Invariants:
//! - Visitors without a password are let in by `public: true` alone.
//! - Nobody may connect unless `connect` says so; leaving it out is a mistake.

use std::collections::{BTreeMap, BTreeSet};

use crate::audience::{Audience, known, names};
use crate::mistake::{MistakeKind, Place, Report};
use crate::name::{RelationPattern, relation_pattern};
use crate::people::{People, Person};
use crate::pooling::{self, PoolMode};
use crate::yaml::{Entry, Fields, Node, Scalar};

/// A database as clients name it in their connection string.
#[derive(Clone, Debug)]
pub struct Database {
    /// The name that clients use.
    pub name: String,
    /// The key under `upstreams` of the proxy's configuration.
    pub upstream: String,
    /// Where `upstream` stands, for a mistake if there is no such upstream.
    pub upstream_place: Place,
    /// The real database's name on that server; the same name unless `dbname` says otherwise.
    pub dbname: String,
    pub(crate) connect: Audience,
    /// Visitors without a password may connect.
    pub(crate) public: bool,
    /// Where people land whom `connect` does not include.
    pub(crate) otherwise: Option<Scalar>,
    pub(crate) pool_mode: PoolMode,
    pub(crate) tables: Option<Vec<(RelationPattern, Place)>>,
}

impl Database {
    pub(crate) fn read(entry: &Entry, people: &People, report: &mut Report) -> Option<Self> {
        let keys = ["upstream", "dbname", "connect", "public", "otherwise", "pool_mode", "tables"];
        let fields = Fields::read(&entry.node, "a database", &keys, report)?;
        let upstream = fields.required("upstream", "the name of one under `upstreams`", report);
        let upstream = upstream.and_then(|node| node.scalar("`upstream`", report));
        let dbname = fields.optional("dbname").map(|node| node.scalar("`dbname`", report));
        let public = fields.optional("public");
        let public = public.and_then(|node| node.boolean("`public`", report)) == Some(true);
        let connect = read_connect(&fields, public, people, report);
        let otherwise = fields.optional("otherwise");
        let otherwise = otherwise.and_then(|node| node.scalar("`otherwise`", report));
        let tables = fields.optional("tables").map(|node| scope(node, report));
        let pool_mode = pooling::read(fields.optional("pool_mode"), report).unwrap_or_default();
        let upstream = upstream?;
        Some(Self {
            name: entry.key.text.clone(),
            upstream: upstream.text.clone(),
            upstream_place: upstream.place.clone(),
            dbname: match dbname {
                Some(scalar) => scalar?.text.clone(),
                None => entry.key.text.clone(),
            },
            connect: connect?,
            public,
            otherwise: otherwise.cloned(),
            pool_mode,
            tables,
        })
    }

    /// Whether `connect` includes a person of that name.
    pub(crate) fn admits(&self, name: &str, person: &Person<'_>) -> bool {
        if person.anonymous { self.public } else { person.is_in(name, &self.connect) }
    }

    /// Whether visitors may connect without a password.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.public
    }
}

/// | `connect`                  | `public: true` | outcome                       |
/// |----------------------------|----------------|-------------------------------|
/// | absent                     | no             | a mistake                     |
/// | absent                     | yes            | everyone, and visitors        |
/// | says `public`              | no             | a mistake: it opens the door  |
/// | says whom                  | -              | these, and visitors if `public` |
fn read_connect(
    fields: &Fields<'_>,
    public: bool,
    people: &People,
    report: &mut Report,
) -> Option<Audience> {
    if public && fields.optional("connect").is_none() {
        return Some(Audience { everyone: true, public: true, ..Audience::default() });
    }
    let hint = "say who may connect: everyone, or { roles: [viewer] }";
    let node = fields.required("connect", hint, report)?;
    let connect = Audience::read(node, "`connect`", people, report);
    if connect.public && !public {
        let message = "`public` means visitors without a password too";
        let hint = "write `everyone` for all who log in, or add `public: true`";
        report.add(&node.place, MistakeKind::Structure, message, hint);
    }
    Some(connect)
}

/// Every `otherwise` leads to a database, and none of them back.
pub(crate) fn check_otherwise(databases: &BTreeMap<String, Database>, report: &mut Report) {
    for (name, database) in databases {
        let Some(otherwise) = &database.otherwise else { continue };
        known(otherwise, "database", databases.keys().map(String::as_str), report);
        let mut seen = BTreeSet::from([name.as_str()]);
        let mut next = Some(otherwise.text.as_str());
        while let Some(known) = next.and_then(|next| databases.get(next)) {
            if !seen.insert(&known.name) {
                let message = format!("`otherwise` of `{name}` leads in a circle");
                let hint = "the last database of a chain has no `otherwise`";
                report.add(&otherwise.place, MistakeKind::Reference, message, hint);
                break;
            }
            next = known.otherwise.as_ref().map(|otherwise| otherwise.text.as_str());
        }
    }
}

fn scope(node: &Node, report: &mut Report) -> Vec<(RelationPattern, Place)> {
    let nodes = node.list("`tables`", report).unwrap_or_default();
    let mut patterns = Vec::new();
    for scalar in names(nodes, "a table", report) {
        match relation_pattern(&scalar.text) {
            Ok(pattern) => patterns.push((pattern, scalar.place.clone())),
            Err((message, hint)) => {
                report.add(&scalar.place, MistakeKind::Structure, message, hint);
            }
        }
    }
    if nodes.is_empty() {
        let hint = "leave it out to show all that the rules grant";
        report.add(&node.place, MistakeKind::Structure, "`tables` names no table", hint);
    }
    patterns
}

//! Databases as clients name them.
//!
//! In:  the section `databases`.
//! Out: [`Database`]s: where they lead, who may connect, and what they show.
//!
//! Invariants:
//! - Nobody may connect unless `connect` says so; leaving it out is a mistake.

use crate::audience::{Audience, names};
use crate::mistake::{MistakeKind, Place, Report};
use crate::name::{RelationPattern, relation_pattern};
use crate::people::{People, Person};
use crate::pooling::{self, PoolMode};
use crate::yaml::{Entry, Fields, Node};

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
    pub(crate) pool_mode: PoolMode,
    pub(crate) tables: Option<Vec<(RelationPattern, Place)>>,
}

impl Database {
    pub(crate) fn read(entry: &Entry, people: &People, report: &mut Report) -> Option<Self> {
        let keys = ["upstream", "dbname", "connect", "pool_mode", "tables"];
        let fields = Fields::read(&entry.node, "a database", &keys, report)?;
        let upstream = fields.required("upstream", "the name of one under `upstreams`", report);
        let upstream = upstream.and_then(|node| node.scalar("`upstream`", report));
        let dbname = fields.optional("dbname").map(|node| node.scalar("`dbname`", report));
        let hint = "say who may connect: everyone, or { roles: [viewer] }";
        let connect = fields.required("connect", hint, report);
        let connect = connect.map(|node| Audience::read(node, "`connect`", people, report));
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
            pool_mode,
            tables,
        })
    }

    /// Whether `connect` includes a person of that name.
    pub(crate) fn admits(&self, name: &str, person: &Person<'_>) -> bool {
        person.is_in(name, &self.connect)
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

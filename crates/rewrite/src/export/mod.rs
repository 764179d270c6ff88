//! A policy as PostgreSQL's own means: roles, GRANT, CREATE POLICY, views.
//!
//! In:  the policy, bound to a catalog, and the name of one of its databases.
//! Out: an [`Export`]: SQL that may be run again at any time, and what it cannot say.
//!
//! | the policy says                        | PostgreSQL gets                                                |
//! |----------------------------------------|----------------------------------------------------------------|
//! | a person                               | a login role of that name                                      |
//! | a rule                                 | a policy for each command, with the person's values as constants |
//! | a sub-select in a rule                 | reads a view of the whole table, which nobody can name          |
//! | `deny`                                 | no column privilege                                            |
//! | `hide`, `mask`, `set`, rules on a view | a view in a schema of the person's, read instead of the table  |
//! | a view without rules                   | `security_invoker`, from PostgreSQL 15 on                      |
//! | `functions: allow`                     | EXECUTE, taken from PUBLIC first                               |
//!
//! Invariants:
//! - What cannot be said is left ungranted and named in [`Export::not_expressed`]: never said more widely.
//! - Decisions come from `policy`; how rules are joined is left to PostgreSQL.
//! - Every name and value is quoted by `sql::splice`; comments hold no line break.

mod access;
mod face;
mod person;
mod relation;
mod script;
mod words;

pub(crate) use access::is_exported;

use std::collections::{BTreeMap, BTreeSet};

use pgcordon_policy::{BoundPolicy, Database, Policy};
use pgcordon_sql::catalog::{RelationId, Snapshot};

/// What is exported.
#[derive(Clone, Copy, Debug)]
pub struct ExportRequest<'a> {
    /// The people.
    pub policy: &'a Policy,
    /// Their rules.
    pub bound: &'a BoundPolicy,
    /// The catalog that the rules are bound to.
    pub snapshot: &'a Snapshot,
    /// The database by the name that clients use.
    pub database: &'a str,
    /// The role that pgcordon itself connects as: it must see every row, and is nobody's login.
    pub upstream_role: &'a str,
    /// Whether the verifiers of passwords are printed.
    pub passwords: bool,
}

/// The result.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Export {
    /// One transaction.
    pub sql: String,
    /// What PostgreSQL cannot be told, a line each; also in `sql` as comments.
    pub not_expressed: Vec<String>,
}

/// What is gathered on the way.
#[derive(Debug, Default)]
struct Gathered {
    not_expressed: BTreeSet<String>,
    /// Relations that sub-selects of rules read, and the roles whose rules those are.
    truths: BTreeMap<RelationId, BTreeSet<String>>,
    /// SQL about each relation.
    relations: String,
    /// SQL about people's own views.
    faces: String,
    /// The roles that own them.
    owners: BTreeSet<String>,
}

impl Gathered {
    fn not_expressed(&mut self, what: impl Into<String>) {
        self.not_expressed.insert(words::one_line(&what.into()));
    }
}

/// Prints a policy as SQL for PostgreSQL.
#[must_use]
pub fn export_sql(request: &ExportRequest<'_>) -> Export {
    let mut gathered = Gathered::default();
    let people = person::people(request, &mut gathered);
    for (id, found) in request.snapshot.relations() {
        if access::is_exported(found) {
            relation::write(request, &people, id, &mut gathered);
        }
    }
    relation::views_without_rules(request, &people, &mut gathered);
    for what in NEVER_SAID {
        gathered.not_expressed(what);
    }
    beside_rules(request, &mut gathered);
    let sql = script::write(request, &people, &gathered);
    Export { sql, not_expressed: gathered.not_expressed.into_iter().collect() }
}

/// What the policy says beside rules on relations.
fn beside_rules(request: &ExportRequest<'_>, gathered: &mut Gathered) {
    if request.bound.has_query_rules() {
        gathered.not_expressed("queries: PostgreSQL has no rules on statements");
    }
    if request.policy.has_limits() {
        gathered.not_expressed("limits: they are not set on the roles");
    }
    if request.policy.database(request.database).is_some_and(Database::is_public) {
        gathered.not_expressed("public: nobody connects to PostgreSQL without being a role");
    }
    for rule in request.policy.ending_rules() {
        gathered
            .not_expressed(format!("until of rule {rule}: it ends when the script is run again"));
    }
}

/// What no GRANT or policy can say, whatever the policy holds.
const NEVER_SAID: [&str; 3] = [
    "tables that nobody may use are still listed in the catalog, and refused as 42501 instead of 42P01",
    "built-in functions stay callable: pgcordon's own list of them has no counterpart",
    "statements (COPY, LISTEN, DO, SET and so on) are not limited to those that pgcordon accepts",
];

/// The schema of views that sub-selects of rules read: one per schema, so that names in them stay.
fn truth_schema(schema: &str) -> Option<String> {
    words::short(&format!("pgcordon_all_{schema}"))
}

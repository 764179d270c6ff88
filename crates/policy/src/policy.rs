//! A loaded policy: everything that can be known without a catalog.
//!
//! In:  YAML files.
//! Out: a [`Policy`], or every [`Mistake`] in them.
//!
//! Invariants:
//! - One mistake anywhere, and there is no policy: nothing is half loaded.
//! - The order of files, sections and rules has no meaning.

use std::collections::{BTreeMap, BTreeSet};

use crate::audience::names;
use crate::database::Database;
use crate::mistake::{Mistake, MistakeKind, Place, Report, Source};
use crate::name::{QualifiedName, function_name};
use crate::people::{People, PeopleSections};
use crate::principal::{ConnectDenial, Principal};
use crate::rule::{RuleReader, TableRules};
use crate::sections::{Section, Sections};
use crate::yaml;

/// The policy of all files.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) people: People,
    databases: BTreeMap<String, Database>,
    pub(crate) tables: Vec<TableRules>,
    pub(crate) functions: BTreeMap<QualifiedName, Place>,
}

/// Reads a policy.
///
/// `foreign_sections` are top-level keys that somebody else reads; any other unknown key is a mistake.
///
/// # Errors
/// Every [`Mistake`] of every file, by file and line.
pub fn load(sources: &[Source], foreign_sections: &[&str]) -> Result<Policy, Vec<Mistake>> {
    let mut report = Report::default();
    let mut roots = Vec::new();
    for source in sources {
        match yaml::parse(source) {
            Ok(root) => roots.push(root),
            Err(mistakes) => report.extend(mistakes),
        }
    }
    if !report.is_empty() {
        // Without a file that others refer to, every reference would look like a mistake.
        return Err(report.finish());
    }
    let mut sections = Sections::gather(&roots, foreign_sections, &mut report);
    let people = PeopleSections {
        attributes: sections.take("attributes", &mut report),
        roles: sections.take("roles", &mut report),
        groups: sections.take("groups", &mut report),
        users: sections.take("users", &mut report),
    };
    let people = People::read(&people, &mut report);
    let masks = sections.take("masks", &mut report);
    let reader = RuleReader::new(&people, &masks, &mut report);
    let section = sections.take("tables", &mut report);
    let tables = reader.tables(&section, &mut report);
    let section = sections.take("databases", &mut report);
    let databases = read_databases(&section, &people, &mut report);
    let functions = read_functions(&sections.take("functions", &mut report), &mut report);
    let policy = Policy { people, databases, tables, functions };
    if report.is_empty() { Ok(policy) } else { Err(report.finish()) }
}

fn read_databases(
    section: &Section<'_>,
    people: &People,
    report: &mut Report,
) -> BTreeMap<String, Database> {
    section
        .entries()
        .filter_map(|entry| Database::read(entry, people, report))
        .map(|database| (database.name.clone(), database))
        .collect()
}

fn read_functions(section: &Section<'_>, report: &mut Report) -> BTreeMap<QualifiedName, Place> {
    let mut functions = BTreeMap::new();
    for entry in section.entries() {
        if entry.key.text != "allow" {
            let message = format!("unknown key `{}` in `functions`", entry.key.text);
            report.add(&entry.key.place, MistakeKind::Structure, message, "known here: allow");
            continue;
        }
        let nodes = entry.node.list("`allow`", report).unwrap_or_default();
        for scalar in names(nodes, "a function", report) {
            match function_name(&scalar.text) {
                Ok(name) => {
                    functions.insert(name, scalar.place.clone());
                }
                Err((message, hint)) => {
                    report.add(&scalar.place, MistakeKind::Structure, message, hint);
                }
            }
        }
    }
    functions
}

impl Policy {
    /// Every database that clients can name, by name.
    pub fn databases(&self) -> impl Iterator<Item = &Database> {
        self.databases.values()
    }

    /// The database of that name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(name)
    }

    /// The names of all users.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.people.users.keys().map(String::as_str)
    }

    /// The SCRAM-SHA-256 verifier of a user; `None` if there is no such user or they have no password, which
    /// the caller must not let a client tell apart.
    #[must_use]
    pub fn verifier(&self, user: &str) -> Option<&str> {
        self.people.users.get(user)?.verifier.as_deref()
    }

    /// The connect layer: whether an authenticated user may use a database, and as whom they then act.
    ///
    /// | user    | database | `connect` includes them | outcome                  |
    /// |---------|----------|-------------------------|--------------------------|
    /// | any     | unknown  | -                       | `UnknownDatabase`        |
    /// | unknown | known    | -                       | `NotAllowed`, names none |
    /// | known   | known    | no                      | `NotAllowed`             |
    /// | known   | known    | yes                     | a [`Principal`]          |
    ///
    /// # Errors
    /// A [`ConnectDenial`].
    pub fn principal(&self, user: &str, database: &str) -> Result<Principal, ConnectDenial> {
        let Some(wanted) = self.databases.get(database) else {
            return Err(ConnectDenial::UnknownDatabase);
        };
        let Some(person) = self.people.users.get(user) else {
            return Err(ConnectDenial::NotAllowed { usable: Vec::new() });
        };
        let admits =
            |database: &Database| database.connect.includes(user, &person.roles, &person.groups);
        if !admits(wanted) {
            return Err(ConnectDenial::NotAllowed { usable: self.usable(user) });
        }
        Ok(Principal {
            name: user.to_owned(),
            database: database.to_owned(),
            groups: person.groups.clone(),
            roles: person.roles.clone(),
            attributes: person.attributes.clone(),
            bypass: person.bypass,
            statements: person.statements.clone(),
            pool_mode: person.pool_mode.unwrap_or(wanted.pool_mode),
        })
    }

    /// The names of the databases that a user may use; none for an unknown user.
    #[must_use]
    pub fn usable(&self, user: &str) -> Vec<String> {
        let Some(person) = self.people.users.get(user) else { return Vec::new() };
        let admits =
            |database: &&Database| database.connect.includes(user, &person.roles, &person.groups);
        self.databases.values().filter(admits).map(|database| database.name.clone()).collect()
    }

    /// The names under `functions: allow`, for the binding.
    pub(crate) fn function_names(&self) -> BTreeSet<QualifiedName> {
        self.functions.keys().cloned().collect()
    }
}

//! A loaded policy: everything that can be known without a catalog.
//!
//! In:  YAML files.
//! Out: a [`Policy`], or every [`Mistake`] in them.
//!
//! Invariants:
//! - One mistake anywhere, and there is no policy: nothing is half loaded.
//! - The order of files, sections and rules has no meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::audience::names;
use crate::database::{Database, check_otherwise};
use crate::identity::Identity;
use crate::limits::{self, LimitRule};
use crate::mistake::{Mistake, MistakeKind, Place, Report, Source};
use crate::moment::Moment;
use crate::name::{QualifiedName, function_name};
use crate::people::{ActDenial, Acting, People, PeopleSections, Person};
use crate::principal::{ConnectDenial, Principal};
use crate::provenance::Provenance;
use crate::query::{self, QueryRule};
use crate::reach::Reach;
use crate::rule::{RuleReader, TableRules};
use crate::sections::{Section, Sections};
use crate::testing::{TestCase, TestReader};
use crate::yaml;

/// The policy of all files.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) people: People,
    pub(crate) databases: BTreeMap<String, Database>,
    pub(crate) tables: Vec<TableRules>,
    pub(crate) functions: BTreeMap<QualifiedName, Place>,
    pub(crate) queries: Vec<QueryRule>,
    pub(crate) limits: Vec<LimitRule>,
    pub(crate) notes: Vec<Mistake>,
    pub(crate) tests: Vec<TestCase>,
    /// What it speaks of by name.
    pub(crate) reach: Arc<Reach>,
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
    let limits = limits::read(&sections.take_list("limits"), &people, &mut report);
    let queries = query::read(&sections.take_list("queries"), &people, &mut report);
    let functions = read_functions(&sections.take("functions", &mut report), &mut report);
    let scopes = databases.values().filter_map(|database: &Database| database.tables.as_ref());
    let scopes = scopes.map(|list| list.iter().map(|(pattern, _)| pattern.clone()).collect());
    let scopes = scopes.chain(queries.iter().filter_map(QueryRule::relations));
    let reach = Arc::new(Reach::of(&tables, scopes.collect()));
    let reader = TestReader { people: &people, databases: &databases };
    let tests = reader.read(&sections.take_list("tests"), &mut report);
    let notes = report.take_notes();
    let policy =
        Policy { people, databases, tables, functions, queries, reach, limits, tests, notes };
    if report.is_empty() { Ok(policy) } else { Err(report.finish()) }
}

fn read_databases(
    section: &Section<'_>,
    people: &People,
    report: &mut Report,
) -> BTreeMap<String, Database> {
    let databases = section
        .entries()
        .filter_map(|entry| Database::read(entry, people, report))
        .map(|database| (database.name.clone(), database))
        .collect();
    check_otherwise(&databases, report);
    databases
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

    /// The tests of all files, in their order.
    #[must_use]
    pub fn tests(&self) -> &[TestCase] {
        &self.tests
    }

    /// Reads tests about this policy from a file of their own.
    ///
    /// # Errors
    /// Every [`Mistake`] of the file.
    pub fn read_tests(&self, source: &Source) -> Result<Vec<TestCase>, Vec<Mistake>> {
        TestReader { people: &self.people, databases: &self.databases }.file(source)
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

    /// The names of all roles.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.people.roles.keys().map(String::as_str)
    }

    /// The names of all groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.people.groups.keys().map(String::as_str)
    }

    /// The names of all attributes that people may carry.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.people.attributes.keys().map(String::as_str)
    }

    /// Whether an attribute of that name holds several values.
    #[must_use]
    pub fn is_list(&self, attribute: &str) -> bool {
        self.people.attributes.get(attribute).is_some_and(|kind| kind.list)
    }

    /// Whether the policy files give a user that role, themselves, by a group or by inclusion.
    #[must_use]
    pub fn has_role(&self, user: &str, role: &str) -> bool {
        let person = self.people.person(&Identity::named(user));
        person.is_some_and(|person| person.roles.contains_key(role))
    }

    /// What deserves a look at `now` and is no mistake.
    #[must_use]
    pub fn notes(&self, now: Moment) -> Vec<Mistake> {
        let mut report = Report::default();
        for rule in self.tables.iter().flat_map(|table| &table.rules) {
            if !rule.is_in_force(now) {
                let message = format!("rule `{}` has expired and does not count", rule.name);
                report.note(&rule.place, message);
            }
        }
        let mut notes = self.notes.clone();
        notes.extend(report.take_notes());
        notes.sort();
        notes
    }

    /// The names of the rules that end.
    pub fn ending_rules(&self) -> impl Iterator<Item = &str> {
        let rules = self.tables.iter().flat_map(|table| &table.rules);
        rules.filter(|rule| rule.until.is_some()).map(|rule| rule.name.as_str())
    }

    /// Whether anybody is limited.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        !self.limits.is_empty()
    }

    /// The next moment after `now` at which a rule expires.
    #[must_use]
    pub fn next_until(&self, now: Moment) -> Option<Moment> {
        let rules = self.tables.iter().flat_map(|table| &table.rules);
        rules.filter_map(|rule| rule.until).filter(|until| now < *until).min()
    }

    /// The connect layer: whether an authenticated user may use a database, and as whom they then act.
    ///
    /// | person  | database | `connect` includes them | attributes | outcome                  |
    /// |---------|----------|-------------------------|------------|--------------------------|
    /// | any     | unknown  | -                       | -          | `UnknownDatabase`        |
    /// | unknown | known    | -                       | -          | `NotAllowed`, names none |
    /// | known   | known    | no                      | -          | `NotAllowed`             |
    /// | known   | known    | yes                     | malformed  | `BadAttribute`           |
    /// | known   | known    | yes                     | as declared | a [`Principal`]         |
    ///
    /// A person is known if the policy lists them, or a token or certificate describes them.
    ///
    /// # Errors
    /// A [`ConnectDenial`].
    pub fn principal(
        &self,
        identity: &Identity,
        database: &str,
    ) -> Result<Principal, ConnectDenial> {
        let Some(wanted) = self.databases.get(database) else {
            return Err(ConnectDenial::UnknownDatabase);
        };
        let Some(person) = self.people.person(identity) else {
            return Err(ConnectDenial::NotAllowed { usable: Vec::new() });
        };
        if !wanted.admits(&identity.user, &person) {
            let usable = self.usable_by(&identity.user, &person);
            return Err(ConnectDenial::NotAllowed { usable });
        }
        if let Some((name, problem)) = person.problems.first() {
            let (name, problem) = (name.clone(), problem.clone());
            return Err(ConnectDenial::BadAttribute { name, problem });
        }
        let limits = limits::of(&self.limits, &identity.user, &person);
        let login = self.people.users.get(&identity.login().user);
        Ok(Principal {
            name: identity.user.clone(),
            anonymous: person.anonymous,
            database: database.to_owned(),
            groups: person.groups.into_keys().collect(),
            roles: person.roles.into_keys().collect(),
            attributes: person
                .attributes
                .into_iter()
                .map(|(name, (value, _))| (name, value.render()))
                .collect(),
            bypass: person.powers.bypass,
            statements: person.powers.statements,
            limits,
            pool_mode: login.and_then(|user| user.pool_mode).unwrap_or(wanted.pool_mode),
            identity: Arc::new(identity.clone()),
        })
    }

    /// The database that somebody lands in who asks for `database`: that one if they may use it, else the first one
    /// that they may use on the way of `otherwise`, else the one that they asked for, which denies them.
    #[must_use]
    pub fn landing<'n>(&'n self, identity: &Identity, database: &'n str) -> &'n str {
        let Some(person) = self.people.person(identity) else { return database };
        let mut next = self.databases.get(database);
        // A circle is a mistake; a bound all the same.
        for _ in 0..self.databases.len() {
            let Some(known) = next else { break };
            if known.admits(&identity.user, &person) {
                return &known.name;
            }
            next = known.otherwise.as_ref().and_then(|name| self.databases.get(&name.text));
        }
        database
    }

    /// Whether somebody of that name who asks for `database` is let in without a password: a visitor, who lands in a
    /// database with `public: true`.
    #[must_use]
    pub fn is_open_to(&self, user: &str, database: &str) -> bool {
        let visitor = Identity::named(user);
        let landed = self.databases.get(self.landing(&visitor, database));
        visitor.is_anonymous() && landed.is_some_and(|landed| landed.public)
    }

    /// Where everything about a person comes from; `None` for somebody whom nothing describes.
    #[must_use]
    pub fn provenance(&self, identity: &Identity) -> Option<Provenance> {
        Some(self.people.person(identity)?.provenance(identity))
    }

    /// Whether whoever logged in may run statements as another person.
    ///
    /// `target` is the person with their own claims; whether they may use the database is asked by
    /// [`Policy::principal`], of an identity whose `by` is `actor`.
    ///
    /// # Errors
    /// An [`ActDenial`].
    pub fn may_act_as(&self, actor: &Identity, target: &Identity) -> Result<Acting, ActDenial> {
        self.people.may_act_as(actor, target)
    }

    /// Whether whoever logged in may run statements as another person at all.
    #[must_use]
    pub fn may_act(&self, actor: &Identity) -> bool {
        self.people.acts(actor)
    }

    /// The names of the databases that a person may use; none for an unknown one.
    #[must_use]
    pub fn usable(&self, identity: &Identity) -> Vec<String> {
        let person = self.people.person(identity);
        person.map(|person| self.usable_by(&identity.user, &person)).unwrap_or_default()
    }

    fn usable_by(&self, name: &str, person: &Person<'_>) -> Vec<String> {
        let usable = self.databases.values().filter(|database| database.admits(name, person));
        usable.map(|database| database.name.clone()).collect()
    }

    /// The names under `functions: allow`, for the binding.
    pub(crate) fn function_names(&self) -> BTreeSet<QualifiedName> {
        self.functions.keys().cloned().collect()
    }
}

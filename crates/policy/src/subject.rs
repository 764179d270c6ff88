//! Everybody whom a policy speaks of, as principals whose permissions can be looked at.
//!
//! In:  a [`Policy`] and the name of one of its databases.
//! Out: [`Subject`]s, in a fixed order.
//!
//! Invariants:
//! - Nobody logs in as a subject: a role or a group is no person, and carries no person's values.

use std::collections::BTreeSet;

use crate::audience::{Audience, PUBLIC};
use crate::identity::Identity;
use crate::limits;
use crate::moment::Moment;
use crate::people::Person;
use crate::policy::Policy;
use crate::principal::Principal;
use crate::provenance::Origin;

/// Somebody whom the policy speaks of.
#[derive(Clone, Debug)]
pub struct Subject {
    /// `everyone`, `visitors`, `role manager`, `group north`, `user rita`.
    pub label: String,
    /// Whether the database's `connect` includes them by this alone.
    pub connects: bool,
    /// With these roles and groups and no others. Of each declared attribute it carries a value that is NULL.
    pub principal: Principal,
}

impl Policy {
    /// Everybody: whoever has no role, visitors who have not logged in, each role, each group, and each user whom a rule or a database names.
    #[must_use]
    pub fn subjects(&self, database: &str) -> Vec<Subject> {
        let mut subjects =
            vec![self.subject("everyone".to_owned(), "", Person::default(), database)];
        let visitor = self.people.person(&Identity::anonymous()).unwrap_or_default();
        subjects.push(self.subject("visitors".to_owned(), PUBLIC, visitor, database));
        for name in self.people.roles.keys() {
            let mut person = Person::default();
            self.give_role(&mut person, name);
            subjects.push(self.subject(format!("role {name}"), "", person, database));
        }
        for (name, group) in &self.people.groups {
            let mut person = Person::default();
            person.groups.insert(name.clone(), BTreeSet::from([Origin::Entry]));
            for role in &group.roles {
                self.give_role(&mut person, role);
            }
            subjects.push(self.subject(format!("group {name}"), "", person, database));
        }
        for name in self.named_users() {
            let person = self.people.person(&Identity::named(name)).unwrap_or_default();
            subjects.push(self.subject(format!("user {name}"), name, person, database));
        }
        subjects
    }

    /// Rules that expire, and when: by table and name.
    #[must_use]
    pub fn expiries(&self) -> Vec<(String, Moment)> {
        let mut expiries = Vec::new();
        for table in &self.tables {
            for rule in &table.rules {
                let until = rule.until;
                let named = || format!("{} on {}", rule.name, table.pattern);
                expiries.extend(until.map(|until| (named(), until)));
            }
        }
        expiries.sort();
        expiries
    }

    /// Rules on statements, by name.
    pub fn statement_rules(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().map(|rule| rule.name.as_str())
    }

    fn give_role(&self, person: &mut Person<'_>, name: &str) {
        let Some(role) = self.people.roles.get(name) else { return };
        let facts = role.closure.iter().map(|name| (name.clone(), BTreeSet::from([Origin::Entry])));
        person.roles.extend(facts);
        person.powers.unite(&role.powers);
    }

    fn subject(&self, label: String, name: &str, person: Person<'_>, database: &str) -> Subject {
        let connects =
            self.database(database).is_some_and(|database| database.admits(name, &person));
        let attributes = self.people.attributes.iter();
        let attributes = attributes.map(|(name, kind)| (name.clone(), kind.null()));
        let principal = Principal {
            name: name.to_owned(),
            database: database.to_owned(),
            limits: limits::of(&self.limits, name, &person),
            attributes: attributes.collect(),
            bypass: person.powers.bypass,
            anonymous: person.anonymous,
            statements: person.powers.statements,
            groups: person.groups.into_keys().collect(),
            roles: person.roles.into_keys().collect(),
            ..Principal::default()
        };
        Subject { label, connects, principal }
    }

    /// Users whom a rule or a database names by their own name.
    fn named_users(&self) -> BTreeSet<&str> {
        let rules = self.tables.iter().flat_map(|table| &table.rules).map(|rule| &rule.to);
        let databases = self.databases().map(|database| &database.connect);
        let audiences: Vec<&Audience> = rules.chain(databases).collect();
        audiences.into_iter().flat_map(|one| one.users.iter().map(String::as_str)).collect()
    }
}

//! Attributes' types, roles, groups and users.
//!
//! In:  the sections `attributes`, `roles`, `groups` and `users` of every file.
//! Out: [`People`]: what the files say of everyone; `resolve` adds what authentication found out.
//!
//! Invariants:
//! - Roles are closed under `includes`; a cycle is a mistake.
//! - A user's own attribute wins over those of groups; two groups that disagree on a single value are a
//!   mistake, never a silent choice.
//! - Passwords are SCRAM-SHA-256 verifiers; a clear-text password is never accepted and never repeated.

mod acting;
mod resolve;
mod role;
mod verifier;

use std::collections::{BTreeMap, BTreeSet};

use crate::attribute::{AttributeType, AttributeValue};
use crate::audience::{PUBLIC, known, names};
use crate::identity::Identity;
use crate::mistake::{MistakeKind, Report};
use crate::pooling::{self, PoolMode};
use crate::sections::Section;
use crate::yaml::{Entry, Fields, Node};

pub use acting::{ActDenial, Acting};
pub(crate) use resolve::Person;
pub(crate) use role::{Powers, Role};

/// What groups and users have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) roles: BTreeSet<String>,
    pub(crate) attributes: BTreeMap<String, AttributeValue>,
}

/// A person or a service account, as the files say it.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) verifier: Option<String>,
    pub(crate) groups: BTreeSet<String>,
    /// Their own, without those of groups and those included.
    pub(crate) roles: BTreeSet<String>,
    /// Their own.
    pub(crate) attributes: BTreeMap<String, AttributeValue>,
    /// Roles of groups count only as far as this one includes them.
    pub(crate) ceiling: Option<String>,
    pub(crate) may_act_as: Option<acting::Targets>,
    pub(crate) pool_mode: Option<PoolMode>,
}

/// Everyone whom the policy knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct People {
    pub(crate) attributes: BTreeMap<String, AttributeType>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) users: BTreeMap<String, User>,
}

/// The sections that [`People::read`] reads.
pub(crate) struct PeopleSections<'n> {
    pub(crate) attributes: Section<'n>,
    pub(crate) roles: Section<'n>,
    pub(crate) groups: Section<'n>,
    pub(crate) users: Section<'n>,
}

impl People {
    /// Reads all four sections.
    pub(crate) fn read(sections: &PeopleSections<'_>, report: &mut Report) -> Self {
        let mut people = Self::default();
        for entry in sections.attributes.entries() {
            people.read_attribute(entry, report);
        }
        people.read_roles(&sections.roles, report);
        for entry in sections.groups.entries() {
            people.read_group(entry, report);
        }
        for entry in sections.users.entries() {
            people.read_user(entry, report);
        }
        people.read_acting(&sections.users, report);
        for entry in sections.users.entries() {
            people.check_user(entry, report);
        }
        people
    }

    fn read_attribute(&mut self, entry: &Entry, report: &mut Report) {
        let name = entry.key.text.as_str();
        if name == "name" {
            let message = "`name` is reserved: `{user.name}` is the login name";
            report.add(&entry.key.place, MistakeKind::Value, message, "choose another name");
        } else if !is_attribute_name(name) {
            let message = format!("`{name}` cannot be the name of an attribute");
            let hint = "letters, digits and _, not a digit first, at most 63";
            report.add(&entry.key.place, MistakeKind::Value, message, hint);
        }
        let Some(scalar) = entry.node.scalar("an attribute's type", report) else { return };
        match AttributeType::parse(&scalar.text) {
            Some(kind) => {
                self.attributes.insert(name.to_owned(), kind);
            }
            None => {
                let message = format!("unknown type `{}`", scalar.text);
                report.add(&scalar.place, MistakeKind::Value, message, AttributeType::names());
            }
        }
    }

    fn read_group(&mut self, entry: &Entry, report: &mut Report) {
        let mut group = Group::default();
        if let Some(fields) = Fields::read(&entry.node, "a group", &["roles", "attributes"], report)
        {
            group.roles = self.read_role_names(fields.optional("roles"), report);
            group.attributes = self.read_values(fields.optional("attributes"), report);
        }
        self.groups.insert(entry.key.text.clone(), group);
    }

    fn read_user(&mut self, entry: &Entry, report: &mut Report) {
        let keys =
            ["password", "groups", "roles", "attributes", "ceiling", acting::KEY, "pool_mode"];
        let mut user = User::default();
        let name = entry.key.text.as_str();
        if name.is_empty() || name.len() > 63 || name.contains('\0') {
            let message = "a user's name has 1 to 63 bytes";
            report.add(&entry.key.place, MistakeKind::Value, message, "");
        }
        if name == PUBLIC {
            let message = "no user can be called `public`: visitors without a password are";
            report.add(&entry.key.place, MistakeKind::Value, message, "choose another name");
        }
        if let Some(fields) = Fields::read(&entry.node, "a user", &keys, report) {
            user.verifier =
                fields.optional("password").and_then(|node| verifier::read(node, report));
            user.roles = self.read_role_names(fields.optional("roles"), report);
            user.ceiling = self.read_ceiling(fields.optional("ceiling"), report);
            user.pool_mode = pooling::read(fields.optional("pool_mode"), report);
            let groups = fields.optional("groups").and_then(|node| node.list("`groups`", report));
            let groups = names(groups.unwrap_or_default(), "a group", report);
            for scalar in &groups {
                known(scalar, "group", self.groups.keys().map(String::as_str), report);
            }
            user.groups = groups.iter().map(|scalar| scalar.text.clone()).collect();
            user.attributes = self.read_values(fields.optional("attributes"), report);
        }
        self.users.insert(entry.key.text.clone(), user);
    }

    fn read_ceiling(&self, node: Option<&Node>, report: &mut Report) -> Option<String> {
        let scalar = node?.scalar("`ceiling`", report)?;
        known(scalar, "role", self.roles.keys().map(String::as_str), report);
        Some(scalar.text.clone())
    }

    /// What shows only once everything about a user is known.
    fn check_user(&self, entry: &Entry, report: &mut Report) {
        let Some(person) = self.person(&Identity::named(&entry.key.text)) else { return };
        for (name, problem) in &person.problems {
            let message = format!("`{}`: attribute `{name}` {problem}", entry.key.text);
            let hint = "set the attribute on the user, or make it a list";
            report.add(&entry.key.place, MistakeKind::Value, message, hint);
        }
        for (role, groups) in person.dropped_by_origin() {
            let message = format!(
                "`{}`: role `{role}` ({groups}) is above their ceiling and does not count",
                entry.key.text
            );
            report.note(&entry.key.place, message);
        }
    }

    fn read_role_names(&self, node: Option<&Node>, report: &mut Report) -> BTreeSet<String> {
        let nodes = node.and_then(|node| node.list("`roles`", report)).unwrap_or_default();
        let scalars = names(nodes, "a role", report);
        for scalar in &scalars {
            known(scalar, "role", self.roles.keys().map(String::as_str), report);
        }
        scalars.iter().map(|scalar| scalar.text.clone()).collect()
    }

    fn read_values(
        &self,
        node: Option<&Node>,
        report: &mut Report,
    ) -> BTreeMap<String, AttributeValue> {
        let entries = node.and_then(|node| node.map("`attributes`", report)).unwrap_or_default();
        let mut values = BTreeMap::new();
        for entry in entries {
            let name = entry.key.text.as_str();
            let Some(kind) = self.attributes.get(name) else {
                let near = report.suggest(name, self.attributes.keys().map(String::as_str));
                let hint = if near.is_empty() { "declare it under `attributes`" } else { &near };
                let message = format!("unknown attribute `{name}`");
                report.add(&entry.key.place, MistakeKind::Reference, message, hint);
                continue;
            };
            if let Some(value) = AttributeValue::read(*kind, name, &entry.node, report) {
                values.insert(name.to_owned(), value);
            }
        }
        values
    }
}

fn is_attribute_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let first = name.bytes().next().is_some_and(letter);
    first && name.len() <= 63 && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

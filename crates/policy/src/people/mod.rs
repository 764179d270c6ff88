//! Attributes' types, roles, groups and users.
//!
//! In:  the sections `attributes`, `roles`, `groups` and `users` of every file.
//! Out: [`People`]: for each user their roles, groups, attributes and verifier, all inclusions followed.
//!
//! Invariants:
//! - Roles are closed under `includes`; a cycle is a mistake.
//! - A user's own attribute wins over those of groups; two groups that disagree on a single value are a
//!   mistake, never a silent choice.
//! - Passwords are SCRAM-SHA-256 verifiers; a clear-text password is never accepted and never repeated.

mod verifier;

use std::collections::{BTreeMap, BTreeSet};

use crate::attribute::{AttributeType, AttributeValue};
use crate::audience::{EVERYONE, known, names};
use crate::grant::{self, StatementGrant};
use crate::mistake::{MistakeKind, Place, Report};
use crate::pooling::{self, PoolMode};
use crate::sections::Section;
use crate::yaml::{Entry, Fields, Node, Scalar};

/// Most roles: each keeps its closure, so memory grows with the square.
const MAX_ROLES: usize = 2000;

/// A role.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Role {
    /// Itself and every role that it includes.
    pub(crate) closure: BTreeSet<String>,
    /// It or a role that it includes has `bypass: true`.
    pub(crate) bypass: bool,
    /// Kinds of statement that it or a role that it includes is granted.
    pub(crate) statements: BTreeSet<StatementGrant>,
}

/// What groups and users have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) roles: BTreeSet<String>,
    pub(crate) attributes: BTreeMap<String, AttributeValue>,
}

/// A person or a service account.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) verifier: Option<String>,
    pub(crate) groups: BTreeSet<String>,
    /// Closed under `includes`, those of groups too.
    pub(crate) roles: BTreeSet<String>,
    /// SQL constants.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) bypass: bool,
    pub(crate) statements: BTreeSet<StatementGrant>,
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

    fn read_roles(&mut self, section: &Section<'_>, report: &mut Report) {
        let mut direct: BTreeMap<&str, DirectRole<'_>> = BTreeMap::new();
        for entry in section.entries() {
            let name = entry.key.text.as_str();
            if EVERYONE.contains(&name) {
                let message = format!("no role can be called `{name}`: it stands for every person");
                report.add(&entry.key.place, MistakeKind::Value, message, "choose another name");
            }
            let keys = ["includes", "bypass", "statements"];
            let fields = Fields::read(&entry.node, "a role", &keys, report);
            let includes = fields.as_ref().and_then(|fields| fields.optional("includes"));
            let includes = includes.and_then(|node| node.list("`includes`", report));
            let includes = names(includes.unwrap_or_default(), "a role", report);
            let bypass = fields.as_ref().and_then(|fields| fields.optional("bypass"));
            let bypass = bypass.and_then(|node| node.boolean("`bypass`", report)) == Some(true);
            let statements = fields.as_ref().and_then(|fields| fields.optional("statements"));
            let statements = grant::read(statements, report);
            let place = &entry.key.place;
            direct.insert(name, DirectRole { place, includes, bypass, statements });
        }
        if direct.len() > MAX_ROLES
            && let Some(entry) = section.entries().next()
        {
            let message = format!("more than {MAX_ROLES} roles");
            report.add(&entry.key.place, MistakeKind::Structure, message, "");
            return;
        }
        for role in direct.values() {
            for scalar in &role.includes {
                known(scalar, "role", direct.keys().copied(), report);
            }
        }
        for (name, role) in &direct {
            self.roles.insert((*name).to_owned(), close(name, role, &direct, report));
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
        let keys = ["password", "groups", "roles", "attributes", "pool_mode"];
        let mut user = User::default();
        let name = entry.key.text.as_str();
        if name.is_empty() || name.len() > 63 || name.contains('\0') {
            let message = "a user's name has 1 to 63 bytes";
            report.add(&entry.key.place, MistakeKind::Value, message, "");
        }
        if let Some(fields) = Fields::read(&entry.node, "a user", &keys, report) {
            user.verifier =
                fields.optional("password").and_then(|node| verifier::read(node, report));
            user.roles = self.read_role_names(fields.optional("roles"), report);
            user.pool_mode = pooling::read(fields.optional("pool_mode"), report);
            let groups = fields.optional("groups").and_then(|node| node.list("`groups`", report));
            let groups = names(groups.unwrap_or_default(), "a group", report);
            for scalar in &groups {
                known(scalar, "group", self.groups.keys().map(String::as_str), report);
            }
            user.groups = groups.iter().map(|scalar| scalar.text.clone()).collect();
            let own = self.read_values(fields.optional("attributes"), report);
            user.attributes = self.merge_attributes(&entry.key, &user.groups, own, report);
        }
        let granted = user.groups.iter().filter_map(|name| self.groups.get(name));
        user.roles.extend(granted.flat_map(|group| group.roles.iter().cloned()));
        let roles: Vec<&Role> = user.roles.iter().filter_map(|name| self.roles.get(name)).collect();
        user.bypass = roles.iter().any(|role| role.bypass);
        user.statements = roles.iter().flat_map(|role| role.statements.iter().copied()).collect();
        user.roles = roles.iter().flat_map(|role| role.closure.iter().cloned()).collect();
        self.users.insert(entry.key.text.clone(), user);
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

    /// | the user's own | groups' values   | outcome       |
    /// |----------------|------------------|---------------|
    /// | present        | -                | the user's    |
    /// | absent         | lists            | their union   |
    /// | absent         | equal            | that value    |
    /// | absent         | different values | a mistake     |
    fn merge_attributes(
        &self,
        user: &Scalar,
        groups: &BTreeSet<String>,
        own: BTreeMap<String, AttributeValue>,
        report: &mut Report,
    ) -> BTreeMap<String, String> {
        let mut merged: BTreeMap<&str, (&str, AttributeValue)> = BTreeMap::new();
        for (group_name, group) in groups.iter().filter_map(|name| self.groups.get_key_value(name))
        {
            for (name, value) in &group.attributes {
                if own.contains_key(name) {
                    continue;
                }
                let Some((first, before)) = merged.get(name.as_str()) else {
                    merged.insert(name, (group_name, value.clone()));
                    continue;
                };
                if let Some(united) = before.united(value) {
                    merged.insert(name, (first, united));
                } else {
                    let message = format!(
                        "groups `{first}` and `{group_name}` give `{}` different values of `{name}`",
                        user.text
                    );
                    let hint = "set the attribute on the user, or make it a list";
                    report.add(&user.place, MistakeKind::Value, message, hint);
                }
            }
        }
        let of_groups =
            merged.into_iter().map(|(name, (_, value))| (name.to_owned(), value.render()));
        let of_user = own.iter().map(|(name, value)| (name.clone(), value.render()));
        of_groups.chain(of_user).collect()
    }
}

/// A role before its inclusions are followed.
struct DirectRole<'n> {
    place: &'n Place,
    includes: Vec<&'n Scalar>,
    bypass: bool,
    statements: BTreeSet<StatementGrant>,
}

/// Follows `includes`, without recursion; a role that reaches itself is a mistake.
fn close(
    name: &str,
    role: &DirectRole<'_>,
    direct: &BTreeMap<&str, DirectRole<'_>>,
    report: &mut Report,
) -> Role {
    let closure = BTreeSet::from([name.to_owned()]);
    let mut closed = Role { closure, bypass: role.bypass, statements: role.statements.clone() };
    let mut waiting: Vec<&str> = role.includes.iter().map(|scalar| scalar.text.as_str()).collect();
    let mut cycle = false;
    while let Some(next) = waiting.pop() {
        cycle |= next == name;
        let Some((included, known)) = direct.get_key_value(next).filter(|_| {
            // Names that nothing defines were reported; they grant nothing.
            !closed.closure.contains(next)
        }) else {
            continue;
        };
        closed.closure.insert((*included).to_owned());
        closed.bypass |= known.bypass;
        closed.statements.extend(&known.statements);
        waiting.extend(known.includes.iter().map(|scalar| scalar.text.as_str()));
    }
    if cycle {
        let message = format!("role `{name}` includes itself");
        report.add(role.place, MistakeKind::Reference, message, "break the circle of `includes`");
    }
    closed
}

fn is_attribute_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let first = name.bytes().next().is_some_and(letter);
    first && name.len() <= 63 && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

//! Whom a rule or a database is for.
//!
//! In:  the value of `to:` or `connect:`.
//! Out: an [`Audience`], asked by [`Audience::includes`].
//!
//! Invariants:
//! - `everyone` is whoever has logged in; visitors who have not are meant by `public` alone. What restricts everyone
//!   restricts visitors too.
//! - Naming nobody is a mistake, not an empty condition: a restrictive rule for nobody would restrict nobody.
//! - Every name in it is defined somewhere.

use std::collections::BTreeSet;

use crate::mistake::{MistakeKind, Report};
use crate::people::People;
use crate::principal::Principal;
use crate::yaml::{Fields, Node, Scalar, Value};

/// Everyone, and visitors who have not logged in: also the name that those connect by.
pub(crate) const PUBLIC: &str = "public";
/// Words that stand for every person; no role may be called so.
pub(crate) const EVERYONE: [&str; 2] = ["everyone", PUBLIC];

/// A set of people, named by their roles, groups or names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Audience {
    pub(crate) everyone: bool,
    /// Visitors who have not logged in.
    pub(crate) public: bool,
    pub(crate) roles: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) users: BTreeSet<String>,
}

impl Audience {
    /// Whether a person of that name belongs to it.
    pub(crate) fn includes(
        &self,
        name: &str,
        has_role: impl Fn(&String) -> bool,
        in_group: impl Fn(&String) -> bool,
    ) -> bool {
        self.everyone
            || self.users.contains(name)
            || self.roles.iter().any(has_role)
            || self.groups.iter().any(in_group)
    }

    /// Whether what it grants is granted to them.
    pub(crate) fn grants(&self, principal: &Principal) -> bool {
        if principal.anonymous { self.public } else { self.names(principal) }
    }

    /// Whether what it takes away is taken from them.
    pub(crate) fn restricts(&self, principal: &Principal) -> bool {
        if principal.anonymous { self.public || self.everyone } else { self.names(principal) }
    }

    fn names(&self, principal: &Principal) -> bool {
        let in_group = |group: &String| principal.groups.contains(group);
        self.includes(&principal.name, |role| principal.roles.contains(role), in_group)
    }

    fn add_word(&mut self, word: &str) {
        self.everyone = true;
        self.public |= word == PUBLIC;
    }

    /// Reads `everyone`, `public`, a list of roles, or a map of roles, groups and users.
    pub(crate) fn read(node: &Node, what: &str, people: &People, report: &mut Report) -> Self {
        let mut audience = Self::default();
        let misshapen = "write `everyone`, [a role, …] or { roles: […], groups: […], users: […] }";
        match &node.value {
            Value::Scalar(word) if EVERYONE.contains(&word.text.as_str()) => {
                audience.add_word(&word.text);
            }
            Value::List(nodes) => audience.read_roles(nodes, people, report),
            Value::Map(_) => audience.read_map(node, what, people, report),
            Value::Scalar(word) => {
                let message = format!("{what} is neither `everyone` nor a list");
                let hint = format!("write [{}] for one role", word.text);
                report.add(&node.place, MistakeKind::Structure, message, hint);
            }
            Value::Null => {
                report.add(
                    &node.place,
                    MistakeKind::Structure,
                    format!("{what} is empty"),
                    misshapen,
                );
            }
        }
        let nobody = match &node.value {
            Value::List(nodes) => nodes.is_empty(),
            Value::Map(entries) => entries.iter().all(|entry| match &entry.node.value {
                Value::List(nodes) => nodes.is_empty(),
                Value::Null => true,
                Value::Scalar(_) | Value::Map(_) => false,
            }),
            Value::Null | Value::Scalar(_) => false,
        };
        if nobody {
            let message = format!("{what} names nobody");
            report.add(&node.place, MistakeKind::Structure, message, misshapen);
        }
        audience
    }

    fn read_map(&mut self, node: &Node, what: &str, people: &People, report: &mut Report) {
        let Some(fields) = Fields::read(node, what, &["roles", "groups", "users"], report) else {
            return;
        };
        if let Some(nodes) = fields.optional("roles").and_then(|node| node.list("`roles`", report))
        {
            self.read_roles(nodes, people, report);
        }
        let groups = fields.optional("groups").and_then(|node| node.list("`groups`", report));
        for scalar in names(groups.unwrap_or_default(), "a group", report) {
            known(scalar, "group", people.groups.keys().map(String::as_str), report);
            self.groups.insert(scalar.text.clone());
        }
        let users = fields.optional("users").and_then(|node| node.list("`users`", report));
        for scalar in names(users.unwrap_or_default(), "a user", report) {
            known(scalar, "user", people.users.keys().map(String::as_str), report);
            self.users.insert(scalar.text.clone());
        }
    }

    fn read_roles(&mut self, nodes: &[Node], people: &People, report: &mut Report) {
        for scalar in names(nodes, "a role", report) {
            if EVERYONE.contains(&scalar.text.as_str()) {
                self.add_word(&scalar.text);
                continue;
            }
            let everyone = std::iter::once("everyone");
            known(scalar, "role", people.roles.keys().map(String::as_str).chain(everyone), report);
            self.roles.insert(scalar.text.clone());
        }
    }
}

/// The scalars of a list; anything else in it is a mistake.
pub(crate) fn names<'n>(nodes: &'n [Node], what: &str, report: &mut Report) -> Vec<&'n Scalar> {
    nodes.iter().filter_map(|node| node.scalar(what, report)).collect()
}

/// Notes a name that nothing defines.
pub(crate) fn known<'a>(
    scalar: &Scalar,
    what: &str,
    mut defined: impl Iterator<Item = &'a str> + Clone,
    report: &mut Report,
) {
    let all = defined.clone();
    if !defined.any(|name| name == scalar.text) {
        let message = format!("unknown {what} `{}`", scalar.text);
        report.add(
            &scalar.place,
            MistakeKind::Reference,
            message,
            report.suggest(&scalar.text, all),
        );
    }
}

//! The section `roles`.
//!
//! In:  roles as they stand in the files.
//! Out: [`Role`]s, closed under `includes`.
//!
//! Invariants:
//! - A role that reaches itself is a mistake, and so is a name that nothing defines.

use std::collections::{BTreeMap, BTreeSet};

use super::People;
use crate::audience::{EVERYONE, known, names};
use crate::grant::{self, StatementGrant};
use crate::mistake::{MistakeKind, Place, Report};
use crate::sections::Section;
use crate::yaml::{Entry, Fields, Scalar};

/// Most roles: each keeps its closure, so memory grows with the square.
const MAX_ROLES: usize = 2000;

/// A role.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Role {
    /// Itself and every role that it includes.
    pub(crate) closure: BTreeSet<String>,
    /// What it and every role that it includes grant beside rules.
    pub(crate) powers: Powers,
}

/// What roles grant beside rules.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Powers {
    /// `bypass: true`
    pub(crate) bypass: bool,
    /// `view_as: true`
    pub(crate) view_as: bool,
    /// Kinds of statement.
    pub(crate) statements: BTreeSet<StatementGrant>,
}

impl Powers {
    /// Everything that either grants.
    pub(crate) fn unite(&mut self, other: &Self) {
        self.bypass |= other.bypass;
        self.view_as |= other.view_as;
        self.statements.extend(&other.statements);
    }
}

/// A role before its inclusions are followed.
struct DirectRole<'n> {
    place: &'n Place,
    includes: Vec<&'n Scalar>,
    powers: Powers,
}

impl People {
    pub(super) fn read_roles(&mut self, section: &Section<'_>, report: &mut Report) {
        let mut direct: BTreeMap<&str, DirectRole<'_>> = BTreeMap::new();
        for entry in section.entries() {
            direct.insert(entry.key.text.as_str(), read_role(entry, report));
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
}

fn read_role<'n>(entry: &'n Entry, report: &mut Report) -> DirectRole<'n> {
    let name = entry.key.text.as_str();
    if EVERYONE.contains(&name) {
        let message = format!("no role can be called `{name}`: it stands for every person");
        report.add(&entry.key.place, MistakeKind::Value, message, "choose another name");
    }
    let keys = ["includes", "bypass", "view_as", "statements"];
    let place = &entry.key.place;
    let Some(fields) = Fields::read(&entry.node, "a role", &keys, report) else {
        return DirectRole { place, includes: Vec::new(), powers: Powers::default() };
    };
    let includes = fields.optional("includes").and_then(|node| node.list("`includes`", report));
    let includes = names(includes.unwrap_or_default(), "a role", report);
    let mut said = |key: &str| {
        let node = fields.optional(key)?;
        node.boolean(&format!("`{key}`"), report)
    };
    let (bypass, view_as) = (said("bypass") == Some(true), said("view_as") == Some(true));
    let statements = grant::read(fields.optional("statements"), report);
    DirectRole { place, includes, powers: Powers { bypass, view_as, statements } }
}

/// Follows `includes`, without recursion; a role that reaches itself is a mistake.
fn close(
    name: &str,
    role: &DirectRole<'_>,
    direct: &BTreeMap<&str, DirectRole<'_>>,
    report: &mut Report,
) -> Role {
    let closure = BTreeSet::from([name.to_owned()]);
    let mut closed = Role { closure, powers: role.powers.clone() };
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
        closed.powers.unite(&known.powers);
        waiting.extend(known.includes.iter().map(|scalar| scalar.text.as_str()));
    }
    if cycle {
        let message = format!("role `{name}` includes itself");
        report.add(role.place, MistakeKind::Reference, message, "break the circle of `includes`");
    }
    closed
}

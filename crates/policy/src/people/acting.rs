//! Who may run statements as whom: `may_act_as` of a user, `view_as` of a role.
//!
//! In:  `may_act_as: { roles, groups, users }`; the [`Identity`] of who logged in and that of whom they name.
//! Out: [`Acting`], or an [`ActDenial`].
//!
//! Invariants:
//! - Only who logged in may act for somebody; whom they act for hands nothing on.
//! - Nobody acts as somebody with `bypass` who has none.
//! - `roles` is a bound, not a mark: somebody who has one more role than those listed is not among them.

use std::collections::BTreeSet;

use super::{People, Person};
use crate::audience::{known, names};
use crate::identity::Identity;
use crate::mistake::{MistakeKind, Report};
use crate::sections::Section;
use crate::yaml::{Fields, Node, Value};

/// The key of a user.
pub(super) const KEY: &str = "may_act_as";

/// For whom a user may act.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    roles: BTreeSet<String>,
    groups: BTreeSet<String>,
    users: BTreeSet<String>,
}

/// How somebody runs statements as another person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Acting {
    /// A service account for a person who uses it.
    OnBehalf,
    /// An operator who looks at what the person would see.
    Viewing,
}

/// Why somebody may not run statements as another person. A client is told one text for all of them, so that it does
/// not learn who exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ActDenial {
    /// Who asks is acted for already.
    #[error("whoever is acted for cannot act for others")]
    Chained,
    /// Neither the policy nor a token describes who asks.
    #[error("the policy does not know who asks")]
    UnknownActor,
    /// Neither the policy nor a token describes the person.
    #[error("the policy does not know the person")]
    UnknownTarget,
    /// Neither `may_act_as` nor `view_as` covers the person.
    #[error("neither `may_act_as` nor `view_as` covers the person")]
    NotCovered,
    /// The person's roles bypass the rules, and those of who asks do not.
    #[error("the person has a role with `bypass`")]
    Bypass,
}

impl People {
    /// Reads `may_act_as` of every user, once all users are known.
    pub(super) fn read_acting(&mut self, section: &Section<'_>, report: &mut Report) {
        for entry in section.entries() {
            let Value::Map(fields) = &entry.node.value else { continue };
            let Some(field) = fields.iter().find(|field| field.key.text == KEY) else { continue };
            let targets = self.read_targets(&field.node, report);
            if let Some(user) = self.users.get_mut(&entry.key.text) {
                user.may_act_as = targets;
            }
        }
    }

    fn read_targets(&self, node: &Node, report: &mut Report) -> Option<Targets> {
        let what = "`may_act_as`";
        let fields = Fields::read(node, what, &["roles", "groups", "users"], report)?;
        let mut listed = |key: &str, one: &str, defined: BTreeSet<&str>| {
            let nodes =
                fields.optional(key).and_then(|node| node.list(&format!("`{key}`"), report));
            let scalars = names(nodes.unwrap_or_default(), one, report);
            for scalar in &scalars {
                let word = one.strip_prefix("a ").unwrap_or(one);
                known(scalar, word, defined.iter().copied(), report);
            }
            scalars.iter().map(|scalar| scalar.text.clone()).collect::<BTreeSet<String>>()
        };
        let roles = listed("roles", "a role", self.roles.keys().map(String::as_str).collect());
        let groups = listed("groups", "a group", self.groups.keys().map(String::as_str).collect());
        let users = listed("users", "a user", self.users.keys().map(String::as_str).collect());
        if roles.is_empty() && groups.is_empty() && users.is_empty() {
            let hint = "write { roles: […], groups: […], users: […] }, or remove it";
            let message = format!("{what} names nobody");
            report.add(&node.place, MistakeKind::Structure, message, hint);
        }
        Some(Targets { roles, groups, users })
    }

    /// | who asks is acted for | both known | target bypasses, asker not | `may_act_as` | `view_as` | outcome         |
    /// |-----------------------|------------|----------------------------|--------------|-----------|-----------------|
    /// | yes                   | -          | -                          | -            | -         | `Chained`       |
    /// | no, one is a visitor  | -          | -                          | -            | -         | `NotCovered`    |
    /// | no                    | no         | -                          | -            | -         | `Unknown…`      |
    /// | no                    | yes        | yes                        | -            | -         | `Bypass`        |
    /// | no                    | yes        | no                         | covers       | -         | `OnBehalf`      |
    /// | no                    | yes        | no                         | does not     | yes       | `Viewing`       |
    /// | no                    | yes        | no                         | does not     | no        | `NotCovered`    |
    pub(crate) fn may_act_as(
        &self,
        actor: &Identity,
        target: &Identity,
    ) -> Result<Acting, ActDenial> {
        if actor.by.is_some() {
            return Err(ActDenial::Chained);
        }
        // A visitor is whoever comes: nobody acts for one, and a visitor for nobody.
        if target.is_anonymous() || actor.is_anonymous() {
            return Err(ActDenial::NotCovered);
        }
        let actor = self.person(actor).ok_or(ActDenial::UnknownActor)?;
        let person = self.person(target).ok_or(ActDenial::UnknownTarget)?;
        if person.powers.bypass && !actor.powers.bypass {
            return Err(ActDenial::Bypass);
        }
        let targets = actor.user.and_then(|user| user.may_act_as.as_ref());
        if targets.is_some_and(|targets| self.covers(targets, &target.user, &person)) {
            return Ok(Acting::OnBehalf);
        }
        if actor.powers.view_as { Ok(Acting::Viewing) } else { Err(ActDenial::NotCovered) }
    }

    /// Whether there may be anybody whom somebody acts for: no statement of others' depends on it.
    pub(crate) fn acts(&self, actor: &Identity) -> bool {
        let person = self.person(actor).filter(|_| actor.by.is_none());
        person.is_some_and(|person| {
            person.powers.view_as || person.user.is_some_and(|user| user.may_act_as.is_some())
        })
    }

    fn covers(&self, targets: &Targets, name: &str, person: &Person<'_>) -> bool {
        let within = |role: &String| {
            let listed = targets.roles.iter().filter_map(|name| self.roles.get(name));
            listed.into_iter().any(|listed| listed.closure.contains(role))
        };
        targets.users.contains(name)
            || targets.groups.iter().any(|group| person.groups.contains_key(group))
            || (!person.roles.is_empty() && person.roles.keys().all(within))
    }
}

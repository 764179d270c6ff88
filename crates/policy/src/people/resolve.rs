//! What a person has, by the policy files and by what authentication found out.
//!
//! In:  [`People`] and an [`Identity`].
//! Out: a [`Person`]: groups, roles and attributes, each with its origins.
//!
//! Invariants:
//! - Somebody whom neither the policy nor a token or certificate describes is nobody.
//! - A role that does not stand in the user's own entry counts only as far as their `ceiling` includes it.
//! - Values that contradict each other are a problem that names the attribute, never a silent choice.

use std::collections::{BTreeMap, BTreeSet};

use super::role::Powers;
use super::{People, User};
use crate::attribute::AttributeValue;
use crate::audience::Audience;
use crate::identity::{Identity, Witness};
use crate::provenance::{Origin, Provenance};

type Facts = BTreeMap<String, BTreeSet<Origin>>;

/// What a person has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Person<'p> {
    /// A visitor who has not logged in: no entry, no claim counts.
    pub(crate) anonymous: bool,
    /// Their entry in the policy.
    pub(crate) user: Option<&'p User>,
    pub(crate) groups: Facts,
    /// Closed under `includes`.
    pub(crate) roles: Facts,
    /// Above the ceiling.
    pub(crate) dropped: Facts,
    pub(crate) attributes: BTreeMap<String, (AttributeValue, BTreeSet<Origin>)>,
    pub(crate) powers: Powers,
    /// Names of attributes and what is wrong with them; with any of them nobody may connect.
    pub(crate) problems: Vec<(String, String)>,
    unknown: BTreeSet<(&'static str, String, Witness)>,
}

impl People {
    /// | name     | in `users` | described by a token or certificate | outcome                       |
    /// |----------|------------|-------------------------------------|-------------------------------|
    /// | `public` | -          | -                                   | a visitor without anything    |
    /// | other    | no         | no                                  | `None`                        |
    /// | other    | no         | yes                                 | what the claims say           |
    /// | other    | yes        | -                                   | the entry and what claims add |
    pub(crate) fn person(&self, identity: &Identity) -> Option<Person<'_>> {
        if identity.is_anonymous() {
            return Some(Person { anonymous: true, ..Person::default() });
        }
        let user = self.users.get(&identity.user);
        if user.is_none() && !identity.is_described() {
            return None;
        }
        let mut person = Person { user, ..Person::default() };
        self.join_groups(&mut person, identity);
        self.grant_roles(&mut person, identity);
        self.give_attributes(&mut person, identity);
        Some(person)
    }

    fn join_groups(&self, person: &mut Person<'_>, identity: &Identity) {
        for name in person.user.iter().flat_map(|user| &user.groups) {
            person.groups.entry(name.clone()).or_default().insert(Origin::Entry);
        }
        for claims in &identity.claims {
            for name in &claims.groups {
                if self.groups.contains_key(name) {
                    let origin = Origin::Claim(claims.witness);
                    person.groups.entry(name.clone()).or_default().insert(origin);
                } else {
                    person.unknown.insert(("group", name.clone(), claims.witness));
                }
            }
        }
    }

    fn grant_roles(&self, person: &mut Person<'_>, identity: &Identity) {
        let mut granted: Vec<(&String, Origin)> = Vec::new();
        if let Some(user) = person.user {
            granted.extend(user.roles.iter().map(|role| (role, Origin::Entry)));
        }
        for name in person.groups.keys() {
            let roles = self.groups.get(name).into_iter().flat_map(|group| &group.roles);
            granted.extend(roles.map(|role| (role, Origin::Group(name.clone()))));
        }
        for claims in &identity.claims {
            let roles = claims.roles.iter().map(|role| (role, Origin::Claim(claims.witness)));
            for (role, origin) in roles {
                if self.roles.contains_key(role) {
                    granted.push((role, origin));
                } else {
                    person.unknown.insert(("role", role.clone(), claims.witness));
                }
            }
        }
        for (role, origin) in granted {
            self.grant_role(person, role, &origin);
        }
        let counts = &person.roles;
        person.dropped.retain(|role, _| !counts.contains_key(role));
    }

    /// A role and those that it includes, as far as the ceiling lets them count.
    fn grant_role(&self, person: &mut Person<'_>, name: &str, origin: &Origin) {
        let Some(role) = self.roles.get(name) else { return };
        let ceiling = match origin {
            Origin::Entry => None,
            Origin::Group(_) | Origin::Role(_) | Origin::Claim(_) => {
                person.user.and_then(|user| user.ceiling.as_ref())
            }
        };
        // A ceiling that nothing defines lets nothing through.
        let below = |included: &String| {
            ceiling.is_none_or(|ceiling| {
                self.roles.get(ceiling).is_some_and(|role| role.closure.contains(included))
            })
        };
        for included in &role.closure {
            let origin = match included == name {
                true => origin.clone(),
                false => Origin::Role(name.to_owned()),
            };
            let counts = below(included);
            let facts = if counts { &mut person.roles } else { &mut person.dropped };
            facts.entry(included.clone()).or_default().insert(origin);
            if let Some(powers) = self.roles.get(included).filter(|_| counts) {
                person.powers.unite(&powers.powers);
            }
        }
    }

    /// | the entry's value | claims             | groups             | outcome                |
    /// |-------------------|--------------------|--------------------|------------------------|
    /// | present           | -                  | -                  | the entry's            |
    /// | absent            | lists              | -                  | their union            |
    /// | absent            | equal              | -                  | that value             |
    /// | absent            | different          | -                  | a problem              |
    /// | absent            | none               | lists              | their union            |
    /// | absent            | none               | equal              | that value             |
    /// | absent            | none               | different          | a problem              |
    /// | absent            | none               | none               | not carried            |
    ///
    /// A claim that does not fit the declared type is a problem even where another value wins.
    fn give_attributes(&self, person: &mut Person<'_>, identity: &Identity) {
        let own = person.user.into_iter().flat_map(|user| &user.attributes);
        for (name, value) in own {
            let given = (value.clone(), BTreeSet::from([Origin::Entry]));
            person.attributes.insert(name.clone(), given);
        }
        let mut claimed = Given::default();
        for claims in &identity.claims {
            for (name, plain) in &claims.attributes {
                let typed = match self.attributes.get(name) {
                    Some(kind) => AttributeValue::of_plain(*kind, plain),
                    None => Err("is not declared".to_owned()),
                };
                match typed {
                    Ok(value) => claimed.add(name, value, Origin::Claim(claims.witness)),
                    Err(problem) => person.problems.push((name.clone(), problem)),
                }
            }
        }
        claimed.settle(person);
        let mut of_groups = Given::default();
        for group_name in person.groups.keys() {
            let values =
                self.groups.get(group_name).into_iter().flat_map(|group| &group.attributes);
            for (name, value) in values {
                of_groups.add(name, value.clone(), Origin::Group(group_name.clone()));
            }
        }
        of_groups.settle(person);
    }
}

/// Values of sources that have equal weight.
#[derive(Debug, Default)]
struct Given(BTreeMap<String, Vec<(AttributeValue, Origin)>>);

impl Given {
    fn add(&mut self, name: &str, value: AttributeValue, origin: Origin) {
        self.0.entry(name.to_owned()).or_default().push((value, origin));
    }

    /// Gives the person what no weightier source gave.
    fn settle(self, person: &mut Person<'_>) {
        for (name, values) in self.0 {
            if person.attributes.contains_key(&name)
                || person.problems.iter().any(|(known, _)| *known == name)
            {
                continue;
            }
            let mut values = values.into_iter();
            let Some((mut united, first)) = values.next() else { continue };
            let mut origins = BTreeSet::from([first]);
            let mut differs = false;
            for (value, origin) in values {
                match united.united(&value) {
                    Some(both) => united = both,
                    None => differs = true,
                }
                origins.insert(origin);
            }
            if differs {
                let names: Vec<String> = origins.iter().map(Origin::to_string).collect();
                let problem = format!("has different values: {}", names.join(", "));
                person.problems.push((name, problem));
            } else {
                person.attributes.insert(name, (united, origins));
            }
        }
    }
}

impl Person<'_> {
    /// Whether a person of that name belongs to an audience.
    pub(crate) fn is_in(&self, name: &str, audience: &Audience) -> bool {
        if self.anonymous {
            return audience.public;
        }
        let has_role = |role: &String| self.roles.contains_key(role);
        audience.includes(name, has_role, |group| self.groups.contains_key(group))
    }

    /// Roles that the ceiling took away, and where they come from.
    pub(crate) fn dropped_by_origin(&self) -> impl Iterator<Item = (&str, String)> {
        self.dropped.iter().map(|(role, origins)| {
            let origins: Vec<String> = origins.iter().map(Origin::to_string).collect();
            (role.as_str(), origins.join(", "))
        })
    }

    pub(crate) fn provenance(self, identity: &Identity) -> Provenance {
        let login = identity.login();
        Provenance {
            user: identity.user.clone(),
            by: identity.by.is_some().then(|| login.user.clone()),
            ceiling: self.user.and_then(|user| user.ceiling.clone()),
            attributes: self
                .attributes
                .into_iter()
                .map(|(name, (_, origins))| (name, origins))
                .collect(),
            groups: self.groups,
            roles: self.roles,
            dropped: self.dropped,
            unknown: self.unknown,
        }
    }
}

//! Where each role, group and attribute of a person comes from: what `whoami` prints.
//!
//! In:  a person as `people` resolved them.
//! Out: a [`Provenance`], printed one line a fact.
//!
//! Invariants:
//! - It decides nothing: it is made of the same resolution as the principal, and never of the principal itself.
//! - No value is in it, only names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::identity::Witness;

/// Where one fact about a person comes from.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// The user's own entry in the policy.
    Entry,
    /// A group of theirs.
    Group(String),
    /// A role that includes it.
    Role(String),
    /// Somebody outside the policy.
    Claim(Witness),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry => formatter.write_str("the user's entry in the policy"),
            Self::Group(name) => write!(formatter, "from group {name}"),
            Self::Role(name) => write!(formatter, "included in role {name}"),
            Self::Claim(witness) => formatter.write_str(witness.name()),
        }
    }
}

/// Everything that is known of a person, each with its origins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Provenance {
    /// The person.
    pub user: String,
    /// The person who logged in, where that is somebody else.
    pub by: Option<String>,
    /// Groups that the person is in.
    pub groups: BTreeMap<String, BTreeSet<Origin>>,
    /// Every role that counts.
    pub roles: BTreeMap<String, BTreeSet<Origin>>,
    /// The user's `ceiling`.
    pub ceiling: Option<String>,
    /// Roles above the ceiling, which do not count.
    pub dropped: BTreeMap<String, BTreeSet<Origin>>,
    /// Attributes.
    pub attributes: BTreeMap<String, BTreeSet<Origin>>,
    /// `role` or `group`, its name, and who claims it: the policy does not define it, and it grants nothing.
    pub unknown: BTreeSet<(&'static str, String, Witness)>,
}

impl fmt::Display for Provenance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "user {}", self.user)?;
        if let Some(by) = &self.by {
            write!(formatter, ": {by} acts for them")?;
        }
        for (what, facts) in
            [("group", &self.groups), ("role", &self.roles), ("attribute", &self.attributes)]
        {
            for (name, origins) in facts {
                write!(formatter, "\n{what} {name}: {}", listed(origins))?;
            }
        }
        let ceiling = self.ceiling.as_deref().unwrap_or_default();
        for (name, origins) in &self.dropped {
            let origins = listed(origins);
            write!(formatter, "\nrole {name}: dropped, above the ceiling {ceiling} ({origins})")?;
        }
        for (what, name, witness) in &self.unknown {
            write!(formatter, "\n{what} {name}: not in the policy ({})", witness.name())?;
        }
        Ok(())
    }
}

fn listed(origins: &BTreeSet<Origin>) -> String {
    origins.iter().map(Origin::to_string).collect::<Vec<String>>().join(", ")
}

//! Who somebody is, fact by fact with where it comes from: `SHOW pgcordon.identity` and `pgcordon whoami`.
//!
//! In:  a policy, and a principal made by it.
//! Out: rows of what, name, value and origin.
//!
//! Invariants:
//! - For the person themselves and for operators only: attribute values are in it.

use std::collections::{BTreeMap, BTreeSet};

use pgcordon_policy::{Acting, Origin, Policy, Principal};

/// What, name, value, origin; what does not apply is empty.
pub type Fact = [String; 4];

/// Who a principal is.
#[must_use]
pub fn facts(policy: &Policy, principal: &Principal, acting: Option<Acting>) -> Vec<Fact> {
    let row = |what: &str, name: &str, value: &str, origin: &str| {
        [what, name, value, origin].map(str::to_owned)
    };
    let mut facts = vec![row("user", &principal.name, "", "")];
    if let Some(acting) = acting {
        let how = match acting {
            Acting::OnBehalf => "acts for the user",
            Acting::Viewing => "views as the user, changes nothing",
        };
        facts.push(row("by", &principal.identity.login().user, "", how));
    }
    facts.push(row("database", &principal.database, "", ""));
    // Nobody is a principal whom nothing describes.
    let known = policy.provenance(&principal.identity).unwrap_or_default();
    let mut list = |what: &str, found: &BTreeMap<String, BTreeSet<Origin>>| {
        for (name, origins) in found {
            let value = match what {
                "attribute" => principal.attributes.get(name).map_or("", String::as_str),
                _ => "",
            };
            facts.push(row(what, name, value, &listed(origins)));
        }
    };
    list("group", &known.groups);
    list("role", &known.roles);
    list("role above the ceiling", &known.dropped);
    list("attribute", &known.attributes);
    for (what, name, witness) in &known.unknown {
        let what = format!("unknown {what}");
        facts.push(row(&what, name, "", witness.name()));
    }
    facts
}

fn listed(origins: &BTreeSet<Origin>) -> String {
    origins.iter().map(Origin::to_string).collect::<Vec<String>>().join(", ")
}

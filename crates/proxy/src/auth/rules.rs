//! Which way in a connection has: ordered rules, as in pg_hba.conf.
//!
//! In:  what is known of a connection before anything is asked of it ([`Facts`]).
//! Out: the [`Method`] of the first rule that matches, or none.
//!
//! Invariants:
//! - The first rule that matches decides; there is no falling through to a later one after a failure.
//! - A connection that no rule matches is refused, by the same words and the same work as a wrong password.
//! - What the client says of itself (the names of user and database) only chooses how it has to prove it.

use std::net::IpAddr;

use pgcordon_policy::mistake::Place;

use super::address::Network;

/// A name and where it stands, for the comparison with the policy.
pub(crate) type Named = (String, Place);

/// One rule; an empty list stands for everything.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) addresses: Vec<Network>,
    pub(crate) databases: Vec<Named>,
    pub(crate) users: Vec<Named>,
    /// The user has at least one of them in the policy files.
    pub(crate) roles: Vec<Named>,
    pub(crate) tls: Presence,
    /// A client certificate that the TLS handshake has verified.
    pub(crate) certificate: Presence,
    pub(crate) method: Method,
}

/// Whether something must be there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Presence {
    /// It does not matter.
    #[default]
    Any,
    /// It must.
    Required,
    /// It must not.
    None,
}

/// How a connection proves who it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    /// SCRAM-SHA-256 with the verifier of the policy, and with channel binding where the client can.
    Scram,
    /// SCRAM-SHA-256-PLUS only.
    ScramPlus,
    /// The client's certificate says who it is.
    Certificate,
    /// A JSON web token in place of the password, of one of the issuers; of any where none is named.
    Token { issuers: Vec<Named> },
    /// The same by SASL OAUTHBEARER.
    Oauth { issuers: Vec<Named> },
    /// SCRAM-SHA-256 with the verifier that the database has, where the policy has none.
    AuthQuery,
    /// Nobody.
    Reject,
}

/// What is known of a connection before it is asked for anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) address: IpAddr,
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
    pub(crate) encrypted: bool,
    pub(crate) certificate: bool,
}

impl Presence {
    fn admits(self, present: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Required => present,
            Self::None => !present,
        }
    }
}

impl Method {
    /// As the configuration calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Scram => "scram",
            Self::ScramPlus => "scram-plus",
            Self::Certificate => "certificate",
            Self::Token { .. } => "token",
            Self::Oauth { .. } => "oauth",
            Self::AuthQuery => "auth_query",
            Self::Reject => "reject",
        }
    }

    /// Whether it must not be used on a connection that anybody on the way can read or change.
    pub(crate) fn needs_tls(&self) -> bool {
        match self {
            Self::ScramPlus | Self::Certificate | Self::Token { .. } | Self::Oauth { .. } => true,
            Self::Scram | Self::AuthQuery | Self::Reject => false,
        }
    }
}

impl Rule {
    /// Today's rule where the configuration has none: SCRAM for everybody.
    pub(crate) fn scram() -> Self {
        Self {
            addresses: Vec::new(),
            databases: Vec::new(),
            users: Vec::new(),
            roles: Vec::new(),
            tls: Presence::Any,
            certificate: Presence::Any,
            method: Method::Scram,
        }
    }

    fn matches(&self, facts: &Facts<'_>, has_role: &dyn Fn(&str) -> bool) -> bool {
        let named = |list: &[Named], name: &str| {
            list.is_empty() || list.iter().any(|(listed, _)| listed == name)
        };
        let address = self.addresses.is_empty()
            || self.addresses.iter().any(|network| network.contains(facts.address));
        address
            && named(&self.databases, facts.database)
            && named(&self.users, facts.user)
            && (self.roles.is_empty() || self.roles.iter().any(|(role, _)| has_role(role)))
            && self.tls.admits(facts.encrypted)
            && self.certificate.admits(facts.certificate)
    }
}

/// The way in; `None` where no rule matches. `has_role` tells the roles of the user of the facts.
pub(crate) fn choose<'r>(
    rules: &'r [Rule],
    facts: &Facts<'_>,
    has_role: &dyn Fn(&str) -> bool,
) -> Option<&'r Method> {
    rules.iter().find(|rule| rule.matches(facts, has_role)).map(|rule| &rule.method)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<Named> {
        let place = Place { file: "c.yaml".into(), line: 1, column: 1 };
        names.iter().map(|name| ((*name).to_owned(), place.clone())).collect()
    }

    /// Rules of the kind that people write: operators from inside with channel binding, nobody else as them; the shop
    /// over TLS; one host without.
    fn rules() -> Vec<Rule> {
        let inside = vec![Network::read("10.0.0.0/8").expect("a network")];
        let bastion = vec![Network::read("10.0.0.7").expect("a network")];
        vec![
            Rule {
                addresses: inside,
                roles: named(&["operator"]),
                method: Method::ScramPlus,
                ..Rule::scram()
            },
            Rule { roles: named(&["operator"]), method: Method::Reject, ..Rule::scram() },
            Rule { databases: named(&["shop"]), tls: Presence::Required, ..Rule::scram() },
            Rule {
                addresses: bastion,
                users: named(&["batch"]),
                tls: Presence::None,
                ..Rule::scram()
            },
        ]
    }

    fn check(address: &str, user: &str, database: &str, encrypted: bool, expected: Option<Method>) {
        let address = address.parse().expect("an address");
        let facts = Facts { address, database, user, encrypted, certificate: false };
        let has_role = |role: &str| user == "ops" && role == "operator";
        let found = choose(&rules(), &facts, &has_role).cloned();
        assert_eq!(found, expected, "{facts:?}");
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        check("10.1.1.1", "ops", "shop", true, Some(Method::ScramPlus));
        check("10.1.1.1", "ops", "shop", false, Some(Method::ScramPlus));
        check("192.0.2.1", "ops", "shop", true, Some(Method::Reject));
        check("192.0.2.1", "rita", "shop", true, Some(Method::Scram));
        check("192.0.2.1", "nobody", "shop", true, Some(Method::Scram));
        check("10.0.0.7", "batch", "other", false, Some(Method::Scram));
    }

    #[test]
    fn what_no_rule_matches_has_no_way_in() {
        check("192.0.2.1", "rita", "shop", false, None);
        check("192.0.2.1", "rita", "other", true, None);
        check("10.0.0.7", "batch", "other", true, None);
        check("10.0.0.8", "batch", "other", false, None);
    }

    #[test]
    fn a_certificate_is_a_condition_like_any_other() {
        let rules = [Rule { certificate: Presence::Required, ..Rule::scram() }];
        let address = "127.0.0.1".parse().expect("an address");
        let facts = Facts { address, database: "d", user: "u", encrypted: true, certificate: true };
        assert_eq!(choose(&rules, &facts, &|_| false), Some(&Method::Scram));
        assert_eq!(choose(&rules, &Facts { certificate: false, ..facts }, &|_| false), None);
    }
}

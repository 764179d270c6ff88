//! Reads the section `auth`.
//!
//! In:  its tree; the policy, once that is read.
//! Out: an [`AuthConfig`].
//!
//! Invariants:
//! - Without the section everybody logs in by SCRAM; with it, and no rule in it, that is a mistake, not "nobody".
//! - A rule that can never match, or that says two things at once, is a mistake.

use std::path::Path;
use std::time::Duration;

use pgcordon_policy::Policy;
use pgcordon_policy::mistake::{MistakeKind, Report, did_you_mean};
use pgcordon_policy::yaml::{Fields, Node};

use super::read::Reading;
use super::{TlsConfig, Upstreams, tokens};
use crate::auth::rules::{Method, Named, Presence, Rule};
use crate::auth::throttle::ThrottleConfig;
use crate::auth::token::IssuerConfig;
use crate::auth::{AuthConfig, Network};

const KEYS: &[&str] =
    &["rules", "throttle", "tokens", "certificates", "auth_query", "attributes_query"];
const RULE_KEYS: &[&str] =
    &["address", "database", "user", "roles", "tls", "client_certificate", "method", "issuers"];
const METHODS: &[&str] =
    &["scram", "scram-plus", "certificate", "token", "oauth", "auth_query", "reject"];
const PRESENCES: &[(&str, Presence)] =
    &[("any", Presence::Any), ("required", Presence::Required), ("none", Presence::None)];
const THROTTLE_KEYS: &[&str] = &[
    "per_user_and_address",
    "per_address",
    "per_user",
    "recovery",
    "max_delay",
    "shared_addresses",
];

/// What the ways in need of the other sections.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) base: &'a Path,
    pub(super) tls: Option<&'a TlsConfig>,
    pub(super) upstreams: &'a Upstreams,
}

/// Reads the section.
pub(super) fn read(node: &Node, around: Around<'_>, report: &mut Report) -> AuthConfig {
    let Around { base, upstreams, .. } = around;
    let mut config = AuthConfig::default();
    let Some(fields) = Fields::read(node, "`auth`", KEYS, report) else { return config };
    if let Some(node) = fields.optional("tokens") {
        config.issuers = tokens::read_issuers(node, base, report);
    }
    if let Some(node) = fields.optional("certificates") {
        config.certificates = tokens::read_certificates(node, report).unwrap_or_default();
    }
    let mut lookup = |key: &str| {
        let node = fields.optional(key)?;
        tokens::read_lookup(key, node, base, upstreams, report)
    };
    config.auth_query = lookup("auth_query");
    config.attributes_query = lookup("attributes_query");
    if let Some(node) = fields.optional("throttle") {
        config.throttle = read_throttle(node, base, report);
    }
    if let Some(node) = fields.optional("rules") {
        let asks = fields.optional("auth_query").is_some();
        let reader = RuleReader { around, issuers: &config.issuers, asks };
        config.rules = reader.rules(node, report);
    }
    config
}

/// Reads rules, and compares their methods with what there is for them.
struct RuleReader<'a> {
    around: Around<'a>,
    issuers: &'a [IssuerConfig],
    /// There is an `auth_query`.
    asks: bool,
}

impl RuleReader<'_> {
    fn rules(&self, node: &Node, report: &mut Report) -> Vec<Rule> {
        let nodes = node.list("`rules`", report).unwrap_or_default();
        let rules: Vec<Rule> = nodes.iter().filter_map(|node| self.rule(node, report)).collect();
        if nodes.is_empty() {
            let hint = "leave `rules` out to let everybody log in by SCRAM";
            report.add(&node.place, MistakeKind::Structure, "`rules` holds no rule", hint);
        }
        rules
    }

    fn rule(&self, node: &Node, report: &mut Report) -> Option<Rule> {
        let fields = Fields::read(node, "a rule of `auth`", RULE_KEYS, report)?;
        let place = fields.optional("method").unwrap_or(node).place.clone();
        let rule = read_rule(Reading { fields, report, base: self.around.base })?;
        if let Some((message, hint)) = self.lacking(&rule.method) {
            report.add(&place, MistakeKind::Reference, message, hint);
        }
        if let Method::Token { issuers } | Method::Oauth { issuers } = &rule.method {
            let known: Vec<&str> = self.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
            check_named(issuers, "issuer", &known, report);
        }
        Some(rule)
    }

    /// What a method needs and other sections do not say.
    fn lacking(&self, method: &Method) -> Option<(&'static str, &'static str)> {
        let Some(tls) = self.around.tls else {
            let message = "this method needs TLS, and there is no section `tls`";
            return method.needs_tls().then_some((message, "")).or_else(|| self.unasked(method));
        };
        match method {
            Method::Certificate if tls.client_ca.is_none() => {
                let hint = "tls: { client_ca: … } says whose certificates clients may show";
                Some(("clients are not asked for certificates", hint))
            }
            Method::Token { .. } | Method::Oauth { .. } if self.issuers.is_empty() => {
                Some(("there are no `tokens`: nobody's tokens are accepted", ""))
            }
            method => self.unasked(method),
        }
    }

    fn unasked(&self, method: &Method) -> Option<(&'static str, &'static str)> {
        let lacks = *method == Method::AuthQuery && !self.asks;
        lacks.then_some(("there is no `auth_query`", ""))
    }
}

fn read_rule(mut reading: Reading<'_, '_>) -> Option<Rule> {
    let addresses = read_networks(&mut reading, "address");
    let databases = reading.names("database");
    let users = reading.names("user");
    let roles = reading.names("roles");
    let tls = reading.word("tls", PRESENCES).unwrap_or_default();
    let certificate = reading.word("client_certificate", PRESENCES).unwrap_or_default();
    reading.required("method", &format!("one of {}", METHODS.join(", ")));
    let method = read_method(&mut reading)?;
    if method.needs_tls() && tls == Presence::None {
        let message = "this method needs TLS, and the rule is for connections without it";
        reading.mistake("tls", message.to_owned(), "leave `tls` out, or write `required`");
    }
    if certificate == Presence::Required && tls == Presence::None {
        let message = "there is no client certificate without TLS: this rule matches nobody";
        reading.mistake("client_certificate", message.to_owned(), "");
    }
    Some(Rule { addresses, databases, users, roles, tls, certificate, method })
}

fn read_method(reading: &mut Reading<'_, '_>) -> Option<Method> {
    let text = reading.text("method")?;
    let issuers = reading.names("issuers");
    if !issuers.is_empty() && !matches!(text.as_str(), "token" | "oauth") {
        let message = "`issuers` belongs to the methods token and oauth".to_owned();
        reading.mistake("issuers", message, "");
    }
    match text.as_str() {
        "scram" => Some(Method::Scram),
        "scram-plus" => Some(Method::ScramPlus),
        "certificate" => Some(Method::Certificate),
        "token" => Some(Method::Token { issuers }),
        "oauth" => Some(Method::Oauth { issuers }),
        "auth_query" => Some(Method::AuthQuery),
        "reject" => Some(Method::Reject),
        other => {
            let near = did_you_mean(other, METHODS.iter().copied());
            let hint =
                if near.is_empty() { format!("one of {}", METHODS.join(", ")) } else { near };
            reading.mistake("method", format!("`{other}` is not a way in"), &hint);
            None
        }
    }
}

fn read_networks(reading: &mut Reading<'_, '_>, key: &str) -> Vec<Network> {
    let mut networks = Vec::new();
    for (text, place) in reading.names(key) {
        match Network::read(&text) {
            Ok(network) => networks.push(network),
            Err((message, hint)) => reading.report.add(&place, MistakeKind::Value, message, hint),
        }
    }
    networks
}

fn read_throttle(node: &Node, base: &Path, report: &mut Report) -> ThrottleConfig {
    let default = ThrottleConfig::default();
    let Some(fields) = Fields::read(node, "`throttle`", THROTTLE_KEYS, report) else {
        return default;
    };
    let mut reading = Reading { fields, report, base };
    let mut limit = |key, default| {
        let number = reading.number(key, 2, 1_000_000);
        number.map_or(default, |number| u32::try_from(number).expect("in range"))
    };
    ThrottleConfig {
        per_user_and_address: limit("per_user_and_address", default.per_user_and_address),
        per_address: limit("per_address", default.per_address),
        per_user: limit("per_user", default.per_user),
        recovery: reading.duration("recovery").unwrap_or(default.recovery),
        max_delay: reading.duration("max_delay").unwrap_or(default.max_delay),
        shared_addresses: read_networks(&mut reading, "shared_addresses"),
    }
}

/// An answer that waits longer than the whole login may take would never be told.
pub(super) fn check_delay(config: &AuthConfig, node: &Node, whole: Duration, report: &mut Report) {
    if config.throttle.max_delay * 2 > whole {
        let message = "`max_delay` must be at most half of `authentication_timeout`";
        report.add(&node.place, MistakeKind::Value, message, "");
    }
}

/// Compares names with those of the policy. Users may be known to an identity provider only.
pub(super) fn check_names(config: &AuthConfig, policy: &Policy, report: &mut Report) {
    let databases: Vec<&str> = policy.databases().map(|database| database.name.as_str()).collect();
    let roles: Vec<&str> = policy.roles().collect();
    for rule in &config.rules {
        check_named(&rule.databases, "database", &databases, report);
        check_named(&rule.roles, "role", &roles, report);
    }
    let attributes: Vec<&str> = policy.attributes().collect();
    let of_tokens = config.issuers.iter().flat_map(|issuer| &issuer.claims.attributes);
    let mut named: Vec<Named> = of_tokens.map(|(name, _)| name.clone()).collect();
    named.extend(config.certificates.attributes.iter().map(|(name, _)| name.clone()));
    check_named(&named, "attribute", &attributes, report);
}

fn check_named(names: &[Named], what: &str, known: &[&str], report: &mut Report) {
    for (name, place) in names.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        let hint = did_you_mean(name, known.iter().copied());
        report.add(place, MistakeKind::Reference, format!("unknown {what} `{name}`"), hint);
    }
}

#[cfg(test)]
mod tests {
    use pgcordon_policy::mistake::Source;
    use pgcordon_policy::yaml;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let source = Source { name: "c.yaml".to_owned(), text: text.to_owned() };
        let mut report = Report::default();
        let around = Around { base: Path::new("."), tls: None, upstreams: &Upstreams::new() };
        read(&yaml::parse(&source).expect("valid YAML"), around, &mut report);
        let mistakes: Vec<String> = report.finish().iter().map(ToString::to_string).collect();
        assert_eq!(mistakes, expected, "{text}");
    }

    #[test]
    fn rules_as_people_write_them() {
        check("rules: [{ method: scram }]", &[]);
        check(
            "rules:\n- { address: [10.0.0.0/8, '::1'], roles: operator, method: scram }\n\
             - { database: shop, user: [rita, max], tls: required, method: scram }\n\
             - { method: reject }\n",
            &[],
        );
        check("throttle: { per_user: 50, recovery: 1m, shared_addresses: [10.0.0.1] }", &[]);
    }

    #[test]
    fn mistakes_in_tokens_and_certificates() {
        let token = |more: &str| {
            format!(
                "tokens: {{ corp: {{ issuer: i, audience: [a], claims: {{ user: sub }}, {more} }} }}"
            )
        };
        check(
            &token("jwks: 'http://keys.example/'"),
            &[
                "c.yaml:1:74: `http://keys.example/` is not an https address (hint: whoever can change the answer can log in as anybody)",
            ],
        );
        check(&token("jwks: 'http://127.0.0.1:1/'"), &[]);
        check(
            &token("jwks: 'https://keys.example/', algorithms: [HS256]"),
            &[
                "c.yaml:1:112: HS256 needs `secret_file`: a public key is no secret (hint: RS256, ES256)",
            ],
        );
        check(
            &token("jwks: 'https://keys.example/', algorithms: [none]"),
            &[
                "c.yaml:1:112: `none` is not an algorithm that may be used (hint: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, or HS256 with a secret)",
            ],
        );
        check(
            &token("jwks: 'https://keys.example/', keys: k.pem"),
            &["c.yaml:1:74: `keys` and `jwks` exclude each other (hint: keep one of them)"],
        );
        check(
            &token("keys: nowhere.pem"),
            &["c.yaml:1:74: `./nowhere.pem`: No such file or directory (os error 2)"],
        );
        check(
            "certificates: { user: { from: cn, pattern: '(', to: '{1}' } }",
            &["c.yaml:1:44: unclosed group"],
        );
        check(
            "certificates: { user: { from: cn, pattern: 'x', to: '{1}' } }",
            &["c.yaml:1:53: the pattern has no group `1`"],
        );
        check(
            "certificates: { user: serial }",
            &[
                "c.yaml:1:23: `serial` is not a field of a certificate (hint: cn, o, ou, email, dns, uri)",
            ],
        );
        check(
            "auth_query: { upstream: w, dbname: d, sql: SELECT 1 }",
            &[
                "c.yaml:1:25: upstream `w` is not defined",
                "c.yaml:1:44: one query, without `;`, in which $1 stands for the user's name",
            ],
        );
    }

    #[test]
    fn mistakes_have_their_place() {
        check(
            "rules: []",
            &[
                "c.yaml:1:8: `rules` holds no rule (hint: leave `rules` out to let everybody log in by SCRAM)",
            ],
        );
        check(
            "rules: [{ address: 10.1.0.0/8, method: scram }]",
            &[
                "c.yaml:1:20: `10.1.0.0/8` has bits to the right of its mask (hint: write 10.0.0.0/8)",
            ],
        );
        check(
            "rules: [{ method: scarm }]",
            &["c.yaml:1:19: `scarm` is not a way in (hint: did you mean `scram`?)"],
        );
        check(
            "rules: [{ user: [], method: scram }]",
            &["c.yaml:1:17: `user` names nothing (hint: leave it out to mean all)"],
        );
        check(
            "rules: [{ user: rita }]",
            &[
                "c.yaml:1:9: `method` is missing (hint: one of scram, scram-plus, certificate, token, oauth, auth_query, reject)",
            ],
        );
        check(
            "rules: [{ tls: none, method: scram-plus }]",
            &[
                "c.yaml:1:16: this method needs TLS, and the rule is for connections without it (hint: leave `tls` out, or write `required`)",
                "c.yaml:1:30: this method needs TLS, and there is no section `tls`",
            ],
        );
        check("rules: [{ method: auth_query }]", &["c.yaml:1:19: there is no `auth_query`"]);
        check(
            "rules: [{ method: scram, issuers: corp }]",
            &["c.yaml:1:35: `issuers` belongs to the methods token and oauth"],
        );
        check(
            "rules: [{ tls: none, client_certificate: required, method: scram }]",
            &["c.yaml:1:42: there is no client certificate without TLS: this rule matches nobody"],
        );
        check(
            "throttle: { per_user: 1 }",
            &["c.yaml:1:23: `per_user` must be a whole number from 2 to 1000000"],
        );
    }
}

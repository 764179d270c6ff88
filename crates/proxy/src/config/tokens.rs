//! Reads `auth: tokens`, `auth: certificates` and the queries.
//!
//! In:  their trees.
//! Out: [`IssuerConfig`]s, a [`CertificateMapping`], [`LookupConfig`]s.
//!
//! Invariants:
//! - Keys are read here: a file that is missing, private or of another kind is a mistake, not a refusal later.
//! - HS256 goes with a secret and with nothing else; a public key never goes with HS256.
//! - Keys come over https, or from this machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use pgcordon_policy::mistake::{MistakeKind, Place, Report};
use pgcordon_policy::yaml::{Entry, Fields, Node, Value};

use super::Upstreams;
use super::read::{Reading, texts};
use crate::auth::certificate::{self, CertificateMapping, FIELDS, Field};
use crate::auth::jwks::Address;
use crate::auth::keys::{self, Key, PUBLIC};
use crate::auth::pattern::{Pattern, Problem};
use crate::auth::query::LookupConfig;
use crate::auth::rules::Named;
use crate::auth::token::{self, ClaimMapping, IssuerConfig, KeySource};

const ISSUER_KEYS: &[&str] = &[
    "issuer",
    "audience",
    "algorithms",
    "keys",
    "jwks",
    "secret_file",
    "ca",
    "refresh",
    "min_refresh",
    "leeway",
    "claims",
    "scope",
    "session_until_exp",
];
const MAPPING_KEYS: &[&str] = &["user", "groups", "roles", "attributes"];
const SOURCE_KEYS: &[&str] = &["from", "pattern", "to"];
/// Largest clock skew: more would only be a longer life for every token.
const MAX_LEEWAY: Duration = Duration::from_secs(600);

/// Reads `tokens`.
pub(super) fn read_issuers(node: &Node, base: &Path, report: &mut Report) -> Vec<IssuerConfig> {
    let entries = node.map("`tokens`", report).unwrap_or_default();
    let mut issuers: Vec<IssuerConfig> = Vec::new();
    for entry in entries {
        let Some(issuer) = read_issuer(entry, base, report) else { continue };
        if issuers.iter().any(|other| other.issuer == issuer.issuer) {
            let message = format!("issuer `{}` stands twice", issuer.issuer);
            report.add(&entry.key.place, MistakeKind::Value, message, "");
        }
        issuers.push(issuer);
    }
    issuers
}

fn read_issuer(entry: &Entry, base: &Path, report: &mut Report) -> Option<IssuerConfig> {
    let fields = Fields::read(&entry.node, "an issuer of tokens", ISSUER_KEYS, report)?;
    let mut reading = Reading { fields, report, base };
    let issuer = reading.required("issuer", "`iss` of its tokens, exactly");
    reading.required_node("audience", "one of these must be in `aud` of its tokens");
    let audience = reading.names("audience");
    let algorithms = read_algorithms(&mut reading);
    let keys = read_keys(&mut reading, &algorithms);
    let leeway = reading.duration("leeway").unwrap_or(Duration::from_secs(30));
    if leeway > MAX_LEEWAY {
        reading.mistake("leeway", "`leeway` is more than 10 minutes".to_owned(), "");
    }
    let scope = reading.text("scope").unwrap_or_else(|| "openid".to_owned());
    let session_until_exp = reading.boolean("session_until_exp").unwrap_or(true);
    let claims = read_claims(&mut reading);
    Some(IssuerConfig {
        name: entry.key.text.clone(),
        issuer: issuer?,
        audience: audience.into_iter().map(|(name, _)| name).collect(),
        algorithms,
        keys: keys?,
        leeway,
        claims: claims?,
        scope,
        session_until_exp,
    })
}

/// RS256 and ES256 unless said; a secret goes with HS256 alone.
fn read_algorithms(reading: &mut Reading<'_, '_>) -> Vec<Algorithm> {
    let secret = reading.fields.optional("secret_file").is_some();
    let mut algorithms = Vec::new();
    for (name, place) in reading.names("algorithms") {
        let public = PUBLIC.iter().find(|(known, _)| *known == name).map(|(_, found)| *found);
        match (public, name.as_str()) {
            (Some(algorithm), _) if !secret => algorithms.push(algorithm),
            (None, "HS256") if secret => algorithms.push(Algorithm::HS256),
            (Some(_), _) => {
                let message = format!("`{name}` needs a public key, and here stands a secret");
                reading.report.add(&place, MistakeKind::Value, message, "HS256");
            }
            (None, "HS256") => {
                let message = "HS256 needs `secret_file`: a public key is no secret";
                reading.report.add(&place, MistakeKind::Value, message, "RS256, ES256");
            }
            (None, _) => {
                let known: Vec<&str> = PUBLIC.iter().map(|(name, _)| *name).collect();
                let message = format!("`{name}` is not an algorithm that may be used");
                let hint = format!("{}, or HS256 with a secret", known.join(", "));
                reading.report.add(&place, MistakeKind::Value, message, hint);
            }
        }
    }
    match (algorithms.is_empty(), secret) {
        (false, _) => algorithms,
        (true, true) => vec![Algorithm::HS256],
        (true, false) => vec![Algorithm::RS256, Algorithm::ES256],
    }
}

/// Exactly one of the three places.
fn read_keys(reading: &mut Reading<'_, '_>, algorithms: &[Algorithm]) -> Option<KeySource> {
    let places = ["keys", "jwks", "secret_file"];
    let mut given = places.iter().filter(|key| reading.fields.optional(key).is_some());
    let Some(key) = given.next().copied() else {
        reading.required("keys", "keys: a file, jwks: an https address, or secret_file");
        return None;
    };
    if let Some(second) = given.next() {
        let message = format!("`{key}` and `{second}` exclude each other");
        reading.mistake(second, message, "keep one of them");
        return None;
    }
    if key == "jwks" {
        return read_address(reading, algorithms).map(KeySource::Published);
    }
    let path = reading.path(key)?;
    let read = match std::fs::read(&path) {
        Ok(bytes) if key == "secret_file" => {
            // A line, or bytes as they are; white space may be part of a secret.
            let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            Key::of_secret(secret).map(|key| vec![key])
        }
        Ok(bytes) => keys::read(&String::from_utf8_lossy(&bytes), algorithms),
        Err(error) => Err(error.to_string()),
    };
    match read {
        Ok(keys) => Some(KeySource::Here(Arc::new(keys))),
        Err(problem) => {
            reading.mistake(key, format!("`{}`: {problem}", path.display()), "");
            None
        }
    }
}

fn read_address(reading: &mut Reading<'_, '_>, algorithms: &[Algorithm]) -> Option<Address> {
    let url = reading.text("jwks")?;
    let local = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"];
    let safe = url.starts_with("https://") || local.iter().any(|prefix| url.starts_with(prefix));
    if !safe {
        let message = format!("`{url}` is not an https address");
        reading.mistake("jwks", message, "whoever can change the answer can log in as anybody");
        return None;
    }
    let roots = match reading.path("ca") {
        Some(path) => match crate::tls::certificate_file(&path) {
            Ok(certificates) => certificates.iter().map(|one| one.to_vec()).collect(),
            Err(error) => {
                reading.mistake("ca", error.to_string(), "");
                return None;
            }
        },
        None => {
            rustls_native_certs::load_native_certs().certs.iter().map(|one| one.to_vec()).collect()
        }
    };
    Some(Address {
        url,
        roots: Arc::new(roots),
        refresh: reading.duration("refresh").unwrap_or(Duration::from_secs(600)),
        min_refresh: reading.duration("min_refresh").unwrap_or(Duration::from_secs(30)),
        algorithms: algorithms.to_vec(),
    })
}

fn read_claims(reading: &mut Reading<'_, '_>) -> Option<ClaimMapping> {
    let hint = "for example { user: sub, groups: groups, attributes: { region: region } }";
    let node = reading.required_node("claims", hint)?;
    let fields = Fields::read(node, "`claims`", MAPPING_KEYS, reading.report)?;
    let report = &mut *reading.report;
    let mut source = |key: &str| {
        fields.optional(key).and_then(|node| read_claim(node, &format!("`{key}`"), report))
    };
    let (user, groups, roles) = (source("user"), source("groups"), source("roles"));
    fields.required("user", "the claim that holds the user's name", report)?;
    let attributes = read_attributes(fields.optional("attributes"), report, read_claim);
    Some(ClaimMapping { user: user?, groups, roles, attributes })
}

fn read_attributes<S>(
    node: Option<&Node>,
    report: &mut Report,
    read: impl Fn(&Node, &str, &mut Report) -> Option<S>,
) -> Vec<(Named, S)> {
    let entries = node.and_then(|node| node.map("`attributes`", report)).unwrap_or_default();
    let mut attributes = Vec::new();
    for entry in entries {
        let name = (entry.key.text.clone(), entry.key.place.clone());
        let source = read(&entry.node, &format!("`{}`", entry.key.text), report);
        attributes.extend(source.map(|source| (name, source)));
    }
    attributes
}

/// A claim's name, the way to it as a list, or `{ from, pattern, to }`.
fn read_claim(node: &Node, what: &str, report: &mut Report) -> Option<token::Source> {
    let (from, pattern) = read_source(node, what, report)?;
    let path: Vec<String> = texts(from, what, report).into_iter().map(|(step, _)| step).collect();
    if path.is_empty() {
        report.add(&from.place, MistakeKind::Structure, format!("{what} names no claim"), "");
        return None;
    }
    let matched = pattern.is_some();
    Some(token::Source { path, pattern: pattern.unwrap_or_else(Pattern::whole), matched })
}

/// A field's name, or `{ from, pattern, to }`.
fn read_field(node: &Node, what: &str, report: &mut Report) -> Option<certificate::Source> {
    let (from, pattern) = read_source(node, what, report)?;
    let scalar = from.scalar(what, report)?;
    let found: Option<Field> =
        FIELDS.iter().find(|(name, _)| *name == scalar.text).map(|(_, field)| *field);
    if found.is_none() {
        let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        let message = format!("`{}` is not a field of a certificate", scalar.text);
        report.add(&scalar.place, MistakeKind::Value, message, known.join(", "));
    }
    Some(certificate::Source { field: found?, pattern: pattern.unwrap_or_else(Pattern::whole) })
}

/// Where the value comes from, and what is made of it.
fn read_source<'n>(
    node: &'n Node,
    what: &str,
    report: &mut Report,
) -> Option<(&'n Node, Option<Pattern>)> {
    let Value::Map(_) = &node.value else { return Some((node, None)) };
    let fields = Fields::read(node, what, SOURCE_KEYS, report)?;
    let from = fields.required("from", "where the value comes from", report);
    let pattern = fields.required("pattern", "a regular expression for the whole value", report);
    let pattern = pattern.and_then(|node| node.scalar("`pattern`", report))?;
    let to = fields.optional("to").map(|node| node.scalar("`to`", report));
    let (to, to_place): (&str, &Place) = match to {
        Some(scalar) => scalar.map(|scalar| (scalar.text.as_str(), &scalar.place))?,
        None => ("{1}", &pattern.place),
    };
    match Pattern::read(&pattern.text, to) {
        Ok(read) => Some((from?, Some(read))),
        Err(problem) => {
            let (place, text) = match problem {
                Problem::Pattern(text) => (&pattern.place, text),
                Problem::To(text) => (to_place, text),
            };
            report.add(place, MistakeKind::Value, text, "");
            None
        }
    }
}

/// Reads `certificates`.
pub(super) fn read_certificates(node: &Node, report: &mut Report) -> Option<CertificateMapping> {
    let fields = Fields::read(node, "`certificates`", MAPPING_KEYS, report)?;
    let default = CertificateMapping::default();
    let user = match fields.optional("user") {
        None => default.user,
        Some(node) => {
            let nodes = match &node.value {
                Value::List(nodes) => nodes.as_slice(),
                Value::Null | Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(node),
            };
            nodes.iter().filter_map(|node| read_field(node, "`user`", report)).collect()
        }
    };
    let mut source = |key: &str| {
        fields.optional(key).and_then(|node| read_field(node, &format!("`{key}`"), report))
    };
    let (groups, roles) = (source("groups"), source("roles"));
    let attributes = read_attributes(fields.optional("attributes"), report, read_field);
    Some(CertificateMapping { user, groups, roles, attributes })
}

/// Reads `auth_query` or `attributes_query`.
pub(super) fn read_lookup(
    key: &str,
    node: &Node,
    base: &Path,
    upstreams: &Upstreams,
    report: &mut Report,
) -> Option<LookupConfig> {
    let keys: &[&str] = match key {
        "attributes_query" => &["upstream", "dbname", "sql", "cache"],
        _ => &["upstream", "dbname", "sql"],
    };
    let fields = Fields::read(node, &format!("`{key}`"), keys, report)?;
    let mut reading = Reading { fields, report, base };
    let upstream = reading.required("upstream", "a key under `upstreams`");
    let dbname = reading.required("dbname", "a database there");
    let sql = reading.required("sql", "a query with $1 for the user's name");
    let cache = reading.duration("cache").unwrap_or(Duration::from_secs(60));
    let upstream = upstream?;
    let found = upstreams.get(&upstream).cloned();
    if found.is_none() {
        reading.mistake("upstream", format!("upstream `{upstream}` is not defined"), "");
    }
    let sql = sql?;
    if !sql.contains("$1") || sql.contains(';') {
        let message = "one query, without `;`, in which $1 stands for the user's name";
        reading.mistake("sql", message.to_owned(), "");
    }
    let place = reading.fields.optional("sql").map_or(&node.place, |node| &node.place).clone();
    Some(LookupConfig { upstream: found?, dbname: dbname?, sql, place, cache })
}

//! Checks JSON web tokens, and reads from them who somebody is.
//!
//! In:  a token's text; the issuers of the configuration.
//! Out: a [`Verified`] identity, or a [`TokenError`] that names no value of the token.
//!
//! | step | on trouble |
//! |---|---|
//! | size, three parts, header without `crit` | `Malformed` |
//! | `iss` is an issuer that the caller admits | `Issuer` |
//! | `alg` is one that the issuer allows | `Algorithm` |
//! | a key of the issuer for that `alg`, by `kid` where the token names one | `Key` |
//! | the signature | `Signature` |
//! | `exp`, `nbf` with the clock skew, `aud`, `iss` again, `sub` | `Expired`, `NotYet`, `Audience`, `Missing` |
//! | claims by the mapping | `Claim` |
//!
//! Invariants:
//! - Nothing that stands in a token chooses its key but `iss` and `kid`; keys that it brings along are ignored.
//! - A claim that is missing is an attribute that is missing; one that cannot be read refuses the token.
//! - The text is never kept, logged or shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, dangerous, decode, decode_header};
use pgcordon_policy::{Claims, Identity, Plain, Witness};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json;
use super::jwks::{Address, Published};
use super::keys::Key;
use super::pattern::Pattern;
use super::rules::Named;

/// Longest token in bytes.
pub(crate) const MAX_TOKEN: usize = 16 << 10;
/// Longest name of a user, as in PostgreSQL.
const MAX_NAME: usize = 63;

/// A claim and what to make of its values.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// A claim's name, or the way to one inside others.
    pub(crate) path: Vec<String>,
    pub(crate) pattern: Pattern,
    /// Whether `pattern` was written: it makes texts of texts.
    pub(crate) matched: bool,
}

/// How claims become people.
#[derive(Clone, Debug)]
pub(crate) struct ClaimMapping {
    pub(crate) user: Source,
    pub(crate) groups: Option<Source>,
    pub(crate) roles: Option<Source>,
    pub(crate) attributes: Vec<(Named, Source)>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    Here(Arc<Vec<Key>>),
    Published(Address),
}

/// Somebody who makes tokens.
#[derive(Clone, Debug)]
pub(crate) struct IssuerConfig {
    /// In the configuration.
    pub(crate) name: String,
    /// `iss`, exactly.
    pub(crate) issuer: String,
    /// One of them must be in `aud`.
    pub(crate) audience: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) keys: KeySource,
    /// By how much clocks may differ.
    pub(crate) leeway: Duration,
    pub(crate) claims: ClaimMapping,
    /// What a client is told to ask for, in OAUTHBEARER.
    pub(crate) scope: String,
    /// A session ends when its token does.
    pub(crate) session_until_exp: bool,
}

/// Who a proof is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Verified {
    pub(crate) identity: Identity,
    /// When whatever rests on it has to end.
    pub(crate) until: Option<SystemTime>,
}

/// Why a token does not count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("not a token")]
    Malformed,
    #[error("the token's issuer is not one of those that may be used here")]
    Issuer,
    #[error("the token's algorithm is not allowed")]
    Algorithm,
    #[error("no key of the issuer fits the token")]
    Key,
    #[error("the issuer's keys cannot be fetched")]
    Unavailable,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is for somebody else")]
    Audience,
    #[error("the token lacks `{0}`")]
    Missing(String),
    #[error("the token's claim `{0}` cannot be used")]
    Claim(String),
}

/// The issuers and their keys.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issuers: Vec<Issuer>,
}

#[derive(Debug)]
struct Issuer {
    config: IssuerConfig,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    Here(Arc<Vec<Key>>),
    Published(Published),
}

type Found = BTreeMap<String, Box<RawValue>>;

/// Only to find the issuer whose keys decide.
#[derive(Deserialize)]
struct Unverified {
    iss: String,
}

impl Tokens {
    pub(crate) fn new(configs: &[IssuerConfig]) -> Self {
        let issuers = configs.iter().map(|config| {
            let keys = match &config.keys {
                KeySource::Here(keys) => Keys::Here(keys.clone()),
                KeySource::Published(address) => Keys::Published(Published::new(address.clone())),
            };
            Issuer { config: config.clone(), keys }
        });
        Self { issuers: issuers.collect() }
    }

    /// The first of the issuers of those names; of all where none is named.
    pub(crate) fn first(&self, admitted: &[Named]) -> Option<&IssuerConfig> {
        let wanted = admitted.first().map(|(name, _)| name);
        let mut configs = self.issuers.iter().map(|issuer| &issuer.config);
        configs.find(|config| wanted.is_none_or(|wanted| *wanted == config.name))
    }

    /// Checks a token of one of the issuers of those names; of any where none is named.
    pub(crate) async fn verify(
        &self,
        text: &str,
        admitted: &[Named],
    ) -> Result<Verified, TokenError> {
        let header = read_header(text)?;
        let unverified: Unverified =
            dangerous::insecure_decode_claims(text).map_err(|_| TokenError::Malformed)?;
        let admits = |issuer: &&Issuer| {
            let named = admitted.iter().any(|(name, _)| *name == issuer.config.name);
            (admitted.is_empty() || named) && issuer.config.issuer == unverified.iss
        };
        let issuer = self.issuers.iter().find(admits).ok_or(TokenError::Issuer)?;
        issuer.verify(text, &header).await
    }
}

/// `none` and whatever else the crate does not know is no header.
fn read_header(text: &str) -> Result<Header, TokenError> {
    let parts = text.split('.').count();
    if text.len() > MAX_TOKEN || !text.is_ascii() || parts != 3 {
        return Err(TokenError::Malformed);
    }
    let header = decode_header(text).map_err(|_| TokenError::Malformed)?;
    // RFC 7515, 4.1.11: who does not understand all of `crit` must refuse; we understand nothing of it.
    let plain = header.crit.is_none() && header.enc.is_none() && header.zip.is_none();
    if plain { Ok(header) } else { Err(TokenError::Malformed) }
}

impl Issuer {
    async fn verify(&self, text: &str, header: &Header) -> Result<Verified, TokenError> {
        if !self.config.algorithms.contains(&header.alg) {
            return Err(TokenError::Algorithm);
        }
        let fits = |key: &&Key| {
            let named = match (&header.kid, &key.id) {
                (Some(wanted), Some(id)) => wanted == id,
                // A file of PEM has no names, and a token need not name any.
                (_, None) | (None, _) => true,
            };
            named && key.algorithms.contains(&header.alg)
        };
        let keys = match &self.keys {
            Keys::Here(keys) => keys.clone(),
            Keys::Published(published) => {
                let suffice = |keys: &[Key]| keys.iter().any(|key| fits(&key));
                published.keys(suffice).await.map_err(|_| TokenError::Unavailable)?
            }
        };
        let validation = self.validation(header.alg);
        let mut outcome = Err(TokenError::Key);
        for key in keys.iter().filter(fits) {
            outcome = match decode::<Found>(text, &key.key, &validation) {
                Ok(data) => return self.verified(&data.claims),
                Err(error) => Err(of_kind(error.kind())),
            };
            // Only a wrong signature leaves it open whether another key is the right one.
            if outcome != Err(TokenError::Signature) {
                break;
            }
        }
        outcome
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.config.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&self.config.audience);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation
    }

    fn verified(&self, found: &Found) -> Result<Verified, TokenError> {
        let mapping = &self.config.claims;
        let names = texts(&mapping.user, found)?;
        let claim = || mapping.user.path.join(".");
        let user = match names.as_slice() {
            [] => return Err(TokenError::Missing(claim())),
            [user] => user,
            [_, _, ..] => return Err(TokenError::Claim(claim())),
        };
        if user.is_empty() || user.len() > MAX_NAME || user.chars().any(char::is_control) {
            return Err(TokenError::Claim(claim()));
        }
        let optional = |source: &Option<Source>| match source {
            Some(source) => texts(source, found),
            None => Ok(Vec::new()),
        };
        let (groups, roles) = (optional(&mapping.groups)?, optional(&mapping.roles)?);
        let mut attributes = Vec::new();
        for ((name, _), source) in &mapping.attributes {
            attributes.extend(value(source, found)?.map(|value| (name.clone(), value)));
        }
        let claims = Claims { witness: Witness::Token, roles, groups, attributes };
        let identity = Identity { user: user.clone(), claims: vec![claims], by: None };
        let until = match self.config.session_until_exp {
            true => Some(expiry(found)? + self.config.leeway),
            false => None,
        };
        Ok(Verified { identity, until })
    }
}

fn of_kind(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYet,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::MissingRequiredClaim(name) => TokenError::Missing(name.clone()),
        ErrorKind::InvalidClaimFormat(name) => TokenError::Claim(name.clone()),
        _ => TokenError::Malformed,
    }
}

/// `exp`, in seconds; the crate has checked that it is a number.
fn expiry(found: &Found) -> Result<SystemTime, TokenError> {
    let bad = || TokenError::Claim("exp".to_owned());
    let seconds: f64 = found.get("exp").and_then(|raw| raw.get().parse().ok()).ok_or_else(bad)?;
    // A token for ever is one for a century.
    let seconds = seconds.clamp(0.0, 4e9);
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds))
}

/// The claim's value as it stands; nothing where it is missing or null.
fn raw(source: &Source, found: &Found) -> Result<Option<Box<RawValue>>, TokenError> {
    let bad = || TokenError::Claim(source.path.join("."));
    let (last, way) = source.path.split_last().ok_or_else(bad)?;
    let mut inner: Option<Found> = None;
    for step in way {
        let next = inner.as_ref().unwrap_or(found).get(step);
        let Some(next) = next.filter(|next| next.get() != "null") else { return Ok(None) };
        inner = Some(serde_json::from_str(next.get()).map_err(|_| bad())?);
    }
    Ok(inner.as_ref().unwrap_or(found).get(last).cloned())
}

fn value(source: &Source, found: &Found) -> Result<Option<Plain>, TokenError> {
    let bad = || TokenError::Claim(source.path.join("."));
    let Some(raw) = raw(source, found)? else { return Ok(None) };
    let Some(plain) = json::plain(&raw).map_err(|_| bad())? else { return Ok(None) };
    if !source.matched {
        return Ok(Some(plain));
    }
    // A pattern picks from a list; a single value that does not match is as if it were missing.
    let made = |value: Plain| match value {
        Plain::Text(text) => Ok(source.pattern.apply(&text).map(Plain::Text)),
        Plain::Number(_) | Plain::Bool(_) | Plain::List(_) => Err(bad()),
    };
    match plain {
        Plain::List(values) => {
            let values: Result<Vec<Option<Plain>>, TokenError> =
                values.into_iter().map(made).collect();
            Ok(Some(Plain::List(values?.into_iter().flatten().collect())))
        }
        single => made(single),
    }
}

/// One text or a list of them; providers write a single group either way.
fn texts(source: &Source, found: &Found) -> Result<Vec<String>, TokenError> {
    let bad = || TokenError::Claim(source.path.join("."));
    let text = |value: Plain| match value {
        Plain::Text(text) => Ok(text),
        Plain::Number(_) | Plain::Bool(_) | Plain::List(_) => Err(bad()),
    };
    match value(source, found)? {
        None => Ok(Vec::new()),
        Some(Plain::List(values)) => values.into_iter().map(text).collect(),
        Some(single) => text(single).map(|text| vec![text]),
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;

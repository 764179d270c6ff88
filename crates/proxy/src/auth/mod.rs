//! The ways in: how a connection proves who it is.
//!
//! In:  a startup packet, what is known of the connection, the rules of the configuration.
//! Out: AuthenticationOk in the outbound buffer and who it is, or an [`AuthError`] for the client and the log.
//!
//! | step | where | on trouble |
//! |---|---|---|
//! | which way | [`rules`] | the work and the words of a wrong password |
//! | is the connection fit for it | here | refused before anything is asked for |
//! | the proof | [`scram`], [`certificate`], [`token`], [`oauth`] | looked at once, then judged |
//! | does it count | [`throttle`] | the words of a wrong proof |
//! | what else is known of them | [`query`] | refused |
//!
//! Invariants:
//! - AuthenticationOk is written here only: after [`Attempt::settle`] has admitted the proof, for a visitor, who is nobody,
//!   or for a session of this process's own ([`vouched`]).
//! - The name that a proof is for must be the name that the client asked for.
//! - A password or token is neither logged nor part of any error.

mod address;
pub(crate) mod certificate;
mod json;
pub(crate) mod jwks;
pub(crate) mod keys;
mod oauth;
pub(crate) mod pattern;
pub(crate) mod query;
pub(crate) mod rules;
mod scram;
pub(crate) mod throttle;
pub(crate) mod token;

use std::io;
use std::net::IpAddr;
use std::time::SystemTime;

use bytes::{BufMut as _, Bytes, BytesMut};
use pgcordon_policy::{Identity, Policy};

pub(crate) use address::Network;
pub(crate) use scram::Impostor;

use crate::catalog::CatalogError;
use crate::config::Config;
use crate::frame::{Malformed, put};
use crate::link::Link;
use crate::message::Report;
use crate::startup::Startup;
use crate::tls::{self, ServerTls, TlsError};
use certificate::CertificateMapping;
use query::{AttributesQuery, AuthQuery, LookupConfig, LookupError, Stored};
use rules::{Facts, Method, Named, Rule};
use scram::{Look, Offer, Verifier};
use throttle::{Kind, Throttle, ThrottleConfig, Verdict};
pub(crate) use token::Verified;
use token::{IssuerConfig, MAX_TOKEN, TokenError, Tokens};

/// The section `auth` of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct AuthConfig {
    pub(crate) rules: Vec<Rule>,
    pub(crate) throttle: ThrottleConfig,
    pub(crate) issuers: Vec<IssuerConfig>,
    pub(crate) certificates: CertificateMapping,
    pub(crate) auth_query: Option<LookupConfig>,
    pub(crate) attributes_query: Option<LookupConfig>,
}

impl Default for AuthConfig {
    /// SCRAM for everybody.
    fn default() -> Self {
        Self {
            rules: vec![Rule::scram()],
            throttle: ThrottleConfig::default(),
            issuers: Vec::new(),
            certificates: CertificateMapping::default(),
            auth_query: None,
            attributes_query: None,
        }
    }
}

/// How connections get in, by the newest configuration.
#[derive(Debug)]
pub(crate) struct Ways {
    config: AuthConfig,
    pub(crate) tls: Option<ServerTls>,
    /// No session without TLS.
    pub(crate) require_tls: bool,
    tokens: Tokens,
    auth_query: Option<AuthQuery>,
    attributes_query: Option<AttributesQuery>,
    /// What the verifiers of unknown users must look like.
    looks: Vec<Look>,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WaysError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Query(#[from] CatalogError),
}

impl Ways {
    /// Reads certificates and keys; asks nobody yet.
    pub(crate) fn open(config: &Config) -> Result<Self, WaysError> {
        let auth = &config.auth;
        Ok(Self {
            tls: config.tls.as_ref().map(tls::server).transpose()?,
            require_tls: config.tls.as_ref().is_some_and(|tls| tls.require),
            tokens: Tokens::new(&auth.issuers),
            auth_query: auth.auth_query.as_ref().map(AuthQuery::open).transpose()?,
            attributes_query: auth
                .attributes_query
                .as_ref()
                .map(AttributesQuery::open)
                .transpose()?,
            looks: looks(&config.policy),
            config: auth.clone(),
        })
    }

    /// Who a token is for, by any of the issuers.
    pub(crate) async fn verify_token(&self, text: &str) -> Result<Verified, TokenError> {
        self.tokens.verify(text, &[]).await
    }

    /// Adds what the database says of a person.
    pub(crate) async fn look_up(
        &self,
        identity: &mut Identity,
        policy: &Policy,
    ) -> Result<(), LookupError> {
        if let Some(query) = &self.attributes_query {
            identity.claims.extend(query.claims(&identity.user, policy).await?);
        }
        Ok(())
    }
}

fn looks(policy: &Policy) -> Vec<Look> {
    let verifiers = policy.users().filter_map(|user| policy.verifier(user));
    verifiers.filter_map(Verifier::read).map(|verifier| verifier.look()).collect()
}

/// What all connections share.
#[derive(Clone, Copy)]
pub(crate) struct Door<'a> {
    pub(crate) ways: &'a Ways,
    pub(crate) policy: &'a Policy,
    pub(crate) impostor: &'a Impostor,
    pub(crate) throttle: &'a Throttle,
}

impl Door<'_> {
    /// Where there is a TLS key, its: the same in every process that has it.
    fn impostor(&self) -> &Impostor {
        self.ways.tls.as_ref().map_or(self.impostor, |tls| &tls.impostor)
    }
}

/// One connection that wants in.
pub(crate) struct Attempt<'a> {
    pub(crate) door: Door<'a>,
    pub(crate) startup: &'a Startup,
    pub(crate) address: IpAddr,
}

/// Somebody who has proven who they are.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    pub(crate) identity: Identity,
    /// How.
    pub(crate) way: &'static str,
    /// When the session has to end.
    pub(crate) until: Option<SystemTime>,
}

/// What kind of proof there was; it decides the words for the client, which are PostgreSQL's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proof {
    Password,
    /// In place of a password.
    Token,
    Certificate,
    Bearer,
}

/// Why a client is not authenticated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthError {
    /// The proof does not count. The client is not told why.
    #[error("authentication failed: {reason}")]
    Failed {
        /// Decides the words for the client.
        proof: Proof,
        /// For the log; no secret, nothing that the client sent.
        reason: String,
    },
    /// The way in that the rules say must not be used unencrypted.
    #[error("the rule for this connection needs TLS")]
    NeedsTls,
    /// The rules say that a certificate is the way in.
    #[error("the client has shown no certificate")]
    NoCertificate,
    /// Not the messages of this exchange.
    #[error("malformed authentication message")]
    Protocol,
    /// What belongs to the person could not be looked up.
    #[error("attributes_query: {0}")]
    Lookup(#[from] LookupError),
    /// The connection broke.
    #[error("connection lost")]
    Io(#[from] io::Error),
}

impl From<Malformed> for AuthError {
    fn from(_: Malformed) -> Self {
        Self::Protocol
    }
}

impl AuthError {
    /// What the client is told.
    pub(crate) fn report(&self, user: &str) -> Report {
        let (sqlstate, message) = match self {
            Self::Failed { proof, .. } => {
                let (sqlstate, what) = match proof {
                    Proof::Password | Proof::Token => ("28P01", "password"),
                    Proof::Certificate => ("28000", "certificate"),
                    Proof::Bearer => ("28000", "OAuth bearer"),
                };
                (sqlstate, format!("{what} authentication failed for user \"{user}\""))
            }
            Self::NeedsTls => ("28000", "SSL connection is required".to_owned()),
            Self::NoCertificate => {
                ("28000", "connection requires a valid client certificate".to_owned())
            }
            Self::Lookup(_) => {
                ("58000", format!("the attributes of user \"{user}\" could not be looked up"))
            }
            Self::Protocol | Self::Io(_) => {
                ("08P01", "malformed authentication message".to_owned())
            }
        };
        Report::fatal(sqlstate, message)
    }
}

/// Lets a session of this process's own in, for `pgcordon test`: its caller vouches for the person. What else is known of
/// them is looked up as for everybody.
pub(crate) async fn vouched(
    ways: &Ways,
    policy: &Policy,
    user: &str,
    link: &mut Link,
) -> Result<Proven, AuthError> {
    let mut identity = Identity::named(user);
    ways.look_up(&mut identity, policy).await?;
    put(&mut link.outbound, b'R', |body| body.put_i32(0));
    Ok(Proven { identity, until: None, way: "vouched" })
}

impl Attempt<'_> {
    /// Runs the way in that the rules say; on success AuthenticationOk is in the outbound buffer.
    pub(crate) async fn authenticate(&self, link: &mut Link) -> Result<Proven, AuthError> {
        let method = self.method();
        if method.needs_tls() && !self.startup.encrypted {
            return Err(AuthError::NeedsTls);
        }
        if self.is_visitor(method) {
            put(&mut link.outbound, b'R', |body| body.put_i32(0));
            let identity = Identity::anonymous();
            return Ok(Proven { identity, way: "visitor", until: None });
        }
        let Verified { mut identity, until } = match method {
            Method::Scram => self.scram(link, Offer::Any).await?,
            Method::ScramPlus => self.scram(link, Offer::Bound).await?,
            Method::AuthQuery => self.stored(link).await?,
            Method::Certificate => self.certificate().await?,
            Method::Token { issuers } => self.password_token(link, issuers).await?,
            Method::Oauth { issuers } => oauth::exchange(link, self, issuers).await?,
            Method::Reject => self.by_password(link, None, Offer::Any).await?,
        };
        let Door { ways, policy, .. } = self.door;
        ways.look_up(&mut identity, policy).await?;
        put(&mut link.outbound, b'R', |body| body.put_i32(0));
        Ok(Proven { identity, way: method.name(), until })
    }

    /// Somebody who needs no proof: the user `public` of a database that lets visitors in, unless the rules reject them.
    fn is_visitor(&self, method: &Method) -> bool {
        let Startup { user, database, .. } = self.startup;
        *method != Method::Reject && self.door.policy.is_open_to(user, database)
    }

    /// The database that somebody lands in: another one than they asked for only if the rules have them come in there
    /// by the same way.
    pub(crate) fn landing(&self, identity: &Identity) -> String {
        let asked = self.startup.database.as_str();
        let landed = self.door.policy.landing(identity, asked);
        let same_way = self.method_for(landed) == self.method();
        if same_way { landed.to_owned() } else { asked.to_owned() }
    }

    fn method(&self) -> &Method {
        self.method_for(&self.startup.database)
    }

    /// The first rule that matches; whom none matches is rejected.
    fn method_for(&self, database: &str) -> &Method {
        let facts = Facts {
            address: self.address,
            database,
            user: &self.startup.user,
            encrypted: self.startup.encrypted,
            certificate: self.startup.certificate.is_some(),
        };
        let has_role = |role: &str| self.door.policy.has_role(&self.startup.user, role);
        rules::choose(&self.door.ways.config.rules, &facts, &has_role).unwrap_or(&Method::Reject)
    }

    async fn by_password(
        &self,
        link: &mut Link,
        verifier: Option<&Verifier>,
        offer: Offer,
    ) -> Result<Verified, AuthError> {
        scram::exchange(link, self, verifier, offer).await?;
        Ok(Verified { identity: Identity::named(&self.startup.user), until: None })
    }

    async fn scram(&self, link: &mut Link, offer: Offer) -> Result<Verified, AuthError> {
        self.by_password(link, self.own_verifier().as_ref(), offer).await
    }

    /// The verifier of the policy.
    fn own_verifier(&self) -> Option<Verifier> {
        self.door.policy.verifier(&self.startup.user).and_then(Verifier::read)
    }

    /// By the database's verifier. It is asked whoever it is about, so that the time tells nothing; it counts only for
    /// people whom the policy lists without a password of their own.
    async fn stored(&self, link: &mut Link) -> Result<Verified, AuthError> {
        let user = self.startup.user.as_str();
        let stored = match &self.door.ways.auth_query {
            Some(query) if !self.is_exhausted() => query.stored(user).await,
            Some(_) | None => Ok(Stored::None("not asked")),
        };
        let (found, trouble) = match stored {
            Ok(Stored::Verifier(verifier)) => (Some(verifier), None),
            Ok(Stored::None(why)) => (None, Some(why.to_owned())),
            Err(error) => (None, Some(error.to_string())),
        };
        let listed = self.door.policy.users().any(|listed| listed == user);
        let verifier = self.own_verifier().or(found.filter(|_| listed));
        let outcome = self.by_password(link, verifier.as_ref(), Offer::Any).await;
        match (outcome, trouble) {
            (Err(AuthError::Failed { proof, .. }), Some(trouble)) if verifier.is_none() => {
                Err(AuthError::Failed { proof, reason: format!("auth_query: {trouble}") })
            }
            (outcome, _) => outcome,
        }
    }

    async fn certificate(&self) -> Result<Verified, AuthError> {
        let der = self.startup.certificate.as_ref().ok_or(AuthError::NoCertificate)?;
        let is_list = |name: &str| self.door.policy.is_list(name);
        let outcome = match self.door.ways.config.certificates.read(der, is_list) {
            Ok((user, _)) if user != self.startup.user => {
                Err("the certificate is for another user".to_owned())
            }
            Ok((user, claims)) => Ok(Identity { user, claims: vec![claims], by: None }),
            Err(error) => Err(error.to_string()),
        };
        let identity = self.settle(outcome, Proof::Certificate).await?;
        Ok(Verified { identity, until: None })
    }

    /// A token where a password would be.
    async fn password_token(
        &self,
        link: &mut Link,
        issuers: &[Named],
    ) -> Result<Verified, AuthError> {
        // AuthenticationCleartextPassword.
        put(&mut link.outbound, b'R', |body| body.put_i32(3));
        link.flush().await?;
        let body = read_response(link, MAX_TOKEN + 1).await?;
        let text = body.strip_suffix(b"\0").and_then(|text| std::str::from_utf8(text).ok());
        let text = text.filter(|text| !text.contains('\0')).ok_or(AuthError::Protocol)?;
        self.token(text, issuers, Proof::Token).await
    }

    /// A token of one of the issuers, for the user who asks.
    async fn token(
        &self,
        text: &str,
        issuers: &[Named],
        proof: Proof,
    ) -> Result<Verified, AuthError> {
        let outcome = match self.door.ways.tokens.verify(text, issuers).await {
            Ok(verified) if verified.identity.user == self.startup.user => Ok(verified),
            Ok(_) => Err("the token is for another user".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        self.settle(outcome, proof).await
    }

    fn is_exhausted(&self) -> bool {
        let Door { ways, throttle, .. } = self.door;
        throttle.is_exhausted(&ways.config.throttle, &self.startup.user, self.address)
    }

    /// Whether a proof counts; waits as long as earlier failures say, whether it does or not.
    async fn settle<T>(&self, outcome: Result<T, String>, proof: Proof) -> Result<T, AuthError> {
        let Door { ways, throttle, .. } = self.door;
        let who = (self.startup.user.as_str(), self.address);
        let kind = match proof {
            Proof::Password => Kind::Guessable,
            Proof::Token | Proof::Certificate | Proof::Bearer => Kind::Signed,
        };
        let ruling = throttle.judge(&ways.config.throttle, who, kind, outcome.is_ok());
        if !ruling.delay.is_zero() {
            tokio::time::sleep(ruling.delay).await;
        }
        let reason = match (ruling.verdict, outcome) {
            (Verdict::Admitted, Ok(proven)) => return Ok(proven),
            (Verdict::Exhausted, _) => "too many failures before".to_owned(),
            (Verdict::Wrong | Verdict::Admitted, Err(reason)) => reason,
            // Not met: only a wrong proof is ruled wrong.
            (Verdict::Wrong, Ok(_)) => "refused".to_owned(),
        };
        Err(AuthError::Failed { proof, reason })
    }
}

/// Appends AuthenticationSASLContinue (11) or AuthenticationSASLFinal (12).
fn put_sasl(buffer: &mut BytesMut, code: i32, answer: &[u8]) {
    put(buffer, b'R', |body| {
        body.put_i32(code);
        body.put_slice(answer);
    });
}

/// The next message, which must be an answer to what was asked.
async fn read_response(link: &mut Link, limit: usize) -> Result<Bytes, AuthError> {
    let frame = link.read_frame(limit).await?;
    if frame.tag == b'p' { Ok(frame.body) } else { Err(AuthError::Protocol) }
}

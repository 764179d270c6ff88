//! Authenticates a client with SCRAM-SHA-256, and with SCRAM-SHA-256-PLUS over TLS.
//!
//! In:  the user's verifier, or none; which mechanisms are offered.
//! Out: whether the client knew the password.
//!
//! Invariants:
//! - An unknown user gets the same messages for the same work: a verifier made from a secret of this process, whose
//!   salt stays the same for the same name.
//! - The password is never seen; no message says which of name and password was wrong.
//! - The mechanism is the one that the message claims: `p=` binds the channel and nothing else does. A client that
//!   could bind and was told that we cannot (`y`) is refused: somebody changed the list on the way.

use std::io;

use base64::Engine as _;
use bytes::{BufMut as _, BytesMut};
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramSecret, ScramServerAuth};

use super::{Attempt, AuthError, Proof, put_sasl, read_response};
use crate::frame::{Reader, put, put_text};
use crate::link::Link;

const PLAIN: &str = "SCRAM-SHA-256";
const BOUND: &str = "SCRAM-SHA-256-PLUS";
/// PG_MAX_SASL_MESSAGE_LENGTH of PostgreSQL.
const MAX_MESSAGE: usize = 1024;

/// Which mechanisms a client may choose from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offer {
    /// With channel binding over TLS, without where the client prefers.
    Any,
    /// Only with channel binding.
    Bound,
}

/// A stored verifier, as PostgreSQL writes it into `pg_authid`.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Verifier {
    iterations: usize,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Verifier(..)")
    }
}

impl Verifier {
    /// Reads `SCRAM-SHA-256$iterations:salt$stored:server`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (iterations, rest) = text.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
        let (salt, keys) = rest.split_once('$')?;
        let (stored, server) = keys.split_once(':')?;
        let verifier = Self {
            iterations: iterations.parse().ok().filter(|count| *count > 0)?,
            salt: base64(salt)?,
            stored_key: base64(stored)?,
            server_key: base64(server)?,
        };
        (verifier.stored_key.len() == 32 && verifier.server_key.len() == 32).then_some(verifier)
    }

    /// What a client sees of it.
    pub(crate) fn look(&self) -> Look {
        Look { iterations: self.iterations, salt: self.salt.len() }
    }

    fn secret(&self) -> ScramSecret {
        ScramSecret::Verifier {
            salt: self.salt.clone(),
            iterations: self.iterations,
            stored_key: self.stored_key.clone(),
            server_key: self.server_key.clone(),
        }
    }
}

/// Iterations and length of the salt in bytes, which a client is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Look {
    iterations: usize,
    salt: usize,
}

/// Makes verifiers that nobody can meet.
#[derive(Clone)]
pub(crate) struct Impostor {
    key: [u8; 32],
}

impl std::fmt::Debug for Impostor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Impostor(..)")
    }
}

impl Impostor {
    pub(crate) fn new() -> Self {
        Self { key: rand::random() }
    }

    /// From a secret that outlives the process, and that several processes share: a salt that changes with either would
    /// be nobody's. The secret must be a key, not a password: a stranger sees what is derived from it.
    pub(crate) fn of_key(secret: &[u8]) -> Self {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let derived = aws_lc_rs::hmac::sign(&key, b"pgcordon: verifiers of nobody");
        Self { key: derived.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes") }
    }

    /// For one name always the same, with iterations and salt of as many bytes as some real verifier has: what differs
    /// from all of these would be nobody's.
    fn verifier(&self, user: &str, looks: &[Look]) -> Verifier {
        let derive = |purpose: &str| {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &self.key);
            let message = format!("{purpose}\0{user}");
            aws_lc_rs::hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
        };
        let drawn =
            derive("look").iter().fold(0, |sum: usize, byte| (sum << 8) ^ usize::from(*byte));
        let usual = Look { iterations: SCRAM_ITERATIONS, salt: 16 };
        let look = looks.get(drawn % looks.len().max(1)).copied().unwrap_or(usual);
        let salt: Vec<u8> = derive("salt").into_iter().chain(derive("more salt")).collect();
        Verifier {
            iterations: look.iterations,
            salt: salt[..look.salt.min(salt.len())].to_vec(),
            stored_key: derive("stored"),
            server_key: derive("server"),
        }
    }
}

/// Runs the exchange; on success AuthenticationSASLFinal is in the outbound buffer.
pub(super) async fn exchange(
    link: &mut Link,
    attempt: &Attempt<'_>,
    verifier: Option<&Verifier>,
    offer: Offer,
) -> Result<(), AuthError> {
    let mut server = ScramServerAuth::new();
    let bound = attempt.door.ways.tls.as_ref().filter(|_| attempt.startup.encrypted);
    if let Some(tls) = bound {
        server.configure_certificate(&tls.certificate_pem).map_err(io::Error::other)?;
    }
    let plain = offer == Offer::Any;
    let accepted = Accepted { bound: bound.is_some(), plain };
    put_mechanisms(&mut link.outbound, accepted);
    link.flush().await?;

    let made = attempt.door.impostor().verifier(&attempt.startup.user, &attempt.door.ways.looks);
    let first = read_initial(link, accepted).await?;
    let (answer, state) = server
        .on_client_first_message_with_secret(&first, verifier.unwrap_or(&made).secret())
        .map_err(|_| AuthError::Protocol)?;
    put_sasl(&mut link.outbound, 11, answer.as_bytes());
    link.flush().await?;

    let last = read_response(link, MAX_MESSAGE).await?;
    let answer = state.on_client_final_message(&last);
    let right = answer.ok().filter(|_| verifier.is_some());
    let outcome = right.ok_or_else(|| "wrong password, or no such user".to_owned());
    let answer = attempt.settle(outcome, Proof::Password).await?;
    put_sasl(&mut link.outbound, 12, answer.as_bytes());
    Ok(())
}

/// Mechanisms that were offered.
#[derive(Clone, Copy)]
struct Accepted {
    bound: bool,
    plain: bool,
}

fn put_mechanisms(buffer: &mut BytesMut, accepted: Accepted) {
    put(buffer, b'R', |body| {
        body.put_i32(10);
        if accepted.bound {
            put_text(body, BOUND.as_bytes());
        }
        if accepted.plain {
            put_text(body, PLAIN.as_bytes());
        }
        body.put_u8(0);
    });
}

async fn read_initial(link: &mut Link, accepted: Accepted) -> Result<Vec<u8>, AuthError> {
    let body = read_response(link, MAX_MESSAGE).await?;
    let mut reader = Reader::new(&body);
    let mechanism = reader.text()?;
    let plain = accepted.plain && mechanism == PLAIN.as_bytes();
    let bound = accepted.bound && mechanism == BOUND.as_bytes();
    if !plain && !bound {
        return Err(AuthError::Protocol);
    }
    let length = usize::try_from(reader.i32()?).map_err(|_| AuthError::Protocol)?;
    let first = reader.take(length)?.to_vec();
    reader.finish()?;
    // The mechanism must be the one that the message itself claims: only PLUS binds.
    if (mechanism == BOUND.as_bytes()) == first.starts_with(b"p=") {
        Ok(first)
    } else {
        Err(AuthError::Protocol)
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifiers_are_read_whole_or_not_at_all() {
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let check = |text: &str, accepted: bool| {
            assert_eq!(Verifier::read(text).is_some(), accepted, "{text}");
        };
        check(&format!("SCRAM-SHA-256$4096:c2FsdA==${key}:{key}"), true);
        check(&format!("SCRAM-SHA-256$0:c2FsdA==${key}:{key}"), false);
        check(&format!("SCRAM-SHA-256$4096:c2FsdA==${key}:c2FsdA=="), false);
        check(&format!("SCRAM-SHA-256$4096:c2FsdA==${key}"), false);
        check(&format!("md5$4096:c2FsdA==${key}:{key}"), false);
        check("secret", false);
        assert_eq!(base64("c2FsdA==").as_deref(), Some(&b"salt"[..]));
        assert_eq!(base64("c2Fsd"), None);
    }

    #[test]
    fn an_unknown_user_keeps_a_salt() {
        let (one, other) = (Impostor::new(), Impostor::new());
        assert_eq!(one.verifier("nobody", &[]), one.verifier("nobody", &[]));
        assert_ne!(one.verifier("nobody", &[]).salt, one.verifier("noone", &[]).salt);
        assert_ne!(one.verifier("nobody", &[]).salt, other.verifier("nobody", &[]).salt);
        let verifier = one.verifier("x", &[]);
        assert!(!verifier.salt.starts_with(&verifier.stored_key[..8]));
    }

    #[test]
    fn processes_with_one_key_have_one_salt() {
        let salt = |key: &[u8]| Impostor::of_key(key).verifier("nobody", &[]).salt;
        assert_eq!(salt(b"a key"), salt(b"a key"));
        assert_ne!(salt(b"a key"), salt(b"another"));
    }

    #[test]
    fn an_unknown_user_looks_like_the_known_ones() {
        let impostor = Impostor::new();
        let looks = [Look { iterations: 10_000, salt: 24 }, Look { iterations: 4096, salt: 16 }];
        let seen: Vec<Look> =
            (0..100).map(|number| impostor.verifier(&number.to_string(), &looks).look()).collect();
        assert!(looks.iter().all(|look| seen.contains(look)));
        assert!(seen.iter().all(|look| looks.contains(look)));
        assert_eq!(impostor.verifier("x", &looks), impostor.verifier("x", &looks));
    }
}

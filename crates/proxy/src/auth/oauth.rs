//! SASL OAUTHBEARER (RFC 7628) as PostgreSQL 18 speaks it: a token in the client's first message.
//!
//! In:  `n,,^Aauth=Bearer <token>^A^A`, in a SASLInitialResponse.
//! Out: who the token is for; or the challenge that tells a client where to get one, and then a refusal.
//!
//! Invariants:
//! - Only over TLS; that the rules see to.
//! - A message that RFC 7628 does not allow ends the connection; nothing in it is guessed.
//! - A client without a token (it asks where to get one) has not tried anything: that is not counted as a failure.

use bytes::BufMut as _;
use serde_json::json;

use super::rules::Named;
use super::token::{IssuerConfig, MAX_TOKEN, Verified};
use super::{Attempt, AuthError, Proof, put_sasl, read_response};
use crate::frame::{Reader, put, put_text};
use crate::link::Link;

const MECHANISM: &[u8] = b"OAUTHBEARER";
/// The message around a token: header, keys, and what else RFC 7628 lets stand there.
const MAX_MESSAGE: usize = MAX_TOKEN + 1024;
/// Separates key-value pairs, and is the whole answer to a challenge.
const SEPARATOR: char = '\u{1}';

/// Runs the exchange up to where AuthenticationOk belongs.
pub(super) async fn exchange(
    link: &mut Link,
    attempt: &Attempt<'_>,
    issuers: &[Named],
) -> Result<Verified, AuthError> {
    put(&mut link.outbound, b'R', |body| {
        body.put_i32(10);
        put_text(body, MECHANISM);
        body.put_u8(0);
    });
    link.flush().await?;
    let message = read_initial(link).await?;
    let token = token(&message).ok_or(AuthError::Protocol)?;
    let outcome = if token.is_empty() {
        let reason = "the client asked where to get a token".to_owned();
        Err(AuthError::Failed { proof: Proof::Bearer, reason })
    } else {
        attempt.token(token, issuers, Proof::Bearer).await
    };
    if let Err(AuthError::Failed { .. }) = &outcome {
        challenge(link, attempt.door.ways.tokens.first(issuers)).await?;
    }
    outcome
}

/// The client's first message; without an initial response it is asked for once more, as PostgreSQL does.
async fn read_initial(link: &mut Link) -> Result<String, AuthError> {
    let body = read_response(link, MAX_MESSAGE).await?;
    let mut reader = Reader::new(&body);
    if reader.text()? != MECHANISM {
        return Err(AuthError::Protocol);
    }
    let length = reader.i32()?;
    let message = if length == -1 {
        reader.finish()?;
        put_sasl(&mut link.outbound, 11, b"");
        link.flush().await?;
        read_response(link, MAX_MESSAGE).await?.to_vec()
    } else {
        let length = usize::try_from(length).map_err(|_| AuthError::Protocol)?;
        let message = reader.take(length)?.to_vec();
        reader.finish()?;
        message
    };
    String::from_utf8(message).map_err(|_| AuthError::Protocol)
}

/// The token of a first message; empty where the client has none yet.
fn token(message: &str) -> Option<&str> {
    // `y`: the client could bind the channel and thinks that we cannot, which is so for this mechanism.
    let rest = message.strip_prefix(['n', 'y'])?.strip_prefix(',')?;
    // A name to act for (`a=…`) is not a way to become somebody else.
    let pairs = rest.strip_prefix(',')?.strip_prefix(SEPARATOR)?;
    let pairs = pairs.strip_suffix(SEPARATOR)?;
    let mut authorization = None;
    for pair in pairs.split_terminator(SEPARATOR) {
        let (key, value) = pair.split_once('=')?;
        let named = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
        let printable = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
        if !named || !value.bytes().all(printable) {
            return None;
        }
        if key == "auth" && authorization.replace(value).is_some() {
            return None;
        }
    }
    if !pairs.ends_with(SEPARATOR) {
        return None;
    }
    bearer(authorization?)
}

/// `Bearer` in any case, spaces, the token (RFC 6750, 2.1).
fn bearer(authorization: &str) -> Option<&str> {
    if authorization.is_empty() {
        return Some("");
    }
    let (scheme, rest) = authorization.split_at_checked(6)?;
    let token = rest.trim_start_matches(' ');
    let body = token.trim_end_matches('=');
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    };
    let whole = scheme.eq_ignore_ascii_case("bearer")
        && token.len() < rest.len()
        && !body.is_empty()
        && body.bytes().all(allowed);
    whole.then_some(token)
}

/// Tells the client where tokens come from, and waits for the one byte with which it gives up.
async fn challenge(link: &mut Link, issuer: Option<&IssuerConfig>) -> Result<(), AuthError> {
    let mut status = json!({ "status": "invalid_token" });
    if let Some(issuer) = issuer {
        let base = issuer.issuer.trim_end_matches('/');
        status["openid-configuration"] = format!("{base}/.well-known/openid-configuration").into();
        status["scope"] = issuer.scope.clone().into();
    }
    put_sasl(&mut link.outbound, 11, status.to_string().as_bytes());
    link.flush().await?;
    let answer = read_response(link, 16).await?;
    if *answer == [SEPARATOR as u8] { Ok(()) } else { Err(AuthError::Protocol) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: Option<&str>) {
        assert_eq!(token(message), expected, "{}", message.escape_debug());
    }

    #[test]
    fn messages_of_rfc_7628() {
        check("n,,\u{1}auth=Bearer a.b.c\u{1}\u{1}", Some("a.b.c"));
        check("y,,\u{1}auth=bearer   a-_~+/=\u{1}\u{1}", Some("a-_~+/="));
        check("n,,\u{1}host=h\u{1}port=5432\u{1}auth=BEARER x\u{1}\u{1}", Some("x"));
        check("n,,\u{1}auth=\u{1}\u{1}", Some(""));
    }

    #[test]
    fn anything_else() {
        for message in [
            "",
            "n,,",
            "n,,\u{1}",
            "n,,\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}",
            "n,,\u{1}auth=Bearer x",
            "n,,\u{1}auth=Bearer x\u{1}\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}\u{1}more",
            "n,a=max,\u{1}auth=Bearer x\u{1}\u{1}",
            "p=tls-server-end-point,,\u{1}auth=Bearer x\u{1}\u{1}",
            "x,,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,,\u{1}auth=Basic x\u{1}\u{1}",
            "n,,\u{1}auth=Bearerx\u{1}\u{1}",
            "n,,\u{1}auth=Bearer \u{1}\u{1}",
            "n,,\u{1}auth=Bearer ==\u{1}\u{1}",
            "n,,\u{1}auth=Bearer a b\u{1}\u{1}",
            "n,,\u{1}auth=Bearer a\u{0}\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}auth=Bearer y\u{1}\u{1}",
            "n,,\u{1}=Bearer x\u{1}\u{1}",
            "n,,\u{1}auth1=Bearer x\u{1}\u{1}",
            "n,,\u{1}auth\u{1}\u{1}",
            "n,,\u{1}host=h\u{1}\u{1}",
        ] {
            check(message, None);
        }
    }
}

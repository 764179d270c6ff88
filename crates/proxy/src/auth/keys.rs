//! Keys that tokens are signed with.
//!
//! In:  PEM, a JSON web key or a set of them, a secret; the algorithms that the configuration allows.
//! Out: [`Key`]s, each with the algorithms that it may be used for.
//!
//! Invariants:
//! - What a key may be used for follows from the key and the configuration, never from a token: a public key is never
//!   a secret (HS256), and no key is for `none`.
//! - A private key where a public one belongs is a mistake: it should not lie around there.

use std::str::FromStr as _;

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};

/// Algorithms by public key, by their names in the configuration.
pub(crate) const PUBLIC: &[(&str, Algorithm)] = &[
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];
const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
/// As long as the hash (RFC 7518, 3.2).
const MIN_SECRET: usize = 32;
/// An uncompressed point: one byte and two coordinates.
const P256_POINT: usize = 65;
const P384_POINT: usize = 97;

/// One key.
#[derive(Clone)]
pub(crate) struct Key {
    /// `kid`, where it has one.
    pub(crate) id: Option<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) key: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, algorithms, key: _ } = self;
        formatter.debug_struct("Key").field("id", id).field("algorithms", algorithms).finish()
    }
}

impl Key {
    /// A shared secret, for HS256 and nothing else.
    pub(crate) fn of_secret(secret: &[u8]) -> Result<Self, String> {
        if secret.len() < MIN_SECRET {
            return Err(format!("the secret is shorter than {MIN_SECRET} bytes"));
        }
        let key = DecodingKey::from_secret(secret);
        Ok(Self { id: None, algorithms: vec![Algorithm::HS256], key })
    }
}

/// Reads a file: PEM, a key in JSON, or a set of them.
pub(crate) fn read(text: &str, allowed: &[Algorithm]) -> Result<Vec<Key>, String> {
    if text.contains("-----BEGIN ") { of_pem(text, allowed) } else { of_json(text, allowed) }
}

fn of_pem(text: &str, allowed: &[Algorithm]) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    for block in text.split("-----BEGIN ").skip(1) {
        let (label, _) = block.split_once("-----").ok_or("not PEM")?;
        match label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => {
                let pem = format!("-----BEGIN {block}");
                keys.push(of_block(pem.as_bytes(), allowed)?);
            }
            other if other.contains("PRIVATE") => {
                return Err("a private key; keep it where tokens are made".to_owned());
            }
            other => return Err(format!("a PEM block `{other}`, not a public key")),
        }
    }
    Ok(keys)
}

fn of_block(pem: &[u8], allowed: &[Algorithm]) -> Result<Key, String> {
    let rsa = || DecodingKey::from_rsa_pem(pem).ok().map(|key| (key, RSA.to_vec()));
    let ed = || DecodingKey::from_ed_pem(pem).ok().map(|key| (key, vec![Algorithm::EdDSA]));
    let ec = || {
        let key = DecodingKey::from_ec_pem(pem).ok()?;
        let algorithm = match key.kind() {
            DecodingKeyKind::SecretOrDer(point) if point.len() == P256_POINT => Algorithm::ES256,
            DecodingKeyKind::SecretOrDer(point) if point.len() == P384_POINT => Algorithm::ES384,
            _ => return None,
        };
        Some((key, vec![algorithm]))
    };
    let (key, fit) = rsa().or_else(ec).or_else(ed).ok_or("a key of an unknown kind")?;
    let algorithms = common(&fit, allowed);
    if algorithms.is_empty() {
        return Err(format!("a key for {}, which `algorithms` does not allow", names(&fit)));
    }
    Ok(Key { id: None, algorithms, key })
}

/// Keys of kinds that are not known, for encryption or for other algorithms are left out, as RFC 7517 says.
pub(crate) fn of_json(text: &str, allowed: &[Algorithm]) -> Result<Vec<Key>, String> {
    let root: serde_json::Value =
        serde_json::from_str(text).map_err(|_| "neither PEM nor JSON".to_owned())?;
    let one = std::slice::from_ref(&root);
    let entries = match root.get("keys") {
        Some(keys) => keys.as_array().map(Vec::as_slice).ok_or("`keys` is not a list")?,
        None => one,
    };
    if entries.iter().any(|entry| entry.get("d").is_some()) {
        return Err("a private key; keep it where tokens are made".to_owned());
    }
    let keys: Vec<Key> = entries.iter().filter_map(|entry| of_entry(entry, allowed)).collect();
    if keys.is_empty() { Err("no key that `algorithms` allows".to_owned()) } else { Ok(keys) }
}

fn of_entry(entry: &serde_json::Value, allowed: &[Algorithm]) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(entry.clone()).ok()?;
    let common_ = &jwk.common;
    let signs = common_.public_key_use.as_ref().is_none_or(|use_| *use_ == PublicKeyUse::Signature);
    let verifies = common_
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !signs || !verifies {
        return None;
    }
    let mut fit = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA.to_vec(),
        AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(parameters) => match parameters.curve {
            EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
            _ => return None,
        },
        // A secret has no place among public keys.
        _ => return None,
    };
    if let Some(own) = common_.key_algorithm {
        let own = of_key_algorithm(own);
        fit.retain(|algorithm| Some(*algorithm) == own);
    }
    let algorithms = common(&fit, allowed);
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then(|| Key { id: common_.key_id.clone(), algorithms, key })
}

fn of_key_algorithm(algorithm: KeyAlgorithm) -> Option<Algorithm> {
    Algorithm::from_str(&algorithm.to_string()).ok()
}

fn common(fit: &[Algorithm], allowed: &[Algorithm]) -> Vec<Algorithm> {
    fit.iter().filter(|algorithm| allowed.contains(algorithm)).copied().collect()
}

fn names(algorithms: &[Algorithm]) -> String {
    let named = |algorithm: &Algorithm| {
        PUBLIC.iter().find(|(_, known)| known == algorithm).map_or("?", |(name, _)| *name)
    };
    algorithms.iter().map(named).collect::<Vec<&str>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#"{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    fn check(text: &str, allowed: &[Algorithm], expected: Result<usize, &str>) {
        let keys = read(text, allowed).map(|keys| keys.len());
        assert_eq!(keys, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn sets_leave_out_what_is_not_for_us() {
        let none = Err("no key that `algorithms` allows");
        check(EC, &[Algorithm::ES256], Ok(1));
        check(EC, &[Algorithm::RS256], none);
        check(EC, &[Algorithm::HS256], none);
        check(&format!(r#"{{"keys":[{EC},{{"kty":"AKP","x":1}}]}}"#), &[Algorithm::ES256], Ok(1));
        check(r#"{"keys":[]}"#, &[Algorithm::ES256], none);
        check(r#"{"kty":"oct","k":"c2VjcmV0"}"#, &[Algorithm::HS256], none);
        let with = |more: &str| EC.replace("\"kty\"", &format!("{more},\"kty\""));
        check(&with(r#""use":"enc""#), &[Algorithm::ES256], none);
        check(&with(r#""use":"sig""#), &[Algorithm::ES256], Ok(1));
        check(&with(r#""key_ops":["sign"]"#), &[Algorithm::ES256], none);
        check(&with(r#""alg":"ES384""#), &[Algorithm::ES256, Algorithm::ES384], none);
        check(&with(r#""alg":"ES256""#), &[Algorithm::ES256, Algorithm::ES384], Ok(1));
        check("rubbish", &[Algorithm::ES256], Err("neither PEM nor JSON"));
    }

    #[test]
    fn private_keys_are_mistakes() {
        let private = Err("a private key; keep it where tokens are made");
        let with = EC.replace("\"kid\"", "\"d\":\"AAAA\",\"kid\"");
        check(&with, &[Algorithm::ES256], private);
        let pair = rcgen::KeyPair::generate().expect("a key");
        check(&pair.serialize_pem(), &[Algorithm::ES256], private);
        check(&pair.public_key_pem(), &[Algorithm::ES256], Ok(1));
        check(
            &pair.public_key_pem(),
            &[Algorithm::RS256],
            Err("a key for ES256, which `algorithms` does not allow"),
        );
    }

    #[test]
    fn a_curve_has_one_algorithm() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        let all: Vec<Algorithm> = PUBLIC.iter().map(|(_, algorithm)| *algorithm).collect();
        let keys = read(&pair.public_key_pem(), &all).expect("a key");
        assert_eq!(keys[0].algorithms, [Algorithm::ES384]);
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        let keys = read(&pair.public_key_pem(), &all).expect("a key");
        assert_eq!(keys[0].algorithms, [Algorithm::EdDSA]);
    }

    #[test]
    fn secrets_are_long_and_hidden() {
        assert!(Key::of_secret(b"short").is_err());
        let key = Key::of_secret(&[b'x'; 32]).expect("long enough");
        assert!(!format!("{key:?}").contains("xxx"));
    }
}

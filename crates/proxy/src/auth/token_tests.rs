//! Tokens, right and wrong in every way that the table of `token` names.

use jsonwebtoken::{EncodingKey, encode};
use serde_json::{Value, json};

use super::*;
use crate::auth::keys;

/// A key pair and the issuer whose tokens it signs.
struct Maker {
    pair: rcgen::KeyPair,
    tokens: Tokens,
}

fn claim(path: &[&str]) -> Source {
    let path = path.iter().map(|step| (*step).to_owned()).collect();
    Source { path, pattern: Pattern::whole(), matched: false }
}

fn picked(path: &[&str], pattern: &str) -> Source {
    let pattern = Pattern::read(pattern, "{1}").expect("a pattern");
    Source { pattern, matched: true, ..claim(path) }
}

fn named(name: &str) -> Named {
    let place = pgcordon_policy::mistake::Place { file: "c.yaml".into(), line: 1, column: 1 };
    (name.to_owned(), place)
}

fn config(keys: Vec<Key>) -> IssuerConfig {
    IssuerConfig {
        name: "corp".to_owned(),
        issuer: "https://login.example".to_owned(),
        audience: vec!["pgcordon".to_owned()],
        algorithms: vec![Algorithm::ES256],
        keys: KeySource::Here(Arc::new(keys)),
        leeway: Duration::from_secs(30),
        claims: ClaimMapping {
            user: picked(&["email"], r"([^@]+)@corp\.example"),
            groups: Some(picked(&["realm", "groups"], "pg-(.+)")),
            roles: None,
            attributes: vec![
                (named("region"), claim(&["region"])),
                (named("teams"), claim(&["https://corp.example/teams"])),
            ],
        },
        scope: "openid".to_owned(),
        session_until_exp: true,
    }
}

impl Maker {
    fn new() -> Self {
        let pair = rcgen::KeyPair::generate().expect("a key");
        let keys = keys::read(&pair.public_key_pem(), &[Algorithm::ES256]).expect("a key");
        let tokens = Tokens::new(&[config(keys)]);
        Self { pair, tokens }
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        let key = EncodingKey::from_ec_pem(self.pair.serialize_pem().as_bytes()).expect("a key");
        encode(header, claims, &key).expect("a token")
    }

    fn check(&self, text: &str, expected: Result<&str, TokenError>) {
        let verified = verify(&self.tokens, text);
        let user = verified.as_ref().map(|verified| verified.identity.user.as_str());
        assert_eq!(user.map_err(Clone::clone), expected, "{text}");
    }

    /// The good claims with some of them replaced; null takes one away.
    fn claims(&self, changes: Value, expected: Result<&str, TokenError>) {
        self.check(&self.sign(&Header::new(Algorithm::ES256), &good(changes)), expected);
    }
}

fn verify(tokens: &Tokens, text: &str) -> Result<Verified, TokenError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(tokens.verify(text, &[]))
}

fn now() -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).expect("a time of this age")
}

fn good(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example",
        "aud": ["other", "pgcordon"],
        "sub": "4711",
        "exp": now() + 300,
        "nbf": now() - 10,
        "email": "rita@corp.example",
    });
    for (name, value) in changes.as_object().expect("changes are an object") {
        match value {
            Value::Null => claims.as_object_mut().expect("an object").remove(name),
            other => claims.as_object_mut().expect("an object").insert(name.clone(), other.clone()),
        };
    }
    claims
}

fn missing(name: &str) -> Result<&'static str, TokenError> {
    Err(TokenError::Missing(name.to_owned()))
}

fn unusable(name: &str) -> Result<&'static str, TokenError> {
    Err(TokenError::Claim(name.to_owned()))
}

#[test]
fn registered_claims() {
    let maker = Maker::new();
    maker.claims(json!({}), Ok("rita"));
    maker.claims(json!({ "aud": "pgcordon" }), Ok("rita"));
    maker.claims(json!({ "nbf": null }), Ok("rita"));
    maker.claims(json!({ "exp": now() - 20 }), Ok("rita"));
    maker.claims(json!({ "exp": now() - 40 }), Err(TokenError::Expired));
    maker.claims(json!({ "nbf": now() + 20 }), Ok("rita"));
    maker.claims(json!({ "nbf": now() + 40 }), Err(TokenError::NotYet));
    maker.claims(json!({ "aud": "other" }), Err(TokenError::Audience));
    maker.claims(json!({ "aud": [] }), Err(TokenError::Audience));
    maker.claims(json!({ "iss": "https://evil.example" }), Err(TokenError::Issuer));
    maker.claims(json!({ "iss": "https://login.example/" }), Err(TokenError::Issuer));
    maker.claims(json!({ "iss": ["https://login.example"] }), Err(TokenError::Malformed));
    maker.claims(json!({ "iss": null }), Err(TokenError::Malformed));
    maker.claims(json!({ "exp": null }), missing("exp"));
    maker.claims(json!({ "aud": null }), missing("aud"));
    maker.claims(json!({ "sub": null }), missing("sub"));
    maker.claims(json!({ "exp": "soon" }), missing("exp"));
    maker.claims(json!({ "exp": -5 }), missing("exp"));
    maker.claims(json!({ "nbf": "later" }), unusable("nbf"));
}

#[test]
fn mapped_claims() {
    let maker = Maker::new();
    maker.claims(json!({ "email": null }), missing("email"));
    maker.claims(json!({ "email": "rita@corp.example.evil" }), missing("email"));
    maker.claims(json!({ "email": 7 }), unusable("email"));
    maker.claims(json!({ "email": ["rita@corp.example", "max@corp.example"] }), unusable("email"));
    maker.claims(json!({ "email": "a\u{0}@corp.example" }), unusable("email"));
    maker.claims(json!({ "region": {} }), unusable("region"));
    maker.claims(
        json!({ "https://corp.example/teams": [1, null] }),
        unusable("https://corp.example/teams"),
    );
    maker.claims(json!({ "realm": "x" }), unusable("realm.groups"));
    maker.claims(json!({ "realm": { "groups": [1] } }), unusable("realm.groups"));
    let text = maker.sign(
        &Header::new(Algorithm::ES256),
        &good(json!({
            "region": "North",
            "https://corp.example/teams": [1, 2],
            "realm": { "groups": ["pg-sales", "other", "pg-hr"] },
        })),
    );
    let verified = verify(&maker.tokens, &text).expect("a good token");
    let [claims] = verified.identity.claims.as_slice() else { panic!("one witness") };
    assert_eq!(claims.groups, ["sales", "hr"], "what does not match is left out");
    let number = |text: &str| Plain::Number(text.to_owned());
    let expected = [
        ("region".to_owned(), Plain::Text("North".to_owned())),
        ("teams".to_owned(), Plain::List(vec![number("1"), number("2")])),
    ];
    assert_eq!(claims.attributes, expected);
    let until = verified.until.expect("sessions end with the token");
    let left = until.duration_since(SystemTime::now()).expect("in the future").as_secs();
    assert!((320..=330).contains(&left), "{left}");
}

#[test]
fn signatures_and_algorithms() {
    let (maker, other) = (Maker::new(), Maker::new());
    let header = Header::new(Algorithm::ES256);
    let text = maker.sign(&header, &good(json!({})));
    maker.check(&text, Ok("rita"));
    maker.check(&other.sign(&header, &good(json!({}))), Err(TokenError::Signature));
    let (head, signature) = text.rsplit_once('.').expect("three parts");
    maker.check(&format!("{head}."), Err(TokenError::Signature));
    maker.check(head, Err(TokenError::Malformed));
    maker.check(&format!("{text}.{signature}"), Err(TokenError::Malformed));
    let (_, message) = text.split_once('.').expect("three parts");
    // {"alg":"none"}, and HS256 with the public key as the secret.
    maker.check(&format!("eyJhbGciOiJub25lIn0.{message}"), Err(TokenError::Malformed));
    let public = EncodingKey::from_secret(maker.pair.public_key_pem().as_bytes());
    let confused = encode(&Header::new(Algorithm::HS256), &good(json!({})), &public);
    maker.check(&confused.expect("a token"), Err(TokenError::Algorithm));
    maker.check("", Err(TokenError::Malformed));
    maker.check("a.b.c", Err(TokenError::Malformed));
    maker.check(&format!("{text}{}", "A".repeat(MAX_TOKEN)), Err(TokenError::Malformed));
    let critical = Header { crit: Some(vec!["b64".to_owned()]), ..header.clone() };
    maker.check(&maker.sign(&critical, &good(json!({}))), Err(TokenError::Malformed));
    // A key that the token brings along is not looked at.
    let mut brings = header;
    let key = EncodingKey::from_ec_pem(other.pair.serialize_pem().as_bytes()).expect("a key");
    brings.jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::ES256).ok();
    assert!(brings.jwk.is_some());
    maker.check(&other.sign(&brings, &good(json!({}))), Err(TokenError::Signature));
}

#[test]
fn a_key_is_found_by_its_name() {
    let (old, new) = (Maker::new(), Maker::new());
    let key = |maker: &Maker, id: &str| {
        let mut keys =
            keys::read(&maker.pair.public_key_pem(), &[Algorithm::ES256]).expect("a key");
        keys[0].id = Some(id.to_owned());
        keys.remove(0)
    };
    let tokens = Tokens::new(&[config(vec![key(&old, "old"), key(&new, "new")])]);
    let check = |maker: &Maker, id: Option<&str>, expected: Result<&str, TokenError>| {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::ES256) };
        let verified = verify(&tokens, &maker.sign(&header, &good(json!({}))));
        assert_eq!(verified.map(|found| found.identity.user), expected.map(str::to_owned));
    };
    check(&new, Some("new"), Ok("rita"));
    check(&old, Some("old"), Ok("rita"));
    check(&new, None, Ok("rita"));
    check(&new, Some("old"), Err(TokenError::Signature));
    check(&new, Some("newer"), Err(TokenError::Key));
}

#[test]
fn a_secret_signs_hs256_only() {
    let secret = [b's'; 32];
    let key = Key::of_secret(&secret).expect("long enough");
    let config = IssuerConfig { algorithms: vec![Algorithm::HS256], ..config(vec![key]) };
    let tokens = Tokens::new(&[config]);
    let sign = |algorithm, secret: &[u8]| {
        let key = EncodingKey::from_secret(secret);
        encode(&Header::new(algorithm), &good(json!({})), &key).expect("a token")
    };
    assert!(verify(&tokens, &sign(Algorithm::HS256, &secret)).is_ok());
    let wrong = verify(&tokens, &sign(Algorithm::HS256, &[b't'; 32]));
    assert_eq!(wrong, Err(TokenError::Signature));
    let other = verify(&tokens, &sign(Algorithm::HS512, &secret));
    assert_eq!(other, Err(TokenError::Algorithm));
}

#[test]
fn the_issuers_of_a_rule() {
    let maker = Maker::new();
    let text = maker.sign(&Header::new(Algorithm::ES256), &good(json!({})));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let of = |names: &[Named]| runtime.block_on(maker.tokens.verify(&text, names));
    assert!(of(&[named("corp")]).is_ok());
    assert_eq!(of(&[named("partner")]), Err(TokenError::Issuer));
}

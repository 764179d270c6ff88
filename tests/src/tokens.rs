//! JSON web tokens, good and bad, and an https address that publishes their keys.
//!
//! In:  claims.
//! Out: signed tokens; a [`Published`] set of keys that a test can change and count the fetches of.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// `iss` of every token, unless a test says otherwise.
pub const ISSUER: &str = "https://login.example";

/// A key that signs tokens by ES256.
pub struct Signer {
    pair: rcgen::KeyPair,
    id: &'static str,
}

impl Signer {
    /// A new key of that name.
    ///
    /// # Panics
    /// When the cryptography library fails.
    #[must_use]
    pub fn new(id: &'static str) -> Self {
        Self { pair: rcgen::KeyPair::generate().expect("a key"), id }
    }

    /// The public key as PEM.
    #[must_use]
    pub fn public(&self) -> String {
        self.pair.public_key_pem()
    }

    /// The public key as a JSON web key with its name.
    ///
    /// # Panics
    /// Never: the key is one.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key(), Algorithm::ES256).expect("a key");
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).expect("JSON")
    }

    /// A token with these claims beside the good ones; null takes one away.
    ///
    /// # Panics
    /// Never: the key is one.
    #[must_use]
    pub fn sign(&self, changes: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, &claims(changes), &self.key()).expect("a token")
    }

    fn key(&self) -> EncodingKey {
        EncodingKey::from_ec_pem(self.pair.serialize_pem().as_bytes()).expect("a key")
    }
}

/// Now, in seconds.
///
/// # Panics
/// Never in this age.
#[must_use]
pub fn now() -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).expect("a time of this age")
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER,
        "aud": "pgcordon",
        "sub": "rita",
        "exp": now() + 600,
        "region": "North",
        "groups": ["north"],
    });
    let all = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("changes are an object") {
        all.insert(name.clone(), value.clone());
    }
    all.retain(|_, value| !value.is_null());
    claims
}

/// A token signed by a secret.
///
/// # Panics
/// Never.
#[must_use]
pub fn by_secret(secret: &[u8]) -> String {
    let key = EncodingKey::from_secret(secret);
    encode(&Header::new(Algorithm::HS256), &claims(&json!({})), &key).expect("a token")
}

/// `{"alg":"none"}` in front of good claims.
///
/// # Panics
/// Never.
#[must_use]
pub fn unsigned(like: &str) -> String {
    let (_, rest) = like.split_once('.').expect("three parts");
    let (claims, _) = rest.split_once('.').expect("three parts");
    format!("eyJhbGciOiJub25lIn0.{claims}.")
}

/// An https server with one file.
pub struct Published {
    port: u16,
    body: Arc<Mutex<String>>,
    fetches: Arc<AtomicUsize>,
}

impl Published {
    /// Serves until the test's process ends.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start(config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (body, fetches) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
        let (shown, counted) = (body.clone(), fetches.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let body = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // A client that does not believe the certificate hangs up.
                let _hung_up = answer(socket, config.clone(), &body);
            }
        });
        Self { port, body, fetches }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}/keys.json", self.port)
    }

    /// Publishes these keys from now on.
    pub fn publish(&self, keys: &[Value]) {
        let text = json!({ "keys": keys }).to_string();
        *self.body.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// How often somebody has asked.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn answer(socket: TcpStream, config: Arc<ServerConfig>, body: &str) -> std::io::Result<()> {
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(session, socket);
    let mut request = Vec::new();
    let mut byte = [0; 1];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let length = body.len();
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}")?;
    stream.conn.send_close_notify();
    stream.flush()
}

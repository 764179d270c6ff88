//! pgcordon with every way in, one per database name, in front of one shop.
//!
//! In:  nothing.
//! Out: [`Gates`]: certificates, keys and tokens of every quality, and clients that try them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::authority::{self, Authority, Pair, Scratch, Subject};
use crate::proxy::{Proxy, verifier};
use crate::stage::{databases, password};
use crate::tokens::{ISSUER, Signer};
use crate::wire::{Client, startup, terminated};
use crate::{Answer, Cluster, ServerError};

/// Asked by everybody who gets in: North has three.
pub const QUERY: &str = "SELECT count(*) FROM customers";

/// Databases, each with its own way in.
pub const WAYS: [&str; 8] = [
    "by_scram",
    "by_plus",
    "by_certificate",
    "by_either",
    "by_token",
    "by_oauth",
    "by_query",
    "by_nothing",
];

/// The proxy and everything that opens or does not open its gates.
pub struct Gates {
    /// The proxy.
    pub proxy: Proxy,
    /// The server.
    pub cluster: Cluster,
    /// More of the configuration, for another proxy.
    pub more: String,
    /// Signs the tokens that count.
    pub signer: Signer,
    /// Signs the certificates that count.
    pub people: Authority,
    /// The authority of the proxy's own certificate.
    pub server_ca: PathBuf,
    /// Where the files are.
    pub scratch: Scratch,
}

/// What psql is started with.
#[derive(Clone, Debug, Default)]
pub struct Psql<'a> {
    /// Who.
    pub user: &'a str,
    /// Which way in.
    pub database: &'a str,
    /// Password or token.
    pub password: &'a str,
    /// A client certificate.
    pub pair: Option<&'a Pair>,
    /// Over TLS.
    pub tls: bool,
    /// More connection parameters.
    pub more: &'a str,
}

/// The policy of all gates.
#[must_use]
pub fn policy() -> String {
    let mut text = format!(
        "attributes: {{ region: text, teams: 'int[]', who: text }}\n\
         roles:\n  viewer: {{}}\n  sales_rep: {{ includes: [viewer] }}\n\
         groups:\n  north: {{ roles: [sales_rep], attributes: {{ region: North }} }}\n\
         \x20 reps: {{ roles: [sales_rep] }}\n\
         users:\n  rita: {{ password: \"{}\", groups: [north] }}\n  max: {{ password: \"{}\", groups: [north] }}\n",
        verifier(&password("rita")),
        verifier(&password("max")),
    );
    for user in ["dora", "edda", "mona", "nele", "otto"] {
        text.push_str(&format!("  {user}: {{ groups: [north] }}\n"));
    }
    text.push_str("databases:\n");
    for way in WAYS {
        text.push_str(&format!(
            "  {way}: {{ upstream: main, dbname: shop, connect: {{ roles: [viewer] }} }}\n"
        ));
    }
    text.push_str(
        "tables:\n  public.customers:\n    - { name: own region, to: [sales_rep], rows: \"region = {user.region}\" }\n",
    );
    text
}

impl Gates {
    /// Sets everything up.
    ///
    /// # Panics
    /// When anything of it fails.
    #[must_use]
    pub fn new() -> Self {
        Self::with(
            "",
            "throttle: { per_user: 100000, per_address: 100000, per_user_and_address: 100000, max_delay: 1ms }",
        )
    }

    /// As [`Gates::new`] with more issuers in the section `tokens` and more in the section `auth`.
    ///
    /// # Panics
    /// When anything of it fails.
    #[must_use]
    pub fn with(issuers: &str, auth: &str) -> Self {
        let scratch = Scratch::new();
        let folder = scratch.path();
        let server = Authority::new("servers");
        let server_ca = server.write(folder.join("servers.crt"));
        let hosts = ["127.0.0.1", "localhost"];
        let own = server.sign(folder, "proxy", &Subject { hosts: &hosts, ..Subject::default() });
        let people = Authority::new("people");
        let people_ca = people.write(folder.join("people.crt"));
        let list = people.revoke(folder.join("people.crl"), &[666], 2100);
        let signer = Signer::new("one");
        let keys = scratch.write("corp.pem", &signer.public());
        let rules: Vec<String> =
            rules().iter().map(|rule| format!("    - {{ {rule} }}\n")).collect();
        let more = format!(
            "tls: {{ certificate: {}, key: {}, client_ca: {}, client_crl: {} }}\n\
             auth:\n  rules:\n{}  tokens:\n    corp:\n      issuer: {ISSUER}\n      audience: [pgcordon]\n\
             \x20     keys: {}\n      scope: openid groups\n      leeway: 1s\n\
             \x20     claims: {{ user: sub, groups: groups, attributes: {{ region: region, teams: teams }} }}\n\
             {issuers}\
             \x20 certificates:\n    user:\n      - cn\n      - {{ from: email, pattern: '([^@]+)@corp\\.example' }}\n\
             \x20   attributes: {{ teams: {{ from: ou, pattern: 'team (.+)' }} }}\n\
             \x20 auth_query: {{ upstream: main, dbname: shop, sql: 'SELECT * FROM public.stored_verifier($1)' }}\n\
             \x20 {auth}\n",
            own.certificate.display(),
            own.key.display(),
            people_ca.display(),
            list.display(),
            rules.concat(),
            keys.display(),
        );
        let cluster = databases();
        cluster.admin("shop").run(STORED);
        let proxy = Proxy::start(cluster.port(), &policy(), &more);
        Self { proxy, cluster, more, signer, people, server_ca, scratch }
    }

    /// A certificate of the people's authority.
    #[must_use]
    pub fn certificate(&self, file: &str, subject: &Subject<'_>) -> Pair {
        self.people.sign(self.scratch.path(), file, subject)
    }

    /// For raw clients.
    #[must_use]
    pub fn tls(&self, pair: Option<&Pair>) -> Arc<ClientConfig> {
        authority::client(&self.server_ca, pair)
    }

    /// What psql gets: the answer to [`QUERY`], or the server's last word.
    ///
    /// # Panics
    /// When psql does not start.
    #[must_use]
    pub fn psql(&self, psql: &Psql<'_>) -> String {
        let Psql { user, database, password, pair, tls, more } = psql;
        let none = Path::new("/nonexistent");
        let (certificate, key) =
            pair.map_or((none, none), |pair| (pair.certificate.as_path(), pair.key.as_path()));
        let target = format!(
            "host=127.0.0.1 port={} user={user} dbname={database} sslmode={} sslrootcert={} \
             sslcert={} sslkey={} connect_timeout=20 {more}",
            self.proxy.port(),
            if *tls { "verify-full" } else { "disable" },
            self.server_ca.display(),
            certificate.display(),
            key.display(),
        );
        let mut command = Command::new(crate::cluster::binaries().join("psql"));
        command.args(["-X", "-A", "-t", "-q", "-w", "-c", QUERY, &target]);
        command.env("PGPASSWORD", password).env("PGPASSFILE", "/nonexistent");
        let output = command.output().expect("psql starts");
        let said = match output.status.success() {
            true => output.stdout,
            false => output.stderr,
        };
        let said = String::from_utf8_lossy(&said).into_owned();
        let last = said.rsplit_once("failed: ").map_or(said.as_str(), |(_, last)| last);
        last.trim().to_owned()
    }

    /// A raw client that has sent its startup packet.
    ///
    /// # Panics
    /// When there is no connection.
    #[must_use]
    pub fn raw(&self, tls: bool, user: &str, database: &str) -> Client {
        let mut client = match tls {
            true => Client::open_tls(self.proxy.port(), self.tls(None)).expect("TLS"),
            false => Client::open(self.proxy.port()),
        };
        let packet = startup(&[("user", user), ("database", database)]);
        client.send_bytes(&packet).expect("somebody listens");
        client
    }
}

impl Default for Gates {
    fn default() -> Self {
        Self::new()
    }
}

fn rules() -> [&'static str; 9] {
    [
        "database: by_scram, method: scram",
        "database: by_plus, method: scram-plus",
        "database: by_certificate, method: certificate",
        "database: by_either, client_certificate: required, method: certificate",
        "database: by_either, method: scram",
        "database: by_token, method: token",
        "database: by_oauth, method: oauth",
        "database: by_query, method: auth_query",
        "database: by_nothing, method: reject",
    ]
}

/// Roles with passwords in the database, good and bad, and the function through which a role without rights asks.
const STORED: &str = "
CREATE ROLE dora LOGIN PASSWORD 'dora_pw' VALID UNTIL '2100-01-01';
CREATE ROLE edda LOGIN PASSWORD 'edda_pw' VALID UNTIL '2020-01-01';
CREATE ROLE stranger LOGIN PASSWORD 'stranger_pw';
CREATE ROLE nele LOGIN;
SET password_encryption = md5;
CREATE ROLE mona LOGIN PASSWORD 'mona_pw';
CREATE FUNCTION public.stored_verifier(wanted text)
RETURNS TABLE (name text, verifier text, valid_until timestamptz)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS
$$ SELECT rolname::text, rolpassword, rolvaliduntil FROM pg_authid WHERE rolname = wanted AND rolcanlogin
   UNION ALL SELECT wanted, NULL, NULL FROM generate_series(1, 2) WHERE wanted = 'otto' $$;
REVOKE EXECUTE ON FUNCTION public.stored_verifier FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.stored_verifier TO pgcordon;
";

/// What OAUTHBEARER came to: the answer to [`QUERY`], or the challenge and the server's last word.
pub fn oauth(client: &mut Client, message: &str) -> String {
    let Some(offer) = client.receive() else { return "closed".to_owned() };
    if offer.kind == b'E' {
        return said(&offer.body);
    }
    assert_eq!(offer.body, b"\0\0\0\x0aOAUTHBEARER\0\0");
    let mut body = terminated("OAUTHBEARER");
    let length = u32::try_from(message.len()).expect("short");
    body.extend(length.to_be_bytes());
    body.extend(message.as_bytes());
    client.send(b'p', &body);
    let mut heard = String::new();
    while let Some(message) = client.receive() {
        match message.kind {
            b'R' if message.body.starts_with(b"\0\0\0\x0b") => {
                let challenge: serde_json::Value =
                    serde_json::from_slice(&message.body[4..]).expect("JSON");
                heard.push_str(&format!("{challenge} "));
                client.send(b'p', b"\x01");
            }
            b'E' => return heard + &said(&message.body),
            b'Z' => return client.simple(QUERY).table(),
            _ => {}
        }
    }
    heard + "closed"
}

fn said(body: &[u8]) -> String {
    let message = crate::wire::Message { kind: b'E', body: body.to_vec() };
    let error: ServerError = Answer::read(&[message]).error.unwrap_or_default();
    format!("{} {}", error.sqlstate(), error.message())
}

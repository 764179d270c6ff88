//! Each way in × right, wrong, expired, revoked, malformed, over TLS and plain.
//!
//! In:  psql (libpq), and the raw client for what Debian's libpq does not speak.
//! Out: the row count of a person who got in, or the words of the refusal.

use e2e::authority::{Authority, Pair, Subject};
use e2e::gates::{Gates, Psql, QUERY, oauth};
use e2e::tokens::{ISSUER, Signer, by_secret, now, unsigned};
use serde_json::{Value, json};

const IN: &str = "3";
const NEEDS_TLS: &str = "FATAL:  SSL connection is required";

fn denied(user: &str) -> String {
    format!("FATAL:  password authentication failed for user \"{user}\"")
}

/// | way | user | password | over TLS | outcome |
#[test]
fn scram() {
    let gates = Gates::new();
    let try_ = |database: &str, user: &str, password: &str, tls: bool| {
        gates.psql(&Psql { user, database, password, tls, ..Psql::default() })
    };
    for tls in [true, false] {
        assert_eq!(try_("by_scram", "rita", "rita_pw", tls), IN);
        assert_eq!(try_("by_scram", "rita", "wrong", tls), denied("rita"));
        assert_eq!(try_("by_scram", "nobody", "rita_pw", tls), denied("nobody"));
        // Without a password in the policy, whatever the database has.
        assert_eq!(try_("by_scram", "dora", "dora_pw", tls), denied("dora"));
        assert_eq!(try_("by_nothing", "rita", "rita_pw", tls), denied("rita"));
        // No rule is about it.
        assert_eq!(try_("elsewhere", "rita", "rita_pw", tls), denied("rita"));
        assert_eq!(try_("elsewhere", "nobody", "rita_pw", tls), denied("nobody"));
    }
    assert_eq!(try_("by_plus", "rita", "rita_pw", true), IN);
    assert_eq!(try_("by_plus", "rita", "wrong", true), denied("rita"));
    assert_eq!(try_("by_plus", "rita", "rita_pw", false), NEEDS_TLS);
    let unbound = Psql {
        user: "rita",
        database: "by_plus",
        password: "rita_pw",
        tls: true,
        more: "channel_binding=disable",
        ..Psql::default()
    };
    assert!(gates.psql(&unbound).contains("none of the server's SASL authentication mechanisms"));
}

#[test]
fn certificates() {
    let gates = Gates::new();
    let sign = |file: &str, subject: &Subject<'_>| gates.certificate(file, subject);
    let try_ = |user: &str, database: &str, pair: Option<&Pair>, tls: bool| {
        gates.psql(&Psql { user, database, pair, tls, ..Psql::default() })
    };
    let rita = sign("rita", &Subject { name: "rita", serial: 1, ..Subject::default() });
    assert_eq!(try_("rita", "by_certificate", Some(&rita), true), IN);
    assert_eq!(try_("rita", "by_either", Some(&rita), true), IN);
    let refused =
        |user: &str| format!("FATAL:  certificate authentication failed for user \"{user}\"");
    assert_eq!(try_("dora", "by_certificate", Some(&rita), true), refused("dora"));
    assert_eq!(try_("nobody", "by_certificate", Some(&rita), true), refused("nobody"));
    let needed = "FATAL:  connection requires a valid client certificate";
    assert_eq!(try_("rita", "by_certificate", None, true), needed);
    assert_eq!(try_("rita", "by_certificate", Some(&rita), false), NEEDS_TLS);

    let emails = ["dora@corp.example", "dora@else.example"];
    let mapped = sign("dora", &Subject { emails: &emails, serial: 2, ..Subject::default() });
    assert_eq!(try_("dora", "by_certificate", Some(&mapped), true), IN);
    let emails = ["dora@corp.example.evil"];
    let evil = sign("evil", &Subject { emails: &emails, serial: 3, ..Subject::default() });
    assert_eq!(try_("dora", "by_certificate", Some(&evil), true), refused("dora"));
    let units = ["team seven"];
    let subject = Subject { name: "rita", units: &units, serial: 4, ..Subject::default() };
    let bad = sign("bad", &subject);
    let problem = try_("rita", "by_certificate", Some(&bad), true);
    assert!(problem.starts_with("FATAL:  your attribute \"teams\""), "{problem}");

    let expired =
        Subject { name: "rita", years: Some((2020, 2021)), serial: 5, ..Subject::default() };
    let early = Subject { years: Some((2100, 2101)), serial: 6, ..expired.clone() };
    let revoked = Subject { name: "rita", serial: 666, ..Subject::default() };
    let stranger = Authority::new("people");
    let forged =
        stranger.sign(gates.scratch.path(), "forged", &Subject { serial: 7, ..revoked.clone() });
    for (pair, alert) in [
        (sign("expired", &expired), "expired"),
        (sign("early", &early), "expired"),
        (sign("revoked", &revoked), "revoked"),
        (forged, "alert"),
    ] {
        // A bad certificate is refused by the handshake, whatever the way in.
        for database in ["by_certificate", "by_scram"] {
            let outcome = gates.psql(&Psql {
                user: "rita",
                database,
                password: "rita_pw",
                pair: Some(&pair),
                tls: true,
                ..Psql::default()
            });
            assert!(outcome.contains(alert) && outcome != IN, "{alert}: {outcome}");
        }
    }
    // A client without one logs in as the next rule says.
    let scram = |password| {
        gates.psql(&Psql {
            user: "rita",
            database: "by_either",
            password,
            tls: true,
            ..Psql::default()
        })
    };
    assert_eq!(scram("rita_pw"), IN);
    assert_eq!(scram("wrong"), denied("rita"));
}

/// Claims, and what becomes of a token with them.
fn tokens(gates: &Gates) -> Vec<(&'static str, String, bool)> {
    let other = Signer::new("one");
    let sign = |changes: Value| gates.signer.sign(&changes);
    let good = sign(json!({}));
    let (head, _) = good.rsplit_once('.').expect("three parts");
    vec![
        ("right", good.clone(), true),
        ("expired", sign(json!({ "exp": now() - 60 })), false),
        ("not yet valid", sign(json!({ "nbf": now() + 60 })), false),
        ("for somebody else", sign(json!({ "aud": "other" })), false),
        ("of another issuer", sign(json!({ "iss": format!("{ISSUER}/") })), false),
        ("for another user", sign(json!({ "sub": "dora" })), false),
        ("without an end", sign(json!({ "exp": null })), false),
        ("without a subject", sign(json!({ "sub": null })), false),
        ("with a malformed claim", sign(json!({ "teams": { "a": 1 } })), false),
        ("signed by another key", other.sign(&json!({})), false),
        (
            "signed by the public key as a secret",
            by_secret(gates.signer.public().as_bytes()),
            false,
        ),
        ("unsigned", unsigned(&good), false),
        ("cut short", head.to_owned(), false),
        ("rubbish", "rubbish".to_owned(), false),
    ]
}

#[test]
fn tokens_as_passwords() {
    let gates = Gates::new();
    let try_ = |user: &str, password: &str, tls: bool| {
        gates.psql(&Psql { user, database: "by_token", password, tls, ..Psql::default() })
    };
    for (what, token, right) in tokens(&gates) {
        let expected = if right { IN.to_owned() } else { denied("rita") };
        assert_eq!(try_("rita", &token, true), expected, "{what}");
        // Nobody is asked for a token where others could read it.
        assert_eq!(try_("rita", &token, false), NEEDS_TLS, "{what}");
    }
    assert_eq!(try_("rita", "rita_pw", true), denied("rita"));
    // A person whom only the issuer knows, with what the token says of them.
    let tina = |changes: Value| gates.signer.sign(&changes);
    assert_eq!(try_("tina", &tina(json!({ "sub": "tina" })), true), IN);
    let south = json!({ "sub": "tina", "groups": ["reps"], "region": "South" });
    assert_eq!(try_("tina", &tina(south), true), "2");
    let stranger = json!({ "sub": "tina", "groups": ["unheard of"] });
    let refused = try_("tina", &tina(stranger), true);
    assert!(refused.starts_with("FATAL:  permission denied for database"), "{refused}");
    let lacking = json!({ "sub": "tina", "groups": ["reps"], "region": null });
    let refused = try_("tina", &tina(lacking), true);
    assert!(refused.contains("needs the attribute \"region\""), "{refused}");
    let odd = json!({ "teams": ["seven"] });
    let refused = try_("rita", &tina(odd), true);
    assert!(refused.starts_with("FATAL:  your attribute \"teams\""), "{refused}");
    let log = gates.proxy.log();
    assert!(log.contains("the token has expired"), "{log}");
    let (good, _) = gates
        .signer
        .sign(&json!({}))
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("three parts");
    let (header, _) = good.split_once('.').expect("a header");
    assert!(!log.contains(header), "no token in the log");
}

#[test]
fn oauthbearer() {
    let gates = Gates::new();
    let message = |token: &str| format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}");
    let challenge = format!(
        "{{\"openid-configuration\":\"{ISSUER}/.well-known/openid-configuration\",\
         \"scope\":\"openid groups\",\"status\":\"invalid_token\"}}"
    );
    let refused = format!("{challenge} 28000 OAuth bearer authentication failed for user \"rita\"");
    for (what, token, right) in tokens(&gates) {
        let mut client = gates.raw(true, "rita", "by_oauth");
        let expected = if right { IN } else { refused.as_str() };
        assert_eq!(oauth(&mut client, &message(&token)), expected, "{what}");
        let mut client = gates.raw(false, "rita", "by_oauth");
        assert_eq!(
            oauth(&mut client, &message(&token)),
            "28000 SSL connection is required",
            "{what}"
        );
    }
    let good = gates.signer.sign(&json!({}));
    let try_ = |message: &str| oauth(&mut gates.raw(true, "rita", "by_oauth"), message);
    // Where a client asks first.
    assert_eq!(try_("n,,\u{1}auth=\u{1}\u{1}"), refused);
    assert_eq!(try_(&format!("y,,\u{1}host=h\u{1}auth=bearer  {good}\u{1}\u{1}")), IN);
    for malformed in [
        String::new(),
        good.clone(),
        format!("n,a=dora,\u{1}auth=Bearer {good}\u{1}\u{1}"),
        format!("p=tls-server-end-point,,\u{1}auth=Bearer {good}\u{1}\u{1}"),
        format!("n,,\u{1}auth=Bearer {good}\u{1}"),
        format!("n,,\u{1}auth=Bearer {good}\u{1}auth=Bearer {good}\u{1}\u{1}"),
    ] {
        assert_eq!(try_(&malformed), "08P01 malformed authentication message", "{malformed:?}");
    }
}

/// The real client: libpq 18 asks where tokens come from, compares the issuer, and sends the token.
#[test]
fn oauthbearer_by_libpq_18() {
    let gates = Gates::new();
    let try_ = |token: &str, sslmode: &str, issuer: &str| {
        let target = format!(
            "host=127.0.0.1 port={} user=rita dbname=by_oauth sslmode={sslmode} sslrootcert={} \
             oauth_issuer={issuer} oauth_client_id=x connect_timeout=20",
            gates.proxy.port(),
            gates.server_ca.display()
        );
        let script = e2e::repository().join("tests/clients/libpq_oauth.py");
        let mut command = std::process::Command::new("python3");
        let output = command.arg(script).args([target.as_str(), token, QUERY]).output();
        let output = output.expect("python3 starts");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).trim().to_owned()
    };
    let told = format!("{ISSUER}/.well-known/openid-configuration openid groups");
    let good = gates.signer.sign(&json!({}));
    assert_eq!(try_(&good, "verify-full", ISSUER), format!("{IN}\n{told}"));
    let expired = gates.signer.sign(&json!({ "exp": now() - 60 }));
    let refused = "FATAL:  OAuth bearer authentication failed for user \"rita\"";
    assert_eq!(try_(&expired, "verify-full", ISSUER), format!("{refused}\n{told}"));
    assert_eq!(try_(&good, "disable", ISSUER), NEEDS_TLS);
    let other = try_(&good, "verify-full", "https://evil.example");
    assert!(other.contains("is incompatible with oauth_issuer"), "{other}");
}

#[test]
fn verifiers_of_the_database() {
    let gates = Gates::new();
    let try_ = |user: &str, password: &str, more: &str| {
        gates.psql(&Psql {
            user,
            database: "by_query",
            password,
            tls: true,
            more,
            ..Psql::default()
        })
    };
    assert_eq!(try_("dora", "dora_pw", ""), IN);
    assert_eq!(try_("dora", "wrong", ""), denied("dora"));
    // The policy's own password counts where it has one.
    assert_eq!(try_("rita", "rita_pw", ""), IN);
    for (user, password) in [
        ("edda", "edda_pw"),         // VALID UNTIL is over
        ("mona", "mona_pw"),         // md5
        ("nele", ""),                // no password
        ("otto", "otto_pw"),         // two rows
        ("stranger", "stranger_pw"), // in the database, not in the policy
        ("nobody", "nobody_pw"),     // nowhere
        ("postgres", "postgres_pw"), // the superuser
    ] {
        let password = if password.is_empty() { "x" } else { password };
        assert_eq!(try_(user, password, ""), denied(user), "{user}");
    }
    let log = gates.proxy.log();
    for reason in
        ["has expired", "hashed by md5", "no password in the database", "more than one row"]
    {
        assert!(log.contains(reason), "{reason}\n{log}");
    }
    assert!(!log.contains("SCRAM-SHA-256$") && !log.contains("_pw"), "{log}");
    // A search_path of the client's does not reach the look-up (CVE-2025-12819).
    gates.cluster.admin("shop").run(
        "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
         CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2000-01-01'::timestamptz $$;",
    );
    assert_eq!(try_("edda", "edda_pw", "options='-c search_path=evil,pg_catalog'"), denied("edda"));
    // The end of validity comes while pgcordon runs.
    gates.cluster.admin("shop").run("ALTER ROLE dora VALID UNTIL '2021-01-01'");
    assert_eq!(try_("dora", "dora_pw", ""), denied("dora"));
}

//! What happens around a login: keys that change, tokens that end, lists that are renewed, look-ups, brute force.
//!
//! In:  pgcordon with every way in.
//! Out: who gets in, for how long, and what the log says.

use std::collections::BTreeSet;

use e2e::Client;
use e2e::authority::{Authority, Scratch, Subject, server};
use e2e::gates::{Gates, Psql, QUERY, policy};
use e2e::process::{PATIENCE, poll};
use e2e::proxy::{Files, Settings, configuration, pgcordon};
use e2e::tokens::{Published, Signer, now};
use e2e::wire::terminated;
use serde_json::json;

const IN: &str = "3";

fn denied(user: &str) -> String {
    format!("FATAL:  password authentication failed for user \"{user}\"")
}

fn by_token(gates: &Gates, user: &str, token: &str) -> String {
    let psql = Psql { user, database: "by_token", password: token, tls: true, ..Psql::default() };
    gates.psql(&psql)
}

/// A session that a token opened.
fn opened(gates: &Gates, token: &str) -> Client {
    let mut client = gates.raw(true, "rita", "by_token");
    client.receive().expect("a question");
    client.send(b'p', &terminated(token));
    let last = client.until_ready().pop().expect("an answer");
    assert_eq!(last.kind, b'Z', "{}", gates.proxy.log());
    client
}

#[test]
fn failures_are_limited_and_the_familiar_get_in() {
    let limits =
        "throttle: { per_user_and_address: 3, per_address: 6, recovery: 1h, max_delay: 100ms }";
    let gates = Gates::with("", limits);
    let scram = |user: &str, password: &str| {
        gates.psql(&Psql { user, database: "by_scram", password, ..Psql::default() })
    };
    assert_eq!(scram("rita", "rita_pw"), IN, "from now on she is known here");
    let dora = |password: &str| {
        gates.psql(&Psql { user: "dora", database: "by_query", password, ..Psql::default() })
    };
    for _ in 0..3 {
        assert_eq!(dora("wrong"), denied("dora"));
    }
    assert_eq!(dora("dora_pw"), denied("dora"), "the right one comes too late");
    // Names that exist and names that do not use up the address alike.
    let mut said = BTreeSet::new();
    for _ in 0..3 {
        said.insert(scram("nobody", "wrong"));
    }
    assert_eq!(said, BTreeSet::from([denied("nobody")]));
    assert_eq!(scram("max", "max_pw"), denied("max"), "never seen here");
    assert_eq!(scram("rita", "rita_pw"), IN);
    // What nobody can guess is not limited, and makes its user known.
    let good = gates.signer.sign(&json!({ "sub": "max" }));
    assert_eq!(by_token(&gates, "max", &good), IN);
    assert_eq!(scram("max", "max_pw"), IN);
    assert!(gates.proxy.log().contains("too many failures before"));
}

#[test]
fn keys_change_at_their_address() {
    let (scratch, authority) = (Scratch::new(), Authority::new("keys"));
    let ca = authority.write(scratch.path().join("authority.crt"));
    let hosts = ["localhost"];
    let pair =
        authority.sign(scratch.path(), "keys", &Subject { hosts: &hosts, ..Subject::default() });
    let published = Published::start(server(&pair));
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    published.publish(&[one.jwk()]);
    let stranger = Authority::new("keys").write(scratch.path().join("stranger.crt"));
    let issuer = |name: &str, ca: &std::path::Path| {
        format!(
            "    {name}:\n      issuer: https://{name}.example\n      audience: [pgcordon]\n\
             \x20     jwks: {}\n      ca: {}\n      min_refresh: 2s\n      claims: {{ user: sub }}\n",
            published.url(),
            ca.display()
        )
    };
    let issuers = issuer("cloud", &ca) + &issuer("doubted", &stranger);
    let gates = Gates::with(&issuers, "throttle: { per_user_and_address: 1000, max_delay: 1ms }");
    let try_ = |signer: &Signer, issuer: &str| {
        let token = signer.sign(&json!({ "iss": format!("https://{issuer}.example") }));
        by_token(&gates, "rita", &token)
    };
    assert_eq!(published.fetches(), 0, "nobody has asked yet");
    assert_eq!(try_(&one, "cloud"), IN, "{}", gates.proxy.log());
    assert_eq!(try_(&one, "cloud"), IN);
    assert_eq!(published.fetches(), 1, "kept");
    let started = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(try_(&two, "cloud"), denied("rita"), "not published");
    }
    let most = 2 + usize::try_from(started.elapsed().as_secs() / 2).expect("small");
    assert!(published.fetches() <= most, "{} fetches", published.fetches());
    published.publish(&[two.jwk()]);
    let rotated = poll(PATIENCE, || (try_(&two, "cloud") == IN).then_some(()));
    assert!(rotated.is_some(), "{}", gates.proxy.log());
    assert_eq!(try_(&one, "cloud"), denied("rita"), "withdrawn");
    // A server that its CA does not vouch for publishes nothing.
    assert_eq!(try_(&two, "doubted"), denied("rita"));
    assert!(gates.proxy.log().contains("keys for tokens not fetched"), "{}", gates.proxy.log());
}

#[test]
fn a_session_ends_with_its_token() {
    let scratch = Scratch::new();
    let signer = Signer::new("lasting");
    let keys = scratch.write("lasting.pem", &signer.public());
    let issuers = format!(
        "    lasting:\n      issuer: https://lasting.example\n      audience: [pgcordon]\n      keys: {}\n\
         \x20     session_until_exp: false\n      claims: {{ user: sub }}\n",
        keys.display()
    );
    let gates = Gates::with(&issuers, "throttle: { max_delay: 1ms }");
    let until = json!({ "exp": now() + 3 });
    let lasting = json!({ "iss": "https://lasting.example", "exp": now() + 3 });
    let mut stays = opened(&gates, &signer.sign(&lasting));
    let mut idle = opened(&gates, &gates.signer.sign(&until));
    let mut busy = opened(&gates, &gates.signer.sign(&until));
    assert_eq!(busy.simple("BEGIN").status, 'T');
    assert_eq!(idle.simple(QUERY).table(), IN);
    for mut client in [idle, busy] {
        let last = client.receive().expect("the last word");
        assert_eq!(last.kind, b'E');
        assert!(last.text().contains("terminating connection because the token has expired"));
        assert!(client.receive().is_none(), "closed");
    }
    assert_eq!(stays.simple(QUERY).table(), IN);
    // The token itself opens nothing any more.
    let again = signer.sign(&json!({ "iss": "https://lasting.example", "exp": now() - 40 }));
    assert_eq!(by_token(&gates, "rita", &again), denied("rita"));
}

#[test]
fn a_new_list_of_revoked_certificates() {
    let gates = Gates::new();
    let pair =
        gates.certificate("rita", &Subject { name: "rita", serial: 7, ..Subject::default() });
    let try_ = || {
        gates.psql(&Psql {
            user: "rita",
            database: "by_certificate",
            pair: Some(&pair),
            tls: true,
            ..Psql::default()
        })
    };
    assert_eq!(try_(), IN);
    let list = gates.scratch.path().join("people.crl");
    let _ = gates.people.revoke(list.clone(), &[7, 666], 2100);
    gates.proxy.reload(&policy());
    let revoked = poll(PATIENCE, || try_().contains("revoked").then_some(()));
    assert!(revoked.is_some(), "{}", gates.proxy.log());
    // A broken one changes nothing: who was revoked stays so.
    std::fs::write(&list, "rubbish").expect("the folder is writable");
    gates.proxy.reload(&policy());
    let noticed =
        poll(PATIENCE, || gates.proxy.log().contains("no revocation list in it").then_some(()));
    assert!(noticed.is_some() && try_().contains("revoked"), "{}", gates.proxy.log());
    // A list whose time is over says nothing about anybody: nobody gets in.
    let _ = gates.people.revoke(list.clone(), &[], 2022);
    gates.proxy.reload(&policy());
    let stale = poll(PATIENCE, || {
        let outcome = try_();
        (outcome != IN && !outcome.contains("revoked")).then_some(())
    });
    assert!(stale.is_some(), "{}", gates.proxy.log());
    let _ = gates.people.revoke(list, &[], 2100);
    gates.proxy.reload(&policy());
    assert!(poll(PATIENCE, || (try_() == IN).then_some(())).is_some(), "{}", gates.proxy.log());
}

/// What is wrong with a look-up is told by `check`, not by the first login.
#[test]
fn look_ups_are_checked() {
    let gates = Gates::new();
    let check = |edit: &dyn Fn(&str) -> String| {
        let settings =
            Settings { port: 6432, upstream_port: gates.cluster.port(), more: &edit(&gates.more) };
        let files = Files::write(&configuration(&settings), &policy());
        let path = files.configuration();
        let output = pgcordon(&["check", "--config", path.to_str().expect("UTF-8")]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (fine, said) = check(&str::to_owned);
    assert!(fine, "{said}");
    for (wrong, expected) in [
        ("SELECT 1, $1", "auth_query: the query failed"),
        ("SELECT * FROM public.nowhere($1)", "function public.nowhere"),
        ("SELECT $1, NULL, ''now''", "auth_query: the query failed"),
    ] {
        let edit = |more: &str| more.replace("SELECT * FROM public.stored_verifier($1)", wrong);
        let (fine, said) = check(&edit);
        assert!(!fine && said.contains(expected), "{wrong}: {said}");
    }
    let with = |sql: &str| {
        let query = format!("attributes_query: {{ upstream: main, dbname: shop, sql: \"{sql}\" }}");
        check(&|more: &str| format!("{more}  {query}\n"))
    };
    let (fine, said) = with("SELECT region FROM public.customers WHERE name = $1");
    assert!(fine, "{said}");
    let (fine, said) = with("SELECT name FROM public.customers WHERE name = $1");
    assert!(!fine && said.contains("column `name` is not an attribute"), "{said}");
}

#[test]
fn attributes_come_from_the_database() {
    let query = "attributes_query: { upstream: main, dbname: shop, cache: 1h, sql: 'SELECT * FROM public.known WHERE who = $1' }";
    // Read at start: the table comes before the first login.
    let gates = Gates::with("", query);
    let mut admin = gates.cluster.admin("shop");
    admin.run(
        "CREATE TABLE public.known (who text, region text, teams int[]);
         GRANT SELECT ON public.known TO pgcordon;
         INSERT INTO public.known VALUES ('rita', 'South', '{1,2}'), ('dora', NULL, NULL),
           ('edda', 'North', NULL), ('edda', 'South', NULL)",
    );
    let try_ = |user: &str, sub: &str| {
        by_token(
            &gates,
            user,
            &gates.signer.sign(&json!({ "sub": sub, "region": null, "groups": null })),
        )
    };
    assert_eq!(try_("rita", "rita"), "2", "what the database says outranks the group");
    assert_eq!(try_("dora", "dora"), IN, "null is missing: the group's value");
    assert_eq!(try_("nele", "nele"), IN, "no row");
    let failed =
        |user: &str| format!("FATAL:  the attributes of user \"{user}\" could not be looked up");
    assert_eq!(try_("edda", "edda"), failed("edda"), "two rows");
    admin.run("UPDATE public.known SET region = 'North' WHERE who = 'rita'");
    assert_eq!(try_("rita", "rita"), "2", "remembered");
    gates.proxy.reload(&policy());
    let renewed = poll(PATIENCE, || (try_("rita", "rita") == IN).then_some(()));
    assert!(renewed.is_some(), "{}", gates.proxy.log());
    admin.run("ALTER TABLE public.known ADD COLUMN salary int");
    assert_eq!(try_("mona", "mona"), IN, "no row, no column");
    admin.run("INSERT INTO public.known VALUES ('otto', 'North', NULL, 7)");
    assert_eq!(try_("otto", "otto"), failed("otto"), "undeclared");
    assert!(gates.proxy.log().contains("column `salary` is not an attribute"));
    admin.run("REVOKE SELECT ON public.known FROM pgcordon");
    assert_eq!(try_("tina", "tina"), failed("tina"), "an error");
}

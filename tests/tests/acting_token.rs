//! For whom by a signed token (`pgcordon.token`), and what the database adds about the person.
//!
//! In:  a service account; tokens good and bad, of people whom the policy lists and of one whom only the issuer knows.
//! Out: the rows of the person, or the refusal.

use e2e::authority::Scratch;
use e2e::proxy::{Proxy, verifier};
use e2e::script::converse;
use e2e::stage::{PLAIN, Stage, databases, password, policy};
use e2e::tokens::{ISSUER, Signer, now, unsigned};
use e2e::{Client, wire};
use serde_json::json;

const REGION: &str = "SELECT DISTINCT region FROM customers";

const PEOPLE: &str = "\
    CREATE TABLE public.people (login text, region text);
    INSERT INTO public.people VALUES ('quin', 'South'), ('tina', NULL);
    GRANT SELECT ON public.people TO pgcordon;";

struct Issued {
    stage: Stage,
    signer: Signer,
    _files: Scratch,
}

fn issued() -> Issued {
    let (cluster, files, signer) = (databases(), Scratch::new(), Signer::new("one"));
    cluster.admin(PLAIN).run(PEOPLE);
    let users = format!(
        "users:\n  app: {{ password: \"{}\", roles: [viewer], may_act_as: {{ roles: [sales_rep] }} }}\n  \
         quin: {{ roles: [sales_rep] }}\n",
        verifier(&password("app"))
    );
    let groups = "groups:\n  bosses: { roles: [manager] }\n  reps: { roles: [sales_rep] }\n";
    let policy = policy().replacen("users:\n", &users, 1).replacen("groups:\n", groups, 1);
    let more = format!(
        "auth:\n  rules: [{{ method: scram }}]\n  tokens:\n    corp:\n      issuer: {ISSUER}\n      audience: [pgcordon]\n\
         \x20     keys: {}\n      leeway: 1s\n      algorithms: [ES256]\n\
         \x20     claims: {{ user: sub, groups: groups, attributes: {{ region: region }} }}\n\
         \x20 attributes_query: {{ upstream: main, dbname: shop, cache: 60s, sql: \"SELECT region FROM public.people WHERE login = $1\" }}\n",
        files.write("corp.pem", &signer.public()).display(),
    );
    let proxy = Proxy::start_pooled(cluster.port(), &policy, &more, 1);
    Issued { stage: Stage { proxy, cluster }, signer, _files: files }
}

fn ask(client: &mut Client, sql: &str) -> String {
    let answer = client.simple(sql);
    if answer.error.is_some() {
        return answer.sqlstate().to_owned();
    }
    answer.table().trim().replace('\n', ",")
}

#[test]
fn a_token_says_for_whom() {
    let Issued { stage, signer, .. } = issued();
    let mut app = stage.client("app");
    let good = [
        // Rita stands in the policy, and her group gives her region; the claim says the same.
        (signer.sign(&json!({})), "rita", "North"),
        // The claim wins over the group.
        (signer.sign(&json!({ "region": "South" })), "rita", "South"),
        // Nobody but the issuer knows Tina.
        (
            signer.sign(&json!({ "sub": "tina", "groups": ["reps"], "region": "South" })),
            "tina",
            "South",
        ),
    ];
    for (token, person, region) in &good {
        assert_eq!(ask(&mut app, &format!("SET pgcordon.token = '{token}'")), "");
        assert_eq!(ask(&mut app, "SHOW pgcordon.user"), *person);
        assert_eq!(ask(&mut app, REGION), *region);
        assert_eq!(ask(&mut app, "SHOW pgcordon.token"), "42501");
        assert_eq!(ask(&mut app, "RESET pgcordon.token"), "");
        assert_eq!(ask(&mut app, REGION), "42P01");
        let script = format!(
            "parse -: BEGIN\nbind - -\nexecute -\n\
             parse -: SELECT set_config('pgcordon.token', $1, true)\nbind - - ({token})\nexecute -\n\
             parse -: {REGION}\nbind - -\nexecute -\nparse -: COMMIT\nbind - -\nexecute -\nsync"
        );
        let expected = format!(
            "1\n2\nC BEGIN\n1\n2\nD {person}\nC SELECT 1\n1\n2\nD {region}\nC SELECT 1\n1\n2\nC COMMIT\nZ I"
        );
        assert_eq!(converse(&mut app, &script), expected);
        assert_eq!(ask(&mut app, REGION), "42P01");
        let parameters = [("user", "app"), ("database", PLAIN), ("pgcordon.token", token)];
        let started = Client::login_with(stage.proxy.port(), &password("app"), &parameters);
        assert_eq!(ask(&mut started.expect("a session"), REGION), *region);
    }
    let (token, ..) = &good[0];
    let mut rita = stage.client("rita");
    assert_eq!(
        ask(&mut rita, &format!("SET pgcordon.token = '{token}'")),
        "42501",
        "not hers to use"
    );
    let bad = [
        ("of another key", Signer::new("one").sign(&json!({}))),
        ("of yesterday", signer.sign(&json!({ "exp": now() - 5 }))),
        ("for somebody else", signer.sign(&json!({ "aud": "another" }))),
        ("of another issuer", signer.sign(&json!({ "iss": "https://other.example" }))),
        ("unsigned", unsigned(token)),
        ("a manager's", signer.sign(&json!({ "sub": "mia", "groups": ["bosses"] }))),
        ("of one with more roles", signer.sign(&json!({ "groups": ["north", "bosses"] }))),
        ("of one without any", signer.sign(&json!({ "sub": "mia", "groups": [] }))),
        ("no token", "rita".to_owned()),
        ("nothing", String::new()),
    ];
    for (what, token) in bad {
        assert_eq!(ask(&mut app, &format!("SET pgcordon.token = '{token}'")), "42501", "{what}");
        assert_eq!(ask(&mut app, REGION), "42P01", "{what}");
    }
    let log = stage.proxy.log();
    assert!(!good.iter().any(|(token, ..)| log.contains(token)), "a token is a secret");
}

#[test]
fn what_rests_on_a_token_ends_with_it() {
    let Issued { stage, signer, .. } = issued();
    let mut app = stage.client("app");
    let token = signer.sign(&json!({ "exp": now() + 3 }));
    assert_eq!(ask(&mut app, &format!("SET pgcordon.token = '{token}'")), "");
    let mut last = ask(&mut app, REGION);
    assert_eq!(last, "North");
    for _ in 0..200_000 {
        if last != "North" {
            break;
        }
        last = ask(&mut app, REGION);
    }
    assert_eq!(last, "57P01");
    app.send(b'Q', &wire::terminated("SELECT 1"));
    assert!(app.is_closed());
}

#[test]
fn the_database_adds_attributes_of_the_person() {
    let Issued { stage, .. } = issued();
    let mut app = stage.client("app");
    assert_eq!(ask(&mut app, "SET pgcordon.user = 'quin'"), "");
    assert_eq!(ask(&mut app, REGION), "South");
    let identity = ask(&mut app, "SHOW pgcordon.identity");
    assert!(
        identity.contains("attribute|region|'South'::pg_catalog.text|attributes query"),
        "{identity}"
    );
    stage.cluster.admin(PLAIN).run("ALTER TABLE public.people RENAME TO gone");
    // Remembered for a while; of somebody else nothing is known, and then they cannot be acted for.
    assert_eq!(ask(&mut app, "RESET pgcordon.user; SET pgcordon.user = 'quin'"), "");
    assert_eq!(ask(&mut app, "SET pgcordon.user = 'ralf'"), "58000");
    assert_eq!(ask(&mut app, "SHOW pgcordon.user"), "quin");
}

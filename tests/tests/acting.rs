//! Acting for others: every way to say for whom, each with the neighbour that is denied.
//!
//! In:  the shop's people; `app`, a service account that may act for sales reps; `olga`, an operator who may view as
//!      anybody; one upstream connection, so that each meets what another left.
//! Out: what each of them is answered. `acting_many.rs` does it ten thousand times at once.

use e2e::Client;
use e2e::proxy::{Proxy, verifier};
use e2e::script::converse;
use e2e::stage::{PLAIN, Stage, databases, password, policy};
use e2e::wire::Message;

const REGION: &str = "SELECT DISTINCT region FROM customers";

/// The shop's policy with those who act for others.
fn acting_policy() -> String {
    let roles = "roles:\n  operator: { includes: [viewer], bypass: true, view_as: true }\n  \
                 helper: { includes: [viewer], view_as: true }\n";
    let user = |name: &str, more: &str| {
        format!("  {name}: {{ password: \"{}\", {more} }}\n", verifier(&password(name)))
    };
    let users = [
        "users:\n",
        &user("app", "roles: [viewer], may_act_as: { roles: [sales_rep] }"),
        &user("olga", "roles: [operator]"),
        &user("hana", "roles: [helper]"),
        &user("both", "roles: [sales_rep, manager], attributes: { region: North }"),
        &user("ada", "roles: [sales_rep, operator], attributes: { region: North }"),
    ]
    .concat();
    policy()
        .replacen(
            "sales_rep: { includes: [viewer] }",
            "sales_rep: { includes: [viewer], statements: [temporary] }",
            1,
        )
        .replacen("roles:\n", roles, 1)
        .replacen("users:\n", &users, 1)
}

fn stage() -> Stage {
    let cluster = databases();
    let more = "limits: { queue_timeout: 3s }\n";
    let proxy = Proxy::start_pooled(cluster.port(), &acting_policy(), more, 1);
    Stage { proxy, cluster }
}

/// The rows of a query, or its error.
fn ask(client: &mut Client, sql: &str) -> String {
    let answer = client.simple(sql);
    if answer.error.is_some() {
        return answer.sqlstate().to_owned();
    }
    answer.table().trim().replace('\n', ",")
}

/// Each statement and what it is answered.
fn check(client: &mut Client, conversation: &[(&str, &str)]) {
    for (number, (sql, expected)) in conversation.iter().enumerate() {
        assert_eq!(ask(client, sql), *expected, "{number}: {sql}");
    }
}

/// One write of the extended protocol and its answer, a line a message.
fn check_script(client: &mut Client, script: &str, expected: &str) {
    let expected: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(converse(client, script).lines().collect::<Vec<_>>(), expected, "{script}");
}

#[test]
fn forms_of_the_simple_protocol() {
    let stage = stage();
    let mut app = stage.client("app");
    let conversation = [
        (REGION, "42P01"),
        ("SHOW pgcordon.user", "app"),
        ("SET pgcordon.user = 'rita'", ""),
        (REGION, "North"),
        ("SHOW pgcordon.user", "rita"),
        ("SELECT current_setting('pgcordon.user')", "rita"),
        ("SET SESSION pgcordon.user TO ralf", ""),
        (REGION, "South"),
        ("RESET pgcordon.user", ""),
        (REGION, "42P01"),
        ("SELECT set_config('pgcordon.user', 'rita', false)", "rita"),
        (REGION, "North"),
        ("SET pgcordon.user TO DEFAULT", ""),
        (REGION, "42P01"),
        ("SELECT pg_catalog.set_config('PGCORDON.user', 'ralf', false) AS x", "ralf"),
        (REGION, "South"),
        ("SET \"pgcordon.user\" = 'app'", ""),
        (REGION, "42P01"),
        ("SELECT set_config('pgcordon.user', 'rita', false)", "rita"),
        ("SELECT set_config('pgcordon.user', NULL, false)", "app"),
        (REGION, "42P01"),
        ("SELECT set_config(E'pgcordon\\x2euser', 'rita', false)", "rita"),
        ("DISCARD ALL", ""),
        (REGION, "42P01"),
        // For a transaction.
        ("SET LOCAL pgcordon.user = 'rita'", ""),
        (REGION, "42P01"),
        ("BEGIN", ""),
        ("SET LOCAL pgcordon.user = 'rita'", ""),
        (REGION, "North"),
        ("COMMIT", ""),
        (REGION, "42P01"),
        (
            "BEGIN; SET LOCAL pgcordon.user = 'ralf'; SELECT DISTINCT region FROM customers; COMMIT",
            "South",
        ),
        (REGION, "42P01"),
        ("SET LOCAL pgcordon.user = 'rita'; SELECT DISTINCT region FROM customers", "North"),
        (REGION, "42P01"),
        ("BEGIN; SELECT set_config('pgcordon.user', 'ralf', true)", "ralf"),
        (REGION, "South"),
        ("ROLLBACK", ""),
        (REGION, "42P01"),
        ("SET pgcordon.user = 'rita'; SELECT DISTINCT region FROM customers", "North"),
        (REGION, "North"),
    ];
    check(&mut app, &conversation);
    let tags: Vec<String> = app
        .simple("BEGIN; SET LOCAL pgcordon.user = 'ralf'; RESET pgcordon.user; SHOW pgcordon.user; COMMIT")
        .results
        .into_iter()
        .map(|result| result.tag)
        .collect();
    assert_eq!(tags, ["BEGIN", "SET", "RESET", "SHOW", "COMMIT"]);
    let warning = |sql: &str, client: &mut Client| {
        client.send(b'Q', &e2e::wire::terminated(sql));
        let notices = client.until_ready().into_iter().filter(|one| one.kind == b'N');
        notices.map(|notice: Message| notice.text()).collect::<String>()
    };
    assert!(warning("SET LOCAL pgcordon.user = 'ralf'", &mut app).contains("25P01"));
    assert_eq!(warning("SET LOCAL pgcordon.user = 'ralf'; SELECT 1", &mut app), "");
}

#[test]
fn nobody_else_and_for_nobody_else() {
    let stage = stage();
    let set = [
        "SET pgcordon.user = 'ralf'",
        "SET LOCAL pgcordon.user = 'ralf'",
        "RESET pgcordon.user",
        "SELECT set_config('pgcordon.user', 'ralf', false)",
        "SET pgcordon.token = 'x'",
    ];
    for user in ["rita", "max", "both"] {
        let mut client = stage.client(user);
        for sql in set {
            check(&mut client, &[(sql, "42501"), ("SHOW pgcordon.user", user)]);
        }
    }
    let mut app = stage.client("app");
    // A manager, a rep who is a manager as well, an operator, one who has bypass besides, and nobody.
    let refused: Vec<_> = ["max", "both", "olga", "ada", "nobody", "", "RITA", "rita "]
        .map(|name| {
            let answer = app.simple(&format!("SET pgcordon.user = '{name}'"));
            let error = answer.error.expect("refused");
            assert_eq!(ask(&mut app, "SHOW pgcordon.user"), "app", "{name}");
            (error.sqlstate().to_owned(), error.message().to_owned())
        })
        .into();
    let expected =
        ("42501".to_owned(), "permission denied to set parameter \"pgcordon.user\"".to_owned());
    assert!(refused.iter().all(|one| *one == expected), "{refused:?}");
    let others = [
        ("SELECT set_config('pgcordon.user', 'rita', false), 1", "42501"),
        ("SELECT set_config('pgcordon.user', 'ri' || 'ta', false)", "42501"),
        ("SELECT set_config('pgcordon.' || 'user', 'rita', false)", "0A000"),
        ("SELECT * FROM (SELECT set_config('pgcordon.user', 'rita', false)) AS x", "42501"),
        ("SELECT current_setting('pgcordon.user') || 'x'", "42501"),
        ("WITH x AS (SELECT set_config('pgcordon.user', 'rita', false)) TABLE x", "42501"),
        ("PREPARE p AS SELECT set_config('pgcordon.user', 'rita', false)", "42501"),
        ("DECLARE c CURSOR FOR SELECT set_config('pgcordon.user', 'rita', false)", "42501"),
        ("SET pgcordon.user = rita, ralf", "42601"),
        ("SET pgcordon.other = 'rita'", "42501"),
        ("SET pgcordon.identity = 'rita'", "42501"),
        ("SET pgcordon.token = 'rita'", "42501"),
        ("SHOW pgcordon.token", "42501"),
        ("SHOW pgcordon.other", "42501"),
        ("SELECT 1; SET pgcordon.user = 'rita'", "0A000"),
        ("SET pgcordon.user = 'rita'; SELECT 1; SET pgcordon.user = 'ralf'", "0A000"),
        ("SET pgcordon.user = 'rita'; TABLE payroll", "42P01"),
        ("SET pgcordon.user = 'rita'; SELECT 1/0", "22012"),
        (
            "SET LOCAL pgcordon.user = 'rita'; COMMIT; SELECT DISTINCT region FROM customers",
            "0A000",
        ),
        ("SHOW pgcordon.user", "app"),
        (REGION, "42P01"),
    ];
    check(&mut app, &others);
}

#[test]
fn the_extended_protocol_prepared_and_pipelined() {
    let stage = stage();
    let mut app = stage.client("app");
    let set = "parse s: SELECT set_config('pgcordon.user', $1, true)\n\
               parse q: SELECT DISTINCT region FROM regions WHERE budget > $1\nsync";
    // `regions` is everybody's; it has no such column.
    assert!(converse(&mut app, set).starts_with("1\nE 42703"), "a parse error skips the batch");
    check_script(
        &mut app,
        "parse s: SELECT set_config('pgcordon.user', $1, true)\nsync",
        "E 42P05\nZ I",
    );
    check_script(&mut app, "describe statement s\nsync", "t 1\nT set_config\nZ I");
    for (person, region) in [("rita", "North"), ("ralf", "South"), ("rita", "North")] {
        let script = format!(
            "parse -: BEGIN\nbind - -\nexecute -\nbind - s ({person})\ndescribe portal -\nexecute -\n\
             parse q: SELECT DISTINCT region FROM customers WHERE id > $1\nbind - q (0)\nexecute -\nclose statement q\n\
             parse -: COMMIT\nbind - -\nexecute -\nsync"
        );
        let expected = format!(
            "1\n2\nC BEGIN\n2\nT set_config\nD {person}\nC SELECT 1\n1\n2\nD {region}\nC SELECT 1\n3\n1\n2\nC COMMIT\nZ I"
        );
        check_script(&mut app, &script, &expected);
    }
    check(&mut app, &[(REGION, "42P01")]);
    // A statement that was prepared as one person runs as another: judged anew.
    check(&mut app, &[("SET pgcordon.user = 'rita'", "")]);
    check_script(&mut app, "parse r: SELECT DISTINCT region FROM customers\nsync", "1\nZ I");
    for (person, region) in [("ralf", "South"), ("rita", "North"), ("ralf", "South")] {
        check(&mut app, &[(&format!("SET pgcordon.user = '{person}'"), "")]);
        let expected = format!("2\nD {region}\nC SELECT 1\nZ I");
        check_script(&mut app, "bind - r\nexecute -\nsync", &expected);
    }
    check(&mut app, &[("RESET pgcordon.user", "")]);
    check_script(&mut app, "bind - r\nexecute -\nsync", "E 42P01\nZ I");
    // The batch is the transaction: what fails in it takes SET back.
    check_script(
        &mut app,
        "parse -: SET pgcordon.user = 'rita'\nbind - -\ndescribe portal -\nexecute -\n\
         parse -: SELECT DISTINCT region FROM customers\nbind - -\nexecute -\n\
         parse -: SELECT 1/0\nbind - -\nexecute -\nsync",
        "1\n2\nn\nC SET\n1\n2\nD North\nC SELECT 1\n1\nE 22012\nZ I",
    );
    check(&mut app, &[("SHOW pgcordon.user", "app"), (REGION, "42P01")]);
    let denied = [
        (
            "parse -: SELECT set_config('pgcordon.user', $1, true)\nbind - - (max)\nexecute -\nsync",
            "1\n2\nE 42501\nZ I",
        ),
        (
            "parse -: SELECT set_config($1, $2, $3)\nbind - - (role, postgres, f)\nexecute -\nsync",
            "1\nE 0A000\nZ I",
        ),
        (
            "parse -: SELECT set_config('pgcordon.user', $1, true)\nbind - - ()\nexecute -\nsync",
            "1\nE 08P01\nZ I",
        ),
        ("parse -: SET pgcordon.user = 'rita'; SELECT 1\nsync", "E 42601\nZ I"),
        // Behind a statement of the same implicit transaction.
        (
            "parse -: SELECT 1\nbind - -\nexecute -\nparse -: SET pgcordon.user = 'rita'\nbind - -\nexecute -\nsync",
            "1\n2\nD 1\nC SELECT 1\n1\n2\nE 25001\nZ I",
        ),
    ];
    for (script, expected) in denied {
        check_script(&mut app, script, expected);
        check(&mut app, &[("SHOW pgcordon.user", "app"), (REGION, "42P01")]);
    }
    let named = "parse -: SELECT set_config($1, $2, $3)\nbind - - (pgcordon.user, rita, f)\nexecute -\nsync";
    check_script(&mut app, named, "1\n2\nD rita\nC SELECT 1\nZ I");
    check(&mut app, &[(REGION, "North")]);
}

#[test]
fn messages_that_are_on_their_way_when_the_person_changes() {
    let stage = stage();
    let mut app = stage.client("app");
    let run = "parse -: SELECT DISTINCT region FROM customers\nbind - -\nexecute -";
    let local = |person: &str| {
        format!("parse -: SET LOCAL pgcordon.user = '{person}'\nbind - -\nexecute -\n{run}")
    };
    // Two transactions in one batch: the second is not begun before PostgreSQL was ready.
    let commit = "parse -: COMMIT\nbind - -\nexecute -";
    let begin = "parse -: BEGIN\nbind - -\nexecute -";
    let script = format!("{begin}\n{}\n{commit}\n{run}\nsync\n{run}\nsync", local("rita"));
    check_script(
        &mut app,
        &script,
        "1\n2\nC BEGIN\n1\n2\nC SET\n1\n2\nD North\nC SELECT 1\n1\n2\nC COMMIT\nE 25001\nZ I\nE 42P01\nZ I",
    );
    // Queries sent behind each other without waiting, each of them judged in its turn.
    let script = [
        "query SET pgcordon.user = 'rita'",
        "query SELECT DISTINCT region FROM customers",
        "query BEGIN",
        "query SET LOCAL pgcordon.user = 'ralf'",
        "query SELECT DISTINCT region FROM customers",
        "query COMMIT",
        "query SELECT DISTINCT region FROM customers",
        "query RESET ALL",
        "query SELECT DISTINCT region FROM customers",
    ];
    check_script(
        &mut app,
        &script.join("\n"),
        "C SET\nZ I\nT region\nD North\nC SELECT 1\nZ I\nC BEGIN\nZ T\nC SET\nZ T\nT region\nD South\nC SELECT 1\nZ T\n\
         C COMMIT\nZ I\nT region\nD North\nC SELECT 1\nZ I\nC RESET\nZ I\nE 42P01\nZ I",
    );
    // An error takes back what was set, also for what was sent behind it.
    let script = format!(
        "parse -: SET pgcordon.user = 'rita'\nbind - -\nexecute -\nparse -: SELECT 1/0\nbind - -\nexecute -\nsync\n{run}\nsync"
    );
    check_script(&mut app, &script, "1\n2\nC SET\n1\nE 22012\nZ I\nE 42P01\nZ I");
    // Nothing of one person's portal for the next.
    let script = "parse -: SET pgcordon.user = 'rita'\nbind - -\nexecute -\nsync\n\
                  parse -: SELECT DISTINCT region FROM customers\nbind p -\n\
                  parse -: SET pgcordon.user = 'ralf'\nbind - -\nexecute -\nexecute p\nsync";
    check_script(&mut app, script, "1\n2\nC SET\nZ I\n1\n2\n1\n2\nE 25001\nZ I");
    check(&mut app, &[(REGION, "North")]);
}

#[test]
fn transactions_hold_the_doings_of_one_person() {
    let stage = stage();
    let mut app = stage.client("app");
    let conversation = [
        // SET is undone by ROLLBACK and kept by COMMIT, as every setting.
        ("BEGIN; SET pgcordon.user = 'rita'", ""),
        (REGION, "North"),
        ("ROLLBACK", ""),
        (REGION, "42P01"),
        ("BEGIN; SET pgcordon.user = 'rita'; COMMIT", ""),
        (REGION, "North"),
        ("BEGIN; SET LOCAL pgcordon.user = 'ralf'", ""),
        (REGION, "South"),
        ("SELECT 1/0", "22012"),
        ("SET LOCAL pgcordon.user = 'rita'", "25P02"),
        ("SHOW pgcordon.user", "25P02"),
        ("COMMIT", ""),
        (REGION, "North"),
        // Not once something has run as somebody.
        ("BEGIN", ""),
        ("SELECT 1", "1"),
        ("SET LOCAL pgcordon.user = 'ralf'", "25001"),
        ("ROLLBACK", ""),
        ("BEGIN; SAVEPOINT a", ""),
        ("SET LOCAL pgcordon.user = 'ralf'", "25001"),
        ("ROLLBACK", ""),
        // The same person again is no change.
        ("BEGIN; SELECT 1", "1"),
        ("SET LOCAL pgcordon.user = 'rita'", ""),
        ("SET pgcordon.user = 'rita'", ""),
        ("RESET pgcordon.user", "25001"),
        ("ROLLBACK", ""),
        ("BEGIN; SELECT 1", "1"),
        ("RESET ALL", "25001"),
        ("ROLLBACK", ""),
        // Savepoints are all behind it.
        ("BEGIN; SET LOCAL pgcordon.user = 'ralf'; SAVEPOINT a", ""),
        (REGION, "South"),
        ("SELECT 1/0", "22012"),
        ("ROLLBACK TO a", ""),
        (REGION, "South"),
        ("RELEASE a", ""),
        (REGION, "South"),
        ("COMMIT", ""),
        (REGION, "North"),
        ("BEGIN; SET LOCAL pgcordon.user = 'ralf'; SELECT 1", "1"),
        ("COMMIT AND CHAIN", "0A000"),
        ("ROLLBACK", ""),
        ("BEGIN; SET LOCAL timezone = 'UTC'; SHOW timezone", "UTC"),
        ("SET LOCAL pgcordon.user = 'ralf'", ""),
        (REGION, "South"),
        ("COMMIT; SELECT DISTINCT region FROM customers", "0A000"),
        ("ROLLBACK", ""),
        (REGION, "North"),
        // What would outlive the transaction.
        ("BEGIN; SET LOCAL pgcordon.user = 'ralf'", ""),
        ("PREPARE p AS SELECT 1", "0A000"),
        ("ROLLBACK; BEGIN; SET LOCAL pgcordon.user = 'ralf'", "25P02"),
        ("ROLLBACK", ""),
        ("BEGIN; SET LOCAL pgcordon.user = 'ralf'", ""),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "0A000"),
        ("ROLLBACK", ""),
        ("BEGIN; SET LOCAL pgcordon.user = 'ralf'", ""),
        ("CREATE TEMP TABLE mine AS TABLE customers", "0A000"),
        ("ROLLBACK", ""),
        ("BEGIN; SET pgcordon.user = 'ralf'; SELECT region INTO TEMP mine FROM customers", "0A000"),
        ("BEGIN; SET LOCAL pgcordon.user = 'ralf'", ""),
        ("DECLARE c CURSOR FOR SELECT DISTINCT region FROM customers; FETCH c", "South"),
        ("COMMIT", ""),
        ("BEGIN; FETCH c", "34000"),
        ("ROLLBACK", ""),
    ];
    check(&mut app, &conversation);
}

#[test]
fn what_a_session_keeps_is_its_persons() {
    let stage = stage();
    let mut app = stage.client("app");
    let conversation = [
        ("SET pgcordon.user = 'rita'", ""),
        ("PREPARE p AS SELECT DISTINCT region FROM customers", ""),
        ("SET pgcordon.user = 'ralf'", "55006"),
        ("EXECUTE p", "North"),
        ("DEALLOCATE p", ""),
        ("SET pgcordon.user = 'ralf'", ""),
        ("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT DISTINCT region FROM customers; COMMIT", ""),
        ("SET pgcordon.user = 'rita'", "55006"),
        ("RESET ALL", "55006"),
        ("FETCH c", "South"),
        ("CLOSE ALL", ""),
        ("CREATE TEMP TABLE mine AS SELECT DISTINCT region FROM customers", ""),
        ("SET pgcordon.user = 'rita'", "55006"),
        ("BEGIN; SET LOCAL pgcordon.user = 'rita'", "55006"),
        ("ROLLBACK", ""),
        ("TABLE mine", "South"),
        ("DISCARD TEMP", ""),
        ("SET pgcordon.user = 'rita'", ""),
        ("TABLE mine", "42P01"),
        ("FETCH c", "34000"),
        // DISCARD ALL gives up everything.
        ("PREPARE p AS SELECT DISTINCT region FROM customers", ""),
        ("DISCARD ALL", ""),
        ("SHOW pgcordon.user", "app"),
        ("EXECUTE p", "26000"),
        (REGION, "42P01"),
        ("SET pgcordon.user = 'rita'", ""),
        ("DISCARD ALL; SELECT 1", "0A000"),
        ("RESET ALL; SELECT 1", "0A000"),
        ("RESET ALL", ""),
        (REGION, "42P01"),
        ("SET timezone = 'Asia/Tokyo'; SELECT 1", "1"),
        ("SET pgcordon.user = 'rita'", ""),
        ("SHOW timezone", "Asia/Tokyo"),
    ];
    check(&mut app, &conversation);
    // The connection goes on to others, and nobody is rita there.
    let (mut other, mut ralf) = (stage.client("app"), stage.client("ralf"));
    check(&mut other, &[("SHOW pgcordon.user", "app"), (REGION, "42P01")]);
    check(&mut ralf, &[(REGION, "South")]);
    check(&mut app, &[(REGION, "North")]);
}

#[test]
fn from_the_start_of_a_connection() {
    let stage = stage();
    let port = stage.proxy.port();
    let login = |user: &str, more: &[(&str, &str)]| {
        let parameters = [&[("user", user), ("database", PLAIN)], more].concat();
        Client::login_with(port, &password(user), &parameters)
    };
    for more in [
        ("pgcordon.user", "rita"),
        ("options", "-c pgcordon.user=rita"),
        ("options", "--pgcordon.user=rita -c geqo=on"),
    ] {
        let mut client =
            login("app", &[more]).unwrap_or_else(|error| panic!("{more:?}: {error:?}"));
        let conversation = [
            (REGION, "North"),
            ("SET pgcordon.user = 'ralf'", ""),
            (REGION, "South"),
            ("RESET pgcordon.user", ""),
            (REGION, "North"),
            ("SET pgcordon.user = 'app'", ""),
            (REGION, "42P01"),
            ("RESET ALL", ""),
            (REGION, "North"),
        ];
        check(&mut client, &conversation);
    }
    let refused = |user: &str, more: &[(&str, &str)]| {
        login(user, more).err().map(|error| error.sqlstate().to_owned())
    };
    for (user, person) in [("app", "max"), ("app", "nobody"), ("rita", "ralf"), ("rita", "rita")] {
        let more = [("pgcordon.user", person)];
        assert_eq!(refused(user, &more).as_deref(), Some("42501"), "{user} for {person}");
    }
    let twice = [("pgcordon.user", "rita"), ("PGCORDON.USER", "ralf")];
    assert_eq!(refused("app", &twice).as_deref(), Some("08P01"));
    let twice = [("options", "-c pgcordon.user=rita -c pgcordon.user=ralf")];
    assert_eq!(refused("app", &twice).as_deref(), Some("08P01"));
    assert_eq!(refused("app", &[("pgcordon.identity", "rita")]).as_deref(), Some("42501"));
}

#[test]
fn an_operator_looks_and_changes_nothing() {
    let stage = stage();
    let mut olga = stage.client("olga");
    let conversation = [
        ("SELECT count(DISTINCT region) FROM customers", "4"),
        ("PREPARE p AS SELECT count(DISTINCT region) FROM customers", ""),
        ("CREATE TEMP TABLE note AS SELECT 'of olga' AS text", ""),
        ("SET pgcordon.other = 'x'", "42501"),
        ("BEGIN", ""),
        ("SET LOCAL pgcordon.user = 'rita'", "25001"),
        ("ROLLBACK", ""),
        ("SET pgcordon.user = 'rita'; SELECT 1", "25001"),
        ("SET pgcordon.user = 'rita'", ""),
        (REGION, "North"),
        ("EXECUTE p", "26000"),
        ("TABLE note", "42P01"),
        ("TABLE payroll", "42P01"),
        ("DELETE FROM customers", "25006"),
        ("WITH x AS (DELETE FROM customers RETURNING 1) TABLE x", "25006"),
        ("PREPARE d AS DELETE FROM customers", "25006"),
        ("SET pgcordon.user = 'max'", ""),
        ("SELECT count(DISTINCT region) FROM customers", "4"),
        ("UPDATE customers SET name = 'x'", "25006"),
        ("BEGIN; SELECT 1", "1"),
        ("RESET pgcordon.user", "25001"),
        ("ROLLBACK", ""),
        ("RESET pgcordon.user", ""),
        ("SHOW pgcordon.user", "olga"),
        ("SELECT count(*) > 0 FROM payroll", "t"),
    ];
    check(&mut olga, &conversation);
    let script = "parse d: DELETE FROM customers WHERE id < $1\nsync\n\
                  parse -: SET pgcordon.user = 'rita'\nbind - -\nexecute -\nsync\n\
                  parse d: DELETE FROM customers WHERE id < $1\nbind - d (0)\nexecute -\nsync\n\
                  parse -: SELECT DISTINCT region FROM customers\nbind - -\nexecute -\nsync";
    check_script(
        &mut olga,
        script,
        "1\nZ I\n1\n2\nC SET\nZ I\n1\n2\nE 25006\nZ I\n1\n2\nD North\nC SELECT 1\nZ I",
    );
    let log = stage.proxy.log();
    let line = log.lines().find(|line| line.contains("views as")).unwrap_or_default();
    assert!(line.contains("rita") && line.contains("olga"), "{log}");
    let line = log.lines().find(|line| line.contains("25006") || line.contains("viewing"));
    assert!(line.is_some_and(|line| line.contains("by=\"olga\"")), "{log}");
    // One who may look, and has no rights of her own.
    let mut hana = stage.client("hana");
    let conversation = [
        (REGION, "42P01"),
        (
            "BEGIN; SET LOCAL pgcordon.user = 'max'; SELECT count(DISTINCT region) FROM customers; COMMIT",
            "4",
        ),
        ("SET pgcordon.user = 'olga'", "42501"),
        ("SET pgcordon.user = 'rita'", ""),
        ("INSERT INTO customers (id, region, name) VALUES (9999, 'North', 'x')", "25006"),
    ];
    check(&mut hana, &conversation);
}

#[test]
fn who_somebody_is() {
    let stage = stage();
    let mut app = stage.client("app");
    app.run("SET pgcordon.user = 'rita'");
    let shown = app.run("SHOW pgcordon.identity");
    assert_eq!(shown.results[0].columns, ["what", "name", "value", "origin"]);
    let table = shown.table();
    let expected = "user|rita||\nby|app||acts for the user\ndatabase|shop||\n\
                    group|north||the user's entry in the policy\n\
                    role|sales_rep||from group north\nrole|viewer||included in role sales_rep\n\
                    attribute|region|'North'::pg_catalog.text|from group north";
    assert_eq!(table, expected);
    let mut rita = stage.client("rita");
    let own = ask(&mut rita, "SHOW pgcordon.identity").replace(',', "\n");
    assert_eq!(own, expected.replace("by|app||acts for the user\n", ""));
    let text = ask(&mut rita, "SELECT current_setting('pgcordon.identity') AS who");
    assert!(text.starts_with("user rita,database shop,group north"), "{text}");
}

#[test]
fn another_policy_takes_it_away() {
    let stage = stage();
    let (mut session, mut local) = (stage.client("app"), stage.client("app"));
    check(&mut session, &[("SET pgcordon.user = 'rita'", ""), (REGION, "North")]);
    check(&mut local, &[("SHOW pgcordon.user", "app")]);
    stage.proxy.reload(
        &acting_policy()
            .replace("may_act_as: { roles: [sales_rep] }", "may_act_as: { users: [ralf] }")
            .replace("connect:", "pool_mode: transaction\n    connect:"),
    );
    // It may come while one of these is on its way, which ends that session.
    let denied = (0..2000).any(|_| {
        let state = local.simple("SET LOCAL pgcordon.user = 'rita'").sqlstate().to_owned();
        if state == "57P01" {
            local = stage.client("app");
        }
        state == "42501"
    });
    assert!(denied, "{}", stage.proxy.log());
    check(&mut session, &[(REGION, "57P01")]);
    check(
        &mut local,
        &[(
            "BEGIN; SET LOCAL pgcordon.user = 'ralf'; SELECT DISTINCT region FROM customers; COMMIT",
            "South",
        )],
    );
}

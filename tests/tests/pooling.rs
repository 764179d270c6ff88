//! Transaction mode: many sessions over one upstream connection, and nothing of one in another.
//!
//! In:  two people and a pool of one connection, so that each meets what the other left.
//! Out: transcripts; what PostgreSQL itself knows of the connection. Session mode and the native twin are the oracles
//!      of the other suites, which run in this mode too (`PGCORDON_POOL_MODE=transaction`).

use e2e::Client;
use e2e::proxy::Proxy;
use e2e::script::converse;
use e2e::stage::{PLAIN, Stage, databases, policy};

/// What a function of the users' may leave in a connection.
const TRACES: &str = "\
    CREATE FUNCTION public.leave_traces() RETURNS text LANGUAGE plpgsql SECURITY INVOKER AS $$
    BEGIN
        PERFORM set_config('statement_timeout', '59s', false);
        PERFORM set_config('my.note', 'rita was here', false);
        PERFORM pg_advisory_lock(4711);
        CREATE TEMP TABLE IF NOT EXISTS left_behind AS SELECT 'of rita' AS note;
        LISTEN rita_channel;
        RETURN 'left';
    END $$;
    CREATE FUNCTION public.find_traces() RETURNS text LANGUAGE plpgsql SECURITY INVOKER AS $$
    BEGIN
        RETURN concat_ws(' ', current_setting('my.note', true), current_setting('statement_timeout'),
            (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
            to_regclass('pg_temp.left_behind'), (SELECT string_agg(c, ',') FROM pg_listening_channels() c));
    END $$;
    CREATE FUNCTION public.lock_and_fail() RETURNS int LANGUAGE plpgsql SECURITY INVOKER AS $$
    BEGIN
        PERFORM pg_advisory_lock(4712);
        RAISE EXCEPTION 'failed';
    END $$;
    CREATE FUNCTION public.slow_down() RETURNS text LANGUAGE plpgsql SECURITY INVOKER AS $$
    BEGIN
        FOR number IN 1..400 LOOP
            EXECUTE format('CREATE TEMP TABLE IF NOT EXISTS many_%s (a int)', number);
        END LOOP;
        PERFORM set_config('statement_timeout', '1ms', false);
        RETURN 'slow';
    END $$;
    GRANT USAGE ON SEQUENCE public.visits_id_seq TO pgcordon;
    GRANT TEMP ON DATABASE shop TO pgcordon;";

fn stage(connections: usize) -> Stage {
    let cluster = databases();
    cluster.admin(PLAIN).run(TRACES);
    let functions = "functions: { allow: [public.leave_traces, public.find_traces, public.lock_and_fail, \
                     public.slow_down] }\n";
    let policy = format!("{}{functions}", policy());
    let more = "limits: { queue_timeout: 3s }\n";
    let proxy = Proxy::start_pooled(cluster.port(), &policy, more, connections);
    Stage { proxy, cluster }
}

/// The one row of a query, or its error.
fn ask(client: &mut Client, sql: &str) -> String {
    let answer = client.simple(sql);
    if answer.error.is_some() {
        return answer.sqlstate().to_owned();
    }
    answer.table().trim().to_owned()
}

fn check(client: &mut Client, sql: &str, expected: &str) {
    assert_eq!(ask(client, sql), expected, "{sql}");
}

#[test]
fn two_people_share_a_connection_and_see_their_own_rows() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    for _ in 0..5 {
        check(&mut rita, "SELECT DISTINCT region FROM customers", "North");
        check(&mut ralf, "SELECT DISTINCT region FROM customers", "South");
        for (client, region) in [(&mut rita, "North"), (&mut ralf, "South")] {
            let answer = client
                .extended("SELECT DISTINCT region FROM customers WHERE id > $1", &[Some("0")]);
            assert_eq!(answer.table().trim(), region);
        }
    }
    let (mut rita, mut other) = (stage.client("rita"), stage.client("rita"));
    check(&mut rita, "BEGIN; SELECT DISTINCT region FROM customers", "North");
    check(&mut other, "SELECT 1", "53300");
    check(&mut rita, "SELECT DISTINCT region FROM customers; COMMIT", "North");
    check(&mut ralf, "SELECT DISTINCT region FROM customers", "South");
}

#[test]
fn settings_follow_their_session() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    check(&mut rita, "SET timezone = 'Asia/Tokyo'", "");
    check(&mut ralf, "SHOW timezone", &ask(&mut stage.native("ralf"), "SHOW timezone"));
    check(&mut ralf, "SET timezone = 'America/Lima'", "");
    check(&mut rita, "SHOW timezone", "Asia/Tokyo");
    check(&mut ralf, "SHOW timezone", "America/Lima");
    // What a transaction sets goes when it is rolled back, and SET LOCAL with any.
    check(&mut rita, "BEGIN", "");
    check(&mut rita, "SET timezone = 'UTC'", "");
    check(&mut rita, "ROLLBACK", "");
    check(&mut ralf, "SELECT 1", "1");
    check(&mut rita, "SHOW timezone", "Asia/Tokyo");
    check(&mut rita, "BEGIN; SET LOCAL timezone = 'UTC'; COMMIT", "");
    check(&mut ralf, "SELECT 1", "1");
    check(&mut rita, "SHOW timezone", "Asia/Tokyo");
    check(&mut rita, "SELECT set_config('timezone', 'Europe/Rome', false)", "Europe/Rome");
    check(&mut ralf, "SHOW timezone", "America/Lima");
    check(&mut rita, "SHOW timezone", "Europe/Rome");
    check(&mut rita, "RESET ALL", "");
    check(&mut ralf, "SHOW timezone", "America/Lima");
    check(&mut rita, "SHOW timezone", &ask(&mut stage.native("rita"), "SHOW timezone"));
}

#[test]
fn a_search_path_follows_its_session() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    check(&mut rita, "SET search_path = pg_catalog", "");
    check(&mut ralf, "SELECT DISTINCT region FROM customers", "South");
    check(&mut rita, "SELECT DISTINCT region FROM customers", "42P01");
    check(&mut ralf, "SELECT DISTINCT region FROM customers", "South");
    check(&mut rita, "SET search_path = public", "");
    check(&mut ralf, "SELECT 1", "1");
    check(&mut rita, "SELECT DISTINCT region FROM customers", "North");
}

#[test]
fn literals_are_read_by_the_settings_of_the_session() {
    let stage = stage(1);
    let (mut rita, mut other) = (stage.client("rita"), stage.client("rita"));
    check(&mut rita, "SET timezone = 'Asia/Tokyo'", "");
    check(&mut other, "SET timezone = 'UTC'", "");
    // Three times: the first is judged, the second prepared, the third finds it prepared.
    for _ in 0..3 {
        let sql = "SELECT extract(epoch FROM timestamptz '2026-01-01 00:00')::bigint";
        check(&mut rita, sql, "1767193200");
        check(&mut other, sql, "1767225600");
    }
    let sql = "SELECT timestamptz 'now'";
    let mut read: Vec<String> = (0..5).map(|_| ask(&mut rita, sql)).collect();
    read.dedup();
    assert_eq!(read.len(), 5, "each time when it is sent: {read:?}");
}

/// The same in every place where a setting can change between two uses of a statement.
fn literals_follow(client: &mut Client) {
    let (tokyo, utc) = ("1767193200", "1767225600");
    let sql = "SELECT extract(epoch FROM timestamptz '2026-01-01 00:00')::bigint";
    let parse = format!("parse named: {sql}\nsync");
    let named = "bind - named ()\nexecute - 0\nsync";
    check(client, "SET timezone = 'UTC'", "");
    assert_eq!(converse(client, &parse), "1\nZ I");
    for _ in 0..3 {
        check(client, sql, utc);
    }
    check(client, "SET timezone = 'Asia/Tokyo'", "");
    check(client, sql, tokyo);
    check(client, "BEGIN; SET LOCAL timezone = 'UTC'", "");
    check(client, sql, utc);
    check(client, "COMMIT", "");
    check(client, sql, tokyo);
    check(client, "BEGIN; SET timezone = 'UTC'", "");
    check(client, sql, utc);
    check(client, "ROLLBACK", "");
    check(client, sql, tokyo);
    // In one write, before PostgreSQL can have told what has changed.
    let unnamed = format!("parse -: {sql}\nbind - - ()\nexecute - 0");
    let said = converse(
        client,
        &format!(
            "query SET timezone = 'UTC'\nquery {sql}\n\
             parse -: SET timezone = 'Asia/Tokyo'\nbind - - ()\nexecute - 0\n{unnamed}\nsync\n\
             query BEGIN\nquery SET LOCAL timezone = 'UTC'\nquery {sql}\nquery ROLLBACK\nquery {sql}"
        ),
    );
    let rows: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("D ")).collect();
    assert_eq!(rows, [utc, tokyo, utc, tokyo], "{said}");
    assert!(converse(client, named).contains("D 17"), "whatever it means, it runs");
    check(client, "SELECT set_config('timezone', 'UTC', false)", "UTC");
    check(client, sql, utc);
}

#[test]
fn literals_are_read_by_settings_that_change_within_a_session() {
    let pooled = stage(1);
    literals_follow(&mut pooled.client("rita"));
    let mut other = pooled.client("rita");
    check(&mut other, "SET timezone = 'UTC'", "");
    for _ in 0..3 {
        let sql = "SELECT extract(epoch FROM timestamptz '2026-01-01 00:00')::bigint";
        check(&mut other, sql, "1767225600");
    }
    literals_follow(&mut Stage::new().client("rita"));
}

#[test]
fn a_close_of_the_proxys_statements_closes_nothing() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    let run = "parse -: SELECT DISTINCT region FROM customers\nbind - - ()\nexecute - 0\nsync";
    for _ in 0..3 {
        assert_eq!(converse(&mut ralf, run), "1\n2\nD South\nC SELECT 1\nZ I");
    }
    for number in 1..200 {
        let close = format!("close statement pgcordon {number:x}.0\nsync");
        assert_eq!(converse(&mut rita, &close), "3\nZ I");
    }
    for reading in [0_u64, 1] {
        let close = format!("close portal pgcordon own\nclose statement pgcordon {reading}\nsync");
        assert_eq!(converse(&mut rita, &close), "3\n3\nZ I");
    }
    assert_eq!(converse(&mut ralf, run), "1\n2\nD South\nC SELECT 1\nZ I");
}

#[test]
fn prepared_statements_follow_their_session() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    let parse = "parse p: SELECT DISTINCT region FROM customers WHERE id > $1\nsync";
    let run = "bind - p (0)\ndescribe portal -\nexecute - 0\nsync";
    assert_eq!(converse(&mut rita, parse), "1\nZ I");
    assert_eq!(converse(&mut ralf, run), "E 26000\nZ I", "a statement of somebody else's");
    assert_eq!(converse(&mut ralf, parse), "1\nZ I");
    for _ in 0..3 {
        assert_eq!(converse(&mut rita, run), "2\nT region\nD North\nC SELECT 1\nZ I");
        assert_eq!(converse(&mut ralf, run), "2\nT region\nD South\nC SELECT 1\nZ I");
    }
    assert_eq!(converse(&mut rita, parse), "E 42P05\nZ I", "the name is taken");
    assert_eq!(converse(&mut rita, "query DEALLOCATE p"), "C DEALLOCATE\nZ I");
    assert_eq!(converse(&mut rita, run), "E 26000\nZ I");
    assert_eq!(converse(&mut ralf, run), "2\nT region\nD South\nC SELECT 1\nZ I");
    assert_eq!(converse(&mut ralf, "query DISCARD ALL"), "C DISCARD ALL\nZ I");
    assert_eq!(converse(&mut ralf, run), "E 26000\nZ I");
    assert_eq!(converse(&mut rita, parse), "1\nZ I");
    assert_eq!(converse(&mut rita, run), "2\nT region\nD North\nC SELECT 1\nZ I");
    assert_eq!(converse(&mut rita, "close statement p\nsync"), "3\nZ I");
    assert_eq!(converse(&mut rita, run), "E 26000\nZ I");
}

#[test]
fn what_lives_in_a_connection_keeps_it() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    for (keep, use_it, give_up) in [
        ("PREPARE q AS SELECT DISTINCT region FROM customers", "EXECUTE q", "DEALLOCATE q"),
        (
            "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT DISTINCT region FROM customers; COMMIT",
            "FETCH c",
            "CLOSE c",
        ),
    ] {
        assert_eq!(ask(&mut rita, keep), "");
        check(&mut rita, use_it, "North");
        // The only connection is taken.
        let waiting = ralf.simple("SELECT 1");
        assert_eq!(waiting.sqlstate(), "53300", "{keep}");
        ralf = stage.client("ralf");
        check(&mut rita, give_up, "");
        check(&mut ralf, "SELECT DISTINCT region FROM customers", "South");
    }
}

#[test]
fn traces_of_a_function_do_not_reach_the_next_person() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    let nothing = ask(&mut ralf, "SELECT public.find_traces()");
    check(&mut rita, "SELECT public.leave_traces()", "left");
    check(&mut rita, "SELECT public.find_traces()", "rita was here 59s 1 left_behind rita_channel");
    check(&mut ralf, "SELECT public.find_traces()", &nothing);
    check(&mut rita, "SELECT public.find_traces()", &nothing);
}

#[test]
fn a_statement_that_fails_leaves_nothing_either() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    let nothing = ask(&mut ralf, "SELECT public.find_traces()");
    check(&mut rita, "SELECT public.lock_and_fail()", "P0001");
    check(&mut ralf, "SELECT public.find_traces()", &nothing);
}

#[test]
fn a_sequence_is_not_known_to_the_next_person() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    let drawn = ask(&mut rita, "SELECT nextval('public.visits_id_seq') > 0");
    assert_eq!(drawn, "t");
    check(&mut ralf, "SELECT currval('public.visits_id_seq')", "55000");
}

#[test]
fn a_connection_that_cannot_be_made_to_fit_is_replaced() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    for _ in 0..5 {
        check(&mut rita, "SELECT public.slow_down()", "slow");
        check(&mut ralf, "SELECT DISTINCT region FROM customers", "South");
    }
}

#[test]
fn half_a_message_takes_no_connection() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    let whole =
        e2e::wire::frame(b'Q', &e2e::wire::terminated("SELECT DISTINCT region FROM customers"));
    rita.send_bytes(&whole[..9]).expect("sent");
    check(&mut ralf, "SELECT DISTINCT region FROM customers", "South");
    rita.send_bytes(&whole[9..]).expect("sent");
    assert!(rita.until_ready().iter().any(|message| message.kind == b'D'));
}

#[test]
fn a_failed_transaction_does_not_lose_what_is_prepared() {
    let stage = stage(1);
    let mut rita = stage.client("rita");
    let run = "parse -: SELECT DISTINCT region FROM customers\nbind - - ()\nexecute - 0\nsync";
    for _ in 0..3 {
        assert_eq!(converse(&mut rita, run), "1\n2\nD North\nC SELECT 1\nZ I");
    }
    assert_eq!(converse(&mut rita, "query BEGIN\nquery SELECT 1/0"), "C BEGIN\nZ T\nE 22012\nZ E");
    assert_eq!(converse(&mut rita, run), "E 25P02\nZ E");
    assert_eq!(converse(&mut rita, "query ROLLBACK"), "C ROLLBACK\nZ I");
    for _ in 0..2 {
        assert_eq!(converse(&mut rita, run), "1\n2\nD North\nC SELECT 1\nZ I");
    }
}

#[test]
fn an_unnamed_statement_follows_its_session() {
    let stage = stage(1);
    let (mut rita, mut other, mut ralf) =
        (stage.client("rita"), stage.client("rita"), stage.client("ralf"));
    let run = "bind - - (0)\nexecute - 0\nsync";
    let rows = "2\nD North\nC SELECT 1\nZ I";
    let parse = "parse -: SELECT DISTINCT region FROM customers WHERE id > $1\nsync";
    // Their own way of reading dates, and a statement that is prepared under a name of pgcordon's by now.
    check(&mut ralf, "SET timezone = 'Asia/Tokyo'", "");
    let promoted = "parse -: SELECT DISTINCT region FROM orders\nbind - - ()\nexecute - 0\nsync";
    for _ in 0..3 {
        assert_eq!(converse(&mut ralf, promoted), "1\n2\nD South\nC SELECT 1\nZ I");
    }
    assert_eq!(converse(&mut rita, parse), "1\nZ I");
    // The settings of either are applied by a simple query, which drops the unnamed statement.
    assert_eq!(converse(&mut ralf, promoted), "1\n2\nD South\nC SELECT 1\nZ I");
    assert_eq!(converse(&mut rita, run), rows);
    assert_eq!(converse(&mut other, "close statement -\nsync"), "3\nZ I");
    assert_eq!(converse(&mut rita, run), rows);
}

#[test]
fn what_execute_sets_follows_its_session() {
    let stage = stage(1);
    let (mut rita, mut other) = (stage.client("rita"), stage.client("rita"));
    let zone = ask(&mut other, "SHOW timezone");
    let parse = "parse z: SELECT set_config('timezone', 'Asia/Tokyo', false)\nsync";
    assert_eq!(converse(&mut rita, parse), "1\nZ I");
    check(&mut rita, "EXECUTE z", "Asia/Tokyo");
    check(&mut rita, "DEALLOCATE z", "");
    check(&mut other, "SHOW timezone", &zone);
    check(&mut rita, "SHOW timezone", "Asia/Tokyo");
    // Without settings in the startup packet nothing has to be applied again.
    check(&mut rita, "RESET ALL", "");
    check(&mut other, "SET timezone = 'Asia/Tokyo'", "");
    check(&mut rita, "SET timezone = 'Asia/Tokyo'", "");
    check(&mut rita, "RESET ALL", "");
    check(&mut other, "SHOW timezone", "Asia/Tokyo");
}

#[test]
fn sql_and_the_protocol_share_their_names() {
    let stage = stage(1);
    let mut rita = stage.client("rita");
    assert_eq!(converse(&mut rita, "parse p: SELECT 1\nsync"), "1\nZ I");
    check(&mut rita, "PREPARE p AS SELECT 2", "42P05");
    check(&mut rita, "DEALLOCATE p; PREPARE p AS SELECT 2", "");
    check(&mut rita, "EXECUTE p", "2");
    assert_eq!(converse(&mut rita, "parse p: SELECT 1\nsync"), "E 42P05\nZ I");
}

#[test]
fn statements_of_the_proxy_cannot_be_named() {
    let stage = stage(1);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    for _ in 0..3 {
        check(&mut ralf, "SELECT DISTINCT region FROM customers", "South");
    }
    let shown = "SELECT name FROM pg_catalog.pg_prepared_statements";
    for number in 1..200 {
        let name = format!("\"pgcordon {number:x}.0\"");
        check(&mut rita, &format!("DEALLOCATE {name}"), "42939");
        if number < 3 {
            check(&mut rita, &format!("EXECUTE {name}"), "0A000");
            check(&mut rita, &format!("PREPARE {name} AS SELECT 1"), "0A000");
            check(&mut rita, &format!("CLOSE {name}"), "42939");
            let parse = format!("parse d: DEALLOCATE {name}\nsync");
            assert_eq!(converse(&mut rita, &parse), "E 42939\nZ I");
        }
    }
    // It would show other people's statements: pgcordon shows none.
    check(&mut rita, shown, "");
    check(&mut ralf, "SELECT DISTINCT region FROM customers", "South");
}

#[test]
fn a_cancel_reaches_the_transaction_of_its_session_only() {
    let stage = stage(2);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    check(&mut rita, "SELECT 1", "1");
    for _ in 0..20 {
        // Nothing of hers runs: nobody's statement may die of it.
        Client::cancel(stage.proxy.port(), &rita.key);
        check(&mut ralf, "SELECT count(*) > 0 FROM customers a, customers b, orders c", "t");
    }
}

//! COPY FROM STDIN through pgcordon, on the wire and by real clients.
//!
//! In:  rows that a person sends; two people of different regions.
//! Out: rows of their region are stored, all of them or none; native row security refuses COPY FROM, so the policy's
//!      own meaning is what the answers are compared with.

use std::io::Write as _;
use std::process::{Command, Stdio};

use e2e::script::converse;
use e2e::stage::{PLAIN, Stage, password};

/// Everything that is not from the seed.
fn stored(stage: &Stage) -> String {
    let sql = "SELECT region, what FROM visits WHERE id > 2 UNION ALL
        SELECT region, note FROM orders WHERE id > 24 UNION ALL
        SELECT region, value::text FROM measures WHERE day > '2025-03-01' ORDER BY 1, 2";
    stage.cluster.admin(PLAIN).run(sql).table()
}

fn check(stage: &Stage, user: &str, script: &str, expected: &[&str]) {
    let said = converse(&mut stage.client(user), script);
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{user}: {script}");
}

#[test]
fn own_rows_are_stored_and_foreign_rows_undo_the_statement() {
    let stage = Stage::new();
    let own = "query COPY visits (region, what) FROM STDIN
        copydata North\\ta
        copydata North\\tb
        copydone";
    check(&stage, "rita", own, &["G", "C COPY 2", "Z I"]);
    check(&stage, "ralf", own, &["G", "E 42501", "Z I"]);
    let mixed = own.replace("North\\tb", "South\\tb");
    check(&stage, "rita", &mixed, &["G", "E 42501", "Z I"]);
    check(&stage, "max", &mixed.replace("\\t", "\\tm"), &["G", "C COPY 2", "Z I"]);
    assert_eq!(stored(&stage), "North|a\nNorth|b\nNorth|ma\nSouth|mb");
}

#[test]
fn defaults_partitions_and_conditions_are_checked_too() {
    let stage = Stage::new();
    let defaulted = "query COPY visits (what) FROM STDIN
        copydata d
        copydone";
    check(&stage, "rita", defaulted, &["G", "C COPY 1", "Z I"]);
    check(&stage, "ralf", defaulted, &["G", "E 42501", "Z I"]);
    let partition = "query COPY measures FROM STDIN (FORMAT csv)
        copydata South,2025-04-01,7
        copydone";
    check(&stage, "ralf", partition, &["G", "C COPY 1", "Z I"]);
    check(&stage, "rita", partition, &["G", "E 42501", "Z I"]);
    check(&stage, "rita", &partition.replace("measures", "measures_new"), &["G", "E 42501", "Z I"]);
    // Rows that the client leaves out are not made, so they break no rule.
    let left_out = "query COPY visits (region, what) FROM STDIN WHERE what <> 'x' OR what IS NULL
        copydata West\\tx
        copydata North\\ty
        copydone";
    check(&stage, "rita", left_out, &["G", "C COPY 1", "Z I"]);
    check(&stage, "rita", &left_out.replace("West\\tx", "West\\tz"), &["G", "E 42501", "Z I"]);
    assert_eq!(stored(&stage), "North|d\nNorth|y\nSouth|7");
}

#[test]
fn what_cannot_be_checked_is_refused() {
    let stage = Stage::new();
    let triggers = "CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN new.region := 'South'; RETURN new; END$$;
        CREATE TRIGGER moved BEFORE INSERT ON measures_new FOR EACH ROW EXECUTE FUNCTION moved();";
    for (sql, expected) in [
        ("COPY items FROM STDIN", "E 0A000"),
        ("COPY employees FROM STDIN", "E 42501"),
        ("COPY payroll FROM STDIN", "E 42P01"),
        ("COPY visits FROM '/etc/passwd'", "E 0A000"),
        ("COPY visits FROM PROGRAM 'true'", "E 0A000"),
        ("COPY visits FROM STDIN (FREEZE)", "E 0A000"),
        ("COPY visits FROM STDIN WHERE what IN (SELECT name FROM employees)", "E 0A000"),
    ] {
        check(&stage, "rita", &format!("query {sql}"), &[expected, "Z I"]);
    }
    let script = "query COPY measures FROM STDIN
        copydata North\\t2025-05-01\\t7
        copydone";
    check(&stage, "rita", script, &["G", "C COPY 1", "Z I"]);
    stage.cluster.admin(PLAIN).run(triggers);
    // Once the catalog has been read again a partition's trigger counts.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let refused = |client: &mut e2e::Client| client.simple("COPY measures TO STDOUT").status == 'I';
    let mut client = stage.client("rita");
    while std::time::Instant::now() < until && refused(&mut client) {
        let script = script.replace("05-01", "05-02").replace("North", "West");
        let said = converse(&mut client, &script);
        if said.starts_with("E 0A000") {
            return;
        }
        assert_eq!(said, "G\nE 42501\nZ I");
    }
    panic!("a partition's trigger is overlooked");
}

#[test]
fn a_copy_that_fails_in_the_middle_leaves_the_session_usable() {
    let stage = Stage::new();
    let broken = "query COPY orders (id, region, customer_id) FROM STDIN
        copydata 100\\tNorth\\t1
        copydata x\\tNorth\\t1
        copydata 101\\tNorth\\t1
        copydone
        query SELECT 1
        query COPY visits (region, what) FROM STDIN
        copydata North\\tkept?
        copyfail changed my mind
        query SELECT 2";
    let expected = [
        "G",
        "E 22P02",
        "Z I",
        "T ?column?",
        "D 1",
        "C SELECT 1",
        "Z I",
        "G",
        "E 57014",
        "Z I",
        "T ?column?",
        "D 2",
        "C SELECT 1",
        "Z I",
    ];
    check(&stage, "rita", broken, &expected);
    let transaction = "query BEGIN; COPY visits (region, what) FROM STDIN; SELECT 3
        copydata North\\tone
        copydone
        query COPY visits (region, what) FROM STDIN
        copydata West\\ttwo
        copydone
        query COMMIT";
    let expected = [
        "C BEGIN",
        "G",
        "C COPY 1",
        "T ?column?",
        "D 3",
        "C SELECT 1",
        "Z T",
        "G",
        "E 42501",
        "Z E",
        "C ROLLBACK",
        "Z I",
    ];
    check(&stage, "rita", transaction, &expected);
    assert_eq!(stored(&stage), "");
}

#[test]
fn the_extended_protocol_copies_as_well() {
    let stage = Stage::new();
    let script = "parse s: COPY visits (region, what) FROM STDIN
        bind - s
        describe portal -
        execute -
        copydata North\\te
        copydone
        sync
        bind - s
        execute -
        copydata West\\tf
        copydone
        sync
        query SELECT 1";
    let expected = [
        "1",
        "2",
        "n",
        "G",
        "C COPY 1",
        "Z I",
        "2",
        "G",
        "E 42501",
        "Z I",
        "T ?column?",
        "D 1",
        "C SELECT 1",
        "Z I",
    ];
    check(&stage, "rita", script, &expected);
    assert_eq!(stored(&stage), "North|e");
}

fn url(stage: &Stage, user: &str) -> String {
    let (port, password) = (stage.proxy.port(), password(user));
    format!("postgresql://{user}:{password}@127.0.0.1:{port}/{PLAIN}?connect_timeout=10")
}

fn psql(stage: &Stage, user: &str, command: &str, rows: &str) -> String {
    let mut child = Command::new(e2e::cluster::binaries().join("psql"))
        .args(["-X", "-A", "-t", "-c", command, &url(stage, user)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(rows.as_bytes()).expect("psql reads");
    drop(input);
    let output = child.wait_with_output().expect("psql ends");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).expect("UTF-8").lines().next().unwrap_or_default().to_owned()
}

fn psycopg(stage: &Stage, user: &str, kind: &str, rows: &[&str]) -> String {
    let script = e2e::repository().join("tests/clients/psycopg_copy.py");
    let mut command = Command::new("python3");
    command.arg(script).args([&url(stage, user), kind, "visits (region, what)"]).args(rows);
    let output = command.output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

#[test]
fn psql_and_psycopg_copy() {
    let stage = Stage::new();
    let violation = "new row violates row-level security policy for table \"visits\"";
    let copy = "\\copy visits (region, what) from stdin with (format csv)";
    assert_eq!(psql(&stage, "rita", copy, "North,psql\n"), "COPY 1");
    assert_eq!(psql(&stage, "rita", copy, "North,no\nEast,no\n"), format!("ERROR:  {violation}"));
    for kind in ["text", "binary"] {
        assert_eq!(psycopg(&stage, "ralf", kind, &["South|a", "South|b"]), "copied 2", "{kind}");
        let refused = psycopg(&stage, "ralf", kind, &["South|a", "North|b"]);
        assert_eq!(refused, format!("42501 {violation}"), "{kind}");
    }
    assert_eq!(stored(&stage), "North|psql\nSouth|a\nSouth|a\nSouth|b\nSouth|b");
}

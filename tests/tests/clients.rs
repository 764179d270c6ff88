//! Real clients through both protocols: each person gets their rows, and native row security gives the same.
//!
//! In:  psql, psycopg 3, tokio-postgres; two people.
//! Out: lines `id|name`, equal to those that the person's native role gets from the guarded twin.

use std::process::Command;

use e2e::stage::{NATIVE, PLAIN, Stage, databases, password};

/// What every client asks, once as it is and once with a parameter.
const QUERY: &str = "SELECT id, name FROM customers WHERE id > 0 ORDER BY id";

/// A way to reach a database.
struct Door<'a> {
    port: u16,
    user: &'a str,
    password: String,
    database: &'a str,
}

impl Door<'_> {
    fn url(&self) -> String {
        let Door { port, user, password, database } = self;
        format!("postgresql://{user}:{password}@127.0.0.1:{port}/{database}?connect_timeout=10")
    }
}

/// Compares what both people get through pgcordon with what they get from native row security.
fn check(client: impl Fn(&Door<'_>) -> String) {
    let stage = Stage::new();
    let ask =
        |port, user, database| client(&Door { port, user, password: password(user), database });
    let mut answers = Vec::new();
    for user in ["rita", "ralf", "max"] {
        let through = ask(stage.proxy.port(), user, PLAIN);
        assert_eq!(through, ask(stage.cluster.port(), user, NATIVE), "{user}");
        answers.push(through);
    }
    assert_eq!(answers[0], "1|Nora\n2|Nils\n3|Nina");
    assert_eq!(answers[1], "4|Sara\n5|Sven");
    assert_eq!(answers[2].lines().count(), 7);
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

fn psql(door: &Door<'_>, input: &str) -> String {
    let program = e2e::cluster::binaries().join("psql");
    let mut command = Command::new(program);
    command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", input, &door.url()]);
    run(&mut command)
}

fn psql_extended(door: &Door<'_>) -> String {
    // `\gdesc` asks Parse and Describe; its lines come first. psql 15 sends rows by the simple protocol only,
    // so the description is what its extended side is good for.
    let script = format!("{QUERY} \\gdesc\n{QUERY};\n");
    let file =
        std::env::temp_dir().join(format!("pgcordon-e2e-{}-{}.sql", std::process::id(), door.port));
    std::fs::write(&file, script).expect("the temporary folder is writable");
    let mut command = Command::new(e2e::cluster::binaries().join("psql"));
    command
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(&file)
        .arg(door.url());
    let text = run(&mut command);
    std::fs::remove_file(file).expect("our own file");
    let rows = text.strip_prefix("id|integer\nname|text\n");
    rows.unwrap_or_else(|| panic!("psql \\gdesc said: {text}")).to_owned()
}

fn psycopg(door: &Door<'_>, protocol: &str) -> String {
    let script = e2e::repository().join("tests/clients/psycopg_client.py");
    run(Command::new("python3").arg(script).args([&door.url(), protocol, QUERY]))
}

fn tokio_postgres(door: &Door<'_>, extended: bool) -> String {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&door.url(), tokio_postgres::NoTls).await.expect("a session");
        let driver = tokio::spawn(connection);
        let lines = if extended { by_parameters(&client).await } else { by_text(&client).await };
        drop(client);
        driver.await.expect("the driver ends").expect("without an error");
        lines.join("\n")
    })
}

async fn by_parameters(client: &tokio_postgres::Client) -> Vec<String> {
    let sql = QUERY.replace("> 0", "> $1");
    let statement = client.prepare(&sql).await.expect("prepares");
    let rows = client.query(&statement, &[&0_i32]).await.expect("runs");
    rows.iter().map(|row| format!("{}|{}", row.get::<_, i32>(0), row.get::<_, &str>(1))).collect()
}

async fn by_text(client: &tokio_postgres::Client) -> Vec<String> {
    let messages = client.simple_query(QUERY).await.expect("runs");
    let lines = messages.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            Some(format!("{}|{}", row.get(0).unwrap_or("NULL"), row.get(1).unwrap_or("NULL")))
        }
        _ => None,
    });
    lines.collect()
}

#[test]
fn psql_simple() {
    check(|door| psql(door, QUERY));
}

#[test]
fn psql_extended_describe() {
    check(psql_extended);
}

#[test]
fn psycopg_simple() {
    check(|door| psycopg(door, "simple"));
}

#[test]
fn psycopg_extended() {
    check(|door| psycopg(door, "extended"));
}

#[test]
fn psycopg_extended_prepared() {
    check(|door| psycopg(door, "prepared"));
}

#[test]
fn tokio_postgres_simple() {
    check(|door| tokio_postgres(door, false));
}

#[test]
fn tokio_postgres_extended() {
    check(|door| tokio_postgres(door, true));
}

/// Without pgcordon every client gets other people's rows: the comparison above can fail.
#[test]
fn every_client_shows_the_leak_of_an_unprotected_path() {
    let cluster = databases();
    let open = Door {
        port: cluster.port(),
        user: "pgcordon",
        password: "pgcordon_pw".to_owned(),
        database: PLAIN,
    };
    let guarded =
        Door { port: cluster.port(), user: "rita", password: password("rita"), database: NATIVE };
    let clients: [&dyn Fn(&Door<'_>) -> String; 7] = [
        &|door| psql(door, QUERY),
        &psql_extended,
        &|door| psycopg(door, "simple"),
        &|door| psycopg(door, "extended"),
        &|door| psycopg(door, "prepared"),
        &|door| tokio_postgres(door, false),
        &|door| tokio_postgres(door, true),
    ];
    for client in clients {
        assert_eq!(client(&guarded), "1|Nora\n2|Nils\n3|Nina");
        assert_eq!(client(&open).lines().count(), 7);
    }
}

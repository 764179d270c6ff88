//! Clients that mean harm: other sessions go on, memory stays bounded, what is malformed gets an error.
//!
//! In:  statements up to 10 MB, deep nesting, malformed frames.
//! Out: nothing but errors or answers, and a second session that never notices.

use std::thread;

use e2e::process::Child;
use e2e::stage::{PLAIN, Stage, password};
use e2e::wire::{frame, startup, terminated};
use e2e::{Answer, Client};

/// Resident memory under 100 hostile statements at once, however often they come. Measured 1.4 to 2.2 GB: twenty
/// trees of 900 kB statements, and what glibc's arenas keep of them (with one arena it stays at 1.4 GB).
const MEMORY_BOUND: u64 = 3 << 30;

/// `SELECT … WHERE id=1 OR id=1 …` of about that many bytes.
fn ors(bytes: usize) -> String {
    let term = " OR id=1";
    format!("SELECT count(*) FROM customers WHERE id=1{}", term.repeat(bytes / term.len()))
}

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth))
}

/// Answered with one row, or refused with an error; the connection lives on either way.
fn settled(client: &mut Client, answer: &Answer) -> bool {
    let told = answer.error.is_some() || answer.results.len() == 1;
    told && answer.status == 'I' && client.simple("SELECT 1").table() == "1"
}

fn others_go_on(stage: &Stage, other: &mut Client) {
    assert_eq!(
        other.simple("SELECT count(*) FROM customers").table(),
        "2",
        "{}",
        stage.proxy.log()
    );
}

/// Sends 100 statements at once while somebody else goes on; tells the most memory that was seen.
fn storm(stage: &Stage, other: &mut Client) -> u64 {
    let sizes = [14_000, 100_000, 900_000, 3_000_000, 10_000_000];
    let port = stage.proxy.port();
    let workers: Vec<_> = (0..100)
        .map(|number| {
            let sql = ors(sizes[number % sizes.len()]);
            thread::spawn(move || {
                let mut client = Client::login(port, "rita", "rita_pw", PLAIN).expect("a session");
                let extended = number % 2 == 1;
                let answer =
                    if extended { client.extended(&sql, &[]) } else { client.simple(&sql) };
                settled(&mut client, &answer)
            })
        })
        .collect();
    let mut peak = 0;
    while workers.iter().any(|worker| !worker.is_finished()) {
        others_go_on(stage, other);
        peak = peak.max(stage.proxy.resident_bytes());
    }
    for worker in workers {
        assert!(worker.join().expect("no panic"), "neither answered nor refused");
    }
    others_go_on(stage, other);
    peak
}

#[test]
fn hundred_long_statements_at_once() {
    let stage = Stage::new();
    let mut other = stage.client("ralf");
    // What the allocator keeps it keeps once: the same bound holds however often they come.
    let peaks: Vec<u64> = (0..3).map(|_| storm(&stage, &mut other) >> 20).collect();
    assert!(peaks.iter().all(|peak| peak << 20 < MEMORY_BOUND), "peaks in MB: {peaks:?}");
}

#[test]
fn the_smallest_of_them_is_answered() {
    let stage = Stage::new();
    assert_eq!(stage.client("rita").simple(&ors(14_000)).table(), "1");
    let refused = stage.client("rita").simple(&ors(10_000_000));
    assert_eq!(refused.sqlstate().get(..2), Some("54"), "{:?}", refused.error);
}

#[test]
fn deep_nesting() {
    let stage = Stage::new();
    let mut other = stage.client("ralf");
    let mut client = stage.client("rita");
    for depth in [100, 5_000, 60_000, 300_000] {
        let statements = [
            nested("(", "1", ")", depth),
            nested("NOT ", "true", "", depth),
            nested("- ", "1", "", depth),
            nested("", "1", "::int", depth),
            nested("ARRAY[", "1", "]", depth),
            nested("1+", "1", "", depth),
            nested("1||", "'a'", "", depth),
            nested("CASE WHEN true THEN ", "1", " END", depth),
            nested("(SELECT ", "1", ")", depth),
            nested("abs(", "1", ")", depth),
            nested("", "1", " UNION ALL SELECT 1", depth),
            format!(
                "SELECT 1 FROM {}regions{}",
                "(".repeat(depth),
                " CROSS JOIN regions r)".repeat(depth)
            ),
            format!("SELECT 1 WHERE 1 IN ({}1)", "1,".repeat(depth)),
            format!("WITH {}a AS (SELECT 1) SELECT 1", "a AS (SELECT 1), ".repeat(depth)),
            format!(
                "SELECT id FROM customers WHERE {}id=1{}",
                "(".repeat(depth),
                ")".repeat(depth)
            ),
        ];
        for sql in statements {
            let answer = client.simple(&sql);
            let head: String = sql.chars().take(40).collect();
            assert!(answer.error.is_some() || !answer.results.is_empty(), "{head} × {depth}");
            assert!(
                answer.status == 'I',
                "{head} × {depth} closed the session\n{}",
                stage.proxy.log()
            );
        }
        others_go_on(&stage, &mut other);
    }
}

/// Sends bytes on a logged-in connection and reads what comes until the server closes it or is ready.
fn after_login(stage: &Stage, bytes: &[u8]) -> String {
    let mut client = stage.client("rita");
    let _ = client.send_bytes(bytes);
    let messages = client.until_ready();
    let kinds = messages.iter().map(|message| char::from(message.kind));
    kinds.filter(|kind| !matches!(kind, 'S' | 'N')).collect()
}

fn before_login(stage: &Stage, bytes: &[u8]) -> String {
    let mut client = Client::open(stage.proxy.port());
    let _ = client.send_bytes(bytes);
    client.finish();
    kinds(&mut client)
}

fn kinds(client: &mut Client) -> String {
    let mut kinds = String::new();
    while let Some(message) = client.receive() {
        if !matches!(message.kind, b'S' | b'N') {
            kinds.push(char::from(message.kind));
        }
    }
    kinds
}

#[test]
fn malformed_frames_after_login() {
    let stage = Stage::new();
    let mut other = stage.client("ralf");
    let parse = frame(b'P', b"s\0SELECT $1::int\0\0\0");
    let sync = frame(b'S', b"");
    let cases: [(&str, Vec<u8>); 13] = [
        ("short Bind", [&parse[..], &frame(b'B', b"\0s\0\0\0\0\x01\0\0"), &sync].concat()),
        ("empty Bind", [&parse[..], &frame(b'B', b""), &sync].concat()),
        (
            "Bind with a length that lies",
            [&parse[..], &frame(b'B', b"\0s\0\0\0\0\x01\x7f\xff\xff\xff1\0\0"), &sync].concat(),
        ),
        (
            "Bind with 65535 promised parameters",
            [&parse[..], &frame(b'B', b"\0s\0\0\0\xff\xff\0\0"), &sync].concat(),
        ),
        ("Parse without a terminator", [&frame(b'P', b"s\0SELECT 1")[..], &sync].concat()),
        (
            "Parse with bytes left over",
            [&frame(b'P', b"s\0SELECT 1\0\0\0more")[..], &sync].concat(),
        ),
        ("Query without a terminator", frame(b'Q', b"SELECT 1")),
        ("Query with a second text", frame(b'Q', b"SELECT 1\0SELECT * FROM payroll\0")),
        ("Describe of an unknown kind", [&frame(b'D', b"X\0")[..], &sync].concat()),
        ("Execute that is too short", [&frame(b'E', b"\0\0")[..], &sync].concat()),
        ("length 0", b"Q\0\0\0\0".to_vec()),
        ("length 2 GB", b"Q\x7f\xff\xff\xff".to_vec()),
        ("unknown type", frame(b'!', b"")),
    ];
    for (name, bytes) in cases {
        let said = after_login(&stage, &bytes);
        assert!(said.contains('E'), "{name}: {said:?}");
        assert!(!said.contains('D'), "{name} returned rows: {said:?}");
        others_go_on(&stage, &mut other);
    }
}

#[test]
fn malformed_frames_before_login() {
    let stage = Stage::new();
    let mut other = stage.client("ralf");
    let hello = startup(&[("user", "rita"), ("database", PLAIN)]);
    let query = frame(b'Q', &terminated("SELECT * FROM payroll"));
    let cases: [(&str, Vec<u8>); 9] = [
        ("Q before authentication", query.clone()),
        ("startup and Q in one write", [&hello[..], &query].concat()),
        ("startup and an empty password", [&hello[..], &frame(b'p', b"")].concat()),
        ("startup with a length that lies", b"\x7f\xff\xff\xff\0\x03\0\0".to_vec()),
        ("startup of length 4", b"\0\0\0\x04".to_vec()),
        ("startup without a terminator", b"\0\0\0\x10\0\x03\0\0user\0rit".to_vec()),
        ("protocol 2", b"\0\0\0\x08\0\x02\0\0".to_vec()),
        ("half a startup packet", hello[..10].to_vec()),
        ("a web browser", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
    ];
    for (name, bytes) in cases {
        let said = before_login(&stage, &bytes);
        assert!(!said.contains(['D', 'T', 'Z', 'C']), "{name}: {said:?}");
        others_go_on(&stage, &mut other);
    }
}

#[test]
fn bytes_ahead_of_the_tls_handshake_are_refused() {
    let stage = Stage::new();
    let mut client = Client::open(stage.proxy.port());
    let mut bytes = [&8_u32.to_be_bytes()[..], &80_877_103_u32.to_be_bytes()].concat();
    bytes.extend(startup(&[("user", "rita"), ("database", PLAIN)]));
    bytes.extend(frame(b'Q', &terminated("SELECT 1")));
    let _ = client.send_bytes(&bytes);
    client.finish();
    // Either `N` and then an ordinary start whose Q is no answer to the challenge, or nothing at all.
    let _ = client.receive_byte();
    let said = kinds(&mut client);
    assert!(!said.contains(['D', 'T', 'Z']), "{said:?}");
}

#[test]
fn a_crowd_that_never_logs_in_keeps_nobody_out() {
    let stage = Stage::with("limits: { authentication_timeout: 2s }\n");
    let crowd: Vec<Client> = (0..200).map(|_| Client::open(stage.proxy.port())).collect();
    assert_eq!(stage.client("rita").simple("SELECT count(*) FROM customers").table(), "3");
    for mut client in crowd {
        assert!(client.is_closed());
    }
    assert!(Client::login(stage.proxy.port(), "rita", &password("rita"), PLAIN).is_ok());
}

/// The measure itself can fail: a process that takes memory is seen to.
#[test]
fn memory_is_really_measured() {
    let mut command = e2e::process::tied("python3");
    command.args(["-c", "import time; held = bytearray(300 << 20); time.sleep(60)"]);
    let child = Child::start(&mut command, "KILL");
    let grown = e2e::process::poll(e2e::process::PATIENCE, || {
        (child.resident_bytes() > 300 << 20).then_some(())
    });
    assert!(grown.is_some());
}

//! Malformed logins, among them those of PgBouncer's security notices: nobody gets in, nothing crashes, others go on.
//!
//! In:  the raw client before authentication; servers that harm whoever connects to them.
//! Out: an error or the end of the connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use e2e::authority::{Authority, Subject};
use e2e::gates::{Gates, Psql};
use e2e::process::PATIENCE;
use e2e::proxy::{Files, Settings, configuration, pgcordon, verifier};
use e2e::stage::{PLAIN, Stage};
use e2e::wire::{Client, frame, startup, terminated};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use serde_json::json;

/// A SASLInitialResponse with a length that may lie.
fn initial(mechanism: &[u8], length: u32, message: &[u8]) -> Vec<u8> {
    frame(b'p', &[mechanism, &length.to_be_bytes(), message].concat())
}

fn honest(mechanism: &str, message: &str) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short");
    initial(&terminated(mechanism), length, message.as_bytes())
}

/// Reads until the server closes; anything but a refusal is a hole.
fn refused(client: &mut Client, what: &str) -> String {
    let mut last = String::from("closed");
    while let Some(message) = client.receive() {
        match message.kind {
            b'E' => last = message.text().replace('\0', " "),
            b'R' => assert!(!message.body.starts_with(&[0; 4]), "{what}: AuthenticationOk"),
            b'v' => {}
            other => panic!("{what}: a message of type {}", char::from(other)),
        }
    }
    last
}

fn greeted(port: u16, user: &str, database: &str) -> Client {
    let mut client = Client::open(port);
    client.send_bytes(&startup(&[("user", user), ("database", database)])).expect("a listener");
    assert_eq!(client.receive().expect("a challenge").kind, b'R');
    client
}

/// CVE-2026-6664 (lengths that overflow), CVE-2026-107348 (lengths above 2^31), and their kin.
#[test]
fn malformed_initial_responses() {
    let stage = Stage::new();
    let mut other = stage.client("ralf");
    let plain = terminated("SCRAM-SHA-256");
    let first = b"n,,n=,r=abcdefghijklmnopqrstuvwx";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("length -1", initial(&plain, u32::MAX, first)),
        ("length -2", initial(&plain, u32::MAX - 1, first)),
        ("length 2^31", initial(&plain, 1 << 31, first)),
        ("length 2^31 - 1", initial(&plain, u32::MAX >> 1, first)),
        ("length 2^32 - 4", initial(&plain, u32::MAX - 3, first)),
        ("length one too many", initial(&plain, 33, first)),
        ("length one too few", initial(&plain, 31, first)),
        ("length 0", initial(&plain, 0, b"")),
        ("no length", frame(b'p', &plain)),
        ("half a length", frame(b'p', &[&plain[..], b"\0\0"].concat())),
        ("no terminator", frame(b'p', b"SCRAM-SHA-256")),
        ("nothing", frame(b'p', b"")),
        ("unknown mechanism", honest("SCRAM-SHA-1", "n,,n=,r=abc")),
        ("PLUS without TLS", honest("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc")),
        (
            "OAUTHBEARER without being offered",
            honest("OAUTHBEARER", "n,,\u{1}auth=Bearer a\u{1}\u{1}"),
        ),
        ("a mechanism with NUL in it", initial(b"SCRAM-SHA-256\0x\0", 32, first)),
        ("binding without PLUS", honest("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc")),
        ("an authorization name", honest("SCRAM-SHA-256", "n,a=max,n=,r=abc")),
        ("mandatory extension", honest("SCRAM-SHA-256", "n,,m=x,n=,r=abc")),
        ("no nonce", honest("SCRAM-SHA-256", "n,,n=")),
        ("NUL in the message", honest("SCRAM-SHA-256", "n,,n=\0,r=abc\0")),
        ("rubbish", honest("SCRAM-SHA-256", "\u{1}\u{2}\u{3}")),
        ("not UTF-8", initial(&plain, 8, b"n,,n=\xff,r")),
        ("2 kB of it", honest("SCRAM-SHA-256", &format!("n,,n=,r={}", "x".repeat(2048)))),
        ("frame length 2^31", b"p\x80\0\0\0".to_vec()),
        ("frame length 2^32 - 1", b"p\xff\xff\xff\xff".to_vec()),
        ("frame length 0", b"p\0\0\0\0".to_vec()),
        ("another message", frame(b'Q', &terminated("SELECT 1"))),
        ("goodbye", frame(b'X', b"")),
    ];
    for (what, bytes) in cases {
        for user in ["rita", "nobody"] {
            let mut client = greeted(stage.proxy.port(), user, PLAIN);
            let _ = client.send_bytes(&bytes);
            // Whatever was taken for the start of an exchange goes no further.
            let _ = client.send_bytes(&frame(b'p', b"c=biws,r=abc,p=AAAA"));
            client.finish();
            refused(&mut client, what);
        }
        assert_eq!(other.simple("SELECT count(*) FROM customers").table(), "2", "{what}");
    }
}

/// CVE-2026-107350: a second startup packet in the middle of SCRAM made one user another.
#[test]
fn a_second_startup_packet() {
    let stage = Stage::new();
    for database in [PLAIN, "nowhere"] {
        let mut client = greeted(stage.proxy.port(), "ralf", database);
        let again = startup(&[("user", "max"), ("database", PLAIN)]);
        let _ = client.send_bytes(&again);
        let scram = ScramSha256::new(b"ralf_pw", ChannelBinding::unsupported());
        let message = String::from_utf8(scram.message().to_vec()).expect("ASCII");
        let _ = client.send_bytes(&honest("SCRAM-SHA-256", &message));
        client.finish();
        refused(&mut client, "a second startup packet");
    }
}

/// CVE-2026-107349: an option without a name spun for ever.
#[test]
fn options_without_names() {
    let stage = Stage::new();
    for options in ["-c=", "-c =", "-c", "--=", "--", "-c geqo", "\\", "-c x=\\"] {
        let mut client = Client::open(stage.proxy.port());
        let packet = startup(&[("user", "rita"), ("database", PLAIN), ("options", options)]);
        client.send_bytes(&packet).expect("a listener");
        client.finish();
        refused(&mut client, options);
    }
    assert_eq!(stage.client("rita").simple("SELECT 1").table(), "1");
}

/// The client's side of SCRAM up to its last message.
fn last_message(client: &mut Client, password: &str) -> Option<String> {
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    let first = String::from_utf8(scram.message().to_vec()).expect("ASCII");
    client.send_bytes(&honest("SCRAM-SHA-256", &first)).ok()?;
    let answer = client.receive().filter(|message| message.kind == b'R')?;
    scram.update(answer.body.get(4..)?).ok()?;
    String::from_utf8(scram.message().to_vec()).ok()
}

/// Makes a bad last message of a good one.
type Edit = Box<dyn Fn(&str) -> String>;

#[test]
fn malformed_proofs() {
    let patient = "auth: { throttle: { per_user_and_address: 1000, max_delay: 1ms } }\n";
    let stage = Stage::with(patient);
    let port = stage.proxy.port();
    let mut seen = greeted(port, "rita", PLAIN);
    let replayed = last_message(&mut seen, "rita_pw").expect("a last message");
    let edits: Vec<(&str, Edit)> = vec![
        ("replayed from another session", Box::new(move |_| replayed.clone())),
        (
            "without a proof",
            Box::new(|last| last.rsplit_once(",p=").expect("a proof").0.to_owned()),
        ),
        (
            "an empty proof",
            Box::new(|last| format!("{},p=", last.rsplit_once(",p=").expect("a proof").0)),
        ),
        (
            "a short proof",
            Box::new(|last| format!("{},p=AAAA", last.rsplit_once(",p=").expect("a proof").0)),
        ),
        ("a long proof", Box::new(|last| format!("{last}{}", "A".repeat(64)))),
        (
            "a proof that is not base64",
            Box::new(|last| format!("{},p=???", last.rsplit_once(",p=").expect("a proof").0)),
        ),
        (
            "two proofs",
            Box::new(|last| {
                let (_, proof) = last.rsplit_once(",p=").expect("a proof");
                format!("{last},p={proof}")
            }),
        ),
        ("another nonce", Box::new(|last| last.replacen("r=", "r=x", 1))),
        (
            "a nonce cut short",
            Box::new(|last| {
                let (head, proof) = last.rsplit_once(",p=").expect("a proof");
                format!("{},p={proof}", &head[..head.len() - 1])
            }),
        ),
        ("another binding", Box::new(|last| last.replacen("c=biws", "c=eSws", 1))),
        ("no binding", Box::new(|last| last.replacen("c=biws,", "", 1))),
        ("an extension behind the proof", Box::new(|last| format!("{last},x=y"))),
        ("NUL behind it", Box::new(|last| format!("{last}\0"))),
        ("nothing", Box::new(|_| String::new())),
    ];
    for (what, edit) in edits {
        let mut client = greeted(port, "rita", PLAIN);
        let last = last_message(&mut client, "rita_pw").expect("a last message");
        let _ = client.send_bytes(&frame(b'p', edit(&last).as_bytes()));
        client.finish();
        let said = refused(&mut client, what);
        assert!(said.contains("28P01") || said.contains("08P01"), "{what}: {said}");
    }
    // The neighbour: unedited, it opens.
    let mut client = greeted(port, "rita", PLAIN);
    let last = last_message(&mut client, "rita_pw").expect("a last message");
    client.send(b'p', last.as_bytes());
    assert_eq!(client.until_ready().last().map(|message| message.kind), Some(b'Z'));
}

/// What a stranger sees of a login that fails, without what is random in it.
fn seen(client: &mut Client) -> Vec<String> {
    let scram = ScramSha256::new(b"wrong", ChannelBinding::unsupported());
    let first = String::from_utf8(scram.message().to_vec()).expect("ASCII");
    let offer = client.receive().expect("an offer");
    client.send_bytes(&honest("SCRAM-SHA-256", &first)).expect("open");
    let challenge = client.receive().expect("a challenge").text();
    let mut lines = vec![offer.body.escape_ascii().to_string()];
    let parts = challenge.split(',').map(|part| match part.split_at(2) {
        ("s=", salt) => format!("s={} letters", salt.len()),
        ("i=", iterations) => format!("i={iterations}"),
        (_, nonce) => format!("{} bytes", nonce.len()),
    });
    lines.extend(parts);
    let (_, nonce) = challenge.split_once("r=").expect("a nonce");
    let (nonce, _) = nonce.split_once(',').expect("a salt");
    let proof = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    client.send(b'p', format!("c=biws,r={nonce},p={proof}").as_bytes());
    lines.push(refused(client, "a wrong proof"));
    lines
}

/// Neither the messages nor the salt tell whether a user exists, has a password, or has one in the database.
#[test]
fn unknown_users_look_like_known_ones() {
    let gates = Gates::new();
    for database in ["by_scram", "by_query", "by_nothing", "elsewhere"] {
        let look = |user: &str| {
            let lines = seen(&mut gates.raw(false, user, database));
            lines.iter().map(|line| line.replace(user, "somebody")).collect::<Vec<String>>()
        };
        let known = look("rita");
        assert_eq!(known.len(), 5, "{known:?}");
        for user in ["max", "dora", "edda", "nele", "otto", "stranger", "nobody", "postgres"] {
            assert_eq!(look(user), known, "{user} of {database}");
        }
    }
    // One name keeps its salt, or it would be no name of anybody's.
    let salt = |user: &str| {
        let mut client = gates.raw(false, user, "by_scram");
        client.receive().expect("an offer");
        client.send_bytes(&honest("SCRAM-SHA-256", "n,,n=,r=abcdefghijkl")).expect("open");
        let challenge = client.receive().expect("a challenge").text();
        challenge.split(',').nth(1).expect("a salt").to_owned()
    };
    for user in ["rita", "nobody", "dora"] {
        assert_eq!(salt(user), salt(user), "{user}");
    }
    assert_ne!(salt("nobody"), salt("noone"));
}

/// Somebody on the way took PLUS off the list: the client says that it could have bound the channel.
#[test]
fn downgraded_channel_binding() {
    let gates = Gates::new();
    let mut client = gates.raw(true, "rita", "by_scram");
    let offer = client.receive().expect("an offer");
    assert_eq!(offer.body, b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    client.send_bytes(&honest("SCRAM-SHA-256", "y,,n=,r=abcdefghijkl")).expect("open");
    assert!(refused(&mut client, "y").contains("08P01"));
    for binding in ["tls-unique", "tls-exporter", ""] {
        let mut client = gates.raw(true, "rita", "by_scram");
        client.receive().expect("an offer");
        let message = format!("p={binding},,n=,r=abcdefghijkl");
        client.send_bytes(&honest("SCRAM-SHA-256-PLUS", &message)).expect("open");
        assert!(refused(&mut client, binding).contains("08P01"));
    }
    // PLUS that binds nothing.
    let mut client = gates.raw(true, "rita", "by_plus");
    let offer = client.receive().expect("an offer");
    assert_eq!(offer.body, b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0\0");
    client.send_bytes(&honest("SCRAM-SHA-256-PLUS", "n,,n=,r=abcdefghijkl")).expect("open");
    assert!(refused(&mut client, "PLUS with n").contains("08P01"));
}

#[test]
fn malformed_tokens_on_the_wire() {
    let gates = Gates::new();
    let good = gates.signer.sign(&json!({}));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("without a terminator", frame(b'p', good.as_bytes())),
        (
            "NUL inside",
            frame(b'p', &[&good.as_bytes()[..10], b"\0", &good.as_bytes()[10..], b"\0"].concat()),
        ),
        ("two texts", frame(b'p', &[terminated(&good), terminated(&good)].concat())),
        ("not UTF-8", frame(b'p', b"\xff\0")),
        ("empty", frame(b'p', b"\0")),
        ("20 kB", frame(b'p', &terminated(&"x".repeat(20_000)))),
        ("a statement", frame(b'Q', &terminated(&good))),
    ];
    for (what, bytes) in cases {
        let mut client = gates.raw(true, "rita", "by_token");
        assert_eq!(client.receive().expect("a question").body, b"\0\0\0\x03");
        let _ = client.send_bytes(&bytes);
        refused(&mut client, what);
    }
    let mut client = gates.raw(true, "rita", "by_token");
    client.receive().expect("a question");
    client.send(b'p', &terminated(&good));
    assert_eq!(client.until_ready().last().map(|message| message.kind), Some(b'Z'));
}

/// Serves connections that do harm to whoever logs in; each gets what `script` says after its startup packet.
fn harmful(script: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut packet = [0; 8];
            let _ = socket.read_exact(&mut packet);
            let length = u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]);
            let mut rest = vec![0; usize::try_from(length).expect("small").saturating_sub(8)];
            let _ = socket.read_exact(&mut rest);
            let _ = script(&mut socket);
        }
    });
    port
}

/// `pgcordon check` against such a server: it says what is wrong, in time, and ends by itself.
fn survives(what: &str, port: u16) {
    let configuration = configuration(&Settings { port: 6432, upstream_port: port, more: "" });
    let policy = format!(
        "users: {{ rita: {{ password: \"{}\" }} }}\n\
         databases: {{ shop: {{ upstream: main, dbname: shop, connect: everyone }} }}\n",
        verifier("x")
    );
    let files = Files::write(&configuration, &policy);
    let started = Instant::now();
    let path = files.configuration();
    let output = pgcordon(&["check", "--config", path.to_str().expect("UTF-8")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    assert!(!said.contains("panicked"), "{what}: {said}");
    assert!(started.elapsed() < PATIENCE, "{what} took {:?}", started.elapsed());
}

fn sasl(socket: &mut TcpStream, code: u32, text: &[u8]) -> std::io::Result<()> {
    socket.write_all(&frame(b'R', &[&code.to_be_bytes()[..], text].concat()))
}

/// The nonce of the client's first message.
fn client_nonce(socket: &mut TcpStream) -> std::io::Result<String> {
    let mut buffer = [0; 512];
    let read = socket.read(&mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
    Ok(text.rsplit_once("r=").map(|(_, nonce)| nonce.to_owned()).unwrap_or_default())
}

/// CVE-2026-6665 (a long nonce), CVE-2026-6666 (an error without SQLSTATE), CVE-2026-6669 (iterations without end).
#[test]
fn servers_that_harm() {
    let first = |iterations: &'static str, more: &'static str| {
        move |socket: &mut TcpStream| {
            sasl(socket, 10, b"SCRAM-SHA-256\0\0")?;
            let nonce = client_nonce(socket)?;
            let text = format!("r={nonce}{more},s=c2FsdHNhbHRzYWx0,i={iterations}");
            sasl(socket, 11, text.as_bytes())
        }
    };
    let long: &'static str = Box::leak("x".repeat(60_000).into_boxed_str());
    survives("a long nonce", harmful(first("4096", long)));
    survives("two billion iterations", harmful(first("2000000000", "x")));
    survives("iterations that overflow", harmful(first("99999999999999999999", "x")));
    survives("no iterations", harmful(first("0", "x")));
    survives(
        "an error without SQLSTATE",
        harmful(|socket| socket.write_all(&frame(b'E', b"SFATAL\0Mno\0\0"))),
    );
    survives("an empty error", harmful(|socket| socket.write_all(&frame(b'E', b"\0"))));
    survives(
        "an error without an end",
        harmful(|socket| socket.write_all(&frame(b'E', b"SFATAL"))),
    );
    survives("a length that lies", harmful(|socket| socket.write_all(b"R\xff\xff\xff\xff")));
    survives("a challenge cut short", harmful(|socket| socket.write_all(&frame(b'R', b"\0\0"))));
    survives("no mechanism", harmful(|socket| sasl(socket, 10, b"\0")));
    survives("rubbish", harmful(|socket| socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
}

/// The certificate is looked at before anything else of the client.
#[test]
fn certificates_for_other_purposes() {
    let gates = Gates::new();
    let hosts = ["rita"];
    let server =
        gates.certificate("server", &Subject { name: "rita", hosts: &hosts, ..Subject::default() });
    let own = Authority::new("rita");
    let selfmade =
        own.sign(gates.scratch.path(), "own", &Subject { name: "rita", ..Subject::default() });
    for pair in [server, selfmade] {
        let psql = Psql {
            user: "rita",
            database: "by_certificate",
            pair: Some(&pair),
            tls: true,
            ..Psql::default()
        };
        let outcome = gates.psql(&psql);
        assert!(outcome.contains("alert") || outcome.contains("closed"), "{outcome}");
    }
}

//! A conversation in the extended protocol, as text in and text out.
//!
//! In:  one command a line: `parse NAME: SQL`, `bind PORTAL STATEMENT (a, b)`, `describe statement|portal NAME`,
//!      `execute PORTAL [MAX]`, `close statement|portal NAME`, `sync`, `flush`, `query SQL`, `copydata ROW`,
//!      `copydone`, `copyfail WHY`. `-` is the empty name;
//!      the parameter `NULL` is null.
//! Out: one line a message: `1` for ParseComplete, `T id name`, `D 7 Nora`, `E 42P01`, `Z I` …
//!
//! Invariants:
//! - Everything is sent in one write: pipelining is what is tested.
//! - Notices and ParameterStatus are left out: they are not part of any request's answer.

use crate::answer::ServerError;
use crate::wire::{Client, Message, bind, execute, frame, parse, terminated};

/// Sends the whole script at once and reads as many ReadyForQuery as it asks for.
///
/// # Panics
/// When the script is misspelt.
pub fn converse(client: &mut Client, script: &str) -> String {
    let mut bytes = Vec::new();
    let mut expected = 0;
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (frame, ends) = read_line(line);
        bytes.extend(frame);
        expected += usize::from(ends);
    }
    let _ = client.send_bytes(&bytes);
    let mut lines = Vec::new();
    for _ in 0..expected {
        let messages = client.until_ready();
        let closed = !messages.iter().any(|message| message.kind == b'Z');
        lines.extend(messages.iter().filter_map(show));
        if closed {
            lines.push("closed".to_owned());
            break;
        }
    }
    lines.join("\n")
}

/// The frame of one line, and whether a ReadyForQuery answers it.
fn read_line(line: &str) -> (Vec<u8>, bool) {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "parse" => {
            let (name, sql) = rest.split_once(": ").expect("parse NAME: SQL");
            (frame(b'P', &parse(named(name), sql)), false)
        }
        "bind" => (frame(b'B', &bind_line(rest)), false),
        "describe" => (frame(b'D', &target(rest)), false),
        "close" => (frame(b'C', &target(rest)), false),
        "execute" => {
            let (name, rows) = rest.split_once(' ').unwrap_or((rest, "0"));
            (frame(b'E', &execute(named(name), rows.parse().expect("a number of rows"))), false)
        }
        "sync" => (frame(b'S', b""), true),
        "flush" => (frame(b'H', b""), false),
        "query" => (frame(b'Q', &terminated(rest)), true),
        // `\\t` stands for a tab; every row ends its line.
        "copydata" => (frame(b'd', format!("{}\n", rest.replace("\\t", "\t")).as_bytes()), false),
        "copydone" => (frame(b'c', b""), false),
        "copyfail" => (frame(b'f', &terminated(rest)), false),
        other => panic!("unknown command `{other}`"),
    }
}

fn bind_line(rest: &str) -> Vec<u8> {
    let (names, parameters) = rest.split_once('(').unwrap_or((rest, ")"));
    let mut names = names.split_whitespace().map(named);
    let (portal, statement) = (names.next().expect("a portal"), names.next().expect("a statement"));
    let parameters = parameters.trim_end().strip_suffix(')').expect("a closing parenthesis");
    let values: Vec<Option<&str>> = parameters
        .split(',')
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .map(|value| (value != "NULL").then_some(value))
        .collect();
    bind(portal, statement, &values)
}

fn target(rest: &str) -> Vec<u8> {
    let (kind, name) = rest.split_once(' ').expect("`statement NAME` or `portal NAME`");
    let kind = if kind == "statement" { b"S" } else { b"P" };
    [&kind[..], &terminated(named(name))].concat()
}

fn named(name: &str) -> &str {
    if name == "-" { "" } else { name }
}

fn show(message: &Message) -> Option<String> {
    let body = match message.kind {
        b'S' | b'N' => return None,
        b'T' => message.columns().join(" "),
        b'D' => {
            let row = message.row();
            let values: Vec<&str> =
                row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
            values.join(" ")
        }
        b'E' => ServerError::read(&message.body).sqlstate().to_owned(),
        b't' => u16::from_be_bytes([message.body[0], message.body[1]]).to_string(),
        b'H' | b'G' => String::new(),
        _ => message.text(),
    };
    let line = format!("{} {body}", char::from(message.kind));
    Some(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_frame() {
        assert_eq!(read_line("sync"), (b"S\0\0\0\x04".to_vec(), true));
        assert_eq!(read_line("execute - 2"), (b"E\0\0\0\x09\0\0\0\0\x02".to_vec(), false));
        assert_eq!(bind_line("p s (North, NULL)"), bind("p", "s", &[Some("North"), None]));
        assert_eq!(bind_line("- -"), bind("", "", &[]));
    }
}

//! Text in; the tree, or the mistakes, out.

use super::*;

fn draw(node: &Node) -> String {
    let Place { line, column, .. } = &node.place;
    match &node.value {
        Value::Null => format!("null@{line}:{column}"),
        Value::Scalar(scalar) => format!("{:?}@{line}:{column}", scalar.text),
        Value::List(nodes) => {
            format!("[{}]", nodes.iter().map(draw).collect::<Vec<String>>().join(" "))
        }
        Value::Map(entries) => {
            let entry = |entry: &Entry| format!("{}: {}", entry.key.text, draw(&entry.node));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<String>>().join(" "))
        }
    }
}

fn read(text: &str) -> Result<Node, Vec<Mistake>> {
    parse(&Source { name: "f".to_owned(), text: text.to_owned() })
}

fn check(text: &str, expected: &str) {
    let outcome = match read(text) {
        Ok(node) => draw(&node),
        Err(mistakes) => {
            let lines: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
            lines.join("\n")
        }
    };
    assert_eq!(outcome, expected, "{text}");
}

#[test]
fn values_know_their_places() {
    check("", "null@1:1");
    check("a: b\nc: [1, é, x]", "{a: \"b\"@1:4 c: [\"1\"@2:5 \"é\"@2:8 \"x\"@2:11]}");
    check("a:\n  - b: ~\n  - {}\n", "{a: [{b: null@2:8} {}]}");
    check(
        "a: 'no'\nb: no\nc: 007\nd: 1.10",
        "{a: \"no\"@1:4 b: \"no\"@2:4 c: \"007\"@3:4 d: \"1.10\"@4:4}",
    );
    check("a: |\n  x\n  y\n", "{a: \"x\\ny\\n\"@2:3}");
}

#[test]
fn what_hides_meaning_is_refused() {
    let gone = "(hint: write the value out where it is used)";
    check("a: &x 1\nb: 2", &format!("f:1:4: anchors (`&name`) are not allowed {gone}"));
    check(
        "a: &x 1\nb: *x",
        &format!(
            "f:1:4: anchors (`&name`) are not allowed {gone}\n\
             f:2:4: aliases (`*name`) are not allowed (hint: write the value out)"
        ),
    );
    check("a: !!str 1", "f:1:4: tags (`!name`) are not allowed (hint: remove it)");
    check("<<: {a: 1}", "f:1:1: merge keys (`<<`) are not allowed");
    check("[a]: 1", "f:1:1: a key must be a single value");
    check(
        "a: 1\n---\nb: 2",
        "f:2:1: a file holds one YAML document (hint: remove the `---` or split the file)",
    );
}

#[test]
fn every_duplicate_key_is_told() {
    check(
        "a: 1\nb: {c: 1, c: 2}\na: 2",
        "f:2:11: key `c` stands twice, first on line 2\nf:3:1: key `a` stands twice, first on line 1",
    );
}

#[test]
fn a_broken_file_is_told_with_its_place() {
    let mistakes = read("a: [1\nb: 2").expect_err("an unclosed list");
    assert!(mistakes[0].message.starts_with("not valid YAML: "), "{mistakes:?}");
    assert_eq!(mistakes[0].line, 2);
}

#[test]
fn size_depth_and_count_are_bounded() {
    let refused = |text: String| read(&text).expect_err("beyond a limit")[0].message.clone();
    assert_eq!(refused("#".repeat(MAX_BYTES + 1)), "the file is too long");
    for deep in ["[", "{a: ", "- ", "? "] {
        let message = refused(deep.repeat(10_000));
        assert!(message.contains("deep") || message.contains("recursion"), "{deep}: {message}");
    }
    assert_eq!(refused(format!("[{}]", "1,\n".repeat(MAX_NODES))), "the file has too many values");
    assert_eq!(refused(format!("[{}]", "1,".repeat(MAX_LINE_BYTES))), "the line is too long");
    assert!(read(&("[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH))).is_ok());
}

#[test]
fn random_bytes_are_read_or_refused() {
    let letters: Vec<char> = "ab:-[]{}&*!|>'\"%@`,?# \n\t~<\\é\u{feff}0".chars().collect();
    let mut state = 7_u64;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..24 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let index = usize::try_from(state >> 33).unwrap_or(0) % letters.len();
            text.push(letters[index]);
        }
        let _ = read(&text).map_err(|mistakes| assert!(!mistakes.is_empty(), "{text:?}"));
    }
}

/// Finds `needle` in the value of the key `a` and prints where it stands in the file.
fn check_place(text: &str, needle: &str, expected: (u32, u32)) {
    let node = read(text).expect("valid YAML");
    let Value::Map(entries) = &node.value else { panic!("a map") };
    let Value::Scalar(scalar) = &entries[0].node.value else { panic!("a scalar") };
    let place = scalar.place_at(scalar.text.find(needle).expect("it is there"));
    assert_eq!((place.line, place.column), expected, "{text:?} {needle:?}");
}

#[test]
fn an_offset_in_a_value_is_found_in_the_file() {
    check_place("a: é = {x}", "{x}", (1, 8));
    check_place("a:   b  = c", "= c", (1, 9));
    check_place("a: b\n   = c", "c", (2, 6));
    check_place("a: 'it''s = c'", "= c", (1, 11));
    check_place("a: \"x\\\"y\\n \\u00e9 = c\"", "= c", (1, 19));
    check_place("a: |\n   one\n     two = c\n", "= c", (3, 10));
    check_place("a: >-\n  one\n  two\n\n  three\n", "three", (5, 3));
    check_place("# é\na: b = c", "c", (2, 8));
    check_place("a: b = c", " = c", (1, 5));
}

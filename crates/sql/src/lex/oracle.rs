//! Our tokens against PostgreSQL's own scanner, as far as its grammar shows it: where statements end, and where
//! names and constants stand.
//!
//! In:  random statements, made of parts that are hard to lex; the seed is in the message of a failure.
//! Out: nothing, or a statement on which the two disagree.

use pg_raw_parse::Node;
use pg_raw_parse::walk::walk;

use super::*;

const LIMITS: Limits = Limits { tokens: 10_000, nesting: 1_000 };

/// xorshift64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound as u64).expect("smaller than a usize")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const BLANKS: &[&str] =
    &[" ", "\n", "\t", " -- ;'\"\n", "/*;'*/", "/* /* \" */ $$ */", "\r--\r", " /**/\x0c"];
const NAMES: &[&str] = &[
    "a",
    "T_1",
    "größe",
    "\"Q \"\" ;\"",
    "u&\"d\\0061t\"",
    "_x$1",
    "\"e'\"",
    "N",
    "B",
    "x",
    "e",
    "U",
    "name",
    "É",
];
const CONSTANTS: &[&str] = &[
    "1",
    "1.",
    ".5",
    "1e-5",
    "12345678901",
    "'a'",
    "'it''s ; \"'",
    "'a\\'",
    "e'\\' ;\\\\'",
    "E'\\u00e9\\x41'",
    "$$ ; ' $$",
    "$t$ $$ ; $x$ $t$",
    "$é$;$é$",
    "b'01'",
    "X'1f'",
    "n'; a'",
    "u&'\\0061;\\\\'",
    "'a'\n'b;'",
    "'a' \n \r\t'b'",
    "e'a\\\n'\n'\\'b'",
    "$1",
    "$65535",
    "true",
    "null",
];
const OPERATORS: &[&str] = &[
    "+", "-", "*", "=", "<=", "<>", "!=", "->>", "@>", "||", "%", "^", "#>", "~*", "?|", "@-",
    "*-", "=-", "<-", "-/*;*/-", "+--;\n+", "*+-+", "&&", "|/-", "and", "or", "in",
];

struct Maker {
    random: Random,
    text: String,
}

impl Maker {
    fn add(&mut self, word: &str) {
        let blank = self.random.pick(BLANKS);
        self.text.push_str(word);
        self.text.push_str(blank);
    }

    fn add_name(&mut self) {
        let name = self.random.pick(NAMES);
        self.add(name);
    }

    fn expression(&mut self, depth: usize) {
        match self.random.below(if depth == 0 { 3 } else { 8 }) {
            0 | 1 => {
                let constant = self.random.pick(CONSTANTS);
                self.add(constant);
            }
            2 => {
                self.add_name();
                self.text.push('.');
                self.add_name();
            }
            3 => {
                self.add("fn");
                self.list("(", ")", depth - 1);
            }
            4 => self.list("(", ")", depth - 1),
            5 => {
                self.expression(depth - 1);
                self.text.push_str("::");
                self.add_name();
            }
            6 => {
                self.add("(select");
                self.expression(depth - 1);
                self.add(")");
            }
            _ => {
                self.expression(depth - 1);
                let operator = self.random.pick(OPERATORS);
                self.add(operator);
                self.list("(", ")", depth - 1);
            }
        }
    }

    fn list(&mut self, open: &str, close: &str, depth: usize) {
        self.add(open);
        self.expression(depth);
        if self.random.below(3) == 0 {
            self.text.push(',');
            self.expression(depth);
        }
        self.add(close);
    }

    fn statement(&mut self) {
        self.add("SELECT");
        self.expression(3);
        self.add("FROM");
        self.add_name();
        self.text.push('.');
        self.add_name();
        self.add("WHERE");
        self.expression(2);
        let semicolons = self.random.below(3);
        self.text.push_str(&";".repeat(semicolons.max(1)));
    }
}

/// The statements that semicolons part, as byte ranges from their first token to their last.
fn statements(tokens: &Tokens) -> Vec<(u32, u32)> {
    let parts = tokens.list.split(|token| token.kind == TokenKind::Semicolon);
    parts.filter_map(|part| Some((part.first()?.start, part.last()?.end))).collect()
}

/// The names at the node's location, in the tree's spelling; `None` for a node that is no name.
fn located(node: Node<'_>) -> Option<(i32, Option<String>)> {
    if let Node::ColumnRef(column) = node {
        return Some((
            column.location,
            column.fields().first().and_then(Node::as_str).map(str::to_owned),
        ));
    }
    if let Node::RangeVar(relation) = node {
        return Some((relation.location, relation.schemaname().map(str::to_owned)));
    }
    if let Node::FuncCall(call) = node {
        return Some((
            call.location,
            call.funcname().first().and_then(Node::as_str).map(str::to_owned),
        ));
    }
    if let Node::A_Const(constant) = node {
        return Some((constant.location, None));
    }
    if let Node::ParamRef(parameter) = node {
        return Some((parameter.location, None));
    }
    None
}

fn check_node(text: &str, tokens: &Tokens, node: Node<'_>) -> usize {
    let Some((location, name)) = located(node) else { return 0 };
    let Ok(offset) = usize::try_from(location) else { return 0 };
    // `N'…'`: the grammar's string begins a byte behind our token.
    let national = offset
        .checked_sub(1)
        .and_then(|before| tokens.at_offset(before))
        .is_some_and(|before| tokens[before].kind == TokenKind::NationalString);
    let found = tokens.at_offset(offset);
    assert!(found.is_some() || national, "no token at byte {offset} of {text:?}");
    if let (Some(found), Some(name)) = (found, name) {
        assert_eq!(unquote_identifier(tokens[found].text(text)), name, "in {text:?}");
    }
    1
}

/// How many locations agreed; `None` if the text is not accepted by the grammar, or if we refuse it.
fn check(text: &str) -> Option<usize> {
    let tree = pg_raw_parse::parse(text).ok()?;
    let tokens = lex(text, LIMITS).ok()?;
    let ours = statements(&tokens);
    assert_eq!(ours.len(), tree.iter().count(), "statements of {text:?}");
    let mut nodes = 0;
    for (raw, (start, end)) in tree.iter().zip(ours) {
        let from = u32::try_from(raw.stmt_location).expect("not negative");
        let length = u32::try_from(raw.stmt_len).expect("not negative");
        assert!(from <= start && (length == 0 || end <= from + length), "range in {text:?}");
        walk(raw.stmt(), |node| nodes += check_node(text, &tokens, node));
    }
    Some(nodes)
}

/// The text with another constant of the same class for each.
fn exchange(text: &str, found: &Skeleton<'_>, random: &mut Random) -> String {
    let (mut other, mut done) = (String::new(), 0);
    for constant in found.constants() {
        other.push_str(&text[done..constant.range.start]);
        other.push_str(random.pick(match constant.class {
            Class::Integer => &["0", "7", "2147483647", "0000"],
            Class::Bigint => &["2147483648", "9223372036854775807"],
            Class::Numeric => &["1.", ".5", "2.5", "9223372036854775808"],
            Class::String => &["''", "'a'", "'it''s; --'", "'\\'", "'ü'"],
        }));
        done = constant.range.end;
    }
    other + &text[done..]
}

/// Each node's kind and the token that it is located at.
fn outline(text: &str, tokens: &Tokens) -> Option<Vec<String>> {
    let tree = pg_raw_parse::parse(text).ok()?;
    let mut nodes = Vec::new();
    for raw in tree.iter() {
        walk(raw.stmt(), |node| {
            let place = located(node).and_then(|(location, _)| usize::try_from(location).ok());
            let Some(token) = place.and_then(|place| tokens.at_offset(place)) else { return };
            nodes.push(format!("{:?} {token}", std::mem::discriminant(&node)));
        });
    }
    Some(nodes)
}

/// Texts of one key are the same token by token outside their constants, to us and to the grammar.
#[test]
fn one_key_is_one_tree() {
    let seed = 0x5eed_0f5c_a91d_0002;
    let mut maker = Maker { random: Random(seed), text: String::new() };
    let (mut exchanged, mut trees) = (0, 0);
    for _ in 0..4_000 {
        maker.text.clear();
        maker.statement();
        let text = maker.text.clone();
        let Ok(tokens) = lex(&text, LIMITS) else { continue };
        let found = skeleton(&text).expect("lexed");
        let other = exchange(&text, &found, &mut maker.random);
        let again = skeleton(&other).expect("the same tokens");
        assert_eq!(found.key(), again.key(), "{text:?} {other:?}");
        let other_tokens = lex(&other, LIMITS).expect("the same tokens");
        assert_eq!(tokens.len(), other_tokens.len(), "{text:?} {other:?}");
        for (index, (left, right)) in tokens.iter().zip(other_tokens.iter()).enumerate() {
            let constant = found.constants().iter().any(|constant| constant.token == index);
            let same = left.kind == right.kind && left.text(&text) == right.text(&other);
            assert!(constant || same, "token {index} of {text:?} {other:?}");
        }
        exchanged += found.constants().len();
        let tree = outline(&text, &tokens);
        let other_tree = outline(&other, &other_tokens);
        assert_eq!(tree, other_tree, "{text:?} {other:?}");
        trees += usize::from(tree.is_some());
    }
    assert!(exchanged > 2_000 && trees > 1_000, "seed {seed:#x}: {exchanged}, {trees} trees");
}

#[test]
fn tokens_stand_where_the_grammar_says() {
    let seed = 0x5eed_0f5c_a91d_0001;
    let mut maker = Maker { random: Random(seed), text: String::new() };
    let (mut accepted, mut nodes) = (0, 0);
    for _ in 0..4_000 {
        maker.text.clear();
        for _ in 0..=maker.random.below(2) {
            maker.statement();
        }
        if let Some(found) = check(&maker.text) {
            accepted += 1;
            nodes += found;
        }
    }
    assert!(
        accepted > 1_000 && nodes > 10_000,
        "seed {seed:#x}: {accepted} accepted, {nodes} nodes"
    );
}

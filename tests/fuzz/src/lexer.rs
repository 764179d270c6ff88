//! What must hold for our tokens of whatever text: PostgreSQL's grammar cuts it at the same places.
//!
//! Shared by the fuzz target and by a test of `crates/sql`, which runs the seeds.
//!
//! Invariants:
//! - Tokens do not overlap, start and end at characters, and only blanks and comments lie between them.
//! - As many statements; each name and constant of the tree starts where a token starts, and reads the same.

use pg_raw_parse::Node;
use pg_raw_parse::walk::walk;
use pgcordon_sql::lex::{self, Limits, TokenKind, Tokens, unquote_identifier};

const LIMITS: Limits = Limits { tokens: 10_000, nesting: 200 };

/// Runs all of it on one input.
///
/// # Panics
/// When something does not hold.
pub(crate) fn check(text: &str) {
    let Ok(tokens) = lex::lex(text, LIMITS) else { return };
    gaps(text, &tokens);
    let Ok(tree) = pg_raw_parse::parse(text) else { return };
    let ours = statements(&tokens);
    // CREATE RULE … DO (…; …) and CREATE FUNCTION … BEGIN ATOMIC have semicolons inside; pgcordon refuses both.
    let holds_others = |raw: &pg_raw_parse::nodes::RawStmt| {
        matches!(raw.stmt(), Node::RuleStmt(_) | Node::CreateFunctionStmt(_))
    };
    if tree.iter().any(holds_others) {
        assert!(ours.len() >= tree.iter().count(), "statements of {text:?}");
        return;
    }
    assert_eq!(ours.len(), tree.iter().count(), "statements of {text:?}");
    for (raw, (start, end)) in tree.iter().zip(ours) {
        let from = usize::try_from(raw.stmt_location).expect("not negative");
        let length = usize::try_from(raw.stmt_len).expect("not negative");
        assert!(from <= start && (length == 0 || end <= from + length), "range in {text:?}");
        // The walker knows no other statements.
        let known = matches!(
            raw.stmt(),
            Node::SelectStmt(_) | Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_)
        );
        if known {
            walk(raw.stmt(), |node| located(text, &tokens, node));
        }
    }
}

fn gaps(text: &str, tokens: &Tokens) {
    let mut end = 0;
    for token in tokens.iter() {
        let range = token.range();
        assert!(range.start >= end && range.end > range.start, "{text:?}");
        let gap = &text[end..range.start];
        let again = lex::lex(gap, LIMITS).map(|tokens| tokens.is_empty());
        assert_eq!(again, Ok(true), "{gap:?} in {text:?}");
        end = range.end;
        assert!(text.is_char_boundary(end), "{text:?}");
    }
}

/// The statements that semicolons part, as byte ranges from their first token to their last.
fn statements(tokens: &Tokens) -> Vec<(usize, usize)> {
    let list: Vec<_> = tokens.iter().collect();
    let parts = list.split(|token| token.kind == TokenKind::Semicolon);
    parts.filter_map(|part| Some((part.first()?.range().start, part.last()?.range().end))).collect()
}

fn located(text: &str, tokens: &Tokens, node: Node<'_>) {
    let (location, name) = match node {
        Node::ColumnRef(column) => {
            (column.location, column.fields().first().and_then(Node::as_str))
        }
        Node::RangeVar(relation) => {
            (relation.location, relation.catalogname().or(relation.schemaname()))
        }
        Node::FuncCall(call) => (call.location, None),
        Node::A_Const(constant) => (constant.location, None),
        Node::ParamRef(parameter) => (parameter.location, None),
        _ => return,
    };
    let Ok(offset) = usize::try_from(location) else { return };
    // `N'…'`: the grammar's string begins a byte behind our token.
    let before = offset.checked_sub(1).and_then(|before| tokens.at_offset(before));
    let national = before.is_some_and(|before| tokens[before].kind == TokenKind::NationalString);
    let found = tokens.at_offset(offset);
    assert!(found.is_some() || national, "no token at byte {offset} of {text:?}");
    if let (Some(found), Some(name)) = (found, name) {
        assert_eq!(unquote_identifier(tokens[found].text(text)), name, "in {text:?}");
    }
}

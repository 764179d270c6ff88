//! Kinds of statement that a role is granted beside reading and writing rows.
//!
//! In:  the list `statements` of a role.
//! Out: [`StatementGrant`]s, for the principal of everyone who has the role.
//!
//! Invariants:
//! - What is not granted is refused: a word that is not known grants nothing and is a mistake.

use std::collections::BTreeSet;

use crate::audience::names;
use crate::mistake::{MistakeKind, Report};
use crate::yaml::Node;

/// A kind of statement that needs a grant of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum StatementGrant {
    /// EXPLAIN: it shows estimates and row predicates.
    Explain,
    /// CREATE TABLE AS, SELECT INTO, CREATE VIEW, CREATE MATERIALIZED VIEW.
    Create,
    /// CREATE TABLE, ALTER, DROP and their kin, on what the person holds whole.
    Define,
    /// CREATE TEMPORARY TABLE, and what is done to such tables.
    Temporary,
}

const WORDS: [(&str, StatementGrant); 4] = [
    ("explain", StatementGrant::Explain),
    ("create", StatementGrant::Create),
    ("ddl", StatementGrant::Define),
    ("temporary", StatementGrant::Temporary),
];

/// Reads a role's `statements`.
pub(crate) fn read(node: Option<&Node>, report: &mut Report) -> BTreeSet<StatementGrant> {
    let nodes = node.and_then(|node| node.list("`statements`", report)).unwrap_or_default();
    let mut granted = BTreeSet::new();
    for scalar in names(nodes, "a kind of statement", report) {
        match WORDS.iter().find(|(word, _)| *word == scalar.text) {
            Some((_, grant)) => {
                granted.insert(*grant);
            }
            None => {
                let near = report.suggest(&scalar.text, WORDS.iter().map(|(word, _)| *word));
                let hint = if near.is_empty() { "explain, create, ddl, temporary" } else { &near };
                let message = format!("unknown kind of statement `{}`", scalar.text);
                report.add(&scalar.place, MistakeKind::Structure, message, hint);
            }
        }
    }
    granted
}

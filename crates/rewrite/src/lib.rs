//! Carries decisions out on the text and proves the result.
//!
//! One call is the product: [`enforce`], synchronous, without I/O. It is what is fuzzed, property-tested,
//! benchmarked, and what `pgcordon explain` prints.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

mod cleared;
mod mark;
mod refusal;

pub use cleared::{Cleared, ClearedStatement, Effect, RowShape, StatementKind};
pub use mark::{Mark, Violation};
pub use refusal::{ClientMessage, Refusal};

use pgcordon_policy::{BoundPolicy, Principal};
use pgcordon_sql::catalog::Snapshot;

/// Everything that a verdict depends on besides the text.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The catalog.
    pub snapshot: &'a Snapshot,
    /// The policy, bound to that snapshot.
    pub policy: &'a BoundPolicy,
    /// Who asks.
    pub principal: &'a Principal,
    /// The session's search_path as schema names, without `"$user"` and implicit entries.
    pub search_path: &'a [String],
    /// The database name that the client connected with; accepted as a catalog qualifier.
    pub database: &'a str,
    /// The proxy's mark.
    pub mark: &'a Mark,
    /// Longest statement that is read, in bytes.
    pub max_statement_bytes: usize,
}

/// Decides on a text of any number of statements (simple protocol), or of one (extended).
///
/// # Errors
/// A [`Refusal`]; then nothing of the text may be sent.
pub fn enforce(text: &str, context: Context<'_>) -> Result<Cleared, Refusal> {
    let _ = (text, context);
    Err(Refusal::Unsupported { what: "any statement yet".to_owned(), offset: None })
}

/// One line of `pgcordon explain`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayerAnswer {
    /// `connect`, `dataset`, `query` or `row`.
    pub layer: &'static str,
    /// For example `select on public.orders: rules "own region"`.
    pub answer: String,
}

/// As [`enforce`], and tells what each layer answered.
pub fn explain(text: &str, context: Context<'_>) -> (Vec<LayerAnswer>, Result<Cleared, Refusal>) {
    (Vec::new(), enforce(text, context))
}

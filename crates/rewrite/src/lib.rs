//! Carries decisions out on the text and proves the result.
//!
//! One call is the product: [`enforce`], synchronous, without I/O. It is what is fuzzed, property-tested,
//! benchmarked, and what `pgcordon explain` prints.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

mod assign;
mod catalog;
mod cleared;
mod copy;
mod define;
mod enforce;
mod export;
mod insert;
mod known;
mod layers;
mod lens;
mod mark;
mod matrix;
mod merge;
mod parameter;
mod plan;
mod propose;
mod query;
mod read;
mod refer;
mod refusal;
mod settings;
mod template;
mod through;
mod verify;
mod write;

#[cfg(test)]
extern crate self as pgcordon_rewrite;
#[cfg(test)]
mod mutation;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the integration tests")]
mod support;

pub use cleared::{
    Cleared, ClearedStatement, Effect, Kept, Life, RowShape, StatementKind, Step, Use,
};
pub use enforce::{enforce, explain};
pub use export::{Export, ExportRequest, export_sql};
pub use known::{Known, Names};
pub use layers::{Layer, LayerAnswer};
pub use mark::{Mark, Violation};
pub use matrix::{MatrixRequest, matrix, matrix_kinds};
pub use parameter::Parameterised;
pub use refusal::{ClientMessage, Refusal};
pub use settings::{lasting, startable};
pub use template::Template;

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
    /// Parameter types that the client declared in Parse, by OID; empty in the simple protocol.
    pub parameter_types: &'a [u32],
    /// Longest statement that is read, in bytes.
    pub max_statement_bytes: usize,
}

//! Reads PostgreSQL statements: lexes, parses, classifies, resolves names, splices text.
//!
//! The only crate that names a parser. Knows no policy, waits for nothing.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "PostgreSQL's Node has 480 variants, most of them the planner's: what is not named is refused"
)]
pub mod analyze;
pub mod builtin;
pub mod catalog;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "counts names in PostgreSQL's 480 node kinds; `analyze` has refused what it does not know"
)]
pub mod census;
mod error;
pub mod fingerprint;
pub mod lex;
mod locate;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "looks for a few kinds of token, decides nothing"
)]
pub mod parse;
pub mod splice;
pub mod template;

pub use error::Error;
pub use lex::{Class, Constant, Skeleton, skeleton};

/// Names that begin so are ours: a client's alias, CTE or cursor of such a name is refused.
pub const RESERVED_PREFIX: &str = "pgcordon";

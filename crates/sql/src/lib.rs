//! Reads PostgreSQL statements: lexes, parses, classifies, resolves names, splices text.
//!
//! The only crate that names a parser. Knows no policy, waits for nothing.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

pub mod analyze;
pub mod builtin;
pub mod catalog;
pub mod census;
mod error;
pub mod lex;
mod locate;
pub mod parse;
pub mod splice;
pub mod template;

pub use error::Error;

/// Names that begin so are ours: a client's alias, CTE or cursor of such a name is refused.
pub const RESERVED_PREFIX: &str = "pgcordon";

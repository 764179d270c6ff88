//! Reads PostgreSQL statements: lexes, parses, classifies, resolves names, splices text.
//!
//! The only crate that names a parser. Knows no policy, waits for nothing.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

pub mod catalog;
pub mod splice;
pub mod template;

//! What the end-to-end tests share: a throw-away PostgreSQL, the real binary, a raw client.
//!
//! In:  SQL files and a policy under `tests/cases`.
//! Out: a [`Stage`]: one database behind pgcordon, and its twin guarded by native row security.
//!
//! Invariants:
//! - What a test started is stopped when its owner is dropped, by process id, also when the test fails.
//! - Nothing listens anywhere but on loopback, and every wait has a deadline.

pub mod answer;
pub mod authority;
pub mod cluster;
pub mod compare;
pub mod gates;
pub mod generate;
pub mod process;
pub mod proxy;
pub mod script;
pub mod stage;
pub mod tokens;
pub mod twin;
pub mod wire;

pub use answer::{Answer, ResultSet, ServerError};
pub use cluster::Cluster;
pub use proxy::Proxy;
pub use stage::Stage;
pub use twin::Twin;
pub use wire::Client;

/// The repository's root.
#[must_use]
pub fn repository() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file under `tests/`, as text.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn test_file(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

//! How long a session keeps an upstream connection.
//!
//! In:  the word `pool_mode` of a database or a user.
//! Out: a [`PoolMode`].

use crate::mistake::{MistakeKind, Report};
use crate::yaml::Node;

/// How long a session keeps an upstream connection.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PoolMode {
    /// As long as the client is connected.
    #[default]
    Session,
    /// For one transaction; longer while something of the session's lives in the connection.
    Transaction,
}

const WORDS: [(&str, PoolMode); 2] =
    [("session", PoolMode::Session), ("transaction", PoolMode::Transaction)];

/// Reads `pool_mode`; `None` where it does not stand.
pub(crate) fn read(node: Option<&Node>, report: &mut Report) -> Option<PoolMode> {
    let scalar = node?.scalar("`pool_mode`", report)?;
    let found = WORDS.iter().find(|(word, _)| *word == scalar.text).map(|(_, mode)| *mode);
    if found.is_none() {
        let message = format!("`{}` is not a pool mode", scalar.text);
        report.add(&scalar.place, MistakeKind::Value, message, "session, transaction");
    }
    found
}

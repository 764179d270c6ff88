//! What a client is told of an upstream when it connects, for each set of settings that some client has used before.
//!
//! In:  an upstream connection that has those settings.
//! Out: a [`Greeting`] for the next client, who then needs no connection to start with.
//!
//! Invariants:
//! - Settings that are here were accepted by PostgreSQL.
//! - Bounded: a client chooses its settings.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::session::Who;

/// Most sets of settings.
const MAX: usize = 1000;

/// Answers that a connection with certain settings gives.
#[derive(Debug)]
pub(crate) struct Greeting {
    /// ParameterStatus.
    pub(crate) parameters: BTreeMap<Bytes, Bytes>,
    /// The search_path as PostgreSQL shows it.
    pub(crate) path: Arc<str>,
}

/// Greetings by the settings, as [`Settings::statement`](crate::settings::Settings::statement) writes them.
#[derive(Debug, Default)]
pub(crate) struct Greetings(Mutex<HashMap<Arc<str>, Arc<Greeting>>>);

impl Greetings {
    pub(crate) fn find(&self, settings: &str) -> Option<Arc<Greeting>> {
        self.lock().get(settings).cloned()
    }

    pub(crate) fn note(&self, settings: &Arc<str>, greeting: Greeting) -> Arc<Greeting> {
        let greeting = Arc::new(greeting);
        let mut known = self.lock();
        if known.len() >= MAX {
            known.clear();
        }
        known.insert(settings.clone(), greeting.clone());
        greeting
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Arc<Greeting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parameters of which a restricted person is told, as they are; the rest of PostgreSQL 18's list is in [`reported`].
const REPORTED: &[&[u8]] = &[
    b"application_name",
    b"client_encoding",
    b"DateStyle",
    b"default_transaction_read_only",
    b"in_hot_standby",
    b"integer_datetimes",
    b"IntervalStyle",
    b"scram_iterations",
    b"search_path",
    b"server_encoding",
    b"server_version",
    b"standard_conforming_strings",
    b"TimeZone",
];

/// What the client is told of a parameter; the upstream role is nobody's business. An extension can make a
/// parameter of its own be reported: that is not on the list.
pub(crate) fn reported<'v>(name: &[u8], value: &'v [u8], who: &'v Who) -> Option<&'v [u8]> {
    match name {
        b"session_authorization" => Some(who.user().as_bytes()),
        b"is_superuser" => Some(b"off"),
        _ if who.is_bypass() || REPORTED.contains(&name) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_by_settings() {
        let greetings = Greetings::default();
        let greeting = |path: &str| Greeting { parameters: BTreeMap::new(), path: path.into() };
        for number in 0..3 * MAX {
            let settings: Arc<str> = number.to_string().into();
            greetings.note(&settings, greeting(&settings));
            let found = greetings.find(&settings).expect("just noted");
            assert_eq!(found.path, settings);
            assert!(greetings.lock().len() <= MAX);
        }
        assert!(greetings.find("x").is_none());
    }
}

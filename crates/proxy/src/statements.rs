//! Prepared statements of ours in one upstream connection, shared by all sessions that it is lent to.
//!
//! In:  statements as they are used.
//! Out: whether PostgreSQL has them already, and which to give up for a new one.
//!
//! Invariants:
//! - Bounded: the one that was used longest ago goes first.
//! - What is not known here is prepared again: forgetting is always safe.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::judged::JudgedId;

/// Most statements in one connection. Each takes memory in PostgreSQL too.
const MAX: usize = 500;

/// Settings by which PostgreSQL reads literals when it parses a statement. It reports each change of them before it is
/// ready for the next query (chapter 55.2.7). `xmloption` is another, and is not reported: sessions that set it share
/// no statement with literals.
const READ_BY: [&[u8]; 3] = [b"DateStyle", b"IntervalStyle", b"TimeZone"];

static ONCE: AtomicU64 = AtomicU64::new(1);

/// How a connection reads string literals.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Reading(u64);

impl Reading {
    /// A hash of the settings that matter, as reported.
    pub(crate) fn of(parameters: &BTreeMap<Bytes, Bytes>) -> Self {
        let mut hasher = DefaultHasher::new();
        READ_BY.map(|name| parameters.get(name)).hash(&mut hasher);
        Self(hasher.finish() | 1 << 63)
    }

    /// One that no other statement has: how literals are read is not known at this moment.
    pub(crate) fn once() -> Self {
        Self(ONCE.fetch_add(1, Ordering::Relaxed) & !(1 << 63))
    }

    /// Whether a parameter is one of those that matter.
    pub(crate) fn depends_on(name: &[u8]) -> bool {
        READ_BY.contains(&name)
    }
}

/// One statement, as it was parsed under certain settings.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Shared {
    pub(crate) id: JudgedId,
    pub(crate) reading: Reading,
}

/// Room for the name of a [`Shared`]: no allocation per message.
#[derive(Debug)]
pub(crate) struct NameBuffer {
    bytes: [u8; 48],
    length: usize,
}

impl Default for NameBuffer {
    fn default() -> Self {
        Self { bytes: [0; 48], length: 0 }
    }
}

impl std::fmt::Write for NameBuffer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl Shared {
    /// Its name upstream: one that no client may use ([`is_reserved`](crate::wire::is_reserved)).
    pub(crate) fn name(self, buffer: &mut NameBuffer) -> &[u8] {
        *buffer = NameBuffer::default();
        let Self { id, reading: Reading(reading) } = self;
        write!(buffer, "{}{:x}.{reading:x}", crate::wire::RESERVED, id.0)
            .expect("a prefix and two numbers of 16 digits fit");
        &buffer.bytes[..buffer.length]
    }
}

/// The statements of one connection.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    known: HashMap<Shared, u64>,
    clock: u64,
    /// What the unnamed statement is, if a session has just made it.
    pub(crate) unnamed: Option<JudgedId>,
}

impl Statements {
    /// Whether PostgreSQL has it, or will once everything pending has succeeded. Counts as a use.
    pub(crate) fn has(&mut self, statement: Shared) -> bool {
        self.clock += 1;
        match self.known.get_mut(&statement) {
            Some(used) => {
                *used = self.clock;
                true
            }
            None => false,
        }
    }

    /// Notes a new one; gives the one that must be closed for it.
    pub(crate) fn add(&mut self, statement: Shared) -> Option<Shared> {
        let oldest = if self.known.len() >= MAX {
            self.known.iter().min_by_key(|(_, used)| **used).map(|(oldest, _)| *oldest)
        } else {
            None
        };
        if let Some(oldest) = oldest {
            self.known.remove(&oldest);
        }
        self.clock += 1;
        self.known.insert(statement, self.clock);
        oldest
    }

    /// It was not closed after all. There may be one more than [`MAX`] until another is closed.
    pub(crate) fn restore(&mut self, statement: Shared) {
        self.known.insert(statement, self.clock);
    }

    /// It was not prepared after all.
    pub(crate) fn forget(&mut self, statement: Shared) {
        self.known.remove(&statement);
    }

    /// DEALLOCATE ALL, DISCARD ALL.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(id: u64) -> Shared {
        Shared { id: JudgedId(id), reading: Reading(7) }
    }

    #[test]
    fn the_one_used_longest_ago_goes() {
        let mut statements = Statements::default();
        for id in 0..MAX as u64 {
            assert_eq!(statements.add(shared(id)), None);
        }
        assert!(statements.has(shared(0)));
        assert_eq!(statements.add(shared(9999)), Some(shared(1)));
        assert!(statements.has(shared(0)) && !statements.has(shared(1)));
        statements.forget(shared(0));
        assert!(!statements.has(shared(0)));
        statements.clear();
        assert!(!statements.has(shared(9999)));
    }

    #[test]
    fn names_differ_and_are_reserved() {
        let (mut one, mut two) = (NameBuffer::default(), NameBuffer::default());
        let most = Shared { id: JudgedId(u64::MAX), reading: Reading(u64::MAX) };
        assert_ne!(shared(0x11).name(&mut one), shared(1).name(&mut two));
        assert!(crate::wire::is_reserved(most.name(&mut one)));
    }
}

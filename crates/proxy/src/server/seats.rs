//! How many connections one address, or one user, has at once.
//!
//! In:  who comes.
//! Out: a [`Seat`] for as long as they stay, and whether it is one too many.
//!
//! Invariants:
//! - A seat is given up however its connection ends.
//! - Without a limit nothing is counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections over the limit of an address that may say what they want: a cancel request is none too many, as in
/// PostgreSQL.
const SPARE: usize = 10;

/// Seats by key.
#[derive(Debug)]
pub(super) struct Seats<K> {
    limit: Option<usize>,
    taken: Mutex<HashMap<K, usize>>,
}

/// Whether a seat is one too many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Room {
    /// It is within the limit.
    Enough,
    /// It is over the limit, by few.
    Spare,
    /// It is over the limit by many.
    None,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Seat<K: Clone + Eq + Hash> {
    seats: Arc<Seats<K>>,
    key: K,
}

impl<K: Clone + Eq + Hash> Seats<K> {
    pub(super) fn new(limit: Option<usize>) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat, also one too many. `own` is a limit for that key alone; the smaller one counts.
    pub(super) fn take(self: &Arc<Self>, key: K, own: Option<u64>) -> (Option<Seat<K>>, Room) {
        let own = own.map(|own| usize::try_from(own).unwrap_or(usize::MAX));
        let Some(limit) = self.limit.into_iter().chain(own).min() else {
            return (None, Room::Enough);
        };
        let count = {
            let mut taken = self.taken();
            let count = taken.entry(key.clone()).or_default();
            *count += 1;
            *count
        };
        let room = match count {
            count if count <= limit => Room::Enough,
            count if count - limit <= SPARE => Room::Spare,
            _ => Room::None,
        };
        (Some(Seat { seats: self.clone(), key }), room)
    }
}

impl<K: Clone + Eq + Hash> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_seats() {
        let seats = Seats::new(Some(2));
        let (first, second) = (seats.take("a", None), seats.take("a", None));
        assert_eq!(
            (first.1, second.1, seats.take("b", None).1),
            (Room::Enough, Room::Enough, Room::Enough)
        );
        assert_eq!(seats.take("a", None).1, Room::Spare);
        drop(first);
        assert_eq!(seats.take("a", None).1, Room::Enough, "somebody has left");
        let many: Vec<_> = (0..SPARE + 1).map(|_| seats.take("a", None)).collect();
        assert_eq!(seats.take("a", None).1, Room::None);
        drop((second, many));
        assert!(seats.taken().is_empty(), "nothing is kept of who has left");
    }

    #[test]
    fn a_limit_of_ones_own_counts_where_it_is_smaller() {
        let seats = Seats::new(Some(2));
        let _one = seats.take("a", Some(1));
        assert_eq!(seats.take("a", Some(1)).1, Room::Spare);
        assert_eq!(seats.take("a", Some(9)).1, Room::Enough);
        assert_eq!(Seats::new(None).take("b", Some(1)).1, Room::Enough);
    }

    #[test]
    fn without_a_limit_nobody_is_counted() {
        let seats = Seats::new(None);
        let many: Vec<_> = (0..100).map(|_| seats.take("a", None)).collect();
        assert!(many.iter().all(|(_, room)| *room == Room::Enough));
        assert!(seats.taken().is_empty());
    }
}

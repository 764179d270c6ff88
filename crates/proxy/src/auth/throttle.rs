//! Slows and limits failed logins, per user and per address.
//!
//! In:  each attempt whose proof has been looked at: who, from where, by what kind of proof, right or wrong.
//! Out: a [`Ruling`]: whether it counts, and how long its answer waits.
//!
//! | failures counted for         | limit reached: refused                              |
//! |------------------------------|-----------------------------------------------------|
//! | the user from that address   | the user from that address                          |
//! | the address, all users       | users who have never logged in from that address    |
//! | the user, all addresses      | the user from addresses where they never logged in  |
//!
//! Invariants:
//! - Whether the user exists makes no difference, and right and wrong proofs wait alike: only earlier failures count.
//! - Judging and counting are one step under one lock, so that attempts at the same time do not slip through together.
//! - Bounded. A counter that has to give way to others is the smallest of those in its bucket, chosen by a hash that
//!   nobody outside knows, and who comes in its place starts at half of it: to forget one victim's failures somebody
//!   must fail more often than the victim's limit for each of thousands of other names and addresses.
//! - Failures elsewhere never keep a person out who logs in from where they logged in before: of these only the
//!   failures for that very user from that very address count. Attempts that were refused unseen are not counted, so
//!   that one address alone cannot use up a user's limit for all others.
//! - Failures are forgotten one by one, not all at once.
//! - Nobody guesses a signature: a right token or certificate counts however many failures there were, and wrong ones
//!   count for their address only, so that they keep nobody from a password.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::address::{Network, masked};

/// Slots of a bucket.
const WAYS: usize = 8;
const BUCKETS: usize = 4096;
/// Whoever has an IPv6 address has 2^64 of them.
const IPV6_SITE: u32 = 64;

/// How many failures are too many.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ThrottleConfig {
    pub(crate) per_user_and_address: u32,
    pub(crate) per_address: u32,
    pub(crate) per_user: u32,
    /// One failure is forgotten after so long.
    pub(crate) recovery: Duration,
    /// What an answer waits when a limit is reached; less before.
    pub(crate) max_delay: Duration,
    /// Addresses behind which many people are: without a limit of their own.
    pub(crate) shared_addresses: Vec<Network>,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            per_user_and_address: 10,
            per_address: 100,
            per_user: 100,
            recovery: Duration::from_secs(30),
            max_delay: Duration::from_secs(3),
            shared_addresses: Vec::new(),
        }
    }
}

/// What a login was tried with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A password, which can be guessed.
    Guessable,
    /// A signature.
    Signed,
}

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The proof was right.
    Admitted,
    /// It was wrong.
    Wrong,
    /// Too many failures before: whether it was right does not matter.
    Exhausted,
}

/// What becomes of an attempt, and when it is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ruling {
    pub(crate) verdict: Verdict,
    pub(crate) delay: Duration,
}

/// The counters of one process.
pub(crate) struct Throttle {
    hasher: RandomState,
    started: Instant,
    counters: Mutex<Counters>,
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Throttle(..)")
    }
}

struct Counters {
    pairs: Table,
    addresses: Table,
    users: Table,
    /// Users and addresses that have logged in from there, the latest of a bucket first.
    familiar: Vec<[u64; WAYS]>,
}

/// An attempt's place in the tables.
#[derive(Clone, Copy)]
struct Keys {
    pair: u64,
    address: u64,
    user: u64,
    shared: bool,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            started: Instant::now(),
            counters: Mutex::new(Counters {
                pairs: Table::new(),
                addresses: Table::new(),
                users: Table::new(),
                familiar: vec![[0; WAYS]; BUCKETS],
            }),
        }
    }

    /// Judges an attempt and counts it.
    pub(crate) fn judge(
        &self,
        config: &ThrottleConfig,
        (user, address): (&str, IpAddr),
        kind: Kind,
        right: bool,
    ) -> Ruling {
        let keys = self.keys(config, user, address);
        match kind {
            Kind::Guessable => self.judge_at(config, keys, right, Instant::now()),
            Kind::Signed => self.judge_signed(config, keys, right, Instant::now()),
        }
    }

    /// Whether an attempt would be refused unseen: then it need not cost anything.
    pub(crate) fn is_exhausted(
        &self,
        config: &ThrottleConfig,
        user: &str,
        address: IpAddr,
    ) -> bool {
        let keys = self.keys(config, user, address);
        self.lock().share(config, keys, self.clock(Instant::now())) >= 1.0
    }

    fn judge_at(&self, config: &ThrottleConfig, keys: Keys, right: bool, now: Instant) -> Ruling {
        let now = self.clock(now);
        let mut counters = self.lock();
        let share = counters.share(config, keys, now).min(1.0);
        let delay = config.max_delay.mul_f32(share * share);
        let verdict = match (share >= 1.0, right) {
            (true, _) => Verdict::Exhausted,
            (false, true) => Verdict::Admitted,
            (false, false) => Verdict::Wrong,
        };
        match verdict {
            Verdict::Admitted => counters.welcome(keys.pair),
            Verdict::Wrong => counters.charge(config, keys, now),
            Verdict::Exhausted => {}
        }
        Ruling { verdict, delay }
    }

    fn judge_signed(
        &self,
        config: &ThrottleConfig,
        keys: Keys,
        right: bool,
        now: Instant,
    ) -> Ruling {
        let now = self.clock(now);
        let mut counters = self.lock();
        if right {
            counters.welcome(keys.pair);
            return Ruling { verdict: Verdict::Admitted, delay: Duration::ZERO };
        }
        let share = counters.of_address(config, keys, now).min(1.0);
        if share < 1.0 && !keys.shared {
            counters.addresses.charge(keys.address, now, config.recovery);
        }
        Ruling { verdict: Verdict::Wrong, delay: config.max_delay.mul_f32(share * share) }
    }

    fn keys(&self, config: &ThrottleConfig, user: &str, address: IpAddr) -> Keys {
        let address = address.to_canonical();
        let shared = config.shared_addresses.iter().any(|network| network.contains(address));
        let site = if address.is_ipv6() { masked(address, IPV6_SITE) } else { address };
        // 0 marks an empty slot.
        let hash = |what: u8, user: &str, site: Option<IpAddr>| {
            self.hasher.hash_one((what, user, site)).max(1)
        };
        Keys {
            pair: hash(0, user, Some(site)),
            address: hash(1, "", Some(site)),
            user: hash(2, user, None),
            shared,
        }
    }

    fn clock(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.started).as_secs_f64()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    /// How much of the tightest limit is used up; 1 and more is all of it.
    fn share(&self, config: &ThrottleConfig, keys: Keys, now: f64) -> f32 {
        let recovery = config.recovery;
        let of =
            |table: &Table, key: u64, limit: u32| table.level(key, now, recovery) / limit as f32;
        let pair = of(&self.pairs, keys.pair, config.per_user_and_address);
        if self.is_familiar(keys.pair) {
            return full(pair, config.per_user_and_address);
        }
        let user = of(&self.users, keys.user, config.per_user);
        full(pair, config.per_user_and_address)
            .max(full(user, config.per_user))
            .max(self.of_address(config, keys, now))
    }

    fn of_address(&self, config: &ThrottleConfig, keys: Keys, now: f64) -> f32 {
        if keys.shared {
            return 0.0;
        }
        let level = self.addresses.level(keys.address, now, config.recovery);
        full(level / config.per_address as f32, config.per_address)
    }

    fn charge(&mut self, config: &ThrottleConfig, keys: Keys, now: f64) {
        let recovery = config.recovery;
        self.pairs.charge(keys.pair, now, recovery);
        self.users.charge(keys.user, now, recovery);
        if !keys.shared {
            self.addresses.charge(keys.address, now, recovery);
        }
    }

    fn is_familiar(&self, pair: u64) -> bool {
        self.familiar[bucket(pair)].contains(&pair)
    }

    /// A login clears its own failures, not those of the address: who has an account must not be able to try those
    /// of others for ever.
    fn welcome(&mut self, pair: u64) {
        self.pairs.clear(pair);
        let known = &mut self.familiar[bucket(pair)];
        let place = known.iter().position(|other| *other == pair).unwrap_or(WAYS - 1);
        known[..=place].rotate_right(1);
        known[0] = pair;
    }
}

/// A limit counts as reached while less than one attempt is left of it.
fn full(share: f32, limit: u32) -> f32 {
    if share * limit as f32 > limit as f32 - 1.0 + 1e-3 { share.max(1.0) } else { share }
}

fn bucket(key: u64) -> usize {
    usize::try_from(key % BUCKETS as u64).expect("fewer buckets than a word counts")
}

/// Counters that run down with time, in buckets of [`WAYS`].
struct Table(Vec<Slot>);

#[derive(Clone, Copy, Default)]
struct Slot {
    /// 0: empty.
    key: u64,
    /// At the time `at`.
    level: f32,
    /// In seconds since the start.
    at: f64,
}

impl Slot {
    fn level(&self, now: f64, recovery: Duration) -> f32 {
        let forgotten = (now - self.at).max(0.0) / recovery.as_secs_f64();
        (self.level - forgotten as f32).max(0.0)
    }
}

impl Table {
    fn new() -> Self {
        Self(vec![Slot::default(); BUCKETS * WAYS])
    }

    fn slots(&self, key: u64) -> &[Slot] {
        &self.0[bucket(key) * WAYS..][..WAYS]
    }

    fn level(&self, key: u64, now: f64, recovery: Duration) -> f32 {
        let slot = self.slots(key).iter().find(|slot| slot.key == key);
        slot.map_or(0.0, |slot| slot.level(now, recovery))
    }

    fn charge(&mut self, key: u64, now: f64, recovery: Duration) {
        let slots = &mut self.0[bucket(key) * WAYS..][..WAYS];
        let own = slots.iter().position(|slot| slot.key == key);
        let level = |slot: &Slot| slot.level(now, recovery);
        let place = own.unwrap_or_else(|| {
            let by_level =
                |one: &usize, other: &usize| level(&slots[*one]).total_cmp(&level(&slots[*other]));
            (0..WAYS).min_by(by_level).expect("a bucket has slots")
        });
        let before = level(&slots[place]);
        let kept = if own.is_some() { before } else { before / 2.0 };
        slots[place] = Slot { key, level: kept + 1.0, at: now };
    }

    fn clear(&mut self, key: u64) {
        let slots = &mut self.0[bucket(key) * WAYS..][..WAYS];
        if let Some(slot) = slots.iter_mut().find(|slot| slot.key == key) {
            *slot = Slot::default();
        }
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;

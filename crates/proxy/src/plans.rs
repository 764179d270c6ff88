//! Remembers verdicts: the same text, for the same person, under the same policy, catalog and search_path.
//!
//! In:  what a verdict depends on ([`Key`]).
//! Out: the [`Judged`] text of an earlier verdict, or what texts that differ only in constants have in common.
//!
//! Invariants:
//! - Every part of the key is compared, never its hash alone.
//! - A refusal is not remembered, nor anything of a principal with bypass.
//! - Bounded in bytes: what was not used since a shard filled up once goes first.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pgcordon_policy::Principal;
use pgcordon_rewrite::{Parameterised, Template};
use pgcordon_sql::catalog::Epoch;

use crate::judged::Judged;

/// Threads that look at once seldom meet in one shard.
const SHARDS: usize = 16;
/// Of texts in one half of a shard.
const MAX_BYTES: usize = 1 << 20;
/// What an entry takes beside its texts, about.
const ENTRY_BYTES: usize = 512;
/// Longer texts are not remembered.
const MAX_TEXT: usize = 64 * 1024;

/// What a verdict depends on. The policy is the epoch's; attributes are the principal's own, as two sessions of one
/// name may carry different ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) epoch: Epoch,
    pub(crate) principal: &'a Arc<Principal>,
    /// The schemas of the search_path.
    pub(crate) path: &'a Arc<[String]>,
    /// Declared parameter types.
    pub(crate) types: &'a [u8],
    pub(crate) text: &'a str,
}

/// What is remembered, with the parts of its key.
#[derive(Clone, Debug)]
struct Entry<V> {
    epoch: Epoch,
    principal: Arc<Principal>,
    path: Arc<[String]>,
    types: Bytes,
    text: Arc<str>,
    value: V,
    bytes: usize,
}

impl<V> Entry<V> {
    fn is_for(&self, key: &Key<'_>) -> bool {
        self.epoch == key.epoch
            && *self.text == *key.text
            && self.types == key.types
            && is_same(&self.principal, key.principal)
            && (Arc::ptr_eq(&self.path, key.path) || self.path == *key.path)
    }
}

/// Whether statements of both are judged alike. Sessions of one person share one principal, as a rule.
pub(crate) fn is_same(one: &Arc<Principal>, other: &Arc<Principal>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Two halves: entries that are used move to the young one; when that is full, the old one is dropped.
#[derive(Debug)]
struct Shard<V> {
    young: HashMap<u64, Entry<V>>,
    old: HashMap<u64, Entry<V>>,
    bytes: usize,
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), bytes: 0 }
    }
}

impl<V: Clone> Shard<V> {
    fn find(&mut self, hash: u64, key: &Key<'_>) -> Option<V> {
        if let Some(entry) = self.young.get(&hash) {
            return entry.is_for(key).then(|| entry.value.clone());
        }
        let entry = self.old.remove(&hash).filter(|entry| entry.is_for(key))?;
        let value = entry.value.clone();
        self.insert(hash, entry);
        Some(value)
    }

    fn insert(&mut self, hash: u64, entry: Entry<V>) {
        if self.bytes + entry.bytes > MAX_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += entry.bytes;
        if let Some(before) = self.young.insert(hash, entry) {
            self.bytes -= before.bytes;
        }
    }
}

/// Values of one kind, by key.
#[derive(Debug)]
struct Cache<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    hasher: RandomState,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new() }
    }
}

impl<V: Clone> Cache<V> {
    fn find(&self, key: &Key<'_>) -> Option<V> {
        let hash = self.hash(key);
        self.shard(hash).find(hash, key)
    }

    /// `text` and `types` are the key's; `bytes` what `value` takes.
    fn insert(&self, key: &Key<'_>, text: Arc<str>, types: Bytes, value: V, bytes: usize) {
        if key.text.len() > MAX_TEXT || key.principal.bypass {
            return;
        }
        let entry = Entry {
            epoch: key.epoch,
            principal: key.principal.clone(),
            path: key.path.clone(),
            types,
            text,
            value,
            bytes: bytes + ENTRY_BYTES,
        };
        let hash = self.hash(key);
        self.shard(hash).insert(hash, entry);
    }

    fn hash(&self, key: &Key<'_>) -> u64 {
        let Key { epoch, principal, path: _, types, text } = key;
        // Few differ in their search_path alone, or have one name and are somebody else: that is compared, not hashed.
        self.hasher.hash_one((epoch, &principal.name, &principal.database, types, text))
    }

    fn shard(&self, hash: u64) -> std::sync::MutexGuard<'_, Shard<V>> {
        let index = usize::try_from(hash % SHARDS as u64).expect("less than SHARDS");
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of texts that differ only in constants.
#[derive(Clone, Debug)]
pub(crate) enum Alike {
    /// One of them was judged.
    Once,
    /// Each must be judged.
    Never,
    /// The others can be made of it.
    Template(Arc<Template>),
    /// They can run as one prepared statement.
    Parameterised(Arc<Template>, Arc<Shape>),
}

/// The statement with parameters, as it is prepared upstream.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) parameterised: Parameterised,
    pub(crate) judged: Arc<Judged>,
}

/// The verdicts of one database.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    texts: Cache<Arc<Judged>>,
    skeletons: Cache<Alike>,
}

impl Plans {
    pub(crate) fn find(&self, key: &Key<'_>) -> Option<Arc<Judged>> {
        self.texts.find(key)
    }

    pub(crate) fn insert(&self, key: &Key<'_>, judged: &Arc<Judged>) {
        let (text, types) = (judged.text.clone(), judged.types.clone());
        self.texts.insert(key, text, types, judged.clone(), judged.bytes());
    }

    /// The key's text is that of a skeleton: no statement's text holds a NUL.
    pub(crate) fn find_alike(&self, key: &Key<'_>) -> Option<Alike> {
        self.skeletons.find(key)
    }

    pub(crate) fn insert_alike(&self, key: &Key<'_>, alike: Alike) {
        let copies = match &alike {
            Alike::Once | Alike::Never => 1,
            Alike::Template(_) => 4,
            Alike::Parameterised(..) => 8,
        };
        let types = Bytes::copy_from_slice(key.types);
        self.skeletons.insert(key, key.text.into(), types, alike, copies * key.text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judged::cleared;

    fn principal(name: &str, database: &str) -> Arc<Principal> {
        let (name, database) = (name.to_owned(), database.to_owned());
        Arc::new(Principal { name, database, ..Principal::default() })
    }

    fn with_region(region: &str) -> Arc<Principal> {
        let attributes = [("region".to_owned(), region.to_owned())].into();
        Arc::new(Principal { attributes, ..(*principal("rita", "shop")).clone() })
    }

    fn judged(key: &Key<'_>) -> Arc<Judged> {
        let types = Bytes::copy_from_slice(key.types);
        Arc::new(Judged::new(key.text.into(), cleared(key.text), types, key.epoch))
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let (rita, max, other) =
            (principal("rita", "shop"), principal("max", "shop"), principal("rita", "other"));
        let path: Arc<[String]> = ["public".to_owned()].into();
        let elsewhere: Arc<[String]> = ["app".to_owned()].into();
        let key =
            Key { epoch: Epoch(1), principal: &rita, path: &path, types: &[], text: "SELECT 1" };
        let plans = Plans::default();
        plans.insert(&key, &judged(&key));
        assert!(plans.find(&key).is_some());
        assert!(plans.find(&Key { path: &["public".to_owned()].into(), ..key }).is_some());
        assert!(plans.find(&Key { principal: &principal("rita", "shop"), ..key }).is_some());
        let north = with_region("'North'");
        let others = [
            Key { principal: &north, ..key },
            Key { epoch: Epoch(2), ..key },
            Key { principal: &max, ..key },
            Key { principal: &other, ..key },
            Key { path: &elsewhere, ..key },
            Key { types: &[0, 0], ..key },
            Key { text: "SELECT 2", ..key },
        ];
        for other in others {
            assert!(plans.find(&other).is_none(), "{other:?}");
        }
    }

    /// A token may give one person other attributes in another session.
    #[test]
    fn one_name_with_other_attributes_is_somebody_else() {
        let (north, south) = (with_region("'North'"), with_region("'South'"));
        let path: Arc<[String]> = Arc::default();
        let key =
            Key { epoch: Epoch(1), principal: &north, path: &path, types: &[], text: "SELECT 1" };
        let plans = Plans::default();
        plans.insert(&key, &judged(&key));
        plans.insert_alike(&key, Alike::Never);
        assert!(plans.find(&Key { principal: &with_region("'North'"), ..key }).is_some());
        assert!(plans.find(&Key { principal: &south, ..key }).is_none());
        assert!(plans.find_alike(&Key { principal: &south, ..key }).is_none());
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded() {
        let rita = principal("rita", "shop");
        let path: Arc<[String]> = Arc::default();
        let plans = Plans::default();
        let key = |text| Key { epoch: Epoch(1), principal: &rita, path: &path, types: &[], text };
        let used = key("SELECT 'used'");
        plans.insert(&used, &judged(&used));
        for number in 0..3000 {
            let text = format!("SELECT {number}, '{}'", "x".repeat(10_000));
            let other = Key { text: &text, ..used };
            plans.insert(&other, &judged(&other));
            assert!(plans.find(&used).is_some());
        }
        let bytes = |shard: &Mutex<Shard<Arc<Judged>>>| {
            let shard = shard.lock().expect("not poisoned");
            shard.young.values().chain(shard.old.values()).map(|entry| entry.bytes).sum::<usize>()
        };
        let all: usize = plans.texts.shards.iter().map(bytes).sum();
        assert!(all <= 2 * SHARDS * MAX_BYTES, "{all} bytes");
        let unused = key("SELECT 0");
        assert!(plans.find(&unused).is_none());
    }
}

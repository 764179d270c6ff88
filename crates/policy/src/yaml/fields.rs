//! The keys of a map that a reader knows; every other key is a mistake.
//!
//! In:  a [`Node`] and the keys that may stand in it.
//! Out: [`Fields`], asked by key.
//!
//! Invariants:
//! - No key is read and ignored: unknown ones, and those of parts that are not built yet, are mistakes.

use super::{Entry, Node};
use crate::mistake::{MistakeKind, Place, Report};

/// Words of the language that this version refuses, wherever they stand as a key.
pub(crate) const NOT_YET: &[&str] = &["attributes_query"];

/// A map whose keys have been checked.
#[derive(Clone, Debug)]
pub struct Fields<'n> {
    place: &'n Place,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// Checks the keys of a map; `what` names it in messages.
    pub fn read(node: &'n Node, what: &str, known: &[&str], report: &mut Report) -> Option<Self> {
        let entries = node.map(what, report)?;
        for entry in entries {
            let key = entry.key.text.as_str();
            if !known.contains(&key) {
                unknown_key(entry, what, known, report);
            }
        }
        Some(Self { place: &node.place, entries })
    }

    /// The value of a key, if it stands there.
    #[must_use]
    pub fn optional(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key.text == key).map(|entry| &entry.node)
    }

    /// The value of a key; a mistake if it does not stand there.
    pub fn required(&self, key: &str, hint: &str, report: &mut Report) -> Option<&'n Node> {
        let found = self.optional(key);
        if found.is_none() {
            report.add(self.place, MistakeKind::Structure, format!("`{key}` is missing"), hint);
        }
        found
    }

    /// Where the map begins.
    #[must_use]
    pub fn place(&self) -> &'n Place {
        self.place
    }
}

/// Notes a key that may not stand where it stands.
fn unknown_key(entry: &Entry, what: &str, known: &[&str], report: &mut Report) {
    let key = entry.key.text.as_str();
    let place = &entry.key.place;
    if NOT_YET.contains(&key) {
        let message = format!("`{key}` is not supported yet");
        report.add(place, MistakeKind::Unsupported, message, "remove it");
        return;
    }
    let near = report.suggest(key, known.iter().copied());
    let hint = if near.is_empty() { format!("known here: {}", known.join(", ")) } else { near };
    let message = format!("unknown key `{key}` in {what}");
    report.add(place, MistakeKind::Structure, message, hint);
}

//! Statements that differ only in constants share one plan.
//!
//! In:  a [`Cleared`], the [`Skeleton`] of its text, and a text of the same skeleton later on.
//! Out: the [`Cleared`] that `enforce` would give for that text, without parsing or verifying anything.
//!
//! Why what [`Template::fill`] makes may be sent although `verify` has not read it:
//! - Two texts of one key are the same token by token but for constants of one class each (`sql::lex::skeleton`), so
//!   that the grammar builds the same tree with other values in it.
//! - A constant that is not free must be the same byte by byte. A free one stands where the analysis reads no more of it
//!   than its class (`sql::analyze::constant`), so that it finds the same relations, columns, functions and places.
//! - The policy sees what the analysis found, and `verify` names, kinds and places: neither sees constants. So the edits
//!   are the same, at places that differ by the lengths of constants, and what `verify` has accepted of one text it
//!   accepts of the other.
//! - That is shown for each template as well: it is made of a second text, in which every free constant is one that
//!   occurs nowhere else, by the whole of `enforce`; put back, the first text's constants must give what `enforce` gave
//!   for the first text, in every field. So a copy of the client's text in an edit of ours is found wherever it is.
//! - `tests/consts.rs` compares with `enforce` over the corpus, with random constants.
//!
//! Invariants:
//! - No template where anything but text and offsets could hold a constant: what a statement keeps for later
//!   ([`Effect`]), or uses of the session.
//! - An answer of `None` means that the statement goes through `enforce`; there is no other way out.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use pgcordon_sql::analyze::Free;
use pgcordon_sql::splice::Spliced;
use pgcordon_sql::{Class, Skeleton, skeleton};

use crate::cleared::{Cleared, ClearedStatement, Effect, Use};
use crate::{Context, enforce};

/// A constant of the template's own text.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Slot {
    /// The byte behind it.
    end: usize,
    /// As it stands there.
    word: Box<str>,
    /// Any other of its class may stand there.
    free: bool,
}

/// Where a free constant landed in the rewritten text; one may land in several places, or in none.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Hole {
    range: Range<usize>,
    /// Index into the slots.
    slot: usize,
}

/// A cleared text in which constants may be exchanged. As a [`Cleared`], it is one principal's under one policy, catalog
/// and session; whoever keeps it keeps it under a key that says so.
#[derive(Clone, Debug)]
pub struct Template {
    key: Arc<str>,
    slots: Arc<[Slot]>,
    holes: Arc<[Hole]>,
    /// Of the template's own text.
    text: Arc<Spliced>,
    statements: Arc<[ClearedStatement]>,
    free: Arc<[Free]>,
    calls_foreign: bool,
    /// Longest text that `enforce` reads.
    bytes: usize,
}

impl Cleared {
    /// What other texts of the same skeleton can be made of; `None` if no constant in it is free, or if it cannot be
    /// shown that exchanging them is all that differs.
    ///
    /// `skeleton` is that of the text which `enforce` cleared, `context` the one in which it did. Runs `enforce` once
    /// more: for statements that are likely to come again.
    #[must_use]
    pub fn template(&self, skeleton: &Skeleton<'_>, context: Context<'_>) -> Option<Template> {
        let (statements, free) = self.shared();
        let plain = |statement: &ClearedStatement| {
            statement.effect == Effect::None && statement.uses == Use::Nothing
        };
        if free.is_empty() || !statements.iter().all(plain) {
            return None;
        }
        let is_free = |token: usize| free.binary_search_by_key(&token, |free| free.token).is_ok();
        let known = skeleton.constants().iter().filter(|constant| is_free(constant.token)).count();
        let taken = words_of(skeleton);
        let ours = pgcordon_sql::skeleton(self.sql())?;
        let ours = words_of(&ours);
        let mut words = (0..4).map(|attempt| foreign_words(skeleton, attempt, is_free));
        let words = words.find(|words| {
            let absent = |word: &String| !taken.contains(&**word) && !ours.contains(&**word);
            words.iter().flatten().all(absent)
        })?;
        let (text, slots) = exchanged(skeleton, words);
        let other = enforce(&text, context).ok()?;
        if known != free.len() || other.shared() != (statements, free) {
            return None;
        }
        let template = Template {
            key: skeleton.key().into(),
            holes: holes(other.sql(), &slots)?,
            slots,
            text: Arc::new(other.spliced().clone()),
            statements: Arc::clone(statements),
            free: Arc::clone(free),
            calls_foreign: self.calls_foreign(),
            bytes: context.max_statement_bytes,
        };
        (template.fill(skeleton)? == *self).then_some(template)
    }
}

fn words_of<'t>(skeleton: &Skeleton<'t>) -> HashSet<&'t str> {
    skeleton.constants().iter().map(|constant| skeleton.word(constant)).collect()
}

/// For each free constant another of its class, which no text is likely to hold.
fn foreign_words(
    skeleton: &Skeleton<'_>,
    attempt: usize,
    is_free: impl Fn(usize) -> bool,
) -> Vec<Option<String>> {
    let constants = skeleton.constants().iter().enumerate();
    constants
        .map(|(index, constant)| {
            let number = attempt * 10_000_000 + index;
            is_free(constant.token).then(|| match constant.class {
                Class::Integer => (2_100_000_000 + number).to_string(),
                Class::Bigint => (9_100_000_000_000_000_000 + number).to_string(),
                Class::Numeric => format!("{}.0625", 7_100_000_000_000_000_000 + number),
                Class::String => format!("'\u{a7}{}'", 7_300_000_000_000_000_000 + number),
            })
        })
        .collect()
}

/// The text with other words for its free constants.
fn exchanged(skeleton: &Skeleton<'_>, words: Vec<Option<String>>) -> (String, Arc<[Slot]>) {
    let mut text = String::with_capacity(skeleton.text().len() + 16 * words.len());
    let mut slots = Vec::with_capacity(words.len());
    let mut done = 0;
    for (constant, word) in skeleton.constants().iter().zip(words) {
        text.push_str(&skeleton.text()[done..constant.range.start]);
        let free = word.is_some();
        let word: Box<str> = word.map_or_else(|| skeleton.word(constant).into(), String::into);
        text.push_str(&word);
        slots.push(Slot { end: text.len(), word, free });
        done = constant.range.end;
    }
    text.push_str(&skeleton.text()[done..]);
    (text, slots.into())
}

/// Every token of the rewritten text that is a free constant.
fn holes(sql: &str, slots: &[Slot]) -> Option<Arc<[Hole]>> {
    let found = skeleton(sql)?;
    let free = slots.iter().enumerate().filter(|(_, slot)| slot.free);
    let free: HashMap<&str, usize> = free.map(|(index, slot)| (&*slot.word, index)).collect();
    let holes = found.constants().iter().filter_map(|constant| {
        let slot = *free.get(found.word(constant))?;
        Some(Hole { range: constant.range.clone(), slot })
    });
    Some(holes.collect())
}

impl Template {
    /// What `enforce` would give for a text of the same skeleton, in every field.
    ///
    /// `None` if the text has another skeleton, if a constant differs that is not free, or if it is too long.
    #[must_use]
    pub fn fill(&self, skeleton: &Skeleton<'_>) -> Option<Cleared> {
        if !self.serves(skeleton) {
            return None;
        }
        let text = Spliced { text: self.sql(skeleton)?, moved: self.moved(skeleton) };
        let (statements, free) = (Arc::clone(&self.statements), Arc::clone(&self.free));
        Some(Cleared::new(text, statements, free, self.calls_foreign))
    }

    /// Whether a text differs from the template's in free constants alone.
    pub(crate) fn serves(&self, skeleton: &Skeleton<'_>) -> bool {
        let constants = skeleton.constants();
        let mut slots = self.slots.iter().zip(constants);
        *self.key == *skeleton.key()
            && self.slots.len() == constants.len()
            && skeleton.text().len() <= self.bytes
            && slots.all(|(slot, constant)| slot.free || *slot.word == *skeleton.word(constant))
    }

    /// Each free constant with its index among the constants.
    pub(crate) fn free_slots<'s>(
        &'s self,
        skeleton: &'s Skeleton<'_>,
    ) -> impl Iterator<Item = (usize, &'s Free)> {
        let constants = skeleton.constants().iter().enumerate();
        constants.filter_map(|(slot, constant)| {
            let free = self.free.binary_search_by_key(&constant.token, |free| free.token);
            Some((slot, &self.free[free.ok()?]))
        })
    }

    /// Whether a constant is in the rewritten text at all: a forced value may have taken its place.
    pub(crate) fn has_hole(&self, slot: usize) -> bool {
        self.holes.iter().any(|hole| hole.slot == slot)
    }

    /// Where the holes are when another text's constants are in them.
    pub(crate) fn placed_holes(&self, skeleton: &Skeleton<'_>) -> Vec<(usize, Range<usize>)> {
        let mut shift = 0_isize;
        let holes = self.holes.iter().map(|hole| {
            let start = hole.range.start.saturating_add_signed(shift);
            let length = skeleton.constants().get(hole.slot).map_or(0, |found| found.range.len());
            shift += length.cast_signed() - hole.range.len().cast_signed();
            (hole.slot, start..start + length)
        });
        holes.collect()
    }

    /// The rewritten text with the constants of another.
    fn sql(&self, skeleton: &Skeleton<'_>) -> Option<String> {
        let mut sql = String::with_capacity(self.text.text.len() + skeleton.text().len());
        let mut done = 0;
        for hole in self.holes.iter() {
            sql.push_str(self.text.text.get(done..hole.range.start)?);
            sql.push_str(skeleton.word(skeleton.constants().get(hole.slot)?));
            done = hole.range.end;
        }
        sql.push_str(self.text.text.get(done..)?);
        Some(sql)
    }

    /// Where each edit is then, in the other text and in what is made of it.
    fn moved(&self, skeleton: &Skeleton<'_>) -> Vec<(Range<usize>, Range<usize>)> {
        let constants = skeleton.constants();
        let grown = |slot: &Slot, index: usize| {
            constants[index].range.len().cast_signed() - slot.word.len().cast_signed()
        };
        let client = self.slots.iter().enumerate().map(|(at, slot)| (slot.end, grown(slot, at)));
        let ours = self
            .holes
            .iter()
            .map(|hole| (hole.range.end, grown(&self.slots[hole.slot], hole.slot)));
        let (mut client, mut ours) = (Shift::new(client), Shift::new(ours));
        let edits = self.text.moved.iter();
        edits
            .map(|(old, new)| {
                let old = client.moved(old.start)..client.moved(old.end);
                (old, ours.moved(new.start)..ours.moved(new.end))
            })
            .collect()
    }
}

/// Moves ascending offsets by what the constants before them have grown.
pub(crate) struct Shift<I: Iterator<Item = (usize, isize)>> {
    rest: std::iter::Peekable<I>,
    sum: isize,
}

impl<I: Iterator<Item = (usize, isize)>> Shift<I> {
    pub(crate) fn new(constants: I) -> Self {
        Self { rest: constants.peekable(), sum: 0 }
    }

    pub(crate) fn moved(&mut self, offset: usize) -> usize {
        while let Some((_, grown)) = self.rest.next_if(|(end, _)| *end <= offset) {
            self.sum += grown;
        }
        offset.saturating_add_signed(self.sum)
    }
}

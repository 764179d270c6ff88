//! Constants as parameters: one upstream prepared statement for texts that differ only in them.
//!
//! In:  a [`Template`] and the [`Skeleton`] of a text of its.
//! Out: a [`Parameterised`]: a [`Cleared`] with `$n` for constants, the parameters' types, and for any text of the same
//!      skeleton their values.
//!
//! Why the client cannot tell the difference:
//! - *Types.* A number has the type of its class wherever it stands, and so has the parameter (`int4`, `int8`, `numeric`
//!   are declared): the same operators, casts and result types are found. A string is replaced only beside a column of
//!   type text or varchar, or as the value of one without a length: there PostgreSQL reads it as text. A minus that the
//!   grammar makes part of the constant goes with it, but for the one number of each class whose type is then a smaller one.
//! - *Names and rows.* No SELECT list, GROUP BY, ORDER BY, HAVING, window, RETURNING or LIMIT is touched, nor a sub-select
//!   in one: output columns keep names and types, and expressions that PostgreSQL compares with each other stay alike.
//! - *Errors.* What is compared with a constant reads a row, so nothing is folded, and could raise, before the statement
//!   runs that would not be otherwise; a value is assigned only where its cast cannot raise. Errors at parse time hold
//!   the same SQLSTATE, and their position maps back.
//! - *Time.* PostgreSQL reads the constants that stay when it parses the statement: no template whose text is not steady
//!   ([`Cleared::is_steady`]).
//! - *Plans.* PostgreSQL plans with the values until a plan without them is no dearer (`plancache.c`); long IN lists,
//!   which it hashes only as constants, and sums in conditions, which an index may be over, keep theirs.
//!
//! What stays different: functions that show the statement's own text (`current_query()`), and "cached plan must not
//! change result type" after DDL, which whoever keeps prepared statements must answer by preparing anew.
//!
//! Invariants:
//! - One SELECT, INSERT, UPDATE or DELETE; nothing else takes parameters.
//! - A constant that stays is the same in every text that a [`Parameterised`] serves.
//! - The text with parameters names what the text with constants names (`sql::census`), or there is none.

use std::borrow::Cow;
use std::ops::Range;

use pgcordon_sql::analyze::{Bind, Free};
use pgcordon_sql::catalog::Oid;
use pgcordon_sql::census::{self, Called};
use pgcordon_sql::lex;
use pgcordon_sql::splice::{self, Edit, Spliced};
use pgcordon_sql::{Class, Skeleton};

use crate::cleared::Cleared;
use crate::template::{Shift, Template};

/// Most constants that become parameters: beyond, each statement's Bind would cost more than its Parse saves.
const MOST: usize = 64;

const INT4: u32 = 23;
const INT8: u32 = 20;
const NUMERIC: u32 = 1700;
const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;

/// A constant that is a parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Bound {
    /// Which constant of the skeleton.
    slot: usize,
    class: Class,
    kind: u32,
    /// With the minus before it.
    negative: bool,
}

/// A constant's place in the text with parameters.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    slot: usize,
    number: u16,
    negative: bool,
}

/// A statement with parameters in place of constants.
#[derive(Clone, Debug)]
pub struct Parameterised {
    template: Template,
    cleared: Cleared,
    first: u16,
    bound: Box<[Bound]>,
    /// The other free constants, which stay: slot and bytes.
    pinned: Box<[(usize, Box<str>)]>,
}

impl Parameterised {
    /// The statement to prepare. Its positions are those of the text that it was made of.
    #[must_use]
    pub fn cleared(&self) -> &Cleared {
        &self.cleared
    }

    /// The number of the first parameter that stands for a constant: one more than the highest in the text.
    #[must_use]
    pub fn first(&self) -> u16 {
        self.first
    }

    /// Type OIDs of the parameters that stand for constants, in order.
    pub fn types(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.bound.iter().map(|bound| bound.kind)
    }

    /// Their values for another text, in text format; `None` if it is not one that this statement serves.
    #[must_use]
    pub fn values<'t>(&self, skeleton: &Skeleton<'t>) -> Option<Vec<Cow<'t, str>>> {
        if !self.template.serves(skeleton) {
            return None;
        }
        let word = |slot: usize| skeleton.constants().get(slot).map(|found| skeleton.word(found));
        if !self.pinned.iter().all(|(slot, pinned)| word(*slot) == Some(pinned)) {
            return None;
        }
        self.bound.iter().map(|bound| value(word(bound.slot)?, *bound)).collect()
    }

    /// As [`Parameterised::cleared`], with the positions of another text: for its errors.
    #[must_use]
    pub fn cleared_for(&self, skeleton: &Skeleton<'_>) -> Option<Cleared> {
        self.values(skeleton)?;
        self.template.with_parameters(skeleton, &self.numbers())
    }

    fn numbers(&self) -> Vec<Numbered> {
        numbered(&self.bound, self.first)
    }
}

fn numbered(bound: &[Bound], first: u16) -> Vec<Numbered> {
    let numbers = bound.iter().zip(first..);
    let number = |(bound, number): (&Bound, u16)| Numbered {
        slot: bound.slot,
        number,
        negative: bound.negative,
    };
    numbers.map(number).collect()
}

/// What a constant stands for; `None` if it has not the type of its class.
fn value(word: &str, bound: Bound) -> Option<Cow<'_, str>> {
    let magnitude = match bound.class {
        Class::Integer => None,
        Class::Bigint => Some(1 << 31),
        Class::Numeric => Some(1 << 63),
        Class::String => {
            let inside = word.get(1..word.len() - 1).unwrap_or_default();
            return Some(match inside.contains('\'') {
                true => Cow::Owned(inside.replace("''", "'")),
                false => Cow::Borrowed(inside),
            });
        }
    };
    if !bound.negative {
        return Some(Cow::Borrowed(word));
    }
    // -2147483648 is an int4, and -9223372036854775808 an int8 (`doNegate` in gram.y, then `make_const`).
    let smaller = magnitude.is_some() && word.parse::<u64>().ok() == magnitude;
    (!smaller).then(|| Cow::Owned(format!("-{word}")))
}

/// The type of the parameter that may stand for a constant; `None` if none may.
///
/// | place                                    | int4 | int8 | numeric | string |
/// |------------------------------------------|------|------|---------|--------|
/// | compared with a row's value; added to it | 23   | 20   | 1700    | -      |
/// | compared by = or <> with text, varchar   | 23   | 20   | 1700    | 25     |
/// | for int4                                 | 23   | -    | -       | -      |
/// | for int8                                 | 23   | 20   | -       | -      |
/// | for float4, float8                       | 23   | 20   | -       | -      |
/// | for numeric                              | 23   | 20   | 1700    | -      |
/// | for text, varchar, without a length      | -    | -    | -       | 25     |
fn parameter_type(free: &Free, class: Class) -> Option<u32> {
    let kind = match class {
        Class::Integer => INT4,
        Class::Bigint => INT8,
        Class::Numeric => NUMERIC,
        Class::String => TEXT,
    };
    let fits = match free.bind {
        Bind::Never => false,
        Bind::Number => class != Class::String,
        Bind::NumberOrText => true,
        Bind::Assigned(Oid(column)) => match class {
            Class::Integer => [INT4, INT8, FLOAT4, FLOAT8, NUMERIC].contains(&column),
            Class::Bigint => [INT8, FLOAT4, FLOAT8, NUMERIC].contains(&column),
            Class::Numeric => column == NUMERIC,
            Class::String => [TEXT, VARCHAR].contains(&column),
        },
    };
    fits.then_some(kind)
}

impl Template {
    /// The statement with parameters for those of its constants that may be some; `None` if none may.
    ///
    /// `skeleton` is that of a text which the template serves. Constants that stay are that text's.
    #[must_use]
    pub fn parameterised(&self, skeleton: &Skeleton<'_>) -> Option<Parameterised> {
        let filled = self.fill(skeleton)?;
        let [statement] = filled.statements() else { return None };
        if !statement.kind.is_plain_query() {
            return None;
        }
        let (mut bound, mut pinned) = (Vec::new(), Vec::new());
        for (slot, free) in self.free_slots(skeleton) {
            let constant = skeleton.constants().get(slot)?;
            let kind = parameter_type(free, constant.class).filter(|_| self.has_hole(slot));
            match kind {
                Some(kind) => {
                    let (class, negative) = (constant.class, free.negative);
                    bound.push(Bound { slot, class, kind, negative });
                }
                None => pinned.push((slot, skeleton.word(constant).into())),
            }
        }
        let first = u16::try_from(lex::highest_parameter(filled.sql()) + 1).ok()?;
        let last = usize::from(first) + bound.len() - 1;
        if bound.is_empty() || bound.len() > MOST || last > usize::from(u16::MAX) {
            return None;
        }
        let cleared = self.with_parameters(skeleton, &numbered(&bound, first))?;
        let same = names(cleared.sql())? == names(filled.sql())?;
        let made = Parameterised {
            template: self.clone(),
            cleared,
            first,
            bound: bound.into(),
            pinned: pinned.into(),
        };
        (same && made.cleared.is_steady() && made.values(skeleton).is_some()).then_some(made)
    }

    /// A text's rewriting with parameters in the holes of some slots.
    fn with_parameters(&self, skeleton: &Skeleton<'_>, numbers: &[Numbered]) -> Option<Cleared> {
        let filled = self.fill(skeleton)?;
        let mut edits = Vec::with_capacity(numbers.len());
        let mut outside = Vec::with_capacity(numbers.len());
        for (slot, range) in self.placed_holes(skeleton) {
            let Some(numbered) = numbers.iter().find(|numbered| numbered.slot == slot) else {
                continue;
            };
            let constant = skeleton.constants().get(slot)?.range.clone();
            let (range, constant) = match numbered.negative {
                true => (signed(filled.sql(), range)?, signed(skeleton.text(), constant)?),
                false => (range, constant),
            };
            if !in_an_edit(&filled.spliced().moved, &range) {
                outside.push((constant, edits.len()));
            }
            // Spaces: a constant may touch what stands before and behind it.
            edits.push(Edit { range, text: format!(" ${} ", numbered.number) });
        }
        let spliced = splice::apply(filled.sql(), edits).ok()?;
        let grown = spliced
            .moved
            .iter()
            .map(|(old, new)| (old.end, new.len().cast_signed() - old.len().cast_signed()));
        let mut shift = Shift::new(grown);
        let mut moved: Vec<(Range<usize>, Range<usize>)> = Vec::with_capacity(spliced.moved.len());
        for (old, new) in &filled.spliced().moved {
            moved.push((old.clone(), shift.moved(new.start)..shift.moved(new.end)));
        }
        for (constant, edit) in outside {
            moved.push((constant, spliced.moved.get(edit)?.1.clone()));
        }
        moved.sort_by_key(|(old, new)| (old.start, old.end, new.start));
        let (statements, free) = filled.shared();
        let text = Spliced { text: spliced.text, moved };
        Some(Cleared::new(text, statements.clone(), free.clone(), filled.calls_foreign()))
    }
}

/// A number's range with the minus before it.
fn signed(text: &str, number: Range<usize>) -> Option<Range<usize>> {
    let sign = lex::token_before(text, number.start)?;
    (sign.text(text) == "-").then(|| sign.range().start..number.end)
}

/// Whether a range of the new text lies in text of ours.
fn in_an_edit(moved: &[(Range<usize>, Range<usize>)], range: &Range<usize>) -> bool {
    let next = moved.partition_point(|(_, new)| new.start <= range.start);
    let before = next.checked_sub(1).and_then(|index| moved.get(index));
    before.is_some_and(|(_, new)| range.end <= new.end)
}

/// What a text names, without where.
type Naming =
    Vec<(Vec<(Option<String>, String, Option<String>)>, Vec<Vec<String>>, Vec<Vec<String>>)>;

fn names(sql: &str) -> Option<Naming> {
    let census = census::read(sql).ok()?;
    let calls = |list: Vec<Called>| list.into_iter().map(|called| called.name).collect();
    let each = census.into_iter().map(|one| {
        let relations = one.relations.into_iter();
        let relations = relations.map(|named| (named.schema, named.name, named.alias)).collect();
        (relations, calls(one.functions), calls(one.operators))
    });
    Some(each.collect())
}

//! Limits of what people may use, by role.
//!
//! In:  the section `limits`: a list of `{ to, max_rows, statement_timeout, … }`.
//! Out: for each person their [`RoleLimits`], as plain data; the proxy enforces them.
//!
//! | entries that include the person and name the key | limit                                    |
//! |--------------------------------------------------|------------------------------------------|
//! | none                                             | none                                     |
//! | one                                              | what it says                             |
//! | several                                          | the most generous; `unlimited` is that   |
//!
//! Invariants:
//! - An entry that names no limit is a mistake, and so is a limit of nothing.
//! - A person with `bypass` has none.

use std::time::Duration;

use crate::audience::Audience;
use crate::mistake::{MistakeKind, Report};
use crate::people::{People, Person};
use crate::yaml::{DURATIONS, Fields, Node, Scalar, duration};

/// What one person may use at most; `None` where nothing limits it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct RoleLimits {
    /// Rows that one statement may give.
    pub max_rows: Option<u64>,
    /// From the start of a statement to its end.
    pub statement_timeout: Option<Duration>,
    /// How long a transaction may wait for its next statement.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// Connections of that person at once.
    pub max_connections: Option<u64>,
}

/// A limit as an entry says it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Bound<T> {
    Most(T),
    /// Above every other.
    Unlimited,
}

impl<T> Bound<T> {
    fn most(self) -> Option<T> {
        match self {
            Self::Most(value) => Some(value),
            Self::Unlimited => None,
        }
    }
}

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct LimitRule {
    to: Audience,
    max_rows: Option<Bound<u64>>,
    statement_timeout: Option<Bound<Duration>>,
    idle_in_transaction_timeout: Option<Bound<Duration>>,
    max_connections: Option<Bound<u64>>,
}

const KEYS: [&str; 5] =
    ["to", "max_rows", "statement_timeout", "idle_in_transaction_timeout", "max_connections"];

/// Reads every entry.
pub(crate) fn read(nodes: &[&Node], people: &People, report: &mut Report) -> Vec<LimitRule> {
    nodes.iter().filter_map(|node| LimitRule::read(node, people, report)).collect()
}

/// What all entries together leave a person.
pub(crate) fn of(rules: &[LimitRule], name: &str, person: &Person<'_>) -> RoleLimits {
    if person.powers.bypass {
        return RoleLimits::default();
    }
    // What limits everyone limits visitors too.
    let is_for =
        |rule: &&LimitRule| person.is_in(name, &rule.to) || (person.anonymous && rule.to.everyone);
    let rules: Vec<&LimitRule> = rules.iter().filter(is_for).collect();
    RoleLimits {
        max_rows: most_generous(&rules, |rule| rule.max_rows),
        statement_timeout: most_generous(&rules, |rule| rule.statement_timeout),
        idle_in_transaction_timeout: most_generous(&rules, |rule| rule.idle_in_transaction_timeout),
        max_connections: most_generous(&rules, |rule| rule.max_connections),
    }
}

fn most_generous<T: Ord>(
    rules: &[&LimitRule],
    part: impl Fn(&LimitRule) -> Option<Bound<T>>,
) -> Option<T> {
    rules.iter().filter_map(|rule| part(rule)).max().and_then(Bound::most)
}

impl LimitRule {
    fn read(node: &Node, people: &People, report: &mut Report) -> Option<Self> {
        let fields = Fields::read(node, "an entry of `limits`", &KEYS, report)?;
        let to = fields.required("to", "say for whom: [a role] or everyone", report);
        let to = to.map(|node| Audience::read(node, "`to`", people, report));
        if KEYS[1..].iter().all(|key| fields.optional(key).is_none()) {
            let hint = format!("known here: {}", KEYS[1..].join(", "));
            report.add(&node.place, MistakeKind::Structure, "this limits nothing", hint);
        }
        let mut value = |key: &str| fields.optional(key)?.scalar(&format!("`{key}`"), report);
        let (rows, statement) = (value("max_rows"), value("statement_timeout"));
        let (idle, connections) = (value("idle_in_transaction_timeout"), value("max_connections"));
        Some(Self {
            max_rows: rows.and_then(|value| number(value, "max_rows", report)),
            statement_timeout: statement.and_then(|value| time(value, KEYS[2], report)),
            idle_in_transaction_timeout: idle.and_then(|value| time(value, KEYS[3], report)),
            max_connections: connections.and_then(|value| number(value, KEYS[4], report)),
            to: to?,
        })
    }
}

const UNLIMITED: &str = "unlimited";

fn number(scalar: &Scalar, key: &str, report: &mut Report) -> Option<Bound<u64>> {
    if scalar.text == UNLIMITED {
        return Some(Bound::Unlimited);
    }
    let digits = scalar.text.bytes().all(|byte| byte.is_ascii_digit());
    let number = scalar.text.parse().ok().filter(|number| digits && *number > 0);
    if number.is_none() {
        let message = format!("`{key}` must be a whole number from 1, or `{UNLIMITED}`");
        report.add(&scalar.place, MistakeKind::Value, message, "");
    }
    number.map(Bound::Most)
}

fn time(scalar: &Scalar, key: &str, report: &mut Report) -> Option<Bound<Duration>> {
    if scalar.text == UNLIMITED {
        return Some(Bound::Unlimited);
    }
    let time = duration(&scalar.text);
    if time.is_none() {
        let message = format!("`{key}` must be a duration, or `{UNLIMITED}`");
        report.add(&scalar.place, MistakeKind::Value, message, DURATIONS);
    }
    time.map(Bound::Most)
}

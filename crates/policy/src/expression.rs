//! Expressions as they stand in YAML: predicates, masks and presets.
//!
//! In:  a scalar.
//! Out: an [`ExpressionText`]: checked against PostgreSQL's grammar, its placeholders known, its places kept
//!      for mistakes that only a catalog shows.
//!
//! Invariants:
//! - `{user.name}`, `{user.<declared attribute>}` and `{now}` are the only placeholders, and `{column}` in a mask.
//! - An expression that the grammar refuses is a mistake even if the grammar says no more.

use pgcordon_sql::catalog::ColumnId;
use pgcordon_sql::template::{Problem, Purpose, check_syntax};

use crate::mistake::{MistakeKind, Report};
use crate::people::People;
use crate::yaml::Scalar;

/// What an expression is for, before a column is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Use {
    Predicate,
    Mask,
    Preset,
}

impl Use {
    /// A mask's own column is not known before the catalog is; syntax does not depend on it.
    pub(crate) fn purpose(self) -> Purpose {
        match self {
            Self::Predicate => Purpose::Predicate,
            Self::Mask => Purpose::Mask(ColumnId(0)),
            Self::Preset => Purpose::Preset,
        }
    }
}

/// An expression that parses.
#[derive(Clone, Debug)]
pub(crate) struct ExpressionText {
    pub(crate) scalar: Scalar,
}

impl ExpressionText {
    /// Checks an expression; it is kept even if wrong, so that reading goes on.
    pub(crate) fn read(
        scalar: &Scalar,
        purpose: Use,
        people: &People,
        report: &mut Report,
    ) -> Self {
        match check_syntax(&scalar.text, purpose.purpose()) {
            Ok(placeholders) => {
                for name in &placeholders {
                    check_placeholder(scalar, name, purpose, people, report);
                }
            }
            Err(problems) => add_problems(scalar, &problems, report),
        }
        Self { scalar: scalar.clone() }
    }
}

fn add_problems(scalar: &Scalar, problems: &[Problem], report: &mut Report) {
    for problem in problems {
        let place = scalar.place_at(problem.offset);
        report.add(
            &place,
            MistakeKind::Expression,
            problem.message.as_str(),
            problem.hint.as_str(),
        );
    }
    if problems.is_empty() {
        let message = "this is not an expression that PostgreSQL reads";
        report.add(&scalar.place, MistakeKind::Expression, message, "");
    }
}

fn check_placeholder(
    scalar: &Scalar,
    name: &str,
    purpose: Use,
    people: &People,
    report: &mut Report,
) {
    let known = match (name, name.strip_prefix("user.")) {
        ("now" | "user.name", _) => true,
        ("column", _) => purpose == Use::Mask,
        (_, Some(attribute)) => people.attributes.contains_key(attribute),
        (_, None) => false,
    };
    if known {
        return;
    }
    let attributes = people.attributes.keys().map(|attribute| format!("user.{attribute}"));
    let mut words: Vec<String> = attributes.collect();
    words.extend(["user.name".to_owned(), "now".to_owned()]);
    if purpose == Use::Mask {
        words.push("column".to_owned());
    }
    let near = report.suggest(name, words.iter().map(String::as_str));
    let hint = match (near.is_empty(), name.strip_prefix("user.")) {
        (false, _) => near,
        (true, Some(attribute)) => format!("declare `{attribute}` under `attributes`"),
        (true, None) => format!("known here: {{{}}}", words.join("}, {")),
    };
    let offset = scalar.text.find(&format!("{{{name}}}")).unwrap_or(0);
    let place = scalar.place_at(offset);
    report.add(&place, MistakeKind::Reference, format!("unknown placeholder `{{{name}}}`"), hint);
}

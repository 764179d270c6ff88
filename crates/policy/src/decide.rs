//! Decides what one principal may do to one relation.
//!
//! In:  the bound policy, a principal, a relation and a [`Command`].
//! Out: a [`Decision`]; `rewrite` is its only consumer.
//!
//! Invariants:
//! - No permissive rule means no access. There is no "unknown, so allow".
//! - Same input, same output: no clock, no I/O, no hash order.

use std::sync::Arc;

use pgcordon_sql::catalog::ColumnId;
use pgcordon_sql::template::Template;

/// What a statement does to a relation, as `CREATE POLICY ... FOR` counts it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Command {
    /// Reads rows.
    Select,
    /// Makes rows.
    Insert,
    /// Changes rows.
    Update,
    /// Removes rows.
    Delete,
    /// Removes every row at once.
    Truncate,
}

/// A template with one person's values: SQL constants with their casts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expression {
    /// What to render.
    pub template: Arc<Template>,
    /// One SQL constant per placeholder of the template.
    pub values: Vec<String>,
}

/// Which rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Filter {
    /// Every row.
    All,
    /// No row.
    Nothing,
    /// Rows for which the expression is true.
    Test(Expression),
    /// Rows that one of them admits; never empty.
    Any(Vec<Filter>),
    /// Rows that each of them admits; never empty.
    Every(Vec<Filter>),
}

/// What a person sees in a cell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cell {
    /// The value.
    Clear,
    /// The mask's result, to be cast to the column's type.
    Masked(Expression),
    /// NULL, because only hiding or denying rules admit the row.
    Null,
}

/// What a person may read of a column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ColumnAccess {
    /// The value, on every row.
    Clear,
    /// Does not exist: every matching rule hides it.
    Hidden,
    /// Exists, and its use is refused: every matching rule denies or hides it, one at least denies.
    Denied,
    /// The first case whose filter admits the row; the last one is `Filter::All`. Never empty.
    Cells(Vec<(Filter, Cell)>),
}

/// What one principal may do with one relation under one command.
///
/// | command | `using`          | `check`        |
/// |---------|------------------|----------------|
/// | Select  | rows seen        | `All`          |
/// | Insert  | `All`            | rows made      |
/// | Update  | rows touched     | rows made      |
/// | Delete  | rows touched     | `All`          |
/// | Truncate | rows removed; the caller refuses unless that is `All` | `All` |
///
/// `columns`: for Select what may be read; for the others which columns may be written: `Clear`, or `Hidden`
/// where every rule hides the column, or `Denied` where some rule masks, hides or denies it.
///
/// Rows touched by Update and Delete are those that the rules for that command admit; that they must also be
/// visible (semantic 5) is the Select decision's part, which the caller joins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// Rows that the command may see or touch.
    pub using: Filter,
    /// What new rows must satisfy.
    pub check: Filter,
    /// One per column of the relation, in its order.
    pub columns: Vec<ColumnAccess>,
    /// Values forced on insert.
    pub presets: Vec<(ColumnId, Expression)>,
    /// Names of the rules that applied, for `explain` and the audit trail.
    pub rules: Vec<String>,
}

/// One rule as one command of one principal meets it: what `CREATE POLICY` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppliedRule {
    /// Its name in the policy.
    pub name: String,
    /// AND; a permissive one is OR.
    pub restrictive: bool,
    /// Rows that may be seen or touched; `All` where the command meets none.
    pub using: Filter,
    /// New rows; `All` where the command makes none.
    pub check: Filter,
}

/// Why a principal may not do that to that relation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denial {
    /// No rule grants the relation to any of the principal's roles, or it is outside the database's scope:
    /// it does not exist for them.
    #[error("no rule covers the relation")]
    NoRule,
    /// A rule grants the relation, but not this command.
    #[error("the command is not granted")]
    CommandNotGranted,
    /// A rule that applies needs an attribute that the principal lacks.
    #[error("principal lacks attribute `{0}`")]
    MissingAttribute(String),
    /// A rule for the relation no longer fits the catalog; refused until mended.
    #[error("rule `{rule}` does not fit the catalog: {problem}")]
    BrokenRule {
        /// The rule's name.
        rule: String,
        /// What is wrong with it.
        problem: String,
    },
}

//! Built-in rules for `pg_catalog` and `information_schema`: only what the principal may use is listed.
//!
//! In:  a system relation and what the principal may know of.
//! Out: a [`Decision`] that filters it.
//!
//! Invariants:
//! - A system relation that is not listed is refused: they hold other people's queries, statistics and secrets.

mod guard;
mod rules;
mod standard;
mod visible;

use std::sync::Arc;

use pgcordon_policy::{Cell, ColumnAccess, Command, Decision, Denial, Expression, Filter};
use pgcordon_sql::catalog::Relation;
use pgcordon_sql::template::{Piece, Template};

pub(crate) use guard::guards;
pub(crate) use visible::Visible;

/// Writes a condition on a row `{a}`.
type Condition = fn(&Visible) -> String;

/// What may be read of one system relation.
pub(crate) struct Rule {
    schema: &'static str,
    name: &'static str,
    /// The rows, as a condition; `{a}` is the row.
    rows: Condition,
    /// Columns that read NULL: statistics, privileges, options.
    nulled: &'static [&'static str],
    /// Columns that read NULL unless the condition holds.
    partly: Option<(Columns, Condition)>,
}

/// Some of a relation's columns.
#[derive(Clone, Copy)]
enum Columns {
    /// These.
    Named(&'static [&'static str]),
    /// All others, also those of a later PostgreSQL.
    AllBut(&'static [&'static str]),
}

impl Columns {
    fn has(self, name: &str) -> bool {
        match self {
            Self::Named(names) => names.contains(&name),
            Self::AllBut(names) => !names.contains(&name),
        }
    }
}

/// The rule for a system relation.
pub(crate) fn rule(relation: &Relation) -> Option<&'static Rule> {
    let mut rules = rules::RULES.iter().chain(standard::RULES);
    rules.find(|rule| rule.schema == relation.schema && rule.name == relation.name)
}

/// Decides on a system relation.
pub(crate) fn decide(
    relation: &Relation,
    command: Command,
    visible: &Visible,
) -> Result<Decision, Denial> {
    let Some(rule) = rule(relation) else { return Err(Denial::NoRule) };
    match command {
        Command::Select => Ok(decision(relation, rule, visible)),
        Command::Insert | Command::Update | Command::Delete | Command::Truncate => {
            Err(Denial::CommandNotGranted)
        }
    }
}

fn decision(relation: &Relation, rule: &Rule, visible: &Visible) -> Decision {
    let rows = (rule.rows)(visible);
    let using = if rows == "true" { Filter::All } else { Filter::Test(condition(&rows)) };
    let shown = rule.partly.map(|(columns, shown)| (columns, condition(&shown(visible))));
    let columns = relation.columns.iter().map(|column| {
        let name = column.name.as_str();
        if let Some((columns, shown)) = &shown
            && columns.has(name)
        {
            let clear = (Filter::Test(shown.clone()), Cell::Clear);
            return ColumnAccess::Cells(vec![clear, (Filter::All, Cell::Null)]);
        }
        // `attmissingval` has a pseudo-type, which NULL cannot be cast to; nobody but a superuser reads `subconninfo`.
        match (rule.nulled.contains(&name), ["attmissingval", "subconninfo"].contains(&name)) {
            (true, true) => ColumnAccess::Hidden,
            (true, false) => ColumnAccess::Cells(vec![(Filter::All, Cell::Null)]),
            (false, _) => ColumnAccess::Clear,
        }
    });
    Decision {
        using,
        check: Filter::All,
        columns: columns.collect(),
        presets: Vec::new(),
        rules: vec!["built-in".to_owned()],
    }
}

/// A condition of ours on `{a}`, its names qualified already.
fn condition(text: &str) -> Expression {
    let mut pieces = Vec::new();
    for (index, part) in text.split("{a}").enumerate() {
        if index > 0 {
            pieces.push(Piece::Alias);
        }
        pieces.push(Piece::Text(part.to_owned()));
    }
    let template = Template { pieces, has_subquery: true, ..Template::default() };
    Expression { template: Arc::new(template), values: Vec::new() }
}

//! What each layer answers to a statement, for `explain` and for events.
//!
//! In:  a verdict, and the decisions that were made on the way to it.
//! Out: [`LayerAnswer`]s, in the order of the layers; each layer has one at least.
//!
//! Invariants:
//! - Every [`Refusal`] is one layer's. Layers behind it were not asked.

use std::fmt::Write as _;

use pgcordon_policy::{ColumnAccess, Command, Decision, Denial};
use pgcordon_sql::catalog::Relation;

use crate::lens::PolicyLens;
use crate::read::Row;
use crate::{Cleared, Context, Refusal};

/// A layer, in the order in which they are asked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Layer {
    /// Whether the person may use the database at all.
    Connect,
    /// Relations, and commands on them.
    Dataset,
    /// The statement itself: its kind, its functions, its size.
    Query,
    /// Rows and columns.
    Row,
}

impl Layer {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Dataset, Self::Query, Self::Row];

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Dataset => "dataset",
            Self::Query => "query",
            Self::Row => "row",
        }
    }
}

/// One line of `pgcordon explain`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayerAnswer {
    /// Who answers.
    pub layer: Layer,
    /// For example `select on public.orders: granted by own region`.
    pub answer: String,
}

impl Refusal {
    /// The layer that refuses.
    #[must_use]
    pub fn layer(&self) -> Layer {
        match self {
            Self::UnknownRelation { .. }
            | Self::UnknownType { .. }
            | Self::CommandDenied { .. }
            | Self::Partial { .. }
            | Self::Governed { .. }
            | Self::BrokenRule { .. } => Layer::Dataset,
            Self::Syntax { .. }
            | Self::Unsupported { .. }
            | Self::MissingFrom { .. }
            | Self::AmbiguousColumn { .. }
            | Self::NotUpdatable { .. }
            | Self::FunctionDenied { .. }
            | Self::OperatorDenied { .. }
            | Self::StatementDenied { .. }
            | Self::QueryDenied { .. }
            | Self::SettingDenied { .. }
            | Self::Limit { .. }
            | Self::Verification(_) => Layer::Query,
            Self::UnknownColumn { .. }
            | Self::ColumnDenied { .. }
            | Self::MissingAttribute { .. } => Layer::Row,
        }
    }
}

/// The answers of all layers.
///
/// | refused by | dataset     | query   | row       |
/// |------------|-------------|---------|-----------|
/// | nobody     | decisions   | allowed | decisions |
/// | dataset    | decisions   | not asked | not asked |
/// | query      | decisions   | refused | not asked |
/// | row        | decisions   | allowed | decisions, refused |
pub(crate) fn answers(
    context: Context<'_>,
    lens: &PolicyLens<'_>,
    result: &Result<Cleared, Refusal>,
) -> Vec<LayerAnswer> {
    let refusal = result.as_ref().err();
    let mut answers = Vec::new();
    for layer in Layer::ALL {
        let refused = refusal.map(Refusal::layer);
        let lines = match refused {
            Some(by) if by < layer => vec!["not asked".to_owned()],
            Some(_) | None => lines(layer, context, lens, refusal),
        };
        answers.extend(lines.into_iter().map(|answer| LayerAnswer { layer, answer }));
    }
    answers
}

fn lines(
    layer: Layer,
    context: Context<'_>,
    lens: &PolicyLens<'_>,
    refusal: Option<&Refusal>,
) -> Vec<String> {
    let principal = context.principal;
    let mut lines = match layer {
        Layer::Connect => {
            return vec![format!("{} may use database {}", principal.name, context.database)];
        }
        Layer::Dataset | Layer::Row if principal.bypass => {
            vec!["bypass: no rule applies".to_owned()]
        }
        Layer::Dataset => dataset(context, lens),
        Layer::Row => rows(context, lens),
        Layer::Query => {
            lens.queries().iter().map(|rule| format!("rule `{rule}`: allowed")).collect()
        }
    };
    match (refusal.filter(|refusal| refusal.layer() == layer), layer) {
        (Some(refusal), _) => lines.push(format!("refused: {refusal}")),
        (None, Layer::Connect | Layer::Query) => lines.push("allowed".to_owned()),
        (None, Layer::Dataset | Layer::Row) if lines.is_empty() => {
            lines.push("no relation is named".to_owned());
        }
        (None, Layer::Dataset | Layer::Row) => {}
    }
    lines
}

fn title(relation: &Relation, command: Command) -> String {
    let command = match command {
        Command::Select => "select",
        Command::Insert => "insert",
        Command::Update => "update",
        Command::Delete => "delete",
        Command::Truncate => "truncate",
    };
    format!("{command} on {}.{}", relation.schema, relation.name)
}

fn dataset(context: Context<'_>, lens: &PolicyLens<'_>) -> Vec<String> {
    let answers = lens.answers().into_iter().map(|(id, command, answer)| {
        let what = title(context.snapshot.relation(id), command);
        match &*answer {
            Ok(decision) => format!("{what}: granted by {}", decision.rules.join(", ")),
            Err(Denial::NoRule) => format!("{what}: no rule, so it does not exist"),
            Err(
                denial @ (Denial::CommandNotGranted
                | Denial::MissingAttribute(_)
                | Denial::BrokenRule { .. }),
            ) => format!("{what}: {denial}"),
        }
    });
    answers.collect()
}

fn rows(context: Context<'_>, lens: &PolicyLens<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, command, answer) in lens.answers() {
        let Ok(decision) = &*answer else { continue };
        let relation = context.snapshot.relation(id);
        let what = title(relation, command);
        lines.push(format!("{what}: {}", of_decision(command, decision)));
        let columns = columns(command, decision, relation);
        if !columns.is_empty() {
            lines.push(format!("{what}: columns {}", columns.join(", ")));
        }
    }
    lines
}

fn of_decision(command: Command, decision: &Decision) -> String {
    let mut text = String::new();
    match command {
        Command::Select | Command::Update | Command::Delete | Command::Truncate => {
            text.push_str("rows ");
            Row::Ours.filter(&decision.using, &mut text);
        }
        Command::Insert => {}
    }
    match command {
        Command::Insert | Command::Update => {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}new rows ");
            Row::Ours.filter(&decision.check, &mut text);
        }
        Command::Select | Command::Delete | Command::Truncate => {}
    }
    text
}

/// Those that are not as they are stored.
fn columns(command: Command, decision: &Decision, relation: &Relation) -> Vec<String> {
    let named = relation.columns.iter().zip(&decision.columns);
    let changed = named.filter_map(|(column, access)| {
        let word = match (access, command) {
            (ColumnAccess::Clear, _) => return None,
            (ColumnAccess::Hidden, _) => "hidden",
            (ColumnAccess::Denied, Command::Select) => "denied",
            (ColumnAccess::Cells(_), Command::Select) => "masked",
            (
                ColumnAccess::Denied | ColumnAccess::Cells(_),
                Command::Insert | Command::Update | Command::Delete | Command::Truncate,
            ) => "not writable",
        };
        Some(format!("{} {word}", column.name))
    });
    changed.collect()
}

//! What one person may do to one relation, and by which of PostgreSQL's means it is said.
//!
//! In:  the policy's decisions for each command.
//! Out: an [`Access`].
//!
//! Invariants:
//! - A command that is denied is not in it, whatever the reason.

use std::collections::BTreeMap;

use pgcordon_policy::{AppliedRule, ColumnAccess, Command, Coverage, Decision, Denial, Filter};
use pgcordon_sql::catalog::{Relation, RelationId, RelationKind};

use crate::export::person::Person;
use crate::export::{ExportRequest, Gathered};

/// The commands that row policies are about.
pub(super) const COMMANDS: [Command; 4] =
    [Command::Select, Command::Insert, Command::Update, Command::Delete];

/// How a relation is given to a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// Itself, with privileges and row policies.
    Itself,
    /// A view of the person's own over the table, whose row policies are for the view's owner.
    FaceOverPolicies,
    /// A view of the person's own with the condition in it: what it reads takes no row policies.
    FaceWithCondition,
}

/// What one person may do to one relation.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) way: Way,
    pub(super) commands: BTreeMap<Command, (Decision, Vec<AppliedRule>)>,
    /// May remove every row at once.
    pub(super) truncate: bool,
}

/// The word for a command.
pub(super) fn word(command: Command) -> &'static str {
    match command {
        Command::Select => "SELECT",
        Command::Insert => "INSERT",
        Command::Update => "UPDATE",
        Command::Delete => "DELETE",
        Command::Truncate => "TRUNCATE",
    }
}

/// Whether rules can be about it, and it is none of the views that an export made.
pub(crate) fn is_exported(relation: &Relation) -> bool {
    let readable = match relation.kind {
        RelationKind::Table
        | RelationKind::PartitionedTable
        | RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::ForeignTable => true,
        RelationKind::Sequence
        | RelationKind::Toast
        | RelationKind::CompositeType
        | RelationKind::Index => false,
    };
    let schema = relation.schema.as_str();
    let ours = schema.starts_with("pgcordon_");
    readable && !ours && !schema.starts_with("pg_") && schema != "information_schema"
}

/// Whether it is read as its definition, by the reader's rules.
pub(super) fn is_expanded(request: &ExportRequest<'_>, id: RelationId) -> bool {
    let view = request.snapshot.relation(id).kind == RelationKind::View;
    view && request.bound.coverage(id) != Coverage::Named
}

impl Access {
    /// Asks the policy about every command; `None` if none is granted.
    pub(super) fn of(
        request: &ExportRequest<'_>,
        person: &Person,
        id: RelationId,
        gathered: &mut Gathered,
    ) -> Option<Self> {
        let relation = request.snapshot.relation(id);
        let mut commands = BTreeMap::new();
        for command in COMMANDS {
            let decision = request.bound.decide(&person.principal, id, command);
            let applied = request.bound.applied(&person.principal, id, command);
            match (decision, applied) {
                (Ok(decision), Ok(applied)) => {
                    commands.insert(command, (decision, applied));
                }
                (Err(denial), _) | (_, Err(denial)) => {
                    note(person, relation, command, &denial, gathered);
                }
            }
        }
        let way = way(relation.kind, &commands);
        if way == Way::FaceWithCondition {
            let writes = commands.len() > usize::from(commands.contains_key(&Command::Select));
            if writes {
                gathered.not_expressed(format!(
                    "{} for {}: writing; only tables take row policies",
                    relation.qualified(),
                    person.login
                ));
            }
            commands.retain(|command, _| *command == Command::Select);
        }
        let truncate = truncate(request, person, id, way, gathered);
        (truncate || !commands.is_empty()).then_some(Self { way, commands, truncate })
    }
}

/// PostgreSQL's TRUNCATE asks no row policy, and no view has it.
fn truncate(
    request: &ExportRequest<'_>,
    person: &Person,
    id: RelationId,
    way: Way,
    gathered: &mut Gathered,
) -> bool {
    let Ok(decision) = request.bound.decide(&person.principal, id, Command::Truncate) else {
        return false;
    };
    // Where a rule keeps some rows away, pgcordon refuses TRUNCATE as well.
    let whole = decision.using == Filter::All;
    if whole && way != Way::Itself {
        let name = request.snapshot.relation(id).qualified();
        let why = "the privilege is about every row of a table";
        gathered.not_expressed(format!("TRUNCATE on {name} for {}: {why}", person.login));
    }
    whole && way == Way::Itself
}

/// A denial by a mistake is worth a word; the absence of a grant is what the policy says.
fn note(
    person: &Person,
    relation: &Relation,
    command: Command,
    denial: &Denial,
    gathered: &mut Gathered,
) {
    match denial {
        Denial::NoRule | Denial::CommandNotGranted => {}
        Denial::MissingAttribute(_) | Denial::BrokenRule { .. } => {
            let (name, login) = (relation.qualified(), &person.login);
            gathered.not_expressed(format!("{} on {name} for {login}: {denial}", word(command)));
        }
    }
}

/// | kind             | a column hidden or changed, or a forced value | way                 |
/// |------------------|-----------------------------------------------|---------------------|
/// | table            | no                                            | `Itself`            |
/// | table            | yes                                           | `FaceOverPolicies`  |
/// | view, foreign …  | -                                             | `FaceWithCondition` |
fn way(kind: RelationKind, commands: &BTreeMap<Command, (Decision, Vec<AppliedRule>)>) -> Way {
    match kind {
        RelationKind::Table | RelationKind::PartitionedTable => {}
        RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::ForeignTable
        | RelationKind::Sequence
        | RelationKind::Toast
        | RelationKind::CompositeType
        | RelationKind::Index => return Way::FaceWithCondition,
    }
    let forced = commands.values().any(|(decision, _)| !decision.presets.is_empty());
    let changed = commands.get(&Command::Select).is_some_and(|(decision, _)| {
        decision.columns.iter().any(|column| match column {
            ColumnAccess::Clear | ColumnAccess::Denied => false,
            ColumnAccess::Hidden | ColumnAccess::Cells(_) => true,
        })
    });
    if forced || changed { Way::FaceOverPolicies } else { Way::Itself }
}

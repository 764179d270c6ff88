//! The query layer: may this person run this statement at all?
//!
//! In:  one analysed statement and its text.
//! Out: nothing, or the [`Refusal`] of the rule that refuses it.
//!
//! Invariants:
//! - Every relation of the statement is in a part: in WITH, in sub-selects, behind views, inside what carries another
//!   statement.
//! - It is asked for each statement of a text, before anything of it is planned.

use pgcordon_policy::{QueryCommand, QueryDenial, StatementPart};
use pgcordon_sql::analyze::{
    Access, Action, Carrier, Conflict, Kind, ObjectCommand, Role, Statement, Write, WriteKind,
};
use pgcordon_sql::catalog::RelationId;

use crate::{Context, Refusal};

/// Asks the rules on statements; gives the names of those that are about it.
pub(crate) fn admitted(
    text: &str,
    context: Context<'_>,
    statement: &Statement,
) -> Result<Vec<String>, Refusal> {
    if !context.policy.has_query_rules() {
        return Ok(Vec::new());
    }
    let text = text.get(statement.range.clone());
    let text = text.ok_or_else(|| Refusal::Verification("a statement's bytes".to_owned()))?;
    let parts = parts(statement);
    context.policy.admits(context.principal, text, &parts).map_err(|denial| match denial {
        QueryDenial::Rule { rule, code, message } => Refusal::QueryDenied { rule, code, message },
        QueryDenial::Unread => Refusal::Verification("a statement's words".to_owned()),
    })
}

fn parts(statement: &Statement) -> Vec<StatementPart> {
    let mut parts = of_kind(&statement.kind, statement);
    for access in &statement.accesses {
        match &access.role {
            Role::Scan(_) => {
                let relations = reached(access);
                let has_where = !access.unconditional;
                parts.push(StatementPart { command: QueryCommand::Select, relations, has_where });
            }
            // Those of writes come with the writes, the others with the kind.
            Role::Target | Role::Object => {}
        }
    }
    for write in &statement.writes {
        parts.extend(of_write(write, statement));
    }
    parts
}

/// A relation, and what its definition reads if it is a view without rules.
fn reached(access: &Access) -> Vec<RelationId> {
    let mut relations = vec![access.relation];
    match &access.role {
        Role::Scan(scan) => {
            let inner = scan.view.iter().flat_map(|view| &view.statement.accesses);
            relations.extend(inner.flat_map(reached));
        }
        Role::Target | Role::Object => {}
    }
    relations
}

/// What the command itself is about. A command that can have no condition is never without one.
fn of_kind(kind: &Kind, statement: &Statement) -> Vec<StatementPart> {
    let all = || statement.accesses.iter().flat_map(reached).collect::<Vec<RelationId>>();
    let whole = |command| StatementPart { command, relations: all(), has_where: true };
    match kind {
        Kind::Select => {
            let (command, relations) = (QueryCommand::Select, Vec::new());
            vec![StatementPart { command, relations, has_where: true }]
        }
        Kind::CopyIn(_) => vec![whole(QueryCommand::Copy), whole(QueryCommand::Insert)],
        Kind::CopyOut(_) => vec![whole(QueryCommand::Copy)],
        Kind::Carrier(carrier, inner) => {
            let mut parts = of_kind(inner, statement);
            parts.extend(match carrier {
                Carrier::Explain => Some(whole(QueryCommand::Explain)),
                Carrier::Create(_) => Some(whole(QueryCommand::Create)),
                Carrier::Cursor { .. } | Carrier::Prepared(_) => None,
            });
            parts
        }
        Kind::Objects(ObjectCommand::Truncate) => vec![whole(QueryCommand::Truncate)],
        Kind::Objects(ObjectCommand::Lock | ObjectCommand::LockForReading) => {
            vec![whole(QueryCommand::Lock)]
        }
        Kind::Define(_) => vec![whole(QueryCommand::Define)],
        Kind::Write(_) | Kind::Execute(_) | Kind::Utility(_) => Vec::new(),
    }
}

fn of_write(write: &Write, statement: &Statement) -> Vec<StatementPart> {
    let target = &statement.accesses[write.access];
    let mut relations = vec![target.relation];
    if let Some(through) = &write.through {
        relations.extend(through.layers().map(|layer| layer.view));
    }
    let part =
        |command, has_where| StatementPart { command, relations: relations.clone(), has_where };
    let conditional = !target.unconditional;
    match write.kind {
        WriteKind::Insert => {
            let mut parts = vec![part(QueryCommand::Insert, true)];
            // It meets the rows that are in the way, and no others.
            parts.extend(match &write.conflict {
                Some(Conflict::Update { .. }) => Some(part(QueryCommand::Update, true)),
                Some(Conflict::Nothing) | None => None,
            });
            parts
        }
        WriteKind::Update => vec![part(QueryCommand::Update, conditional)],
        WriteKind::Delete => vec![part(QueryCommand::Delete, conditional)],
        WriteKind::Merge => {
            let actions = write.whens.iter().filter_map(|when| match &when.action {
                Action::Nothing => None,
                Action::Delete => Some(part(QueryCommand::Delete, conditional)),
                Action::Update(_) => Some(part(QueryCommand::Update, conditional)),
                Action::Insert(_) => Some(part(QueryCommand::Insert, true)),
            });
            let mut parts = vec![part(QueryCommand::Merge, conditional)];
            parts.extend(actions);
            parts
        }
    }
}

//! From a text to a [`Cleared`] text or a [`Refusal`].
//!
//! In:  the client's text and the [`Context`].
//! Out: a [`Plan`] for `verify`, statement by statement.
//!
//! Invariants:
//! - A principal with bypass is the only one whose statements are not rewritten; they are still read.
//! - What is not planned here is refused: there is no arm that lets a statement through.

use pgcordon_policy::StatementGrant;
use pgcordon_sql::analyze::{
    self, Analysis, Carrier, Discard, Kind, Names, Outline, Statement, Utility, WriteKind,
};
use pgcordon_sql::parse::{Limits, Parsed};
use pgcordon_sql::splice::{Edit, qualified};

use crate::cleared::{Cleared, ClearedStatement, Effect, Kept, Life, RowShape, StatementKind, Use};
use crate::copy::Copier;
use crate::layers::{self, LayerAnswer};
use crate::lens::PolicyLens;
use crate::plan::{Draft, Guard, Mark, Piece, Plan};
use crate::read::Reader;
use crate::write::Writer;
use crate::{Context, Refusal, settings, verify};

/// Decides on a text of any number of statements (simple protocol), or of one (extended).
///
/// # Errors
/// A [`Refusal`]; then nothing of the text may be sent.
pub fn enforce(text: &str, context: Context<'_>) -> Result<Cleared, Refusal> {
    let lens = PolicyLens::new(context);
    decide(text, context, &lens)
}

/// As [`enforce`], and tells what each layer answered.
pub fn explain(text: &str, context: Context<'_>) -> (Vec<LayerAnswer>, Result<Cleared, Refusal>) {
    let lens = PolicyLens::new(context);
    let result = decide(text, context, &lens);
    (layers::answers(context, &lens, &result), result)
}

fn decide(text: &str, context: Context<'_>, lens: &PolicyLens<'_>) -> Result<Cleared, Refusal> {
    let limits = Limits::of_bytes(context.max_statement_bytes);
    let parsed = Parsed::new(text, limits).map_err(refusal)?;
    if context.principal.bypass {
        return bypass(text, &parsed);
    }
    verify::verify(text, planned(text, &parsed, context, lens)?)
}

/// What is to be done to a text of a principal without bypass.
pub(crate) fn planned(
    text: &str,
    parsed: &Parsed<'_>,
    context: Context<'_>,
    lens: &PolicyLens<'_>,
) -> Result<Plan, Refusal> {
    let names = Names {
        snapshot: context.snapshot,
        search_path: context.search_path,
        databases: [context.database, context.snapshot.database()],
        lens,
        parameter_types: context.parameter_types,
    };
    let analysis = analyze::analyze(parsed, names).map_err(|error| {
        let unknown = matches!(error, analyze::Error::UnknownRelation { .. });
        let denied = if unknown { lens.failure(error.offset()) } else { None };
        denied.unwrap_or_else(|| refusal(error))
    })?;
    plan(text, context, lens, analysis)
}

fn plan(
    text: &str,
    context: Context<'_>,
    lens: &PolicyLens<'_>,
    analysis: Analysis,
) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    for statement in &analysis.statements {
        lens.note_queries(crate::query::admitted(text, context, statement)?);
        calls(statement, context, &mut plan)?;
        for used in &statement.settings {
            settings::usable(used)?;
        }
        plan.names.extend(&statement.names);
        plan.free.extend(statement.free.iter().cloned());
        let mut cleared = statement_plan(text, context, lens, statement, &mut plan)?;
        let changed = statement.settings.iter().filter(|used| used.changed);
        cleared.settings.extend(changed.map(|used| used.name.clone()));
        cleared.writes = !statement.writes.is_empty();
        plan.statements.push(cleared);
        // After the edits of writes: both may stand at one offset, and `pg_catalog.` belongs to the client's word.
        let inside = |edit: &Edit, piece: &Piece| {
            let (inner, outer) = (&edit.range, &piece.edit.range);
            !inner.is_empty() && outer.start <= inner.start && inner.end <= outer.end
        };
        let kept: Vec<Edit> = statement
            .edits
            .iter()
            .filter(|edit| !plan.pieces.iter().any(|piece| inside(edit, piece)))
            .cloned()
            .collect();
        plan.pieces.extend(kept.into_iter().map(|edit| Piece { edit, marks: Vec::new() }));
    }
    Ok(plan)
}

/// Functions and operators outside `pg_catalog` must be named by the policy.
fn calls(statement: &Statement, context: Context<'_>, plan: &mut Plan) -> Result<(), Refusal> {
    for call in &statement.calls {
        if !context.policy.allows_function(&call.schema, &call.name) {
            let name = call.name.clone();
            let offset = Some(call.offset);
            let word = name.starts_with(|first: char| first.is_alphanumeric() || first == '_');
            return Err(match word {
                true => Refusal::FunctionDenied { name, offset },
                false => Refusal::OperatorDenied { name, offset },
            });
        }
        plan.calls.push((call.schema.clone(), call.name.clone()));
    }
    Ok(())
}

fn statement_plan(
    text: &str,
    context: Context<'_>,
    lens: &PolicyLens<'_>,
    statement: &Statement,
    plan: &mut Plan,
) -> Result<ClearedStatement, Refusal> {
    if let Kind::Utility(utility) = &statement.kind {
        plan.outlines.push(Outline::Utility(utility.clone()));
        return self::utility(utility);
    }
    let reader = Reader { context, lens, text };
    if let Kind::CopyOut(Some(copy)) = &statement.kind {
        let draft = reader.copied(&statement.accesses[copy.access], copy.columns.as_deref())?;
        plan.mark(copy.range.clone(), draft.text, draft.marks);
    } else if let Kind::CopyIn(copy) = &statement.kind {
        Copier { context, lens, statement, copy }.edits(plan)?;
    } else {
        nested_samples(statement)?;
        plan.pieces.extend(reader.scans(statement, false)?);
        plan.pieces.extend(reader.locked_conjuncts(statement, false)?);
        plan.pieces.extend(reader.guards(statement));
    }
    objects(context, statement, plan);
    // Behind the reads: where both insert at one offset, the read's text belongs to what the write wraps.
    let mut checks = Vec::with_capacity(statement.writes.len());
    for (index, write) in statement.writes.iter().enumerate() {
        let writer = Writer { context, lens, text, statement, write, index };
        checks.push(writer.edits(plan)?);
    }
    let outcome = Outcome { text, context, statement, checks: &checks };
    let (outline, cleared) = outcome.of(&statement.kind)?;
    plan.outlines.push(outline);
    Ok(cleared)
}

/// Tables that LOCK and TRUNCATE name, and what CREATE makes, are written qualified.
fn objects(context: Context<'_>, statement: &Statement, plan: &mut Plan) {
    for made in &statement.made {
        let (schema, name) = (made.schema.clone(), made.name.clone());
        let text = qualified(&schema, &name);
        let name = Some(name);
        let guard = if made.again { Guard::Object } else { Guard::Made };
        let mark = Mark { offset: 0, schema, name, guard };
        plan.mark(made.range.clone(), text, vec![mark]);
    }
    for access in &statement.accesses {
        match access.role {
            analyze::Role::Object => {}
            analyze::Role::Scan(_) | analyze::Role::Target => continue,
        }
        let mut draft = Draft::default();
        if access.only {
            draft.push("ONLY ");
        }
        draft.relation(context.snapshot.relation(access.relation), Guard::Object);
        plan.mark(access.range.clone(), draft.text, draft.marks);
    }
}

/// What comes of one statement whose edits are made.
struct Outcome<'a> {
    text: &'a str,
    context: Context<'a>,
    statement: &'a Statement,
    /// For each write: whether its RETURNING ends with a check of ours.
    checks: &'a [bool],
}

impl Outcome<'_> {
    fn of(&self, kind: &Kind) -> Result<(Outline, ClearedStatement), Refusal> {
        let plain = |outline, kind| Ok((outline, ClearedStatement::plain(kind, Effect::None)));
        match kind {
            Kind::Select => plain(Outline::Select, StatementKind::Select),
            Kind::CopyIn(_) => {
                plain(Outline::Utility(Utility::Other("COPY")), StatementKind::CopyIn)
            }
            Kind::CopyOut(_) => {
                plain(Outline::Utility(Utility::Other("COPY")), StatementKind::CopyOut)
            }
            Kind::Write(index) => self.write(*index),
            Kind::Carrier(carrier, inner) => self.carrier(carrier, inner),
            Kind::Execute(name) => {
                let plain = ClearedStatement::plain(StatementKind::Execute, Effect::None);
                let uses = Use::Prepared(name.clone());
                Ok((Outline::Execute(name.clone()), ClearedStatement { uses, ..plain }))
            }
            Kind::Objects(command) => plain(Outline::Objects(*command), StatementKind::Object),
            Kind::Define(definition) => {
                crate::define::admitted(self.context, definition)?;
                plain(Outline::Define(definition.what), self.creation())
            }
            Kind::Utility(_) => Err(Refusal::Verification("a utility statement".to_owned())),
        }
    }

    fn write(&self, index: usize) -> Result<(Outline, ClearedStatement), Refusal> {
        let write = &self.statement.writes[index];
        let (outline, kind) = match write.kind {
            WriteKind::Insert => (Outline::Insert, StatementKind::Insert),
            WriteKind::Update => (Outline::Update, StatementKind::Update),
            WriteKind::Delete => (Outline::Delete, StatementKind::Delete),
            WriteKind::Merge => (Outline::Merge, StatementKind::Merge),
        };
        let rows = match (self.checks[index], write.has_returning) {
            (true, true) => RowShape::DropLastColumn,
            (true, false) => RowShape::DropRows,
            (false, _) => RowShape::AsIs,
        };
        let visible_columns = self.statement.width.unwrap_or_default();
        if rows == RowShape::DropLastColumn && self.statement.width.is_none() {
            let what = "RETURNING with columns of a function".to_owned();
            return Err(Refusal::Unsupported { what, offset: Some(self.statement.range.start) });
        }
        let plain = ClearedStatement::plain(kind, Effect::None);
        Ok((outline, ClearedStatement { rows, visible_columns, ..plain }))
    }

    fn carrier(
        &self,
        carrier: &Carrier,
        inner: &Kind,
    ) -> Result<(Outline, ClearedStatement), Refusal> {
        let (outline, statement) = self.of(inner)?;
        let cleared = match carrier {
            Carrier::Cursor { name, hold } => {
                let life = if *hold { Life::HeldCursor } else { Life::Cursor };
                self.kept(StatementKind::Declare, name, life, statement)?
            }
            Carrier::Prepared(name) => {
                self.kept(StatementKind::Prepare, name, Life::Prepared, statement)?
            }
            Carrier::Explain => {
                granted(self.context, StatementGrant::Explain, carrier.name())?;
                ClearedStatement::plain(StatementKind::Explain, Effect::None)
            }
            Carrier::Create(_) => {
                let temporary = self.creation() == StatementKind::Temporary;
                let grant =
                    if temporary { StatementGrant::Temporary } else { StatementGrant::Create };
                granted(self.context, grant, carrier.name())?;
                for made in &self.statement.made {
                    crate::define::makes(self.context, &made.schema, &made.name)?;
                }
                ClearedStatement::plain(self.creation(), Effect::None)
            }
        };
        Ok((Outline::Carrier(carrier.clone(), Box::new(outline)), cleared))
    }

    /// Whether what is made is the session's own.
    fn creation(&self) -> StatementKind {
        let temporary = self.statement.made.iter().any(|made| made.schema == "pg_temp");
        if temporary { StatementKind::Temporary } else { StatementKind::Create }
    }

    fn kept(
        &self,
        kind: StatementKind,
        name: &str,
        life: Life,
        statement: ClearedStatement,
    ) -> Result<ClearedStatement, Refusal> {
        let text = self.text.get(self.statement.range.clone());
        let text = text.ok_or_else(|| Refusal::Verification("a statement's bytes".to_owned()))?;
        let (name, text) = (name.to_owned(), text.to_owned());
        let kept = Kept { name, life, text, statement };
        Ok(ClearedStatement::plain(kind, Effect::Keep(Box::new(kept))))
    }
}

/// A kind of statement that needs a grant of its own.
fn granted(context: Context<'_>, grant: StatementGrant, what: &'static str) -> Result<(), Refusal> {
    if context.principal.statements.contains(&grant) {
        return Ok(());
    }
    Err(Refusal::StatementDenied { what })
}

/// TABLESAMPLE is moved as it stands: nothing inside it may need an edit.
fn nested_samples(statement: &Statement) -> Result<(), Refusal> {
    for access in &statement.accesses {
        let analyze::Role::Scan(scan) = &access.role else { continue };
        let Some(sample) = &scan.sample else { continue };
        let inside =
            |range: &std::ops::Range<usize>| sample.start <= range.start && range.end <= sample.end;
        let relations = statement.accesses.iter().any(|other| inside(&other.range));
        if relations || statement.edits.iter().any(|edit| inside(&edit.range)) {
            let what = "TABLESAMPLE with a sub-select or function".to_owned();
            return Err(Refusal::Unsupported { what, offset: Some(sample.start) });
        }
    }
    Ok(())
}

fn utility(utility: &Utility) -> Result<ClearedStatement, Refusal> {
    let (kind, effect) = match utility {
        Utility::Transaction(step) => {
            let plain = ClearedStatement::plain(StatementKind::Transaction, Effect::None);
            return Ok(ClearedStatement { step: Some(*step), ..plain });
        }
        Utility::SetTransaction => {
            let plain = ClearedStatement::plain(StatementKind::Transaction, Effect::None);
            let settings = settings::CHARACTERISTICS.map(str::to_owned).to_vec();
            return Ok(ClearedStatement { settings, ..plain });
        }
        Utility::Set(setting) => {
            let effect = settings::changeable(setting)?;
            let settings = vec![setting.name.clone()];
            return Ok(ClearedStatement {
                settings,
                ..ClearedStatement::plain(StatementKind::Set, effect)
            });
        }
        Utility::ResetAll => (StatementKind::Set, Effect::ResetAll),
        Utility::Show(name) => {
            settings::showable(name)?;
            (StatementKind::Show, Effect::None)
        }
        Utility::Discard(Discard::All) => (StatementKind::Discard, Effect::DiscardAll),
        Utility::Discard(Discard::Plans | Discard::Sequences | Discard::Temporary) => {
            (StatementKind::Discard, Effect::None)
        }
        Utility::Deallocate(name) => (StatementKind::Deallocate, Effect::Deallocate(name.clone())),
        Utility::Unlisten => (StatementKind::Discard, Effect::None),
        Utility::SetConstraints => (StatementKind::Set, Effect::None),
        Utility::Close(name) => (StatementKind::Close, Effect::Close(name.clone())),
        Utility::Fetch(name) => {
            let plain = ClearedStatement::plain(StatementKind::Fetch, Effect::None);
            return Ok(ClearedStatement { uses: Use::Cursor(name.clone()), ..plain });
        }
        Utility::Other(what) => {
            return Err(Refusal::Unsupported { what: (*what).to_owned(), offset: None });
        }
    };
    Ok(ClearedStatement::plain(kind, effect))
}

/// No rules; but the settings that the lexer and the session rely on stay pinned.
fn bypass(text: &str, parsed: &Parsed<'_>) -> Result<Cleared, Refusal> {
    let mut plan = Plan::default();
    for outline in analyze::outline(parsed).map_err(refusal)? {
        let other = |kind| ClearedStatement::plain(kind, Effect::None);
        plan.statements.push(match &outline {
            Outline::Select => other(StatementKind::Select),
            Outline::Insert => other(StatementKind::Insert),
            Outline::Update => other(StatementKind::Update),
            Outline::Delete => other(StatementKind::Delete),
            Outline::Merge => other(StatementKind::Merge),
            Outline::Carrier(..)
            | Outline::Execute(_)
            | Outline::Objects(_)
            | Outline::Define(_)
            | Outline::Utility(Utility::Other(_) | Utility::Show(_) | Utility::Fetch(_)) => {
                other(StatementKind::Other)
            }
            Outline::Utility(Utility::Set(setting)) if !settings::pinned(&setting.name) => {
                other(StatementKind::Set)
            }
            Outline::Utility(known) => self::utility(known)?,
        });
    }
    Ok(verify::unchanged(text, plan))
}

fn refusal(error: analyze::Error) -> Refusal {
    use analyze::Error;
    match error {
        Error::Syntax { message, offset } => Refusal::Syntax { message, offset },
        Error::Unsupported { what, offset } => Refusal::Unsupported { what, offset },
        Error::UnknownRelation { name, offset } => Refusal::UnknownRelation { name, offset },
        Error::MissingFrom { name, offset } => Refusal::MissingFrom { name, offset },
        Error::UnknownColumn { name, offset } => Refusal::UnknownColumn { name, offset },
        Error::AmbiguousColumn { name, offset } => Refusal::AmbiguousColumn { name, offset },
        Error::DeniedColumn { name, offset } => Refusal::ColumnDenied { name, offset },
        Error::Partial { name, offset } => Refusal::Partial { name, offset },
        Error::NotGranted { what } => Refusal::StatementDenied { what },
        Error::NotUpdatable { command, view, column, offset } => {
            Refusal::NotUpdatable { command, view, column, offset }
        }
        Error::UnknownType { name, offset } => Refusal::UnknownType { name, offset },
        Error::Function { name, offset } => Refusal::FunctionDenied { name, offset },
        Error::Operator { name, offset } => Refusal::OperatorDenied { name, offset },
        Error::Limit { what } => Refusal::Limit { what },
    }
}

//! What a principal sees of each relation, asked once per statement text.
//!
//! In:  the policy and the principal.
//! Out: [`Seen`] for `sql::analyze`; [`Decision`]s for the edits.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pgcordon_policy::{ColumnAccess, Command, Coverage, Decision, Denial, Filter, StatementGrant};
use pgcordon_sql::analyze::{Held, Hold, Lens, ObjectCommand, Seen, Visibility, WriteKind};
use pgcordon_sql::catalog::{Oid, RelationId, RelationKind};

use crate::catalog::Visible;
use crate::{Context, Refusal};

type Answer = Rc<Result<Decision, Denial>>;

/// Asks the policy and remembers its answers.
pub(crate) struct PolicyLens<'a> {
    context: Context<'a>,
    answers: RefCell<BTreeMap<(RelationId, Command), Answer>>,
    /// The relation that made the analysis fail, if a denial did.
    failed: RefCell<Option<(RelationId, Denial)>>,
    /// Names of the rules on statements that were asked and admitted one.
    queries: RefCell<Vec<String>>,
    /// What may be known of; found out when a statement first asks the catalog.
    visible: RefCell<Option<Rc<Visible>>>,
    /// While it is found out, views that read the catalog are asked about: that they read it is enough.
    asking: Cell<bool>,
}

/// The policy's word for a write.
pub(crate) fn command(kind: WriteKind) -> Command {
    match kind {
        WriteKind::Insert => Command::Insert,
        WriteKind::Update => Command::Update,
        WriteKind::Delete => Command::Delete,
        WriteKind::Merge => Command::Select,
    }
}

impl<'a> PolicyLens<'a> {
    pub(crate) fn new(context: Context<'a>) -> Self {
        Self {
            context,
            answers: RefCell::default(),
            failed: RefCell::default(),
            queries: RefCell::default(),
            visible: RefCell::default(),
            asking: Cell::new(false),
        }
    }

    pub(crate) fn context(&self) -> &Context<'a> {
        &self.context
    }

    /// What the principal may know of.
    pub(crate) fn visible(&self) -> Rc<Visible> {
        if self.asking.get() {
            return Rc::default();
        }
        if let Some(known) = &*self.visible.borrow() {
            return Rc::clone(known);
        }
        let failed = self.failed.borrow().clone();
        self.asking.set(true);
        let visible = Rc::new(Visible::of(self));
        self.asking.set(false);
        *self.failed.borrow_mut() = failed;
        *self.visible.borrow_mut() = Some(Rc::clone(&visible));
        visible
    }

    /// The policy's answer for one relation and command.
    pub(crate) fn answer(&self, relation: RelationId, command: Command) -> Answer {
        if let Some(known) = self.answers.borrow().get(&(relation, command)) {
            return Rc::clone(known);
        }
        let decided = self.decide(relation, command);
        let answer = Rc::new(decided);
        if self.asking.get() && is_system(&self.context.snapshot.relation(relation).schema) {
            return answer;
        }
        self.answers.borrow_mut().insert((relation, command), Rc::clone(&answer));
        answer
    }

    fn decide(&self, relation: RelationId, command: Command) -> Result<Decision, Denial> {
        let found = self.context.snapshot.relation(relation);
        if is_system(&found.schema) {
            return crate::catalog::decide(found, command, &self.visible());
        }
        // What is in a temporary table came from what its maker may see, and nobody else reaches it.
        if self.context.snapshot.is_temporary(found) {
            return Ok(everything(found.columns.len()));
        }
        if found.schema.starts_with("pg_temp_") {
            return Err(Denial::NoRule);
        }
        self.context.policy.decide(self.context.principal, relation, command)
    }

    /// A decision that the analysis has already relied on.
    pub(crate) fn granted(
        &self,
        relation: RelationId,
        command: Command,
    ) -> Result<Rc<Result<Decision, Denial>>, Refusal> {
        let answer = self.answer(relation, command);
        match &*answer {
            Ok(_) => Ok(answer),
            Err(denial) => Err(self.refusal(relation, denial, None)),
        }
    }

    /// Notes rules on statements that admitted one, for `explain`.
    pub(crate) fn note_queries(&self, names: Vec<String>) {
        self.queries.borrow_mut().extend(names);
    }

    /// Rules on statements that admitted one, for `explain`.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.queries.borrow().clone()
    }

    /// Every decision made, for `explain`.
    pub(crate) fn answers(&self) -> Vec<(RelationId, Command, Answer)> {
        let answers = self.answers.borrow();
        answers.iter().map(|((id, command), answer)| (*id, *command, Rc::clone(answer))).collect()
    }

    /// Words an analysis error that a denial caused.
    pub(crate) fn failure(&self, offset: Option<usize>) -> Option<Refusal> {
        let failed = self.failed.borrow();
        let (relation, denial) = failed.as_ref()?;
        match denial {
            Denial::NoRule => None,
            Denial::CommandNotGranted | Denial::MissingAttribute(_) | Denial::BrokenRule { .. } => {
                Some(self.refusal(*relation, denial, offset))
            }
        }
    }

    fn refusal(&self, relation: RelationId, denial: &Denial, offset: Option<usize>) -> Refusal {
        let name = self.context.snapshot.relation(relation).name.clone();
        match denial {
            Denial::NoRule => Refusal::UnknownRelation { name, offset },
            Denial::CommandNotGranted => Refusal::CommandDenied { name, offset },
            Denial::MissingAttribute(name) => Refusal::MissingAttribute { name: name.clone() },
            Denial::BrokenRule { rule, problem } => {
                Refusal::BrokenRule { rule: rule.clone(), problem: problem.clone() }
            }
        }
    }

    fn absent(&self, relation: RelationId, denial: &Denial) -> Seen {
        *self.failed.borrow_mut() = Some((relation, denial.clone()));
        Seen::Absent
    }
}

impl Lens for PolicyLens<'_> {
    fn names(&self, relation: RelationId) -> bool {
        if self.asking.get() {
            // Whether a view can be read does not hang on what it merely names.
            return true;
        }
        self.visible().has_relation(self.context.snapshot.relation(relation).oid)
    }

    fn names_type(&self, kind: Oid) -> bool {
        self.asking.get() || self.visible().has_type(kind)
    }

    fn seen(&self, relation: RelationId) -> Seen {
        let found = self.context.snapshot.relation(relation);
        match found.kind {
            RelationKind::Table
            | RelationKind::PartitionedTable
            | RelationKind::View
            | RelationKind::MaterializedView
            | RelationKind::ForeignTable => {}
            RelationKind::Sequence
            | RelationKind::Toast
            | RelationKind::CompositeType
            | RelationKind::Index => return self.absent(relation, &Denial::NoRule),
        }
        // A view decides only where a rule names it: a wildcard's grant must not lead around its tables' rules.
        let named = self.context.policy.coverage(relation) == Coverage::Named;
        if found.kind == RelationKind::View && !named && !is_system(&found.schema) {
            return Seen::Expand;
        }
        match &*self.answer(relation, Command::Select) {
            Ok(decision) => Seen::Columns(visibility(&decision.columns)),
            Err(denial) => self.absent(relation, denial),
        }
    }

    fn target(&self, relation: RelationId, kind: WriteKind) -> Seen {
        let found = self.context.snapshot.relation(relation);
        let named = self.context.policy.coverage(relation) == Coverage::Named;
        if found.kind == RelationKind::View && !named && !is_system(&found.schema) {
            return Seen::Expand;
        }
        let writable = match found.kind {
            RelationKind::Table | RelationKind::PartitionedTable | RelationKind::ForeignTable => {
                true
            }
            RelationKind::View
            | RelationKind::MaterializedView
            | RelationKind::Sequence
            | RelationKind::Toast
            | RelationKind::CompositeType
            | RelationKind::Index => false,
        };
        let seen = match &*self.answer(relation, command(kind)) {
            Ok(_) => match &*self.answer(relation, Command::Select) {
                Ok(decision) => Seen::Columns(visibility(&decision.columns)),
                // May write, may not read: every reference to a column is refused.
                Err(_) => Seen::Columns(vec![Visibility::Denied; found.columns.len()].into()),
            },
            Err(denial) => self.absent(relation, denial),
        };
        match (&seen, writable) {
            (Seen::Columns(_), false) => Seen::Expand,
            (Seen::Columns(_) | Seen::Absent | Seen::Expand, _) => seen,
        }
    }

    fn defines(&self) -> bool {
        self.context.principal.statements.contains(&StatementGrant::Define)
    }

    fn makes_temporary(&self) -> bool {
        self.context.principal.statements.contains(&StatementGrant::Temporary)
    }

    fn holds(&self, relation: RelationId, hold: Hold) -> Held {
        let found = self.context.snapshot.relation(relation);
        if is_system(&found.schema) {
            return Held::Absent;
        }
        let named = self.context.policy.coverage(relation) == Coverage::Named;
        match found.kind {
            RelationKind::Table | RelationKind::PartitionedTable => {
                self.with_children(relation, hold)
            }
            // Both are made of other relations; nothing can be written there that is not written elsewhere.
            RelationKind::MaterializedView => self.whole(relation, Hold::Read),
            RelationKind::View if named => self.whole(relation, Hold::Read),
            // It holds no rows: whoever can read it knows all of it.
            RelationKind::View if self.names(relation) => Held::Whole,
            RelationKind::Sequence | RelationKind::Index => self.serving(found.oid),
            RelationKind::View
            | RelationKind::ForeignTable
            | RelationKind::Toast
            | RelationKind::CompositeType => Held::Absent,
        }
    }

    fn object(&self, relation: RelationId, command: ObjectCommand) -> Seen {
        let found = self.context.snapshot.relation(relation);
        if !is_table(found.kind) {
            return match self.seen(relation) {
                Seen::Absent => Seen::Absent,
                Seen::Columns(_) | Seen::Expand => Seen::Expand,
            };
        }
        let mut denial = Denial::NoRule;
        for needed in needed(command) {
            match &*self.answer(relation, *needed) {
                // Rows that must stay cannot be taken out of it.
                Ok(decision) if *needed == Command::Truncate && decision.using != Filter::All => {
                    denial = Denial::CommandNotGranted;
                }
                Ok(_) => {
                    return Seen::Columns(vec![Visibility::Clear; found.columns.len()].into());
                }
                Err(known) => denial = known.clone(),
            }
        }
        self.absent(relation, &denial)
    }
}

impl PolicyLens<'_> {
    /// How much of a table the principal has, its partitions and children left out.
    fn whole(&self, relation: RelationId, hold: Hold) -> Held {
        let commands: &[Command] = match hold {
            Hold::Read => &[Command::Select],
            Hold::Own => &[Command::Select, Command::Insert, Command::Update, Command::Delete],
        };
        let answers: Vec<Held> =
            commands.iter().map(|command| held(&self.answer(relation, *command))).collect();
        match answers.iter().all(|held| *held == Held::Whole) {
            true => Held::Whole,
            false if answers.iter().all(|held| *held == Held::Absent) => Held::Absent,
            false => Held::Partly,
        }
    }

    /// As [`PolicyLens::whole`], of what goes with it as well.
    fn with_children(&self, relation: RelationId, hold: Hold) -> Held {
        let snapshot = self.context.snapshot;
        let own = self.whole(relation, hold);
        if hold == Hold::Read || own != Held::Whole {
            return own;
        }
        let mut waiting = snapshot.children(snapshot.relation(relation).oid).to_vec();
        let mut met = BTreeSet::new();
        while let Some(child) = waiting.pop() {
            if !met.insert(child) {
                continue;
            }
            match self.whole(child, hold) {
                Held::Whole => {}
                Held::Partly | Held::Absent => return Held::Partly,
            }
            waiting.extend(snapshot.children(snapshot.relation(child).oid));
        }
        Held::Whole
    }

    /// An index or a sequence, by all that it serves. One that serves nothing is nobody's.
    fn serving(&self, oid: Oid) -> Held {
        let snapshot = self.context.snapshot;
        let served = snapshot.dependents().iter().filter(|one| one.oid == oid);
        let served = served.map(|one| snapshot.by_oid(one.relation));
        let held: Vec<Held> =
            served.map(|id| id.map_or(Held::Absent, |id| self.holds(id, Hold::Own))).collect();
        match held.iter().all(|one| *one == Held::Whole) {
            true if !held.is_empty() => Held::Whole,
            _ if held.iter().all(|one| *one == Held::Absent) => Held::Absent,
            _ => Held::Partly,
        }
    }
}

/// What one may do with a table of one's own.
fn everything(columns: usize) -> Decision {
    Decision {
        using: Filter::All,
        check: Filter::All,
        columns: vec![ColumnAccess::Clear; columns],
        presets: Vec::new(),
        rules: vec!["temporary".to_owned()],
    }
}

/// Whether a decision leaves nothing out.
fn held(answer: &Result<Decision, Denial>) -> Held {
    match answer {
        Ok(decision) => {
            let every = decision.using == Filter::All
                && decision.check == Filter::All
                && decision.presets.is_empty()
                && decision.columns.iter().all(|column| *column == ColumnAccess::Clear);
            if every { Held::Whole } else { Held::Partly }
        }
        Err(Denial::NoRule) => Held::Absent,
        Err(
            Denial::CommandNotGranted | Denial::MissingAttribute(_) | Denial::BrokenRule { .. },
        ) => Held::Partly,
    }
}

/// Whose answers decide on a command that names a whole table; one of them is enough.
///
/// | command                       | granted by                    |
/// |-------------------------------|-------------------------------|
/// | LOCK IN ACCESS SHARE MODE     | select                        |
/// | LOCK in any other mode        | update, delete or truncate    |
/// | TRUNCATE                      | truncate, of every row        |
fn needed(command: ObjectCommand) -> &'static [Command] {
    match command {
        ObjectCommand::LockForReading => &[Command::Select],
        ObjectCommand::Lock => &[Command::Update, Command::Delete, Command::Truncate],
        ObjectCommand::Truncate => &[Command::Truncate],
    }
}

/// A table in the sense of these commands.
fn is_table(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Table | RelationKind::PartitionedTable => true,
        RelationKind::ForeignTable
        | RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::Sequence
        | RelationKind::Toast
        | RelationKind::CompositeType
        | RelationKind::Index => false,
    }
}

fn is_system(schema: &str) -> bool {
    schema == "pg_catalog" || schema == "information_schema"
}

fn visibility(columns: &[ColumnAccess]) -> Rc<[Visibility]> {
    let seen = columns.iter().map(|column| match column {
        ColumnAccess::Clear => Visibility::Clear,
        ColumnAccess::Hidden => Visibility::Hidden,
        ColumnAccess::Denied => Visibility::Denied,
        ColumnAccess::Cells(_) => Visibility::Changed,
    });
    seen.collect()
}

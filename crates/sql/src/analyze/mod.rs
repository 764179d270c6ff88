//! Finds out what a statement does: which relations, columns, functions, operators and types it names, and where.
//!
//! In:  a [`Parsed`] text, the catalog, the search_path, and a [`Lens`]: what the reader may see of each relation.
//! Out: an [`Analysis`]: owned data with byte offsets, from which `rewrite` makes its edits.
//!
//! Invariants:
//! - Every node of the tree is walked by a function that names it; a node that no function names is refused.
//! - Every relation that PostgreSQL would read has an [`Access`]; every name that is not a relation is a CTE in
//!   scope (`parse_cte.c`): a non-recursive CTE sees neither itself nor later ones, a write's target is never a
//!   CTE, a qualified name never is.
//! - Built-in functions are found by name and are written qualified (`edits`), so that no function of the same
//!   name on the search_path can take their place.

mod assign;
mod call;
mod carrier;
mod condition;
mod conflict;
mod constant;
mod copy;
mod create;
mod definition;
mod expression;
mod from;
mod insert;
mod leaf;
mod lookup;
mod merge;
mod name;
mod number;
mod object;
mod query;
mod request;
mod row;
mod scope;
mod setting;
mod shape;
mod system;
mod through;
mod utility;
mod write;

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use pg_raw_parse::Node;

pub use assign::{Assigned, Assignment, Value, ValueKind};
pub use call::allowed_function;
pub use carrier::Carrier;
pub(crate) use carrier::carried;
pub use condition::{Conjunct, Unsafe};
pub use conflict::Conflict;
pub use constant::{Bind, Free};
pub use copy::CopyIn;
pub(crate) use create::creation;
pub use create::{Made, NewRelation};
pub(crate) use definition::definition;
pub use definition::{ABSENT_SCHEMA, Change as DefinitionChange, Definition, Held, Hold};
pub use insert::{InsertSource, ValueRow};
pub use lookup::{Form, Guard, Wanted, readable_view};
pub use merge::{Action, When};
pub use object::ObjectCommand;
pub(crate) use object::object_command;
pub use request::{Operand, Part, PartKind, Request, Variable, may_request, parts};
pub use scope::Visibility;
pub use setting::SettingUse;
pub use through::{Through, ThroughColumn};
pub(crate) use utility::outline_of;
pub use utility::{Change, Discard, Outline, Setting, Step, Utility, outline};
pub use write::{Within, Write, WriteKind};

use crate::catalog::{ColumnId, Oid, RelationId, Snapshot};
pub use crate::error::Error;
use crate::parse::Parsed;
use crate::splice::Edit;
use scope::Columns;

/// Deepest tree that is walked. PostgreSQL itself gives up at a few thousand levels (`max_stack_depth`).
const MAX_DEPTH: usize = 2_000;

/// What a table is called in a write that goes through a view. Nothing of the client's may have such a name.
pub const TARGET_ALIAS: &str = "pgcordon_target";

/// What a reader sees of a relation.
#[derive(Clone, Debug)]
pub enum Seen {
    /// It does not exist for them.
    Absent,
    /// A relation with rules of its own: one entry per column.
    Columns(Rc<[Visibility]>),
    /// A view without rules: replaced by its definition.
    Expand,
}

/// What the reader may see; `sql` knows no policy, so it asks.
pub trait Lens {
    /// As a relation to read from; `locked` under FOR UPDATE and its kin.
    fn seen(&self, relation: RelationId) -> Seen;
    /// As the target of a write: which of its columns may be read.
    fn target(&self, relation: RelationId, kind: WriteKind) -> Seen;
    /// As a whole table under a command; [`Seen::Expand`] for what is no table.
    fn object(&self, relation: RelationId, command: ObjectCommand) -> Seen;
    /// Whether the reader may define what the database holds (CREATE TABLE and its kin).
    fn defines(&self) -> bool;
    /// Whether the reader may make temporary tables.
    fn makes_temporary(&self) -> bool;
    /// How much of a relation the reader has, of what a definition needs. An index or sequence is held by whoever holds
    /// what it serves.
    fn holds(&self, relation: RelationId, hold: Hold) -> Held;
    /// Whether the reader may know of the relation: that it exists, its name, its OID. Also of indexes and sequences.
    fn names(&self, relation: RelationId) -> bool;
    /// Whether the reader may know of a type outside `pg_catalog`.
    fn names_type(&self, kind: Oid) -> bool;
}

/// How a relation is reached.
#[derive(Clone, Debug)]
pub enum Role {
    /// An item of a FROM clause.
    Scan(Scan),
    /// The relation that a write changes.
    Target,
    /// A table that LOCK or TRUNCATE names, or anything that a definition does.
    Object,
}

/// An item of a FROM clause.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Under FOR UPDATE or its kin.
    pub locked: bool,
    /// Written as `TABLE relation`: the word TABLE lies inside the access's range.
    pub command: bool,
    /// TABLESAMPLE and all that belongs to it, to be moved inside.
    pub sample: Option<Range<usize>>,
    /// The definition of a view without rules, analysed for the same reader.
    pub view: Option<Box<ViewBody>>,
}

/// A view's definition.
#[derive(Clone, Debug)]
pub struct ViewBody {
    /// `pg_get_viewdef`, without the semicolon.
    pub text: String,
    /// Its analysis.
    pub statement: Statement,
}

/// One place where a relation is named.
#[derive(Clone, Debug)]
pub struct Access {
    /// The relation.
    pub relation: RelationId,
    /// How it is reached.
    pub role: Role,
    /// Bytes from ONLY or the name up to the name's end, a trailing `*` included.
    pub range: Range<usize>,
    /// The name as the client would read it in an error.
    pub spelled: String,
    /// The client's alias, or the relation's name without one.
    pub alias: String,
    /// Whether the client wrote an alias.
    pub aliased: bool,
    /// ONLY was said.
    pub only: bool,
    /// A condition that could raise reads it: no row may get there before its predicate admits it.
    pub fenced: bool,
    /// Inside a sub-select that reads rows outside of it: it may be scanned once for each of them.
    pub correlated: bool,
    /// The query or write that names it has no condition that looks at any row.
    pub unconditional: bool,
}

/// A reference to a column of a write's target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetUse {
    /// Index into [`Statement::accesses`].
    pub access: usize,
    /// What of the target.
    pub part: TargetPart,
    /// The bytes of the reference.
    pub range: Range<usize>,
    /// The reference is a whole item of RETURNING without AS: replacing it needs this name.
    pub output_name: Option<String>,
    /// The last part of the reference.
    pub name: String,
    /// It may give that name to an item without AS, and what is named so further outside must not be something else.
    pub names_item: bool,
}

/// What of a write's target is referred to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetPart {
    /// One column.
    Column(ColumnId),
    /// The row as a value.
    Row,
    /// `*` alone or qualified, in RETURNING.
    Star,
}

/// A function or operator outside `pg_catalog` that the statement calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Byte offset.
    pub offset: usize,
}

/// A system column (`ctid` and kin) that a name may mean.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SystemUse {
    /// Index into [`Statement::accesses`].
    pub access: usize,
    /// Which.
    pub name: &'static str,
}

/// A relation's whole primary key in one GROUP BY.
#[derive(Clone, Debug)]
pub struct GroupKey {
    /// Index into [`Statement::accesses`].
    pub access: usize,
    /// Byte behind the first of its columns there.
    pub at: usize,
    /// The relation's columns that are grouped by.
    pub columns: Vec<ColumnId>,
}

/// What kind of statement.
#[derive(Clone, Debug)]
pub enum Kind {
    /// SELECT, VALUES, TABLE.
    Select,
    /// INSERT, UPDATE, DELETE or MERGE at the top: index into [`Statement::writes`].
    Write(usize),
    /// COPY relation FROM STDIN.
    CopyIn(CopyIn),
    /// COPY (query) TO STDOUT, or of a relation.
    CopyOut(Option<CopyRelation>),
    /// A statement that carries another one.
    Carrier(Carrier, Box<Kind>),
    /// EXECUTE of a prepared statement by name.
    Execute(String),
    /// LOCK TABLE, TRUNCATE.
    Objects(ObjectCommand),
    /// CREATE, ALTER, DROP and their kin.
    Define(Definition),
    /// Transaction control, settings and their kin.
    Utility(Utility),
}

/// COPY relation [(columns)] TO STDOUT: to be turned into COPY (SELECT …).
#[derive(Clone, Debug)]
pub struct CopyRelation {
    /// Index into [`Statement::accesses`].
    pub access: usize,
    /// Columns asked for; `None` for all that COPY would give.
    pub columns: Option<Vec<ColumnId>>,
    /// Bytes of the name and the column list.
    pub range: Range<usize>,
}

/// One analysed statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Bytes of the statement, from its first to its last token.
    pub range: Range<usize>,
    /// Its kind.
    pub kind: Kind,
    /// Relations, in the order in which they were met.
    pub accesses: Vec<Access>,
    /// INSERT, UPDATE, DELETE, MERGE, also those inside WITH.
    pub writes: Vec<Write>,
    /// References to columns of the writes' targets.
    pub target_uses: Vec<TargetUse>,
    /// Byte offsets of names that look like relations and are none: CTEs, items named by FOR UPDATE OF.
    pub names: Vec<usize>,
    /// Functions and operators outside `pg_catalog`.
    pub calls: Vec<Call>,
    /// Byte offsets of calls of built-in functions that give something else each time.
    pub drawn: Vec<usize>,
    /// The relations that it makes, and names that are not of the catalog.
    pub made: Vec<NewRelation>,
    /// Primary keys that stand in GROUP BY.
    pub group_keys: Vec<GroupKey>,
    /// System columns (`ctid` and kin) that are asked for.
    pub system_uses: Vec<SystemUse>,
    /// Accesses whose row is asked for by the item's name: the scan gives it as a column of that name.
    pub whole_rows: Vec<usize>,
    /// Places where the catalog would tell of an object, whoever may see it.
    pub guards: Vec<Guard>,
    /// Settings that functions show or change.
    pub settings: Vec<SettingUse>,
    /// Edits that do not depend on any decision: `pg_catalog.` before built-ins, qualifiers respelled.
    pub edits: Vec<Edit>,
    /// Conjuncts that may be copied into the scan of a fenced access.
    pub conjuncts: Vec<Conjunct>,
    /// Conjuncts that could raise.
    pub unsafe_conjuncts: Vec<Unsafe>,
    /// Constants whose value, beyond its class, decided nothing.
    pub free: Vec<Free>,
    /// Has a RETURNING clause, or gives rows otherwise.
    pub gives_rows: bool,
    /// Columns that the client sees of a write with RETURNING; `None` when a function's are unknown.
    pub width: Option<usize>,
}

/// All statements of a text.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// In order; empty statements left out.
    pub statements: Vec<Statement>,
}

/// What a name resolves against.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The catalog.
    pub snapshot: &'a Snapshot,
    /// Schemas of the session's search_path.
    pub search_path: &'a [String],
    /// Database names accepted in `database.schema.relation`.
    pub databases: [&'a str; 2],
    /// What the reader sees.
    pub lens: &'a dyn Lens,
    /// Parameter types that the client declared, by OID; 0 where it left one to PostgreSQL.
    pub parameter_types: &'a [u32],
}

/// Analyses every statement of a text.
///
/// # Errors
/// [`Error`] for the first thing that is not allowed or not understood.
pub fn analyze(parsed: &Parsed<'_>, names: Names<'_>) -> Result<Analysis, Error> {
    let mut statements = Vec::with_capacity(1);
    let mut path = Path::Session(names.search_path);
    let mut redefined = Redefined::default();
    for (range, node) in parsed.statements()? {
        let start = range.start;
        let search_path = match &path {
            Path::Session(schemas) => schemas,
            Path::Set(schemas) => schemas.as_slice(),
            Path::Unknown => &[],
        };
        let found = statement(parsed, range, node, Names { search_path, ..names }, 0);
        let found = match path {
            Path::Unknown => found.ok().filter(is_pathless).ok_or_else(|| {
                let what = "more statements in one message after one that takes search_path back";
                Error::Unsupported { what: what.to_owned(), offset: Some(start) }
            })?,
            Path::Session(_) | Path::Set(_) => found.map_err(|error| redefined.explain(error))?,
        };
        redefined.untouched(&found, names.snapshot)?;
        redefined.note(&found, names.snapshot);
        path.keeps(&found)?;
        path = path.after(&found.kind);
        statements.push(found);
    }
    Ok(Analysis { statements })
}

/// Names that statements of one text have given a new meaning: the catalog that later ones are read by does not know it.
#[derive(Default)]
struct Redefined(BTreeSet<String>);

impl Redefined {
    fn note(&mut self, statement: &Statement, snapshot: &Snapshot) {
        let made = statement.made.iter().filter(|made| made.schema != ABSENT_SCHEMA);
        self.0.extend(made.map(|made| made.name.clone()));
        let Kind::Define(definition) = &statement.kind else { return };
        let held = statement.accesses.iter().map(|access| snapshot.relation(access.relation));
        self.0.extend(held.map(|relation| relation.name.clone()));
        for change in &definition.changes {
            if let DefinitionChange::Renames { name, .. } = change {
                self.0.insert(name.clone());
            }
        }
    }

    fn untouched(&self, statement: &Statement, snapshot: &Snapshot) -> Result<(), Error> {
        let mut named = statement
            .accesses
            .iter()
            .map(|access| (snapshot.relation(access.relation).name.as_str(), access.range.start));
        match named.find(|(name, _)| self.0.contains(*name)) {
            None => Ok(()),
            Some((name, offset)) => Err(Self::error(name, Some(offset))),
        }
    }

    /// What is not known may be what an earlier statement makes.
    fn explain(&self, error: Error) -> Error {
        let Error::UnknownRelation { name, offset } = &error else { return error };
        let last = name.rsplit('.').next().unwrap_or_default();
        if self.0.contains(last) { Self::error(last, *offset) } else { error }
    }

    fn error(name: &str, offset: Option<usize>) -> Error {
        let what =
            format!("using \"{name}\" in one message with an earlier statement that defines it");
        Error::Unsupported { what, offset }
    }
}

/// Whether a statement means the same under every search_path: it names nothing that is looked up there. What a pool sends
/// to clean a connection is of this kind.
fn is_pathless(statement: &Statement) -> bool {
    let plain = match &statement.kind {
        Kind::Select | Kind::Utility(_) => true,
        Kind::Write(_)
        | Kind::Carrier(..)
        | Kind::CopyIn(_)
        | Kind::CopyOut(_)
        | Kind::Execute(_)
        | Kind::Objects(_)
        | Kind::Define(_) => false,
    };
    let nothing = statement.accesses.is_empty()
        && statement.writes.is_empty()
        && statement.calls.is_empty()
        && statement.guards.is_empty();
    plain && nothing
}

/// The search_path between the statements of one text.
enum Path<'a> {
    /// As the text found it.
    Session(&'a [String]),
    /// As a statement of this text set it.
    Set(Vec<String>),
    /// A statement of this text set it and another may have taken it back.
    Unknown,
}

impl Path<'_> {
    /// What is kept for later is judged again by its own text, under the session's path.
    fn keeps(&self, statement: &Statement) -> Result<(), Error> {
        let kept = match &statement.kind {
            Kind::Carrier(Carrier::Cursor { .. } | Carrier::Prepared(_), _) => true,
            Kind::Carrier(Carrier::Explain | Carrier::Create(_), _)
            | Kind::Select
            | Kind::Write(_)
            | Kind::CopyIn(_)
            | Kind::CopyOut(_)
            | Kind::Execute(_)
            | Kind::Objects(_)
            | Kind::Define(_)
            | Kind::Utility(_) => false,
        };
        match self {
            Self::Set(_) | Self::Unknown if kept => {
                let what = "PREPARE or DECLARE in one message with a change of search_path";
                let offset = Some(statement.range.start);
                Err(Error::Unsupported { what: what.to_owned(), offset })
            }
            Self::Session(_) | Self::Set(_) | Self::Unknown => Ok(()),
        }
    }

    fn after(self, kind: &Kind) -> Self {
        let Kind::Utility(utility) = kind else { return self };
        match utility {
            Utility::Set(Setting { name, change, .. }) if name == "search_path" => match change {
                Change::To(schemas) => Self::Set(schemas.clone()),
                Change::Default | Change::Reset => Self::Unknown,
            },
            Utility::ResetAll | Utility::Discard(Discard::All) => Self::Unknown,
            Utility::Transaction(_) => match self {
                Self::Set(_) => Self::Unknown,
                other @ (Self::Session(_) | Self::Unknown) => other,
            },
            Utility::Set(_)
            | Utility::SetTransaction
            | Utility::Show(_)
            | Utility::Discard(Discard::Plans | Discard::Sequences | Discard::Temporary)
            | Utility::Deallocate(_)
            | Utility::Fetch(_)
            | Utility::Close(_)
            | Utility::Unlisten
            | Utility::SetConstraints
            | Utility::Other(_) => self,
        }
    }
}

fn statement(
    parsed: &Parsed<'_>,
    range: Range<usize>,
    node: Node<'_>,
    names: Names<'_>,
    views: usize,
) -> Result<Statement, Error> {
    let declared = match node {
        Node::PrepareStmt(prepare) => Some(carrier::declared(parsed, prepare, names)?),
        _ => None,
    };
    let parameter_types = declared.as_deref().unwrap_or(names.parameter_types);
    let mut walker = Walker::new(parsed, Names { parameter_types, ..names }, range, views);
    let kind = walker.top(node)?;
    Ok(walker.finish(kind))
}

/// A CTE in scope.
struct Cte {
    name: String,
    /// `None` while a recursive CTE's columns are not known yet.
    columns: Option<Rc<Columns>>,
    /// A data-modifying CTE without RETURNING cannot be read from.
    readable: bool,
}

/// Walks one statement.
struct Walker<'a> {
    parsed: &'a Parsed<'a>,
    names: Names<'a>,
    ctes: Vec<Cte>,
    out: Statement,
    depth: Cell<usize>,
    /// How many views deep this text is.
    views: usize,
    /// Location of the name that SELECT INTO may make.
    into: Option<i32>,
    /// Extension or user base types met: they can make an operator outside `pg_catalog` the best match.
    foreign_types: Vec<crate::catalog::Oid>,
    operators: Vec<call::OperatorUse>,
    /// `*` and whole rows over relations, which system columns must not get into.
    wide: Vec<system::Wide>,
    /// Expressions met so far that could raise: a sub-select in which the count grows could raise as a whole.
    loud: usize,
    /// Casts and calls (by address) of which the OID is wanted, not the name.
    numbers: BTreeSet<usize>,
    /// Columns of the sub-select in an expression that was walked last; `None` when a function's are not known.
    sublink_width: Option<usize>,
    /// Casts (by address) to `regconfig` that a function of text search takes: no value of that type comes out.
    configurations: BTreeSet<usize>,
    /// Window functions and aggregates of no column met so far: they would mean another row in a sub-select.
    unmovable: usize,
    /// What the expressions walked so far read.
    touched: shape::Touched,
    conditions: Vec<condition::Condition<'a>>,
    fences: shape::Sources,
    fence_all: bool,
    /// Accesses read by what could raise and cannot be wrapped.
    unplaced: shape::Sources,
    /// For each parameter the type that all its casts name; found when first asked.
    steady: OnceCell<BTreeMap<i32, Option<&'a str>>>,
    /// Where the expression that is walked stands.
    binding: constant::Binding,
    /// Walks what PostgreSQL may compare with other expressions: a SELECT list, GROUP BY, ORDER BY.
    shown: bool,
    /// Relations that a definition changes and that are not the session's own temporary ones.
    foreign_held: usize,
    /// Accesses on the side of an outer join that may be missing.
    nullable: shape::Sources,
    /// The query or write that is walked has no condition that looks at any row.
    unconditional: bool,
}

impl<'a> Walker<'a> {
    fn new(parsed: &'a Parsed<'a>, names: Names<'a>, range: Range<usize>, views: usize) -> Self {
        let out = Statement {
            range,
            kind: Kind::Select,
            accesses: Vec::new(),
            writes: Vec::new(),
            target_uses: Vec::new(),
            names: Vec::new(),
            calls: Vec::new(),
            drawn: Vec::new(),
            made: Vec::new(),
            group_keys: Vec::new(),
            system_uses: Vec::new(),
            whole_rows: Vec::new(),
            guards: Vec::new(),
            settings: Vec::new(),
            edits: Vec::new(),
            conjuncts: Vec::new(),
            unsafe_conjuncts: Vec::new(),
            free: Vec::new(),
            gives_rows: false,
            width: None,
        };
        Self {
            parsed,
            names,
            ctes: Vec::new(),
            out,
            depth: Cell::new(0),
            views,
            into: None,
            foreign_types: Vec::new(),
            operators: Vec::new(),
            wide: Vec::new(),
            loud: 0,
            numbers: BTreeSet::new(),
            sublink_width: None,
            configurations: BTreeSet::new(),
            unmovable: 0,
            touched: shape::Touched::default(),
            conditions: Vec::new(),
            fences: shape::Sources::NONE,
            fence_all: false,
            unplaced: shape::Sources::NONE,
            steady: OnceCell::new(),
            binding: constant::Binding::Never,
            shown: false,
            foreign_held: 0,
            nullable: shape::Sources::NONE,
            unconditional: true,
        }
    }

    /// What can be said only when all of the statement is known.
    fn close(&mut self) -> Result<(), Error> {
        self.check_operators()?;
        self.narrow()
    }

    fn finish(mut self, kind: Kind) -> Statement {
        self.out.kind = kind;
        self.settle_conditions();
        self.out
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "PostgreSQL has 480 node kinds, most of them the planner's; the arm refuses"
    )]
    fn top(&mut self, node: Node<'a>) -> Result<Kind, Error> {
        let kind = match node {
            Node::SelectStmt(select) if select.into_clause().is_some() => self.create(node)?,
            Node::CreateTableAsStmt(_) | Node::ViewStmt(_) => self.create(node)?,
            Node::SelectStmt(select) => {
                self.select(select, None, query::Want::Nothing)?;
                self.out.gives_rows = true;
                Kind::Select
            }
            Node::InsertStmt(insert) => Kind::Write(self.insert(insert, self.out.range.clone())?.0),
            Node::UpdateStmt(update) => Kind::Write(self.update(update, self.out.range.clone())?.0),
            Node::DeleteStmt(delete) => Kind::Write(self.delete(delete, self.out.range.clone())?.0),
            Node::MergeStmt(merge) => Kind::Write(self.merge(merge, self.out.range.clone())?.0),
            Node::CopyStmt(copy) => self.copy(copy)?,
            Node::ExecuteStmt(execute) => self.execute(execute)?,
            Node::LockStmt(_) | Node::TruncateStmt(_) => self.objects(node)?,
            _ if definition(node).is_some() => self.define(node)?,
            Node::DeclareCursorStmt(_) | Node::PrepareStmt(_) | Node::ExplainStmt(_) => {
                match self.carrier(node)? {
                    Some(kind) => kind,
                    None => return Err(Error::unsupported("this statement", -1)),
                }
            }
            other => match utility::utility(other)? {
                Utility::Other(what) => {
                    let offset = Some(self.out.range.start);
                    return Err(Error::Unsupported { what: what.to_owned(), offset });
                }
                known => Kind::Utility(known),
            },
        };
        self.close()?;
        Ok(kind)
    }

    /// Walks a query or write with that condition.
    fn under<T>(
        &mut self,
        condition: Node<'a>,
        walk: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let unconditional = !leaf::looks_at_rows(condition);
        let outside = std::mem::replace(&mut self.unconditional, unconditional);
        let walked = walk(self);
        self.unconditional = outside;
        walked
    }

    /// Runs `walk` one level deeper, on a stack that is large enough.
    fn descend<T>(&mut self, walk: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let depth = self.depth.get() + 1;
        if depth > MAX_DEPTH {
            return Err(Error::Limit { what: "stack depth limit exceeded".to_owned() });
        }
        self.depth.set(depth);
        let walked = stacker::maybe_grow(96 * 1024, 2 * 1024 * 1024, || walk(self));
        self.depth.set(depth - 1);
        walked
    }
}

/// What `template` needs to know of a data owner's expression.
pub(crate) struct CompiledExpression {
    /// References to the protected relation: its column, or `None` for the whole row.
    pub(crate) columns: Vec<(Option<ColumnId>, Range<usize>)>,
    /// Qualifies functions.
    pub(crate) edits: Vec<Edit>,
    /// Relations of sub-selects, each with the edit that qualifies it.
    pub(crate) relations: Vec<(RelationId, Edit)>,
    /// Reads other relations.
    pub(crate) has_subquery: bool,
}

/// What the proxy itself sees: everything. Predicates run with its rights and see true values.
struct Everything<'a>(&'a Snapshot);

impl Lens for Everything<'_> {
    fn seen(&self, relation: RelationId) -> Seen {
        Seen::Columns(vec![Visibility::Clear; self.0.relation(relation).columns.len()].into())
    }

    fn target(&self, _: RelationId, _: WriteKind) -> Seen {
        Seen::Absent
    }

    fn object(&self, _: RelationId, _: ObjectCommand) -> Seen {
        Seen::Absent
    }

    fn defines(&self) -> bool {
        false
    }

    fn makes_temporary(&self) -> bool {
        false
    }

    fn holds(&self, _: RelationId, _: Hold) -> Held {
        Held::Absent
    }

    fn names(&self, _: RelationId) -> bool {
        true
    }

    fn names_type(&self, _: Oid) -> bool {
        true
    }
}

/// Resolves an expression over one relation, as the data owner means it.
pub(crate) fn compile_expression(
    parsed: &Parsed<'_>,
    node: Node<'_>,
    relation: RelationId,
    snapshot: &Snapshot,
) -> Result<CompiledExpression, Error> {
    let search_path = ["public".to_owned()];
    let lens = Everything(snapshot);
    let databases = [snapshot.database(), snapshot.database()];
    let names =
        Names { snapshot, search_path: &search_path, databases, lens: &lens, parameter_types: &[] };
    let mut walker = Walker::new(parsed, names, 0..0, 0);
    let protected = snapshot.relation(relation);
    let item = scope::Item {
        name: protected.name.clone(),
        schema: Some(protected.schema.as_str()),
        source: scope::Source::Relation {
            access: usize::MAX,
            relation: protected,
            view: vec![Visibility::Clear; protected.columns.len()].into(),
            target: true,
        },
        renamed: Vec::new(),
        rel_visible: true,
        cols_visible: true,
        accesses: 0..0,
        origins: Vec::new(),
        behind: None,
    };
    walker.note_types(protected);
    walker.expression(node, &scope::Scope { items: &[item], parent: None })?;
    walker.check_rule_operators()?;
    walker.close()?;
    Ok(walker.compiled())
}

impl Walker<'_> {
    fn compiled(self) -> CompiledExpression {
        let mut columns = Vec::new();
        let relations = self.out.accesses.iter().map(|access| {
            let relation = self.names.snapshot.relation(access.relation);
            let only = if access.only { "ONLY " } else { "" };
            let text = format!("{only}{}", relation.qualified());
            (access.relation, Edit { range: access.range.clone(), text })
        });
        let relations: Vec<(RelationId, Edit)> = relations.collect();
        for used in &self.out.target_uses {
            let column = match used.part {
                TargetPart::Column(column) => Some(column),
                TargetPart::Row | TargetPart::Star => None,
            };
            columns.push((column, used.range.clone()));
        }
        // Qualifiers that were to be respelled lie inside references that are replaced whole.
        let inside = |edit: &Edit| {
            columns.iter().any(|(_, range): &(_, Range<usize>)| {
                range.start <= edit.range.start && edit.range.end <= range.end
            })
        };
        let edits = self.out.edits.into_iter().filter(|edit| !inside(edit)).collect();
        CompiledExpression { has_subquery: !relations.is_empty(), columns, edits, relations }
    }
}

//! INSERT, UPDATE and DELETE (and the target of MERGE), at the top and inside WITH.

use std::ops::Range;
use std::rc::Rc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes;

use super::assign::{Assignment, columns_of};
use super::condition::Level;
use super::conflict::Conflict;
use super::from::spelled;
use super::insert::InsertSource;
use super::merge::When;
use super::query::Want;
use super::scope::{Columns, Item, Scope, Source, Visibility};
use super::shape::Sources;
use super::through::{Target, Through};
use super::{Role, Seen, TargetPart, Walker};
use crate::catalog::{ColumnId, Relation, RelationId};
use crate::error::{Error, offset};

/// Which write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteKind {
    /// INSERT
    Insert,
    /// UPDATE
    Update,
    /// DELETE
    Delete,
    /// MERGE, which itself asks for no more than to read; its actions ask for what they do.
    Merge,
}

/// One INSERT, UPDATE, DELETE or MERGE.
#[derive(Clone, Debug)]
pub struct Write {
    /// Which.
    pub kind: WriteKind,
    /// The target: index into [`super::Statement::accesses`].
    pub access: usize,
    /// The views that stand between the name that the client wrote and the target.
    pub through: Option<Box<Through>>,
    /// Bytes of the statement itself, WITH included.
    pub range: Range<usize>,
    /// Set when it stands inside WITH.
    pub within: Option<Within>,
    /// Columns written, with where they are named (INSERT's list, UPDATE's SET).
    pub columns: Vec<(ColumnId, usize)>,
    /// INSERT: columns of which only a part is given (`tags[1]`).
    pub partial: Vec<ColumnId>,
    /// UPDATE: what SET says.
    pub assignments: Vec<Assignment>,
    /// INSERT without a column list: where it would stand.
    pub column_list_at: Option<usize>,
    /// Bytes inside the parentheses of INSERT's column list.
    pub column_list: Option<Range<usize>>,
    /// INSERT only.
    pub source: Option<InsertSource>,
    /// INSERT only.
    pub conflict: Option<Conflict>,
    /// MERGE only: its WHEN clauses.
    pub whens: Vec<When>,
    /// UPDATE and DELETE: bytes of the condition behind WHERE. MERGE: behind ON.
    pub condition: Option<Range<usize>>,
    /// UPDATE and DELETE: where WHERE would stand; behind the condition's predecessor.
    pub condition_at: usize,
    /// The condition is CURRENT OF a cursor: nothing can be joined to it.
    pub current_of: bool,
    /// The statement reads columns of its target (other than EXCLUDED): it needs SELECT as PostgreSQL does.
    pub reads_target: bool,
    /// Has RETURNING.
    pub has_returning: bool,
    /// RETURNING's columns; `None` when a function's are not known.
    pub returning_width: Option<usize>,
    /// More FROM items than the target are in scope of RETURNING's `*`.
    pub joins_others: bool,
}

/// The CTE that a write stands in.
#[derive(Clone, Debug)]
pub struct Within {
    /// Bytes of the CTE's name and column list.
    pub header: Range<usize>,
    /// Names of the columns that RETURNING gives.
    pub output_names: Vec<String>,
}

pub(super) type Walked = Result<(usize, Columns), Error>;

impl<'a> Walker<'a> {
    pub(super) fn insert(&mut self, insert: &'a nodes::InsertStmt, range: Range<usize>) -> Walked {
        self.in_with(insert.with_clause(), |walker| {
            walker.under(Node::None, |walker| walker.insert_body(insert, range))
        })
    }

    pub(super) fn update(&mut self, update: &'a nodes::UpdateStmt, range: Range<usize>) -> Walked {
        self.in_with(update.with_clause(), |walker| {
            walker.under(update.where_clause(), |walker| walker.update_body(update, range))
        })
    }

    pub(super) fn delete(&mut self, delete: &'a nodes::DeleteStmt, range: Range<usize>) -> Walked {
        self.in_with(delete.with_clause(), |walker| {
            walker.under(delete.where_clause(), |walker| walker.delete_body(delete, range))
        })
    }

    pub(super) fn in_with(
        &mut self,
        with: Option<&'a nodes::WithClause>,
        body: impl FnOnce(&mut Self) -> Walked,
    ) -> Walked {
        let visible = self.ctes.len();
        if let Some(with) = with {
            self.with(with, None)?;
        }
        let walked = body(self);
        self.ctes.truncate(visible);
        walked
    }

    fn update_body(&mut self, update: &'a nodes::UpdateStmt, range: Range<usize>) -> Walked {
        let target = required(update.relation(), "this UPDATE")?;
        let Target { item, relation, through, .. } =
            self.write_target(target, WriteKind::Update)?;
        let uses = self.out.target_uses.len();
        let mut write = blank(WriteKind::Update, item.accesses.start, range);
        write.through = through;
        let mut items = vec![item];
        items.extend(self.items_of(update.from_clause(), None)?);
        write.joins_others = items.len() > 1;
        let scope = Scope { items: &items, parent: None };
        let behind_target = self.out.accesses[write.access].range.end;
        let text = self.set_text(&(behind_target..write.range.end))?;
        write.assignments = self.set_list(update.target_list().iter(), &text, relation, &scope)?;
        self.store(&mut write, relation)?;
        write.columns = columns_of(&write.assignments);
        self.locate_condition(&mut write, update.where_clause(), &scope)?;
        let columns = self.returning(update.returning_clause(), &items, &mut write)?;
        self.finish_write(write, uses, columns)
    }

    fn delete_body(&mut self, delete: &'a nodes::DeleteStmt, range: Range<usize>) -> Walked {
        let target = required(delete.relation(), "this DELETE")?;
        let Target { item, through, .. } = self.write_target(target, WriteKind::Delete)?;
        let uses = self.out.target_uses.len();
        let mut write = blank(WriteKind::Delete, item.accesses.start, range);
        write.through = through;
        let mut items = vec![item];
        items.extend(self.items_of(delete.using_clause(), None)?);
        write.joins_others = items.len() > 1;
        let scope = Scope { items: &items, parent: None };
        self.locate_condition(&mut write, delete.where_clause(), &scope)?;
        let columns = self.returning(delete.returning_clause(), &items, &mut write)?;
        self.finish_write(write, uses, columns)
    }

    pub(super) fn finish_write(
        &mut self,
        mut write: Write,
        uses: usize,
        columns: Columns,
    ) -> Walked {
        let mut mine = self.out.target_uses[uses..].iter();
        write.reads_target |= mine.any(|target| target.access == write.access);
        self.rename_target(&write);
        let index = self.out.writes.len();
        // A write inside WITH is overwritten by the statement around it, which is finished later.
        self.out.gives_rows = write.has_returning;
        self.out.width = write.returning_width;
        self.out.writes.push(write);
        Ok((index, columns))
    }

    /// The target: a relation of the catalog, never a CTE.
    pub(super) fn target_item(
        &mut self,
        target: &'a nodes::RangeVar,
        kind: WriteKind,
    ) -> Result<(Item<'a>, &'a Relation, Rc<[Visibility]>), Error> {
        let id = self.resolve(target)?;
        let relation: &'a Relation = self.names.snapshot.relation(id);
        self.without_rules(relation, kind, target.location)?;
        self.note_types(relation);
        let view = self.target_view(target, id, kind)?;
        let access = self.access(target, id, spelled(target), Role::Target)?;
        let recorded = &self.out.accesses[access];
        let item = Item {
            name: recorded.alias.clone(),
            schema: (!recorded.aliased).then_some(relation.schema.as_str()),
            source: Source::Relation { access, relation, view: view.clone(), target: true },
            renamed: Vec::new(),
            rel_visible: true,
            cols_visible: true,
            accesses: access..access + 1,
            origins: Vec::new(),
            behind: None,
        };
        Ok((item, relation, view))
    }

    pub(super) fn target_view(
        &self,
        target: &nodes::RangeVar,
        id: RelationId,
        kind: WriteKind,
    ) -> Result<Rc<[Visibility]>, Error> {
        match self.names.lens.target(id, kind) {
            Seen::Columns(view) => Ok(view),
            Seen::Expand => {
                let what = "writing to a view with rules of its own, or to a materialized view";
                Err(Error::unsupported(what, target.location))
            }
            Seen::Absent => Err(Error::UnknownRelation {
                name: spelled(target),
                offset: offset(target.location),
            }),
        }
    }

    /// Byte behind the last token before RETURNING, or of the statement.
    pub(super) fn before_returning(
        &self,
        write: &Write,
        has_returning: bool,
    ) -> Result<usize, Error> {
        match (self.parsed.clause(&write.range, "returning"), has_returning) {
            (Some(token), true) => Ok(self.parsed.end(token - 1)),
            (None, false) => Ok(write.range.end),
            (Some(_), false) | (None, true) => Err(crate::parse::disagreement(write.range.start)),
        }
    }

    fn locate_condition(
        &mut self,
        write: &mut Write,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
    ) -> Result<(), Error> {
        let end = match self.parsed.clause(&write.range, "returning") {
            Some(token) => self.parsed.end(token - 1),
            None => write.range.end,
        };
        let behind_target = self.out.accesses[write.access].range.end;
        let (condition, at) = self.condition_in(&(behind_target..end), node, scope)?;
        write.condition = condition;
        write.condition_at = at;
        write.current_of = matches!(node, Node::CurrentOfExpr(_));
        if write.current_of && write.through.is_some() {
            return Err(Error::unsupported("WHERE CURRENT OF on a view", -1));
        }
        Ok(())
    }

    /// The bytes behind WHERE in `range`, and where WHERE stands or would stand.
    pub(super) fn condition_in(
        &mut self,
        range: &Range<usize>,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
    ) -> Result<(Option<Range<usize>>, usize), Error> {
        // The grammar has it nowhere but alone behind WHERE.
        if !matches!(node, Node::CurrentOfExpr(_)) {
            self.filter(node, scope, "where", Level::new(scope.items, Sources::NONE))?;
        }
        match (self.parsed.clause(range, "where"), node) {
            (None, Node::None) => Ok((None, range.end)),
            (Some(token), node) if !matches!(node, Node::None) => {
                let condition = self.parsed.start(token + 1)..range.end;
                Ok((Some(condition), self.parsed.start(token)))
            }
            (Some(_) | None, _) => Err(crate::parse::disagreement(range.start)),
        }
    }

    pub(super) fn returning(
        &mut self,
        returning: Option<&'a nodes::ReturningClause>,
        items: &[Item<'a>],
        write: &mut Write,
    ) -> Result<Columns, Error> {
        let mut columns = Columns::default();
        let Some(returning) = returning else {
            self.before_returning(write, false)?;
            return Ok(columns);
        };
        self.before_returning(write, true)?;
        if !returning.options().is_empty() {
            return Err(Error::unsupported("RETURNING WITH (OLD AS, NEW AS)", -1));
        }
        write.has_returning = true;
        let scope = Scope { items, parent: None };
        for node in returning.exprs() {
            let Node::ResTarget(target) = node else {
                return Err(Error::unsupported("this RETURNING", -1));
            };
            let uses = self.out.target_uses.len();
            self.shown(|walker| walker.target(target, &scope, Want::Columns, &mut columns))?;
            let plain = matches!(target.val(), Node::ColumnRef(_)) && target.name().is_none();
            if let (true, [only]) = (plain, &mut self.out.target_uses[uses..])
                && only.part != TargetPart::Star
            {
                only.output_name = Some(super::name::output_name(target.val()));
            }
        }
        write.returning_width = (!columns.open).then_some(columns.list.len());
        Ok(columns)
    }
}

pub(super) fn blank(kind: WriteKind, access: usize, range: Range<usize>) -> Write {
    Write {
        kind,
        access,
        through: None,
        condition_at: range.end,
        range,
        within: None,
        columns: Vec::new(),
        partial: Vec::new(),
        assignments: Vec::new(),
        column_list_at: None,
        column_list: None,
        source: None,
        conflict: None,
        whens: Vec::new(),
        condition: None,
        current_of: false,
        reads_target: false,
        has_returning: false,
        returning_width: None,
        joins_others: false,
    }
}

pub(super) fn required<'t, T>(value: Option<&'t T>, what: &str) -> Result<&'t T, Error> {
    value.ok_or_else(|| Error::unsupported(what, -1))
}

//! INSERT, UPDATE and DELETE, at the top and inside WITH.

use std::ops::Range;
use std::rc::Rc;

use pg_raw_parse::Node;
use pg_raw_parse::list::CastNodeList;
use pg_raw_parse::nodes::{self, OnConflictAction, OverridingKind};

use super::from::spelled;
use super::query::Want;
use super::scope::{Columns, Item, Scope, Source, Visibility};
use super::{Role, Seen, TargetPart, Walker};
use crate::catalog::{ColumnId, Relation, RelationId};
use crate::error::{Error, offset};
use crate::lex::TokenKind;

/// Which write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteKind {
    /// INSERT
    Insert,
    /// UPDATE
    Update,
    /// DELETE
    Delete,
}

/// A row of VALUES: the bytes inside its parentheses, and of each value.
pub type ValueRow = (Range<usize>, Vec<Range<usize>>);

/// Where an INSERT's rows come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InsertSource {
    /// DEFAULT VALUES: its bytes.
    Defaults(Range<usize>),
    /// VALUES.
    Values(Vec<ValueRow>),
    /// Any other query: its bytes.
    Query(Range<usize>),
}

/// ON CONFLICT.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Conflict {
    /// DO NOTHING.
    Nothing,
    /// DO UPDATE SET … [WHERE …].
    Update {
        /// Columns set, with where they are named.
        columns: Vec<(ColumnId, usize)>,
        /// Bytes of the condition behind WHERE; `None` without one.
        condition: Option<Range<usize>>,
        /// Where a condition would begin: behind the last token of SET, or at WHERE.
        at: usize,
    },
}

/// One INSERT, UPDATE or DELETE.
#[derive(Clone, Debug)]
pub struct Write {
    /// Which.
    pub kind: WriteKind,
    /// The target: index into [`super::Statement::accesses`].
    pub access: usize,
    /// Bytes of the statement itself, WITH included.
    pub range: Range<usize>,
    /// Set when it stands inside WITH.
    pub within: Option<Within>,
    /// Columns written, with where they are named (INSERT's list, UPDATE's SET).
    pub columns: Vec<(ColumnId, usize)>,
    /// INSERT without a column list: where it would stand.
    pub column_list_at: Option<usize>,
    /// Bytes inside the parentheses of INSERT's column list.
    pub column_list: Option<Range<usize>>,
    /// INSERT only.
    pub source: Option<InsertSource>,
    /// INSERT only.
    pub conflict: Option<Conflict>,
    /// UPDATE and DELETE: bytes of the condition behind WHERE.
    pub condition: Option<Range<usize>>,
    /// UPDATE and DELETE: where WHERE would stand; behind the condition's predecessor.
    pub condition_at: usize,
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

type Walked = Result<(usize, Columns), Error>;

impl<'a> Walker<'a> {
    pub(super) fn insert(&mut self, insert: &'a nodes::InsertStmt, range: Range<usize>) -> Walked {
        self.in_with(insert.with_clause(), |walker| walker.insert_body(insert, range))
    }

    pub(super) fn update(&mut self, update: &'a nodes::UpdateStmt, range: Range<usize>) -> Walked {
        self.in_with(update.with_clause(), |walker| walker.update_body(update, range))
    }

    pub(super) fn delete(&mut self, delete: &'a nodes::DeleteStmt, range: Range<usize>) -> Walked {
        self.in_with(delete.with_clause(), |walker| walker.delete_body(delete, range))
    }

    fn in_with(
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

    fn insert_body(&mut self, insert: &'a nodes::InsertStmt, range: Range<usize>) -> Walked {
        let target = required(insert.relation(), "this INSERT")?;
        let (item, relation, view) = self.target_item(target, WriteKind::Insert)?;
        let access = item.accesses.start;
        let uses = self.out.target_uses.len();
        let mut write = blank(WriteKind::Insert, access, range);
        write.columns = self.assigned(insert.cols(), relation)?;
        self.locate_columns(&mut write, target, !insert.cols().is_empty())?;
        self.insert_source(insert, &mut write)?;
        let excluded = Item {
            name: "excluded".to_owned(),
            schema: None,
            source: Source::Relation { access, relation, view, target: false },
            cols_visible: false,
            ..item.clone()
        };
        if let Some(conflict) = insert.on_conflict_clause() {
            let items = [item.clone(), excluded];
            self.conflict(conflict, &items, relation, &mut write)?;
        }
        let columns = self.returning(insert.returning_clause(), &[item], &mut write)?;
        self.finish_write(write, uses, columns)
    }

    fn update_body(&mut self, update: &'a nodes::UpdateStmt, range: Range<usize>) -> Walked {
        let target = required(update.relation(), "this UPDATE")?;
        let (item, relation, _) = self.target_item(target, WriteKind::Update)?;
        let uses = self.out.target_uses.len();
        let mut write = blank(WriteKind::Update, item.accesses.start, range);
        let mut items = vec![item];
        items.extend(self.items_of(update.from_clause(), None)?);
        write.joins_others = items.len() > 1;
        let scope = Scope { items: &items, parent: None };
        write.columns = self.set_list(update.target_list(), relation, &scope)?;
        self.locate_condition(&mut write, update.where_clause(), &scope)?;
        let columns = self.returning(update.returning_clause(), &items, &mut write)?;
        self.finish_write(write, uses, columns)
    }

    fn delete_body(&mut self, delete: &'a nodes::DeleteStmt, range: Range<usize>) -> Walked {
        let target = required(delete.relation(), "this DELETE")?;
        let (item, _, _) = self.target_item(target, WriteKind::Delete)?;
        let uses = self.out.target_uses.len();
        let mut write = blank(WriteKind::Delete, item.accesses.start, range);
        let mut items = vec![item];
        items.extend(self.items_of(delete.using_clause(), None)?);
        write.joins_others = items.len() > 1;
        let scope = Scope { items: &items, parent: None };
        self.locate_condition(&mut write, delete.where_clause(), &scope)?;
        let columns = self.returning(delete.returning_clause(), &items, &mut write)?;
        self.finish_write(write, uses, columns)
    }

    fn finish_write(&mut self, mut write: Write, uses: usize, columns: Columns) -> Walked {
        let mut mine = self.out.target_uses[uses..].iter();
        write.reads_target = mine.any(|target| target.access == write.access);
        let index = self.out.writes.len();
        // A write inside WITH is overwritten by the statement around it, which is finished later.
        self.out.gives_rows = write.has_returning;
        self.out.width = write.returning_width;
        self.out.writes.push(write);
        Ok((index, columns))
    }

    /// The target: a relation of the catalog, never a CTE.
    fn target_item(
        &mut self,
        target: &'a nodes::RangeVar,
        kind: WriteKind,
    ) -> Result<(Item<'a>, &'a Relation, Rc<[Visibility]>), Error> {
        let id = self.resolve(target)?;
        let relation: &'a Relation = self.names.snapshot.relation(id);
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
        };
        Ok((item, relation, view))
    }

    fn target_view(
        &self,
        target: &nodes::RangeVar,
        id: RelationId,
        kind: WriteKind,
    ) -> Result<Rc<[Visibility]>, Error> {
        match self.names.lens.target(id, kind) {
            Seen::Columns(view) => Ok(view),
            Seen::Expand => Err(Error::unsupported("writing through a view", target.location)),
            Seen::Absent => Err(Error::UnknownRelation {
                name: spelled(target),
                offset: offset(target.location),
            }),
        }
    }

    /// Columns named by an INSERT list.
    fn assigned(
        &mut self,
        list: &'a pg_raw_parse::list::NodeList,
        relation: &Relation,
    ) -> Result<Vec<(ColumnId, usize)>, Error> {
        let mut columns = Vec::with_capacity(list.len());
        for node in list {
            let Node::ResTarget(target) = node else {
                return Err(Error::unsupported("this column list", -1));
            };
            columns.push(assigned_column(target, relation)?);
            self.subscripts(target, &Scope { items: &[], parent: None })?;
        }
        Ok(columns)
    }

    /// `tags[1]`, `address.city`: a part of a column is assigned.
    fn subscripts(
        &mut self,
        target: &'a nodes::ResTarget,
        scope: &Scope<'a, '_>,
    ) -> Result<(), Error> {
        for step in target.indirection() {
            match step {
                Node::A_Indices(indices) => {
                    self.optional(indices.lidx(), scope)?;
                    self.optional(indices.uidx(), scope)?;
                }
                Node::String(_) => {}
                _ => return Err(Error::unsupported("assigning to this", target.location)),
            }
        }
        Ok(())
    }

    /// `SET a = …, (b, c) = …`
    fn set_list(
        &mut self,
        list: &'a CastNodeList<nodes::ResTarget>,
        relation: &Relation,
        scope: &Scope<'a, '_>,
    ) -> Result<Vec<(ColumnId, usize)>, Error> {
        let mut columns = Vec::with_capacity(list.len());
        for target in list {
            columns.push(assigned_column(target, relation)?);
            self.subscripts(target, scope)?;
            let first = match target.val() {
                // The source of `(a, b) = …` is shared by its columns: walk it once.
                Node::MultiAssignRef(reference) => reference.colno == 1,
                _ => true,
            };
            if first {
                self.expression(target.val(), scope)?;
            }
        }
        Ok(columns)
    }

    /// Finds INSERT's column list, or where it would stand.
    fn locate_columns(
        &mut self,
        write: &mut Write,
        target: &nodes::RangeVar,
        listed: bool,
    ) -> Result<(), Error> {
        let name_end = self.out.accesses[write.access].range.end;
        let mut token = self.parsed.tokens().first_at_or_after(name_end);
        if target.alias().is_some() {
            if !self.parsed.is_keyword(token, "as") {
                return Err(crate::parse::disagreement(name_end));
            }
            token += 2;
        }
        if listed {
            let close = self.parsed.closing(token)?;
            write.column_list = Some(self.parsed.end(token)..self.parsed.start(close));
        } else {
            write.column_list_at = Some(self.parsed.end(token - 1));
        }
        Ok(())
    }

    fn insert_source(
        &mut self,
        insert: &'a nodes::InsertStmt,
        write: &mut Write,
    ) -> Result<(), Error> {
        let behind = match (&write.column_list, write.column_list_at) {
            (Some(list), _) => list.end + 1,
            (None, Some(at)) => at,
            (None, None) => return Err(crate::parse::disagreement(write.range.start)),
        };
        let mut token = self.parsed.tokens().first_at_or_after(behind);
        if insert.override_ != OverridingKind::OVERRIDING_NOT_SET {
            if !self.parsed.is_keyword(token, "overriding") {
                return Err(crate::parse::disagreement(behind));
            }
            token += 3;
        }
        let end = self.source_end(insert, write)?;
        let range = self.parsed.start(token)..end;
        write.source = Some(match insert.select_stmt() {
            Node::None => InsertSource::Defaults(range),
            Node::SelectStmt(select) => self.insert_query(select, range, token)?,
            _ => return Err(Error::unsupported("this source of INSERT", -1)),
        });
        Ok(())
    }

    /// Walks the source; VALUES of its own keeps its rows apart, since they may say DEFAULT.
    fn insert_query(
        &mut self,
        select: &'a nodes::SelectStmt,
        range: Range<usize>,
        token: usize,
    ) -> Result<InsertSource, Error> {
        let plain = !select.values_lists().is_empty()
            && select.with_clause().is_none()
            && select.sort_clause().is_empty()
            && matches!(select.limit_count(), Node::None)
            && matches!(select.limit_offset(), Node::None)
            && self.parsed.is_keyword(token, "values");
        if !plain {
            self.select(select, None, Want::Nothing)?;
            return Ok(InsertSource::Query(range));
        }
        let scope = Scope { items: &[], parent: None };
        for row in select.values_lists() {
            let row = row.as_node_list().ok_or_else(|| Error::unsupported("this row", -1))?;
            self.expressions(row, &scope)?;
        }
        let rows = self.value_rows(token + 1, select)?;
        Ok(InsertSource::Values(rows))
    }

    fn value_rows(
        &self,
        mut token: usize,
        select: &nodes::SelectStmt,
    ) -> Result<Vec<ValueRow>, Error> {
        let mut rows = Vec::with_capacity(select.values_lists().len());
        for row in select.values_lists() {
            let close = self.parsed.closing(token)?;
            let inside = self.parsed.end(token)..self.parsed.start(close);
            let values = self.split_commas(token + 1, close);
            let expected = row.as_node_list().map_or(0, |row| row.len());
            if values.len() != expected {
                return Err(crate::parse::disagreement(inside.start));
            }
            rows.push((inside, values));
            token = close + 1;
            if self.parsed.is(token, TokenKind::Comma) {
                token += 1;
            }
        }
        Ok(rows)
    }

    /// Bytes of the comma-separated parts between two tokens.
    pub(super) fn split_commas(&self, first: usize, close: usize) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let (mut start, mut token) = (first, first);
        while token < close {
            match self.parsed.tokens()[token].kind {
                TokenKind::LeftParen | TokenKind::LeftBracket => {
                    token = self.parsed.tokens().closing(token).unwrap_or(close);
                }
                TokenKind::Comma => {
                    parts.push(self.parsed.start(start)..self.parsed.end(token - 1));
                    start = token + 1;
                }
                _ => {}
            }
            token += 1;
        }
        if start < close {
            parts.push(self.parsed.start(start)..self.parsed.end(close - 1));
        }
        parts
    }

    /// Byte behind an INSERT's source: before ON CONFLICT, RETURNING, or the statement's end.
    fn source_end(&self, insert: &nodes::InsertStmt, write: &Write) -> Result<usize, Error> {
        if let Some(conflict) = insert.on_conflict_clause() {
            let token = self.parsed.token_at(conflict.location)?;
            return Ok(self.parsed.end(token - 1));
        }
        self.before_returning(write, insert.returning_clause().is_some())
    }

    /// Byte behind the last token before RETURNING, or of the statement.
    fn before_returning(&self, write: &Write, has_returning: bool) -> Result<usize, Error> {
        match (self.parsed.clause(&write.range, "returning"), has_returning) {
            (Some(token), true) => Ok(self.parsed.end(token - 1)),
            (None, false) => Ok(write.range.end),
            (Some(_), false) | (None, true) => Err(crate::parse::disagreement(write.range.start)),
        }
    }

    fn conflict(
        &mut self,
        conflict: &'a nodes::OnConflictClause,
        items: &[Item<'a>],
        relation: &Relation,
        write: &mut Write,
    ) -> Result<(), Error> {
        let scope = Scope { items: &items[..1], parent: None };
        if let Some(infer) = conflict.infer() {
            for element in infer.index_elems() {
                self.index_element(element, &scope)?;
            }
            self.optional(infer.where_clause(), &scope)?;
        }
        if conflict.action != OnConflictAction::ONCONFLICT_UPDATE {
            write.conflict = Some(Conflict::Nothing);
            return Ok(());
        }
        let scope = Scope { items, parent: None };
        let columns = self.set_list(conflict.target_list(), relation, &scope)?;
        let start = self.parsed.token_at(conflict.location)?;
        let end = match self.parsed.clause(&write.range, "returning") {
            Some(token) => self.parsed.end(token - 1),
            None => write.range.end,
        };
        let whole = self.parsed.start(start)..end;
        let action = self.parsed.clause(&whole, "do");
        let action = action.ok_or_else(|| crate::parse::disagreement(whole.start))?;
        let set = self.parsed.start(action)..end;
        let (condition, at) = self.condition_in(&set, conflict.where_clause(), &scope)?;
        write.conflict = Some(Conflict::Update { columns, condition, at });
        Ok(())
    }

    fn index_element(&mut self, node: Node<'a>, scope: &Scope<'a, '_>) -> Result<(), Error> {
        let Node::IndexElem(element) = node else {
            return Err(Error::unsupported("this conflict target", -1));
        };
        if let Some(name) = element.name() {
            let edits = self.out.target_uses.len();
            scope.single(name, None)?;
            self.out.target_uses.truncate(edits);
        }
        self.optional(element.expr(), scope)?;
        Ok(())
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
        Ok(())
    }

    /// The bytes behind WHERE in `range`, and where WHERE stands or would stand.
    fn condition_in(
        &mut self,
        range: &Range<usize>,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
    ) -> Result<(Option<Range<usize>>, usize), Error> {
        let shape = self.optional(node, scope)?;
        self.condition(shape);
        match (self.parsed.clause(range, "where"), node) {
            (None, Node::None) => Ok((None, range.end)),
            (Some(token), node) if !matches!(node, Node::None) => {
                let condition = self.parsed.start(token + 1)..range.end;
                Ok((Some(condition), self.parsed.start(token)))
            }
            (Some(_) | None, _) => Err(crate::parse::disagreement(range.start)),
        }
    }

    fn returning(
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
            self.target(target, &scope, Want::Columns, &mut columns)?;
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

fn blank(kind: WriteKind, access: usize, range: Range<usize>) -> Write {
    Write {
        kind,
        access,
        condition_at: range.end,
        range,
        within: None,
        columns: Vec::new(),
        column_list_at: None,
        column_list: None,
        source: None,
        conflict: None,
        condition: None,
        reads_target: false,
        has_returning: false,
        returning_width: None,
        joins_others: false,
    }
}

fn required<'t, T>(value: Option<&'t T>, what: &str) -> Result<&'t T, Error> {
    value.ok_or_else(|| Error::unsupported(what, -1))
}

fn assigned_column(
    target: &nodes::ResTarget,
    relation: &Relation,
) -> Result<(ColumnId, usize), Error> {
    let name = target.name().unwrap_or_default();
    let place = offset(target.location);
    let unknown = || Error::UnknownColumn { name: name.to_owned(), offset: place };
    let column = relation.column(name).ok_or_else(unknown)?;
    Ok((column, place.unwrap_or_default()))
}

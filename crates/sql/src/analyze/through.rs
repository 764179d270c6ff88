//! Views that a write goes through: PostgreSQL's automatically updatable views (`rewriteHandler.c`, rewriteTargetView).
//!
//! In:  a view without rules of its own as the target of INSERT, UPDATE or DELETE.
//! Out: a [`Through`] for each view on the way, and the table at its end, which the write then names instead.
//!
//! Invariants:
//! - The table asks the writer's rules; so does every other relation in a definition.
//! - What a definition reads of the relation behind it is found as the references to any write's target are.
//! - A view that is not updatable as it stands (by PostgreSQL's own word, `pg_relation_is_updatable`), has a rule, an
//!   INSTEAD OF trigger or defaults of its own is refused.

use std::ops::Range;
use std::rc::Rc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, SetOperation};

use super::assign::{Assigned, Assignment, ValueKind};
use super::from::{located, spelled};
use super::scope::{Item, Scope, Source, Visibility};
use super::write::{Write, WriteKind};
use super::{Kind, Role, Seen, Statement, TARGET_ALIAS, TargetPart, Walker};
use crate::catalog::{ColumnId, Relation, RelationId};
use crate::error::{Error, offset};
use crate::parse::{Limits, Parsed, disagreement};
use crate::splice::{Edit, quoted};

/// A view that a write goes through.
#[derive(Clone, Debug)]
pub struct Through {
    /// The view.
    pub view: RelationId,
    /// `pg_get_viewdef`, without the semicolon.
    pub text: String,
    /// Its analysis. The relation behind it is access 0, a target, and what is read of that are `target_uses`.
    pub statement: Statement,
    /// Its columns.
    pub columns: Vec<ThroughColumn>,
    /// Bytes of the condition behind WHERE.
    pub condition: Option<Range<usize>>,
    /// The relation behind it, if that is a view as well.
    pub inner: Option<Box<Through>>,
}

/// A column of such a view.
#[derive(Clone, Debug)]
pub struct ThroughColumn {
    /// Bytes of its expression.
    pub range: Range<usize>,
    /// The column of the relation behind that it is; `None` for an expression.
    pub stored: Option<ColumnId>,
}

impl Through {
    /// The table's column that a column of this view is.
    #[must_use]
    pub fn stored(&self, column: ColumnId) -> Option<ColumnId> {
        let behind = self.columns.get(usize::from(column.0))?.stored?;
        match &self.inner {
            Some(inner) => inner.stored(behind),
            None => Some(behind),
        }
    }

    /// This view and those behind it, outermost first.
    pub fn layers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |layer| layer.inner.as_deref())
    }
}

/// The target of INSERT, UPDATE or DELETE.
pub(super) struct Target<'a> {
    /// As the statement's expressions see it: the view's columns, if it is one.
    pub(super) item: Item<'a>,
    /// The relation whose columns the statement names.
    pub(super) relation: &'a Relation,
    /// What may be seen of them.
    pub(super) seen: Rc<[Visibility]>,
    /// The views on the way to the table.
    pub(super) through: Option<Box<Through>>,
}

/// A view's definition as far as a write needs it.
struct Layer {
    through: Through,
    table: RelationId,
    only: bool,
    seen: Rc<[Visibility]>,
    calls: Vec<super::Call>,
}

/// What `Walker::definition` finds.
struct Definition {
    columns: Vec<ThroughColumn>,
    seen: Vec<Visibility>,
    condition: Option<Range<usize>>,
    inner: Option<Box<Through>>,
}

impl WriteKind {
    /// The bit of `pg_relation_is_updatable`, and `pg_rewrite.ev_type`.
    fn event(self) -> (i32, char) {
        match self {
            Self::Update => (1 << 2, '2'),
            Self::Insert => (1 << 3, '3'),
            Self::Delete => (1 << 4, '4'),
            // No bit: MERGE goes through no view.
            Self::Merge => (0, '0'),
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Insert => "insert into",
            Self::Delete => "delete from",
            Self::Merge => "merge into",
        }
    }
}

impl<'a> Walker<'a> {
    /// The target of a write that may go through views.
    pub(super) fn write_target(
        &mut self,
        target: &'a nodes::RangeVar,
        kind: WriteKind,
    ) -> Result<Target<'a>, Error> {
        let id = self.resolve(target)?;
        match (self.names.lens.target(id, kind), self.names.lens.seen(id)) {
            // A view without rules of its own.
            (Seen::Expand, Seen::Expand) => self.view_target(target, id, kind),
            (Seen::Absent | Seen::Columns(_) | Seen::Expand, _) => {
                let (item, relation, seen) = self.target_item(target, kind)?;
                Ok(Target { item, relation, seen, through: None })
            }
        }
    }

    fn view_target(
        &mut self,
        target: &'a nodes::RangeVar,
        id: RelationId,
        kind: WriteKind,
    ) -> Result<Target<'a>, Error> {
        let layer = self.layer(id, kind).map_err(|error| match error {
            // As for one that is read: what it reads that one may not know of would tell of itself.
            Error::UnknownRelation { .. } | Error::UnknownColumn { .. } => {
                Error::UnknownRelation { name: spelled(target), offset: offset(target.location) }
            }
            other => located(other, target.location),
        })?;
        let relation: &'a Relation = self.names.snapshot.relation(id);
        let table: &'a Relation = self.names.snapshot.relation(layer.table);
        self.note_types(relation);
        self.note_types(table);
        self.out.calls.extend(layer.calls);
        let access = self.access(target, layer.table, spelled(target), Role::Target)?;
        let recorded = &mut self.out.accesses[access];
        // ONLY before a view says nothing; in its definition it does.
        recorded.only = layer.only;
        let source = Source::Relation { access, relation, view: layer.seen.clone(), target: true };
        let item = Item {
            name: recorded.alias.clone(),
            schema: (!recorded.aliased).then_some(relation.schema.as_str()),
            source,
            renamed: Vec::new(),
            rel_visible: true,
            cols_visible: true,
            accesses: access..access + 1,
            origins: Vec::new(),
            behind: Some(table),
        };
        TARGET_ALIAS.clone_into(&mut recorded.alias);
        let through = Some(Box::new(layer.through));
        Ok(Target { item, relation, seen: layer.seen, through })
    }

    /// One view's definition, down to the table.
    fn layer(&mut self, id: RelationId, kind: WriteKind) -> Result<Layer, Error> {
        let relation = self.names.snapshot.relation(id);
        if self.views >= super::from::MAX_VIEWS {
            return Err(Error::Limit { what: "views are nested too deeply".to_owned() });
        }
        let Some(definition) = &relation.definition else {
            return Err(Error::UnknownRelation { name: relation.name.clone(), offset: None });
        };
        self.without_rules(relation, kind, -1)?;
        if !self.is_plain(id, kind)? {
            // Whether it is there at all comes first; then, whether what it reads would take the write in another way.
            for access in &self.expand(id)?.1.statement.accesses {
                self.without_rules(self.names.snapshot.relation(access.relation), kind, -1)?;
            }
            return Err(not_updatable(relation, None, kind));
        }
        let text = definition.trim_end().trim_end_matches(';').to_owned();
        let (found, statement) = self.layer_body(&text, kind)?;
        if found.columns.len() != relation.columns.len() {
            return Err(Error::unsupported("a definition with other columns than its view", -1));
        }
        let access = statement.accesses.first().ok_or_else(|| disagreement(0))?;
        let (table, only, calls) = (access.relation, access.only, statement.calls.clone());
        let Definition { columns, seen, condition, inner } = found;
        let through = Through { view: id, text, statement, columns, condition, inner };
        Ok(Layer { through, table, only, seen: seen.into(), calls })
    }

    /// Whether PostgreSQL itself would write through the view.
    fn is_plain(&self, id: RelationId, kind: WriteKind) -> Result<bool, Error> {
        let snapshot = self.names.snapshot;
        let relation = snapshot.relation(id);
        let own_defaults = relation.columns.iter().any(|column| column.has_default);
        if own_defaults && kind == WriteKind::Insert {
            return Err(Error::unsupported("INSERT through a view with defaults of its own", -1));
        }
        let writing = snapshot.writing(relation.oid);
        Ok(writing.is_some_and(|writing| writing.updatable & kind.event().0 != 0))
    }

    /// A rule could turn the write into anything.
    pub(super) fn without_rules(
        &self,
        relation: &Relation,
        kind: WriteKind,
        location: i32,
    ) -> Result<(), Error> {
        let Some(writing) = self.names.snapshot.writing(relation.oid) else { return Ok(()) };
        if writing.instead_of {
            let what = "writing to a view with INSTEAD OF triggers";
            return Err(Error::unsupported(what, location));
        }
        if writing.rules.contains(kind.event().1) {
            let what = format!("{} a relation with rules (CREATE RULE)", kind.command());
            return Err(Error::unsupported(what, location));
        }
        Ok(())
    }

    fn layer_body(&self, text: &str, kind: WriteKind) -> Result<(Definition, Statement), Error> {
        let parsed = Parsed::new(text, Limits::VIEW)?;
        let names = super::Names { search_path: &[], ..self.names };
        let mut statements = parsed.statements()?.into_iter();
        let (Some((range, Node::SelectStmt(select))), None) =
            (statements.next(), statements.next())
        else {
            return Err(Error::unsupported("this view's definition", -1));
        };
        let mut walker = Walker::new(&parsed, names, range, self.views + 1);
        let found = walker.definition(select, kind)?;
        walker.close()?;
        Ok((found, walker.finish(Kind::Select)))
    }

    fn definition(
        &mut self,
        select: &'a nodes::SelectStmt,
        kind: WriteKind,
    ) -> Result<Definition, Error> {
        let from = match select.from_clause().first() {
            Some(Node::RangeVar(from)) if has_one_source(select) => from,
            Some(_) | None => return Err(Error::unsupported("writing through this view", -1)),
        };
        let target = self.write_target(from, kind)?;
        let items = [target.item];
        let scope = Scope { items: &items, parent: None };
        let mut columns = Vec::with_capacity(select.target_list().len());
        let mut seen = Vec::with_capacity(select.target_list().len());
        for (range, node) in self.definition_items(select, from)? {
            let stored = self.definition_column(node, &range, &scope)?;
            seen.push(match stored {
                Some(column) => target.seen[usize::from(column.0)],
                // It may raise, as a mask may.
                None => Visibility::Changed,
            });
            columns.push(ThroughColumn { range, stored });
        }
        let start = self.out.accesses[0].range.end;
        let mut end = self.out.range.end;
        if !select.sort_clause().is_empty() {
            let order = self.parsed.clause(&(start..end), "order");
            end = self.parsed.end(order.ok_or_else(|| disagreement(start))? - 1);
        }
        let (condition, _) = self.condition_in(&(start..end), select.where_clause(), &scope)?;
        Ok(Definition { columns, seen, condition, inner: target.through })
    }

    /// The items of a definition's SELECT list with the bytes of their expressions.
    fn definition_items(
        &self,
        select: &'a nodes::SelectStmt,
        from: &nodes::RangeVar,
    ) -> Result<Vec<(Range<usize>, &'a nodes::ResTarget)>, Error> {
        let wrong = || disagreement(self.out.range.start);
        let first = self.parsed.tokens().first_at_or_after(self.out.range.start) + 1;
        let keyword = self.parsed.clause(&self.out.range, "from").ok_or_else(wrong)?;
        let behind = self.parsed.token_at(from.location)?;
        let ranges = self.split_commas(first, keyword);
        // Between FROM and the name: ONLY and a parenthesis.
        if ranges.len() != select.target_list().len() || !(1..=3).contains(&(behind - keyword)) {
            return Err(wrong());
        }
        let items = ranges.into_iter().zip(select.target_list());
        items
            .map(|(mut range, target)| {
                if target.name().is_some() {
                    let last = self.parsed.tokens().first_at_or_after(range.end) - 1;
                    if !self.parsed.is_keyword(last - 1, "as") {
                        return Err(wrong());
                    }
                    range.end = self.parsed.end(last - 2);
                }
                Ok((range, target))
            })
            .collect()
    }

    /// Walks one column's expression; gives the column of the relation behind that it is.
    fn definition_column(
        &mut self,
        target: &'a nodes::ResTarget,
        range: &Range<usize>,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<ColumnId>, Error> {
        let uses = self.out.target_uses.len();
        self.expression(target.val(), scope)?;
        let [only] = &self.out.target_uses[uses..] else { return Ok(None) };
        Ok(match only.part {
            TargetPart::Column(column) if only.range == *range => Some(column),
            TargetPart::Column(_) | TargetPart::Row | TargetPart::Star => None,
        })
    }

    /// Columns that the client has named as the view's become the table's: in the text and in what is known of it.
    pub(super) fn store(&mut self, write: &mut Write, view: &Relation) -> Result<(), Error> {
        let Some(through) = write.through.take() else { return Ok(()) };
        let defaults = view.columns.iter().any(|column| column.has_default);
        let mut named: Vec<&mut (ColumnId, usize)> = Vec::new();
        for assignment in &mut write.assignments {
            if defaults && says_default(assignment) {
                let what = "DEFAULT through a view with defaults of its own";
                return Err(Error::unsupported(what, -1));
            }
            named.extend(&mut assignment.columns);
        }
        if write.kind == WriteKind::Insert {
            named.extend(&mut write.columns);
        }
        let stored = |column: ColumnId, at: Option<usize>| {
            let known = through.stored(column).ok_or(column);
            known.map_err(|column| match not_updatable(view, Some(column), write.kind) {
                Error::NotUpdatable { command, view, column, .. } => {
                    Error::NotUpdatable { command, view, column, offset: at }
                }
                other => other,
            })
        };
        for (column, at) in named {
            let token = self.parsed.tokens().first_at_or_after(*at);
            let own = &view.columns[usize::from(column.0)].name;
            *column = stored(*column, Some(*at))?;
            let table = self.names.snapshot.relation(self.out.accesses[write.access].relation);
            let range = self.parsed.start(token)..self.parsed.end(token);
            if range.start != *at {
                return Err(disagreement(*at));
            }
            let name = &table.columns[usize::from(column.0)].name;
            if name != own {
                self.out.edits.push(Edit { range, text: quoted(name) });
            }
        }
        for column in &mut write.partial {
            *column = stored(*column, None)?;
        }
        write.through = Some(through);
        Ok(())
    }

    /// The client's alias goes: the table is called by a name of ours, which nothing of the client's can capture.
    pub(super) fn rename_target(&mut self, write: &Write) {
        let access = &mut self.out.accesses[write.access];
        if write.through.is_none() || !std::mem::take(&mut access.aliased) {
            return;
        }
        let mut token = self.parsed.tokens().first_at_or_after(access.range.end);
        if self.parsed.is_keyword(token, "as") {
            token += 1;
        }
        access.range.end = self.parsed.end(token);
    }
}

fn not_updatable(view: &Relation, column: Option<ColumnId>, kind: WriteKind) -> Error {
    let column = column.map(|column| view.columns[usize::from(column.0)].name.clone());
    let (command, view) = (kind.command(), view.name.clone());
    Error::NotUpdatable { command, view, column, offset: None }
}

fn says_default(assignment: &Assignment) -> bool {
    match &assignment.from {
        Assigned::Values(values) => values.iter().any(|value| value.kind == ValueKind::Default),
        Assigned::Query(_) | Assigned::Other => false,
    }
}

/// Whether a definition takes each row of one relation as it comes.
fn has_one_source(select: &nodes::SelectStmt) -> bool {
    select.op == SetOperation::SETOP_NONE
        && select.from_clause().len() == 1
        && select.with_clause().is_none()
        && select.distinct_clause().is_empty()
        && select.group_clause().is_empty()
        && select.window_clause().is_empty()
        && select.values_lists().is_empty()
        && select.locking_clause().is_empty()
        && matches!(select.having_clause(), Node::None)
        && matches!(select.limit_count(), Node::None)
        && matches!(select.limit_offset(), Node::None)
}

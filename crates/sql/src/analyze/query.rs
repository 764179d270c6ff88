//! SELECT, VALUES, set operations and WITH.

use std::rc::Rc;

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{self, SelectStmt, SetOperation};

use super::condition::Level;
use super::name::output_name;
use super::scope::{Columns, Found, Item, OutColumn, Scope, Source};
use super::shape::{Shape, Sources};
use super::{Cte, GroupKey, Walker};
use crate::catalog::{ColumnId, Oid};
use crate::error::Error;

/// Whether the caller needs to know the columns of a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Want {
    /// The outermost level: nobody refers to them.
    Nothing,
    /// A derived table, CTE, view or sub-select.
    Columns,
}

impl<'a> Walker<'a> {
    /// Walks a query under the scope outside of it.
    pub(super) fn select(
        &mut self,
        select: &'a SelectStmt,
        outer: Option<&Scope<'a, '_>>,
        want: Want,
    ) -> Result<Columns, Error> {
        self.descend(|walker| {
            let visible = walker.ctes.len();
            let outside = std::mem::take(&mut walker.binding);
            if let Some(with) = select.with_clause() {
                walker.with(with, outer)?;
            }
            let columns = walker.body(select, outer, want);
            walker.binding = outside;
            walker.ctes.truncate(visible);
            columns
        })
    }

    fn body(
        &mut self,
        select: &'a SelectStmt,
        outer: Option<&Scope<'a, '_>>,
        want: Want,
    ) -> Result<Columns, Error> {
        self.admit_into(select)?;
        if select.op != SetOperation::SETOP_NONE {
            return self.set_operation(select, outer, want);
        }
        if !select.values_lists().is_empty() {
            return self.values(select, outer);
        }
        self.under(select.where_clause(), |walker| walker.simple(select, outer, want))
    }

    fn set_operation(
        &mut self,
        select: &'a SelectStmt,
        outer: Option<&Scope<'a, '_>>,
        want: Want,
    ) -> Result<Columns, Error> {
        let (Some(left), Some(right)) = (select.larg(), select.rarg()) else {
            return Err(Error::unsupported("a set operation without operands", -1));
        };
        let left = self.select(left, outer, Want::Columns)?;
        let right = self.select(right, outer, Want::Columns)?;
        let columns = union(left, &right);
        self.tail(select, &Scope { items: &[], parent: outer }, &columns)?;
        if !select.locking_clause().is_empty() {
            return Err(Error::unsupported("FOR UPDATE with a set operation", -1));
        }
        match want {
            Want::Nothing => Ok(Columns::default()),
            Want::Columns => Ok(columns),
        }
    }

    fn values(
        &mut self,
        select: &'a SelectStmt,
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<Columns, Error> {
        let scope = Scope { items: &[], parent: outer };
        let mut columns = Columns::default();
        for row in select.values_lists() {
            let row =
                row.as_node_list().ok_or_else(|| Error::unsupported("this VALUES row", -1))?;
            // Behind `x.*` it is not known which column a value is for.
            let expanded = row.iter().any(super::row::expands);
            columns.open |= expanded;
            for (index, value) in row.iter().enumerate() {
                let mut shape = self.expression(value, &scope)?;
                if expanded {
                    shape = Shape { sources: shape.sources, ..Shape::OPAQUE };
                }
                self.free_value(value, None);
                match columns.list.get_mut(index) {
                    Some(column) => column.shape = merge(column.shape, shape),
                    None => {
                        let name = format!("column{}", index + 1);
                        columns.list.push(OutColumn { name, shape, denied: false });
                    }
                }
            }
        }
        for column in &mut columns.list {
            column.shape = settle(column.shape);
        }
        self.tail(select, &scope, &columns)?;
        Ok(columns)
    }

    fn simple(
        &mut self,
        select: &'a SelectStmt,
        outer: Option<&Scope<'a, '_>>,
        want: Want,
    ) -> Result<Columns, Error> {
        let first_access = self.out.accesses.len();
        let items = self.items_of(select.from_clause(), outer)?;
        let last_access = self.out.accesses.len();
        let scope = Scope { items: &items, parent: outer };
        let columns = self.shown(|walker| walker.targets(select, &scope, want))?;
        let present = Sources::range(&(first_access..last_access)).minus(self.nullable);
        self.filter(select.where_clause(), &scope, "where", Level::new(&items, present))?;
        self.shown(|walker| walker.groups(select, &scope, &columns))?;
        self.tail(select, &scope, &columns)?;
        self.lock(select, &items, first_access..last_access)?;
        Ok(columns)
    }

    /// Walks what PostgreSQL may compare with other expressions of the query.
    pub(super) fn shown<T>(
        &mut self,
        walk: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let outside = std::mem::replace(&mut self.shown, true);
        let walked = walk(self);
        self.shown = outside;
        walked
    }

    /// GROUP BY, HAVING, WINDOW and DISTINCT.
    fn groups(
        &mut self,
        select: &'a SelectStmt,
        scope: &Scope<'a, '_>,
        columns: &Columns,
    ) -> Result<(), Error> {
        for group in select.group_clause() {
            self.grouping(group, scope, columns)?;
        }
        self.group_keys(select.group_clause(), scope)?;
        let reach = super::from::reach_of(scope.items);
        let having = |walker: &mut Self| walker.optional(select.having_clause(), scope);
        self.judged(reach, having, |shape| *shape)?;
        for window in select.window_clause() {
            let Node::WindowDef(window) = window else {
                return Err(Error::unsupported("this window clause", -1));
            };
            self.window(window, scope)?;
        }
        for distinct in select.distinct_clause() {
            self.sort_key(distinct, scope, columns)?;
        }
        Ok(())
    }

    /// ORDER BY, LIMIT and OFFSET.
    fn tail(
        &mut self,
        select: &'a SelectStmt,
        scope: &Scope<'a, '_>,
        columns: &Columns,
    ) -> Result<(), Error> {
        for sort in select.sort_clause() {
            self.shown(|walker| walker.sort(sort, scope, columns))?;
        }
        for bound in [select.limit_offset(), select.limit_count()] {
            self.optional(bound, scope)?;
            self.free_count(bound);
            // A negative one raises.
            self.loud += usize::from(!super::leaf::plain_bound(bound));
        }
        Ok(())
    }

    pub(super) fn sort(
        &mut self,
        sort: &'a nodes::SortBy,
        scope: &Scope<'a, '_>,
        columns: &Columns,
    ) -> Result<(), Error> {
        if !sort.use_op().is_empty() {
            self.operator(sort.use_op(), Shape::OPAQUE, Shape::OPAQUE, sort.location)?;
        }
        self.sort_key(sort.node(), scope, columns)
    }

    /// An output column's name comes first (`findTargetlistEntrySQL92`), then it is an expression.
    fn sort_key(
        &mut self,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
        columns: &Columns,
    ) -> Result<(), Error> {
        if names_output(node, columns) {
            return Ok(());
        }
        self.optional(node, scope)?;
        Ok(())
    }

    fn grouping(
        &mut self,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
        columns: &Columns,
    ) -> Result<(), Error> {
        if let Node::GroupingSet(set) = node {
            for member in set.content() {
                self.descend(|walker| walker.grouping(member, scope, columns))?;
            }
            return Ok(());
        }
        match self.optional(node, scope) {
            Err(Error::UnknownColumn { .. }) if names_output(node, columns) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Finds primary keys among the columns of GROUP BY: the relation's other columns depend on them, which
    /// PostgreSQL sees for a table but not for the sub-select that may take its place.
    fn group_keys(&mut self, list: &'a NodeList, scope: &Scope<'a, '_>) -> Result<(), Error> {
        let mut grouped: Vec<(usize, ColumnId, usize)> = Vec::new();
        for node in list {
            let Node::ColumnRef(reference) = node else { continue };
            let edits = self.out.edits.len();
            let found = self.resolve_column(reference, scope);
            self.out.edits.truncate(edits);
            let Ok(Found::Column { origin: Some((access, column)), .. }) = found else { continue };
            let first = self.parsed.token_at(reference.location)?;
            let last = self.parsed.name_end(first, reference.fields().len())?;
            grouped.push((access, column, self.parsed.end(last)));
        }
        for (access, _, at) in &grouped {
            let known = self.out.group_keys.iter().any(|key| key.access == *access);
            let columns: Vec<ColumnId> = grouped
                .iter()
                .filter(|(other, ..)| other == access)
                .map(|(_, column, _)| *column)
                .collect();
            let Some(found) = self.out.accesses.get(*access) else { continue };
            let relation = self.names.snapshot.relation(found.relation);
            let key = &relation.primary_key;
            if !known && !key.is_empty() && key.iter().all(|column| columns.contains(column)) {
                self.out.group_keys.push(GroupKey { access: *access, at: *at, columns });
            }
        }
        Ok(())
    }

    pub(super) fn window(
        &mut self,
        window: &'a nodes::WindowDef,
        scope: &Scope<'a, '_>,
    ) -> Result<(), Error> {
        for node in window.partition_clause() {
            self.expression(node, scope)?;
        }
        for sort in window.order_clause() {
            self.sort(sort, scope, &Columns::default())?;
        }
        self.optional(window.start_offset(), scope)?;
        self.optional(window.end_offset(), scope)?;
        Ok(())
    }

    fn targets(
        &mut self,
        select: &'a SelectStmt,
        scope: &Scope<'a, '_>,
        want: Want,
    ) -> Result<Columns, Error> {
        let mut columns = Columns::default();
        for target in select.target_list() {
            self.target(target, scope, want, &mut columns)?;
        }
        Ok(columns)
    }

    /// One item of a SELECT list or of RETURNING.
    pub(super) fn target(
        &mut self,
        target: &'a nodes::ResTarget,
        scope: &Scope<'a, '_>,
        want: Want,
        columns: &mut Columns,
    ) -> Result<(), Error> {
        if let Some(star) = self.star(target, scope)? {
            if want == Want::Columns {
                columns.open |= star.open;
                columns.list.extend(star.list);
            }
            return Ok(());
        }
        let uses = self.out.target_uses.len();
        let shape = self.expression(target.val(), scope)?;
        let name = match target.name() {
            Some(name) => name.to_owned(),
            None => {
                self.name_item(uses);
                output_name(target.val())
            }
        };
        columns.list.push(OutColumn { name, shape: settle(shape), denied: false });
        Ok(())
    }

    /// References to a write's target in an item without AS may give it its name.
    fn name_item(&mut self, first: usize) {
        for used in &mut self.out.target_uses[first..] {
            used.names_item = match used.part {
                super::TargetPart::Column(_) | super::TargetPart::Row => true,
                super::TargetPart::Star => false,
            };
        }
    }

    /// WITH: each query is walked where it stands; its name is pushed for those that may see it.
    pub(super) fn with(
        &mut self,
        with: &'a nodes::WithClause,
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<(), Error> {
        let first = self.ctes.len();
        if with.recursive {
            for cte in with.ctes() {
                let name = cte.ctename().unwrap_or_default().to_owned();
                self.ctes.push(Cte { name, columns: None, readable: true });
            }
        }
        for (index, cte) in with.ctes().iter().enumerate() {
            let name = cte.ctename().unwrap_or_default().to_owned();
            if name.starts_with(crate::RESERVED_PREFIX) {
                return Err(Error::unsupported("a name that begins with pgcordon", cte.location));
            }
            let slot = with.recursive.then_some(first + index);
            let (columns, readable) = self.common_table(cte, slot, outer)?;
            let columns = Some(Rc::new(columns));
            match slot {
                Some(slot) => self.ctes[slot] = Cte { name, columns, readable },
                None => self.ctes.push(Cte { name, columns, readable }),
            }
        }
        Ok(())
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "PostgreSQL has 480 node kinds; the arm refuses"
    )]
    fn common_table(
        &mut self,
        cte: &'a nodes::CommonTableExpr,
        slot: Option<usize>,
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<(Columns, bool), Error> {
        let names: Vec<&str> = cte.aliascolnames().iter().filter_map(Node::as_str).collect();
        let part = || self.parsed.parenthesized_after(cte.location);
        let (mut columns, readable) = match cte.ctequery() {
            Node::SelectStmt(select) => (self.cte_select(select, slot, &names, outer)?, true),
            Node::InsertStmt(insert) => {
                let part = part()?;
                self.common_write(cte, |walker| walker.insert(insert, part))?
            }
            Node::UpdateStmt(update) => {
                let part = part()?;
                self.common_write(cte, |walker| walker.update(update, part))?
            }
            Node::DeleteStmt(delete) => {
                let part = part()?;
                self.common_write(cte, |walker| walker.delete(delete, part))?
            }
            Node::MergeStmt(_) => return Err(Error::unsupported("MERGE in WITH", cte.location)),
            _ => return Err(Error::unsupported("this statement in WITH", cte.location)),
        };
        rename(&mut columns, &names);
        self.search_and_cycle(cte, &mut columns)?;
        Ok((columns, readable))
    }

    fn common_write(
        &mut self,
        cte: &nodes::CommonTableExpr,
        walk: impl FnOnce(&mut Self) -> Result<(usize, Columns), Error>,
    ) -> Result<(Columns, bool), Error> {
        let (write, columns) = walk(self)?;
        let output_names = columns.list.iter().map(|column| column.name.clone()).collect();
        let header = self.parsed.common_table_header(cte.location)?;
        self.out.writes[write].within = Some(super::write::Within { header, output_names });
        if columns.open {
            return Err(Error::unsupported("RETURNING with columns of a function in WITH", -1));
        }
        Ok((columns, self.out.writes[write].has_returning))
    }

    fn cte_select(
        &mut self,
        select: &'a SelectStmt,
        slot: Option<usize>,
        names: &[&str],
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<Columns, Error> {
        let recursive = slot.filter(|_| {
            select.op == SetOperation::SETOP_UNION
                && select.with_clause().is_none()
                && select.sort_clause().is_empty()
        });
        let (Some(slot), Some(left), Some(right)) = (recursive, select.larg(), select.rarg())
        else {
            return self.select(select, outer, Want::Columns);
        };
        let left = self.select(left, outer, Want::Columns)?;
        let mut visible = left.clone();
        rename(&mut visible, names);
        settle_recursion(&mut visible);
        self.ctes[slot].columns = Some(Rc::new(visible));
        let right = self.select(right, outer, Want::Columns)?;
        let mut columns = union(left, &right);
        settle_recursion(&mut columns);
        self.tail(select, &Scope { items: &[], parent: outer }, &columns)?;
        Ok(columns)
    }

    fn search_and_cycle(
        &mut self,
        cte: &'a nodes::CommonTableExpr,
        columns: &mut Columns,
    ) -> Result<(), Error> {
        let mut added = Vec::new();
        if let Some(search) = cte.search_clause() {
            added.extend(search.search_seq_column());
        }
        if let Some(cycle) = cte.cycle_clause() {
            let scope = Scope { items: &[], parent: None };
            self.optional(cycle.cycle_mark_value(), &scope)?;
            self.optional(cycle.cycle_mark_default(), &scope)?;
            added.extend(cycle.cycle_mark_column());
            added.extend(cycle.cycle_path_column());
        }
        columns.list.extend(added.into_iter().map(|name| OutColumn {
            name: name.to_owned(),
            shape: Shape::OPAQUE,
            denied: false,
        }));
        Ok(())
    }

    /// FOR UPDATE and its kin reach the relations of the level's FROM clause, sub-selects included.
    fn lock(
        &mut self,
        select: &'a SelectStmt,
        items: &[Item<'a>],
        all: std::ops::Range<usize>,
    ) -> Result<(), Error> {
        for clause in select.locking_clause() {
            if clause.locked_rels().is_empty() {
                self.mark_locked(all.clone());
            }
            for relation in clause.locked_rels() {
                let Node::RangeVar(relation) = relation else {
                    return Err(Error::unsupported("this locking clause", -1));
                };
                let name = relation.relname().unwrap_or_default();
                let item = items.iter().find(|item| item.rel_visible && item.name == name);
                let offset = crate::error::offset(relation.location);
                self.out.names.extend(offset);
                let item =
                    item.ok_or_else(|| Error::MissingFrom { name: name.to_owned(), offset })?;
                self.mark_locked(item.accesses.clone());
            }
        }
        Ok(())
    }

    fn mark_locked(&mut self, accesses: std::ops::Range<usize>) {
        for access in &mut self.out.accesses[accesses] {
            if let super::Role::Scan(scan) = &mut access.role {
                scan.locked = true;
            }
        }
    }

    pub(super) fn expressions(
        &mut self,
        list: &'a NodeList,
        scope: &Scope<'a, '_>,
    ) -> Result<Vec<Shape>, Error> {
        list.iter().map(|node| self.expression(node, scope)).collect()
    }

    pub(super) fn optional(
        &mut self,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
    ) -> Result<Shape, Error> {
        match node {
            Node::None => Ok(Shape::literal(super::shape::oid::BOOL)),
            node => self.expression(node, scope),
        }
    }
}

/// A FROM item over known columns.
pub(super) fn derived<'a>(name: String, columns: Rc<Columns>) -> Item<'a> {
    Item {
        rel_visible: !name.is_empty(),
        name,
        schema: None,
        source: Source::Derived(columns),
        renamed: Vec::new(),
        cols_visible: true,
        accesses: 0..0,
        origins: Vec::new(),
        behind: None,
    }
}

pub(super) fn rename(columns: &mut Columns, names: &[&str]) {
    for (column, name) in columns.list.iter_mut().zip(names) {
        (*name).clone_into(&mut column.name);
    }
}

fn names_output(node: Node<'_>, columns: &Columns) -> bool {
    let Node::ColumnRef(reference) = node else { return false };
    if reference.fields().len() != 1 {
        return false;
    }
    let Some(name) = reference.fields().first().and_then(Node::as_str) else { return false };
    columns.list.iter().any(|column| column.name == name)
}

/// A recursive term may feed a value back: what the first term promises need not hold. No condition outside goes into
/// a recursive query, so that its rows are admitted ones.
fn settle_recursion(columns: &mut Columns) {
    for column in &mut columns.list {
        column.shape =
            Shape { calm: false, literal: false, sources: Sources::NONE, ..column.shape };
    }
}

fn union(mut left: Columns, right: &Columns) -> Columns {
    for (index, column) in left.list.iter_mut().enumerate() {
        column.shape = match right.list.get(index) {
            Some(other) => merge(column.shape, other.shape),
            None => Shape::OPAQUE,
        };
    }
    left.open |= right.open;
    left
}

/// The shape of a column fed from two queries. A type to which one side must be cast may raise.
fn merge(left: Shape, right: Shape) -> Shape {
    let same = left.kind.is_some() && left.kind == right.kind;
    let calm = same && left.calm && right.calm;
    let sources = left.sources.with(right.sources);
    let collation = if left.collation == right.collation { left.collation } else { Oid(0) };
    let digits =
        if left.digits == 0 || right.digits == 0 { 0 } else { left.digits.max(right.digits) };
    let enumerated = same && left.enumerated;
    Shape {
        kind: left.kind.filter(|_| same),
        calm,
        literal: false,
        sources,
        collation,
        digits,
        enumerated,
    }
}

/// A string constant that leaves its query becomes text.
fn settle(shape: Shape) -> Shape {
    // PostgreSQL does not fold an operation on another query's column.
    let shape = Shape { literal: false, ..shape };
    if shape.kind == Some(super::shape::oid::UNKNOWN) {
        return shape.with_kind(Some(super::shape::oid::TEXT));
    }
    shape
}

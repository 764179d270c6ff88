//! FROM: relations, sub-selects, functions, joins.

use std::rc::Rc;

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{self, JoinType};

use super::condition::Level;
use super::query::{Want, derived, rename};
use super::scope::{Columns, Item, OutColumn, Scope, Source};
use super::shape::{self, Shape, Sources, Touched};
use super::{Access, Role, Scan, Seen, ViewBody, Walker};
use crate::catalog::{ColumnId, RelationId, RelationKind};
use crate::error::{Error, offset};

/// Views inside views that are followed.
pub(super) const MAX_VIEWS: usize = 16;

impl<'a> Walker<'a> {
    /// Walks a FROM list; LATERAL items see those before them.
    pub(super) fn items_of(
        &mut self,
        list: &'a NodeList,
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<Vec<Item<'a>>, Error> {
        let mut items = Vec::with_capacity(list.len());
        for node in list {
            let more = self.item(node, &items, outer)?;
            items.extend(more);
        }
        Ok(items)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "PostgreSQL has 480 node kinds; the arm refuses"
    )]
    pub(super) fn item(
        &mut self,
        node: Node<'a>,
        before: &[Item<'a>],
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<Vec<Item<'a>>, Error> {
        let first = self.out.accesses.len();
        let mut items = match node {
            Node::RangeVar(relation) => vec![self.relation(relation, None)?],
            Node::RangeTableSample(sample) => vec![self.sample(sample, before, outer)?],
            Node::RangeSubselect(query) => vec![self.subselect(query, before, outer)?],
            Node::RangeFunction(function) => match self.settings_function(function)? {
                Some(item) => vec![item],
                None => vec![self.range_function(function, before, outer)?],
            },
            Node::RangeTableFunc(table) => vec![self.table_function(table, before, outer)?],
            Node::JoinExpr(join) => self.descend(|walker| walker.join(join, before, outer))?,
            _ => return Err(Error::unsupported("this item of FROM", -1)),
        };
        let last = self.out.accesses.len();
        for item in &mut items {
            if item.accesses.is_empty() {
                item.accesses = first..last;
            }
        }
        Ok(items)
    }

    /// A relation or a CTE.
    fn relation(
        &mut self,
        relation: &'a nodes::RangeVar,
        sample: Option<std::ops::Range<usize>>,
    ) -> Result<Item<'a>, Error> {
        let name = relation.relname().unwrap_or_default();
        if relation.schemaname().is_none()
            && let Some(columns) = self.cte(name, relation.location)?
        {
            self.out.names.extend(offset(relation.location));
            let mut item = derived(name.to_owned(), columns);
            self.apply_alias(&mut item, relation.alias())?;
            return Ok(item);
        }
        let id = self.resolve(relation)?;
        self.note_types(self.names.snapshot.relation(id));
        let spelled = spelled(relation);
        let unknown =
            || Error::UnknownRelation { name: spelled.clone(), offset: offset(relation.location) };
        let seen = self.names.lens.seen(id);
        let (source, view) = match seen {
            Seen::Absent => return Err(unknown()),
            Seen::Columns(view) => (self.relation_source(id, view), None),
            Seen::Expand => {
                let (mut columns, body) = self.expand(id).map_err(|error| match error {
                    // What it reads that the reader may not know of would tell of itself.
                    Error::UnknownRelation { .. } | Error::UnknownColumn { .. } => unknown(),
                    other => located(other, relation.location),
                })?;
                // The definition counts its own accesses; here it is one.
                for column in &mut columns.list {
                    if !column.shape.sources.is_empty() {
                        column.shape.sources = Sources::of(self.out.accesses.len());
                    }
                }
                (Source::Derived(Rc::new(columns)), Some(Box::new(body)))
            }
        };
        let command = self.parsed.table_command(relation.location)?;
        let scan = Scan { locked: false, command: command.is_some(), sample, view };
        let access = self.access(relation, id, spelled, Role::Scan(scan))?;
        if let Some(start) = command {
            self.out.accesses[access].range.start = start;
        }
        let aliased = self.out.accesses[access].aliased;
        let mut item = Item {
            name: name.to_owned(),
            schema: (!aliased).then(|| self.names.snapshot.relation(id).schema.as_str()),
            source,
            renamed: Vec::new(),
            rel_visible: true,
            cols_visible: true,
            accesses: access..access + 1,
            origins: Vec::new(),
            behind: None,
        };
        self.apply_alias(&mut item, relation.alias())?;
        Ok(item)
    }

    pub(super) fn relation_source(
        &self,
        id: RelationId,
        view: Rc<[super::Visibility]>,
    ) -> Source<'a> {
        let access = self.out.accesses.len();
        Source::Relation { access, relation: self.names.snapshot.relation(id), view, target: false }
    }

    /// Records where a relation is named; gives its index.
    pub(super) fn access(
        &mut self,
        relation: &nodes::RangeVar,
        id: RelationId,
        spelled: String,
        role: Role,
    ) -> Result<usize, Error> {
        let alias = relation.alias().and_then(nodes::Alias::aliasname);
        let name = relation.relname().unwrap_or_default();
        if self.reserved(alias.unwrap_or(name)) {
            return Err(Error::unsupported("a name that begins with pgcordon", relation.location));
        }
        let parts = 1
            + usize::from(relation.schemaname().is_some())
            + usize::from(relation.catalogname().is_some());
        let range = self.parsed.relation_range(relation.location, parts)?;
        self.out.accesses.push(Access {
            relation: id,
            role,
            range,
            spelled,
            alias: alias.unwrap_or(name).to_owned(),
            aliased: alias.is_some(),
            only: !relation.inh,
            fenced: false,
            correlated: false,
            unconditional: self.unconditional,
        });
        Ok(self.out.accesses.len() - 1)
    }

    /// A name of ours. In a view's definition it is harmless: CREATE VIEW through us has stored our own scans there, and
    /// what we write around them names its scans anew.
    fn reserved(&self, name: &str) -> bool {
        self.views == 0 && name.starts_with(crate::RESERVED_PREFIX)
    }

    /// As [`apply_alias`], but a view's definition may hold names of ours.
    pub(super) fn apply_alias(
        &self,
        item: &mut Item<'_>,
        alias: Option<&nodes::Alias>,
    ) -> Result<(), Error> {
        let name = alias.and_then(nodes::Alias::aliasname).unwrap_or_default();
        if self.reserved(name) {
            return Err(Error::unsupported("a name that begins with pgcordon", -1));
        }
        apply_alias(item, alias);
        Ok(())
    }

    /// The columns of a CTE in scope by that name.
    fn cte(&self, name: &str, location: i32) -> Result<Option<Rc<Columns>>, Error> {
        let Some(cte) = self.ctes.iter().rev().find(|cte| cte.name == name) else {
            return Ok(None);
        };
        if !cte.readable {
            let what = format!("reading from \"{name}\", which has no RETURNING clause");
            return Err(Error::unsupported(what, location));
        }
        let unknown = || Rc::new(Columns { list: Vec::new(), open: true });
        Ok(Some(cte.columns.clone().unwrap_or_else(unknown)))
    }

    /// Finds the relation that a name means.
    pub(super) fn resolve(&self, relation: &nodes::RangeVar) -> Result<RelationId, Error> {
        let name = relation.relname().unwrap_or_default();
        let snapshot = self.names.snapshot;
        if let Some(database) = relation.catalogname()
            && !self.names.databases.contains(&database)
        {
            return Err(Error::unsupported("a cross-database reference", relation.location));
        }
        let found = match relation.schemaname() {
            Some(schema) => snapshot.qualified(schema, name),
            None => snapshot.unqualified(self.names.search_path, name),
        };
        found.ok_or_else(|| Error::UnknownRelation {
            name: spelled(relation),
            offset: offset(relation.location),
        })
    }

    /// A view without rules: its definition, analysed as if the reader had written it.
    pub(super) fn expand(&mut self, id: RelationId) -> Result<(Columns, ViewBody), Error> {
        let relation = self.names.snapshot.relation(id);
        let definition = match (relation.kind, &relation.definition) {
            (RelationKind::View, Some(definition)) => definition,
            _ => {
                let name = relation.name.clone();
                return Err(Error::UnknownRelation { name, offset: None });
            }
        };
        if self.views >= MAX_VIEWS {
            return Err(Error::Limit { what: "views are nested too deeply".to_owned() });
        }
        let text = definition.trim_end().trim_end_matches(';').to_owned();
        let (mut columns, statement) = self.view_body(&text)?;
        let names: Vec<&str> = relation.columns.iter().map(|column| column.name.as_str()).collect();
        rename(&mut columns, &names);
        self.out.calls.extend(statement.calls.iter().cloned());
        Ok((columns, ViewBody { text, statement }))
    }

    fn view_body(&self, text: &str) -> Result<(Columns, super::Statement), Error> {
        let parsed = crate::parse::Parsed::new(text, crate::parse::Limits::VIEW)?;
        let names = super::Names { search_path: &[], ..self.names };
        let mut statements = parsed.statements()?.into_iter();
        let (Some((range, Node::SelectStmt(select))), None) =
            (statements.next(), statements.next())
        else {
            return Err(Error::unsupported("this view's definition", -1));
        };
        let mut walker = Walker::new(&parsed, names, range, self.views + 1);
        let columns = walker.select(select, None, Want::Columns)?;
        walker.close()?;
        walker.out.gives_rows = true;
        Ok((columns, walker.finish(super::Kind::Select)))
    }

    fn sample(
        &mut self,
        sample: &'a nodes::RangeTableSample,
        before: &[Item<'a>],
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<Item<'a>, Error> {
        let Node::RangeVar(relation) = sample.relation() else {
            return Err(Error::unsupported("TABLESAMPLE of this item", sample.location));
        };
        let method = super::name::last_string(sample.method()).unwrap_or_default();
        if sample.method().len() != 1 || !["bernoulli", "system"].contains(&method) {
            return Err(Error::unsupported("this TABLESAMPLE method", sample.location));
        }
        let scope = Scope { items: before, parent: outer };
        // Evaluated while rows are joined, as any argument in FROM.
        self.joined(&scope, |walker| walker.expressions(sample.args(), &scope).map(drop))?;
        self.joined(&scope, |walker| walker.optional(sample.repeatable(), &scope).map(drop))?;
        let range = self.parsed.sample_range(sample.location)?;
        self.relation(relation, Some(range))
    }

    fn subselect(
        &mut self,
        query: &'a nodes::RangeSubselect,
        before: &[Item<'a>],
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<Item<'a>, Error> {
        let Node::SelectStmt(select) = query.subquery() else {
            return Err(Error::unsupported("this sub-select in FROM", -1));
        };
        let lateral = Scope { items: before, parent: outer };
        let scope = if query.lateral { Some(&lateral) } else { outer };
        let quiet = self.loud;
        let first = self.out.accesses.len();
        let (columns, touched) =
            self.measured(|walker| walker.select(select, scope, Want::Columns))?;
        // A LATERAL sub-select runs while rows are joined.
        if query.lateral && self.loud != quiet {
            let sources = touched.sources.without(&(first..self.out.accesses.len()));
            self.judge_unplaced(
                Shape::OPAQUE,
                Touched { sources, rows: true, derived: true },
                reach_of(before),
            );
        }
        let mut item = derived(String::new(), Rc::new(columns));
        self.apply_alias(&mut item, query.alias())?;
        Ok(item)
    }

    fn range_function(
        &mut self,
        function: &'a nodes::RangeFunction,
        before: &[Item<'a>],
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<Item<'a>, Error> {
        let scope = Scope { items: before, parent: outer };
        let mut name = None;
        let mut list = Vec::new();
        for entry in function.functions() {
            let pair = entry.as_node_list();
            let call = pair.and_then(NodeList::first);
            let call = call.ok_or_else(|| Error::unsupported("this function in FROM", -1))?;
            self.joined(&scope, |walker| walker.expression(call, &scope).map(drop))?;
            name.get_or_insert_with(|| super::name::output_name(call));
            let definitions =
                pair.and_then(|pair| pair.get(1)).and_then(|node| node.as_node_list());
            for definition in definitions.into_iter().flatten() {
                list.push(self.column_definition(definition)?);
            }
        }
        for definition in function.coldeflist() {
            list.push(self.column_definition(Node::ColumnDef(definition))?);
        }
        let open = list.is_empty();
        let mut item = derived(name.unwrap_or_default(), Rc::new(Columns { list, open }));
        self.apply_alias(&mut item, function.alias())?;
        if open {
            name_single_column(&mut item);
        }
        Ok(item)
    }

    /// Walks what is evaluated while rows are joined, such as arguments of a function in FROM: it counts as a condition
    /// that could raise, on the rows that it reads.
    fn joined(
        &mut self,
        scope: &Scope<'a, '_>,
        walk: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let ((), touched) = self.measured(walk)?;
        self.judge_unplaced(
            Shape::OPAQUE,
            Touched { rows: true, ..touched },
            reach_of(scope.items),
        );
        Ok(())
    }

    fn column_definition(&mut self, node: Node<'a>) -> Result<OutColumn, Error> {
        let Node::ColumnDef(definition) = node else {
            return Err(Error::unsupported("this column definition", -1));
        };
        if let Some(kind) = definition.type_name() {
            self.type_name(kind)?;
        }
        let name = definition.colname().unwrap_or_default().to_owned();
        Ok(OutColumn { name, shape: Shape::OPAQUE, denied: false })
    }

    /// XMLTABLE.
    fn table_function(
        &mut self,
        table: &'a nodes::RangeTableFunc,
        before: &[Item<'a>],
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<Item<'a>, Error> {
        let scope = Scope { items: before, parent: outer };
        self.joined(&scope, |walker| walker.table_arguments(table, &scope))?;
        let mut list = Vec::new();
        for column in table.columns() {
            if let Some(kind) = column.type_name() {
                self.type_name(kind)?;
            }
            let name = column.colname().unwrap_or_default().to_owned();
            list.push(OutColumn { name, shape: Shape::OPAQUE, denied: false });
        }
        let mut item = derived("xmltable".to_owned(), Rc::new(Columns { list, open: false }));
        self.apply_alias(&mut item, table.alias())?;
        Ok(item)
    }

    fn table_arguments(
        &mut self,
        table: &'a nodes::RangeTableFunc,
        scope: &Scope<'a, '_>,
    ) -> Result<(), Error> {
        self.optional(table.docexpr(), scope)?;
        self.optional(table.rowexpr(), scope)?;
        for namespace in table.namespaces() {
            let Node::ResTarget(namespace) = namespace else {
                return Err(Error::unsupported("this XMLTABLE namespace", table.location));
            };
            self.expression(namespace.val(), scope)?;
        }
        for column in table.columns() {
            self.optional(column.colexpr(), scope)?;
            self.optional(column.coldefexpr(), scope)?;
        }
        Ok(())
    }

    fn join(
        &mut self,
        join: &'a nodes::JoinExpr,
        before: &[Item<'a>],
        outer: Option<&Scope<'a, '_>>,
    ) -> Result<Vec<Item<'a>>, Error> {
        let first = self.out.accesses.len();
        let mut items = self.item(join.larg(), before, outer)?;
        let split = items.len();
        let middle = self.out.accesses.len();
        let mut visible = before.to_vec();
        visible.extend(items.iter().cloned());
        items.extend(self.item(join.rarg(), &visible, outer)?);
        let common: Vec<String> = if join.is_natural {
            self.natural(&items);
            common_names(&items[..split], &items[split..])?
        } else {
            let names = join.using_clause().iter();
            names.filter_map(nodes::String::sval).map(str::to_owned).collect()
        };
        let scope = Scope { items: &items, parent: outer };
        let (left, right) =
            (Sources::range(&(first..middle)), Sources::range(&(middle..self.out.accesses.len())));
        // What the condition may be copied into, and which side may be missing.
        let (copied, nullable) = match join.jointype {
            JoinType::JOIN_INNER => (left.with(right), Sources::NONE),
            JoinType::JOIN_LEFT => (right, right),
            JoinType::JOIN_RIGHT => (left, left),
            _ => (Sources::NONE, left.with(right)),
        };
        let level = Level::new(&items, copied.minus(self.nullable));
        self.filter(join.quals(), &scope, "on", level)?;
        self.nullable = self.nullable.with(nullable);
        let merged = if common.is_empty() {
            None
        } else {
            Some(self.merge_join(&items, split, &common, join.jointype)?)
        };
        if join.alias().is_some() {
            // The alias stands for all columns of both sides.
            self.natural(&items);
        }
        let origins = origins(&items, split, &common, join.jointype);
        finish_join(items, merged, origins, join, &common)
    }

    /// The columns of a join with USING: the common ones first, then the rest of either side.
    fn merge_join(
        &mut self,
        items: &[Item<'a>],
        split: usize,
        common: &[String],
        kind: JoinType::Type,
    ) -> Result<Columns, Error> {
        let mut columns = Columns::default();
        for name in common {
            let left = one_column(&items[..split], name)?;
            let right = one_column(&items[split..], name)?;
            let calm = shape::comparable(left, right) && left.calm && right.calm;
            let sources = left.sources.with(right.sources);
            let touched = Touched { sources, rows: true, derived: true };
            self.judge_unplaced(Shape { calm, ..Shape::OPAQUE }, touched, reach_of(items));
            let shape = match kind {
                JoinType::JOIN_INNER | JoinType::JOIN_LEFT => left,
                JoinType::JOIN_RIGHT => right,
                _ => Shape { calm: calm && left.kind == right.kind, ..left },
            };
            let shape = Shape { sources, ..shape };
            columns.list.push(OutColumn { name: name.clone(), shape, denied: false });
        }
        for item in items.iter().filter(|item| item.cols_visible) {
            columns.open |= item.open();
            columns
                .list
                .extend(item.columns().into_iter().filter(|column| !common.contains(&column.name)));
        }
        Ok(columns)
    }
}

/// Gives an item its alias and column aliases.
fn apply_alias(item: &mut Item<'_>, alias: Option<&nodes::Alias>) {
    let Some(alias) = alias else { return };
    let name = alias.aliasname().unwrap_or_default();
    name.clone_into(&mut item.name);
    item.rel_visible = true;
    item.renamed = alias.colnames().iter().filter_map(Node::as_str).map(str::to_owned).collect();
}

fn finish_join<'a>(
    mut items: Vec<Item<'a>>,
    merged: Option<Columns>,
    origins: Vec<Option<(usize, ColumnId)>>,
    join: &nodes::JoinExpr,
    common: &[String],
) -> Result<Vec<Item<'a>>, Error> {
    if let Some(alias) = join.alias() {
        let columns = merged.unwrap_or_else(|| all_columns(&items));
        let mut item = derived(String::new(), Rc::new(columns));
        join_alias(&mut item, alias)?;
        return Ok(vec![item]);
    }
    if let Some(columns) = merged {
        for item in &mut items {
            item.cols_visible = false;
        }
        if let Some(alias) = join.join_using_alias() {
            let list = columns.list.iter().take(common.len()).cloned().collect();
            let mut item = derived(String::new(), Rc::new(Columns { list, open: false }));
            join_alias(&mut item, alias)?;
            item.cols_visible = false;
            items.push(item);
        }
        items.push(Item { origins, ..derived(String::new(), Rc::new(columns)) });
    }
    Ok(items)
}

/// For each column of a join with USING the relation's column that it is. A full join's common columns are neither.
fn origins(
    items: &[Item<'_>],
    split: usize,
    common: &[String],
    kind: JoinType::Type,
) -> Vec<Option<(usize, ColumnId)>> {
    let side = match kind {
        JoinType::JOIN_INNER | JoinType::JOIN_LEFT => &items[..split],
        JoinType::JOIN_RIGHT => &items[split..],
        _ => &[],
    };
    let visible = |item: &&Item<'_>| item.cols_visible;
    let first = |name: &String| side.iter().filter(visible).find_map(|item| item.origin(name));
    let mut origins: Vec<_> = common.iter().map(first).collect();
    for item in items.iter().filter(visible) {
        let rest = item.columns().into_iter().filter(|column| !common.contains(&column.name));
        origins.extend(rest.map(|column| item.origin(&column.name)));
    }
    origins
}

/// Accesses that the items' columns come from.
pub(super) fn reach_of(items: &[Item<'_>]) -> Sources {
    items.iter().map(Item::reach).fold(Sources::NONE, Sources::with)
}

fn all_columns(items: &[Item<'_>]) -> Columns {
    let visible = items.iter().filter(|item| item.cols_visible);
    Columns {
        list: visible.clone().flat_map(Item::columns).collect(),
        open: visible.clone().any(Item::open),
    }
}

fn one_column(items: &[Item<'_>], name: &str) -> Result<Shape, Error> {
    let visible = items.iter().filter(|item| item.cols_visible);
    let mut found = visible.flat_map(Item::columns).filter(|column| column.name == name);
    let Some(column) = found.next() else {
        let open = items.iter().any(Item::open);
        return match open {
            true => Ok(Shape::OPAQUE),
            false => Err(Error::UnknownColumn { name: name.to_owned(), offset: None }),
        };
    };
    if found.next().is_some() {
        return Err(Error::AmbiguousColumn { name: name.to_owned(), offset: None });
    }
    match column.denied {
        true => Err(Error::DeniedColumn { name: column.name, offset: None }),
        false => Ok(column.shape),
    }
}

fn common_names(left: &[Item<'_>], right: &[Item<'_>]) -> Result<Vec<String>, Error> {
    let (left, right) = (all_columns(left), all_columns(right));
    if left.open || right.open {
        return Err(Error::unsupported("NATURAL JOIN with a function", -1));
    }
    let names = left.list.into_iter().map(|column| column.name);
    Ok(names.filter(|name| right.list.iter().any(|column| &column.name == name)).collect())
}

/// A function's only column has the alias's name, unless it returns a row type; both ways are accepted.
fn name_single_column(item: &mut Item<'_>) {
    let mut list = Vec::new();
    for name in std::mem::take(&mut item.renamed) {
        list.push(OutColumn { name, shape: Shape::OPAQUE, denied: false });
    }
    item.source = Source::Derived(Rc::new(Columns { list, open: true }));
}

/// A relation's name as the client would read it in PostgreSQL's error.
pub(super) fn spelled(relation: &nodes::RangeVar) -> String {
    let name = relation.relname().unwrap_or_default();
    match relation.schemaname() {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_owned(),
    }
}

pub(super) fn located(error: Error, location: i32) -> Error {
    match error {
        Error::Unsupported { what, .. } => Error::Unsupported {
            what: format!("{what} in a view's definition"),
            offset: offset(location),
        },
        Error::DeniedColumn { name, .. } => Error::DeniedColumn { name, offset: offset(location) },
        Error::UnknownColumn { name, .. } => {
            Error::UnknownColumn { name, offset: offset(location) }
        }
        Error::Function { name, .. } => Error::Function { name, offset: offset(location) },
        Error::Operator { name, .. } => Error::Operator { name, offset: offset(location) },
        Error::NotUpdatable { command, view, column, .. } => {
            Error::NotUpdatable { command, view, column, offset: offset(location) }
        }
        other => other,
    }
}

fn join_alias(item: &mut Item<'_>, alias: &nodes::Alias) -> Result<(), Error> {
    if alias.aliasname().unwrap_or_default().starts_with(crate::RESERVED_PREFIX) {
        return Err(Error::unsupported("a name that begins with pgcordon", -1));
    }
    apply_alias(item, Some(alias));
    Ok(())
}

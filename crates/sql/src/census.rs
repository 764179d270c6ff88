//! Reads a text once more, with PostgreSQL's grammar and its own tree walker, and counts what it names.
//!
//! In:  the text that is about to be sent.
//! Out: a [`Census`] per statement; `rewrite::verify` compares it with what was decided.
//!
//! Invariants:
//! - Shares no walking code with `analyze`: the walker is PostgreSQL's `raw_expression_tree_walker`.
//! - Resolves nothing: it reports names as they stand.

mod definition;

use std::collections::HashMap;

use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, nodes};

use crate::analyze::Outline;
use crate::error::Error;
use crate::parse::{Limits, Parsed};

/// How a relation is named in the tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// The only item of a SELECT's FROM clause.
    OnlyItem {
        /// First and last byte offset at which something stands in the SELECT's WHERE clause, if it has one.
        condition: Option<(usize, usize)>,
        /// The SELECT is nothing but a list, that item, WHERE and OFFSET.
        plain: bool,
    },
    /// The target of UPDATE or DELETE.
    Changed {
        /// It has a WHERE clause.
        condition: bool,
        /// Byte offset of the AND that is the condition's top, if it is one.
        and_at: Option<usize>,
        /// Name of the last item of RETURNING.
        last_returning: Option<String>,
        /// Columns that are set.
        columns: Vec<String>,
    },
    /// The target of INSERT.
    Inserted {
        /// Name of the last item of RETURNING.
        last_returning: Option<String>,
        /// Columns that are listed, or set on a conflict.
        columns: Vec<String>,
    },
    /// The target of MERGE.
    Merged {
        /// Byte offset of the AND that is the top of ON, if it is one.
        and_at: Option<usize>,
        /// Its WHEN clauses, in order.
        whens: Vec<WhenPlace>,
    },
    /// Named as a whole table by a command.
    Object,
    /// Made by the statement.
    Made,
    /// The target of COPY FROM.
    Copied {
        /// Byte offset of the CASE that is its condition's top, if it is one.
        case_at: Option<usize>,
    },
    /// Anywhere else.
    Elsewhere,
}

/// A WHEN clause of MERGE in the tree.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WhenPlace {
    /// Byte offset of the CASE that is its condition's top, if it is one.
    pub case_at: Option<usize>,
    /// Byte offsets of sub-selects that are a value of its action.
    pub queries_at: Vec<usize>,
    /// Columns that its action names to be written.
    pub columns: Vec<String>,
}

/// A relation name in the tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// Byte offset.
    pub offset: usize,
    /// As written.
    pub schema: Option<String>,
    /// As written.
    pub name: String,
    /// As written.
    pub alias: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// A function or operator name in the tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Called {
    /// Byte offset, if the grammar keeps one.
    pub offset: Option<usize>,
    /// The parts of the name.
    pub name: Vec<String>,
}

/// What one statement names.
#[derive(Clone, Debug)]
pub struct Census {
    /// Its kind.
    pub outline: Outline,
    /// Relations.
    pub relations: Vec<Named>,
    /// Byte offsets and names of what WITH defines.
    pub common_tables: Vec<(usize, String)>,
    /// Byte offsets of references to columns.
    pub columns: Vec<usize>,
    /// Functions.
    pub functions: Vec<Called>,
    /// Operators.
    pub operators: Vec<Called>,
    /// It says CASCADE of what it drops.
    pub cascade: bool,
}

/// Takes the census of a text.
///
/// # Errors
/// [`Error::Syntax`] when the grammar does not accept it.
pub fn read(text: &str) -> Result<Vec<Census>, Error> {
    stacker::maybe_grow(1024 * 1024, 64 * 1024 * 1024, || {
        let parsed = Parsed::new(text, Limits::CENSUS)?;
        let statements = parsed.statements()?.into_iter();
        statements.map(|(range, node)| statement(&parsed, range.start, node)).collect()
    })
}

fn statement(parsed: &Parsed<'_>, start: usize, node: Node<'_>) -> Result<Census, Error> {
    let outline = crate::analyze::outline_of(node)?;
    let mut counter = Counter::default();
    match node {
        Node::SelectStmt(_)
        | Node::InsertStmt(_)
        | Node::UpdateStmt(_)
        | Node::DeleteStmt(_)
        | Node::MergeStmt(_) => counter.walk(node),
        Node::CopyStmt(copy) => {
            if let Some(relation) = copy.relation() {
                counter.visit(Node::RangeVar(relation));
            }
            if copy.is_from {
                let case_at = top_case(copy.where_clause());
                counter.place(copy.relation(), Place::Copied { case_at });
            }
            if !matches!(copy.where_clause(), Node::None) {
                counter.walk(copy.where_clause());
            }
            if !matches!(copy.query(), Node::None) {
                counter.walk(copy.query());
            }
        }
        Node::ExecuteStmt(execute) => {
            for argument in execute.params() {
                counter.walk(argument);
            }
        }
        other if crate::analyze::carried(other).is_some() => {
            // SELECT INTO names its relation inside the query, where the walker meets it.
            if let Some((_, Some(made), _)) = crate::analyze::creation(other) {
                counter.visit(Node::RangeVar(made));
                counter.place(Some(made), Place::Made);
            }
            if let Some((_, inner)) = crate::analyze::carried(other) {
                counter.walk(inner);
            }
        }
        other if crate::analyze::object_command(other).is_some() => {
            if let Some((_, relations)) = crate::analyze::object_command(other) {
                for relation in relations {
                    counter.object(relation);
                }
            }
        }
        other if crate::analyze::definition(other).is_some() => {
            definition::definition(&mut counter, parsed, start, other)?;
        }
        // Utility statements name no relation; the grammar's walker does not know them.
        _ => {}
    }
    Ok(counter.finish(outline))
}

#[derive(Default)]
struct Counter {
    relations: Vec<Named>,
    common_tables: Vec<(usize, String)>,
    columns: Vec<usize>,
    functions: Vec<Called>,
    operators: Vec<Called>,
    places: HashMap<usize, Place>,
    cascade: bool,
}

impl Counter {
    fn walk(&mut self, node: Node<'_>) {
        self.visit(node);
        walk_manual::<()>(node, |node| {
            self.visit(node);
            Recurse::yes()
        });
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "counts names; nothing else has any")]
    fn visit(&mut self, node: Node<'_>) {
        match node {
            Node::RangeVar(relation) => self.relations.push(Named {
                offset: at(relation.location).unwrap_or(usize::MAX),
                schema: relation.schemaname().map(str::to_owned),
                name: relation.relname().unwrap_or_default().to_owned(),
                alias: relation.alias().and_then(nodes::Alias::aliasname).map(str::to_owned),
                place: Place::Elsewhere,
            }),
            Node::SelectStmt(select) => {
                if let Some(into) = select.into_clause() {
                    self.place(into.rel(), Place::Made);
                }
                self.only_item(select);
            }
            Node::UpdateStmt(update) => {
                let columns = written(update.target_list().iter().map(Node::ResTarget));
                let (condition, returning) = (update.where_clause(), update.returning_clause());
                self.changed(update.relation(), condition, returning, columns);
            }
            Node::DeleteStmt(delete) => {
                let (condition, returning) = (delete.where_clause(), delete.returning_clause());
                self.changed(delete.relation(), condition, returning, Vec::new());
            }
            Node::InsertStmt(insert) => {
                let last_returning = last_returning(insert.returning_clause());
                let mut columns = written(insert.cols().iter());
                if let Some(conflict) = insert.on_conflict_clause() {
                    let set = conflict.target_list().iter().map(Node::ResTarget);
                    columns.extend(written(set));
                }
                self.place(insert.relation(), Place::Inserted { last_returning, columns });
            }
            Node::CommonTableExpr(defined) => {
                let name = defined.ctename().unwrap_or_default().to_owned();
                self.common_tables.extend(at(defined.location).map(|offset| (offset, name)));
            }
            Node::ColumnRef(reference) => self.columns.extend(at(reference.location)),
            Node::MergeStmt(merge) => self.merged(merge),
            Node::FuncCall(call) => self
                .functions
                .push(Called { offset: at(call.location), name: strings(call.funcname()) }),
            Node::A_Expr(expression) if named_operator(expression.kind) => {
                self.operators.push(Called {
                    offset: at(expression.location),
                    name: strings(expression.name()),
                });
            }
            Node::SubLink(link) if !link.oper_name().is_empty() => {
                let name = strings(link.oper_name());
                self.operators.push(Called { offset: at(link.location), name });
            }
            _ => {}
        }
    }

    fn only_item(&mut self, select: &nodes::SelectStmt) {
        if select.from_clause().len() != 1 {
            return;
        }
        let relation = match select.from_clause().first() {
            Some(Node::RangeVar(relation)) => Some(relation),
            Some(Node::RangeTableSample(sample)) => match sample.relation() {
                Node::RangeVar(relation) => Some(relation),
                _ => None,
            },
            _ => None,
        };
        let condition = extent(select.where_clause());
        self.place(relation, Place::OnlyItem { condition, plain: is_plain(select) });
    }

    fn changed(
        &mut self,
        relation: Option<&nodes::RangeVar>,
        condition: Node<'_>,
        returning: Option<&nodes::ReturningClause>,
        columns: Vec<String>,
    ) {
        let and_at = top_and(condition);
        let condition = !matches!(condition, Node::None);
        let last_returning = last_returning(returning);
        self.place(relation, Place::Changed { condition, and_at, last_returning, columns });
    }

    fn merged(&mut self, merge: &nodes::MergeStmt) {
        let whens = merge.merge_when_clauses().iter().map(|when| {
            let values = when.values().iter().chain(when.target_list().iter().map(assigned));
            let queries = values.filter_map(|value| match value {
                Node::SubLink(link) => at(link.location),
                _ => None,
            });
            WhenPlace {
                case_at: top_case(when.condition()),
                queries_at: queries.collect(),
                columns: written(when.target_list().iter()),
            }
        });
        let whens = whens.collect();
        let and_at = top_and(merge.join_condition());
        self.place(merge.relation(), Place::Merged { and_at, whens });
    }

    fn place(&mut self, relation: Option<&nodes::RangeVar>, place: Place) {
        if let Some(offset) = relation.and_then(|relation| at(relation.location)) {
            self.places.insert(offset, place);
        }
    }

    fn object(&mut self, node: Node<'_>) {
        self.visit(node);
        if let Node::RangeVar(relation) = node {
            self.place(Some(relation), Place::Object);
        }
    }

    fn finish(mut self, outline: Outline) -> Census {
        for relation in &mut self.relations {
            if let Some(place) = self.places.get(&relation.offset) {
                relation.place = place.clone();
            }
        }
        Census {
            outline,
            relations: self.relations,
            common_tables: self.common_tables,
            columns: self.columns,
            functions: self.functions,
            operators: self.operators,
            cascade: self.cascade,
        }
    }
}

/// Whether a SELECT has no clause that could add rows, lock them, or see more than its WHERE clause admits.
fn is_plain(select: &nodes::SelectStmt) -> bool {
    select.op == nodes::SetOperation::SETOP_NONE
        && select.with_clause().is_none()
        && select.locking_clause().is_empty()
        && select.group_clause().is_empty()
        && select.distinct_clause().is_empty()
        && select.values_lists().is_empty()
        && matches!(select.having_clause(), Node::None)
        && matches!(select.limit_count(), Node::None)
}

/// The first and the last location of a condition; `None` without one. Where nothing has a location, the end of the
/// text is given, which lies in no edit.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what has no location of its own lies between what has"
)]
fn extent(condition: Node<'_>) -> Option<(usize, usize)> {
    if matches!(condition, Node::None) {
        return None;
    }
    let mut found: Option<(usize, usize)> = None;
    let mut meet = |node: Node<'_>| {
        let location = match node {
            Node::ColumnRef(column) => column.location,
            Node::A_Const(constant) => constant.location,
            Node::ParamRef(parameter) => parameter.location,
            Node::FuncCall(call) => call.location,
            Node::A_Expr(expression) => expression.location,
            Node::RangeVar(relation) => relation.location,
            _ => -1,
        };
        if let Some(offset) = at(location) {
            let (first, last) = found.unwrap_or((offset, offset));
            found = Some((first.min(offset), last.max(offset)));
        }
    };
    meet(condition);
    walk_manual::<()>(condition, |node| {
        meet(node);
        Recurse::yes()
    });
    Some(found.unwrap_or((usize::MAX, usize::MAX)))
}

/// The value of an item of SET; nothing for a name in INSERT's list.
fn assigned(node: Node<'_>) -> Node<'_> {
    match node {
        Node::ResTarget(target) => target.val(),
        _ => Node::None,
    }
}

fn top_and(condition: Node<'_>) -> Option<usize> {
    match condition {
        Node::BoolExpr(and) if and.boolop == nodes::BoolExprType::AND_EXPR => at(and.location),
        _ => None,
    }
}

fn top_case(condition: Node<'_>) -> Option<usize> {
    match condition {
        Node::CaseExpr(case) => at(case.location),
        _ => None,
    }
}

fn at(location: i32) -> Option<usize> {
    usize::try_from(location).ok()
}

fn strings(list: &pg_raw_parse::list::NodeList) -> Vec<String> {
    list.iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

/// Names of the columns that a list of targets writes.
fn written<'t>(list: impl Iterator<Item = Node<'t>>) -> Vec<String> {
    let names = list.filter_map(|node| match node {
        Node::ResTarget(target) => target.name().map(str::to_owned),
        _ => None,
    });
    names.collect()
}

fn last_returning(returning: Option<&nodes::ReturningClause>) -> Option<String> {
    match returning?.exprs().iter().next_back()? {
        Node::ResTarget(target) => target.name().map(str::to_owned),
        _ => None,
    }
}

/// BETWEEN has the word itself as its name.
fn named_operator(kind: nodes::A_Expr_Kind::Type) -> bool {
    use nodes::A_Expr_Kind as Kind;
    !(Kind::AEXPR_BETWEEN..=Kind::AEXPR_NOT_BETWEEN_SYM).contains(&kind)
}

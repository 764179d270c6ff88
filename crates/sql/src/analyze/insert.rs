//! INSERT: its column list and where its rows come from.
//!
//! Invariants:
//! - VALUES keeps its rows apart: they may say DEFAULT, and each value is for one column. With `x.*` among the values it
//!   is a query like any other.
//! - Of any other query the columns are counted, or it is said that they cannot be.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{self, OverridingKind};

use super::Walker;
use super::assign::{Value, ValueKind, assigned_column};
use super::query::Want;
use super::row::expands;
use super::scope::{Item, Scope, Source};
use super::through::Target;
use super::write::{Walked, Write, WriteKind, blank, required};
use crate::catalog::Relation;
use crate::error::Error;
use crate::lex::TokenKind;

/// A row of VALUES.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ValueRow {
    /// The bytes inside its parentheses.
    pub inside: Range<usize>,
    /// Its values.
    pub values: Vec<Value>,
}

/// Where an INSERT's rows come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InsertSource {
    /// DEFAULT VALUES: its bytes.
    Defaults(Range<usize>),
    /// VALUES.
    Values {
        /// All of it.
        range: Range<usize>,
        /// Its rows.
        rows: Vec<ValueRow>,
    },
    /// Any other query; in MERGE, VALUES with `x.*` in it.
    Query {
        /// All of it.
        range: Range<usize>,
        /// How many columns it gives; `None` when a function's are not known.
        width: Option<usize>,
        /// Columns (from 0) that are constants or parameters without a type: they take that of the target's column.
        untyped: Vec<(usize, Range<usize>)>,
    },
}

impl<'a> Walker<'a> {
    pub(super) fn insert_body(
        &mut self,
        insert: &'a nodes::InsertStmt,
        range: Range<usize>,
    ) -> Walked {
        let target = required(insert.relation(), "this INSERT")?;
        let Target { item, relation, seen: view, through } =
            self.write_target(target, WriteKind::Insert)?;
        let access = item.accesses.start;
        let uses = self.out.target_uses.len();
        let mut write = blank(WriteKind::Insert, access, range);
        write.through = through;
        self.assigned(insert.cols(), relation, &mut write)?;
        self.locate_columns(&mut write, target, !insert.cols().is_empty())?;
        self.insert_source(insert, relation, &mut write)?;
        self.store(&mut write, relation)?;
        let excluded = Item {
            name: "excluded".to_owned(),
            schema: None,
            source: Source::Relation { access, relation, view, target: false },
            cols_visible: false,
            ..item.clone()
        };
        if let Some(conflict) = insert.on_conflict_clause() {
            if write.through.is_some() {
                return Err(Error::unsupported("ON CONFLICT through a view", conflict.location));
            }
            let items = [item.clone(), excluded];
            self.conflict(conflict, &items, relation, &mut write)?;
        }
        let columns = self.returning(insert.returning_clause(), &[item], &mut write)?;
        self.finish_write(write, uses, columns)
    }

    /// Columns named by an INSERT list.
    pub(super) fn assigned(
        &mut self,
        list: &'a NodeList,
        relation: &Relation,
        write: &mut Write,
    ) -> Result<(), Error> {
        for node in list {
            let Node::ResTarget(target) = node else {
                return Err(Error::unsupported("this column list", -1));
            };
            let column = assigned_column(target, relation)?;
            if !target.indirection().is_empty() {
                write.partial.push(column.0);
            }
            write.columns.push(column);
            self.subscripts(target, &Scope { items: &[], parent: None })?;
        }
        Ok(())
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
        relation: &Relation,
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
            Node::SelectStmt(select) => match self.plain_values(select, token) {
                true => self.insert_values(select, range, relation, write)?,
                false => self.insert_query(select, range)?,
            },
            _ => return Err(Error::unsupported("this source of INSERT", -1)),
        });
        Ok(())
    }

    /// VALUES whose rows can be told apart, and of which it is known which value is for which column.
    fn plain_values(&self, select: &nodes::SelectStmt, token: usize) -> bool {
        let expanded =
            |row: Node<'_>| row.as_node_list().is_some_and(|row| row.iter().any(expands));
        !select.values_lists().is_empty()
            && !select.values_lists().iter().any(expanded)
            && select.with_clause().is_none()
            && select.sort_clause().is_empty()
            && matches!(select.limit_count(), Node::None)
            && matches!(select.limit_offset(), Node::None)
            && self.parsed.is_keyword(token, "values")
    }

    fn insert_query(
        &mut self,
        select: &'a nodes::SelectStmt,
        range: Range<usize>,
    ) -> Result<InsertSource, Error> {
        let columns = self.select(select, None, Want::Columns)?;
        let width = (!columns.open).then_some(columns.list.len());
        let untyped = self.untyped(select, width);
        let width = width.filter(|_| untyped.is_some());
        Ok(InsertSource::Query { range, width, untyped: untyped.unwrap_or_default() })
    }

    fn insert_values(
        &mut self,
        select: &'a nodes::SelectStmt,
        range: Range<usize>,
        relation: &Relation,
        write: &Write,
    ) -> Result<InsertSource, Error> {
        let scope = Scope { items: &[], parent: None };
        for row in select.values_lists() {
            let row = row.as_node_list().ok_or_else(|| Error::unsupported("this row", -1))?;
            for (index, value) in row.iter().enumerate() {
                self.expression(value, &scope)?;
                // Without a list of columns, which one it is depends on what the reader sees.
                let listed = write.columns.get(index).filter(|_| write.partial.is_empty());
                let column = listed.and_then(|(id, _)| relation.columns.get(usize::from(id.0)));
                self.free_value(value, column);
            }
        }
        let token = self.parsed.tokens().first_at_or_after(range.start);
        let rows = self.value_rows(token + 1, select)?;
        Ok(InsertSource::Values { range, rows })
    }

    /// Items of a SELECT list that INSERT gives the type of its column; `None` where it is not known which column
    /// that would be.
    fn untyped(
        &self,
        select: &'a nodes::SelectStmt,
        width: Option<usize>,
    ) -> Option<Vec<(usize, Range<usize>)>> {
        let targets = select.target_list();
        let stars = targets.iter().filter(|target| expands(target.val())).count();
        let star_width = (width? + stars).checked_sub(targets.len());
        let (mut index, mut found) = (0, Vec::new());
        for target in targets {
            if expands(target.val()) {
                index += star_width?;
                continue;
            }
            if self.value_kind(target.val()) == ValueKind::Untyped {
                if stars > 1 {
                    return None;
                }
                let token = self.parsed.token_at(location(target.val())?).ok()?;
                found.push((index, self.parsed.start(token)..self.parsed.end(token)));
            }
            index += 1;
        }
        Some(found)
    }

    fn value_rows(
        &self,
        mut token: usize,
        select: &'a nodes::SelectStmt,
    ) -> Result<Vec<ValueRow>, Error> {
        let mut rows = Vec::with_capacity(select.values_lists().len());
        for row in select.values_lists() {
            let nodes = row.as_node_list().ok_or_else(|| Error::unsupported("this row", -1))?;
            let (row, close) = self.value_row(token, nodes)?;
            rows.push(row);
            token = close + 1;
            if self.parsed.is(token, TokenKind::Comma) {
                token += 1;
            }
        }
        Ok(rows)
    }

    /// The values between two parentheses, and the token of the closing one.
    pub(super) fn value_row(
        &self,
        open: usize,
        nodes: &'a NodeList,
    ) -> Result<(ValueRow, usize), Error> {
        let close = self.parsed.closing(open)?;
        let inside = self.parsed.end(open)..self.parsed.start(close);
        let ranges = self.split_commas(open + 1, close);
        if ranges.len() != nodes.len() {
            return Err(crate::parse::disagreement(inside.start));
        }
        let values = ranges.into_iter().zip(nodes);
        let values = values.map(|(range, node)| Value { range, kind: self.value_kind(node) });
        Ok((ValueRow { inside, values: values.collect() }, close))
    }

    /// Byte behind an INSERT's source: before ON CONFLICT, RETURNING, or the statement's end.
    fn source_end(&self, insert: &nodes::InsertStmt, write: &Write) -> Result<usize, Error> {
        if let Some(conflict) = insert.on_conflict_clause() {
            let token = self.parsed.token_at(conflict.location)?;
            return Ok(self.parsed.end(token - 1));
        }
        self.before_returning(write, insert.returning_clause().is_some())
    }
}

/// Where a constant or parameter stands.
fn location(node: Node<'_>) -> Option<i32> {
    match node {
        Node::A_Const(constant) => Some(constant.location),
        Node::ParamRef(parameter) => Some(parameter.location),
        _ => None,
    }
}

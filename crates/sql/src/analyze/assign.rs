//! SET lists of UPDATE and ON CONFLICT: which column gets which value, and where it stands.
//!
//! In:  the list's nodes and the bytes behind SET.
//! Out: one [`Assignment`] per item of the text.
//!
//! Invariants:
//! - As many items in the text as in the tree, each with its columns; otherwise the statement is refused.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::nodes;

use super::Walker;
use super::constant::Binding;
use super::scope::Scope;
use crate::catalog::{ColumnId, Relation};
use crate::error::{Error, offset};
use crate::lex::TokenKind;
use crate::parse::disagreement;

/// How a value finds its type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ValueKind {
    /// The word DEFAULT.
    Default,
    /// A string constant, NULL or parameter: takes the type of the column that it is for.
    Untyped,
    /// Anything else.
    Typed,
}

/// A value that a write gives to a column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Value {
    /// Its bytes.
    pub range: Range<usize>,
    /// How it finds its type.
    pub kind: ValueKind,
}

/// Where the values of an item of SET come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Assigned {
    /// `a = value`, `(a, b) = (value, value)`: one per column.
    Values(Vec<Value>),
    /// `(a, b) = (SELECT …)`: the sub-select with its parentheses.
    Query(Range<usize>),
    /// A part of a column, or a row that is not written out or has another number of values than there are columns.
    Other,
}

/// One item of SET.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assignment {
    /// Its bytes.
    pub range: Range<usize>,
    /// Columns assigned, with where they are named.
    pub columns: Vec<(ColumnId, usize)>,
    /// Their values.
    pub from: Assigned,
}

/// Every column that a SET list names.
pub(super) fn columns_of(assignments: &[Assignment]) -> Vec<(ColumnId, usize)> {
    assignments.iter().flat_map(|assignment| assignment.columns.iter().copied()).collect()
}

impl<'a> Walker<'a> {
    /// `SET a = …, (b, c) = …`; `text` is what stands behind SET.
    pub(super) fn set_list(
        &mut self,
        list: impl Iterator<Item = &'a nodes::ResTarget>,
        text: &Range<usize>,
        relation: &Relation,
        scope: &Scope<'a, '_>,
    ) -> Result<Vec<Assignment>, Error> {
        let first = self.parsed.tokens().first_at_or_after(text.start);
        let end = self.parsed.tokens().first_at_or_after(text.end);
        let mut items = self.split_commas(first, end).into_iter();
        let mut assignments: Vec<Assignment> = Vec::new();
        for target in list {
            let column = assigned_column(target, relation)?;
            self.subscripts(target, scope)?;
            let shared = match target.val() {
                // The source of `(a, b) = …` is shared by its columns: walk it once.
                Node::MultiAssignRef(reference) => reference.colno != 1,
                _ => false,
            };
            if shared {
                let last = assignments.last_mut().ok_or_else(|| disagreement(text.start))?;
                last.columns.push(column);
                if !target.indirection().is_empty() {
                    last.from = Assigned::Other;
                }
                continue;
            }
            let outside = std::mem::replace(&mut self.binding, Binding::Assignment);
            let walked = self.expression(target.val(), scope);
            self.binding = outside;
            walked?;
            let whole = target.indirection().is_empty();
            let assigned = relation.columns.get(usize::from(column.0.0)).filter(|_| whole);
            self.free_value(target.val(), assigned);
            let range = items.next().ok_or_else(|| disagreement(text.start))?;
            let from = match target.indirection().is_empty() {
                true => self.assigned_from(target.val(), &range)?,
                false => Assigned::Other,
            };
            assignments.push(Assignment { range, columns: vec![column], from });
        }
        match items.next() {
            None => Ok(assignments),
            Some(extra) => Err(disagreement(extra.start)),
        }
    }

    fn assigned_from(&self, node: Node<'a>, range: &Range<usize>) -> Result<Assigned, Error> {
        let first = self.parsed.tokens().first_at_or_after(range.start);
        let end = self.parsed.tokens().first_at_or_after(range.end);
        let Node::MultiAssignRef(reference) = node else {
            let value = self.behind_equals(first + 1)?;
            let range = self.parsed.start(value)..range.end;
            return Ok(Assigned::Values(vec![Value { range, kind: self.value_kind(node) }]));
        };
        let mut open = self.behind_equals(self.parsed.closing(first)? + 1)?;
        if self.parsed.is_keyword(open, "row") {
            open += 1;
        }
        let close = self.parsed.closing(open)?;
        if close + 1 != end {
            return Ok(Assigned::Other);
        }
        let columns = usize::try_from(reference.ncolumns).unwrap_or_default();
        match reference.source() {
            // PostgreSQL refuses another number of values, if it is one once `x.*` has been expanded.
            Node::RowExpr(row)
                if row.args().len() != columns || row.args().iter().any(super::row::expands) =>
            {
                Ok(Assigned::Other)
            }
            Node::SubLink(_) if self.sublink_width.is_some_and(|width| width != columns) => {
                Ok(Assigned::Other)
            }
            Node::RowExpr(row) => {
                let values = self.split_commas(open + 1, close);
                if values.len() != row.args().len() {
                    return Err(disagreement(range.start));
                }
                let values = values.into_iter().zip(row.args());
                let values =
                    values.map(|(range, node)| Value { range, kind: self.value_kind(node) });
                Ok(Assigned::Values(values.collect()))
            }
            Node::SubLink(_) => {
                Ok(Assigned::Query(self.parsed.start(open)..self.parsed.end(close)))
            }
            _ => Ok(Assigned::Other),
        }
    }

    fn behind_equals(&self, token: usize) -> Result<usize, Error> {
        if self.parsed.is(token, TokenKind::Operator) && self.parsed.word(token) == "=" {
            return Ok(token + 1);
        }
        Err(disagreement(self.parsed.start(token.min(self.parsed.tokens().len() - 1))))
    }

    /// `tags[1]`, `address.city`: a part of a column is assigned.
    pub(super) fn subscripts(
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

    pub(super) fn value_kind(&self, node: Node<'_>) -> ValueKind {
        match node {
            Node::SetToDefault(_) => ValueKind::Default,
            Node::A_Const(constant) => match constant.val() {
                Some(pg_raw_parse::ConstValue::String(_)) | None => ValueKind::Untyped,
                Some(_) => ValueKind::Typed,
            },
            Node::ParamRef(parameter) => {
                let index = usize::try_from(parameter.number - 1).ok();
                let declared = index.and_then(|index| self.names.parameter_types.get(index));
                match declared {
                    None | Some(0 | 705) => ValueKind::Untyped,
                    Some(_) => ValueKind::Typed,
                }
            }
            _ => ValueKind::Typed,
        }
    }

    /// The bytes behind SET, up to FROM, WHERE, RETURNING or the end of `range`.
    pub(super) fn set_text(&self, range: &Range<usize>) -> Result<Range<usize>, Error> {
        let set = self.parsed.clause(range, "set").ok_or_else(|| disagreement(range.start))?;
        let mut text = self.parsed.end(set)..range.end;
        for keyword in ["returning", "where"] {
            if let Some(token) = self.parsed.clause(&text, keyword) {
                text.end = self.parsed.end(token - 1);
            }
        }
        let mut rest = text.clone();
        while let Some(token) = self.parsed.clause(&rest, "from") {
            // `a IS DISTINCT FROM b`
            if !self.parsed.is_keyword(token - 1, "distinct") {
                text.end = self.parsed.end(token - 1);
                break;
            }
            rest.start = self.parsed.end(token);
        }
        Ok(text)
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
}

pub(super) fn assigned_column(
    target: &nodes::ResTarget,
    relation: &Relation,
) -> Result<(ColumnId, usize), Error> {
    let name = target.name().unwrap_or_default();
    let place = offset(target.location);
    let unknown = || Error::UnknownColumn { name: name.to_owned(), offset: place };
    let column = relation.column(name).ok_or_else(unknown)?;
    Ok((column, place.unwrap_or_default()))
}

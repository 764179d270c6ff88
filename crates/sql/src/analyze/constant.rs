//! Constants whose value nobody looks at, beyond its class: a plan holds for any other value there.
//!
//! In:  places as the walk meets them.
//! Out: [`Statement::free`](super::Statement); a constant that is not in it may have been looked at.
//!
//! Invariants:
//! - A constant is fixed unless a place that is named here frees it: an operand of a comparison or of `+ - *`, an item of
//!   IN or BETWEEN, a value of VALUES or SET, a plain count behind LIMIT and OFFSET, each as it stands or cast to a type
//!   that reads no names. So are those of items that a SELECT list, GROUP BY and ORDER BY merely hold.
//! - Whoever reads a constant's value in the tree keeps it out of here: `leaf` (patterns, intervals, LIMIT of a
//!   sub-select), `number` (divisors), `lookup` (names in strings). `tests/consts.rs` of `rewrite` exchanges every free
//!   constant of the corpus and demands the same verdict.
//! - What a client cannot tell from a parameter is decided separately, and more narrowly ([`Bind`]).

use pg_raw_parse::nodes::{self, A_Expr_Kind};
use pg_raw_parse::{ConstValue, Node};

use super::Walker;
use super::leaf::{comparison, row_free};
use super::shape::{Shape, oid};
use crate::catalog::{Column, Oid};
use crate::lex::TokenKind;

/// A constant whose value was not looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Free {
    /// Which token of the text it is, from 0; a sign before it is not part of it.
    pub token: usize,
    /// A minus stands before it, which the grammar makes part of the value.
    pub negative: bool,
    /// Whether a parameter could stand in its place.
    pub bind: Bind,
}

/// Whether a parameter of the constant's type could stand in its place without the client's noticing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bind {
    /// No, or it is not known.
    Never,
    /// It is compared with what is read from a row, in WHERE or ON, or added to it, in SET. A number has the type of its
    /// class there whatever it meets.
    Number,
    /// As `Number`, and what it is compared with is of type text or varchar: so would a string be.
    NumberOrText,
    /// It is assigned to a column of that type, which has no modifier.
    Assigned(Oid),
}

/// Where an expression stands, as far as parameters go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Binding {
    /// Where PostgreSQL may compare expressions with each other, or the place is not known to be safe.
    #[default]
    Never,
    /// In WHERE or ON of a query that no SELECT list, GROUP BY or ORDER BY holds.
    Condition,
    /// Behind SET.
    Assignment,
}

/// Longest IN list whose items could be parameters: PostgreSQL hashes longer ones, if they are constants
/// (`MIN_ARRAY_SIZE_FOR_HASHED_SAOP`).
const LISTED: usize = 8;

/// Built-in types whose input reads nothing but its text, and whose cast the analysis takes for granted.
const PLAIN_TYPES: [&str; 14] = [
    "bool",
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "numeric",
    "text",
    "varchar",
    "bpchar",
    "date",
    "timestamp",
    "timestamptz",
    "uuid",
];

impl<'a> Walker<'a> {
    /// The operands of an operation that is a comparison or arithmetic.
    pub(super) fn free_operands(
        &mut self,
        expression: &'a nodes::A_Expr,
        left: Shape,
        right: Shape,
    ) {
        let (first, second) = (expression.lexpr(), expression.rexpr());
        let name = super::name::last_string(expression.name()).unwrap_or_default();
        match expression.kind {
            A_Expr_Kind::AEXPR_OP if matches!(first, Node::None) => {}
            A_Expr_Kind::AEXPR_OP if comparison(expression.name()) => {
                let (of_first, of_second) =
                    (self.compared(name, second, right), self.compared(name, first, left));
                self.free(first, of_first);
                self.free(second, of_second);
            }
            A_Expr_Kind::AEXPR_OP if ["+", "-", "*"].contains(&name) => {
                let (of_first, of_second) = (self.added(second), self.added(first));
                self.free(first, of_first);
                self.free(second, of_second);
            }
            A_Expr_Kind::AEXPR_DISTINCT | A_Expr_Kind::AEXPR_NOT_DISTINCT => {
                self.free(first, Bind::Never);
                self.free(second, Bind::Never);
            }
            A_Expr_Kind::AEXPR_IN
            | A_Expr_Kind::AEXPR_BETWEEN
            | A_Expr_Kind::AEXPR_NOT_BETWEEN
            | A_Expr_Kind::AEXPR_BETWEEN_SYM
            | A_Expr_Kind::AEXPR_NOT_BETWEEN_SYM => {
                self.free(first, Bind::Never);
                let bind = self.compared(name, first, left);
                let Node::NodeList(list) = second else { return };
                let bind = if list.len() > LISTED { Bind::Never } else { bind };
                list.iter().for_each(|item| self.free(item, bind));
            }
            // A pattern, an array, an operator of unknown meaning.
            _ => {}
        }
    }

    /// What may stand beside `other` in a comparison.
    fn compared(&self, name: &str, other: Node<'a>, shape: Shape) -> Bind {
        if self.binding == Binding::Never || row_free(other) {
            return Bind::Never;
        }
        let equality = ["=", "<>", "!="].contains(&name);
        let column = matches!(other, Node::ColumnRef(_));
        let textual = shape.kind == Some(oid::TEXT) || shape.kind == Some(oid::VARCHAR);
        if equality && column && textual { Bind::NumberOrText } else { Bind::Number }
    }

    /// What may be added to `other`. In a condition it stays: an index may be over the sum.
    fn added(&self, other: Node<'a>) -> Bind {
        match self.binding {
            Binding::Assignment if !row_free(other) => Bind::Number,
            Binding::Assignment | Binding::Condition | Binding::Never => Bind::Never,
        }
    }

    /// A value that is assigned to a column, if it is known which.
    pub(super) fn free_value(&mut self, node: Node<'a>, column: Option<&Column>) {
        let plain = column.filter(|column| column.type_modifier < 0);
        self.free(node, plain.map_or(Bind::Never, |column| Bind::Assigned(column.type_oid)));
    }

    /// LIMIT and OFFSET: a plain count, whose sign is known.
    pub(super) fn free_count(&mut self, node: Node<'a>) {
        let Node::A_Const(constant) = node else { return };
        let place = self.parsed.token_at(constant.location);
        if place.is_ok_and(|token| self.parsed.is(token, TokenKind::Integer)) {
            self.free(node, Bind::Never);
        }
    }

    /// Takes back that a constant is free: somebody looks at it after all.
    pub(super) fn fix(&mut self, node: Node<'a>) {
        if let Some((token, _)) = self.constant_at(node) {
            self.out.free.retain(|free| free.token != token);
        }
    }

    fn free(&mut self, node: Node<'a>, bind: Bind) {
        if self.views > 0 {
            // The text of a view's definition, not the client's.
            return;
        }
        if let Node::TypeCast(cast) = node {
            let Some(kind) = cast.type_name() else { return };
            let names: Vec<&str> = kind.names().iter().filter_map(nodes::String::sval).collect();
            let plain = match names.as_slice() {
                [name] | ["pg_catalog", name] => PLAIN_TYPES.contains(name),
                _ => false,
            };
            if plain && kind.typmods().is_empty() && kind.array_bounds().is_empty() {
                self.free_constant(cast.arg(), Bind::Never);
            }
            return;
        }
        self.free_constant(node, bind);
    }

    fn free_constant(&mut self, node: Node<'a>, bind: Bind) {
        if let Some((token, negative)) = self.constant_at(node) {
            self.out.free.push(Free { token, negative, bind });
        }
    }

    /// Which token a constant is, and whether a minus before it is part of its value.
    fn constant_at(&self, node: Node<'a>) -> Option<(usize, bool)> {
        let Node::A_Const(constant) = node else { return None };
        let number = match constant.val()? {
            ConstValue::Integer(_) | ConstValue::Float(_) => true,
            ConstValue::String(_) => false,
            _ => return None,
        };
        let token = self.parsed.token_at(constant.location).ok()?;
        let minus =
            number && self.parsed.is(token, TokenKind::Operator) && self.parsed.word(token) == "-";
        let token = if minus { token + 1 } else { token };
        let kind = self.parsed.tokens().get(token)?.kind;
        let fits = match kind {
            TokenKind::Integer | TokenKind::Float => number,
            TokenKind::String => !number,
            _ => false,
        };
        fits.then_some((token, minus))
    }
}

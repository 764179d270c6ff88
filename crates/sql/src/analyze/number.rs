//! Numbers that cannot overflow: a bound on their digits.
//!
//! `numeric` raises beyond 131,072 digits before the point and 16,383 behind it (`numeric.c`, NUMERIC_WEIGHT_MAX and
//! NUMERIC_DSCALE_MAX). A column `numeric(p, s)` has at most 2,000 of both together, an integer 19; sums and products of a
//! few of them stay far below. Integers and floats overflow at values that a column may hold: no bound is given for
//! what they are computed to.

use pg_raw_parse::{ConstValue, Node};

use super::shape::{Shape, oid};
use crate::catalog::{Column, Oid};
use crate::lex::NUMERIC_BYTES;

/// Beyond this many digits nothing is promised.
const MOST: u16 = 10_000;

/// What an aggregate or a division may add.
const ROOM: u16 = 1_020;

/// The bound for a column's values.
pub(super) fn digits_of_column(column: &Column) -> u16 {
    match column.type_oid {
        oid::NUMERIC if column.type_modifier >= 4 => 2_000,
        kind if integer(kind) => 19,
        _ => 0,
    }
}

/// The bound for a constant: one and the same for all that a plan may be shared by (`lex::skeleton`).
pub(super) fn digits_of_constant(constant: &ConstValue<'_>) -> u16 {
    match constant {
        ConstValue::Integer(_) => 19,
        ConstValue::Float(text)
            if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') =>
        {
            u16::try_from(text.len().max(NUMERIC_BYTES)).unwrap_or(0)
        }
        _ => 0,
    }
}

/// `+ - * /` with a result of type numeric, where it cannot raise.
pub(super) fn arithmetic(
    name: &str,
    left: Shape,
    right: Shape,
    divisor: Node<'_>,
) -> Option<Shape> {
    let number = |shape: Shape| {
        shape.digits > 0 && shape.kind.is_some_and(|kind| kind == oid::NUMERIC || integer(kind))
    };
    let one = left.kind == Some(oid::NUMERIC) || right.kind == Some(oid::NUMERIC);
    if !number(left) || !number(right) || !one || !left.calm || !right.calm {
        return None;
    }
    let room = match name {
        "+" | "-" | "*" => 1,
        "/" if nonzero(divisor) => ROOM,
        _ => return None,
    };
    let digits = left
        .digits
        .checked_add(right.digits)?
        .checked_add(room)
        .filter(|digits| *digits <= MOST)?;
    let literal = left.literal && right.literal;
    Some(Shape { kind: Some(oid::NUMERIC), calm: true, literal, digits, ..Shape::OPAQUE })
}

/// `sum` and `avg` of integers and bounded numerics: a sum of 2^63 rows has 19 digits more.
pub(super) fn total(name: &str, part: Shape) -> Option<Shape> {
    let kind = part.kind.filter(|_| part.digits > 0 && part.calm)?;
    let result = match (name, kind) {
        ("sum", oid::INT2 | oid::INT4) => oid::INT8,
        ("sum" | "avg", kind) if kind == oid::NUMERIC || integer(kind) => oid::NUMERIC,
        _ => return None,
    };
    let digits = part.digits.checked_add(ROOM).filter(|digits| *digits <= MOST)?;
    Some(Shape { digits, ..Shape::value(result) })
}

/// The type that whole numbers and numerics have in common, none of which is lost on the way.
pub(super) fn widest(kinds: &[Option<Oid>]) -> Option<Oid> {
    const TOWER: [Oid; 4] = [oid::INT2, oid::INT4, oid::INT8, oid::NUMERIC];
    let mut highest = 0;
    for kind in kinds {
        highest = highest.max(TOWER.iter().position(|known| Some(*known) == *kind)?);
    }
    Some(TOWER[highest])
}

fn integer(kind: Oid) -> bool {
    [oid::INT2, oid::INT4, oid::INT8].contains(&kind)
}

/// A constant other than zero.
fn nonzero(node: Node<'_>) -> bool {
    let Node::A_Const(constant) = node else { return false };
    match constant.val() {
        Some(ConstValue::Integer(value)) => value != 0,
        Some(ConstValue::Float(text)) => {
            digits_of_constant(&ConstValue::Float(text)) > 0
                && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
        }
        Some(_) | None => false,
    }
}

//! Small questions about one node: constants, operators, bounds.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, SQLValueFunctionOp};

use super::shape::{Shape, oid};
use crate::catalog::Oid;
use crate::error::Error;

pub(super) fn required<T>(value: Option<T>, location: i32) -> Result<T, Error> {
    value.ok_or_else(|| Error::unsupported("this type", location))
}

pub(super) fn constant_shape(constant: &nodes::A_Const) -> Shape {
    use pg_raw_parse::ConstValue;
    let digits = constant.val().map_or(0, |value| super::number::digits_of_constant(&value));
    let shape = match constant.val() {
        Some(ConstValue::Integer(_)) => Shape::literal(oid::INT4),
        Some(ConstValue::Float(digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let fits = digits.parse::<i64>().is_ok();
            Shape::literal(if fits { oid::INT8 } else { oid::NUMERIC })
        }
        Some(ConstValue::Float(_)) => Shape::literal(oid::NUMERIC),
        Some(ConstValue::Boolean(_)) => Shape::literal(oid::BOOL),
        Some(_) | None => Shape::UNKNOWN,
    };
    Shape { digits, ..shape }
}

/// CASE, COALESCE, GREATEST: calm when all are, and of one type, so that no cast can raise.
pub(super) fn alternatives(parts: &[Shape]) -> Shape {
    let typed = parts.iter().find(|part| part.kind != Some(oid::UNKNOWN));
    let kind = typed.map_or(Some(oid::UNKNOWN), |part| part.kind);
    let same = kind.is_some()
        && parts.iter().all(|part| part.kind == kind || part.kind == Some(oid::UNKNOWN));
    let literal = parts.iter().all(|part| part.literal);
    let every = parts.iter().all(|part| part.calm);
    let digits = if parts.iter().all(|part| part.digits > 0) {
        parts.iter().map(|part| part.digits).max().unwrap_or(0)
    } else {
        0
    };
    if !same {
        let kinds: Vec<_> = parts.iter().map(|part| part.kind).collect();
        let kind = super::number::widest(&kinds);
        return Shape { kind, calm: every && kind.is_some(), literal, digits, ..Shape::OPAQUE };
    }
    let first = typed.copied().unwrap_or(Shape::UNKNOWN);
    let alike = parts.iter().all(|part| part.literal || part.collation == first.collation);
    let collation = if alike { first.collation } else { Oid(0) };
    Shape {
        kind,
        calm: every,
        literal,
        digits,
        collation,
        enumerated: first.enumerated,
        ..Shape::OPAQUE
    }
}

pub(super) fn comparison(name: &pg_raw_parse::list::NodeList) -> bool {
    let operator = super::name::last_string(name).unwrap_or_default();
    ["=", "<>", "!=", "<", ">", "<=", ">="].contains(&operator)
}

/// Whether an operation compares its two sides, rather than join or match texts.
pub(super) fn compares(expression: &nodes::A_Expr) -> bool {
    use nodes::A_Expr_Kind as Kind;
    let texts = [Kind::AEXPR_LIKE, Kind::AEXPR_ILIKE, Kind::AEXPR_SIMILAR];
    let named = expression.kind != Kind::AEXPR_OP || comparison(expression.name());
    named && !texts.contains(&expression.kind)
}

/// The type of `+ - * /` over built-in numbers and times; `None` where we do not know.
pub(super) fn arithmetic(name: &str, left: Shape, right: Shape) -> Option<Oid> {
    let (left, right) = (left.kind?, right.kind?);
    if !["+", "-", "*", "/", "%"].contains(&name) {
        return None;
    }
    match (left, right) {
        (oid::DATE, oid::INTERVAL) => Some(oid::TIMESTAMP),
        (oid::TIMESTAMP | oid::TIMESTAMPTZ, oid::INTERVAL) => Some(left),
        (oid::DATE, oid::INT4) => Some(oid::DATE),
        (oid::DATE, oid::DATE) => Some(oid::INT4),
        (oid::INT2 | oid::INT4 | oid::INT8, oid::NUMERIC)
        | (oid::NUMERIC, oid::INT2 | oid::INT4 | oid::INT8) => Some(oid::NUMERIC),
        (oid::INT4, oid::INT8) | (oid::INT8, oid::INT4) => Some(oid::INT8),
        (left, right) if left == right => Some(left),
        _ => None,
    }
}

/// A LIKE pattern that cannot raise: a string constant that does not end in an escape.
pub(super) fn calm_pattern(node: Node<'_>) -> bool {
    let Node::A_Const(constant) = node else { return false };
    match constant.val() {
        Some(pg_raw_parse::ConstValue::String(pattern)) => !pattern.ends_with('\\'),
        Some(_) | None => false,
    }
}

pub(super) fn parameter_or_literal(node: Node<'_>, shape: Shape) -> bool {
    let plain = matches!(node, Node::A_Const(_) | Node::ParamRef(_) | Node::A_ArrayExpr(_));
    plain && shape.calm
}

/// An interval constant that cannot take a time of our age out of range.
pub(super) fn bounded_interval(node: Node<'_>) -> bool {
    let Node::TypeCast(cast) = node else { return false };
    let Node::A_Const(constant) = cast.arg() else { return false };
    let Some(pg_raw_parse::ConstValue::String(text)) = constant.val() else { return false };
    let name = cast.type_name().and_then(|name| name.names().iter().next_back());
    if name.and_then(nodes::String::sval) != Some("interval") {
        return false;
    }
    let text = text.to_ascii_lowercase();
    let short = text.split(|byte: char| !byte.is_ascii_digit()).all(|digits| digits.len() <= 3);
    short && !["c", "mil", "dec"].iter().any(|unit| text.contains(unit))
}

pub(super) fn now_like(node: Node<'_>) -> bool {
    match node {
        Node::SQLValueFunction(_) => true,
        Node::FuncCall(call) => super::name::last_string(call.funcname()) == Some("now"),
        _ => false,
    }
}

/// A sub-select that gives exactly one row: aggregates without GROUP BY, or LIMIT 1.
pub(super) fn single_row(select: &nodes::SelectStmt) -> bool {
    let one = matches!(select.limit_count(), Node::A_Const(constant)
        if matches!(constant.val(), Some(pg_raw_parse::ConstValue::Integer(0 | 1))));
    let aggregate = select.group_clause().is_empty()
        && select.target_list().len() == 1
        && select.target_list().iter().all(|target| is_aggregate(target.val()));
    one || aggregate
}

pub(super) fn is_aggregate(node: Node<'_>) -> bool {
    if let Node::A_Expr(expression) = node {
        return is_aggregate(expression.lexpr()) || is_aggregate(expression.rexpr());
    }
    let Node::FuncCall(call) = node else { return false };
    let name = super::name::last_string(call.funcname()).unwrap_or_default();
    call.over().is_none() && ["count", "min", "max", "sum", "avg"].contains(&name)
}

/// A LIMIT or OFFSET that cannot raise: none, NULL, or a constant that is not negative.
pub(super) fn plain_bound(node: Node<'_>) -> bool {
    match node {
        Node::None => true,
        Node::A_Const(constant) => match constant.val() {
            Some(pg_raw_parse::ConstValue::Integer(count)) => count >= 0,
            Some(_) => false,
            None => true,
        },
        _ => false,
    }
}

/// Whether an expression reads no column at all.
#[expect(clippy::wildcard_enum_match_arm, reason = "anything else may read a row: the safe answer")]
pub(super) fn row_free(node: Node<'_>) -> bool {
    match node {
        Node::A_Const(_) | Node::ParamRef(_) | Node::SQLValueFunction(_) => true,
        Node::TypeCast(cast) => row_free(cast.arg()),
        Node::A_ArrayExpr(array) => array.elements().iter().all(row_free),
        Node::A_Expr(expression) => {
            let prefix = matches!(expression.lexpr(), Node::None);
            (prefix || row_free(expression.lexpr())) && row_free(expression.rexpr())
        }
        Node::FuncCall(call) => call.args().iter().all(row_free),
        _ => false,
    }
}

/// Whether a condition looks at anything but constants, parameters and calls of functions with those. Without recursion:
/// it is asked before the walk has bounded the depth.
#[expect(clippy::wildcard_enum_match_arm, reason = "anything else may read a row")]
pub(super) fn looks_at_rows<'a>(condition: Node<'a>) -> bool {
    let mut waiting: Vec<Node<'a>> = vec![condition];
    while let Some(node) = waiting.pop() {
        match node {
            Node::None | Node::A_Const(_) | Node::ParamRef(_) | Node::SQLValueFunction(_) => {}
            Node::TypeCast(cast) => waiting.push(cast.arg()),
            Node::A_ArrayExpr(array) => waiting.extend(array.elements().iter()),
            Node::A_Expr(expression) => waiting.extend([expression.lexpr(), expression.rexpr()]),
            Node::FuncCall(call) => waiting.extend(call.args().iter()),
            Node::BoolExpr(operands) => waiting.extend(operands.args().iter()),
            Node::NodeList(list) => waiting.extend(list.iter()),
            Node::NullTest(test) => waiting.push(test.arg()),
            Node::BooleanTest(test) => waiting.push(test.arg()),
            _ => return true,
        }
    }
    false
}

pub(super) fn value_function(function: &nodes::SQLValueFunction) -> Result<Shape, Error> {
    use SQLValueFunctionOp as Op;
    let kind = match function.op {
        Op::SVFOP_CURRENT_DATE => oid::DATE,
        Op::SVFOP_CURRENT_TIME | Op::SVFOP_CURRENT_TIME_N => oid::TIMETZ,
        Op::SVFOP_CURRENT_TIMESTAMP | Op::SVFOP_CURRENT_TIMESTAMP_N => oid::TIMESTAMPTZ,
        Op::SVFOP_LOCALTIME | Op::SVFOP_LOCALTIME_N => oid::TIME,
        Op::SVFOP_LOCALTIMESTAMP | Op::SVFOP_LOCALTIMESTAMP_N => oid::TIMESTAMP,
        Op::SVFOP_CURRENT_ROLE
        | Op::SVFOP_CURRENT_USER
        | Op::SVFOP_USER
        | Op::SVFOP_SESSION_USER
        | Op::SVFOP_CURRENT_CATALOG
        | Op::SVFOP_CURRENT_SCHEMA => oid::NAME,
        _ => return Err(Error::unsupported("this function", function.location)),
    };
    Ok(Shape::value(kind))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "names a refused construct")]
pub(super) fn json_or_other(node: Node<'_>) -> &'static str {
    match node {
        Node::JsonFuncExpr(_)
        | Node::JsonObjectConstructor(_)
        | Node::JsonArrayConstructor(_)
        | Node::JsonArrayQueryConstructor(_)
        | Node::JsonObjectAgg(_)
        | Node::JsonArrayAgg(_)
        | Node::JsonIsPredicate(_)
        | Node::JsonParseExpr(_)
        | Node::JsonScalarExpr(_)
        | Node::JsonSerializeExpr(_) => "an SQL/JSON expression of PostgreSQL 16 or later",
        _ => "this expression",
    }
}

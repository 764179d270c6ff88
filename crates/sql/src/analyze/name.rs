//! The name that PostgreSQL gives an output column without AS (`FigureColname` in parse_target.c).

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{self, SubLinkType};

/// How sure PostgreSQL is of a name: a type's name gives way to one found inside.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Strength {
    None,
    Weak,
    Strong,
}

/// The output name of an expression.
pub(crate) fn output_name(node: Node<'_>) -> String {
    let (name, strength) = figure(node);
    match strength {
        Strength::None => "?column?".to_owned(),
        Strength::Weak | Strength::Strong => name.to_owned(),
    }
}

/// The last string of a name list.
pub(crate) fn last_string(list: &NodeList) -> Option<&str> {
    list.iter().filter_map(Node::as_str).next_back()
}

fn strong(name: &str) -> (&str, Strength) {
    (name, Strength::Strong)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a column label, not a verdict; every other node is named ?column?"
)]
fn figure(node: Node<'_>) -> (&str, Strength) {
    const NONE: (&str, Strength) = ("", Strength::None);
    match node {
        Node::ColumnRef(column) => last_string(column.fields()).map_or(NONE, strong),
        Node::A_Indirection(indirection) => match last_string(indirection.indirection()) {
            Some(name) => strong(name),
            None => figure(indirection.arg()),
        },
        Node::FuncCall(call) => last_string(call.funcname()).map_or(NONE, strong),
        Node::A_Expr(expression) if expression.kind == nodes::A_Expr_Kind::AEXPR_NULLIF => {
            strong("nullif")
        }
        Node::TypeCast(cast) => figure_cast(cast),
        Node::CollateClause(collate) => figure(collate.arg()),
        Node::GroupingFunc(_) => strong("grouping"),
        Node::MergeSupportFunc(_) => strong("merge_action"),
        Node::SubLink(link) => figure_sublink(link),
        Node::CaseExpr(case) => match figure(case.defresult()) {
            (_, Strength::None | Strength::Weak) => ("case", Strength::Weak),
            found @ (_, Strength::Strong) => found,
        },
        Node::A_ArrayExpr(_) => strong("array"),
        Node::RowExpr(_) => strong("row"),
        Node::CoalesceExpr(_) => strong("coalesce"),
        Node::MinMaxExpr(expression) => match expression.op {
            nodes::MinMaxOp::IS_GREATEST => strong("greatest"),
            _ => strong("least"),
        },
        Node::SQLValueFunction(function) => strong(value_function(function.op)),
        Node::XmlExpr(xml) => xml_name(xml.op).map_or(NONE, strong),
        Node::XmlSerialize(_) => strong("xmlserialize"),
        _ => NONE,
    }
}

fn figure_cast(cast: &nodes::TypeCast) -> (&str, Strength) {
    match figure(cast.arg()) {
        (_, Strength::None | Strength::Weak) => {
            let names = cast.type_name().and_then(|name| name.names().iter().next_back());
            match names.and_then(nodes::String::sval) {
                Some(name) => (name, Strength::Weak),
                None => ("", Strength::None),
            }
        }
        found @ (_, Strength::Strong) => found,
    }
}

fn figure_sublink(link: &nodes::SubLink) -> (&str, Strength) {
    match link.sub_link_type {
        SubLinkType::EXISTS_SUBLINK => strong("exists"),
        SubLinkType::ARRAY_SUBLINK => strong("array"),
        SubLinkType::EXPR_SUBLINK => {
            let Node::SelectStmt(select) = link.subselect() else { return ("", Strength::None) };
            let Some(target) = leftmost(select).target_list().first() else {
                return ("column1", Strength::Strong);
            };
            match target.name() {
                Some(name) => strong(name),
                None => figure(target.val()),
            }
        }
        _ => ("", Strength::None),
    }
}

/// The SELECT that names a set operation's columns.
pub(crate) fn leftmost(mut select: &nodes::SelectStmt) -> &nodes::SelectStmt {
    while let Some(left) = select.larg() {
        select = left;
    }
    select
}

fn value_function(op: nodes::SQLValueFunctionOp::Type) -> &'static str {
    use nodes::SQLValueFunctionOp as Op;
    match op {
        Op::SVFOP_CURRENT_DATE => "current_date",
        Op::SVFOP_CURRENT_TIME | Op::SVFOP_CURRENT_TIME_N => "current_time",
        Op::SVFOP_CURRENT_TIMESTAMP | Op::SVFOP_CURRENT_TIMESTAMP_N => "current_timestamp",
        Op::SVFOP_LOCALTIME | Op::SVFOP_LOCALTIME_N => "localtime",
        Op::SVFOP_LOCALTIMESTAMP | Op::SVFOP_LOCALTIMESTAMP_N => "localtimestamp",
        Op::SVFOP_CURRENT_ROLE => "current_role",
        Op::SVFOP_CURRENT_USER => "current_user",
        Op::SVFOP_USER => "user",
        Op::SVFOP_SESSION_USER => "session_user",
        Op::SVFOP_CURRENT_CATALOG => "current_catalog",
        _ => "current_schema",
    }
}

fn xml_name(op: nodes::XmlExprOp::Type) -> Option<&'static str> {
    use nodes::XmlExprOp as Op;
    match op {
        Op::IS_XMLCONCAT => Some("xmlconcat"),
        Op::IS_XMLELEMENT => Some("xmlelement"),
        Op::IS_XMLFOREST => Some("xmlforest"),
        Op::IS_XMLPARSE => Some("xmlparse"),
        Op::IS_XMLPI => Some("xmlpi"),
        Op::IS_XMLROOT => Some("xmlroot"),
        _ => None,
    }
}

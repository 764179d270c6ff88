//! Statements that are for pgcordon itself: for whom a session acts, and who that is.
//!
//! In:  a text, parsed.
//! Out: each statement as a [`Part`]; where it is a [`Request`], PostgreSQL does not get it.
//!
//! Invariants:
//! - Only the forms below are requests. Whatever else names a variable of ours is left to `analyze`, which refuses it as it
//!   refuses every setting that is not on the list.

use std::ops::Range;

use pg_raw_parse::nodes::{self, SetOperation, TransactionStmtKind, VariableSetKind};
use pg_raw_parse::{ConstValue, Node};

use super::lookup::constant;
use crate::error::Error;
use crate::lex::{self, TokenKind};
use crate::parse::{Limits, Parsed};
use crate::splice::{self, Edit};

/// A variable of pgcordon's own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Variable {
    /// `pgcordon.user`: for whom the session acts.
    User,
    /// `pgcordon.token`: the same by a signed token; not shown.
    Token,
    /// `pgcordon.identity`: who that is; shown only.
    Identity,
}

impl Variable {
    const ALL: [Self; 3] = [Self::User, Self::Token, Self::Identity];

    /// The variable of that name, in whatever case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "pgcordon.user",
            Self::Token => "pgcordon.token",
            Self::Identity => "pgcordon.identity",
        }
    }
}

/// An argument of `set_config`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operand {
    /// A string constant.
    Text(String),
    /// TRUE, FALSE.
    Bool(bool),
    /// NULL.
    Null,
    /// `$1` has the number 1.
    Parameter(u16),
}

/// What pgcordon is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// SET.
    Set {
        /// Which.
        variable: Variable,
        /// To what; `None` for DEFAULT.
        value: Option<String>,
        /// SET LOCAL.
        local: bool,
    },
    /// RESET.
    Reset(Variable),
    /// SELECT `set_config(name, value, is_local)` alone. A name that is a parameter is known when it is bound.
    Configure {
        /// Which.
        name: Operand,
        /// To what; NULL resets.
        value: Operand,
        /// Whether for the transaction only.
        local: Operand,
        /// Name of the column.
        label: String,
    },
    /// SHOW, or SELECT `current_setting(name)` alone, which has a column's name.
    Show {
        /// Which.
        variable: Variable,
        /// Name of the column of SELECT.
        label: Option<String>,
    },
}

/// What one statement of a text is to the session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PartKind {
    /// For pgcordon itself.
    Request(Request),
    /// BEGIN, START TRANSACTION.
    Begin,
    /// For PostgreSQL.
    Other,
}

/// One statement of a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// Its bytes.
    pub range: Range<usize>,
    /// What it is.
    pub kind: PartKind,
}

/// Whether a text may hold a request: what does not contain these words in their plain spelling has none.
#[must_use]
pub fn may_request(text: &str) -> bool {
    contains(text, "pgcordon.") || contains(text, "set_config")
}

/// Whether `text` contains `word`, which is in lower case, in whatever case.
fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let first = [word[0], word[0].to_ascii_uppercase()];
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| first.contains(byte)) {
        rest = &rest[at..];
        if rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// The statements of a text.
///
/// # Errors
/// [`Error::Limit`], [`Error::Syntax`], or [`Error::Unsupported`] when the lexer and the grammar disagree on where a
/// statement is.
pub fn parts(text: &str, limits: Limits) -> Result<Vec<Part>, Error> {
    let unreadable = |_| Error::unsupported("this text", -1);
    let read = splice::apply(text, quotes(text, limits)?).map_err(unreadable)?;
    let parsed = Parsed::new(&read.text, limits)?;
    let statements = parsed.statements()?.into_iter();
    let found = statements.map(|(range, node)| {
        let range = read.original(range.start)..read.original(range.end);
        Part { range, kind: part(node) }
    });
    Ok(found.collect())
}

/// `pgcordon.user` is what people write, but to PostgreSQL's grammar `user` is a reserved word: it is read with quotes.
fn quotes(text: &str, limits: Limits) -> Result<Vec<Edit>, Error> {
    let limits = lex::Limits { tokens: limits.tokens, nesting: limits.nesting };
    let tokens = lex::lex(text, limits).map_err(|error| Error::Syntax {
        message: error.to_string(),
        offset: Some(error.offset),
    })?;
    let tokens: Vec<_> = tokens.iter().collect();
    let word = |token: &lex::Token, word: &str| {
        token.kind == TokenKind::Identifier && token.text(text).eq_ignore_ascii_case(word)
    };
    let ours = tokens.windows(3).filter(|three| {
        word(three[0], "pgcordon") && three[1].kind == TokenKind::Dot && word(three[2], "user")
    });
    Ok(ours.map(|three| Edit { range: three[2].range(), text: splice::quoted("user") }).collect())
}

fn part(node: Node<'_>) -> PartKind {
    let request = match node {
        Node::VariableSetStmt(set) => set_request(set),
        Node::VariableShowStmt(show) => Variable::of(show.name().unwrap_or_default())
            .map(|variable| Request::Show { variable, label: None }),
        Node::SelectStmt(select) => only_call(select).and_then(call_request),
        Node::TransactionStmt(transaction) => match transaction.kind {
            TransactionStmtKind::TRANS_STMT_BEGIN | TransactionStmtKind::TRANS_STMT_START => {
                return PartKind::Begin;
            }
            _ => None,
        },
        _ => None,
    };
    request.map_or(PartKind::Other, PartKind::Request)
}

fn set_request(set: &nodes::VariableSetStmt) -> Option<Request> {
    let variable = Variable::of(set.name().unwrap_or_default())?;
    let value = match set.kind {
        VariableSetKind::VAR_SET_VALUE if set.args().len() == 1 => {
            Some(set.args().first().and_then(constant)?.to_owned())
        }
        VariableSetKind::VAR_SET_DEFAULT => None,
        VariableSetKind::VAR_RESET => return Some(Request::Reset(variable)),
        _ => return None,
    };
    Some(Request::Set { variable, value, local: set.is_local })
}

/// The call that is all of a SELECT, with the name of its column.
fn only_call(select: &nodes::SelectStmt) -> Option<(&nodes::FuncCall, Option<&str>)> {
    let plain = select.op == SetOperation::SETOP_NONE
        && select.from_clause().is_empty()
        && select.into_clause().is_none()
        && select.with_clause().is_none()
        && select.distinct_clause().is_empty()
        && select.group_clause().is_empty()
        && select.window_clause().is_empty()
        && select.values_lists().is_empty()
        && select.sort_clause().is_empty()
        && select.locking_clause().is_empty()
        && matches!(select.where_clause(), Node::None)
        && matches!(select.having_clause(), Node::None)
        && matches!(select.limit_count(), Node::None)
        && matches!(select.limit_offset(), Node::None);
    let mut targets = select.target_list().iter();
    let (Some(target), None, true) = (targets.next(), targets.next(), plain) else { return None };
    let Node::FuncCall(call) = target.val() else { return None };
    let plain = target.indirection().is_empty()
        && !call.agg_star
        && !call.agg_distinct
        && !call.func_variadic
        && !call.agg_within_group
        && call.over().is_none()
        && call.agg_order().is_empty()
        && matches!(call.agg_filter(), Node::None);
    plain.then_some((call, target.name()))
}

fn call_request((call, label): (&nodes::FuncCall, Option<&str>)) -> Option<Request> {
    let names: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
    let name = match names.as_slice() {
        [name] | ["pg_catalog", name] => *name,
        _ => return None,
    };
    let label = label.unwrap_or(name).to_owned();
    let arguments: Vec<Operand> = call.args().iter().map(operand).collect::<Option<_>>()?;
    match (name, <[Operand; 3]>::try_from(arguments)) {
        ("set_config", Ok([name, value, local])) => {
            let ours = match &name {
                Operand::Text(name) => Variable::of(name).is_some(),
                // Of any other name it is refused when it is bound: `analyze` takes constants only.
                Operand::Parameter(_) => true,
                Operand::Bool(_) | Operand::Null => false,
            };
            ours.then_some(Request::Configure { name, value, local, label })
        }
        ("current_setting", Err(arguments)) => match arguments.as_slice() {
            [Operand::Text(name)] | [Operand::Text(name), Operand::Bool(_)] => {
                let variable = Variable::of(name)?;
                Some(Request::Show { variable, label: Some(label) })
            }
            _ => None,
        },
        (_, _) => None,
    }
}

fn operand(node: Node<'_>) -> Option<Operand> {
    match node {
        Node::A_Const(constant) => match constant.val() {
            Some(ConstValue::String(text)) => Some(Operand::Text(text.to_owned())),
            Some(ConstValue::Boolean(value)) => Some(Operand::Bool(value)),
            None => Some(Operand::Null),
            Some(_) => None,
        },
        Node::ParamRef(parameter) => u16::try_from(parameter.number).ok().map(Operand::Parameter),
        Node::TypeCast(cast) if harmless(cast.type_name()?) => operand(cast.arg()),
        _ => None,
    }
}

/// A cast to one of the types that the arguments have anyway, as drivers write them.
fn harmless(kind: &nodes::TypeName) -> bool {
    if !kind.array_bounds().is_empty() || !kind.typmods().is_empty() || kind.setof || kind.pct_type
    {
        return false;
    }
    let names: Vec<&str> = kind.names().iter().filter_map(nodes::String::sval).collect();
    match names.as_slice() {
        [name] | ["pg_catalog", name] => ["text", "varchar", "bool"].contains(name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found: Vec<String> = parts(text, Limits::VIEW)
            .expect("statements")
            .into_iter()
            .map(|part| match part.kind {
                PartKind::Request(request) => shown(request),
                PartKind::Begin => "begin".to_owned(),
                PartKind::Other => "-".to_owned(),
            })
            .collect();
        assert_eq!(found.join("; "), expected, "{text}");
        let asks = expected.split("; ").any(|one| !["-", "begin"].contains(&one));
        assert!(may_request(text) || !asks, "{text}");
    }

    fn shown(request: Request) -> String {
        match request {
            Request::Set { variable, value, local } => {
                format!("{} {}{value:?}", variable.name(), if local { "local " } else { "" })
            }
            Request::Reset(variable) => format!("reset {}", variable.name()),
            Request::Configure { name, value, local, label } => {
                format!("{name:?} {value:?} {local:?} {label}")
            }
            Request::Show { variable, label } => format!("show {} {label:?}", variable.name()),
        }
    }

    #[test]
    fn set_and_reset() {
        check("SET pgcordon.user = 'rita'", "pgcordon.user Some(\"rita\")");
        check("set session PGCORDON.User to rita", "pgcordon.user Some(\"rita\")");
        check("SET \"pgcordon.user\" TO E'a\\\\b'", "pgcordon.user Some(\"a\\\\b\")");
        check("/* a */ SET LOCAL pgcordon.token = 'x' ;", "pgcordon.token local Some(\"x\")");
        check("RESET pgcordon.user", "reset pgcordon.user");
        check("SET LOCAL pgcordon.user TO DEFAULT", "pgcordon.user local None");
        check("SET pgcordon.other = 'rita'", "-");
        check("SET pgcordon.user = 'rita', 'max'", "-");
        check("SET pgcordon.user = 5", "-");
        check("SET pgcordon.user FROM CURRENT", "-");
    }

    #[test]
    fn calls_stand_alone() {
        check(
            "SELECT set_config('pgcordon.user', $1, true)",
            "Text(\"pgcordon.user\") Parameter(1) Bool(true) set_config",
        );
        check(
            "SELECT pg_catalog.set_config($2::VARCHAR, CAST($1 AS text), $3) AS x",
            "Parameter(2) Parameter(1) Parameter(3) x",
        );
        check(
            "SELECT set_config('pgcordon.user', NULL, false)",
            "Text(\"pgcordon.user\") Null Bool(false) set_config",
        );
        check(
            "SELECT current_setting('PGCORDON.USER', true)",
            "show pgcordon.user Some(\"current_setting\")",
        );
        check("SHOW pgcordon.identity", "show pgcordon.identity None");
        let others = [
            "SELECT set_config('timezone', 'UTC', true)",
            "SELECT set_config('pgcordon.user', 'rita', true), 1",
            "SELECT set_config('pgcordon.user', name, true) FROM people",
            "SELECT set_config('pgcordon.user', 'ri' || 'ta', true)",
            "SELECT set_config('pgcordon.user', 'rita', true) WHERE false",
            "SELECT set_config('pgcordon.user', 'rita'::varchar(2), true)",
            "SELECT set_config('pgcordon.user', 'rita', true) UNION SELECT '1'",
            "SELECT * FROM set_config('pgcordon.user', 'rita', true)",
            "SELECT public.set_config('pgcordon.user', 'rita', true)",
            "SELECT set_config('pgcordon.user', 'rita')",
            "SELECT current_setting('pgcordon.user') || 'x'",
            "PREPARE p AS SELECT set_config('pgcordon.user', $1, true)",
        ];
        for text in others {
            check(text, "-");
        }
    }

    #[test]
    fn texts_of_several() {
        check(
            "BEGIN; SET LOCAL pgcordon.user='rita'; SELECT 1; COMMIT",
            "begin; pgcordon.user local Some(\"rita\"); -; -",
        );
        check("START TRANSACTION READ ONLY; SELECT 1", "begin; -");
        assert!(!may_request("SELECT 'PGCORDON' FROM setconfig"));
        assert!(may_request("ppgPgCordon.x"));
    }
}

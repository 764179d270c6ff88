//! Statements that carry another one (DECLARE CURSOR, PREPARE, EXPLAIN), and EXECUTE.
//!
//! Invariants:
//! - What is carried is walked as if it stood alone; a kind that is not named here is refused.
//! - The parameters of PREPARE are its own: `$1` inside has the type that PREPARE declares.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, DefElem};

use super::create::{Made, creation};
use super::query::Want;
use super::scope::Scope;
use super::{Kind, Names, Walker};
use crate::RESERVED_PREFIX;
use crate::error::Error;
use crate::lex::TokenKind;
use crate::parse::Parsed;

/// `CURSOR_OPT_HOLD` of parsenodes.h.
const HOLD: i32 = 0x20;

/// What is done with the statement that is carried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Carrier {
    /// DECLARE name CURSOR FOR.
    Cursor {
        /// The cursor.
        name: String,
        /// WITH HOLD: it outlives the transaction.
        hold: bool,
    },
    /// PREPARE name AS.
    Prepared(String),
    /// EXPLAIN.
    Explain,
    /// CREATE TABLE AS and its kin: the query makes a relation.
    Create(Made),
}

impl Carrier {
    /// As it is called in an error.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cursor { .. } => "DECLARE CURSOR",
            Self::Prepared(_) => "PREPARE",
            Self::Explain => "EXPLAIN",
            Self::Create(made) => made.statement(),
        }
    }
}

/// The carrier of a statement and what it carries; `None` for a statement that carries nothing.
pub(crate) fn carried(node: Node<'_>) -> Option<(Carrier, Node<'_>)> {
    match node {
        Node::DeclareCursorStmt(declare) => {
            let name = declare.portalname().unwrap_or_default().to_owned();
            Some((Carrier::Cursor { name, hold: declare.options & HOLD != 0 }, declare.query()))
        }
        Node::PrepareStmt(prepare) => {
            let name = prepare.name().unwrap_or_default().to_owned();
            Some((Carrier::Prepared(name), prepare.query()))
        }
        Node::ExplainStmt(explain) => Some((Carrier::Explain, explain.query())),
        // SELECT INTO carries itself: its kind is told by `outline_of`.
        Node::SelectStmt(_) => None,
        other => creation(other).map(|(made, _, query)| (Carrier::Create(made), query)),
    }
}

/// A name of the client's for a cursor or a prepared statement.
pub(super) fn own_name(name: &str) -> Result<(), Error> {
    if name.starts_with(RESERVED_PREFIX) {
        return Err(Error::unsupported("a name that begins with pgcordon", -1));
    }
    Ok(())
}

/// The types that PREPARE declares, by OID; 0 where it is not a plain type that we know.
pub(super) fn declared(
    parsed: &Parsed<'_>,
    prepare: &nodes::PrepareStmt,
    names: Names<'_>,
) -> Result<Vec<u32>, Error> {
    let mut walker = Walker::new(parsed, names, 0..0, 0);
    let mut types = Vec::with_capacity(prepare.argtypes().len());
    for kind in prepare.argtypes() {
        types.push(walker.type_name(kind)?.map_or(0, |oid| oid.0));
    }
    Ok(types)
}

impl<'a> Walker<'a> {
    /// Walks what is carried.
    pub(super) fn carrier(&mut self, node: Node<'a>) -> Result<Option<Kind>, Error> {
        let Some((carrier, inner)) = carried(node) else { return Ok(None) };
        let kind = match node {
            Node::DeclareCursorStmt(_) => self.cursor(&carrier, inner)?,
            Node::PrepareStmt(prepare) => {
                own_name(prepare.name().unwrap_or_default())?;
                // A type that PostgreSQL finds elsewhere could bring functions of its own.
                for kind in prepare.argtypes() {
                    self.type_name(kind)?;
                }
                self.optimizable(inner, self.behind_prepare()?)?
            }
            Node::ExplainStmt(explain) => {
                for option in explain.options() {
                    explain_option(option)?;
                }
                self.optimizable(inner, self.behind_explain(explain)?)?
            }
            _ => return Ok(None),
        };
        self.out.gives_rows = carrier == Carrier::Explain;
        Ok(Some(Kind::Carrier(carrier, Box::new(kind))))
    }

    fn cursor(&mut self, carrier: &Carrier, inner: Node<'a>) -> Result<Kind, Error> {
        let Carrier::Cursor { name, .. } = carrier else {
            return Err(Error::unsupported("this cursor", -1));
        };
        own_name(name)?;
        let Node::SelectStmt(select) = inner else {
            return Err(Error::unsupported("DECLARE CURSOR for this statement", -1));
        };
        self.select(select, None, Want::Nothing)?;
        if !self.out.writes.is_empty() {
            return Err(Error::unsupported("DECLARE CURSOR with a write in WITH", -1));
        }
        Ok(Kind::Select)
    }

    /// What PREPARE and EXPLAIN may carry.
    fn optimizable(&mut self, node: Node<'a>, range: Range<usize>) -> Result<Kind, Error> {
        match node {
            Node::SelectStmt(select) => {
                self.select(select, None, Want::Nothing)?;
                Ok(Kind::Select)
            }
            Node::InsertStmt(insert) => Ok(Kind::Write(self.insert(insert, range)?.0)),
            Node::UpdateStmt(update) => Ok(Kind::Write(self.update(update, range)?.0)),
            Node::DeleteStmt(delete) => Ok(Kind::Write(self.delete(delete, range)?.0)),
            Node::MergeStmt(merge) => Ok(Kind::Write(self.merge(merge, range)?.0)),
            other => {
                let what = super::utility::statement_name(other);
                Err(Error::unsupported(format!("{what} inside another statement"), -1))
            }
        }
    }

    /// `PREPARE name [(types)] AS` stands before it.
    fn behind_prepare(&self) -> Result<Range<usize>, Error> {
        let whole = self.out.range.clone();
        let mut token = self.parsed.tokens().first_at_or_after(whole.start) + 2;
        if self.parsed.is(token, TokenKind::LeftParen) {
            token = self.parsed.closing(token)? + 1;
        }
        if !self.parsed.is_keyword(token, "as") {
            return Err(crate::parse::disagreement(whole.start));
        }
        Ok(self.parsed.start(token + 1)..whole.end)
    }

    /// `EXPLAIN [ANALYZE] [VERBOSE]` or `EXPLAIN (options)` stands before it.
    fn behind_explain(&self, explain: &nodes::ExplainStmt) -> Result<Range<usize>, Error> {
        let whole = self.out.range.clone();
        let first = self.parsed.tokens().first_at_or_after(whole.start) + 1;
        let mut token = first;
        while ["analyze", "analyse", "verbose"]
            .iter()
            .any(|word| self.parsed.is_keyword(token, word))
        {
            token += 1;
        }
        let listed = !explain.options().is_empty() && token == first;
        if listed {
            token = self.parsed.closing(token)? + 1;
        }
        Ok(self.parsed.start(token)..whole.end)
    }

    /// EXECUTE: its arguments are expressions without a FROM clause.
    pub(super) fn execute(&mut self, execute: &'a nodes::ExecuteStmt) -> Result<Kind, Error> {
        let name = execute.name().unwrap_or_default();
        own_name(name)?;
        let scope = Scope { items: &[], parent: None };
        for argument in execute.params() {
            self.expression(argument, &scope)?;
        }
        if !self.out.accesses.is_empty() {
            return Err(Error::unsupported("a sub-select among the arguments of EXECUTE", -1));
        }
        self.out.gives_rows = true;
        Ok(Kind::Execute(name.to_owned()))
    }
}

/// Options that say what is shown.
fn explain_option(option: &DefElem) -> Result<(), Error> {
    const ALLOWED: [&str; 12] = [
        "analyze",
        "verbose",
        "costs",
        "generic_plan",
        "buffers",
        "serialize",
        "wal",
        "timing",
        "summary",
        "memory",
        "format",
        "settings",
    ];
    let name = option.defname().unwrap_or_default();
    if ALLOWED.contains(&name) {
        return Ok(());
    }
    Err(Error::unsupported(format!("the EXPLAIN option {name}"), option.location))
}

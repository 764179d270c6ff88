//! One statement of each kind, and the answer to it.
//!
//! In:  a [`Context`], a relation.
//! Out: an [`Answer`] for each kind of statement.
//!
//! Invariants:
//! - Each [`StatementKind`] has its place in one of the two lists; a new kind does not compile until it has.
//! - An answer is `enforce`'s own.

use std::fmt;

use pgcordon_policy::{Command, StatementGrant};
use pgcordon_sql::catalog::Relation;
use pgcordon_sql::splice;

use crate::{Context, StatementKind, enforce};

/// Every kind, in the order of their definition.
pub(super) const KINDS: [StatementKind; 22] = [
    StatementKind::Select,
    StatementKind::Insert,
    StatementKind::Update,
    StatementKind::Delete,
    StatementKind::Merge,
    StatementKind::CopyIn,
    StatementKind::CopyOut,
    StatementKind::Transaction,
    StatementKind::Set,
    StatementKind::Show,
    StatementKind::Deallocate,
    StatementKind::Discard,
    StatementKind::Declare,
    StatementKind::Fetch,
    StatementKind::Close,
    StatementKind::Prepare,
    StatementKind::Execute,
    StatementKind::Explain,
    StatementKind::Object,
    StatementKind::Create,
    StatementKind::Temporary,
    StatementKind::Other,
];

/// What is said to a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    Sent,
    Refused { sqlstate: &'static str, message: String },
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent => formatter.write_str("sent"),
            Self::Refused { sqlstate, message } => {
                write!(formatter, "refused, {sqlstate} {message}")
            }
        }
    }
}

impl Answer {
    /// Whether the relation does not exist for who asked.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Sent => false,
            Self::Refused { sqlstate, .. } => *sqlstate == "42P01",
        }
    }
}

/// A statement about one relation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Probe {
    Kind(StatementKind),
    /// The second command of [`StatementKind::Object`].
    Truncate,
    /// ALTER TABLE and its kin: the second part of [`StatementKind::Create`].
    Define,
}

impl Probe {
    /// Its word in the matrix.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Kind(kind) => word(kind),
            Self::Truncate => "truncate",
            Self::Define => DEFINE,
        }
    }

    /// The command that the policy decides on, for kinds that it has one for.
    pub(super) fn command(self) -> Option<Command> {
        match self {
            Self::Truncate => Some(Command::Truncate),
            Self::Define => None,
            Self::Kind(StatementKind::Select) => Some(Command::Select),
            Self::Kind(StatementKind::Insert) => Some(Command::Insert),
            Self::Kind(StatementKind::Update) => Some(Command::Update),
            Self::Kind(StatementKind::Delete) => Some(Command::Delete),
            Self::Kind(
                StatementKind::Merge
                | StatementKind::CopyIn
                | StatementKind::CopyOut
                | StatementKind::Transaction
                | StatementKind::Set
                | StatementKind::Show
                | StatementKind::Deallocate
                | StatementKind::Discard
                | StatementKind::Declare
                | StatementKind::Fetch
                | StatementKind::Close
                | StatementKind::Prepare
                | StatementKind::Execute
                | StatementKind::Explain
                | StatementKind::Object
                | StatementKind::Create
                | StatementKind::Temporary
                | StatementKind::Other,
            ) => None,
        }
    }
}

/// The word for definitions other than those that a query makes.
const DEFINE: &str = "ddl";

/// What a statement of that kind is about.
enum Statement {
    /// Nothing of the database's: the same for every relation.
    Alone(&'static str),
    /// A relation.
    On(String),
}

/// A kind's word in the matrix.
pub(super) fn word(kind: StatementKind) -> &'static str {
    match kind {
        StatementKind::Select => "select",
        StatementKind::Insert => "insert",
        StatementKind::Update => "update",
        StatementKind::Delete => "delete",
        StatementKind::Merge => "merge",
        StatementKind::CopyIn => "copy from",
        StatementKind::CopyOut => "copy to",
        StatementKind::Transaction => "begin, commit",
        StatementKind::Set => "set",
        StatementKind::Show => "show",
        StatementKind::Deallocate => "deallocate",
        StatementKind::Discard => "discard",
        StatementKind::Declare => "declare",
        StatementKind::Fetch => "fetch",
        StatementKind::Close => "close",
        StatementKind::Prepare => "prepare",
        StatementKind::Execute => "execute",
        StatementKind::Explain => "explain",
        StatementKind::Object => "lock",
        StatementKind::Create => "create",
        StatementKind::Temporary => "temporary",
        StatementKind::Other => "anything else",
    }
}

/// A statement of that kind that asks for as little as one can.
fn statement(kind: StatementKind, name: &str, column: &str, conditional: bool) -> Statement {
    let condition =
        if conditional { format!(" WHERE {column} IS NOT NULL") } else { String::new() };
    let merge = format!(
        "MERGE INTO {name} AS t USING (SELECT 1 AS one) AS s ON s.one = 1 \
         WHEN MATCHED THEN UPDATE SET {column} = NULL"
    );
    match kind {
        StatementKind::Select => Statement::On(format!("SELECT 1 FROM {name}{condition}")),
        StatementKind::Insert => Statement::On(format!("INSERT INTO {name} DEFAULT VALUES")),
        StatementKind::Update => {
            Statement::On(format!("UPDATE {name} SET {column} = NULL{condition}"))
        }
        StatementKind::Delete => Statement::On(format!("DELETE FROM {name}{condition}")),
        StatementKind::Merge => Statement::On(merge),
        StatementKind::CopyIn => Statement::On(format!("COPY {name} ({column}) FROM STDIN")),
        StatementKind::CopyOut => Statement::On(format!("COPY {name} ({column}) TO STDOUT")),
        StatementKind::Object => Statement::On(format!("LOCK TABLE {name} IN ACCESS SHARE MODE")),
        StatementKind::Transaction => Statement::Alone("BEGIN"),
        StatementKind::Set => Statement::Alone("SET application_name = 'a'"),
        StatementKind::Show => Statement::Alone("SHOW application_name"),
        StatementKind::Deallocate => Statement::Alone("DEALLOCATE a"),
        StatementKind::Discard => Statement::Alone("DISCARD ALL"),
        StatementKind::Declare => Statement::Alone("DECLARE a CURSOR FOR SELECT 1"),
        StatementKind::Fetch => Statement::Alone("FETCH a"),
        StatementKind::Close => Statement::Alone("CLOSE a"),
        StatementKind::Prepare => Statement::Alone("PREPARE a AS SELECT 1"),
        StatementKind::Execute => Statement::Alone("EXECUTE a"),
        StatementKind::Explain => Statement::Alone("EXPLAIN SELECT 1"),
        StatementKind::Create => Statement::Alone("CREATE TABLE public.a AS SELECT 1 AS one"),
        StatementKind::Temporary => Statement::Alone("CREATE TEMPORARY TABLE a AS SELECT 1 AS one"),
        StatementKind::Other => Statement::Alone("CREATE ROLE a"),
    }
}

/// Kinds that are about no relation, by their words.
pub(super) fn of_nothing(context: Context<'_>) -> Vec<(&'static str, Answer)> {
    let mut answers = Vec::new();
    for kind in KINDS {
        match statement(kind, "", "", false) {
            Statement::Alone(sql) => answers.push((word(kind), answer(sql, context))),
            Statement::On(_) => {}
        }
        if kind == StatementKind::Create {
            answers.push((DEFINE, answer("CREATE TABLE public.a (one int)", context)));
        }
    }
    answers
}

/// Kinds that are about one relation. Where they need a column they name the first one that they may.
pub(super) fn of_relation(context: Context<'_>, relation: &Relation) -> Vec<(Probe, Answer)> {
    let name = relation.qualified();
    let mut answers = Vec::new();
    for kind in KINDS {
        // A rule on statements may ask for a condition; a person may write columns that they may not read.
        let ways = relation.columns.iter().flat_map(|column| [(column, false), (column, true)]);
        let tried = ways.filter_map(|(column, conditional)| {
            match statement(kind, &name, &splice::quoted(&column.name), conditional) {
                Statement::On(sql) => Some(answer(&sql, context)),
                Statement::Alone(_) => None,
            }
        });
        if let Some(answer) = best(tried) {
            answers.push((Probe::Kind(kind), answer));
        }
        if kind == StatementKind::Object {
            answers.push((Probe::Truncate, answer(&format!("TRUNCATE {name}"), context)));
        }
        // Without the grant it is refused before anybody asks for the relation.
        let may_define = context.principal.statements.contains(&StatementGrant::Define);
        if kind == StatementKind::Create && may_define {
            let sql = format!("ALTER TABLE {name} ADD COLUMN a int");
            answers.push((Probe::Define, answer(&sql, context)));
        }
    }
    answers
}

/// The first that is sent, or else the first refusal.
fn best(answers: impl Iterator<Item = Answer>) -> Option<Answer> {
    let mut first = None;
    for answer in answers {
        match answer {
            Answer::Sent => return Some(Answer::Sent),
            Answer::Refused { .. } => {
                first.get_or_insert(answer);
            }
        }
    }
    first
}

fn answer(sql: &str, context: Context<'_>) -> Answer {
    match enforce(sql, context) {
        Ok(_) => Answer::Sent,
        Err(refusal) => {
            let message = refusal.client_message(sql);
            Answer::Refused { sqlstate: message.sqlstate, message: message.message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Other` is the last kind of all: one in front of it moves its number, one behind it is met by the compiler.
    #[test]
    fn no_kind_is_left_out() {
        let numbers: Vec<usize> = KINDS.iter().map(|kind| *kind as usize).collect();
        let all: Vec<usize> = (0..=StatementKind::Other as usize).collect();
        assert_eq!(numbers, all);
    }
}

//! Statements that name no relation of the client's: transactions, settings, session housekeeping; and COPY TO.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, DiscardMode, TransactionStmtKind, VariableSetKind};

use super::query::Want;
use super::{
    Carrier, CopyRelation, Kind, Made, ObjectCommand, Role, Scan, Seen, Visibility, Walker,
    carried, object_command,
};
use crate::error::{Error, offset};
use crate::parse::Parsed;

/// What a setting is changed to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// SET name = value, …: each constant's text.
    To(Vec<String>),
    /// SET name TO DEFAULT.
    Default,
    /// RESET name.
    Reset,
}

/// SET or RESET of one setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// In lower case.
    pub name: String,
    /// The new value.
    pub change: Change,
    /// SET LOCAL.
    pub local: bool,
}

/// DISCARD what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Discard {
    /// ALL
    All,
    /// PLANS
    Plans,
    /// SEQUENCES
    Sequences,
    /// TEMP
    Temporary,
}

/// What transaction control does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END, ROLLBACK, ABORT.
    End {
        /// AND CHAIN: another one begins at once.
        chain: bool,
    },
    /// SAVEPOINT, RELEASE, ROLLBACK TO.
    Inside,
}

/// A statement that names no relation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Utility {
    /// BEGIN, START, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK TO.
    Transaction(Step),
    /// SET, RESET.
    Set(Setting),
    /// SET TRANSACTION, SET SESSION CHARACTERISTICS.
    SetTransaction,
    /// RESET ALL.
    ResetAll,
    /// SHOW name, in lower case.
    Show(String),
    /// DISCARD.
    Discard(Discard),
    /// DEALLOCATE name; `None` for ALL.
    Deallocate(Option<String>),
    /// FETCH or MOVE, in whatever direction, from the cursor of that name.
    Fetch(String),
    /// CLOSE name; `None` for ALL.
    Close(Option<String>),
    /// UNLISTEN *: gives up what the session holds, as drivers do when a connection goes back to a pool.
    Unlisten,
    /// SET CONSTRAINTS ALL.
    SetConstraints,
    /// Anything else, by name: only a principal with bypass may run it.
    Other(&'static str),
}

/// Classifies a statement that is none of SELECT, INSERT, UPDATE, DELETE, MERGE, COPY TO.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "PostgreSQL has over a hundred utility statements; the arm refuses"
)]
pub(super) fn utility(node: Node<'_>) -> Result<Utility, Error> {
    Ok(match node {
        Node::TransactionStmt(transaction) => transaction_kind(transaction),
        Node::VariableSetStmt(set) => setting(set)?,
        Node::VariableShowStmt(show) => {
            Utility::Show(show.name().unwrap_or_default().to_ascii_lowercase())
        }
        Node::DiscardStmt(discard) => Utility::Discard(match discard.target {
            DiscardMode::DISCARD_ALL => Discard::All,
            DiscardMode::DISCARD_PLANS => Discard::Plans,
            DiscardMode::DISCARD_SEQUENCES => Discard::Sequences,
            DiscardMode::DISCARD_TEMP => Discard::Temporary,
            _ => return Err(Error::unsupported("this DISCARD", -1)),
        }),
        Node::DeallocateStmt(deallocate) => {
            Utility::Deallocate(deallocate.name().map(str::to_owned))
        }
        Node::FetchStmt(fetch) => {
            let name = fetch.portalname().unwrap_or_default();
            super::carrier::own_name(name)?;
            Utility::Fetch(name.to_owned())
        }
        Node::ClosePortalStmt(close) => Utility::Close(close.portalname().map(str::to_owned)),
        Node::UnlistenStmt(unlisten) if unlisten.conditionname().is_none() => Utility::Unlisten,
        Node::ConstraintsSetStmt(set) if set.constraints().is_empty() => Utility::SetConstraints,
        other => Utility::Other(statement_name(other)),
    })
}

fn transaction_kind(transaction: &nodes::TransactionStmt) -> Utility {
    use TransactionStmtKind as Kind;
    match transaction.kind {
        Kind::TRANS_STMT_BEGIN | Kind::TRANS_STMT_START => Utility::Transaction(Step::Begin),
        Kind::TRANS_STMT_COMMIT | Kind::TRANS_STMT_ROLLBACK => {
            Utility::Transaction(Step::End { chain: transaction.chain })
        }
        Kind::TRANS_STMT_SAVEPOINT | Kind::TRANS_STMT_RELEASE | Kind::TRANS_STMT_ROLLBACK_TO => {
            Utility::Transaction(Step::Inside)
        }
        _ => Utility::Other("two-phase commit"),
    }
}

fn setting(set: &nodes::VariableSetStmt) -> Result<Utility, Error> {
    let name = set.name().unwrap_or_default().to_ascii_lowercase();
    let change = match set.kind {
        VariableSetKind::VAR_SET_VALUE => Change::To(constants(set)?),
        VariableSetKind::VAR_SET_DEFAULT => Change::Default,
        VariableSetKind::VAR_RESET => Change::Reset,
        VariableSetKind::VAR_RESET_ALL => return Ok(Utility::ResetAll),
        VariableSetKind::VAR_SET_MULTI if name != "transaction snapshot" => {
            return Ok(Utility::SetTransaction);
        }
        _ => return Ok(Utility::Other("this form of SET")),
    };
    Ok(Utility::Set(Setting { name, change, local: set.is_local }))
}

fn constants(set: &nodes::VariableSetStmt) -> Result<Vec<String>, Error> {
    let mut values = Vec::new();
    for arg in set.args() {
        let constant = match arg {
            Node::A_Const(constant) => constant,
            // SET TIME ZONE INTERVAL '…'
            Node::TypeCast(cast) => match cast.arg() {
                Node::A_Const(constant) => constant,
                _ => return Err(Error::unsupported("this value of SET", set.location)),
            },
            _ => return Err(Error::unsupported("this value of SET", set.location)),
        };
        values.push(constant.val().map(|value| value.to_string()).unwrap_or_default());
    }
    Ok(values)
}

impl<'a> Walker<'a> {
    pub(super) fn copy(&mut self, copy: &'a nodes::CopyStmt) -> Result<Kind, Error> {
        if copy.is_from {
            return self.copy_in(copy);
        }
        if copy.is_program || copy.filename().is_some() {
            return Err(Error::unsupported("COPY to a file or program", -1));
        }
        for option in copy.options() {
            super::copy::copy_option(option, false)?;
        }
        match (copy.query(), copy.relation()) {
            (Node::SelectStmt(select), None) => {
                self.select(select, None, Want::Nothing)?;
                Ok(Kind::CopyOut(None))
            }
            (Node::None, Some(relation)) => {
                Ok(Kind::CopyOut(Some(self.copy_relation(copy, relation)?)))
            }
            (Node::InsertStmt(insert), None) => {
                self.copy_write(copy, |walker, range| walker.insert(insert, range))
            }
            (Node::UpdateStmt(update), None) => {
                self.copy_write(copy, |walker, range| walker.update(update, range))
            }
            (Node::DeleteStmt(delete), None) => {
                self.copy_write(copy, |walker, range| walker.delete(delete, range))
            }
            _ => Err(Error::unsupported("this COPY", -1)),
        }
    }

    fn copy_relation(
        &mut self,
        copy: &'a nodes::CopyStmt,
        relation: &'a nodes::RangeVar,
    ) -> Result<CopyRelation, Error> {
        let id = self.resolve(relation)?;
        let spelled = super::from::spelled(relation);
        let place = offset(relation.location);
        let Seen::Columns(view) = self.names.lens.seen(id) else {
            return Err(Error::UnknownRelation { name: spelled, offset: place });
        };
        let found = self.names.snapshot.relation(id);
        let mut columns = Vec::new();
        for node in copy.attlist() {
            let name = node.as_str().unwrap_or_default();
            let unknown = || Error::UnknownColumn { name: name.to_owned(), offset: place };
            let column = found.column(name).ok_or_else(unknown)?;
            match view[usize::from(column.0)] {
                Visibility::Hidden => return Err(unknown()),
                Visibility::Denied => {
                    return Err(Error::DeniedColumn { name: name.to_owned(), offset: place });
                }
                Visibility::Clear | Visibility::Changed => columns.push(column),
            }
        }
        let listed = !copy.attlist().is_empty();
        if let (false, Some(denied)) =
            (listed, view.iter().position(|column| *column == Visibility::Denied))
        {
            let name = found.columns[denied].name.clone();
            return Err(Error::DeniedColumn { name, offset: place });
        }
        let access = self.access(relation, id, spelled, Role::Scan(Scan::default()))?;
        let mut range = self.out.accesses[access].range.clone();
        let next = self.parsed.tokens().first_at_or_after(range.end);
        if listed {
            range.end = self.parsed.end(self.parsed.closing(next)?);
        }
        self.copy_spelling(&range)?;
        Ok(CopyRelation { access, columns: listed.then_some(columns), range })
    }

    /// Two spellings from before PostgreSQL 7.3 that COPY takes for a relation and not for a query.
    fn copy_spelling(&self, relation: &Range<usize>) -> Result<(), Error> {
        let first = self.parsed.tokens().first_at_or_after(self.out.range.start);
        // Behind TO STDOUT.
        let last = self.parsed.tokens().first_at_or_after(relation.end) + 2;
        let old = ["using", "delimiters"];
        let what = if self.parsed.is_keyword(first + 1, "binary") {
            "COPY BINARY (write WITH (FORMAT binary))"
        } else if old.iter().any(|word| self.parsed.is_keyword(last, word)) {
            "COPY … DELIMITERS (write WITH (DELIMITER …))"
        } else {
            return Ok(());
        };
        Err(Error::Unsupported { what: what.to_owned(), offset: Some(self.parsed.start(first)) })
    }
}

/// What a refused statement is called in the error.
#[expect(clippy::wildcard_enum_match_arm, reason = "names a refused construct")]
pub(super) fn statement_name(node: Node<'_>) -> &'static str {
    match node {
        Node::MergeStmt(_) => "MERGE",
        Node::ExplainStmt(_) => "EXPLAIN",
        Node::CopyStmt(_) => "COPY",
        Node::PrepareStmt(_) => "PREPARE",
        Node::ExecuteStmt(_) => "EXECUTE",
        Node::DeclareCursorStmt(_) => "DECLARE CURSOR",
        Node::DoStmt(_) => "DO",
        Node::CallStmt(_) => "CALL",
        Node::ListenStmt(_) => "LISTEN",
        Node::NotifyStmt(_) => "NOTIFY",
        Node::UnlistenStmt(_) => "UNLISTEN",
        Node::CreateTableAsStmt(_) => "CREATE TABLE AS",
        Node::ViewStmt(_) => "CREATE VIEW",
        Node::CreateFunctionStmt(_) => "CREATE FUNCTION",
        Node::GrantStmt(_) => "GRANT",
        Node::ConstraintsSetStmt(_) => "SET CONSTRAINTS by name",
        Node::CheckPointStmt(_) => "CHECKPOINT",
        Node::LoadStmt(_) => "LOAD",
        _ => "this kind of statement",
    }
}

/// What kind a statement is, without looking inside: for principals with bypass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outline {
    /// SELECT, VALUES, TABLE.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
    /// A statement that carries another one.
    Carrier(Carrier, Box<Outline>),
    /// EXECUTE of that name.
    Execute(String),
    /// LOCK TABLE, TRUNCATE.
    Objects(ObjectCommand),
    /// CREATE, ALTER, DROP and their kin, as they are called in an error.
    Define(&'static str),
    /// Anything else.
    Utility(Utility),
}

/// Classifies every statement of a text without resolving anything.
///
/// # Errors
/// [`Error`] when the lexer and the grammar disagree.
pub fn outline(parsed: &Parsed<'_>) -> Result<Vec<Outline>, Error> {
    let statements = parsed.statements()?.into_iter();
    statements.map(|(_, node)| outline_of(node)).collect()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the arm asks `utility`, which names what it knows"
)]
pub(crate) fn outline_of(node: Node<'_>) -> Result<Outline, Error> {
    Ok(match node {
        Node::SelectStmt(select) if select.into_clause().is_some() => {
            Outline::Carrier(Carrier::Create(Made::Into), Box::new(Outline::Select))
        }
        Node::SelectStmt(_) => Outline::Select,
        Node::InsertStmt(_) => Outline::Insert,
        Node::UpdateStmt(_) => Outline::Update,
        Node::DeleteStmt(_) => Outline::Delete,
        Node::MergeStmt(_) => Outline::Merge,
        Node::ExecuteStmt(execute) => {
            Outline::Execute(execute.name().unwrap_or_default().to_owned())
        }
        other => match (carried(other), object_command(other), super::definition(other)) {
            (Some((carrier, inner)), ..) => Outline::Carrier(carrier, Box::new(outline_of(inner)?)),
            (None, Some((command, _)), _) => Outline::Objects(command),
            (None, None, Some(what)) => Outline::Define(what),
            (None, None, None) => Outline::Utility(utility(other)?),
        },
    })
}

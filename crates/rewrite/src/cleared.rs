//! Text that may be sent upstream, and what the session must know about its answer.
//!
//! Invariants:
//! - Only `verify` makes a [`Cleared`], and [`crate::Template`] makes more of what `verify` has made; only a [`Cleared`]
//!   can be written upstream.

use std::sync::Arc;

use pgcordon_sql::analyze::Free;
pub use pgcordon_sql::analyze::Step;
use pgcordon_sql::splice::Spliced;

/// What kind of statement, as far as the session cares.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum StatementKind {
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
    /// COPY FROM STDIN: the client sends rows.
    CopyIn,
    /// COPY (query) TO STDOUT.
    CopyOut,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their kin.
    Transaction,
    /// SET, RESET.
    Set,
    /// SHOW.
    Show,
    /// DEALLOCATE.
    Deallocate,
    /// DISCARD.
    Discard,
    /// DECLARE CURSOR.
    Declare,
    /// FETCH, MOVE.
    Fetch,
    /// CLOSE.
    Close,
    /// PREPARE.
    Prepare,
    /// EXECUTE.
    Execute,
    /// EXPLAIN.
    Explain,
    /// LOCK TABLE, TRUNCATE.
    Object,
    /// CREATE TABLE AS and its kin: the catalog changes.
    Create,
    /// CREATE TEMPORARY TABLE and its kin: the catalog changes for this session alone.
    Temporary,
    /// Anything else; only a principal with `bypass` can send it.
    Other,
}

impl StatementKind {
    /// SELECT, INSERT, UPDATE, DELETE: what the protocol prepares, with parameters in place of any value. MERGE is a
    /// query as well, but its verdicts are not shared.
    #[must_use]
    pub fn is_plain_query(self) -> bool {
        match self {
            Self::Select | Self::Insert | Self::Update | Self::Delete => true,
            Self::Merge
            | Self::CopyIn
            | Self::CopyOut
            | Self::Transaction
            | Self::Set
            | Self::Show
            | Self::Deallocate
            | Self::Discard
            | Self::Declare
            | Self::Fetch
            | Self::Close
            | Self::Prepare
            | Self::Execute
            | Self::Explain
            | Self::Object
            | Self::Create
            | Self::Temporary
            | Self::Other => false,
        }
    }
}

/// How the rows of the answer differ from those that the client expects.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RowShape {
    /// Pass rows on as they are.
    AsIs,
    /// The last column of RowDescription and DataRow is ours: drop it.
    DropLastColumn,
    /// The client expects no rows (DML without RETURNING): drop RowDescription (answer Describe with NoData) and
    /// every DataRow; send Execute without a row limit.
    DropRows,
}

/// What a statement does to the session's state, once it has succeeded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Nothing that the proxy tracks.
    None,
    /// SET search_path: the schemas in order; `local` for SET LOCAL. Undone by ROLLBACK.
    SearchPath {
        /// Schema names, `"$user"` left out.
        schemas: Vec<String>,
        /// Ends with the transaction.
        local: bool,
    },
    /// RESET search_path, SET search_path TO DEFAULT.
    ResetSearchPath,
    /// RESET ALL: settings of the startup packet must be applied again.
    ResetAll,
    /// DISCARD ALL: as `ResetAll`; prepared statements and portals are gone too.
    DiscardAll,
    /// DEALLOCATE name, or all with `None`.
    Deallocate(Option<String>),
    /// PREPARE, DECLARE: a statement is kept under a name.
    Keep(Box<Kept>),
    /// CLOSE name, or all with `None`.
    Close(Option<String>),
}

/// A statement that SQL keeps under a name of the client's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// The name.
    pub name: String,
    /// How long.
    pub life: Life,
    /// The client's PREPARE or DECLARE alone, to be judged again.
    pub text: String,
    /// The statement inside.
    pub statement: ClearedStatement,
}

/// How long a kept statement lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Life {
    /// PREPARE: as long as the session.
    Prepared,
    /// A cursor WITH HOLD: as long as the session.
    HeldCursor,
    /// Any other cursor: as long as the transaction.
    Cursor,
}

/// What a statement uses by a name of the client's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Use {
    /// No such thing.
    Nothing,
    /// EXECUTE: a prepared statement, whose rows are this statement's.
    Prepared(String),
    /// FETCH, MOVE: a cursor or portal.
    Cursor(String),
}

/// One statement of a cleared text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClearedStatement {
    /// Its kind.
    pub kind: StatementKind,
    /// What the relay must do with its rows.
    pub rows: RowShape,
    /// Columns that the client sees, when `rows` is `DropLastColumn`.
    pub visible_columns: usize,
    /// What changes in the session when it has succeeded.
    pub effect: Effect,
    /// What it uses of the session.
    pub uses: Use,
    /// Settings that it may change, in lower case: SET, RESET, `set_config`. RESET ALL is an effect.
    pub settings: Vec<String>,
    /// What it does to the transaction.
    pub step: Option<Step>,
    /// It has INSERT, UPDATE, DELETE or MERGE in it, wherever.
    pub writes: bool,
}

impl ClearedStatement {
    /// A statement whose rows are passed on as they come.
    pub(crate) fn plain(kind: StatementKind, effect: Effect) -> Self {
        let (rows, uses, settings) = (RowShape::AsIs, Use::Nothing, Vec::new());
        let (step, writes) = (None, false);
        Self { kind, rows, visible_columns: 0, effect, uses, settings, step, writes }
    }
}

/// Text that may go upstream. Has no public constructor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cleared {
    text: Spliced,
    statements: Arc<[ClearedStatement]>,
    /// Constants of the client's text whose value decided nothing, in order.
    free: Arc<[Free]>,
    calls_foreign: bool,
}

impl Cleared {
    pub(crate) fn new(
        text: Spliced,
        statements: Arc<[ClearedStatement]>,
        free: Arc<[Free]>,
        calls_foreign: bool,
    ) -> Self {
        Self { text, statements, free, calls_foreign }
    }

    /// Whether it calls a function or operator outside `pg_catalog`: what that does to the session is not known.
    #[must_use]
    pub fn calls_foreign(&self) -> bool {
        self.calls_foreign
    }

    pub(crate) fn spliced(&self) -> &Spliced {
        &self.text
    }

    pub(crate) fn shared(&self) -> (&Arc<[ClearedStatement]>, &Arc<[Free]>) {
        (&self.statements, &self.free)
    }

    /// What PostgreSQL gets.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.text.text
    }

    /// One entry per statement in `sql`, in order; empty for an empty query.
    #[must_use]
    pub fn statements(&self) -> &[ClearedStatement] {
        &self.statements
    }

    /// Whether the text means the same whenever PostgreSQL parses it: without that it may not be prepared ahead
    /// (`'today'`). Lexes the text.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        pgcordon_sql::lex::is_steady(&self.text.text)
    }

    /// Maps a character position (from 1) in `sql` to one in the client's `original` text.
    #[must_use]
    pub fn client_position(&self, original: &str, position: usize) -> Option<usize> {
        let (offset, _) = self.text.text.char_indices().nth(position.checked_sub(1)?)?;
        let head = original.get(..self.text.original(offset))?;
        Some(head.chars().count() + 1)
    }
}

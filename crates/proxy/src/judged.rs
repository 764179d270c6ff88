//! A text that was cleared, with what sessions that share it must know.
//!
//! In:  a [`Cleared`] and the circumstances under which it was.
//! Out: a [`Judged`], immutable, shared by every session for which the verdict is the same.
//!
//! Invariants:
//! - What PostgreSQL reads from a text when it parses it is the same for all who share its prepared statement: a
//!   text with `'now'` and its kin is not shared, and one with any string literal only where literals are read alike.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use pgcordon_rewrite::{Cleared, ClearedStatement, Effect, Life, RowShape, StatementKind};
use pgcordon_sql::catalog::Epoch;

static ID: AtomicU64 = AtomicU64::new(1);

/// Names a text's prepared statement upstream; never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct JudgedId(pub(crate) u64);

/// Whether sessions may run one prepared statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sharing {
    /// Everybody for whom the verdict is the same.
    Everybody,
    /// Those among them whose settings read string literals alike.
    SameSettings,
    /// Nobody: what it means depends on when it is parsed.
    Nobody,
}

/// A text that was cleared.
pub(crate) struct Judged {
    pub(crate) id: JudgedId,
    pub(crate) text: Arc<str>,
    pub(crate) cleared: Cleared,
    /// Declared parameter types with their count, as sent; empty in the simple protocol.
    pub(crate) types: Bytes,
    pub(crate) epoch: Epoch,
    pub(crate) sharing: Sharing,
    /// Running it may leave something in the connection that the proxy does not track: what a trigger or a function of
    /// the users' does, whether it succeeds or not; the last number of a sequence.
    pub(crate) leaves_traces: bool,
    /// Running it may change rows, or something else that outlives it in the database.
    pub(crate) changes_data: bool,
    /// Running it may change how literals are read. A trigger could as well: that is heard of when PostgreSQL is ready
    /// for the next query.
    pub(crate) sets: bool,
    /// The client gets rows of it.
    pub(crate) gives_rows: bool,
    /// It may change what is stored, or call what does.
    pub(crate) may_write: bool,
    /// Somebody has sent it before: it is worth a prepared statement.
    again: AtomicBool,
}

impl fmt::Debug for Judged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A statement's text holds literals.
        formatter.debug_struct("Judged").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Judged {
    pub(crate) fn new(text: Arc<str>, cleared: Cleared, types: Bytes, epoch: Epoch) -> Self {
        let sharing = sharing(&cleared);
        Self::shared(text, cleared, types, epoch, sharing)
    }

    fn shared(
        text: Arc<str>,
        cleared: Cleared,
        types: Bytes,
        epoch: Epoch,
        sharing: Sharing,
    ) -> Self {
        let id = JudgedId(ID.fetch_add(1, Ordering::Relaxed));
        let leaves_traces = cleared.calls_foreign()
            || cleared.statements().iter().any(leaves_traces)
            || draws_numbers(cleared.sql());
        let lower = text.to_ascii_lowercase();
        let gives_rows = cleared.statements().iter().any(|one| gives_rows(one, &lower));
        let may_write = cleared.calls_foreign()
            || cleared.statements().iter().any(|one| writes(one.kind))
            // Inside of a SELECT.
            || ["insert", "update", "delete", "merge"].iter().any(|word| has_word(&lower, word));
        let changes_data = cleared.calls_foreign()
            || cleared.statements().iter().any(changes_data)
            || draws_numbers(cleared.sql());
        let sets = cleared.calls_foreign() || cleared.statements().iter().any(sets);
        let again = AtomicBool::new(false);
        Self {
            id,
            text,
            cleared,
            types,
            epoch,
            sharing,
            leaves_traces,
            changes_data,
            sets,
            gives_rows,
            may_write,
            again,
        }
    }

    /// A text that runs but once: not to be shared.
    pub(crate) fn once(text: Arc<str>, cleared: Cleared, types: Bytes, epoch: Epoch) -> Self {
        Self::shared(text, cleared, types, epoch, Sharing::Nobody)
    }

    /// The same under a name of its own.
    pub(crate) fn alone(&self) -> Self {
        let Self { text, cleared, types, epoch, .. } = self;
        Self::new(text.clone(), cleared.clone(), types.clone(), *epoch)
    }

    /// Whether it was asked for before; notes that it was.
    pub(crate) fn is_asked_again(&self) -> bool {
        self.again.load(Ordering::Relaxed) || self.again.swap(true, Ordering::Relaxed)
    }

    /// Bytes that keeping it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.cleared.sql().len() + self.types.len()
    }

    /// Whether it changes settings where the transaction has changed some already: its end, and what runs a statement
    /// by its name.
    pub(crate) fn may_set(&self) -> bool {
        let ends = |statement: &ClearedStatement| {
            statement.kind == StatementKind::Transaction || statement.kind == StatementKind::Fetch
        };
        self.sets || self.cleared.statements().iter().any(ends)
    }

    /// Whether an unnamed statement of that text may run as a prepared statement of ours, unseen by the client.
    pub(crate) fn is_promotable(&self) -> bool {
        let [statement] = self.cleared.statements() else { return false };
        let kind = statement.kind;
        let plain = kind.is_plain_query() || kind == StatementKind::Transaction;
        self.sharing != Sharing::Nobody && plain && statement.settings.is_empty()
    }
}

fn sets(statement: &ClearedStatement) -> bool {
    let resets = match statement.effect {
        Effect::ResetAll | Effect::DiscardAll => true,
        Effect::None
        | Effect::SearchPath { .. }
        | Effect::ResetSearchPath
        | Effect::Deallocate(_)
        | Effect::Keep(_)
        | Effect::Close(_) => false,
    };
    resets || !statement.settings.is_empty() || statement.kind == StatementKind::Execute
}

/// Functions that leave the last number drawn in the connection, by whatever name they are called.
fn draws_numbers(sql: &str) -> bool {
    let lower = sql.to_ascii_lowercase();
    lower.contains("nextval") || lower.contains("setval")
}

/// Whether a text has that word, and not only as a part of another.
fn has_word(lower: &str, word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
    lower.match_indices(word).any(|(at, _)| {
        let before = lower[..at].bytes().next_back();
        let after = lower[at + word.len()..].bytes().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// `lower` is the client's whole text: where another statement of it has the word, rows are expected that do not come;
/// never the other way round.
fn gives_rows(statement: &ClearedStatement, lower: &str) -> bool {
    match statement.kind {
        StatementKind::Select
        | StatementKind::CopyOut
        | StatementKind::Show
        | StatementKind::Fetch
        | StatementKind::Execute
        | StatementKind::Explain
        | StatementKind::Other => true,
        StatementKind::Insert
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Merge => match statement.rows {
            RowShape::AsIs => has_word(lower, "returning"),
            RowShape::DropLastColumn => true,
            RowShape::DropRows => false,
        },
        StatementKind::CopyIn
        | StatementKind::Transaction
        | StatementKind::Set
        | StatementKind::Deallocate
        | StatementKind::Discard
        | StatementKind::Declare
        | StatementKind::Close
        | StatementKind::Prepare
        | StatementKind::Object
        | StatementKind::Create
        | StatementKind::Temporary => false,
    }
}

/// What a statement of that kind does by itself.
fn writes(kind: StatementKind) -> bool {
    match kind {
        StatementKind::Select
        | StatementKind::CopyOut
        | StatementKind::Show
        | StatementKind::Fetch
        | StatementKind::Explain
        | StatementKind::Transaction
        | StatementKind::Set
        | StatementKind::Deallocate
        | StatementKind::Discard
        | StatementKind::Declare
        | StatementKind::Close
        | StatementKind::Prepare => false,
        StatementKind::Insert
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Merge
        | StatementKind::CopyIn
        | StatementKind::Execute
        | StatementKind::Object
        | StatementKind::Create
        | StatementKind::Temporary
        | StatementKind::Other => true,
    }
}

/// EXECUTE does what the statement does that it runs.
fn changes_data(statement: &ClearedStatement) -> bool {
    match statement.kind {
        StatementKind::Insert
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Merge
        | StatementKind::CopyIn
        | StatementKind::Object
        | StatementKind::Create
        | StatementKind::Temporary
        | StatementKind::Other => true,
        StatementKind::Select
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
        | StatementKind::Explain => statement.writes,
    }
}

fn leaves_traces(statement: &ClearedStatement) -> bool {
    // A trigger may leave them, also behind WITH or COPY (query).
    if statement.writes {
        return true;
    }
    match statement.kind {
        StatementKind::Select
        | StatementKind::CopyOut
        | StatementKind::Transaction
        | StatementKind::Set
        | StatementKind::Show
        | StatementKind::Deallocate
        | StatementKind::Fetch
        | StatementKind::Close => false,
        StatementKind::Declare => match &statement.effect {
            Effect::Keep(kept) => kept.life != Life::Cursor,
            Effect::None
            | Effect::SearchPath { .. }
            | Effect::ResetSearchPath
            | Effect::ResetAll
            | Effect::DiscardAll
            | Effect::Deallocate(_)
            | Effect::Close(_) => true,
        },
        StatementKind::Insert
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Merge
        | StatementKind::CopyIn
        | StatementKind::Discard
        | StatementKind::Prepare
        | StatementKind::Execute
        | StatementKind::Explain
        | StatementKind::Object
        | StatementKind::Create
        | StatementKind::Temporary
        | StatementKind::Other => true,
    }
}

/// | string literals                       | outcome        |
/// |---------------------------------------|----------------|
/// | none                                  | `Everybody`    |
/// | one that depends on when it is parsed | `Nobody`       |
/// | others                                | `SameSettings` |
fn sharing(cleared: &Cleared) -> Sharing {
    match (cleared.is_steady(), cleared.sql().contains(['\'', '$'])) {
        (false, _) => Sharing::Nobody,
        (true, true) => Sharing::SameSettings,
        (true, false) => Sharing::Everybody,
    }
}

/// A text as a bypass principal's: cleared, and not rewritten.
#[cfg(test)]
pub(crate) fn cleared(text: &str) -> Cleared {
    cleared_for(text, &pgcordon_policy::Principal { bypass: true, ..Default::default() })
}

#[cfg(test)]
fn cleared_for(text: &str, principal: &pgcordon_policy::Principal) -> Cleared {
    let context = pgcordon_rewrite::Context {
        snapshot: &pgcordon_sql::catalog::Snapshot::default(),
        policy: &pgcordon_policy::BoundPolicy::default(),
        principal,
        search_path: &[],
        database: "shop",
        mark: &pgcordon_rewrite::Mark::new([0; 16]),
        parameter_types: &[],
        max_statement_bytes: 100_000,
    };
    pgcordon_rewrite::enforce(text, context).expect("cleared")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of a bypass principal; `sharing` does not look at who asks.
    fn check(text: &str, expected: Sharing) {
        assert_eq!(sharing(&cleared(text)), expected, "{text}");
    }

    #[test]
    fn words_are_whole_words() {
        for text in ["update t", "(delete from t)", "x;insert", "merge"] {
            let found =
                ["insert", "update", "delete", "merge"].iter().any(|one| has_word(text, one));
            assert!(found, "{text}");
        }
        for text in
            ["select updated_at, last_update from t", "select \u{e9}delete", "emerge", "merge1"]
        {
            let found =
                ["insert", "update", "delete", "merge"].iter().any(|one| has_word(text, one));
            assert!(!found, "{text}");
        }
    }

    #[test]
    fn what_gives_rows_and_what_may_write() {
        for (text, rows, write) in [
            ("SELECT 1 AS updated_at", true, false),
            ("COPY (SELECT 1) TO STDOUT", true, false),
            ("BEGIN; SELECT 1; COMMIT", true, false),
            ("BEGIN", false, false),
            ("SET extra_float_digits = 1", false, false),
            ("EXECUTE q", true, true),
        ] {
            let cleared = cleared_for(text, &pgcordon_policy::Principal::default());
            let judged = Judged::new(text.into(), cleared, Bytes::new(), Epoch(1));
            assert_eq!((judged.gives_rows, judged.may_write), (rows, write), "{text}");
        }
        let statement = |rows| ClearedStatement {
            kind: StatementKind::Insert,
            rows,
            visible_columns: 0,
            effect: Effect::None,
            uses: pgcordon_rewrite::Use::Nothing,
            settings: Vec::new(),
            step: None,
            writes: true,
        };
        let plain = "insert into t values (1)";
        let returning = "insert into t values (1) returning a";
        assert!(gives_rows(&statement(RowShape::AsIs), returning));
        assert!(gives_rows(&statement(RowShape::DropLastColumn), returning));
        assert!(!gives_rows(&statement(RowShape::AsIs), plain));
        assert!(!gives_rows(&statement(RowShape::DropRows), plain), "the rows are ours");
        assert!(writes(StatementKind::Insert));
    }

    #[test]
    fn texts_that_depend_on_when_they_are_parsed_are_not_shared() {
        check("SELECT a FROM t WHERE c = 5 AND d > now()", Sharing::Everybody);
        check("SELECT a FROM t WHERE b = $1", Sharing::SameSettings);
        check("SELECT 'North'", Sharing::SameSettings);
        check("SELECT date '2026-01-01'", Sharing::SameSettings);
        check("SELECT timestamptz 'Now'", Sharing::Nobody);
        check("SELECT ' TODAY '::date", Sharing::Nobody);
        check("SELECT 'to'\n'day'::date", Sharing::Nobody);
        check("SELECT $$tomorrow$$::date /* it's */", Sharing::Nobody);
        check("SELECT E'n\\x6fw'::date", Sharing::Nobody);
    }
}

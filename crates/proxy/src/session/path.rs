//! The session's search_path: what unqualified names mean.
//!
//! In:  the answers of `SHOW search_path`, and word of statements that may have changed it.
//! Out: the schemas for [`enforce`](pgcordon_rewrite::enforce).
//!
//! Invariants:
//! - Never guessed: after anything that may have changed it, PostgreSQL is asked before the next verdict.

use std::sync::Arc;

use pgcordon_sql::catalog::Snapshot;

/// The path with what is known about it.
#[derive(Clone, Debug, Default)]
pub(super) struct SearchPath {
    /// As PostgreSQL shows it.
    shown: String,
    schemas: Arc<[String]>,
    /// Grows with every change: statements prepared under another path are decided again.
    generation: u64,
    /// PostgreSQL must be asked.
    uncertain: bool,
    /// Changed in the transaction that is open now: its end may change it back.
    touched: bool,
}

impl SearchPath {
    /// Schema names, `"$user"` resolved.
    pub(super) fn schemas(&self) -> &Arc<[String]> {
        &self.schemas
    }

    /// As PostgreSQL shows it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn is_uncertain(&self) -> bool {
        self.uncertain
    }

    /// Whether the end of a transaction, or a rollback to a savepoint, matters.
    pub(super) fn is_touched(&self) -> bool {
        self.touched
    }

    /// A statement that sets it has succeeded.
    pub(super) fn changed(&mut self) {
        (self.uncertain, self.touched) = (true, true);
    }

    /// ROLLBACK, with or without TO SAVEPOINT.
    pub(super) fn rolled_back(&mut self) {
        self.uncertain |= self.touched;
    }

    /// ReadyForQuery outside a transaction.
    pub(super) fn idle(&mut self) {
        self.uncertain |= std::mem::take(&mut self.touched);
    }

    /// PostgreSQL's answer. `user` is the upstream role: that is whom `"$user"` means there.
    pub(super) fn show(&mut self, shown: &str, snapshot: &Snapshot, user: &str) {
        self.uncertain = false;
        if self.generation == 0 || self.shown != shown {
            self.generation += 1;
            shown.clone_into(&mut self.shown);
        }
        self.resolve(snapshot, user);
    }

    /// Another catalog: the schema of `"$user"` may have come or gone.
    pub(super) fn resolve(&mut self, snapshot: &Snapshot, user: &str) {
        self.schemas = split(&self.shown)
            .into_iter()
            .map(|name| match name.as_str() {
                "$user" => user.to_owned(),
                // Nothing, where the session has no temporary relation.
                "pg_temp" => snapshot.temporary().unwrap_or("pg_temp").to_owned(),
                _ => name,
            })
            .filter(|name| snapshot.has_schema(name))
            .collect();
    }
}

/// `SplitIdentifierString` of PostgreSQL's varlena.c.
fn split(shown: &str) -> Vec<String> {
    let (mut names, mut rest) = (Vec::new(), shown.trim());
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (name, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                (name.trim_end().to_ascii_lowercase(), after)
            }
        };
        names.push(name);
        rest = after.trim_start().strip_prefix(',').unwrap_or("").trim_start();
    }
    names
}

/// The name up to its closing quote, and what follows.
fn unquote(quoted: &str) -> (String, &str) {
    let (mut name, mut rest) = (String::new(), quoted);
    loop {
        let (head, after) = rest.split_once('"').unwrap_or((rest, ""));
        name.push_str(head);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return (name, after),
        }
    }
}

#[cfg(test)]
mod tests {
    use pgcordon_sql::catalog::SnapshotParts;

    use super::*;

    fn check(shown: &str, expected: &[&str]) {
        let schemas = ["public", "a", "b c", "q\"q", "pgcordon", "pg_catalog"];
        let schemas = schemas.map(str::to_owned).to_vec();
        let snapshot = Snapshot::new(SnapshotParts { schemas, ..SnapshotParts::default() });
        let mut path = SearchPath::default();
        path.show(shown, &snapshot, "pgcordon");
        assert_eq!(&**path.schemas(), expected, "{shown}");
    }

    #[test]
    fn paths_read_as_postgresql_reads_them() {
        check("\"$user\", public", &["pgcordon", "public"]);
        check("PUBLIC , a,missing", &["public", "a"]);
        check("\"b c\", \"q\"\"q\"", &["b c", "q\"q"]);
        check("\"PUBLIC\"", &[]);
        check("", &[]);
        check("\"\"", &[]);
    }

    #[test]
    fn whatever_may_change_it_makes_it_uncertain() {
        let snapshot = Snapshot::default();
        let mut path = SearchPath::default();
        path.show("a", &snapshot, "u");
        path.rolled_back();
        path.idle();
        assert!(!path.is_uncertain(), "nothing was set");
        path.changed();
        path.show("b", &snapshot, "u");
        path.rolled_back();
        assert!(path.is_uncertain(), "the rollback undoes the change");
        path.show("b", &snapshot, "u");
        path.idle();
        assert!(path.is_uncertain(), "SET LOCAL ends");
        path.show("a", &snapshot, "u");
        path.idle();
        assert!(!path.is_uncertain());
    }
}

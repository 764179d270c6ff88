//! What must hold for whatever policy file: it is refused with mistakes that have a place, or it answers.
//!
//! Shared by the fuzz target and by a test of `crates/rewrite`, which runs the seeds.

use pgcordon_policy::{Command, Identity, Moment, Source, load};

use crate::support::snapshot;

/// Runs all of it on one input.
///
/// # Panics
/// When something does not hold.
pub(crate) fn check(text: &str) {
    let source = Source { name: "policy.yaml".to_owned(), text: text.to_owned() };
    let policy = match load(&[source], &[]) {
        Ok(policy) => policy,
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a reason");
            for mistake in mistakes {
                assert!(!mistake.to_string().is_empty());
            }
            return;
        }
    };
    let snapshot = snapshot();
    let (bound, _mistakes) = policy.bind(&snapshot, &["shop"], Moment::from_unix_seconds(0));
    for user in ["rita", "max", "olga", "nobody"] {
        let Ok(principal) = policy.principal(&Identity::named(user), "shop") else { continue };
        for (relation, found) in snapshot.relations() {
            for command in [Command::Select, Command::Insert, Command::Update, Command::Delete] {
                let Ok(decision) = bound.decide(&principal, relation, command) else { continue };
                assert_eq!(decision.columns.len(), found.columns.len());
                assert!(!decision.rules.is_empty(), "granted by nothing");
            }
        }
    }
}

//! What must hold for whatever text a client sends: it is refused, or what is sent is guarded.
//!
//! Shared by the fuzz target and by a test of `crates/rewrite`, which runs the seeds.

use pgcordon_policy::Identity;
use pgcordon_rewrite::{Cleared, Context, Refusal, enforce, explain};

use crate::oracle;
use crate::world::{MAGIC, World};

/// Runs all of it on one input; gives what would be sent for each principal.
///
/// # Panics
/// When something does not hold.
pub(crate) fn check(world: &World, text: &str) -> Vec<Option<String>> {
    if text.contains(MAGIC) {
        return Vec::new();
    }
    ["eve", "ned"].map(|user| for_user(world, user, text)).into()
}

fn for_user(world: &World, user: &str, text: &str) -> Option<String> {
    let principal =
        world.policy.principal(&Identity::named(user), "shop").expect("the user may connect");
    let search_path = ["public".to_owned()];
    let context = Context {
        snapshot: &world.snapshot,
        policy: &world.bound,
        principal: &principal,
        search_path: &search_path,
        database: "shop",
        mark: &world.mark,
        parameter_types: &[],
        max_statement_bytes: 1 << 14,
    };
    let result = enforce(text, context);
    let (_, again) = explain(text, context);
    assert_eq!(told(&result), told(&again), "twice of {text:?}");
    match result {
        Ok(cleared) => {
            let sent = cleared.sql();
            // `ned` has a second rule, which shows what the first one masks.
            let faults = stacker::maybe_grow(4 << 20, 64 << 20, || {
                oracle::faults(world, text, sent, user == "eve")
            });
            assert!(faults.is_empty(), "{faults:#?}\nof {text:?}\nsent {sent:?}");
            for position in [1, sent.chars().count()] {
                let _client = cleared.client_position(text, position);
            }
            Some(sent.to_owned())
        }
        Err(refusal) => {
            // A statement that failed its own verification is a fault of ours, though nothing was sent.
            let verified = !matches!(refusal, Refusal::Verification(_));
            assert!(verified, "{refusal} of {text:?}");
            let message = refusal.client_message(text);
            assert_eq!(message.sqlstate.len(), 5);
            None
        }
    }
}

fn told(result: &Result<Cleared, Refusal>) -> String {
    match result {
        Ok(cleared) => format!("{} {:?}", cleared.sql(), cleared.statements()),
        Err(refusal) => format!("{refusal:?}"),
    }
}

//! The policy's fuzz target on its seeds, and on prefixes of them, so that the target does not rot.
#![allow(dead_code, reason = "the fixture is shared with other tests")]

#[path = "../../../tests/fuzz/src/policies.rs"]
mod policies;
mod support;

#[test]
fn seeds_of_the_policy() {
    for text in [support::POLICY, include_str!("../../../config/demo/policy.yaml")] {
        policies::check(text);
        for (end, _) in text.char_indices().step_by(97) {
            policies::check(&text[..end]);
        }
    }
}

//! Random policy files: loaded, bound to a catalog, asked.
#![no_main]
#![allow(dead_code, reason = "the fixture is shared with other tests")]

#[path = "../src/policies.rs"]
mod policies;
#[path = "../../../crates/rewrite/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|text: &str| policies::check(text));

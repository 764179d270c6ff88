//! Random texts under a policy: refused, or guarded.
#![no_main]

#[path = "../src/enforce.rs"]
mod enforce;
#[path = "../src/oracle.rs"]
mod oracle;
#[path = "../src/tree.rs"]
mod tree;
#[path = "../src/world.rs"]
mod world;

use std::sync::LazyLock;

static WORLD: LazyLock<world::World> = LazyLock::new(world::World::new);

libfuzzer_sys::fuzz_target!(|text: &str| {
    enforce::check(&WORLD, text);
});

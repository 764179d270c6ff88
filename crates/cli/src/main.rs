//! The binary `pgcordon`.

fn main() {}

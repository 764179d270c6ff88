//! The lexer's fuzz target on its seeds and on whatever it has found, so that the target does not rot.

#[path = "../../../tests/fuzz/src/lexer.rs"]
mod lexer;

use std::path::Path;

/// Runs every file of a folder, cut at blank lines.
fn run(folder: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let Ok(files) = std::fs::read_dir(&folder) else { return 0 };
    let mut texts = 0;
    for file in files {
        let path = file.expect("a readable folder").path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for part in text.split("\n\n") {
            lexer::check(part);
            texts += 1;
        }
    }
    texts
}

#[test]
fn seeds_of_the_lexer() {
    let seeds = run("tests/cases") + run("crates/rewrite/tests/cases");
    assert!(seeds > 100, "{seeds} seeds");
    run("tests/fuzz/found/lexer");
}

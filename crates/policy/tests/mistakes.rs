//! Mistakes: a policy file in, every message out.
//!
//! Each file under `mistakes/` is loaded, and if it loads it is bound to the shop; the messages are the
//! snapshot of the same name. A fixed bug leaves its file there.

mod shop;

use pgcordon_policy::{MistakeKind, Moment, load};

#[test]
fn every_file_gives_its_messages() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mistakes");
    let mut files: Vec<std::path::PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "cases are missing");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let outcome = match load(&[shop::source(name, &text)], &["listen", "upstreams"]) {
            Err(mistakes) => shop::lines(&mistakes),
            Ok(policy) => {
                let (_, mistakes) =
                    policy.bind(&shop::snapshot(), &["shop"], Moment::from_unix_seconds(0));
                shop::lines(&mistakes)
            }
        };
        insta::assert_snapshot!(name, outcome);
    }
}

fn check(texts: &[&str], expected: &str) {
    let sources: Vec<_> = (1..)
        .zip(texts)
        .map(|(number, text)| shop::source(&format!("{number}.yaml"), text))
        .collect();
    let outcome =
        load(&sources, &[]).map_or_else(|mistakes| shop::lines(&mistakes), |_| String::new());
    assert_eq!(outcome, expected);
}

#[test]
fn files_join_and_a_name_is_defined_once() {
    check(&["roles: { a: {} }", "users: { u: { roles: [a] } }"], "");
    check(
        &["roles: { a: {} }", "roles: { a: {} }"],
        "2.yaml:1:10: `a` is defined twice in `roles` (hint: first at 1.yaml:1:10)",
    );
    check(
        &["tables: { orders: [] }", "tables: { public.orders: [] }"],
        "2.yaml:1:11: `public.orders` has rules in two places (hint: first at 1.yaml:1:11)",
    );
    check(&[], "");
    check(&["", "# nothing"], "");
    check(&["a"], "1.yaml:1:1: a policy file must be a map, and here stands a single value");
}

#[test]
fn the_broken_files_of_several_are_told_together() {
    check(
        &["a: &x 1", "roles: {}\nroles: {}"],
        "1.yaml:1:4: anchors (`&name`) are not allowed (hint: write the value out where it is used)\n\
         2.yaml:2:1: key `roles` stands twice, first on line 1",
    );
}

#[test]
fn a_foreign_section_is_skipped_and_another_is_not() {
    let text = "listen: 127.0.0.1:6432\nroles: {}";
    assert!(load(&[shop::source("f", text)], &["listen"]).is_ok());
    assert!(load(&[shop::source("f", text)], &["tls"]).is_err());
}

#[test]
fn a_role_grants_kinds_of_statement_by_known_words() {
    check(&["roles: { a: { statements: [explain, create, ddl] } }"], "");
    check(
        &["roles: { a: { statements: [explian, 'grant'] } }"],
        "1.yaml:1:28: unknown kind of statement `explian` (hint: did you mean `explain`?)\n\
         1.yaml:1:37: unknown kind of statement `grant` (hint: explain, create, ddl, temporary)",
    );
}

#[test]
fn absence_has_a_kind_of_its_own() {
    let bound = shop::bind("tables: { public.gone: [] }\nfunctions: { allow: [public.gone] }");
    let kinds: Vec<MistakeKind> = bound.mistakes.iter().map(|mistake| mistake.kind).collect();
    assert_eq!(kinds, [MistakeKind::UnknownRelation, MistakeKind::UnknownFunction]);
}

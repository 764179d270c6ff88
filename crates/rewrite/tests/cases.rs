//! Case files in, rewritten text out: a change shows as a diff to review.

mod support;

use support::Fixture;

fn check(name: &str, user: &str, file: &str) {
    insta::assert_snapshot!(name, Fixture::new().check_file(user, file));
}

#[test]
fn reads() {
    check("reads", "rita", include_str!("cases/reads.sql"));
}

#[test]
fn writes() {
    check("writes", "rita", include_str!("cases/writes.sql"));
}

/// Writes through views.
#[test]
fn views() {
    check("views", "rita", include_str!("cases/views.sql"));
    check("views_manager", "max", include_str!("cases/views.sql"));
}

#[test]
fn merges() {
    check("merges", "rita", include_str!("cases/merge.sql"));
    check("merges_manager", "max", include_str!("cases/merge.sql"));
}

/// Cursors, prepared statements, EXPLAIN; by the first without a grant, by the second with one.
#[test]
fn statements_that_carry_others() {
    check("kept", "rita", include_str!("cases/kept.sql"));
    check("kept_granted", "max", include_str!("cases/kept.sql"));
}

/// What a query makes: by a person who may not, and by one who may.
#[test]
fn relations_made_of_queries() {
    check("create", "rita", include_str!("cases/create.sql"));
    check("create_granted", "max", include_str!("cases/create.sql"));
}

/// CREATE, ALTER, DROP: by a person who may not, and by one who may, of what they hold whole.
#[test]
fn definitions() {
    check("definitions", "max", include_str!("cases/definitions.sql"));
    check("definitions_granted", "dora", include_str!("cases/definitions.sql"));
}

/// LOCK and TRUNCATE: the first may truncate only what is all theirs.
#[test]
fn commands_on_whole_tables() {
    check("objects", "rita", include_str!("cases/objects.sql"));
    check("objects_manager", "max", include_str!("cases/objects.sql"));
}

/// Rules on statements: by a person whom they refuse much, and by one whom they refuse less.
#[test]
fn queries() {
    let fixture = Fixture::with(include_str!("cases/queries.yaml"));
    let file = include_str!("cases/queries.sql");
    insta::assert_snapshot!("queries", fixture.check_file("rita", file));
    insta::assert_snapshot!("queries_manager", fixture.check_file("max", file));
    insta::assert_snapshot!("queries_definer", fixture.check_file("dora", file));
    insta::assert_snapshot!("queries_bypass", fixture.check_file("olga", file));
}

#[test]
fn refusals() {
    check("refusals", "rita", include_str!("cases/refusals.sql"));
}

/// Whose rows a condition that could raise waits for, and which conditions may go first.
#[test]
fn order() {
    check("order", "rita", include_str!("cases/order.sql"));
}

/// A condition that could raise for a hidden row: every filtered scan is fenced.
#[test]
fn conditions_that_could_raise_are_fenced() {
    let fixture = Fixture::new();
    let cases = include_str!("cases/fences.sql").split("\n\n").map(str::trim);
    for case in cases {
        let out = fixture.check("rita", case);
        let scans = out.matches("AS \"pgcordon_scan\" WHERE").count();
        let fences = out.matches("OFFSET 0)").count();
        assert!(scans > 0 && scans == fences, "{case}\n{out}");
    }
    let calm = fixture.check("rita", "select 1 from orders where id = 1 and note like 'x%'");
    assert!(!calm.contains("OFFSET 0"), "{calm}");
}

#[test]
fn a_manager_sees_plain_tables() {
    check(
        "manager",
        "max",
        "select * from orders o where id = 1\n\nupdate customers set name = 'x'",
    );
}

#[test]
fn bypass_is_not_rewritten_but_stays_pinned() {
    let file =
        "select * from payroll\n\ncreate table t (a int)\n\nset standard_conforming_strings = off";
    check("bypass", "olga", file);
}

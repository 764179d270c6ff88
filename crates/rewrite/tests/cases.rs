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

#[test]
fn refusals() {
    check("refusals", "rita", include_str!("cases/refusals.sql"));
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

//! The matrix of two policies as reviewed snapshots: the demo's, and one that uses every part of the language.
//!
//! In:  `config/demo/policy.yaml` and `features.yaml`.
//! Out: snapshots, and a failure where a part of the language or a kind of statement has no row in them.

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use pgcordon_policy::{Feature, Moment, Policy, Source, load};
use pgcordon_rewrite::{MatrixRequest, matrix, matrix_kinds};
use pgcordon_sql::catalog::Snapshot;

/// Before every `until` of the two policies.
const NOW: i64 = 1_700_000_000;

/// `config/demo/shop.sql` as lines of a catalog. That it is, `tests/cli.rs` shows against a real server.
const SHOP: &str = "
public.customers: id int8, name text, email text, region text, credit_limit numeric, ssn text, created_by text, deleted_at timestamptz
public.employees: id int8, login text, name text, email text, region text, title text, manager_id int8, salary numeric
public.order_items: order_id int8, line int4, product text, quantity int4, price numeric
public.orders: id int8, customer_id int8, region text, ordered_on date, status text, total numeric, deleted_at timestamptz
public.payroll: employee_id int8, month date, gross numeric, net numeric
public.regions: region text, country text
";

fn policy(text: &str) -> Policy {
    let source = Source { name: "policy.yaml".to_owned(), text: text.to_owned() };
    load(&[source], &["listen", "upstreams"]).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn draw(policy: &Policy, snapshot: &Snapshot) -> String {
    let now = Moment::from_unix_seconds(NOW);
    let (bound, mistakes) = policy.bind(snapshot, &["shop"], now);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    matrix(&MatrixRequest { policy, bound: &bound, snapshot, database: "shop" })
}

fn features() -> Policy {
    policy(include_str!("support/features.yaml"))
}

#[test]
fn every_part_of_the_language() {
    insta::assert_snapshot!("matrix_of_features", draw(&features(), &support::snapshot()));
}

#[test]
fn the_demo() {
    let demo = policy(include_str!("../../../config/demo/policy.yaml"));
    insta::assert_snapshot!("matrix_of_demo", draw(&demo, &support::catalog(SHOP, "with_vat")));
}

/// A new part of the language, or kind of statement, must have its row in the reviewed snapshot.
#[test]
fn no_part_of_the_language_and_no_kind_of_statement_is_missing() {
    let policy = features();
    let text = draw(&policy, &support::snapshot());
    let used = policy.features();
    for feature in Feature::ALL {
        assert!(used.contains(feature), "features.yaml does not use `{}`", feature.word());
        assert!(text.contains(feature.word()), "`{}` is not in the matrix", feature.word());
    }
    for (kind, word) in matrix_kinds() {
        let row = format!("  {word}: ");
        assert!(text.contains(&row), "{kind:?} has no row in the matrix");
    }
}

/// A wider rule shows: the snapshot is what notices.
#[test]
fn a_rule_that_changes_shows() {
    let text = include_str!("support/features.yaml");
    let before = draw(&features(), &support::snapshot());
    for (from, to) in [
        ("rows: note IS NOT NULL", "rows: all"),
        ("deny: [owner]", "deny: []"),
        ("set: { owner: \"{user.name}\" }", "set: {}"),
        ("region <> 'East'", "region <> 'West'"),
        ("allow: [public.name_up]", "allow: []"),
        ("statements: [explain, create]", "statements: [explain]"),
        ("users: [max] }\n    tables", "users: [rita] }\n    tables"),
    ] {
        assert!(text.contains(from), "{from}");
        let after = draw(&policy(&text.replace(from, to)), &support::snapshot());
        assert_ne!(before, after, "{from} -> {to}");
    }
}

/// No value of a person's stands in it, and it is the same every time.
#[test]
fn it_holds_no_values_and_does_not_vary() {
    let text = draw(&features(), &support::snapshot());
    assert!(!text.contains("North") && !text.contains("NULL::"), "{text}");
    assert!(text.contains("region = {user.region}"), "{text}");
    assert_eq!(text, draw(&features(), &support::snapshot()));
}

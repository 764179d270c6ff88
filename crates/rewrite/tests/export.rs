//! What `export-sql` prints for the cases' policy, as a reviewed snapshot; and what it must never print.
//!
//! In:  the small catalog and policy of the cases.
//! Out: the script and its notes.
#![expect(clippy::unwrap_used, reason = "a broken fixture fails the test")]

#[expect(dead_code, reason = "the cases use the rest")]
mod support;

use pgcordon_policy::{Moment, Source, load};
use pgcordon_rewrite::{Export, ExportRequest, export_sql};

fn export(policy: &str) -> Export {
    let snapshot = support::snapshot();
    let source = Source { name: "policy.yaml".to_owned(), text: policy.to_owned() };
    let policy = load(&[source], &[]).unwrap();
    let (bound, mistakes) = policy.bind(&snapshot, &["shop"], Moment::from_unix_seconds(0));
    assert!(mistakes.is_empty(), "{mistakes:?}");
    export_sql(&ExportRequest {
        policy: &policy,
        bound: &bound,
        snapshot: &snapshot,
        database: "shop",
        upstream_role: "pgcordon",
        passwords: false,
    })
}

/// The people of the small policies below.
const PEOPLE: &str = "
roles: { viewer: {} }
users:
  ann: { roles: [viewer] }
databases:
  shop: { upstream: main, connect: everyone }
";

/// SQL outside comments that mentions a word.
fn lines_with(export: &Export, word: &str) -> Vec<String> {
    let statements = export.sql.lines().filter(|line| !line.starts_with("--"));
    statements.filter(|line| line.contains(word)).map(str::to_owned).collect()
}

#[test]
fn script() {
    insta::assert_snapshot!("export", export(support::POLICY).sql);
}

/// What is said beside rules on relations stands in the notes, and only where it is said.
#[test]
fn what_is_no_rule_on_rows_is_named() {
    let said = "
databases: { shop: { upstream: main, connect: everyone, public: true } }
queries: [{ name: q, sql: SELECT 1, deny: everyone }]
limits: [{ to: everyone, max_rows: 1 }]
tables: { public.regions: [{ name: week, to: everyone, rows: all, until: 2999-01-31 }] }
";
    let people = PEOPLE.split("databases:").next().unwrap();
    let starts = ["limits: ", "public: ", "queries: ", "until of rule week: "];
    let notes = |export: Export| {
        let of = |start: &&str| export.not_expressed.iter().any(|note| note.starts_with(*start));
        starts.iter().filter(|start| of(start)).count()
    };
    assert_eq!(notes(export(&format!("{people}{said}"))), 4);
    assert_eq!(notes(export(PEOPLE)), 0);
}

#[test]
fn a_rule_name_stays_inside_its_quotes_and_comments() {
    let rule = "tables:\n  public.regions:\n    - { name: \"a\\\"; DROP TABLE x;\\nDROP TABLE y\", to: everyone, rows: all }\n";
    let export = export(&format!("{PEOPLE}{rule}"));
    let policies = lines_with(&export, "DROP TABLE");
    assert_eq!(policies.len(), 1, "{policies:?}");
    assert!(
        policies[0]
            .starts_with("CREATE POLICY \"pgcordon 1: a\"\"; DROP TABLE x; DROP TABLE y\" ON ")
    );
}

#[test]
fn what_nobody_may_use_is_granted_to_nobody() {
    let rules =
        "tables:\n  public.payroll: []\n  public.regions: [{ name: r, to: everyone, rows: all }]\n";
    let export = export(&format!("{PEOPLE}{rules}"));
    assert_eq!(lines_with(&export, "payroll"), Vec::<String>::new());
    assert_eq!(lines_with(&export, "GRANT SELECT").len(), 1);
}

#[test]
fn a_name_that_cannot_be_a_role_is_granted_nothing() {
    let people = PEOPLE.replace("ann:", "pgcordon: { roles: [viewer] }\n  pg_boss:");
    let rules = "tables:\n  public.regions: [{ name: r, to: everyone, rows: all }]\n";
    let export = export(&format!("{people}{rules}"));
    let notes = export.not_expressed.iter().filter(|note| note.starts_with("user "));
    assert_eq!(notes.count(), 2, "{:?}", export.not_expressed);
    assert_eq!(lines_with(&export, "GRANT SELECT"), Vec::<String>::new());
}

#[test]
fn only_cannot_be_said_and_grants_nothing() {
    let rule = |from: &str| {
        format!(
            "{PEOPLE}tables:\n  public.regions: [{{ name: r, to: everyone, rows: \"region IN (SELECT o.region FROM {from} o)\" }}]\n"
        )
    };
    assert_eq!(lines_with(&export(&rule("ONLY public.orders")), "GRANT SELECT").len(), 0);
    // The view of all rows, and the table itself.
    assert_eq!(lines_with(&export(&rule("public.orders")), "GRANT SELECT").len(), 2);
}

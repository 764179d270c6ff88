//! How long `enforce` takes without any cache, parsing and `verify` included; and what stands in for it when a statement
//! of the same skeleton comes again.
//!
//! In:  the demo's policy, and its catalog written as text.
//! Out: microseconds a statement; the budget of the point query is 30, that of a
//!      skeleton, a look-up and a filled template together 1.
//!
//! Invariants:
//! - Before it is measured, each statement is shown to be filtered: a refusal would be fast as well.

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pgcordon_policy::{BoundPolicy, Identity, Moment, Policy, Principal, Source, load};
use pgcordon_rewrite::{Context, Mark, enforce};
use pgcordon_sql::catalog::{
    Column, Function, FunctionKind, Oid, Relation, RelationKind, Snapshot, SnapshotParts,
};
use pgcordon_sql::skeleton;

const POLICY: &str = include_str!("../../../config/demo/policy.yaml");

/// One line a relation of the demo: `name: column type, …`.
const CATALOG: &str = "\
regions: region text, country text
employees: id int8, login text, name text, email text, region text, title text, manager_id int8, salary numeric
payroll: employee_id int8, month date, gross numeric, net numeric
customers: id int8, name text, email text, region text, credit_limit numeric, ssn text, created_by text, deleted_at timestamptz
orders: id int8, customer_id int8, region text, ordered_on date, status text, total numeric, deleted_at timestamptz
order_items: order_id int8, line int4, product text, quantity int4, price numeric";

const POINT: &str = "SELECT id, customer_id, status, total FROM orders WHERE id = 1";

const FIVE_TABLES: &str = "SELECT r.country, c.name, o.id, i.product, e.name, sum(i.quantity * i.price) \
    FROM orders o JOIN customers c ON c.id = o.customer_id JOIN order_items i ON i.order_id = o.id \
    JOIN regions r ON r.region = o.region LEFT JOIN employees e ON e.region = o.region \
    WHERE o.ordered_on > '2025-01-01' AND c.name LIKE 'A%' GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC LIMIT 10";

const UPDATE: &str = "UPDATE orders SET status = 'paid' WHERE id = 1 RETURNING id";

struct Shop {
    snapshot: Snapshot,
    bound: BoundPolicy,
    principal: Principal,
    search_path: [String; 1],
    mark: Mark,
}

fn column((index, text): (usize, &str)) -> Column {
    let (name, kind) = text.split_once(' ').expect("a column has a type");
    let type_oid = match kind {
        "int4" => 23,
        "int8" => 20,
        "numeric" => 1700,
        "date" => 1082,
        "timestamptz" => 1184,
        _ => 25,
    };
    Column {
        name: name.to_owned(),
        type_oid: Oid(type_oid),
        type_sql: format!("pg_catalog.{kind}"),
        collation: Oid(100),
        type_modifier: -1,
        not_null: false,
        generated: false,
        identity_always: None,
        has_default: false,
        number: i16::try_from(index + 1).expect("few columns"),
    }
}

fn relation((index, line): (usize, &str)) -> Relation {
    let (name, columns) = line.split_once(": ").expect("a line has a colon");
    Relation {
        oid: Oid(20_000 + u32::try_from(index).expect("few relations")),
        schema: "public".to_owned(),
        name: name.to_owned(),
        kind: RelationKind::Table,
        columns: columns.split(", ").enumerate().map(column).collect(),
        parents: Vec::new(),
        primary_key: Vec::new(),
        definition: None,
        rewrites_rows: false,
    }
}

/// The function that the demo's policy allows.
fn with_vat() -> Function {
    Function {
        oid: Oid(30_000),
        schema: "public".to_owned(),
        name: "with_vat".to_owned(),
        kind: FunctionKind::Function,
        arguments: vec![Oid(1700)],
        result: Oid(1700),
        returns_set: false,
    }
}

impl Shop {
    fn new() -> Self {
        let snapshot = Snapshot::new(SnapshotParts {
            server_version: 150_018,
            database: "shop".to_owned(),
            schemas: vec!["public".to_owned()],
            relations: CATALOG.lines().enumerate().map(relation).collect(),
            functions: vec![with_vat()],
            ..SnapshotParts::default()
        });
        let source = Source { name: "policy.yaml".to_owned(), text: POLICY.to_owned() };
        let policy: Policy = load(&[source], &[]).expect("the demo's policy loads");
        let (bound, mistakes) = policy.bind(&snapshot, &["shop"], Moment::from_unix_seconds(0));
        assert!(mistakes.is_empty(), "the catalog above is not the demo's any more: {mistakes:?}");
        let principal =
            policy.principal(&Identity::named("rita"), "shop").expect("rita may connect");
        let search_path = ["public".to_owned()];
        Self { snapshot, bound, principal, search_path, mark: Mark::new([7; 16]) }
    }

    fn context(&self) -> Context<'_> {
        Context {
            snapshot: &self.snapshot,
            policy: &self.bound,
            principal: &self.principal,
            search_path: &self.search_path,
            database: "shop",
            mark: &self.mark,
            parameter_types: &[],
            max_statement_bytes: 1 << 20,
        }
    }
}

fn benchmark(criterion: &mut Criterion) {
    let shop = Shop::new();
    for (name, text) in [("point", POINT), ("five_tables", FIVE_TABLES), ("update", UPDATE)] {
        let cleared = enforce(text, shop.context()).expect("allowed");
        assert!(cleared.sql().contains("'North'"), "not filtered: {}", cleared.sql());
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| enforce(black_box(text), black_box(shop.context())));
        });
    }
}

/// A statement of pgbench's.
const PGBENCH: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;";

fn templates(criterion: &mut Criterion) {
    criterion.bench_function("skeleton", |bencher| bencher.iter(|| skeleton(black_box(PGBENCH))));
    let shop = Shop::new();
    for (name, text) in [("point", POINT), ("update", UPDATE)] {
        let own = skeleton(text).expect("lexed");
        let cleared = enforce(text, shop.context()).expect("allowed");
        let template = cleared.template(&own, shop.context()).expect("a free constant");
        let other = text.replace("= 1", "= 54321");
        let again = skeleton(&other).expect("lexed");
        let filled = template.fill(&again).expect("the same skeleton");
        assert!(filled.sql().contains("= 54321") && filled.sql().contains("'North'"));
        criterion.bench_function(&format!("fill_{name}"), |bencher| {
            bencher.iter(|| template.fill(black_box(&again)));
        });
        let parameterised = template.parameterised(&again).expect("a parameter");
        criterion.bench_function(&format!("values_{name}"), |bencher| {
            bencher.iter(|| parameterised.values(black_box(&again)));
        });
        let cache = HashMap::from([(own.into_key(), template)]);
        criterion.bench_function(&format!("cached_{name}"), |bencher| {
            bencher.iter(|| {
                let found = skeleton(black_box(&other))?;
                cache.get(found.key())?.fill(&found)
            });
        });
    }
}

/// Twice the statement, twice the time.
fn length(criterion: &mut Criterion) {
    let shop = Shop::new();
    for terms in [250, 500, 1_000] {
        let list: Vec<String> = (1..=terms).map(|term| format!("id = ${term}::int8")).collect();
        let text = format!("SELECT id FROM orders WHERE {}", list.join(" OR "));
        assert!(enforce(&text, shop.context()).is_ok());
        criterion.bench_function(&format!("parameters_{terms}"), |bencher| {
            bencher.iter(|| enforce(black_box(&text), black_box(shop.context())));
        });
    }
}

criterion_group!(benches, benchmark, templates, length);
criterion_main!(benches);

//! A small catalog and policy for tests and benchmarks, written as text.

use std::collections::HashMap;
use std::fmt::Write as _;

use pgcordon_policy::{BoundPolicy, Identity, Moment, Policy, Source, load};
use pgcordon_rewrite::{Context, Mark, enforce};
use pgcordon_sql::catalog::{
    CheckOption, Column, ColumnId, Function, FunctionKind, Oid, Relation, RelationKind, Snapshot,
    SnapshotParts, Writing,
};

/// One line a relation: `schema.name[=kind][<parent]: column type, …`.
const CATALOG: &str = "
public.customers: id int4, region text, name text, email text, credit numeric, secret text, owner text
public.orders: id int8, region text, customer_id int4, order_date date, amount numeric, note text
public.orders_2025<public.orders: id int8, region text, customer_id int4, order_date date, amount numeric, note text
public.order_items: id int8, order_id int8, sku text, qty int4
public.employees: id int4, region text, name text, salary numeric, ssn text, email text
public.payroll: id int4, amount numeric
public.regions: region text, label text
public.notes: id int4, owner text, body text
public.members: team_id int4, user_id text
public.v_orders=view: id int8, note text
public.v_renamed=view: no int8, region text, twice numeric, who text
public.v_nested=view: number int8, amount text
public.v_employees=view: id int4, email text
public.v_grouped=view: region text, count int8
public.v_ruled=view: id int8
public.v_payroll=view: id int4
pg_catalog.pg_authid: oid int4, rolname text
pg_catalog.pg_am: oid int4, amname text
pg_catalog.pg_type: oid int4, typname text, typrelid int4, typelem int4, typacl text, typdefaultbin text
public.tasks: id int4, owner text, body text, salary numeric
public.plain: id int4, body text
public.read_only: id int4
public.archive: id int4
public.archive_2024<public.archive: id int4
staging.raw: id int4, body text
staging.walled: id int4, tenant_id int4
";

/// The policy of the cases.
pub(crate) const POLICY: &str = include_str!("policy.yaml");

fn type_oid(name: &str) -> u32 {
    match name {
        "int4" => 23,
        "int8" => 20,
        "numeric" => 1700,
        "date" => 1082,
        _ => 25,
    }
}

/// Definitions as `pg_get_viewdef` writes them.
fn definition(view: &str) -> &'static str {
    match view {
        "v_renamed" => {
            "o.id AS no,\n    o.note AS region,\n    (o.amount / (o.customer_id)::numeric) AS twice,\n    ( SELECT c.name\n \
             FROM public.customers c\n WHERE (c.id = o.customer_id)) AS who\n   FROM public.orders o\n  WHERE \
             (((10)::numeric / o.amount) > (1)::numeric)"
        }
        "v_nested" => {
            "v_renamed.no AS number,\n    v_renamed.region AS amount\n   FROM public.v_renamed\n  WHERE (v_renamed.twice > \
             (1)::numeric)"
        }
        "v_employees" => "e.id,\n    e.email\n   FROM public.employees e",
        "v_grouped" => {
            "o.region,\n    count(*) AS count\n   FROM public.orders o\n  GROUP BY o.region"
        }
        "v_ruled" => "o.id\n   FROM public.orders o",
        "v_payroll" => "p.id\n   FROM public.payroll p",
        _ => "o.id,\n    o.note\n   FROM public.orders o\n  WHERE (o.amount > (0)::numeric)",
    }
}

/// What the catalog says of writes to the views.
fn writing(relations: &[Relation]) -> HashMap<Oid, Writing> {
    let views = relations.iter().filter(|relation| relation.kind == RelationKind::View);
    let known = views.map(|view| {
        let check = match view.name.as_str() {
            "v_nested" => CheckOption::Cascaded,
            "v_orders" => CheckOption::Local,
            _ => CheckOption::None,
        };
        let rules = if view.name == "v_ruled" { "3".to_owned() } else { String::new() };
        let updatable = if view.name == "v_grouped" { 0 } else { 28 };
        (view.oid, Writing { rules, instead_of: false, updatable, check })
    });
    known.collect()
}

fn relation(line: &str, oid: u32, known: &[Relation]) -> Relation {
    let (head, columns) = line.split_once(": ").expect("a line has a colon");
    let (head, parent) = head.split_once('<').map_or((head, None), |(a, b)| (a, Some(b)));
    let (head, view) = head.split_once('=').map_or((head, false), |(a, _)| (a, true));
    let (schema, name) = head.split_once('.').expect("a name has a schema");
    let parent = parent.and_then(|parent| {
        known.iter().find(|other| format!("{}.{}", other.schema, other.name) == parent)
    });
    let columns = columns.split(", ").enumerate().map(|(index, column)| {
        let (name, kind) = column.split_once(' ').expect("a column has a type");
        Column {
            name: name.to_owned(),
            type_oid: Oid(type_oid(kind)),
            type_sql: format!("pg_catalog.{kind}"),
            // The default one, and one of which nothing is known.
            collation: Oid(if name == "secret" { 12_345 } else { 100 }),
            type_modifier: -1,
            not_null: false,
            generated: false,
            identity_always: None,
            has_default: false,
            number: i16::try_from(index + 1).expect("few columns"),
        }
    });
    Relation {
        oid: Oid(oid),
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: if view { RelationKind::View } else { RelationKind::Table },
        columns: columns.collect(),
        parents: parent.map(|parent| parent.oid).into_iter().collect(),
        primary_key: if view { Vec::new() } else { vec![ColumnId(0)] },
        definition: view.then(|| format!(" SELECT {};", definition(name))),
        rewrites_rows: false,
    }
}

/// The catalog of the cases.
pub(crate) fn snapshot() -> Snapshot {
    catalog(CATALOG, "name_up")
}

/// A catalog of such lines, and one function in `public`.
pub(crate) fn catalog(lines: &str, function: &str) -> Snapshot {
    let mut relations: Vec<Relation> = Vec::new();
    for (index, line) in lines.lines().filter(|line| !line.is_empty()).enumerate() {
        let oid = 20_000 + u32::try_from(index).expect("few lines");
        relations.push(relation(line, oid, &relations));
    }
    Snapshot::new(SnapshotParts {
        server_version: 150_018,
        database: "shop".to_owned(),
        schemas: vec!["public".to_owned(), "staging".to_owned()],
        writing: writing(&relations),
        relations,
        functions: vec![Function {
            oid: Oid(30_000),
            schema: "public".to_owned(),
            name: function.to_owned(),
            kind: FunctionKind::Function,
            arguments: vec![Oid(20_000)],
            result: Oid(25),
            returns_set: false,
        }],
        field_calls: ["lower", "name", "regclass"].map(str::to_owned).into(),
        ..SnapshotParts::default()
    })
}

/// A policy bound to the catalog.
pub(crate) struct Fixture {
    /// The catalog.
    pub(crate) snapshot: Snapshot,
    /// The policy as written.
    pub(crate) policy: Policy,
    /// The policy, bound.
    pub(crate) bound: BoundPolicy,
    /// A mark that snapshots can show.
    pub(crate) mark: Mark,
}

impl Fixture {
    /// Loads [`POLICY`].
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// Loads [`POLICY`] and more sections.
    pub(crate) fn with(more: &str) -> Self {
        let snapshot = snapshot();
        let source = Source { name: "policy.yaml".to_owned(), text: format!("{POLICY}{more}") };
        let policy = match load(&[source], &[]) {
            Ok(policy) => policy,
            Err(mistakes) => panic!("{}", lines(&mistakes)),
        };
        let (bound, mistakes) = policy.bind(&snapshot, &["shop"], Moment::from_unix_seconds(0));
        assert!(mistakes.is_empty(), "{}", lines(&mistakes));
        Self { snapshot, policy, bound, mark: Mark::new([0; 16]) }
    }

    /// What PostgreSQL would get, or why nothing.
    pub(crate) fn check(&self, user: &str, text: &str) -> String {
        let principal =
            self.policy.principal(&Identity::named(user), "shop").expect("the user may connect");
        let search_path = ["public".to_owned()];
        let context = Context {
            snapshot: &self.snapshot,
            policy: &self.bound,
            principal: &principal,
            search_path: &search_path,
            database: "shop",
            mark: &self.mark,
            parameter_types: &[],
            max_statement_bytes: 1 << 20,
        };
        match enforce(text, context) {
            Ok(cleared) => {
                let shapes: Vec<String> =
                    cleared.statements().iter().map(|one| format!("{:?}", one.rows)).collect();
                format!("{}\n  -- {}", cleared.sql(), shapes.join(", "))
            }
            Err(refusal) => {
                let message = refusal.client_message(text);
                format!("{} {}\n  -- {refusal}", message.sqlstate, message.message)
            }
        }
    }

    /// Every statement of a case file (separated by blank lines), as one text.
    pub(crate) fn check_file(&self, user: &str, file: &str) -> String {
        let mut out = String::new();
        for case in file.split("\n\n").map(str::trim).filter(|case| !case.is_empty()) {
            let _ = write!(out, "{case}\n=> {}\n\n", self.check(user, case));
        }
        out
    }
}

fn lines(list: &[impl std::fmt::Display]) -> String {
    list.iter().map(|item| format!("{item}\n")).collect()
}

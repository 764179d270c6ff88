//! A catalog and a policy in which the row rule of each relation holds a constant of its own.
//!
//! Wherever that relation is read or written in the text that is sent, its constant must stand in the condition.

use std::fmt::Write as _;

use pgcordon_policy::{BoundPolicy, Moment, Policy, Source, load};
use pgcordon_rewrite::Mark;
use pgcordon_sql::catalog::{
    Column, ColumnId, Function, FunctionKind, Oid, Relation, RelationKind, Snapshot, SnapshotParts,
};

/// Hidden in `public.customers`; the row rule there reads it, compared with [`HIDDEN_VALUE`].
pub(crate) const HIDDEN: &str = "credit_limit";
pub(crate) const HIDDEN_VALUE: u32 = 770_900;
/// Masked in `public.customers` by [`MASK`].
pub(crate) const MASKED: &str = "email";
pub(crate) const MASK: &str = "regexp_replace";
/// Denied in `public.employees`.
pub(crate) const DENIED: &str = "ssn";
/// The column that every rule compares with its constant.
pub(crate) const KEY: &str = "tenant";
/// What all constants begin with; inputs that hold it are left out.
pub(crate) const MAGIC: &str = "7709";
/// Functions of the database: the first is allowed by the policy, the second is not.
pub(crate) const ALLOWED: &str = "with_vat";
pub(crate) const FORBIDDEN: &str = "name_up";

/// How a relation may stand in what is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// Anywhere: every row is everybody's.
    Free,
    /// Where this constant is compared with its key.
    Guarded(u32),
    /// Nowhere: nobody's, or a view to be expanded.
    Never,
}

/// `schema.name access [<parent]: column type, … [= definition]`; the key is added where there is a rule.
const CATALOG: &str = "
public.regions free: region text, name text, label text, capital text, budget numeric
public.customers 1: id int4, region text, name text, email text, level text, credit numeric, status text, tags _text, scores _int4, profile jsonb, since date, secret text, owner text, credit_limit numeric
public.orders 2: id int8, region text, customer_id int4, order_date date, placed timestamp, amount numeric, note text, o_orderkey int8, o_custkey int4, o_orderstatus text, o_totalprice numeric, o_orderdate date, o_orderpriority text, o_comment text
public.orders_2024 2 <public.orders: id int8, region text, customer_id int4, order_date date, placed timestamp, amount numeric, note text, o_orderkey int8, o_custkey int4, o_orderstatus text, o_totalprice numeric, o_orderdate date, o_orderpriority text, o_comment text
public.orders_2025 2 <public.orders: id int8, region text, customer_id int4, order_date date, placed timestamp, amount numeric, note text, o_orderkey int8, o_custkey int4, o_orderstatus text, o_totalprice numeric, o_orderdate date, o_orderpriority text, o_comment text
public.order_items 3: id int8, order_id int8, order_date date, sku text, qty int4, memo text
public.items 4: order_id int4, line int4, sku text, quantity int4, price numeric
public.employees 5: id int4, region text, name text, boss_id int4, salary numeric, ssn text, note text
public.visits 6: id int4, region text, what text, at date
public.measures 7: region text, day date, value int4
public.measures_old 7 <public.measures: region text, day date, value int4
public.notes 8: id int4, owner text, body text
public.teams 9: id int4, region text, name text, canary text
public.users 10: id int4, login text, region text, team_id int4, pwhash text
public.documents 11: id int4, owner text, region text, title text, body text
public.assets 12: id int4, region text, name text, canary text
public.vehicles 12 <public.assets: id int4, region text, name text, canary text, plate text
public.shipments 13: id int4, region text, customers text, orders int4, payroll text
public.Mixed_Case 14: Id int4, region text, select text
public.members 15: team_id int4, user_id text
archive.orders 16: id int4, region text, note text
archive.customers 17: id int4, region text, name text, secret text
public.lineitem 18: l_orderkey int8, l_partkey int4, l_suppkey int4, l_linenumber int4, l_quantity numeric, l_extendedprice numeric, l_discount numeric, l_tax numeric, l_returnflag text, l_linestatus text, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text
public.customer 19: c_custkey int4, c_name text, c_address text, c_nationkey int4, c_phone text, c_acctbal numeric, c_mktsegment text, c_comment text
public.part 20: p_partkey int4, p_name text, p_mfgr text, p_brand text, p_type text, p_size int4, p_container text, p_retailprice numeric
public.supplier 21: s_suppkey int4, s_name text, s_address text, s_nationkey int4, s_phone text, s_acctbal numeric, s_comment text
public.partsupp 22: ps_partkey int4, ps_suppkey int4, ps_availqty int4, ps_supplycost numeric
public.nation 23: n_nationkey int4, n_name text, n_regionkey int4, n_comment text
public.region free: r_regionkey int4, r_name text, r_comment text
public.v_ruled 24: id int8, note text = SELECT o.id, o.note, o.tenant FROM public.orders o;
public.payroll never: id int4, emp_id int4, region text, amount numeric, memo text
public.audit_log never: id int8, actor text, action text, detail text
public.v_orders never: id int8, note text, amount numeric = SELECT o.id, o.note, o.amount FROM public.orders o WHERE (o.amount > (0)::numeric);
public.nested_orders never: order_no int8, money numeric = SELECT v_orders.id AS order_no, v_orders.amount AS money FROM public.v_orders;
public.by_region never: region text, money numeric = WITH found AS (SELECT orders.region, orders.amount FROM public.orders) SELECT found.region, sum(found.amount) AS money FROM found GROUP BY found.region;
public.v_both never: kind text, id int8 = SELECT 'order'::text AS kind, orders.id FROM public.orders UNION ALL SELECT 'customer'::text AS kind, customers.id FROM public.customers;
public.v_secret never: id int4, amount numeric = SELECT payroll.id, payroll.amount FROM public.payroll;
pg_catalog.pg_class free: oid oid, relname name, relnamespace oid, relkind char, relowner oid
pg_catalog.pg_namespace free: oid oid, nspname name, nspowner oid
pg_catalog.pg_attribute free: attrelid oid, attname name, atttypid oid, attnum int2
pg_catalog.pg_authid never: oid oid, rolname name, rolpassword text
pg_catalog.pg_stats never: schemaname name, tablename name, most_common_vals text
";

/// What rules say besides the key's constant.
fn extra(name: &str) -> &'static str {
    match name {
        "public.customers" => " AND credit_limit > 770900",
        "public.items" => {
            " AND order_id IN (SELECT o.id FROM public.orders o WHERE o.tenant = 770902)"
        }
        "public.order_items" => {
            " AND EXISTS (SELECT 1 FROM public.orders o WHERE o.tenant = 770902 AND o.id = order_items.order_id)"
        }
        _ => "",
    }
}

fn columns_rule(name: &str) -> &'static str {
    match name {
        "public.customers" => ", columns: { hide: [credit_limit], mask: { email: email } }",
        "public.employees" => ", columns: { deny: [ssn] }",
        _ => "",
    }
}

const HEAD: &str = r#"
roles:
  reader: { statements: [explain, create] }
  second: { includes: [reader] }
users:
  eve: { roles: [reader], password: "SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }
  ned: { roles: [second], password: "SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }
databases:
  shop: { upstream: main, dbname: shop, connect: everyone }
masks:
  email: "regexp_replace({column}, '^[^@]+', '***')"
functions: { allow: [public.with_vat] }
tables:
"#;

/// A relation, and how it may stand in what is sent.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) access: Access,
}

/// All that a verdict depends on.
pub(crate) struct World {
    pub(crate) tables: Vec<Table>,
    pub(crate) snapshot: Snapshot,
    pub(crate) policy: Policy,
    pub(crate) bound: BoundPolicy,
    pub(crate) mark: Mark,
}

impl World {
    /// Reads [`CATALOG`].
    pub(crate) fn new() -> Self {
        let (mut tables, mut relations, mut text) = (Vec::new(), Vec::new(), HEAD.to_owned());
        for (index, line) in CATALOG.lines().filter(|line| !line.is_empty()).enumerate() {
            let (table, relation) = read(line, index, &relations);
            rules(&table, &mut text);
            tables.push(table);
            relations.push(relation);
        }
        let snapshot = snapshot(relations);
        let source = Source { name: "policy.yaml".to_owned(), text };
        let policy = load(&[source], &[]).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let (bound, mistakes) = policy.bind(&snapshot, &["shop"], Moment::from_unix_seconds(0));
        assert!(mistakes.is_empty(), "{mistakes:?}");
        Self { tables, snapshot, policy, bound, mark: Mark::new([0; 16]) }
    }

    /// How a relation may stand; `None` for one that is not there.
    pub(crate) fn access(&self, schema: &str, name: &str) -> Option<Access> {
        let found = self.tables.iter().find(|table| table.schema == schema && table.name == name);
        found.map(|table| table.access)
    }
}

/// The rules on one relation: for `ned` a second one, which admits other rows.
fn rules(table: &Table, into: &mut String) {
    let name = format!("{}.{}", table.schema, table.name);
    match table.access {
        Access::Free if table.schema == "pg_catalog" => {}
        Access::Free => {
            let _ = writeln!(into, "  {name}: [{{ name: a, to: [reader], rows: all }}]");
        }
        Access::Guarded(magic) => {
            let (extra, columns) = (extra(&name), columns_rule(&name));
            let all = "allow: [select, insert, update, delete]";
            let _ = writeln!(into, "  {name}:");
            let rows = format!("\"{KEY} = {magic}{extra}\"");
            let _ =
                writeln!(into, "    - {{ name: a, to: [reader], {all}, rows: {rows}{columns} }}");
            let hide =
                if name == "public.customers" { ", columns: { hide: [credit_limit] }" } else { "" };
            let deny = if name == "public.employees" { columns } else { "" };
            let rows = format!("\"{KEY} = {magic} AND {KEY}::text <> 'b'\"");
            let _ = writeln!(
                into,
                "    - {{ name: b, to: [second], {all}, rows: {rows}{hide}{deny} }}"
            );
        }
        // A view without rules is replaced by its definition; the others are nobody's.
        Access::Never if name.starts_with("public.p") || name.starts_with("public.a") => {
            let _ = writeln!(into, "  {name}: []");
        }
        Access::Never => {}
    }
}

fn read(line: &str, index: usize, known: &[Relation]) -> (Table, Relation) {
    let (head, columns) = line.split_once(": ").expect("a line has a colon");
    let (columns, definition) =
        columns.split_once(" = ").map_or((columns, None), |(a, b)| (a, Some(b.to_owned())));
    let mut words = head.split_whitespace();
    let (schema, name) = words.next().and_then(|name| name.split_once('.')).expect("a name");
    let access = match words.next().expect("a word about access") {
        "free" => Access::Free,
        "never" => Access::Never,
        number => Access::Guarded(HIDDEN_VALUE + number.parse::<u32>().expect("a number")),
    };
    let parent = words.next().and_then(|word| word.strip_prefix('<'));
    let mut columns: Vec<Column> = columns.split(", ").map(column).collect();
    if matches!(access, Access::Guarded(_)) {
        columns.push(column("tenant int4"));
    }
    for (number, column) in (1..).zip(&mut columns) {
        column.number = number;
    }
    let is_parent =
        |other: &&Relation| Some(&*format!("{}.{}", other.schema, other.name)) == parent;
    let relation = Relation {
        oid: Oid(20_000 + u32::try_from(index).expect("few lines")),
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: if definition.is_some() { RelationKind::View } else { RelationKind::Table },
        columns,
        parents: known.iter().find(is_parent).map(|parent| parent.oid).into_iter().collect(),
        primary_key: if definition.is_some() { Vec::new() } else { vec![ColumnId(0)] },
        definition,
        rewrites_rows: false,
    };
    (Table { schema: schema.to_owned(), name: name.to_owned(), access }, relation)
}

fn column(text: &str) -> Column {
    let (name, kind) = text.split_once(' ').expect("a column has a type");
    let oid = match kind {
        "name" => 19,
        "int8" => 20,
        "int2" => 21,
        "int4" => 23,
        "oid" => 26,
        "char" => 18,
        "_int4" => 1007,
        "_text" => 1009,
        "date" => 1082,
        "timestamp" => 1114,
        "numeric" => 1700,
        "jsonb" => 3802,
        _ => 25,
    };
    Column {
        name: name.to_owned(),
        type_oid: Oid(oid),
        type_sql: format!("pg_catalog.\"{kind}\""),
        collation: Oid(100),
        type_modifier: -1,
        not_null: false,
        generated: false,
        identity_always: None,
        has_default: false,
        number: 0,
    }
}

fn snapshot(relations: Vec<Relation>) -> Snapshot {
    let barrier = relations.iter().find(|relation| relation.name == "v_orders");
    let function = |(oid, name): (u32, &str)| Function {
        oid: Oid(oid),
        schema: "public".to_owned(),
        name: name.to_owned(),
        kind: FunctionKind::Function,
        arguments: vec![Oid(1700)],
        result: Oid(1700),
        returns_set: false,
    };
    Snapshot::new(SnapshotParts {
        server_version: 150_018,
        database: "shop".to_owned(),
        schemas: vec!["public".to_owned(), "archive".to_owned()],
        barriers: barrier.map(|view| view.oid).into_iter().collect(),
        relations,
        functions: [(30_000, ALLOWED), (30_001, FORBIDDEN)].map(function).into(),
        field_calls: ["lower", "name", "regclass", "text"].map(str::to_owned).into(),
        ..SnapshotParts::default()
    })
}

//! A small shop's catalog, and texts of what the policy says about it.
#![allow(dead_code, reason = "each suite uses its part")]

use pgcordon_policy::{
    BoundPolicy, Cell, ColumnAccess, Command, Decision, Denial, Expression, Filter, Identity,
    Mistake, Moment, Policy, Principal, Source, load,
};
use pgcordon_sql::catalog::{
    Column, Oid, Relation, RelationId, RelationKind, Snapshot, SnapshotParts,
};
use pgcordon_sql::splice;

/// `kind schema.name parents: columns`, one relation a line.
const RELATIONS: &str = "
r public.customers : id name region email ssn credit_limit created_by deleted_at tenant_id
r public.orders : id region amount tenant_id
r public.payroll : id amount
p public.events : id region at
r public.events_2027 public.events : id region at
r public.events_2027_01 public.events_2027 : id region at
r public.people : id region
r public.employees public.people : id region salary
p public.secrets : id region
r public.secrets_1 public.secrets : id region
v public.open_orders : id region
m public.figures_kept : region amount
S public.orders_id_seq : last_value
r archive.orders public.orders : id region amount tenant_id note
r public.OrderNotes : id note
r pg_catalog.pg_class : oid relname
";

fn column(number: i16, name: &str) -> Column {
    let (type_oid, type_sql) = match name {
        "id" | "amount" | "salary" | "tenant_id" | "credit_limit" => (23, "pg_catalog.int4"),
        "at" | "deleted_at" => (1184, "pg_catalog.timestamptz"),
        _ => (25, "pg_catalog.text"),
    };
    Column {
        name: name.to_owned(),
        type_oid: Oid(type_oid),
        type_sql: type_sql.to_owned(),
        collation: Oid(100),
        type_modifier: -1,
        not_null: false,
        generated: false,
        identity_always: (name == "id").then_some(true),
        has_default: false,
        number,
    }
}

fn relation(index: usize, line: &str, known: &[Relation]) -> Relation {
    let (head, columns) = line.split_once(" : ").expect("columns");
    let mut words = head.split_whitespace();
    let kind = match words.next().expect("a kind") {
        "p" => RelationKind::PartitionedTable,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "S" => RelationKind::Sequence,
        _ => RelationKind::Table,
    };
    let (schema, name) = words.next().and_then(|name| name.split_once('.')).expect("a name");
    let parent = |name: &str| {
        let (schema, name) = name.split_once('.').expect("a name");
        let found = known.iter().find(|known| known.schema == schema && known.name == name);
        found.expect("a parent above").oid
    };
    Relation {
        oid: Oid(16384 + u32::try_from(index).expect("few")),
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind,
        columns: (1..).zip(columns.split_whitespace()).map(|(at, name)| column(at, name)).collect(),
        parents: words.map(parent).collect(),
        primary_key: Vec::new(),
        definition: None,
        rewrites_rows: false,
    }
}

/// The shop's catalog.
pub(crate) fn snapshot() -> Snapshot {
    let mut relations = Vec::new();
    for (index, line) in RELATIONS.trim().lines().enumerate() {
        relations.push(relation(index, line, &relations));
    }
    let schemas = ["public", "archive", "pg_catalog"].map(str::to_owned).to_vec();
    Snapshot::new(SnapshotParts {
        relations,
        schemas,
        server_version: 150_000,
        ..Default::default()
    })
}

/// The people of every test, and a database that everyone may use.
pub(crate) const PEOPLE: &str = "
attributes: { region: text, teams: 'int[]', tenant: int }
roles: { viewer: {}, rep: { includes: [viewer] }, manager: { includes: [rep] }, writer: {}, admin: { bypass: true } }
groups:
  north: { roles: [rep], attributes: { region: North, teams: [1] } }
  south: { attributes: { teams: [2, 1] } }
users:
  rita: { groups: [north] }
  max: { roles: [manager] }
  wendy: { roles: [writer], groups: [north], attributes: { region: West } }
  tess: { groups: [north, south], attributes: { tenant: 7 } }
  nobody: {}
  root: { roles: [admin] }
databases:
  shop: { upstream: main, connect: everyone }
  narrow: { upstream: main, dbname: shop, connect: { users: [rita, max] }, tables: [orders, archive.*] }
";

pub(crate) fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

/// Loads the people and a policy's other sections.
pub(crate) fn policy(text: &str) -> Policy {
    match load(&[source("people", PEOPLE), source("tables", text)], &[]) {
        Ok(policy) => policy,
        Err(mistakes) => panic!("{}", lines(&mistakes)),
    }
}

/// A policy bound to the shop.
pub(crate) struct Bound {
    pub(crate) policy: Policy,
    pub(crate) bound: BoundPolicy,
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) snapshot: Snapshot,
}

pub(crate) fn bind(text: &str) -> Bound {
    bind_at(text, Moment::from_unix_seconds(0))
}

pub(crate) fn bind_at(text: &str, now: Moment) -> Bound {
    bind_to(text, &["shop", "narrow"], now)
}

pub(crate) fn bind_to(text: &str, databases: &[&str], now: Moment) -> Bound {
    let (policy, snapshot) = (policy(text), snapshot());
    let (bound, mistakes) = policy.bind(&snapshot, databases, now);
    Bound { policy, bound, mistakes, snapshot }
}

impl Bound {
    pub(crate) fn principal(&self, name: &str) -> Principal {
        let (user, database) = name.split_once('@').unwrap_or((name, "shop"));
        self.policy.principal(&Identity::named(user), database).expect("may connect")
    }

    pub(crate) fn relation(&self, name: &str) -> RelationId {
        let (schema, name) = name.split_once('.').unwrap_or(("public", name));
        self.snapshot.qualified(schema, name).expect("a relation of the shop")
    }

    pub(crate) fn decide(
        &self,
        user: &str,
        command: Command,
        name: &str,
    ) -> Result<Decision, Denial> {
        self.bound.decide(&self.principal(user), self.relation(name), command)
    }

    /// The decision as one line: rows, check, then columns that are not clear, then forced values.
    pub(crate) fn say(&self, user: &str, command: Command, name: &str) -> String {
        let decision = match self.decide(user, command, name) {
            Ok(decision) => decision,
            Err(denial) => return format!("denied: {denial}"),
        };
        let columns = &self.snapshot.relation(self.relation(name)).columns;
        let mut parts = match command {
            Command::Select | Command::Delete | Command::Truncate => vec![filter(&decision.using)],
            Command::Insert => vec![format!("check {}", filter(&decision.check))],
            Command::Update => {
                vec![format!("{} check {}", filter(&decision.using), filter(&decision.check))]
            }
        };
        for (column, access) in columns.iter().zip(&decision.columns) {
            match access {
                ColumnAccess::Clear => {}
                ColumnAccess::Hidden => parts.push(format!("{} hidden", column.name)),
                ColumnAccess::Denied => parts.push(format!("{} denied", column.name)),
                ColumnAccess::Cells(cells) => {
                    let cells: Vec<String> = cells.iter().map(cell).collect();
                    parts.push(format!("{} {}", column.name, cells.join(" else ")));
                }
            }
        }
        for (column, value) in &decision.presets {
            let name = &columns[usize::from(column.0)].name;
            parts.push(format!("{name} := {}", expression(value)));
        }
        parts.join("; ")
    }
}

pub(crate) fn expression(expression: &Expression) -> String {
    let mut text = String::new();
    expression.template.render(&splice::quoted("t"), &expression.values, &mut text);
    let plain = text.replace("\"t\".", "").replace('"', "");
    let plain = plain.replace("OPERATOR(pg_catalog.=)", "=").replace("pg_catalog.", "");
    plain.split_whitespace().collect::<Vec<&str>>().join(" ").replace("( ", "(").replace(" )", ")")
}

pub(crate) fn filter(filter_: &Filter) -> String {
    let joined = |filters: &[Filter], word: &str| {
        format!("({})", filters.iter().map(filter).collect::<Vec<String>>().join(word))
    };
    match filter_ {
        Filter::All => "all".to_owned(),
        Filter::Nothing => "nothing".to_owned(),
        Filter::Test(test) => expression(test),
        Filter::Any(filters) => joined(filters, " or "),
        Filter::Every(filters) => joined(filters, " and "),
    }
}

fn cell((rows, cell): &(Filter, Cell)) -> String {
    let shown = match cell {
        Cell::Clear => "clear".to_owned(),
        Cell::Masked(mask) => format!("masked {}", expression(mask)),
        Cell::Null => "null".to_owned(),
    };
    format!("{shown} on {}", filter(rows))
}

pub(crate) fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::to_string).collect::<Vec<String>>().join("\n")
}

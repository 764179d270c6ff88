//! Built-in rules for `pg_catalog` and `information_schema`: only what the principal may use is listed.
//!
//! In:  a system relation and the principal.
//! Out: a [`Decision`] that filters it by the relations that the principal may read.
//!
//! Invariants:
//! - A system relation that is not listed here is refused: they hold other people's queries, statistics and secrets.
//! - Objects of PostgreSQL itself (OID below 16384, `FirstNormalObjectId`) say nothing of anybody's data.

use std::fmt::Write as _;
use std::sync::Arc;

use pgcordon_policy::{Cell, ColumnAccess, Command, Decision, Denial, Expression, Filter};
use pgcordon_sql::catalog::{Relation, RelationId, RelationKind};
use pgcordon_sql::splice::literal;
use pgcordon_sql::template::{Piece, Template};

use crate::Context;

/// What may be read of one system relation.
struct Rule {
    schema: &'static str,
    name: &'static str,
    /// A condition; `{a}` is the row, `{oids}`, `{schemas}`, `{tables}`, `{hidden}`, `{hidden names}` what the
    /// principal may or may not see. Empty: all rows.
    rows: &'static str,
    /// Columns that read NULL: statistics, definitions, privileges.
    nulled: &'static [&'static str],
}

const fn all(name: &'static str) -> Rule {
    Rule { schema: "pg_catalog", name, rows: "", nulled: &[] }
}

const fn system(name: &'static str, rows: &'static str, nulled: &'static [&'static str]) -> Rule {
    Rule { schema: "pg_catalog", name, rows, nulled }
}

const fn standard(name: &'static str, rows: &'static str, nulled: &'static [&'static str]) -> Rule {
    Rule { schema: "information_schema", name, rows, nulled }
}

const RULES: &[Rule] = &[
    all("pg_am"),
    all("pg_cast"),
    all("pg_collation"),
    all("pg_enum"),
    all("pg_language"),
    all("pg_opclass"),
    all("pg_range"),
    all("pg_timezone_abbrevs"),
    all("pg_timezone_names"),
    system(
        "pg_class",
        "{a}.oid < 16384 OR {a}.oid = ANY ({oids}) OR {a}.oid IN (SELECT pgcordon_i.indexrelid FROM \
         pg_catalog.pg_index AS pgcordon_i WHERE pgcordon_i.indrelid = ANY ({oids}))",
        &["relpages", "reltuples", "relallvisible", "relacl", "relpartbound"],
    ),
    system(
        "pg_attribute",
        "({a}.attrelid < 16384 OR {a}.attrelid = ANY ({oids})) AND NOT ({hidden})",
        &["attacl", "attmissingval"],
    ),
    system("pg_attrdef", "{a}.adrelid = ANY ({oids})", &["adbin"]),
    system(
        "pg_constraint",
        "({a}.conrelid = 0 OR {a}.conrelid = ANY ({oids})) AND ({a}.confrelid = 0 OR {a}.confrelid = ANY ({oids}))",
        &["conbin"],
    ),
    system("pg_database", "{a}.datname = pg_catalog.current_database()", &["datacl"]),
    system(
        "pg_description",
        "{a}.objoid < 16384 OR ({a}.classoid = 1259 AND {a}.objoid = ANY ({oids}) AND {a}.objsubid = 0)",
        &[],
    ),
    system(
        "pg_index",
        "{a}.indrelid < 16384 OR {a}.indrelid = ANY ({oids})",
        &["indexprs", "indpred"],
    ),
    system("pg_inherits", "{a}.inhrelid = ANY ({oids}) AND {a}.inhparent = ANY ({oids})", &[]),
    system(
        "pg_namespace",
        "{a}.oid < 16384 AND {a}.nspname <> 'public' OR {a}.nspname = ANY ({schemas})",
        &["nspacl"],
    ),
    system("pg_operator", "{a}.oid < 16384", &[]),
    system("pg_proc", "{a}.oid < 16384", &["proacl"]),
    system("pg_roles", "{a}.rolname = CURRENT_USER", &["rolconfig"]),
    system("pg_tables", "{a}.schemaname || '.' || {a}.tablename = ANY ({tables})", &[]),
    system("pg_views", "{a}.schemaname || '.' || {a}.viewname = ANY ({tables})", &["definition"]),
    system(
        "pg_type",
        "{a}.oid < 16384 OR NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type AS pgcordon_t WHERE pgcordon_t.oid IN \
         ({a}.oid, {a}.typelem) AND pgcordon_t.typrelid >= 16384 AND NOT pgcordon_t.typrelid = ANY ({oids}))",
        &["typacl", "typdefaultbin"],
    ),
    standard("schemata", "{a}.schema_name::pg_catalog.text = ANY ({schemas})", &[]),
    standard(
        "tables",
        "{a}.table_schema::pg_catalog.text || '.' || {a}.table_name::pg_catalog.text = ANY ({tables})",
        &[],
    ),
    standard(
        "views",
        "{a}.table_schema::pg_catalog.text || '.' || {a}.table_name::pg_catalog.text = ANY ({tables})",
        &["view_definition"],
    ),
    standard(
        "columns",
        "{a}.table_schema::pg_catalog.text || '.' || {a}.table_name::pg_catalog.text = ANY ({tables}) AND NOT \
         {a}.table_schema::pg_catalog.text || '.' || {a}.table_name::pg_catalog.text || '.' || \
         {a}.column_name::pg_catalog.text = ANY ({hidden names})",
        &[],
    ),
    standard(
        "table_constraints",
        "{a}.table_schema::pg_catalog.text || '.' || {a}.table_name::pg_catalog.text = ANY ({tables})",
        &[],
    ),
    standard(
        "key_column_usage",
        "{a}.table_schema::pg_catalog.text || '.' || {a}.table_name::pg_catalog.text = ANY ({tables}) AND NOT \
         {a}.table_schema::pg_catalog.text || '.' || {a}.table_name::pg_catalog.text || '.' || \
         {a}.column_name::pg_catalog.text = ANY ({hidden names})",
        &[],
    ),
];

/// Decides on a system relation.
pub(crate) fn decide(
    context: &Context<'_>,
    relation: RelationId,
    command: Command,
) -> Result<Decision, Denial> {
    let found = context.snapshot.relation(relation);
    let rule = RULES.iter().find(|rule| rule.schema == found.schema && rule.name == found.name);
    let Some(rule) = rule else { return Err(Denial::NoRule) };
    match command {
        Command::Select => Ok(decision(context, found, rule)),
        Command::Insert | Command::Update | Command::Delete | Command::Truncate => {
            Err(Denial::CommandNotGranted)
        }
    }
}

fn decision(context: &Context<'_>, relation: &Relation, rule: &Rule) -> Decision {
    let using = match rule.rows {
        "" => Filter::All,
        rows => Filter::Test(condition(rows, &Visible::of(context))),
    };
    let columns = relation.columns.iter().map(|column| {
        // `attmissingval` has a pseudo-type, which NULL cannot be cast to.
        match (rule.nulled.contains(&column.name.as_str()), column.name == "attmissingval") {
            (true, true) => ColumnAccess::Hidden,
            (true, false) => ColumnAccess::Cells(vec![(Filter::All, Cell::Null)]),
            (false, _) => ColumnAccess::Clear,
        }
    });
    Decision {
        using,
        check: Filter::All,
        columns: columns.collect(),
        presets: Vec::new(),
        rules: vec!["built-in".to_owned()],
    }
}

/// What a principal may see, as SQL constants.
struct Visible {
    oids: String,
    schemas: String,
    tables: String,
    hidden: String,
    hidden_names: String,
}

impl Visible {
    fn of(context: &Context<'_>) -> Self {
        let (mut oids, mut schemas, mut tables) = (Vec::new(), Vec::new(), Vec::new());
        let (mut hidden, mut hidden_names) = (String::from("false"), Vec::new());
        for (id, relation) in context.snapshot.relations() {
            if relation.oid.0 < 16_384 {
                continue;
            }
            if relation.kind == RelationKind::CompositeType {
                oids.push(relation.oid.0.to_string());
                continue;
            }
            let asked = context.policy.decide(context.principal, id, Command::Select);
            let Ok(decision) = asked else { continue };
            oids.push(relation.oid.0.to_string());
            if !schemas.contains(&relation.schema) {
                schemas.push(relation.schema.clone());
            }
            tables.push(format!("{}.{}", relation.schema, relation.name));
            for (column, access) in relation.columns.iter().zip(&decision.columns) {
                if *access == ColumnAccess::Hidden {
                    let (oid, number) = (relation.oid.0, column.number);
                    let _ =
                        write!(hidden, " OR {{a}}.attrelid = {oid} AND {{a}}.attnum = {number}");
                    hidden_names
                        .push(format!("{}.{}.{}", relation.schema, relation.name, column.name));
                }
            }
        }
        Self {
            oids: format!("'{{{}}}'::pg_catalog.oid[]", oids.join(",")),
            schemas: array(&schemas),
            tables: array(&tables),
            hidden,
            hidden_names: array(&hidden_names),
        }
    }
}

fn array(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
    format!("ARRAY[{}]::pg_catalog.text[]", values.join(", "))
}

fn condition(rows: &str, visible: &Visible) -> Expression {
    let text = rows
        .replace("{oids}", &visible.oids)
        .replace("{schemas}", &visible.schemas)
        .replace("{tables}", &visible.tables)
        .replace("{hidden names}", &visible.hidden_names)
        .replace("{hidden}", &visible.hidden);
    let mut pieces = Vec::new();
    for (index, part) in text.split("{a}").enumerate() {
        if index > 0 {
            pieces.push(Piece::Alias);
        }
        pieces.push(Piece::Text(part.to_owned()));
    }
    let template = Template { pieces, has_subquery: true, ..Template::default() };
    Expression { template: Arc::new(template), values: Vec::new() }
}

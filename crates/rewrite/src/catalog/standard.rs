//! Built-in rules for `information_schema`, whose views give names instead of OIDs.
//!
//! Invariants:
//! - A view that is not listed is refused.
//! - Names are looked up in the live catalog and compared by parts: `"a.b".c` is not `a."b.c"`.
//! - A constraint's name is not unique in its schema: a row that gives no table is listed only where every constraint of
//!   that name is visible.

use super::visible::Visible;
use super::{Columns, Rule};
use pgcordon_policy::Command;

const fn standard(
    name: &'static str,
    rows: fn(&Visible) -> String,
    nulled: &'static [&'static str],
) -> Rule {
    Rule { schema: "information_schema", name, rows, nulled, partly: None }
}

fn every(_: &Visible) -> String {
    "true".to_owned()
}

fn none(_: &Visible) -> String {
    "false".to_owned()
}

pub(super) const RULES: &[Rule] = &[
    standard("administrable_role_authorizations", none, &[]),
    standard("applicable_roles", none, &[]),
    standard("attributes", |v| of("udt_schema", "udt_name", v), &[]),
    standard("character_sets", every, &[]),
    standard("check_constraints", check_constraints, &[]),
    standard("collations", every, &[]),
    Rule {
        schema: "information_schema",
        name: "columns",
        rows: |v| column("table_schema", "table_name", "column_name", v),
        nulled: &[],
        partly: Some((Columns::Named(&["column_default", "generation_expression"]), defaults)),
    },
    standard("column_domain_usage", column_domains, &[]),
    standard("column_options", none, &[]),
    standard("column_privileges", column_privileges, &[]),
    standard("column_udt_usage", |v| column("table_schema", "table_name", "column_name", v), &[]),
    standard("constraint_column_usage", constraint_columns, &[]),
    standard("constraint_table_usage", constraint_tables, &[]),
    standard("domain_constraints", |v| kind("domain_schema", "domain_name", v), &[]),
    standard("domain_udt_usage", domain_types, &[]),
    standard("domains", |v| kind("domain_schema", "domain_name", v), &["domain_default"]),
    standard("element_types", elements, &[]),
    standard("enabled_roles", |_| "{a}.role_name = CURRENT_USER".to_owned(), &[]),
    standard("foreign_tables", |v| of("foreign_table_schema", "foreign_table_name", v), &[]),
    standard("information_schema_catalog_name", every, &[]),
    standard("key_column_usage", key_columns, &[]),
    standard("parameters", routine_parameters, &["parameter_default"]),
    standard("referential_constraints", references, &[]),
    standard("role_column_grants", column_privileges, &[]),
    standard("role_table_grants", table_privileges, &[]),
    standard("role_routine_grants", none, &[]),
    standard("role_udt_grants", none, &[]),
    standard("role_usage_grants", none, &[]),
    standard("routine_privileges", none, &[]),
    standard("routines", routines, &["routine_definition"]),
    standard("schemata", |v| v.schema_name("{a}.schema_name"), &[]),
    standard("sequences", |v| of("sequence_schema", "sequence_name", v), &[]),
    standard("sql_features", every, &[]),
    standard("sql_implementation_info", every, &[]),
    standard("sql_parts", every, &[]),
    standard("sql_sizing", every, &[]),
    standard("table_constraints", table_constraints, &[]),
    standard("table_privileges", table_privileges, &[]),
    standard("tables", |v| of("table_schema", "table_name", v), &[]),
    standard("triggers", triggers, &["action_statement", "action_condition"]),
    standard("udt_privileges", none, &[]),
    standard("usage_privileges", none, &[]),
    standard(
        "user_defined_types",
        |v| kind("user_defined_type_schema", "user_defined_type_name", v),
        &[],
    ),
    standard("user_mapping_options", none, &[]),
    standard("user_mappings", none, &[]),
    Rule {
        schema: "information_schema",
        name: "views",
        rows: |v| of("table_schema", "table_name", v),
        nulled: &[],
        partly: Some((Columns::Named(&["view_definition"]), definitions)),
    },
    standard("view_column_usage", view_columns, &[]),
    standard("view_table_usage", view_tables, &[]),
];

fn definitions(v: &Visible) -> String {
    defined("{a}.table_schema", "{a}.table_name", v)
}

/// `(schema, name)` is in the result of a query over names.
fn names_in(columns: &[&str], query: &str) -> String {
    let columns: Vec<String> =
        columns.iter().map(|column| format!("{column}::pg_catalog.text")).collect();
    format!("(({}) IN ({query}))", columns.join(", "))
}

/// A visible relation by its schema and name.
pub(super) fn named(schema: &str, name: &str, visible: &Visible) -> String {
    relations_where(schema, name, &visible.relation("pgcordon_c.oid"))
}

/// A view whose definition may be shown, by its schema and name.
pub(super) fn defined(schema: &str, name: &str, visible: &Visible) -> String {
    let kinds = "pgcordon_c.relkind IN ('v', 'm')";
    let shown = visible.view_definition("pgcordon_c.oid");
    relations_where(schema, name, &format!("{kinds} AND {shown}"))
}

fn relations_where(schema: &str, name: &str, condition: &str) -> String {
    names_in(
        &[schema, name],
        &format!(
            "SELECT pgcordon_n.nspname::pg_catalog.text, pgcordon_c.relname::pg_catalog.text FROM pg_catalog.pg_class AS \
             pgcordon_c JOIN pg_catalog.pg_namespace AS pgcordon_n ON pgcordon_n.oid = pgcordon_c.relnamespace WHERE \
             {condition}"
        ),
    )
}

fn of(schema: &str, name: &str, visible: &Visible) -> String {
    named(&format!("{{a}}.{schema}"), &format!("{{a}}.{name}"), visible)
}

fn attributes_where(schema: &str, name: &str, column: &str, condition: &str) -> String {
    let [schema, name, column] = [schema, name, column].map(|name| format!("{{a}}.{name}"));
    names_in(
        &[&schema, &name, &column],
        &format!(
            "SELECT pgcordon_n.nspname::pg_catalog.text, pgcordon_c.relname::pg_catalog.text, \
             pgcordon_a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS pgcordon_a JOIN pg_catalog.pg_class AS \
             pgcordon_c ON pgcordon_c.oid = pgcordon_a.attrelid JOIN pg_catalog.pg_namespace AS pgcordon_n ON \
             pgcordon_n.oid = pgcordon_c.relnamespace WHERE {condition}"
        ),
    )
}

/// A column of a visible relation that is not hidden.
fn column(schema: &str, name: &str, column: &str, v: &Visible) -> String {
    let hidden = v.hidden("pgcordon_a.attrelid", "pgcordon_a.attnum");
    let condition = format!("{} AND NOT {hidden}", v.relation("pgcordon_a.attrelid"));
    attributes_where(schema, name, column, &condition)
}

/// A column whose default may be shown.
fn defaults(v: &Visible) -> String {
    let shown = super::rules::rows("pg_attrdef", v).replace("{a}", "pgcordon_e");
    let condition = format!(
        "EXISTS (SELECT 1 FROM pg_catalog.pg_attrdef AS pgcordon_e WHERE pgcordon_e.adrelid = pgcordon_a.attrelid AND \
         pgcordon_e.adnum = pgcordon_a.attnum AND {shown})"
    );
    attributes_where("table_schema", "table_name", "column_name", &condition)
}

fn column_domains(v: &Visible) -> String {
    let shown = column("table_schema", "table_name", "column_name", v);
    format!("{shown} AND {}", kind("domain_schema", "domain_name", v))
}

fn domain_types(v: &Visible) -> String {
    format!("{} AND {}", kind("domain_schema", "domain_name", v), kind("udt_schema", "udt_name", v))
}

/// Of the elements of arrays those of columns: what stands for one is its number.
fn elements(v: &Visible) -> String {
    let hidden = v.hidden("pgcordon_a.attrelid", "pgcordon_a.attnum");
    let columns = ["object_schema", "object_name", "collection_type_identifier"];
    let columns = columns.map(|name| format!("{{a}}.{name}"));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let shown = names_in(
        &columns,
        &format!(
            "SELECT pgcordon_n.nspname::pg_catalog.text, pgcordon_c.relname::pg_catalog.text, \
             pgcordon_a.attnum::pg_catalog.text FROM pg_catalog.pg_attribute AS pgcordon_a JOIN pg_catalog.pg_class AS \
             pgcordon_c ON pgcordon_c.oid = pgcordon_a.attrelid JOIN pg_catalog.pg_namespace AS pgcordon_n ON \
             pgcordon_n.oid = pgcordon_c.relnamespace WHERE {} AND NOT {hidden}",
            v.relation("pgcordon_a.attrelid")
        ),
    );
    format!("{{a}}.object_type = 'TABLE' AND {shown}")
}

fn kind(schema: &str, name: &str, v: &Visible) -> String {
    names_in(
        &[&format!("{{a}}.{schema}"), &format!("{{a}}.{name}")],
        &format!(
            "SELECT pgcordon_n.nspname::pg_catalog.text, pgcordon_t.typname::pg_catalog.text FROM pg_catalog.pg_type AS \
             pgcordon_t JOIN pg_catalog.pg_namespace AS pgcordon_n ON pgcordon_n.oid = pgcordon_t.typnamespace WHERE {}",
            v.kind("pgcordon_t.oid")
        ),
    )
}

/// A constraint by its schema and name, if every one of that name is visible; NOT NULL constraints of servers before 18
/// have names made of numbers: schema, relation, column.
fn constraint(schema: &str, name: &str, v: &Visible) -> String {
    let shown = super::rules::rows("pg_constraint", v).replace("{a}", "pgcordon_o");
    let number =
        |place: u8| format!("pg_catalog.split_part({{a}}.{name}, '_', {place})::pg_catalog.oid");
    let relation = v.relation(&number(2));
    let hidden = v.hidden(&number(2), &format!("{}::pg_catalog.int8", number(3)));
    format!(
        "CASE WHEN {{a}}.{name}::pg_catalog.text ~ '^[0-9]{{1,9}}_[0-9]{{1,9}}_[0-9]{{1,4}}_not_null$' THEN {relation} AND \
         NOT {hidden} ELSE ({{a}}.{schema}::pg_catalog.text, {{a}}.{name}::pg_catalog.text) IN (SELECT \
         pgcordon_n.nspname::pg_catalog.text, pgcordon_o.conname::pg_catalog.text FROM pg_catalog.pg_constraint AS \
         pgcordon_o JOIN pg_catalog.pg_namespace AS pgcordon_n ON pgcordon_n.oid = pgcordon_o.connamespace GROUP BY 1, 2 \
         HAVING pg_catalog.bool_and(coalesce({shown}, false))) END"
    )
}

fn check_constraints(v: &Visible) -> String {
    constraint("constraint_schema", "constraint_name", v)
}

/// With the constraint's table, several of one name are told apart: any visible one of that table will do, but none may
/// be invisible.
fn table_constraints(v: &Visible) -> String {
    format!(
        "{} AND {}",
        of("table_schema", "table_name", v),
        constraint("constraint_schema", "constraint_name", v)
    )
}

fn key_columns(v: &Visible) -> String {
    format!(
        "{} AND {}",
        column("table_schema", "table_name", "column_name", v),
        constraint("constraint_schema", "constraint_name", v)
    )
}

fn constraint_columns(v: &Visible) -> String {
    key_columns(v)
}

fn constraint_tables(v: &Visible) -> String {
    table_constraints(v)
}

fn references(v: &Visible) -> String {
    let own = constraint("constraint_schema", "constraint_name", v);
    let other = constraint("unique_constraint_schema", "unique_constraint_name", v);
    format!("{own} AND ({{a}}.unique_constraint_name IS NULL OR {other})")
}

/// What the policy grants of what the upstream role has.
fn table_privileges(v: &Visible) -> String {
    let granted = |command| {
        let condition = v.granted(command, "pgcordon_c.oid");
        relations_where("{a}.table_schema", "{a}.table_name", &condition)
    };
    format!(
        "{{a}}.grantee IN (CURRENT_USER, 'PUBLIC') AND CASE {{a}}.privilege_type WHEN 'SELECT' THEN {} WHEN 'INSERT' THEN \
         {} WHEN 'UPDATE' THEN {} WHEN 'DELETE' THEN {} ELSE false END",
        granted(Command::Select),
        granted(Command::Insert),
        granted(Command::Update),
        granted(Command::Delete),
    )
}

fn column_privileges(v: &Visible) -> String {
    format!(
        "{} AND {}",
        table_privileges(v),
        column("table_schema", "table_name", "column_name", v)
    )
}

fn routines(v: &Visible) -> String {
    specific("specific_schema", "specific_name", v)
}

fn routine_parameters(v: &Visible) -> String {
    specific("specific_schema", "specific_name", v)
}

/// `specific_name` is the function's name with its OID.
fn specific(schema: &str, name: &str, v: &Visible) -> String {
    names_in(
        &[&format!("{{a}}.{schema}"), &format!("{{a}}.{name}")],
        &format!(
            "SELECT pgcordon_n.nspname::pg_catalog.text, pg_catalog.\"left\"(pgcordon_p.proname::pg_catalog.text, 63 - \
             pg_catalog.length('_' || pgcordon_p.oid::pg_catalog.text)) || '_' || pgcordon_p.oid::pg_catalog.text FROM \
             pg_catalog.pg_proc AS pgcordon_p JOIN pg_catalog.pg_namespace AS pgcordon_n ON pgcordon_n.oid = \
             pgcordon_p.pronamespace WHERE {}",
            v.function("pgcordon_p.oid")
        ),
    )
}

fn triggers(v: &Visible) -> String {
    let shown = super::rules::rows("pg_trigger", v).replace("{a}", "pgcordon_g");
    names_in(
        &["{a}.event_object_schema", "{a}.event_object_table", "{a}.trigger_name"],
        &format!(
            "SELECT pgcordon_n.nspname::pg_catalog.text, pgcordon_c.relname::pg_catalog.text, \
             pgcordon_g.tgname::pg_catalog.text FROM pg_catalog.pg_trigger AS pgcordon_g JOIN pg_catalog.pg_class AS \
             pgcordon_c ON pgcordon_c.oid = pgcordon_g.tgrelid JOIN pg_catalog.pg_namespace AS pgcordon_n ON \
             pgcordon_n.oid = pgcordon_c.relnamespace WHERE {shown}"
        ),
    )
}

fn view_tables(v: &Visible) -> String {
    format!("{} AND {}", of("view_schema", "view_name", v), of("table_schema", "table_name", v))
}

fn view_columns(v: &Visible) -> String {
    format!(
        "{} AND {}",
        of("view_schema", "view_name", v),
        column("table_schema", "table_name", "column_name", v)
    )
}

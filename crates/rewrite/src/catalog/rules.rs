//! Built-in rules for `pg_catalog`: which rows of each system relation are listed, and which of its cells.
//!
//! Invariants:
//! - A system relation that is not listed here or in `standard` is refused: statistics, other people's queries, secrets.
//! - A definition is shown only where everything that the object depends on (`pg_depend`) may be known.

use super::visible::Visible;
use super::{Columns, Rule};

const CONSTRAINT: u32 = 2606;
const REWRITE: u32 = 2618;
const TRIGGER: u32 = 2620;
const STATISTICS: u32 = 3381;

fn every(_: &Visible) -> String {
    "true".to_owned()
}

fn none(_: &Visible) -> String {
    "false".to_owned()
}

fn own(_: &Visible) -> String {
    "{a}.oid < 16384".to_owned()
}

const fn all(name: &'static str) -> Rule {
    system(name, every, &[])
}

const fn builtin(name: &'static str) -> Rule {
    system(name, own, &[])
}

/// There, so that tools can ask, and empty.
const fn empty(name: &'static str) -> Rule {
    system(name, none, &[])
}

/// What is counted of a relation tells of its rows: shown where every one of them is seen.
const fn counted(name: &'static str) -> Rule {
    let partly = Some((Columns::AllBut(COUNTED), whole_relation as fn(&Visible) -> String));
    Rule { schema: "pg_catalog", name, rows: |v| v.relation("{a}.relid"), nulled: &[], partly }
}

/// As [`counted`], of an index.
const fn counted_index(name: &'static str) -> Rule {
    let rows =
        |v: &Visible| format!("{} AND {}", v.relation("{a}.relid"), v.relation("{a}.indexrelid"));
    Rule { rows, ..counted(name) }
}

fn whole_relation(v: &Visible) -> String {
    v.whole("{a}.relid")
}

/// What the views of counts say besides counts.
const COUNTED: &[&str] = &["relid", "indexrelid", "schemaname", "relname", "indexrelname"];

const fn system(
    name: &'static str,
    rows: fn(&Visible) -> String,
    nulled: &'static [&'static str],
) -> Rule {
    Rule { schema: "pg_catalog", name, rows, nulled, partly: None }
}

const fn partly(
    name: &'static str,
    rows: fn(&Visible) -> String,
    nulled: &'static [&'static str],
    columns: &'static [&'static str],
    shown: fn(&Visible) -> String,
) -> Rule {
    let partly = Some((Columns::Named(columns), shown));
    Rule { schema: "pg_catalog", name, rows, nulled, partly }
}

/// Columns of the server's views that name a relation.
fn named(schema: &str, name: &str, visible: &Visible) -> String {
    super::standard::named(&format!("{{a}}.{schema}"), &format!("{{a}}.{name}"), visible)
}

pub(super) const RULES: &[Rule] = &[
    all("pg_am"),
    all("pg_amop"),
    all("pg_amproc"),
    all("pg_available_extension_versions"),
    all("pg_available_extensions"),
    all("pg_language"),
    all("pg_opclass"),
    all("pg_opfamily"),
    all("pg_timezone_abbrevs"),
    all("pg_timezone_names"),
    builtin("pg_conversion"),
    builtin("pg_operator"),
    builtin("pg_ts_config"),
    builtin("pg_ts_dict"),
    builtin("pg_ts_parser"),
    builtin("pg_ts_template"),
    empty("pg_auth_members"),
    // They would show a statement as pgcordon sent it, under a name of its own.
    empty("pg_cursors"),
    empty("pg_db_role_setting"),
    empty("pg_default_acl"),
    empty("pg_event_trigger"),
    empty("pg_group"),
    empty("pg_policies"),
    empty("pg_parameter_acl"),
    empty("pg_policy"),
    empty("pg_prepared_statements"),
    empty("pg_prepared_xacts"),
    empty("pg_publication"),
    empty("pg_publication_namespace"),
    empty("pg_publication_rel"),
    empty("pg_publication_tables"),
    empty("pg_seclabel"),
    empty("pg_seclabels"),
    empty("pg_shdepend"),
    empty("pg_shseclabel"),
    empty("pg_stat_database"),
    system("pg_subscription", none, &["subconninfo"]),
    empty("pg_user_mappings"),
    counted_index("pg_stat_all_indexes"),
    counted("pg_stat_all_tables"),
    counted_index("pg_stat_user_indexes"),
    counted("pg_stat_user_tables"),
    counted_index("pg_statio_all_indexes"),
    counted("pg_statio_all_tables"),
    counted_index("pg_statio_user_indexes"),
    counted("pg_statio_user_tables"),
    system("pg_aggregate", |v| v.function("{a}.aggfnoid::pg_catalog.oid"), &[]),
    system("pg_attrdef", attribute_defaults, &[]),
    system("pg_attribute", attributes, &["attacl", "attmissingval"]),
    system("pg_cast", casts, &[]),
    partly("pg_class", |v| v.relation("{a}.oid"), &["relacl"], STATISTICAL, |v| v.whole("{a}.oid")),
    system("pg_collation", |v| v.schema("{a}.collnamespace"), &[]),
    system("pg_constraint", constraints, &[]),
    system("pg_database", |_| current_database("{a}.datname"), &["datacl"]),
    system("pg_depend", dependencies, &[]),
    system("pg_description", descriptions, &[]),
    system("pg_enum", |v| v.kind("{a}.enumtypid"), &[]),
    system("pg_extension", every, &["extconfig", "extcondition"]),
    system("pg_foreign_data_wrapper", wrappers, &["fdwacl", "fdwoptions"]),
    system("pg_foreign_server", servers, &["srvacl", "srvoptions"]),
    system("pg_foreign_table", |v| v.relation("{a}.ftrelid"), &["ftoptions"]),
    system("pg_index", indexes, &[]),
    system("pg_indexes", indexed, &[]),
    system("pg_inherits", inheritance, &[]),
    partly(
        "pg_matviews",
        |v| named("schemaname", "matviewname", v),
        &[],
        &["definition"],
        |v| super::standard::defined("{a}.schemaname", "{a}.matviewname", v),
    ),
    system("pg_locks", own_transactions, &[]),
    system("pg_namespace", |v| v.schema("{a}.oid"), &["nspacl"]),
    system("pg_partitioned_table", partition_keys, &[]),
    partly(
        "pg_proc",
        |v| v.function("{a}.oid"),
        &["proacl", "proconfig"],
        SOURCES,
        |_| "{a}.oid < 16384".to_owned(),
    ),
    system("pg_range", |v| v.kind("{a}.rngtypid"), &[]),
    system("pg_rewrite", rewrite_rules, &["ev_qual", "ev_action"]),
    system("pg_roles", |v| v.role("{a}.oid"), &["rolconfig"]),
    system("pg_rules", |v| named("schemaname", "tablename", v), &["definition"]),
    system("pg_sequence", |v| v.relation("{a}.seqrelid"), &[]),
    system("pg_sequences", |v| named("schemaname", "sequencename", v), &["last_value"]),
    system("pg_settings", settings, &["sourcefile", "sourceline"]),
    system("pg_shdescription", shared_descriptions, &[]),
    system("pg_stat_activity", own_session, ACTIVITY),
    system("pg_stat_gssapi", own_session, &[]),
    system("pg_stat_ssl", own_session, &[]),
    system("pg_statistic_ext", extended_statistics, &[]),
    system("pg_tables", |v| named("schemaname", "tablename", v), &[]),
    system("pg_tablespace", own, &["spcacl", "spcoptions"]),
    system("pg_trigger", triggers, &["tgargs"]),
    system("pg_type", |v| v.kind("{a}.oid"), &["typacl", "typdefaultbin"]),
    system("pg_user", |_| "{a}.usename = CURRENT_USER".to_owned(), &["useconfig"]),
    partly(
        "pg_views",
        |v| named("schemaname", "viewname", v),
        &[],
        &["definition"],
        |v| super::standard::defined("{a}.schemaname", "{a}.viewname", v),
    ),
];

/// What tells of rows: how many there are, and by which values they are parted.
const STATISTICAL: &[&str] =
    &["relpages", "reltuples", "relallvisible", "relallfrozen", "relpartbound"];
const SOURCES: &[&str] = &["prosrc", "probin", "prosqlbody", "proargdefaults"];
/// The statement is as pgcordon sent it, with its conditions.
const ACTIVITY: &[&str] = &["query", "query_id"];

/// The rows of a system catalog, as a condition on `{a}`.
pub(super) fn rows(name: &str, visible: &Visible) -> String {
    let rule = RULES.iter().find(|rule| rule.name == name);
    rule.map_or_else(|| "false".to_owned(), |rule| (rule.rows)(visible))
}

fn own_session(_: &Visible) -> String {
    "{a}.pid = pg_catalog.pg_backend_pid()".to_owned()
}

/// Of the locks of one's own session those that name no object: the others tell which relations a rule reads.
fn own_transactions(_: &Visible) -> String {
    let kinds = "('transactionid', 'virtualxid')";
    format!("{{a}}.pid = pg_catalog.pg_backend_pid() AND {{a}}.locktype IN {kinds}")
}

fn current_database(name: &str) -> String {
    format!("{name} = pg_catalog.current_database()")
}

fn attributes(v: &Visible) -> String {
    let hidden = v.hidden("{a}.attrelid", "{a}.attnum");
    format!("{} AND NOT {hidden}", v.relation("{a}.attrelid"))
}

fn attribute_defaults(v: &Visible) -> String {
    let hidden = v.hidden("{a}.adrelid", "{a}.adnum");
    format!("{} AND NOT {hidden} AND {}", v.relation("{a}.adrelid"), v.column_default("{a}.oid"))
}

fn casts(v: &Visible) -> String {
    format!("{} AND {}", v.kind("{a}.castsource"), v.kind("{a}.casttarget"))
}

fn constraints(v: &Visible) -> String {
    format!(
        "{} AND {} AND ({{a}}.contypid = 0 OR {}) AND NOT coalesce({}, false) AND NOT coalesce({}, false) AND {}",
        v.relation("{a}.conrelid"),
        v.relation("{a}.confrelid"),
        v.kind("{a}.contypid"),
        v.hidden_among("{a}.conrelid", "{a}.conkey"),
        v.hidden_among("{a}.confrelid", "{a}.confkey"),
        v.made_of_visible(CONSTRAINT, "{a}.oid"),
    )
}

/// Both sides visible: sequences of columns, indexes of tables, constraints, defaults, rules, extensions' members.
fn dependencies(v: &Visible) -> String {
    format!(
        "{{a}}.objid >= 16384 AND CASE {{a}}.classid WHEN 1259 THEN {} AND NOT {} WHEN 2606 THEN {} WHEN 2604 THEN {} \
         WHEN 2618 THEN {} WHEN 2620 THEN {} WHEN 1247 THEN {} ELSE false END AND CASE {{a}}.refclassid WHEN 1259 THEN \
         {} AND NOT {} WHEN 2606 THEN {} WHEN 1247 THEN {} WHEN 3079 THEN true ELSE false END",
        v.relation("{a}.objid"),
        v.hidden("{a}.objid", "{a}.objsubid"),
        v.row("pg_constraint", "oid", "{a}.objid"),
        v.row("pg_attrdef", "oid", "{a}.objid"),
        v.row("pg_rewrite", "oid", "{a}.objid"),
        v.row("pg_trigger", "oid", "{a}.objid"),
        v.kind("{a}.objid"),
        v.relation("{a}.refobjid"),
        v.hidden("{a}.refobjid", "{a}.refobjsubid"),
        v.row("pg_constraint", "oid", "{a}.refobjid"),
        v.kind("{a}.refobjid"),
    )
}

fn descriptions(v: &Visible) -> String {
    format!(
        "CASE {{a}}.classoid WHEN 1259 THEN {} AND NOT {} WHEN 1255 THEN {} WHEN 1247 THEN {} WHEN 2606 THEN {} WHEN \
         2615 THEN {} WHEN 2620 THEN {} WHEN 2618 THEN {} WHEN 3381 THEN {} WHEN 3079 THEN true WHEN 2613 THEN false \
         ELSE {{a}}.objoid < 16384 END",
        v.relation("{a}.objoid"),
        v.hidden("{a}.objoid", "{a}.objsubid"),
        v.function("{a}.objoid"),
        v.kind("{a}.objoid"),
        v.row("pg_constraint", "oid", "{a}.objoid"),
        v.schema("{a}.objoid"),
        v.row("pg_trigger", "oid", "{a}.objoid"),
        v.row("pg_rewrite", "oid", "{a}.objoid"),
        v.row("pg_statistic_ext", "oid", "{a}.objoid"),
    )
}

fn shared_descriptions(v: &Visible) -> String {
    format!(
        "CASE {{a}}.classoid WHEN 1262 THEN {{a}}.objoid IN (SELECT pgcordon_b.oid FROM pg_catalog.pg_database AS \
         pgcordon_b WHERE {}) WHEN 1260 THEN {} ELSE {{a}}.objoid < 16384 END",
        current_database("pgcordon_b.datname"),
        v.role("{a}.objoid"),
    )
}

fn servers(v: &Visible) -> String {
    format!(
        "{{a}}.oid IN (SELECT pgcordon_f.ftserver FROM pg_catalog.pg_foreign_table AS pgcordon_f WHERE {})",
        v.relation("pgcordon_f.ftrelid")
    )
}

fn wrappers(v: &Visible) -> String {
    format!(
        "{{a}}.oid IN (SELECT pgcordon_s.srvfdw FROM pg_catalog.pg_foreign_server AS pgcordon_s WHERE {})",
        servers(v).replace("{a}", "pgcordon_s")
    )
}

fn indexes(v: &Visible) -> String {
    format!("{} AND {}", v.relation("{a}.indrelid"), v.relation("{a}.indexrelid"))
}

/// The index's own name has to be visible, too: it may be on a hidden column.
fn indexed(v: &Visible) -> String {
    format!("{} AND {}", named("schemaname", "tablename", v), named("schemaname", "indexname", v))
}

fn inheritance(v: &Visible) -> String {
    format!("{} AND {}", v.relation("{a}.inhrelid"), v.relation("{a}.inhparent"))
}

fn partition_keys(v: &Visible) -> String {
    format!(
        "{} AND NOT {} AND ({{a}}.partexprs IS NULL OR NOT {})",
        v.relation("{a}.partrelid"),
        v.hidden_among("{a}.partrelid", "{a}.partattrs"),
        v.hides("{a}.partrelid"),
    )
}

fn rewrite_rules(v: &Visible) -> String {
    format!("{} AND {}", v.relation("{a}.ev_class"), v.made_of_visible(REWRITE, "{a}.oid"))
}

fn triggers(v: &Visible) -> String {
    format!(
        "NOT {{a}}.tgisinternal AND {} AND {} AND {} AND NOT {} AND {}",
        v.relation("{a}.tgrelid"),
        v.relation("{a}.tgconstrrelid"),
        v.function("{a}.tgfoid"),
        v.hidden_among("{a}.tgrelid", "{a}.tgattr"),
        v.made_of_visible(TRIGGER, "{a}.oid"),
    )
}

fn extended_statistics(v: &Visible) -> String {
    format!(
        "{} AND NOT {} AND {}",
        v.relation("{a}.stxrelid"),
        v.hidden_among("{a}.stxrelid", "{a}.stxkeys"),
        v.made_of_visible(STATISTICS, "{a}.oid"),
    )
}

fn settings(_: &Visible) -> String {
    let names: Vec<String> = crate::settings::readable().map(|name| format!("'{name}'")).collect();
    format!("pg_catalog.lower({{a}}.name) = ANY (ARRAY[{}])", names.join(", "))
}

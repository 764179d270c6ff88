use super::*;

/// Names that must never be on a list of harmless functions; a `*` stands for any ending.
const NOTORIOUS: &str = "
    set_config current_setting setseed current_query
    query_to_xml* table_to_xml* cursor_to_xml* schema_to_xml* database_to_xml* ts_stat ts_rewrite ts_debug
    lo_* loread lowrite pg_read_* pg_ls_* pg_stat_* pg_file_* pg_logdir_ls pg_current_logfile pg_hba_file_rules
    dblink* crosstab* nextval setval currval lastval pg_sequence_* pg_nextoid
    pg_sleep* pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile* pg_promote pg_log_*
    pg_advisory_* pg_try_advisory_* pg_notify pg_listening_channels pg_notification_queue_usage
    currtid* txid_* pg_current_* pg_snapshot_* pg_visible_in_snapshot pg_xact_* pg_export_snapshot
    pg_logical_* pg_replication_* pg_create_* pg_drop_* pg_copy_* pg_wal* pg_switch_wal pg_backup_* pg_lock_status
    pg_blocking_pids pg_prepared_* pg_cursor pg_show_* pg_config pg_control_* pg_settings_get_flags
    inet_server_* inet_client_* getpgusername pg_relation_filepath pg_filenode_relation
    pg_import_system_collations pg_extension_config_dump binary_upgrade_* gin_clean_pending_list brin_* bernoulli
    system lo_import pg_get_viewdef has_table_privilege to_reg* reg* pg_typeof pg_input_* pg_describe_object
    pg_identify_object* pg_get_object_address satisfies_hash_partition pg_get_expr format_type
    int4in textout array_in record_out cstring_* xml_in domain_in enum_recv fmgr_* *_handler plpgsql_*
    RI_FKey_* tsvector_update_trigger* suppress_redundant_updates_trigger shell_in json_in jsonb_send
";

fn all() -> Vec<&'static str> {
    let lists: [&[&str]; 4] =
        [&functions::PLAIN, &functions::AGGREGATE, &functions::SET_RETURNING, &functions::WINDOW];
    lists.concat()
}

fn fits(name: &str, pattern: &str) -> bool {
    match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(start), _) => name.starts_with(start) && !is_exempt(name),
        (None, Some(end)) => name.ends_with(end),
        (None, None) => name == pattern,
    }
}

/// Aggregates of linear regression, and regular expressions, begin as the OID aliases do.
fn is_exempt(name: &str) -> bool {
    name.starts_with("regr_") || name.starts_with("regexp_")
}

#[test]
fn lists_are_sorted_and_hold_no_name_twice() {
    let mut names = all();
    for list in [&functions::PLAIN[..], &CASTABLE, &OPERATOR_TABLE] {
        assert!(list.is_sorted_by(|left, right| left < right));
    }
    names.sort_unstable();
    assert!(names.is_sorted_by(|left, right| left < right), "a name has two classes");
    assert!(names.iter().all(|name| lookup(name).is_none()), "a name is harmless and not");
}

#[test]
fn nothing_notorious_is_allowed() {
    let patterns: Vec<&str> = NOTORIOUS.split_whitespace().collect();
    for name in all() {
        let found = patterns.iter().find(|pattern| fits(name, pattern));
        assert_eq!(found, None, "{name}");
    }
    assert!(patterns.iter().any(|pattern| fits("lo_export", pattern)), "patterns can match");
}

#[test]
fn functions_have_classes() {
    let check = |name, class| assert_eq!(function(name), class, "{name}");
    check("lower", Some(FunctionClass::Plain));
    check("count", Some(FunctionClass::Aggregate));
    check("row_number", Some(FunctionClass::Window));
    check("generate_series", Some(FunctionClass::SetReturning));
    check("Lower", None);
    check("", None);
    check("pg_read_file", None);
    check("pg_get_viewdef", None);
    assert_eq!(lookup("pg_read_file"), None);
    assert_eq!(lookup("to_regclass"), Some(Lookup::Whole(Replaced::ToAlias(Alias::Class))));
    assert_eq!(lookup("to_regconfig"), None);
    assert_eq!(lookup("pg_stat_get_activity"), None);
}

#[test]
fn types_that_look_names_up_are_refused() {
    for name in ["int4", "text", "jsonb", "_text", "tid", "char"] {
        assert!(castable_type(name), "{name}");
    }
    for name in
        ["regclass", "_regclass", "regtype", "cstring", "record", "aclitem", "__text", "int"]
    {
        assert!(!castable_type(name), "{name}");
    }
}

#[test]
fn operators_are_known_by_name() {
    assert!(operator("=") && operator("~~*") && operator("@>"));
    assert!(!operator("!=") && !operator("===") && !operator(""));
}

#[test]
fn comparisons_stay_within_a_family() {
    assert_eq!(comparison_family(23), comparison_family(20));
    assert_ne!(comparison_family(23), comparison_family(26), "int and oid");
    assert_eq!(comparison_family(3802), None, "jsonb");
    assert_eq!(comparison_family(114), None, "json");
    assert!(cross_type_safe(Family::Integer) && !cross_type_safe(Family::Oid));
}

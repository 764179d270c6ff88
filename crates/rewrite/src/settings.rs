//! Which settings a session may change or show, and to what.
//!
//! Invariants:
//! - A setting that is not listed is refused. None of those listed decides on access.
//! - `standard_conforming_strings` stays on and `client_encoding` stays UTF8: the lexer reads texts that way.
//! - `debug_print_*` and message levels below notice would send our predicates to the client: not listed.

use pgcordon_sql::analyze::{Change, Setting, SettingUse};

use crate::{Effect, Refusal};

/// What values a setting takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Values {
    /// Whatever PostgreSQL accepts.
    Any,
    /// One of these, in lower case.
    Only(&'static [&'static str]),
    /// Schemas; tracked.
    SearchPath,
}

const ON: &[&str] = &["on", "true", "yes", "1"];
const UTF8: &[&str] = &["utf8", "utf-8", "unicode"];
const LEVELS: &[&str] = &["notice", "warning", "error", "log"];

/// Sorted by name. The planner's settings change how PostgreSQL goes about a statement, never what it may read: a scan
/// behind `OFFSET 0` and a condition inside CASE stay where they are under all of them.
const CHANGEABLE: &[(&str, Values)] = &[
    ("application_name", Values::Any),
    ("bytea_output", Values::Any),
    ("client_connection_check_interval", Values::Any),
    ("client_encoding", Values::Only(UTF8)),
    ("client_min_messages", Values::Only(LEVELS)),
    ("constraint_exclusion", Values::Any),
    ("cpu_index_tuple_cost", Values::Any),
    ("cpu_operator_cost", Values::Any),
    ("cpu_tuple_cost", Values::Any),
    ("cursor_tuple_fraction", Values::Any),
    ("datestyle", Values::Any),
    ("default_text_search_config", Values::Any),
    ("default_transaction_deferrable", Values::Any),
    ("default_transaction_isolation", Values::Any),
    ("default_transaction_read_only", Values::Any),
    ("effective_cache_size", Values::Any),
    ("enable_async_append", Values::Any),
    ("enable_bitmapscan", Values::Any),
    ("enable_gathermerge", Values::Any),
    ("enable_hashagg", Values::Any),
    ("enable_hashjoin", Values::Any),
    ("enable_incremental_sort", Values::Any),
    ("enable_indexonlyscan", Values::Any),
    ("enable_indexscan", Values::Any),
    ("enable_material", Values::Any),
    ("enable_memoize", Values::Any),
    ("enable_mergejoin", Values::Any),
    ("enable_nestloop", Values::Any),
    ("enable_parallel_append", Values::Any),
    ("enable_parallel_hash", Values::Any),
    ("enable_partition_pruning", Values::Any),
    ("enable_partitionwise_aggregate", Values::Any),
    ("enable_partitionwise_join", Values::Any),
    ("enable_seqscan", Values::Any),
    ("enable_sort", Values::Any),
    ("enable_tidscan", Values::Any),
    ("escape_string_warning", Values::Any),
    ("extra_float_digits", Values::Any),
    ("from_collapse_limit", Values::Any),
    ("geqo", Values::Any),
    ("geqo_threshold", Values::Any),
    ("hash_mem_multiplier", Values::Any),
    ("idle_in_transaction_session_timeout", Values::Any),
    ("intervalstyle", Values::Any),
    ("jit", Values::Any),
    ("jit_above_cost", Values::Any),
    ("join_collapse_limit", Values::Any),
    ("lock_timeout", Values::Any),
    ("max_parallel_workers_per_gather", Values::Any),
    ("parallel_setup_cost", Values::Any),
    ("parallel_tuple_cost", Values::Any),
    ("plan_cache_mode", Values::Any),
    ("random_page_cost", Values::Any),
    ("row_security", Values::Only(ON)),
    ("search_path", Values::SearchPath),
    ("seq_page_cost", Values::Any),
    ("standard_conforming_strings", Values::Only(ON)),
    ("statement_timeout", Values::Any),
    ("synchronous_commit", Values::Any),
    ("tcp_keepalives_count", Values::Any),
    ("tcp_keepalives_idle", Values::Any),
    ("tcp_keepalives_interval", Values::Any),
    ("tcp_user_timeout", Values::Any),
    ("timezone", Values::Any),
    ("transaction_deferrable", Values::Any),
    ("transaction_isolation", Values::Any),
    ("transaction_read_only", Values::Any),
    ("work_mem", Values::Any),
    ("xmlbinary", Values::Any),
    ("xmloption", Values::Any),
];

/// Settings that may be shown besides those that may be changed.
const SHOWABLE: &[&str] = &[
    "block_size",
    "data_checksums",
    "default_table_access_method",
    "default_tablespace",
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "max_connections",
    "max_function_args",
    "max_identifier_length",
    "max_index_keys",
    "max_prepared_transactions",
    "password_encryption",
    "segment_size",
    "server_encoding",
    "server_version",
    "server_version_num",
    "shared_buffers",
    "ssl",
    "superuser_reserved_connections",
    "wal_level",
];

/// SET SESSION AUTHORIZATION DEFAULT, which drivers send when a connection goes back to their pool, gives back what a
/// session cannot have given up. Every other change of it is refused.
const OWN_IDENTITY: &str = "session_authorization";

/// What SET SESSION CHARACTERISTICS changes.
pub(crate) const CHARACTERISTICS: [&str; 3] = [
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
];

/// The setting of that name if a session may change it, and its value lasts beyond a transaction.
#[must_use]
pub fn lasting(name: &str) -> Option<&'static str> {
    let listed = CHANGEABLE.iter().map(|(known, _)| *known);
    listed.filter(|known| !known.starts_with("transaction_")).find(|known| *known == name)
}

/// The setting of that name, if a client may start with that value; `None` if it may not start with any.
///
/// The search_path is the session's to follow, and the encoding is read by itself.
///
/// # Errors
/// [`Refusal::SettingDenied`] where only other values are allowed.
pub fn startable(name: &str, value: &str) -> Result<Option<&'static str>, Refusal> {
    let name = name.to_ascii_lowercase();
    let listed = CHANGEABLE.iter().find(|(known, _)| *known == name);
    let Some((known, values)) = listed else { return Ok(None) };
    match values {
        // They belong to a transaction.
        Values::Any if known.starts_with("transaction_") => Ok(None),
        Values::Any | Values::SearchPath => Ok(Some(known)),
        Values::Only(allowed) if allowed.contains(&value.trim().to_ascii_lowercase().as_str()) => {
            Ok(Some(known))
        }
        Values::Only(_) => Err(Refusal::SettingDenied { name }),
    }
}

/// Settings whose value the session relies on, whoever runs it; ours among them, which PostgreSQL does not get.
pub(crate) fn pinned(name: &str) -> bool {
    name.starts_with("pgcordon.")
        || ["client_encoding", "search_path", "standard_conforming_strings"].contains(&name)
}

/// Whether `SHOW name` may run.
pub(crate) fn showable(name: &str) -> Result<(), Refusal> {
    let changeable = CHANGEABLE.iter().any(|(known, _)| *known == name);
    if changeable || SHOWABLE.contains(&name) {
        return Ok(());
    }
    Err(Refusal::SettingDenied { name: name.to_owned() })
}

/// Names of all settings that may be shown.
pub(crate) fn readable() -> impl Iterator<Item = &'static str> {
    CHANGEABLE.iter().map(|(name, _)| *name).chain(SHOWABLE.iter().copied())
}

/// Whether `current_setting` or `set_config` may be called: as SHOW, or as SET of a setting that nobody tracks.
pub(crate) fn usable(used: &SettingUse) -> Result<(), Refusal> {
    let free = |name: &str, values: &Values| name == used.name && *values == Values::Any;
    if !used.changed {
        return showable(&used.name);
    }
    if CHANGEABLE.iter().any(|(name, values)| free(name, values)) {
        return Ok(());
    }
    Err(Refusal::SettingDenied { name: used.name.clone() })
}

/// Whether a SET or RESET may run, and what it does to the session.
pub(crate) fn changeable(setting: &Setting) -> Result<Effect, Refusal> {
    let denied = || Refusal::SettingDenied { name: setting.name.clone() };
    if setting.name == OWN_IDENTITY && setting.change == Change::Default {
        return Ok(Effect::None);
    }
    let listed = CHANGEABLE.iter().find(|(name, _)| *name == setting.name);
    let (_, values) = listed.ok_or_else(denied)?;
    match (values, &setting.change) {
        (Values::SearchPath, Change::To(schemas)) => search_path(schemas, setting.local, denied),
        (Values::SearchPath, Change::Default | Change::Reset) => Ok(Effect::ResetSearchPath),
        (Values::Any, _) | (Values::Only(_), Change::Default | Change::Reset) => Ok(Effect::None),
        (Values::Only(allowed), Change::To(given)) => {
            let fits =
                |value: &String| allowed.contains(&value.trim().to_ascii_lowercase().as_str());
            if given.iter().all(fits) { Ok(Effect::None) } else { Err(denied()) }
        }
    }
}

/// Temporary schemas hold nothing that a restricted principal could have made.
fn search_path(
    schemas: &[String],
    local: bool,
    denied: impl Fn() -> Refusal,
) -> Result<Effect, Refusal> {
    if schemas.iter().any(|schema| schema.starts_with("pg_temp") || schema.starts_with("pg_toast"))
    {
        return Err(denied());
    }
    let schemas = schemas.iter().filter(|schema| *schema != "$user").cloned().collect();
    Ok(Effect::SearchPath { schemas, local })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, values: &[&str]) -> Result<Effect, Refusal> {
        let change = Change::To(values.iter().map(|value| (*value).to_owned()).collect());
        changeable(&Setting { name: name.to_owned(), change, local: false })
    }

    #[test]
    fn listed_settings_are_allowed_and_their_neighbours_refused() {
        assert_eq!(check("timezone", &["UTC"]), Ok(Effect::None));
        assert_eq!(check("standard_conforming_strings", &["on"]), Ok(Effect::None));
        assert!(check("standard_conforming_strings", &["off"]).is_err());
        assert!(check("client_encoding", &["LATIN1"]).is_err());
        assert!(check("client_min_messages", &["debug1"]).is_err());
        assert!(check("role", &["postgres"]).is_err());
        assert!(check("debug_print_plan", &["on"]).is_err());
        assert!(check("search_path", &["pg_temp", "public"]).is_err());
    }

    #[test]
    fn search_path_is_an_effect() {
        let schemas = vec!["app".to_owned()];
        let expected = Effect::SearchPath { schemas, local: false };
        assert_eq!(check("search_path", &["$user", "app"]), Ok(expected));
    }

    #[test]
    fn the_own_identity_can_only_be_kept() {
        let change = |change| {
            let name = OWN_IDENTITY.to_owned();
            changeable(&Setting { name, change, local: false })
        };
        assert_eq!(change(Change::Default), Ok(Effect::None));
        assert!(change(Change::Reset).is_err());
        assert!(change(Change::To(vec!["max".to_owned()])).is_err());
        assert!(change(Change::To(vec!["default".to_owned()])).is_err());
    }

    #[test]
    fn a_session_starts_with_what_it_could_set() {
        let check = |name, value| startable(name, value).map_err(|refusal| refusal.code());
        assert_eq!(check("TimeZone", "UTC"), Ok(Some("timezone")));
        assert_eq!(check("jit", "off"), Ok(Some("jit")));
        assert_eq!(check("client_min_messages", "WARNING"), Ok(Some("client_min_messages")));
        assert_eq!(check("client_min_messages", "debug5"), Err("setting_denied"));
        assert_eq!(check("standard_conforming_strings", "off"), Err("setting_denied"));
        assert_eq!(check("transaction_read_only", "on"), Ok(None));
        assert_eq!(check("role", "max"), Ok(None));
        assert_eq!(check("session_authorization", "default"), Ok(None));
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(CHANGEABLE.is_sorted_by_key(|(name, _)| *name));
    }
}

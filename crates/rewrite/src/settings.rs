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

/// Sorted by name.
const CHANGEABLE: &[(&str, Values)] = &[
    ("application_name", Values::Any),
    ("bytea_output", Values::Any),
    ("client_encoding", Values::Only(UTF8)),
    ("client_min_messages", Values::Only(LEVELS)),
    ("datestyle", Values::Any),
    ("default_transaction_deferrable", Values::Any),
    ("default_transaction_isolation", Values::Any),
    ("default_transaction_read_only", Values::Any),
    ("escape_string_warning", Values::Any),
    ("extra_float_digits", Values::Any),
    ("idle_in_transaction_session_timeout", Values::Any),
    ("intervalstyle", Values::Any),
    ("lock_timeout", Values::Any),
    ("row_security", Values::Only(ON)),
    ("search_path", Values::SearchPath),
    ("standard_conforming_strings", Values::Only(ON)),
    ("statement_timeout", Values::Any),
    ("timezone", Values::Any),
    ("transaction_deferrable", Values::Any),
    ("transaction_isolation", Values::Any),
    ("transaction_read_only", Values::Any),
    ("xmlbinary", Values::Any),
    ("xmloption", Values::Any),
];

/// Settings that may be shown besides those that may be changed.
const SHOWABLE: &[&str] = &[
    "block_size",
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "max_identifier_length",
    "max_index_keys",
    "server_encoding",
    "server_version",
    "server_version_num",
    "transaction_isolation",
];

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
    fn the_list_is_sorted() {
        assert!(CHANGEABLE.is_sorted_by_key(|(name, _)| *name));
    }
}

//! Which settings a client may give in its startup packet, and how they are applied upstream.
//!
//! In:  names and values of the startup packet, `options` included.
//! Out: one statement of ours that applies them ([`Settings::statement`]).
//!
//! Invariants:
//! - Names come from the list of what SET may change (`rewrite::startable`), and none of them decides on access; values
//!   are quoted literals read with standard_conforming_strings on.

use pgcordon_sql::analyze::Variable;

/// A startup packet asks for something that it may not have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// Not on the list.
    #[error("unrecognized configuration parameter \"{0}\"")]
    Unknown(String),
    /// Only other values of it are allowed.
    #[error("permission denied to set parameter \"{0}\"")]
    Denied(String),
    /// Given twice in the packet itself.
    #[error("parameter \"{0}\" given more than once")]
    Duplicate(String),
    /// Only UTF8 is spoken.
    #[error("client encoding \"{0}\" is not supported")]
    Encoding(String),
    /// Not `-c name=value` pairs.
    #[error("invalid command-line argument for server process: {0}")]
    Options(String),
}

/// What a client asked for, in the order in which PostgreSQL applies it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Settings {
    pairs: Vec<(&'static str, String)>,
    /// For whom the session acts from its start; PostgreSQL does not hear of it.
    request: Option<(Variable, String)>,
}

impl Settings {
    /// Takes one setting; a later one of the same name wins.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), SettingsError> {
        if name.eq_ignore_ascii_case("client_encoding") {
            return encoding(value);
        }
        if let Some(variable) = Variable::of(name) {
            // Two of them could name two people.
            if self.request.is_some() {
                return Err(SettingsError::Duplicate(name.to_owned()));
            }
            self.request = Some((variable, value.to_owned()));
            return Ok(());
        }
        let known = pgcordon_rewrite::startable(name, value);
        let known = known.map_err(|_| SettingsError::Denied(name.to_owned()))?;
        let known = known.ok_or_else(|| SettingsError::Unknown(name.to_owned()))?;
        self.pairs.retain(|(other, _)| *other != known);
        self.pairs.push((known, value.to_owned()));
        Ok(())
    }

    /// Takes the `options` parameter: `-c name=value` and `--name=value`, split as `pg_split_opts` does.
    pub(crate) fn set_options(&mut self, options: &str) -> Result<(), SettingsError> {
        let words = split(options);
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let bad = || SettingsError::Options(word.to_owned());
            let pair = match word.strip_prefix("-c") {
                Some("") => words.next().ok_or_else(bad)?,
                Some(pair) => pair,
                None => word.strip_prefix("--").ok_or_else(bad)?,
            };
            let (name, value) = pair.split_once('=').ok_or_else(bad)?;
            self.set(&name.replace('-', "_"), value)?;
        }
        Ok(())
    }

    /// Takes those of `later` on top.
    pub(crate) fn overlay(&mut self, later: Self) {
        self.request = later.request.or(self.request.take());
        for (name, value) in later.pairs {
            self.pairs.retain(|(other, _)| *other != name);
            self.pairs.push((name, value));
        }
    }

    /// For whom the session acts from its start.
    pub(crate) fn take_request(&mut self) -> Option<(Variable, String)> {
        self.request.take()
    }

    /// Notes what a session has set, by a name of ours and a value as PostgreSQL shows it.
    pub(crate) fn remember(&mut self, name: &'static str, value: String) {
        match self.pairs.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
            Some(pair) => pair.1 = value,
            None => self.pairs.push((name, value)),
        }
    }

    /// Whether one is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// `SELECT set_config(...)` for all, because it reads values as the startup packet does; `None` for none.
    pub(crate) fn statement(&self) -> Option<String> {
        if self.pairs.is_empty() {
            return None;
        }
        let calls: Vec<String> = self
            .pairs
            .iter()
            .map(|(name, value)| {
                format!("pg_catalog.set_config({}, {}, false)", literal(name), literal(value))
            })
            .collect();
        Some(format!("SELECT {}", calls.join(", ")))
    }
}

fn encoding(value: &str) -> Result<(), SettingsError> {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(SettingsError::Encoding(value.to_owned())),
    }
}

/// A literal under standard_conforming_strings, which the session pins.
fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Splits at white space; a backslash takes the next character as it is.
fn split(options: &str) -> Vec<String> {
    let (mut words, mut word, mut started) = (Vec::new(), String::new(), false);
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                word.extend(characters.next());
                started = true;
            }
            space if space.is_ascii_whitespace() => {
                if std::mem::take(&mut started) {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => {
                word.push(other);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &str, expected: &str) {
        let mut settings = Settings::default();
        let outcome = match settings.set_options(options) {
            Ok(()) => settings.statement().unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        assert_eq!(outcome, expected, "{options}");
    }

    #[test]
    fn options_are_the_same_list() {
        check("-c geqo=off", "SELECT pg_catalog.set_config('geqo', 'off', false)");
        check("-cgeqo=off", "SELECT pg_catalog.set_config('geqo', 'off', false)");
        check(
            "--statement-timeout=5",
            "SELECT pg_catalog.set_config('statement_timeout', '5', false)",
        );
        check("-c role=admin", "unrecognized configuration parameter \"role\"");
        check(
            "-c session_authorization=x",
            "unrecognized configuration parameter \"session_authorization\"",
        );
        check("-c jit=off", "SELECT pg_catalog.set_config('jit', 'off', false)");
        check(
            "-c client_min_messages=debug1",
            "permission denied to set parameter \"client_min_messages\"",
        );
        check("-c", "invalid command-line argument for server process: -c");
        check("-E", "invalid command-line argument for server process: -E");
        check("", "");
    }

    #[test]
    fn values_cannot_leave_their_literal() {
        check(
            r"-c search_path=a\ ',b",
            "SELECT pg_catalog.set_config('search_path', 'a '',b', false)",
        );
        check(r"-c TimeZone=a\\'b", r"SELECT pg_catalog.set_config('timezone', 'a\''b', false)");
    }

    #[test]
    fn only_utf8_is_spoken() {
        check("-c client_encoding=UTF-8", "");
        check("-c client_encoding=LATIN1", "client encoding \"LATIN1\" is not supported");
    }
}

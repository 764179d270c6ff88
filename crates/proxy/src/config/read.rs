//! Reads single values of the configuration: numbers, durations, paths, words of a list.
//!
//! In:  a YAML [`Node`].
//! Out: the value, or `None` after a mistake was reported.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgcordon_policy::mistake::{MistakeKind, Place, Report, did_you_mean};
use pgcordon_policy::yaml::{DURATIONS, Fields, Node, duration};

/// A map's fields with the reporting at hand.
pub(super) struct Reading<'n, 'r> {
    pub(super) fields: Fields<'n>,
    pub(super) report: &'r mut Report,
    pub(super) base: &'r Path,
}

impl<'n> Reading<'n, '_> {
    /// A text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let node = self.fields.optional(key)?;
        node.scalar(&format!("`{key}`"), self.report).map(|scalar| scalar.text.clone())
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, key: &str, hint: &str) -> Option<String> {
        self.fields.required(key, hint, self.report)?;
        self.text(key)
    }

    /// Any value that must be there.
    pub(super) fn required_node(&mut self, key: &str, hint: &str) -> Option<&'n Node> {
        self.fields.required(key, hint, self.report)
    }

    /// A name or a list of them, none where the key is absent; an empty list is a mistake.
    pub(super) fn names(&mut self, key: &str) -> Vec<(String, Place)> {
        let Some(node) = self.fields.optional(key) else { return Vec::new() };
        let names = texts(node, &format!("`{key}`"), self.report);
        if names.is_empty() {
            let hint = "leave it out to mean all";
            self.mistake(key, format!("`{key}` names nothing"), hint);
        }
        names
    }

    /// A path, relative to the configuration file.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.text(key).map(|text| self.base.join(text))
    }

    /// true or false.
    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        self.fields.optional(key)?.boolean(&format!("`{key}`"), self.report)
    }

    /// A whole number of that range.
    pub(super) fn number(&mut self, key: &str, low: usize, high: usize) -> Option<usize> {
        let text = self.text(key)?;
        let number = text.parse().ok().filter(|number| (low..=high).contains(number));
        if number.is_none() {
            self.mistake(key, format!("`{key}` must be a whole number from {low} to {high}"), "");
        }
        number
    }

    /// Whole numbers of that range, by name.
    pub(super) fn numbers(
        &mut self,
        key: &str,
        low: usize,
        high: usize,
    ) -> BTreeMap<String, usize> {
        let Some(node) = self.fields.optional(key) else { return BTreeMap::new() };
        let mut numbers = BTreeMap::new();
        for entry in node.map(&format!("`{key}`"), self.report).unwrap_or_default() {
            let name = &entry.key.text;
            let what = format!("`{name}` of `{key}`");
            let Some(scalar) = entry.node.scalar(&what, self.report) else { continue };
            match scalar.text.parse().ok().filter(|number| (low..=high).contains(number)) {
                Some(number) => {
                    numbers.insert(name.clone(), number);
                }
                None => {
                    let message = format!("{what} must be a whole number from {low} to {high}");
                    self.report.add(&scalar.place, MistakeKind::Value, message, "");
                }
            }
        }
        numbers
    }

    /// `500ms`, `10s`, `5m`, of at least a millisecond.
    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        let text = self.text(key)?;
        let duration = duration(&text);
        if duration.is_none() {
            self.mistake(key, format!("`{key}` must be a duration"), DURATIONS);
        }
        duration
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let near = did_you_mean(&text, known.iter().copied());
            let hint = if near.is_empty() { format!("one of {}", known.join(", ")) } else { near };
            self.mistake(key, format!("`{text}` is not a value of `{key}`"), &hint);
        }
        found
    }

    /// Reports at the value of `key`.
    pub(super) fn mistake(&mut self, key: &str, message: String, hint: &str) {
        let place = self.fields.optional(key).map_or(self.fields.place(), |node| &node.place);
        self.report.add(place, MistakeKind::Value, message, hint);
    }
}

/// A single value or a list of them.
pub(super) fn texts(node: &Node, what: &str, report: &mut Report) -> Vec<(String, Place)> {
    use pgcordon_policy::yaml::Value;
    let nodes = match &node.value {
        Value::Scalar(_) => std::slice::from_ref(node),
        Value::Null | Value::List(_) | Value::Map(_) => node.list(what, report).unwrap_or_default(),
    };
    nodes
        .iter()
        .filter_map(|node| node.scalar(what, report))
        .map(|scalar| (scalar.text.clone(), scalar.place.clone()))
        .collect()
}

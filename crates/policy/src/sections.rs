//! Gathers a top-level section from every file.
//!
//! In:  the files' trees.
//! Out: [`Section`]s: the entries of one section, each name once.
//!
//! Invariants:
//! - Files are equal: none overrides another; a name defined twice is a mistake that tells both places.
//! - Every top-level key is known, foreign, or a mistake.

use std::collections::BTreeMap;

use crate::mistake::{MistakeKind, Report};
use crate::yaml::{Entry, Node, Value};

/// The sections that hold policy.
pub(crate) const SECTIONS: [&str; 8] =
    ["attributes", "roles", "groups", "users", "databases", "masks", "tables", "functions"];

/// Sections that are lists.
pub(crate) const LISTS: [&str; 3] = ["limits", "queries", "tests"];

/// The entries of one section, of all files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section<'n> {
    entries: Vec<&'n Entry>,
}

impl<'n> Section<'n> {
    /// In the order of the files.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &'n Entry> {
        self.entries.iter().copied()
    }
}

/// All sections by name.
#[derive(Debug, Default)]
pub(crate) struct Sections<'n> {
    by_name: BTreeMap<&'static str, Section<'n>>,
    lists: BTreeMap<&'static str, Vec<&'n Node>>,
}

impl<'n> Sections<'n> {
    /// Sorts the top level of every file.
    pub(crate) fn gather(roots: &'n [Node], foreign: &[&str], report: &mut Report) -> Self {
        let mut sections = Self::default();
        for root in roots {
            let Some(entries) = root.map("a policy file", report) else { continue };
            for entry in entries {
                sections.add(entry, foreign, report);
            }
        }
        sections
    }

    fn add(&mut self, entry: &'n Entry, foreign: &[&str], report: &mut Report) {
        let key = entry.key.text.as_str();
        if let Some(name) = LISTS.iter().find(|name| **name == key) {
            self.add_list(name, entry, foreign, report);
            return;
        }
        let Some(name) = SECTIONS.iter().find(|name| **name == key) else {
            if !foreign.contains(&key) {
                unknown_section(entry, foreign, report);
            }
            return;
        };
        let section = self.by_name.entry(name).or_default();
        let what = format!("`{name}`");
        for entry in entry.node.map(&what, report).unwrap_or_default() {
            section.entries.push(entry);
        }
    }

    /// A section that somebody else reads under the same name is no list.
    fn add_list(
        &mut self,
        name: &'static str,
        entry: &'n Entry,
        foreign: &[&str],
        report: &mut Report,
    ) {
        let foreign = foreign.contains(&name);
        match &entry.node.value {
            Value::Map(_) | Value::Null if foreign => {}
            Value::List(_) | Value::Map(_) | Value::Null | Value::Scalar(_) => {
                let nodes = entry.node.list(&format!("`{name}`"), report).unwrap_or_default();
                self.lists.entry(name).or_default().extend(nodes);
            }
        }
    }

    /// Takes a section that is a list, of all files.
    pub(crate) fn take_list(&mut self, name: &str) -> Vec<&'n Node> {
        self.lists.remove(name).unwrap_or_default()
    }

    /// Takes one section, and notes names that two files define.
    pub(crate) fn take(&mut self, name: &str, report: &mut Report) -> Section<'n> {
        let section = self.by_name.remove(name).unwrap_or_default();
        let mut first: BTreeMap<&str, &Entry> = BTreeMap::new();
        for entry in &section.entries {
            if let Some(before) = first.insert(&entry.key.text, entry) {
                let place = &before.key.place;
                let message = format!("`{}` is defined twice in `{name}`", entry.key.text);
                let hint = format!("first at {}:{}:{}", place.file, place.line, place.column);
                report.add(&entry.key.place, MistakeKind::Structure, message, hint);
            }
        }
        section
    }
}

fn unknown_section(entry: &Entry, foreign: &[&str], report: &mut Report) {
    let key = entry.key.text.as_str();
    let place = &entry.key.place;
    if crate::yaml::NOT_YET.contains(&key) {
        let message = format!("`{key}` is not supported yet");
        report.add(place, MistakeKind::Unsupported, message, "remove it");
        return;
    }
    let known = SECTIONS.iter().chain(&LISTS).chain(foreign).copied();
    let near = report.suggest(key, known.clone());
    let hint = if near.is_empty() {
        format!("known here: {}", known.collect::<Vec<&str>>().join(", "))
    } else {
        near
    };
    report.add(place, MistakeKind::Structure, format!("unknown section `{key}`"), hint);
}

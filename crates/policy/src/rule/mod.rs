//! Rules on tables.
//!
//! In:  the sections `tables` and `masks`.
//! Out: [`TableRules`] per key, in the file's order; `bind` fits them to a catalog.
//!
//! Invariants:
//! - `rows` is never left out: that every row is meant must be written (`all`).
//! - A key that has no effect where it stands is a mistake, not a comment.

mod columns;

use std::collections::{BTreeMap, BTreeSet};

use crate::audience::{Audience, names};
use crate::decide::Command;
use crate::expression::{ExpressionText, Use};
use crate::mistake::{MistakeKind, Place, Report};
use crate::moment::{self, Moment};
use crate::name::{RelationPattern, relation_pattern};
use crate::people::People;
use crate::sections::Section;
use crate::yaml::{Entry, Fields, Node, Scalar, Style, Value};

/// All rules of one key under `tables:`.
#[derive(Clone, Debug)]
pub(crate) struct TableRules {
    pub(crate) pattern: RelationPattern,
    pub(crate) place: Place,
    /// Empty: nobody.
    pub(crate) rules: Vec<Rule>,
}

/// Which rows a rule is about.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    All,
    Test(ExpressionText),
}

/// What a rule does to a column.
#[derive(Clone, Debug)]
pub(crate) enum Treatment {
    Mask(ExpressionText),
    Hide,
    Deny,
}

/// A column's name and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct ColumnName {
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) to: Audience,
    pub(crate) restrictive: bool,
    pub(crate) commands: BTreeSet<Command>,
    pub(crate) rows: Rows,
    pub(crate) check: Rows,
    pub(crate) presets: Vec<(ColumnName, ExpressionText)>,
    pub(crate) columns: Vec<(ColumnName, Treatment)>,
    pub(crate) when_columns: Vec<ColumnName>,
    /// The first moment at which it no longer counts.
    pub(crate) until: Option<Moment>,
}

const KEYS: [&str; 10] =
    ["name", "to", "allow", "rows", "check", "set", "columns", "restrict", "when_columns", "until"];

const COMMANDS: [(&str, Command); 5] = [
    ("select", Command::Select),
    ("insert", Command::Insert),
    ("update", Command::Update),
    ("delete", Command::Delete),
    ("truncate", Command::Truncate),
];

/// Reads rules; holds what they refer to.
pub(crate) struct RuleReader<'p> {
    people: &'p People,
    masks: BTreeMap<String, ExpressionText>,
}

impl<'p> RuleReader<'p> {
    /// Reads the named masks.
    pub(crate) fn new(people: &'p People, masks: &Section<'_>, report: &mut Report) -> Self {
        let mut reader = Self { people, masks: BTreeMap::new() };
        for entry in masks.entries() {
            let Some(scalar) = entry.node.scalar("a mask", report) else { continue };
            let mask = reader.expression(scalar, Use::Mask, report);
            reader.masks.insert(entry.key.text.clone(), mask);
        }
        reader
    }

    /// Reads the section `tables`.
    pub(crate) fn tables(&self, section: &Section<'_>, report: &mut Report) -> Vec<TableRules> {
        let mut tables: Vec<TableRules> = Vec::new();
        let mut first: BTreeMap<RelationPattern, &Place> = BTreeMap::new();
        for entry in section.entries() {
            let pattern = match relation_pattern(&entry.key.text) {
                Ok(pattern) => pattern,
                Err((message, hint)) => {
                    report.add(&entry.key.place, MistakeKind::Structure, message, hint);
                    continue;
                }
            };
            if let Some(before) = first.insert(pattern.clone(), &entry.key.place) {
                let message = format!("`{pattern}` has rules in two places");
                let hint = format!("first at {}:{}:{}", before.file, before.line, before.column);
                report.add(&entry.key.place, MistakeKind::Structure, message, hint);
            }
            let rules = self.table(&pattern, entry, report);
            tables.push(TableRules { pattern, place: entry.key.place.clone(), rules });
        }
        tables
    }

    fn table(&self, pattern: &RelationPattern, entry: &Entry, report: &mut Report) -> Vec<Rule> {
        let what = format!("`{pattern}`");
        let Value::List(nodes) = &entry.node.value else {
            let message = format!("{what} must be a list of rules");
            let hint = "write `- name: …` below it, or [] for nobody";
            report.add(&entry.node.place, MistakeKind::Structure, message, hint);
            return Vec::new();
        };
        if nodes.is_empty() && pattern.is_wildcard() {
            let message = "an empty list says `nobody` of one table; a wildcard takes rules";
            report.add(&entry.node.place, MistakeKind::Structure, message, "remove it");
        }
        let mut rules: Vec<Rule> = Vec::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        for node in nodes {
            let Some(rule) = self.rule(pattern, node, report) else { continue };
            if !names.insert(rule.name.clone()) {
                let message = format!("{what} has two rules called `{}`", rule.name);
                report.add(&rule.place, MistakeKind::Structure, message, "choose another name");
            }
            rules.push(rule);
        }
        rules
    }

    fn rule(&self, pattern: &RelationPattern, node: &Node, report: &mut Report) -> Option<Rule> {
        let fields = Fields::read(node, "a rule", &KEYS, report)?;
        let hint = "explain and the audit trail show it";
        let name = fields.required("name", hint, report);
        let name = name.and_then(|node| node.scalar("`name`", report));
        let to = fields.required("to", "say for whom: [a role] or everyone", report);
        let to = to.map(|node| Audience::read(node, "`to`", self.people, report));
        let restrictive = fields.optional("restrict");
        let restrictive =
            restrictive.and_then(|node| node.boolean("`restrict`", report)) == Some(true);
        let commands = read_commands(fields.optional("allow"), restrictive, report);
        let hint = "write `all` if every row is meant";
        let rows = fields.required("rows", hint, report);
        let rows = rows.and_then(|node| self.rows(node, "`rows`", report));
        let check = fields.optional("check");
        let own_check = check.and_then(|node| self.rows(node, "`check`", report));
        if let Some(node) = check
            && commands.is_disjoint(&BTreeSet::from([Command::Insert, Command::Update]))
        {
            useless(node, "`check`", "it is about new rows: allow insert or update", report);
        }
        let rows = rows?;
        Some(Rule {
            name: name?.text.clone(),
            place: node.place.clone(),
            to: to?,
            restrictive,
            check: own_check.unwrap_or_else(|| rows.clone()),
            rows,
            presets: self.presets(fields.optional("set"), restrictive, &commands, report),
            columns: self.columns(fields.optional("columns"), restrictive, report),
            until: moment::read(fields.optional("until"), report),
            when_columns: when_columns(fields.optional("when_columns"), pattern, report),
            commands,
        })
    }

    fn expression(&self, scalar: &Scalar, purpose: Use, report: &mut Report) -> ExpressionText {
        ExpressionText::read(scalar, purpose, self.people, report)
    }

    fn rows(&self, node: &Node, what: &str, report: &mut Report) -> Option<Rows> {
        let scalar = node.scalar(what, report)?;
        if scalar.text == "all" && scalar.style == Style::Plain {
            return Some(Rows::All);
        }
        Some(Rows::Test(self.expression(scalar, Use::Predicate, report)))
    }

    fn presets(
        &self,
        node: Option<&Node>,
        restrictive: bool,
        commands: &BTreeSet<Command>,
        report: &mut Report,
    ) -> Vec<(ColumnName, ExpressionText)> {
        let Some(node) = node else { return Vec::new() };
        if restrictive {
            useless(node, "`set`", "a restrictive rule has rows and check only", report);
        } else if !commands.contains(&Command::Insert) {
            useless(node, "`set`", "it is forced on insert: allow insert", report);
        }
        let mut presets = Vec::new();
        for entry in node.map("`set`", report).unwrap_or_default() {
            let Some(scalar) = entry.node.scalar("a value under `set`", report) else { continue };
            let expression = self.expression(scalar, Use::Preset, report);
            presets.push((ColumnName::of(&entry.key), expression));
        }
        presets
    }
}

impl Rule {
    /// Whether it counts at that moment.
    pub(crate) fn is_in_force(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl ColumnName {
    fn of(scalar: &Scalar) -> Self {
        Self { name: scalar.text.clone(), place: scalar.place.clone() }
    }
}

/// A permissive rule allows reading unless it says more; a restrictive one is about every command unless it
/// says less.
fn read_commands(node: Option<&Node>, restrictive: bool, report: &mut Report) -> BTreeSet<Command> {
    let Some(node) = node else {
        let every = COMMANDS.iter().map(|(_, command)| *command);
        return if restrictive { every.collect() } else { BTreeSet::from([Command::Select]) };
    };
    let nodes = node.list("`allow`", report).unwrap_or_default();
    let mut commands = BTreeSet::new();
    for scalar in names(nodes, "a command", report) {
        match COMMANDS.iter().find(|(name, _)| *name == scalar.text) {
            Some((_, command)) => {
                commands.insert(*command);
            }
            None => {
                let near = report.suggest(&scalar.text, COMMANDS.iter().map(|(name, _)| *name));
                let hint = if near.is_empty() {
                    "select, insert, update, delete, truncate"
                } else {
                    &near
                };
                let message = format!("unknown command `{}`", scalar.text);
                report.add(&scalar.place, MistakeKind::Structure, message, hint);
            }
        }
    }
    if nodes.is_empty() {
        useless(node, "`allow`", "name a command, or remove the rule", report);
    }
    commands
}

fn when_columns(
    node: Option<&Node>,
    pattern: &RelationPattern,
    report: &mut Report,
) -> Vec<ColumnName> {
    let Some(node) = node else { return Vec::new() };
    if !pattern.is_wildcard() {
        useless(
            node,
            "`when_columns`",
            "it is for keys with a wildcard, such as \"public.*\"",
            report,
        );
    }
    let nodes = node.list("`when_columns`", report).unwrap_or_default();
    names(nodes, "a column", report).into_iter().map(ColumnName::of).collect()
}

/// A key that would be read and have no effect.
fn useless(node: &Node, what: &str, hint: &str, report: &mut Report) {
    report.add(&node.place, MistakeKind::Structure, format!("{what} has no effect here"), hint);
}

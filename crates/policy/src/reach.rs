//! What a policy speaks of by name, whatever the catalog holds: for statements that change the catalog.
//!
//! In:  the sections `tables`, `databases` and `queries`.
//! Out: a [`Reach`], asked through [`BoundPolicy`].
//!
//! Invariants:
//! - Words are taken from an expression's text, not from its meaning: too many are found, never too few.

use std::collections::BTreeSet;

use pgcordon_sql::template::mentioned;

use crate::bound::BoundPolicy;
use crate::expression::{ExpressionText, Use};
use crate::name::RelationPattern;
use crate::rule::{Rows, Rule, TableRules, Treatment};

/// Names in a policy.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Reach {
    /// Each key under `tables`, with the words of its rules.
    tables: Vec<(RelationPattern, BTreeSet<String>)>,
    /// The `tables` of each database that has them, and the relations of each rule on statements.
    scopes: Vec<Vec<RelationPattern>>,
    /// Relations that sub-selects in rules read, as schema and name, with the words around them.
    read: Vec<((String, String), BTreeSet<String>)>,
}

impl Reach {
    pub(crate) fn of(tables: &[TableRules], scopes: Vec<Vec<RelationPattern>>) -> Self {
        let mut reach = Self { scopes, ..Self::default() };
        for table in tables {
            let mut words = BTreeSet::new();
            for rule in &table.rules {
                reach.rule(rule, &mut words);
            }
            reach.tables.push((table.pattern.clone(), words));
        }
        reach
    }

    fn rule(&mut self, rule: &Rule, words: &mut BTreeSet<String>) {
        for rows in [&rule.rows, &rule.check] {
            match rows {
                Rows::All => {}
                Rows::Test(expression) => self.expression(expression, Use::Predicate, words),
            }
        }
        for (column, expression) in &rule.presets {
            words.insert(column.name.clone());
            self.expression(expression, Use::Preset, words);
        }
        for (column, treatment) in &rule.columns {
            words.insert(column.name.clone());
            match treatment {
                Treatment::Mask(expression) => self.expression(expression, Use::Mask, words),
                Treatment::Hide | Treatment::Deny => {}
            }
        }
        words.extend(rule.when_columns.iter().map(|column| column.name.clone()));
    }

    fn expression(
        &mut self,
        expression: &ExpressionText,
        purpose: Use,
        words: &mut BTreeSet<String>,
    ) {
        let found = mentioned(&expression.scalar.text, purpose.purpose());
        let inside: BTreeSet<String> = found.words.into_iter().collect();
        self.read.extend(found.relations.into_iter().map(|name| (name, inside.clone())));
        words.extend(inside);
    }

    /// The keys and scopes that a name falls under.
    fn keys(&self, schema: &str, name: &str) -> Vec<bool> {
        let keys = self.tables.iter().map(|(pattern, _)| pattern.covers(schema, name));
        let scopes = self.scopes.iter();
        let scopes = scopes.map(|patterns| patterns.iter().any(|one| one.covers(schema, name)));
        keys.chain(scopes).collect()
    }
}

impl BoundPolicy {
    /// Whether a relation under another name would have the same rules and be in the same databases.
    #[must_use]
    pub fn speaks_alike(&self, old: (&str, &str), new: (&str, &str)) -> bool {
        self.reach.keys(old.0, old.1) == self.reach.keys(new.0, new.1)
    }

    /// Whether a rule's sub-select reads a relation of that name.
    #[must_use]
    pub fn reads(&self, schema: &str, name: &str) -> bool {
        self.reach.read.iter().any(|((known, other), _)| known == schema && other == name)
    }

    /// Whether a rule about a relation of that name, or one that reads it, has the word in it.
    #[must_use]
    pub fn mentions(&self, schema: &str, name: &str, word: &str) -> bool {
        let about = self.reach.tables.iter().filter(|(key, _)| key.covers(schema, name));
        let read =
            self.reach.read.iter().filter(|((known, other), _)| known == schema && other == name);
        about
            .map(|(_, words)| words)
            .chain(read.map(|(_, words)| words))
            .any(|words| words.contains(word))
    }

    /// Whether any rule has the word in it.
    #[must_use]
    pub fn mentions_anywhere(&self, word: &str) -> bool {
        self.reach.tables.iter().any(|(_, words)| words.contains(word))
    }
}

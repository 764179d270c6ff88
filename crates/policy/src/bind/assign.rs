//! Which rules are about which relation: keys, wildcards, partitions and inheritance children.
//!
//! In:  the policy's tables and a snapshot.
//! Out: [`Assigned`] rules per relation, not yet compiled.
//!
//! | key of its own | a parent has rules | rules                                                         |
//! |----------------|--------------------|---------------------------------------------------------------|
//! | `[]`           | -                  | none: nobody, whatever a wildcard grants                      |
//! | rules          | -                  | its own and those of wildcards                                |
//! | none           | yes                | the parent's; a wildcard of its own may only restrict further |
//! | none           | no                 | those of wildcards                                            |
//!
//! A wildcard grants nothing of a materialized view: it may only restrict one.
//!
//! Invariants:
//! - Naming a child never shows more than naming its parent would, unless a key of its own says so.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use pgcordon_sql::catalog::{Relation, RelationId, RelationKind, Snapshot};

use super::takes_rules;
use crate::bound::Coverage;
use crate::moment::Moment;
use crate::name::QualifiedName;
use crate::policy::Policy;
use crate::rule::{Rule, TableRules};

/// A rule about a relation.
#[derive(Clone, Debug)]
pub(super) struct Assignment<'p> {
    pub(super) table: &'p TableRules,
    pub(super) rule: &'p Rule,
    /// For a rule of a parent: the columns that the parent has. The rule grants no others.
    pub(super) columns: Option<BTreeSet<String>>,
}

/// All rules about a relation.
#[derive(Clone, Debug, Default)]
pub(super) struct Assigned<'p> {
    /// A key of its own names it.
    pub(super) named: bool,
    /// It obeys a parent.
    inherited: bool,
    pub(super) rules: Vec<Assignment<'p>>,
}

impl Assigned<'_> {
    pub(super) fn coverage(&self) -> Coverage {
        let granted = self.rules.iter().any(|assignment| !assignment.rule.restrictive);
        match (self.named, self.inherited, granted) {
            (true, _, _) => Coverage::Named,
            (false, true, _) => Coverage::Inherited,
            (false, false, true) => Coverage::Wildcard,
            (false, false, false) => Coverage::Nothing,
        }
    }

    /// Whether children have something to obey.
    fn governs(&self) -> bool {
        self.named || self.inherited || self.rules.iter().any(|rule| !rule.rule.restrictive)
    }
}

/// Finds rules, and remembers what it found for parents.
pub(super) struct Assigner<'p, 's> {
    snapshot: &'s Snapshot,
    now: Moment,
    exact: HashMap<&'p QualifiedName, &'p TableRules>,
    wildcards: Vec<&'p TableRules>,
    known: HashMap<RelationId, Rc<Assigned<'p>>>,
}

impl<'p, 's> Assigner<'p, 's> {
    /// Rules that have expired at `now` are about nothing.
    pub(super) fn new(policy: &'p Policy, snapshot: &'s Snapshot, now: Moment) -> Self {
        let mut assigner = Self {
            snapshot,
            now,
            exact: HashMap::new(),
            wildcards: Vec::new(),
            known: HashMap::new(),
        };
        for table in &policy.tables {
            match table.pattern.exact() {
                Some(name) => {
                    assigner.exact.insert(name, table);
                }
                None => assigner.wildcards.push(table),
            }
        }
        assigner
    }

    /// The rules about one relation; ancestors first, without recursion.
    pub(super) fn assigned(&mut self, id: RelationId) -> Rc<Assigned<'p>> {
        let mut waiting = vec![(id, false)];
        let mut entered: BTreeSet<RelationId> = BTreeSet::new();
        while let Some((next, parents_done)) = waiting.pop() {
            if self.known.contains_key(&next) {
                continue;
            }
            if parents_done || !entered.insert(next) {
                let assigned = Rc::new(self.assign(next));
                self.known.insert(next, assigned);
                continue;
            }
            waiting.push((next, true));
            let parents = &self.snapshot.relation(next).parents;
            let parents = parents.iter().filter_map(|parent| self.snapshot.by_oid(*parent));
            waiting.extend(parents.map(|parent| (parent, false)));
        }
        self.known.get(&id).map(Rc::clone).unwrap_or_default()
    }

    /// Parents are known by now; one that is not (a circle, which PostgreSQL does not make) grants nothing.
    fn assign(&self, id: RelationId) -> Assigned<'p> {
        let relation = self.snapshot.relation(id);
        let wildcards = self.wildcard_rules(relation);
        let name = QualifiedName { schema: relation.schema.clone(), name: relation.name.clone() };
        if let Some(table) = self.exact.get(&name) {
            let rules = table.rules.iter().filter(|rule| rule.is_in_force(self.now));
            let own = rules.map(|rule| Assignment { table, rule, columns: None });
            let nobody = table.rules.is_empty();
            let of_wildcards = wildcards.into_iter().filter(|_| !nobody);
            return Assigned {
                named: true,
                inherited: false,
                rules: own.chain(of_wildcards).collect(),
            };
        }
        let Some(mut rules) = self.inherited(relation) else {
            return Assigned { named: false, inherited: false, rules: wildcards };
        };
        for wildcard in wildcards {
            let same = |known: &Assignment<'_>| std::ptr::eq(known.rule, wildcard.rule);
            // A wildcard over both parent and child is the child's own too: it grants every column.
            let over_both = rules.iter().any(same);
            rules.retain(|known| !same(known));
            if over_both || wildcard.rule.restrictive {
                rules.push(wildcard);
            }
        }
        Assigned { named: false, inherited: true, rules }
    }

    /// The rules of all parents, or `None` if no parent has any. A parent that the snapshot lacks has rules
    /// that nobody knows.
    fn inherited(&self, relation: &Relation) -> Option<Vec<Assignment<'p>>> {
        let mut governed = false;
        let mut rules = Vec::new();
        for oid in &relation.parents {
            let parent = self.snapshot.by_oid(*oid);
            let Some((parent, assigned)) = parent.and_then(|id| {
                let parent = self.snapshot.relation(id);
                Some((parent, self.known.get(&id)?)).filter(|_| takes_rules(parent))
            }) else {
                governed = true;
                continue;
            };
            if assigned.governs() {
                governed = true;
                rules.extend(assigned.rules.iter().map(|rule| rule.through(parent)));
            }
        }
        governed.then_some(rules)
    }

    fn wildcard_rules(&self, relation: &Relation) -> Vec<Assignment<'p>> {
        let mut rules = Vec::new();
        for table in &self.wildcards {
            if !takes_rules(relation) || !table.pattern.covers(&relation.schema, &relation.name) {
                continue;
            }
            // It holds copies of rows that wildcards say nothing of: only a key of its own opens it.
            let copies = relation.kind == RelationKind::MaterializedView;
            let in_force = table.rules.iter().filter(|rule| rule.is_in_force(self.now));
            for rule in in_force.filter(|rule| rule.restrictive || !copies) {
                let has = |name: &str| relation.column(name).is_some();
                if rule.when_columns.iter().all(|column| has(&column.name)) {
                    rules.push(Assignment { table, rule, columns: None });
                }
            }
        }
        rules
    }
}

impl Assignment<'_> {
    /// The same rule for a child: it grants no column that the parent lacks.
    fn through(&self, parent: &Relation) -> Self {
        let names = parent.columns.iter().map(|column| column.name.clone());
        let columns = match &self.columns {
            None => names.collect(),
            Some(granted) => names.filter(|name| granted.contains(name)).collect(),
        };
        Self { table: self.table, rule: self.rule, columns: Some(columns) }
    }
}

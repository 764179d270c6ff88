//! Rules on statements, fitted to a catalog and asked.
//!
//! In:  a principal, a statement's text, its [`StatementPart`]s.
//! Out: the names of the rules that are about it, or a [`QueryDenial`].
//!
//! Invariants:
//! - Any rule that is about the statement can refuse it; none can take that back.
//! - A relation's rule is about its partitions and inheritance children too.
//! - Same input, same output: rules are asked in the order of their codes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use pgcordon_sql::catalog::{RelationId, Snapshot};
use pgcordon_sql::fingerprint::Fingerprint;

use super::{check_pattern, matching};
use crate::bound::BoundPolicy;
use crate::mistake::{MistakeKind, Report};
use crate::principal::Principal;
use crate::query::{About, QueryCommand, QueryRule, Shape, Who};

/// One part of a statement: a query, a write, what a command is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatementPart {
    /// What it does.
    pub command: QueryCommand,
    /// Relations that it does that to, those behind views too.
    pub relations: Vec<RelationId>,
    /// It has a condition that looks at a column, or can have none.
    pub has_where: bool,
}

/// Why a statement may not be run.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QueryDenial {
    /// A rule says so.
    #[error("query rule `{rule}` refuses the statement")]
    Rule {
        /// Its name.
        rule: String,
        /// For programs.
        code: String,
        /// For the person.
        message: Option<String>,
    },
    /// The text cannot be compared with those of rules.
    #[error("the statement cannot be compared with the query rules")]
    Unread,
}

/// All rules on statements.
#[derive(Debug, Default)]
pub(crate) struct BoundQueries {
    rules: Vec<BoundQuery>,
    same: HashMap<Fingerprint, Vec<usize>>,
    /// Of those fingerprints.
    lengths: BTreeSet<usize>,
    like: BTreeMap<usize, BoundShape>,
}

#[derive(Debug)]
struct BoundQuery {
    name: String,
    code: String,
    who: Who,
    message: Option<String>,
}

#[derive(Debug)]
struct BoundShape {
    commands: BTreeSet<QueryCommand>,
    /// `None`: any, and none.
    relations: Option<HashSet<RelationId>>,
    without_where: bool,
}

impl BoundQueries {
    pub(super) fn bind(rules: &[QueryRule], snapshot: &Snapshot, report: &mut Report) -> Self {
        let mut bound = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            match &rule.about {
                About::Same(fingerprint) => {
                    bound.lengths.insert(fingerprint.length());
                    bound.same.entry(fingerprint.clone()).or_default().push(index);
                }
                About::Like(shape) => {
                    bound.like.insert(index, BoundShape::bind(shape, snapshot, report));
                }
            }
            bound.rules.push(BoundQuery {
                name: rule.name.clone(),
                code: rule.code.clone(),
                who: rule.who.clone(),
                message: rule.message.clone(),
            });
        }
        bound
    }

    /// The rules that are about a statement, in their order.
    fn about(&self, text: &str, parts: &[StatementPart]) -> Result<BTreeSet<usize>, QueryDenial> {
        let mut about: BTreeSet<usize> = BTreeSet::new();
        if !self.same.is_empty() {
            let inside = Fingerprint::within(text, &self.lengths).ok_or(QueryDenial::Unread)?;
            about.extend(inside.iter().filter_map(|one| self.same.get(one)).flatten());
        }
        for (index, shape) in &self.like {
            if parts.iter().any(|part| shape.covers(part)) {
                about.insert(*index);
            }
        }
        Ok(about)
    }
}

impl BoundShape {
    fn bind(shape: &Shape, snapshot: &Snapshot, report: &mut Report) -> Self {
        let mut relations = HashSet::new();
        for (pattern, place) in &shape.relations {
            check_pattern(pattern, place, MistakeKind::UnknownRelation, snapshot, report);
            relations.extend(matching(pattern, snapshot).map(|(id, _)| id));
        }
        with_children(&mut relations, snapshot);
        Self {
            commands: shape.commands.clone(),
            relations: (!shape.relations.is_empty()).then_some(relations),
            without_where: shape.without_where,
        }
    }

    fn covers(&self, part: &StatementPart) -> bool {
        let relation = self
            .relations
            .as_ref()
            .is_none_or(|wanted| part.relations.iter().any(|relation| wanted.contains(relation)));
        let command = self.commands.is_empty() || self.commands.contains(&part.command);
        command && relation && !(self.without_where && part.has_where)
    }
}

/// Adds partitions and inheritance children, level by level.
fn with_children(relations: &mut HashSet<RelationId>, snapshot: &Snapshot) {
    loop {
        let is_child = |id: RelationId| {
            let parents = &snapshot.relation(id).parents;
            let mut parents = parents.iter().filter_map(|parent| snapshot.by_oid(*parent));
            parents.any(|parent| relations.contains(&parent))
        };
        let all = snapshot.relations().map(|(id, _)| id);
        let more: Vec<RelationId> =
            all.filter(|id| !relations.contains(id) && is_child(*id)).collect();
        if more.is_empty() {
            return;
        }
        relations.extend(more);
    }
}

impl BoundPolicy {
    /// Whether any rule is about statements at all.
    #[must_use]
    pub fn has_query_rules(&self) -> bool {
        !self.queries.rules.is_empty()
    }

    /// Whether a principal may run a statement. A principal with `bypass` is not asked about here.
    ///
    /// | a rule is about it | its `to` includes them | its `deny` includes them | outcome          |
    /// |--------------------|------------------------|--------------------------|------------------|
    /// | none               | -                      | -                        | allowed          |
    /// | some               | yes                    | no                       | allowed          |
    /// | some               | no                     | -                        | that rule denies |
    /// | some               | -                      | yes                      | that rule denies |
    ///
    /// # Errors
    /// A [`QueryDenial`] of the first rule that denies.
    pub fn admits(
        &self,
        principal: &Principal,
        text: &str,
        parts: &[StatementPart],
    ) -> Result<Vec<String>, QueryDenial> {
        let mut asked = Vec::new();
        for index in self.queries.about(text, parts)? {
            let rule = &self.queries.rules[index];
            let allowed = match &rule.who {
                Who::Only(audience) => audience.grants(principal),
                Who::AllBut(audience) => !audience.restricts(principal),
            };
            if !allowed {
                let (rule, code, message) =
                    (rule.name.clone(), rule.code.clone(), rule.message.clone());
                return Err(QueryDenial::Rule { rule, code, message });
            }
            asked.push(rule.name.clone());
        }
        Ok(asked)
    }
}

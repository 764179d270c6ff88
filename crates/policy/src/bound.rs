//! A policy bound to one catalog snapshot, and the decision itself.
//!
//! In:  a principal, a relation of that snapshot, a [`Command`].
//! Out: a [`Decision`] or a [`Denial`].
//!
//! Invariants:
//! - A relation, database or rule that is not in here is denied: an empty [`BoundPolicy`] grants nothing.
//! - Rules are looked up by relation and by role; those of other relations and roles are never visited.
//! - Rules stand in an order of their own (name, key), so the order of the files changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use pgcordon_sql::catalog::{ColumnId, RelationId};
use pgcordon_sql::template::Template;

use crate::attribute::text_constant;
use crate::audience::Audience;
use crate::bind::query::BoundQueries;
use crate::combine::{any, every};
use crate::decide::{AppliedRule, Command, Decision, Denial, Expression, Filter};
use crate::merge;
use crate::name::QualifiedName;
use crate::principal::Principal;
use crate::reach::Reach;

/// How the policy speaks of a relation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coverage {
    /// No rule grants it; rules of a wildcard may still restrict it.
    Nothing,
    /// A permissive rule of a wildcard grants it to somebody.
    Wildcard,
    /// As a partition or inheritance child it obeys its parent's rules.
    Inherited,
    /// A key of its own names it; its rules decide, and `[]` means nobody.
    Named,
}

/// A policy whose rules were compiled against one catalog snapshot.
#[derive(Debug, Default)]
pub struct BoundPolicy {
    pub(crate) relations: HashMap<RelationId, BoundRelation>,
    /// By the database name that clients use; `None` where the database has no `tables`.
    pub(crate) scopes: BTreeMap<String, Option<HashSet<RelationId>>>,
    pub(crate) functions: BTreeSet<QualifiedName>,
    /// What the policy speaks of by name.
    pub(crate) reach: Arc<Reach>,
    pub(crate) queries: BoundQueries,
}

/// The rules of one relation, indexed by whom they are for.
#[derive(Debug)]
pub(crate) struct BoundRelation {
    coverage: Coverage,
    column_count: usize,
    rules: Vec<BoundRule>,
    /// For whoever has logged in.
    everyone: Vec<usize>,
    /// For visitors who have not: `public`, and what restricts everyone.
    public: Vec<usize>,
    roles: HashMap<String, Vec<usize>>,
    groups: HashMap<String, Vec<usize>>,
    users: HashMap<String, Vec<usize>>,
}

/// Which rows, compiled.
#[derive(Clone, Debug)]
pub(crate) enum BoundRows {
    All,
    Test(Arc<Template>),
}

/// What a rule does to one column, compiled.
#[derive(Clone, Debug)]
pub(crate) enum BoundTreatment {
    Clear,
    Mask(Arc<Template>),
    Hide,
    Deny,
}

/// A rule fitted to one relation.
#[derive(Clone, Debug)]
pub(crate) struct BoundRule {
    pub(crate) name: String,
    pub(crate) restrictive: bool,
    pub(crate) commands: BTreeSet<Command>,
    pub(crate) rows: BoundRows,
    pub(crate) check: BoundRows,
    /// One per column; empty if the rule leaves every column clear.
    pub(crate) columns: Vec<BoundTreatment>,
    pub(crate) presets: Vec<(ColumnId, Arc<Template>)>,
    /// Why it does not fit; then nothing else in it counts.
    pub(crate) broken: Option<String>,
}

impl BoundRelation {
    /// `rules` in their final order, each with whom it is for.
    pub(crate) fn new(
        coverage: Coverage,
        column_count: usize,
        rules: Vec<(BoundRule, &Audience)>,
    ) -> Self {
        let mut relation = Self {
            coverage,
            column_count,
            rules: Vec::with_capacity(rules.len()),
            everyone: Vec::new(),
            public: Vec::new(),
            roles: HashMap::new(),
            groups: HashMap::new(),
            users: HashMap::new(),
        };
        for (index, (rule, audience)) in rules.into_iter().enumerate() {
            if audience.everyone {
                relation.everyone.push(index);
            }
            if audience.public || (audience.everyone && rule.restrictive) {
                relation.public.push(index);
            }
            for (names, into) in [
                (&audience.roles, &mut relation.roles),
                (&audience.groups, &mut relation.groups),
                (&audience.users, &mut relation.users),
            ] {
                for name in names {
                    into.entry(name.clone()).or_default().push(index);
                }
            }
            relation.rules.push(rule);
        }
        relation
    }

    /// The rules for a principal, in their order, each once.
    fn rules_for(&self, principal: &Principal) -> Vec<&BoundRule> {
        if principal.anonymous {
            return self.public.iter().map(|index| &self.rules[*index]).collect();
        }
        let of_roles = principal.roles.iter().filter_map(|name| self.roles.get(name));
        let of_groups = principal.groups.iter().filter_map(|name| self.groups.get(name));
        let of_user = self.users.get(&principal.name);
        let named = of_roles.chain(of_groups).chain(of_user).flatten();
        let indexes: BTreeSet<usize> = self.everyone.iter().chain(named).copied().collect();
        indexes.into_iter().map(|index| &self.rules[index]).collect()
    }
}

impl BoundRule {
    /// Admits every row, shows every column.
    fn admits_everything(&self) -> bool {
        let all = |rows: &BoundRows| match rows {
            BoundRows::All => true,
            BoundRows::Test(_) => false,
        };
        all(&self.rows) && all(&self.check) && self.columns.is_empty()
    }

    /// Whether an expression of the rule needs an attribute that the principal does not carry.
    fn lacks_attribute(&self, principal: &Principal) -> bool {
        let of_rows = [&self.rows, &self.check].into_iter().filter_map(|rows| match rows {
            BoundRows::All => None,
            BoundRows::Test(template) => Some(template),
        });
        let of_columns = self.columns.iter().filter_map(|column| match column {
            BoundTreatment::Mask(template) => Some(template),
            BoundTreatment::Clear | BoundTreatment::Hide | BoundTreatment::Deny => None,
        });
        of_rows.chain(of_columns).flat_map(|template| &template.placeholders).any(|placeholder| {
            let attribute = placeholder.strip_prefix("user.");
            attribute.is_some_and(|name| name != "name" && !principal.attributes.contains_key(name))
        })
    }
}

/// Leaves out permissive rules that need an attribute which the principal lacks, where another rule admits every row
/// and shows every column anyway: a manager whose role includes the sales rep's needs no region. A rule that forces
/// values is never left out.
fn without_surplus<'r>(
    permissive: Vec<&'r BoundRule>,
    principal: &Principal,
) -> Vec<&'r BoundRule> {
    if !permissive.iter().any(|rule| rule.admits_everything()) {
        return permissive;
    }
    let needed = |rule: &&BoundRule| !rule.presets.is_empty() || !rule.lacks_attribute(principal);
    permissive.into_iter().filter(needed).collect()
}

/// The rules that one command of one principal meets.
pub(crate) struct Applicable<'r> {
    pub(crate) permissive: Vec<&'r BoundRule>,
    pub(crate) restrictive: Vec<&'r BoundRule>,
    pub(crate) column_count: usize,
}

impl BoundPolicy {
    /// Decides what a principal may do to a relation. A principal with `bypass` is not asked about here.
    ///
    /// Rules are those whose `to` includes the principal. Several are joined as PostgreSQL's `rowsecurity.c`
    /// joins policies: permissive ones by OR, restrictive ones by AND.
    ///
    /// | in the database's scope | permissive rule | broken rule | for this command | attributes | outcome             |
    /// |-------------------------|-----------------|-------------|------------------|------------|---------------------|
    /// | no                      | -               | -           | -                | -          | `NoRule`            |
    /// | yes                     | none            | -           | -                | -          | `NoRule`            |
    /// | yes                     | some            | some        | -                | -          | `BrokenRule`        |
    /// | yes                     | some            | none        | none             | -          | `CommandNotGranted` |
    /// | yes                     | some            | none        | some             | missing    | `MissingAttribute`  |
    /// | yes                     | some            | none        | some             | present    | a [`Decision`]      |
    ///
    /// # Errors
    /// A [`Denial`].
    pub fn decide(
        &self,
        principal: &Principal,
        relation: RelationId,
        command: Command,
    ) -> Result<Decision, Denial> {
        let (rules, values) = self.applicable(principal, relation, command)?;
        rules.decision(command, &values)
    }

    /// The rules that a command of a principal meets, one by one, as [`BoundPolicy::decide`] joins them. For
    /// `export-sql`: PostgreSQL joins them itself.
    ///
    /// # Errors
    /// As [`BoundPolicy::decide`].
    pub fn applied(
        &self,
        principal: &Principal,
        relation: RelationId,
        command: Command,
    ) -> Result<Vec<AppliedRule>, Denial> {
        let (rules, values) = self.applicable(principal, relation, command)?;
        let (reads, makes) = parts(command);
        let part = |wanted: bool, rows| if wanted { values.filter(rows) } else { Filter::All };
        let all = rules.permissive.iter().chain(&rules.restrictive);
        let applied = all.map(|rule| AppliedRule {
            name: rule.name.clone(),
            restrictive: rule.restrictive,
            using: part(reads, &rule.rows),
            check: part(makes, &rule.check),
        });
        Ok(applied.collect())
    }

    /// The functions that `functions: allow` names, as schema and name.
    pub fn functions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.functions.iter().map(|function| (function.schema.as_str(), function.name.as_str()))
    }

    fn applicable(
        &self,
        principal: &Principal,
        relation: RelationId,
        command: Command,
    ) -> Result<(Applicable<'_>, Values<'_>), Denial> {
        if !self.in_scope(&principal.database, relation) {
            return Err(Denial::NoRule);
        }
        let bound = self.relations.get(&relation).ok_or(Denial::NoRule)?;
        let rules = bound.rules_for(principal);
        if rules.iter().all(|rule| rule.restrictive) {
            return Err(Denial::NoRule);
        }
        let broken = rules.iter().find_map(|rule| Some((rule, rule.broken.as_ref()?)));
        if let Some((rule, problem)) = broken {
            return Err(Denial::BrokenRule { rule: rule.name.clone(), problem: problem.clone() });
        }
        let asked = rules.into_iter().filter(|rule| rule.commands.contains(&command));
        let (restrictive, permissive): (Vec<_>, Vec<_>) = asked.partition(|rule| rule.restrictive);
        let permissive = without_surplus(permissive, principal);
        let rules = Applicable { permissive, restrictive, column_count: bound.column_count };
        if rules.permissive.is_empty() {
            return Err(Denial::CommandNotGranted);
        }
        let values = Values::of(&rules, command, principal)?;
        Ok((rules, values))
    }

    /// How the policy speaks of a relation, whoever asks.
    #[must_use]
    pub fn coverage(&self, relation: RelationId) -> Coverage {
        self.relations.get(&relation).map_or(Coverage::Nothing, |bound| bound.coverage)
    }

    /// Whether `functions: allow` names that function outside `pg_catalog`.
    #[must_use]
    pub fn allows_function(&self, schema: &str, name: &str) -> bool {
        let function = QualifiedName { schema: schema.to_owned(), name: name.to_owned() };
        self.functions.contains(&function)
    }

    /// A database that was not bound shows nothing.
    fn in_scope(&self, database: &str, relation: RelationId) -> bool {
        match self.scopes.get(database) {
            Some(Some(relations)) => relations.contains(&relation),
            Some(None) => true,
            None => false,
        }
    }
}

/// Whether a command meets existing rows, and whether it makes new ones.
fn parts(command: Command) -> (bool, bool) {
    match command {
        Command::Select | Command::Delete | Command::Truncate => (true, false),
        Command::Insert => (false, true),
        Command::Update => (true, true),
    }
}

impl Applicable<'_> {
    fn decision(&self, command: Command, values: &Values<'_>) -> Result<Decision, Denial> {
        let (reads, makes) = parts(command);
        let using = if reads { self.filter(|rule| &rule.rows, values) } else { Filter::All };
        let check = if makes { self.filter(|rule| &rule.check, values) } else { Filter::All };
        let columns = match command {
            Command::Select => merge::readable(self, values),
            Command::Insert | Command::Update | Command::Delete | Command::Truncate => {
                merge::writable(self)
            }
        };
        let presets = match command {
            Command::Insert => merge::presets(self, values)?,
            Command::Select | Command::Update | Command::Delete | Command::Truncate => Vec::new(),
        };
        let names: BTreeSet<&str> = self
            .permissive
            .iter()
            .chain(&self.restrictive)
            .map(|rule| rule.name.as_str())
            .collect();
        let rules = names.into_iter().map(str::to_owned).collect();
        Ok(Decision { using, check, columns, presets, rules })
    }

    /// (one of the permissive) and (all of the restrictive).
    fn filter(&self, part: impl Fn(&BoundRule) -> &BoundRows, values: &Values<'_>) -> Filter {
        let permissive =
            any(self.permissive.iter().map(|rule| values.filter(part(rule))).collect());
        let restrictive = self.restrictive.iter().map(|rule| values.filter(part(rule)));
        every(std::iter::once(permissive).chain(restrictive).collect())
    }
}

/// One principal's values for every placeholder that the applicable rules use.
pub(crate) struct Values<'r>(BTreeMap<&'r str, String>);

impl<'r> Values<'r> {
    /// Looks all of them up before anything is decided.
    fn of(rules: &Applicable<'r>, command: Command, principal: &Principal) -> Result<Self, Denial> {
        let all = rules.permissive.iter().chain(&rules.restrictive);
        let needed: BTreeSet<&str> = all
            .flat_map(|rule| rule.templates(command))
            .flat_map(|template| template.placeholders.iter().map(String::as_str))
            .collect();
        let mut values = BTreeMap::new();
        for name in needed {
            let value = match (name, name.strip_prefix("user.")) {
                ("now", _) => "pg_catalog.now()".to_owned(),
                ("user.name", _) => text_constant(&principal.name),
                (_, attribute) => {
                    let attribute = attribute.unwrap_or(name);
                    let value = principal.attributes.get(attribute);
                    value.ok_or_else(|| Denial::MissingAttribute(attribute.to_owned()))?.clone()
                }
            };
            values.insert(name, value);
        }
        Ok(Self(values))
    }

    pub(crate) fn expression(&self, template: &Arc<Template>) -> Expression {
        let values = template.placeholders.iter().map(|name| {
            let value = self.0.get(name.as_str());
            value.expect("Values::of looked up every placeholder of these templates").clone()
        });
        Expression { template: Arc::clone(template), values: values.collect() }
    }

    pub(crate) fn filter(&self, rows: &BoundRows) -> Filter {
        match rows {
            BoundRows::All => Filter::All,
            BoundRows::Test(template) => Filter::Test(self.expression(template)),
        }
    }
}

impl BoundRule {
    /// Every template that a command may need.
    fn templates(&self, command: Command) -> Vec<&Arc<Template>> {
        let (rows, check, masks, presets) = match command {
            Command::Select => (true, false, true, false),
            Command::Insert => (false, true, false, true),
            Command::Update => (true, true, false, false),
            Command::Delete | Command::Truncate => (true, false, false, false),
        };
        let mut templates = Vec::new();
        for (wanted, part) in [(rows, &self.rows), (check, &self.check)] {
            match part {
                BoundRows::Test(template) if wanted => templates.push(template),
                BoundRows::Test(_) | BoundRows::All => {}
            }
        }
        for column in self.columns.iter().filter(|_| masks) {
            match column {
                BoundTreatment::Mask(template) => templates.push(template),
                BoundTreatment::Clear | BoundTreatment::Hide | BoundTreatment::Deny => {}
            }
        }
        templates.extend(self.presets.iter().filter(|_| presets).map(|(_, template)| template));
        templates
    }
}

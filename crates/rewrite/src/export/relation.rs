//! One relation: row policies, privileges, views of single people.
//!
//! In:  what each person may do to it.
//! Out: SQL.
//!
//! Invariants:
//! - Policies that are equal but for the person are one policy for several roles.
//! - A relation that nobody may use gets neither privileges nor policies: the general REVOKE is its whole answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pgcordon_policy::{AppliedRule, Command, Decision, Filter};
use pgcordon_sql::catalog::{Relation, RelationId};
use pgcordon_sql::splice;

use crate::export::access::{Access, COMMANDS, Way, is_expanded, is_exported, word};
use crate::export::person::Person;
use crate::export::words::{self, Writer, one_line};
use crate::export::{ExportRequest, Gathered, face};

/// A row policy without its name and roles.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct RowPolicy {
    restrictive: bool,
    rule: String,
    /// `ALL` or a command.
    command: &'static str,
    using: Option<String>,
    check: Option<String>,
}

/// What is said about a relation, each with the roles that it is for.
#[derive(Debug, Default)]
struct Said {
    policies: BTreeMap<RowPolicy, BTreeSet<String>>,
    grants: BTreeMap<String, BTreeSet<String>>,
}

/// Writes one relation.
pub(super) fn write(
    request: &ExportRequest<'_>,
    people: &[Person],
    id: RelationId,
    gathered: &mut Gathered,
) {
    if is_expanded(request, id) {
        return;
    }
    let relation = request.snapshot.relation(id);
    let mut said = Said::default();
    for person in people.iter().filter(|person| !person.principal.bypass) {
        let Some(access) = Access::of(request, person, id, gathered) else { continue };
        if said.add(request, person, relation, &access, gathered).is_none() {
            gathered.not_expressed(format!(
                "{} for {}: a rule reads a relation that cannot be given a view of all rows; nothing is granted",
                relation.qualified(),
                person.login
            ));
        }
    }
    said.print(request, relation, &mut gathered.relations);
}

impl Said {
    /// Adds one person's part as a whole; `None` where an expression cannot be written.
    fn add(
        &mut self,
        request: &ExportRequest<'_>,
        person: &Person,
        relation: &Relation,
        access: &Access,
        gathered: &mut Gathered,
    ) -> Option<()> {
        let mut writer = Writer {
            snapshot: request.snapshot,
            relation,
            alias: &relation.name,
            truths: BTreeSet::new(),
        };
        let policies = match access.way {
            Way::Itself | Way::FaceOverPolicies => row_policies(&mut writer, access)?,
            Way::FaceWithCondition => BTreeSet::new(),
        };
        let role = match access.way {
            Way::Itself => person.login.clone(),
            Way::FaceOverPolicies | Way::FaceWithCondition => {
                let view = face::view(&mut writer, person, access)?;
                note_face(person, relation, gathered);
                gathered.faces.push_str(&view);
                gathered.owners.insert(person.own.clone());
                person.own.clone()
            }
        };
        for id in writer.truths {
            gathered.truths.entry(id).or_default().insert(role.clone());
        }
        for policy in policies {
            self.policies.entry(policy).or_default().insert(role.clone());
        }
        for grant in grants(relation, access) {
            self.grants.entry(grant).or_default().insert(role.clone());
        }
        Some(())
    }

    fn print(&self, request: &ExportRequest<'_>, relation: &Relation, sql: &mut String) {
        if self.grants.is_empty() {
            return;
        }
        let table = relation.qualified();
        let _ = writeln!(sql, "\n-- {}", one_line(&table));
        if face::owner_needs_policies(relation.kind) {
            let _ = writeln!(sql, "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;");
            let _ = writeln!(sql, "ALTER TABLE {table} FORCE ROW LEVEL SECURITY;");
            let upstream = splice::quoted(request.upstream_role);
            let _ = writeln!(
                sql,
                "CREATE POLICY \"pgcordon 0: pgcordon itself\" ON {table} TO {upstream} USING (true) WITH CHECK (true);"
            );
        }
        for (number, (policy, roles)) in (1..).zip(&self.policies) {
            let name = words::cut(&format!("pgcordon {number}: {}", one_line(&policy.rule)));
            let kind = if policy.restrictive { "RESTRICTIVE" } else { "PERMISSIVE" };
            let _ = write!(
                sql,
                "CREATE POLICY {} ON {table} AS {kind} FOR {} TO {}",
                splice::quoted(&name),
                policy.command,
                words::list(roles.iter().map(String::as_str))
            );
            for (word, part) in [("USING", &policy.using), ("WITH CHECK", &policy.check)] {
                if let Some(condition) = part {
                    let _ = write!(sql, "\n    {word} ({condition})");
                }
            }
            sql.push_str(";\n");
        }
        for (grant, roles) in &self.grants {
            let roles = words::list(roles.iter().map(String::as_str));
            let _ = writeln!(sql, "GRANT {grant} ON {table} TO {roles};");
        }
    }
}

/// Every policy of one person.
fn row_policies(writer: &mut Writer<'_>, access: &Access) -> Option<BTreeSet<RowPolicy>> {
    let mut policies = BTreeSet::new();
    for (command, (_, rules)) in &access.commands {
        for rule in rules {
            policies.insert(row_policy(writer, *command, rule)?);
        }
    }
    let select = access.commands.get(&Command::Select);
    for command in [Command::Update, Command::Delete] {
        let changed = access.commands.get(&command);
        if let (Some((seen, read)), Some((_, touched))) = (select, changed)
            && !touches_only_what_is_read(read, touched)
        {
            policies.insert(only_visible(writer, command, &seen.using)?);
        }
    }
    Some(joined(policies))
}

fn row_policy(writer: &mut Writer<'_>, command: Command, rule: &AppliedRule) -> Option<RowPolicy> {
    let (using, check) = match command {
        Command::Select | Command::Delete | Command::Truncate => {
            (Some(writer.filter(&rule.using)?), None)
        }
        Command::Insert => (None, Some(writer.filter(&rule.check)?)),
        Command::Update => (Some(writer.filter(&rule.using)?), Some(writer.filter(&rule.check)?)),
    };
    let (restrictive, rule) = (rule.restrictive, rule.name.clone());
    Some(RowPolicy { restrictive, rule, command: word(command), using, check })
}

/// Whether each rule that lets rows be touched is a rule for reading, too.
fn touches_only_what_is_read(read: &[AppliedRule], touched: &[AppliedRule]) -> bool {
    let same = |one: &AppliedRule, other: &AppliedRule| {
        one.restrictive == other.restrictive && one.using == other.using
    };
    let permissive = touched.iter().filter(|rule| !rule.restrictive);
    let restrictive = read.iter().filter(|rule| rule.restrictive);
    permissive.into_iter().all(|rule| read.iter().any(|other| same(rule, other)))
        && restrictive.into_iter().all(|rule| touched.iter().any(|other| same(rule, other)))
}

/// UPDATE and DELETE touch only visible rows, also where the statement reads no column.
fn only_visible(writer: &mut Writer<'_>, command: Command, seen: &Filter) -> Option<RowPolicy> {
    Some(RowPolicy {
        restrictive: true,
        rule: "only rows that are visible".to_owned(),
        command: word(command),
        using: Some(writer.filter(seen)?),
        check: (command == Command::Update).then(|| "true".to_owned()),
    })
}

/// Policies that say the same for every command become one.
fn joined(mut policies: BTreeSet<RowPolicy>) -> BTreeSet<RowPolicy> {
    let updates: Vec<RowPolicy> =
        policies.iter().filter(|policy| policy.command == word(Command::Update)).cloned().collect();
    for update in updates {
        let parts = COMMANDS.map(|command| RowPolicy {
            command: word(command),
            using: update.using.clone().filter(|_| command != Command::Insert),
            check: update
                .check
                .clone()
                .filter(|_| command == Command::Insert || command == Command::Update),
            ..update.clone()
        });
        if parts.iter().all(|part| policies.contains(part)) {
            for part in &parts {
                policies.remove(part);
            }
            policies.insert(RowPolicy { command: "ALL", ..update });
        }
    }
    policies
}

/// Privileges on the relation itself, for the person or for the owner of their view.
fn grants(relation: &Relation, access: &Access) -> Vec<String> {
    let mut grants = Vec::new();
    if access.truncate {
        grants.push(word(Command::Truncate).to_owned());
    }
    for (command, (decision, _)) in &access.commands {
        let usable = columns_of_grant(relation, *command, decision, access.way);
        let word = word(*command);
        if usable.len() == relation.columns.len() || *command == Command::Delete {
            grants.push(word.to_owned());
        } else if !usable.is_empty() {
            let columns = usable.iter().filter_map(|index| relation.columns.get(*index));
            let columns = words::list(columns.map(|column| column.name.as_str()));
            grants.push(format!("{word} ({columns})"));
        }
    }
    grants
}

/// The owner of a view reads every column for it, and writes the values that are forced.
fn columns_of_grant(
    relation: &Relation,
    command: Command,
    decision: &Decision,
    way: Way,
) -> Vec<usize> {
    let usable = face::usable(relation, command, decision);
    match (way, command) {
        (Way::Itself, _) => usable,
        (_, Command::Select) => (0..relation.columns.len()).collect(),
        (_, Command::Insert) => {
            let forced = decision.presets.iter().map(|(column, _)| usize::from(column.0));
            let all: BTreeSet<usize> = usable.into_iter().chain(forced).collect();
            all.into_iter().collect()
        }
        (_, Command::Update | Command::Delete | Command::Truncate) => usable,
    }
}

fn note_face(person: &Person, relation: &Relation, gathered: &mut Gathered) {
    let table = relation.qualified();
    let login = &person.login;
    let own = splice::qualified(&person.own, &face::name(relation).unwrap_or_default());
    gathered.not_expressed(format!(
        "{table} for {login}: reached as {own} only (search_path finds it where the schema is public); a view has no \
         primary key, no system columns, and MERGE needs PostgreSQL 17"
    ));
}

/// Views without rules of their own, read by the reader's rules.
///
/// | PostgreSQL | every relation in it is given to the person itself | outcome       |
/// |------------|----------------------------------------------------|---------------|
/// | 13, 14     | -                                                  | not expressed |
/// | 15 on      | no                                                 | not expressed |
/// | 15 on      | yes                                                | granted       |
pub(super) fn views_without_rules(
    request: &ExportRequest<'_>,
    people: &[Person],
    gathered: &mut Gathered,
) {
    for (id, relation) in request.snapshot.relations() {
        if !is_exported(relation) || !is_expanded(request, id) {
            continue;
        }
        let name = relation.qualified();
        let mut roles = BTreeSet::new();
        for person in people.iter().filter(|person| !person.principal.bypass) {
            match view_access(request, person, id, 0) {
                ViewAccess::Granted if request.snapshot.server_version() >= 150_000 => {
                    roles.insert(person.login.as_str());
                }
                ViewAccess::Granted => gathered.not_expressed(format!(
                    "view {name} for {}: security_invoker needs PostgreSQL 15",
                    person.login
                )),
                ViewAccess::Unsayable => gathered.not_expressed(format!(
                    "view {name} for {}: what it reads is given to them as a view of their own",
                    person.login
                )),
                ViewAccess::Nothing => {}
            }
        }
        if !roles.is_empty() {
            let roles = words::list(roles);
            let sql = &mut gathered.relations;
            let _ = writeln!(sql, "\n-- {}: read by the reader's rules", one_line(&name));
            let _ = writeln!(sql, "ALTER VIEW {name} SET (security_invoker = true);");
            // With the reader's rights inside, a privilege on the view opens nothing that the tables do not; but a rule acts
            // with its owner's rights.
            let writing = request.snapshot.writing(relation.oid);
            let ruled = writing.is_some_and(|known| known.instead_of || !known.rules.is_empty());
            let commands = if ruled { "SELECT" } else { "SELECT, INSERT, UPDATE, DELETE" };
            let _ = writeln!(sql, "GRANT {commands} ON {name} TO {roles};");
        }
    }
}

/// What a view without rules is for one person.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum ViewAccess {
    Granted,
    Unsayable,
    Nothing,
}

/// The worst of all that the definition reads.
fn view_access(
    request: &ExportRequest<'_>,
    person: &Person,
    id: RelationId,
    depth: usize,
) -> ViewAccess {
    let snapshot = request.snapshot;
    let Some(definition) = &snapshot.relation(id).definition else { return ViewAccess::Nothing };
    let Ok(statements) = pgcordon_sql::census::read(definition) else {
        return ViewAccess::Unsayable;
    };
    let named = statements.iter().flat_map(|statement| &statement.relations);
    // Names without a schema are those of the definition's own WITH.
    let named = named.filter_map(|named| Some((named.schema.as_deref()?, named.name.as_str())));
    let each = named.map(|(schema, name)| match snapshot.qualified(schema, name) {
        None => ViewAccess::Nothing,
        Some(_) if depth > 32 => ViewAccess::Unsayable,
        Some(inner) if is_expanded(request, inner) => {
            view_access(request, person, inner, depth + 1)
        }
        Some(inner) => table_access(request, person, inner),
    });
    each.max().unwrap_or(ViewAccess::Granted)
}

fn table_access(request: &ExportRequest<'_>, person: &Person, id: RelationId) -> ViewAccess {
    let relation = request.snapshot.relation(id);
    if !is_exported(relation) {
        return ViewAccess::Unsayable;
    }
    let access = Access::of(request, person, id, &mut Gathered::default());
    let readable = access.filter(|access| access.commands.contains_key(&Command::Select));
    match readable.map(|access| access.way) {
        None => ViewAccess::Nothing,
        Some(Way::Itself) => ViewAccess::Granted,
        Some(Way::FaceOverPolicies | Way::FaceWithCondition) => ViewAccess::Unsayable,
    }
}

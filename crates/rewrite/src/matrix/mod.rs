//! Who may see what: a policy as a table of roles, relations, commands and columns, to be reviewed and compared.
//!
//! In:  the policy, bound to a catalog, and the name of one of its databases.
//! Out: text. For each role, group and person whom a rule names: what they may connect to and send, and for each
//!      relation the answer to each command, and what becomes of each column.
//!
//! Invariants:
//! - Answers are those of [`enforce`](crate::enforce) to a statement of each kind; conditions are those of the policy's
//!   decision. Nothing is decided here.
//! - The same policy and catalog give the same text: everything is sorted, and a fact stands on a line of its own.
//! - No value of a person's stands in it: conditions name `{user.…}` as the policy does.

mod probe;
mod words;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pgcordon_policy::{
    BoundPolicy, ColumnAccess, Command, Coverage, Decision, Policy, Principal, RoleLimits, Subject,
};
use pgcordon_sql::catalog::{Relation, RelationId, RelationKind, Snapshot};

use crate::{Context, Mark, StatementKind};
use probe::{Answer, Probe};
use words::Words;

/// Of what the matrix is made.
#[derive(Clone, Copy, Debug)]
pub struct MatrixRequest<'a> {
    /// The people.
    pub policy: &'a Policy,
    /// Their rules.
    pub bound: &'a BoundPolicy,
    /// The catalog that the rules are bound to.
    pub snapshot: &'a Snapshot,
    /// The database by the name that clients use.
    pub database: &'a str,
}

/// Writes the matrix of one database.
#[must_use]
pub fn matrix(request: &MatrixRequest<'_>) -> String {
    let mut text = format!("Who may see what in database {}\n", request.database);
    let listed = |text: &mut String, title: &str, words: Vec<String>| {
        let words = if words.is_empty() { "none".to_owned() } else { words.join(", ") };
        let _ = writeln!(text, "{title}: {words}");
    };
    let features = request.policy.features().into_iter().map(|one| one.word().to_owned());
    listed(&mut text, "the policy uses", features.collect());
    let functions = request.bound.functions().map(|(schema, name)| format!("{schema}.{name}"));
    listed(&mut text, "functions of its own", functions.collect());
    let rules = request.policy.statement_rules().map(str::to_owned);
    listed(&mut text, "rules on statements", rules.collect());
    for (rule, until) in request.policy.expiries() {
        let _ = writeln!(text, "until {until}: {rule}");
    }
    let mark = Mark::new([0; 16]);
    for subject in request.policy.subjects(request.database) {
        text.push('\n');
        let sheet = Sheet { request, principal: &subject.principal, mark: &mark };
        sheet.write(&subject, &mut text);
    }
    text
}

/// What one subject may do.
struct Sheet<'a> {
    request: &'a MatrixRequest<'a>,
    principal: &'a Principal,
    mark: &'a Mark,
}

impl Sheet<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            snapshot: self.request.snapshot,
            policy: self.request.bound,
            principal: self.principal,
            search_path: &[],
            database: self.request.database,
            mark: self.mark,
            parameter_types: &[],
            max_statement_bytes: 1 << 20,
        }
    }

    fn write(&self, subject: &Subject, text: &mut String) {
        let _ = writeln!(text, "{}", subject.label);
        let connects = if subject.connects { "yes" } else { "no" };
        let _ = writeln!(text, "  connects: {connects}");
        let roles: Vec<&str> = self.principal.roles.iter().map(String::as_str).collect();
        if !roles.is_empty() {
            let _ = writeln!(text, "  roles: {}", roles.join(", "));
        }
        self.limits(text);
        self.statements(text);
        if self.principal.bypass {
            let _ = writeln!(text, "  everything: bypass, no rule applies");
            return;
        }
        let mut nothing = BTreeSet::new();
        for (id, relation) in self.relations() {
            let answers = probe::of_relation(self.context(), relation);
            if answers.iter().all(|(_, answer)| answer.is_absence()) {
                nothing.insert(words::name(relation));
            } else {
                self.relation(id, relation, &answers, text);
            }
        }
        for name in nothing {
            let _ = writeln!(text, "  {name}: does not exist");
        }
    }

    fn limits(&self, text: &mut String) {
        let RoleLimits {
            max_rows,
            statement_timeout,
            idle_in_transaction_timeout,
            max_connections,
        } = self.principal.limits;
        let numbers = [("max_rows", max_rows), ("max_connections", max_connections)];
        let times = [
            ("statement_timeout", statement_timeout),
            ("idle_in_transaction_timeout", idle_in_transaction_timeout),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                let _ = writeln!(text, "  {name}: {number}");
            }
        }
        for (name, time) in times {
            if let Some(time) = time {
                let _ = writeln!(text, "  {name}: {time:?}");
            }
        }
    }

    /// Kinds of statement that are about no relation of the database's.
    fn statements(&self, text: &mut String) {
        for (word, answer) in probe::of_nothing(self.context()) {
            let _ = writeln!(text, "  {word}: {answer}");
        }
    }

    /// By name.
    fn relations(&self) -> Vec<(RelationId, &Relation)> {
        let all = self.request.snapshot.relations();
        let mut relations: Vec<(RelationId, &Relation)> =
            all.filter(|(_, relation)| crate::export::is_exported(relation)).collect();
        relations.sort_by_key(|(_, relation)| (&relation.schema, &relation.name));
        relations
    }

    fn relation(
        &self,
        id: RelationId,
        relation: &Relation,
        answers: &[(Probe, Answer)],
        text: &mut String,
    ) {
        let _ = writeln!(text, "  {}", words::name(relation));
        for (probe, answer) in answers {
            let decision = match (probe.command(), answer) {
                (Some(command), Answer::Sent) if !self.is_expanded(id, relation) => {
                    let decided = self.request.bound.decide(self.principal, id, command);
                    decided.ok().map(|decision| (command, decision))
                }
                (Some(_) | None, _) => None,
            };
            match decision {
                Some((command, decision)) => {
                    self.decision(probe, command, &decision, relation, text);
                }
                None => {
                    let _ = writeln!(text, "    {}: {answer}", probe.word());
                }
            }
        }
    }

    /// Whether it is read and written as its definition.
    fn is_expanded(&self, id: RelationId, relation: &Relation) -> bool {
        relation.kind == RelationKind::View && self.request.bound.coverage(id) != Coverage::Named
    }

    fn decision(
        &self,
        probe: &Probe,
        command: Command,
        decision: &Decision,
        relation: &Relation,
        text: &mut String,
    ) {
        let words = Words { snapshot: self.request.snapshot, relation };
        let rows = match command {
            Command::Select | Command::Delete | Command::Truncate => {
                format!("rows {}", words.filter(&decision.using))
            }
            Command::Insert => format!("new rows {}", words.filter(&decision.check)),
            Command::Update => {
                let (using, check) = (words.filter(&decision.using), words.filter(&decision.check));
                format!("rows {using}; new rows {check}")
            }
        };
        let _ = writeln!(text, "    {}: {rows}", probe.word());
        let _ = writeln!(text, "      rules: {}", decision.rules.join(", "));
        for (column, value) in &decision.presets {
            let name = &relation.columns[usize::from(column.0)].name;
            let _ = writeln!(text, "      set: {name} = {}", words.expression(value));
        }
        let about_columns = match command {
            Command::Select | Command::Insert | Command::Update => true,
            Command::Delete | Command::Truncate => false,
        };
        let columns = relation.columns.iter().zip(&decision.columns);
        for (named, access) in columns.filter(|_| about_columns) {
            let name = &named.name;
            let _ = writeln!(text, "      {name}: {}", column(&words, command, access));
        }
    }
}

/// | command | clear   | cells  | hidden         | denied       |
/// |---------|---------|--------|----------------|--------------|
/// | Select  | `clear` | masked | `hidden`       | `denied`     |
/// | others  | `may be written` | `may not be written` | `hidden` | `may not be written` |
fn column(words: &Words<'_>, command: Command, access: &ColumnAccess) -> String {
    let reads = match command {
        Command::Select => true,
        Command::Insert | Command::Update | Command::Delete | Command::Truncate => false,
    };
    match (access, reads) {
        (ColumnAccess::Clear, true) => "clear".to_owned(),
        (ColumnAccess::Denied, true) => "denied".to_owned(),
        (ColumnAccess::Hidden, _) => "hidden".to_owned(),
        (ColumnAccess::Cells(cells), true) => words.cells(cells),
        (ColumnAccess::Clear, false) => "may be written".to_owned(),
        (ColumnAccess::Cells(_) | ColumnAccess::Denied, false) => "may not be written".to_owned(),
    }
}

/// The kinds of statement that the matrix answers for, for the test that none is missing.
#[must_use]
pub fn matrix_kinds() -> Vec<(StatementKind, &'static str)> {
    probe::KINDS.iter().map(|kind| (*kind, probe::word(*kind))).collect()
}

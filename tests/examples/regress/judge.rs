//! Asks `enforce` about a statement, and holds what it found against PostgreSQL's own tree.
//!
//! In:  a statement, the catalog as the session sees it.
//! Out: its kind and a [`Verdict`]; the rewritten text; a fault where analysis and tree differ.

use std::collections::BTreeMap;

use pgcordon_policy::{BoundPolicy, Identity, Moment, Policy, Principal, Source, load};
use pgcordon_rewrite::{Context, Mark, Refusal, enforce};
use pgcordon_sql::analyze::{Outline, Utility, outline};
use pgcordon_sql::catalog::Snapshot;
use pgcordon_sql::census;
use pgcordon_sql::parse::{Limits, Parsed};

use crate::session::Names;
use crate::tally::Verdict;

/// Longest statement that is read.
const MAX_BYTES: usize = 1 << 20;

/// Every relation to the one person, under a predicate that holds for every row and that nothing says beforehand.
const POLICY: &str = "
users: { tester: {} }
databases: { regression: { upstream: main, dbname: regression, connect: everyone } }
tables:
  \"*.*\":
    - name: everything
      to: everyone
      allow: [select, insert, update, delete]
      rows: \"{user.name} = 'tester'\"
";

/// One catalog with the policy bound to it.
pub(crate) struct Bench {
    snapshot: Snapshot,
    policy: BoundPolicy,
    principal: Principal,
    mark: Mark,
}

impl Bench {
    pub(crate) fn new(snapshot: Snapshot, names: &Names) -> Self {
        let mut text = POLICY.to_owned();
        let quoted = |name: &String| format!("'{}'", name.replace('\'', "''"));
        let functions: Vec<String> = names.functions.iter().map(quoted).collect();
        text.push_str(&format!("functions: {{ allow: [{}] }}\n", functions.join(", ")));
        let source = Source { name: "policy.yaml".to_owned(), text };
        let policy: Policy =
            load(&[source], &[]).unwrap_or_else(|mistakes| panic!("policy: {mistakes:?}"));
        let principal = policy
            .principal(&Identity::named("tester"), "regression")
            .expect("the tester may connect");
        let (bound, _) = policy.bind(&snapshot, &["regression"], Moment::from_unix_seconds(0));
        Self { snapshot, policy: bound, principal, mark: Mark::new([7; 16]) }
    }

    /// Whether a relation of that name is temporary.
    pub(crate) fn is_temporary(&self, name: &str) -> bool {
        let mut all = self.snapshot.relations();
        all.any(|(_, relation)| relation.name == name && relation.schema.starts_with("pg_temp_"))
    }

    /// The rewritten text, or why there is none.
    pub(crate) fn ask(&self, sql: &str, search_path: &[String]) -> Result<String, Refusal> {
        let context = Context {
            snapshot: &self.snapshot,
            policy: &self.policy,
            principal: &self.principal,
            search_path,
            database: "regression",
            mark: &self.mark,
            parameter_types: &[],
            max_statement_bytes: MAX_BYTES,
        };
        enforce(sql, context).map(|cleared| cleared.sql().to_owned())
    }
}

/// What kind of statement, for the tables; the first word where that cannot be said.
pub(crate) fn kind(sql: &str) -> String {
    let first = || {
        let code = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
        let word = code.flat_map(str::split_whitespace).next();
        word.unwrap_or_default().to_ascii_uppercase()
    };
    let Ok(parsed) = Parsed::new(sql, Limits::of_bytes(MAX_BYTES)) else { return first() };
    match outline(&parsed).as_deref() {
        Ok([Outline::Select]) => "SELECT".to_owned(),
        Ok([Outline::Insert]) => "INSERT".to_owned(),
        Ok([Outline::Update]) => "UPDATE".to_owned(),
        Ok([Outline::Delete]) => "DELETE".to_owned(),
        Ok([Outline::Merge]) => "MERGE".to_owned(),
        Ok([Outline::Utility(Utility::Transaction(_) | Utility::SetTransaction)]) => {
            "transaction".to_owned()
        }
        Ok([Outline::Utility(Utility::Other(what))]) => (*what).to_owned(),
        Ok([Outline::Utility(Utility::Set(_) | Utility::ResetAll)]) => "SET".to_owned(),
        Ok([Outline::Utility(Utility::Show(_))]) => "SHOW".to_owned(),
        Ok([]) => "empty".to_owned(),
        Ok([_, _, ..]) => "several".to_owned(),
        Ok([_]) | Err(_) => first(),
    }
}

/// Types of `pg_catalog` that are not on pgcordon's list.
const UNLISTED: [&str; 13] = [
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "regoper",
    "regoperator",
    "regnamespace",
    "regrole",
    "regcollation",
    "pg_snapshot",
    "txid_snapshot",
    "aclitem",
    "record",
];

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Whether the statement was analysed.
pub(crate) fn verdict(refusal: &Refusal) -> Verdict {
    let system = |name: &str| name.starts_with("pg_") || name.starts_with("information_schema");
    match refusal {
        Refusal::FunctionDenied { name, .. } => Verdict::Policy(format!("function {name}")),
        Refusal::OperatorDenied { name, .. } => Verdict::Policy(format!("operator {name}")),
        Refusal::SettingDenied { .. } => Verdict::Policy("setting".to_owned()),
        Refusal::CommandDenied { .. } => Verdict::Policy("command on this relation".to_owned()),
        Refusal::UnknownRelation { name, .. } if system(name) => {
            Verdict::Policy("a system relation that is not shown".to_owned())
        }
        Refusal::UnknownRelation { .. } => Verdict::Refused("unknown relation".to_owned()),
        Refusal::UnknownColumn { .. } => Verdict::Refused("unknown column".to_owned()),
        Refusal::UnknownType { name, .. } if UNLISTED.contains(&last_part(name)) => {
            Verdict::Policy(format!("type {}", last_part(name)))
        }
        Refusal::UnknownType { name, .. } => Verdict::Refused(format!("unknown type {name}")),
        Refusal::MissingFrom { .. } => Verdict::Refused("missing FROM entry".to_owned()),
        Refusal::AmbiguousColumn { .. } => Verdict::Refused("ambiguous column".to_owned()),
        Refusal::Syntax { .. } => Verdict::Refused("syntax".to_owned()),
        other => Verdict::Refused(other.to_string()),
    }
}

/// How often each relation, function and operator is named.
fn named(sql: &str) -> Result<BTreeMap<String, usize>, String> {
    let mut names = BTreeMap::new();
    for statement in census::read(sql).map_err(|error| error.to_string())? {
        let last = |name: &[String]| name.last().cloned().unwrap_or_default();
        let relations = statement.relations.iter().map(|named| format!("relation {}", named.name));
        let functions =
            statement.functions.iter().map(|called| format!("function {}", last(&called.name)));
        let operators =
            statement.operators.iter().map(|called| format!("operator {}", last(&called.name)));
        for name in relations.chain(functions).chain(operators) {
            *names.entry(name).or_default() += 1;
        }
    }
    Ok(names)
}

/// Names of the original that the rewritten text lacks: a view's own name may go, and nothing else.
pub(crate) fn lost(original: &str, rewritten: &str, snapshot: &Bench) -> Result<(), String> {
    let (before, after) = (named(original)?, named(rewritten)?);
    for (name, count) in &before {
        let kept = after.get(name).copied().unwrap_or(0);
        let view = name.strip_prefix("relation ").is_some_and(|name| {
            snapshot
                .snapshot
                .relations()
                .any(|(_, relation)| relation.name == name && relation.definition.is_some())
        });
        if kept < *count && !view {
            return Err(format!("{name} is named {count} times, then {kept} times"));
        }
    }
    Ok(())
}

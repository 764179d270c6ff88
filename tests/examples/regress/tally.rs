//! Counts what became of each statement, by kind, and prints the tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What became of a statement.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Verdict {
    /// Analysed, rewritten and verified.
    Accepted,
    /// Analysed, and not allowed: a function off the list, a relation that is not shown.
    Policy(String),
    /// Not analysed, with the reason.
    Refused(String),
    /// PostgreSQL refuses it as well, or it is about a temporary relation, which nobody behind pgcordon has.
    Invalid,
}

/// Examples shown of each reason.
const EXAMPLES: usize = 4;

/// The kinds that the target is about.
pub(crate) const QUERIES: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"];

#[derive(Default)]
pub(crate) struct Tally {
    kinds: BTreeMap<String, [usize; 4]>,
    reasons: BTreeMap<(String, String), (usize, Vec<String>)>,
    /// Statements whose rewritten text was run as well.
    pub(crate) compared: usize,
    /// What must not be: a description each.
    pub(crate) faults: Vec<String>,
}

impl Tally {
    pub(crate) fn count(&mut self, kind: &str, verdict: &Verdict, place: &str, sql: &str) {
        let counts = self.kinds.entry(kind.to_owned()).or_default();
        let (column, reason) = match verdict {
            Verdict::Accepted => (0, None),
            Verdict::Policy(reason) => (1, Some(format!("policy: {reason}"))),
            Verdict::Refused(reason) => (2, Some(reason.clone())),
            Verdict::Invalid => (3, None),
        };
        counts[column] += 1;
        if let Some(reason) = reason {
            let example =
                format!("{place}: {}", sql.split_whitespace().collect::<Vec<_>>().join(" "));
            let entry = self.reasons.entry((kind.to_owned(), reason)).or_default();
            entry.0 += 1;
            if entry.1.len() < EXAMPLES {
                entry.1.push(example);
            }
        }
    }

    /// Statements of the five kinds that PostgreSQL runs, and how many of them were analysed.
    pub(crate) fn queries(&self) -> (usize, usize) {
        let counts = QUERIES.iter().filter_map(|kind| self.kinds.get(*kind));
        counts.fold((0, 0), |(all, analysed), [accepted, policy, refused, _]| {
            (all + accepted + policy + refused, analysed + accepted + policy)
        })
    }

    pub(crate) fn report(&self) -> String {
        let mut text = String::from("| kind | accepted | by policy | not analysed | analysed |\n");
        text.push_str("|---|---|---|---|---|\n");
        for (kind, [accepted, policy, refused, invalid]) in &self.kinds {
            let all = accepted + policy + refused;
            let share = percent(accepted + policy, all);
            let _ = writeln!(
                text,
                "| {kind} | {accepted} | {policy} | {refused} | {share} | ({invalid} invalid)"
            );
        }
        let (all, analysed) = self.queries();
        let _ = writeln!(text, "five kinds: {analysed} of {all}, {}", percent(analysed, all));
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for ((kind, reason), (count, examples)) in reasons {
            let _ = writeln!(text, "{count:6} {kind}: {reason}");
            for example in examples {
                let example: String = example.chars().take(300).collect();
                let _ = writeln!(text, "         {example}");
            }
        }
        let _ = writeln!(text, "{} run both ways; {} faults", self.compared, self.faults.len());
        for fault in &self.faults {
            let _ = writeln!(text, "FAULT {fault}");
        }
        text
    }
}

fn percent(part: usize, all: usize) -> String {
    if all == 0 {
        return "-".to_owned();
    }
    let tenths = part * 1000 / all;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

//! Rows that a person may not see are altered, added and deleted: no answer changes.
//!
//! In:  the cases of the shop and of TPC-H, random statements (`PGCORDON_SEED`, else the clock's), and for each
//!      suite the changes of `cases/unseen`.
//! Out: a list of answers that changed; empty but for `cases/shown-natively.txt`.
//!
//! Invariants:
//! - Of an answer everything counts: rows (a multiset unless ordered), names and types of columns, tags, the
//!   transaction's status, an error's severity, SQLSTATE, message, position and context.
//! - A case is listed only if the same change shows under native row security too, and only while it does.
//! - Each statement runs in a transaction that is rolled back: the rows that the person sees stay the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use e2e::compare::{Case, cases};
use e2e::generate::Random;
use e2e::{Answer, Client, Twin, test_file};

const TPCH_FILES: [&str; 3] =
    ["cases/tpch/queries.sql", "cases/tpch/reports.sql", "cases/tpch/writes.sql"];

/// How many random statements.
const RANDOM: usize = 1_000;

/// One way into a database, and the superuser behind its back.
struct Door {
    client: Client,
    admin: Client,
}

/// A suite: who asks what, and the changes that this person must not notice.
struct Suite {
    name: &'static str,
    user: &'static str,
    twin: Twin,
    changes: Vec<Case>,
    cases: Vec<Case>,
}

impl Door {
    fn ask(&mut self, case: &Case, sequence: Option<&str>) -> Answer {
        if let Some(sequence) = sequence {
            // No rollback gives a drawn number back.
            self.admin.run(sequence);
        }
        self.client.run("BEGIN");
        let mut answer = self.client.simple(&case.sql);
        self.client.simple("ROLLBACK");
        // pgcordon's own errors carry the number of the decision in DETAIL; `errors.rs` looks at PostgreSQL's.
        if let Some(error) = &mut answer.error {
            error.fields.retain(|field, _| matches!(field, 'S' | 'C' | 'M' | 'P' | 'W'));
        }
        for result in answer.results.iter_mut().filter(|_| !case.ordered) {
            result.rows.sort();
            result.copied.sort();
        }
        answer
    }

    /// Cases whose answer changes with one of the changes, by name: which change, and both answers.
    fn changed(&mut self, suite: &Suite, cases: &[Case]) -> BTreeMap<String, String> {
        let sequence = (suite.name == "shop").then_some("SELECT setval('visits_id_seq', 5000)");
        let before: Vec<Answer> = cases.iter().map(|case| self.ask(case, sequence)).collect();
        let mut found = BTreeMap::new();
        for change in &suite.changes {
            self.admin.run(&change.sql);
            for (case, before) in cases.iter().zip(&before) {
                let after = self.ask(case, sequence);
                if after != *before {
                    let text = format!("{}: {} became {}", change.name, said(before), said(&after));
                    found.entry(case.name.clone()).or_insert(text);
                }
            }
        }
        found
    }
}

/// An answer in a few words.
fn said(answer: &Answer) -> String {
    if let Some(error) = &answer.error {
        return format!("{} {}", error.sqlstate(), error.message());
    }
    let text = answer.fingerprint(true);
    text.chars().take(300).collect()
}

impl Suite {
    fn tpch(name: &'static str) -> Self {
        let policy = test_file("cases/tpch/people.yaml");
        let policy = policy + &test_file(&format!("cases/tpch/{name}.yaml"));
        let sql = [test_file("cases/tpch/schema.sql"), test_file("cases/tpch/data.sql")];
        let twin = Twin::new("tpch", &[&sql[0], &sql[1]], &policy, &["emma", "asif", "kim"]);
        Self::new(name, "emma", twin, &TPCH_FILES)
    }

    fn shop() -> Self {
        let sql = [test_file("cases/schema.sql"), test_file("cases/seed.sql")];
        let people = ["rita", "ralf", "max"];
        let twin = Twin::new("shop", &[&sql[0], &sql[1]], &test_file("cases/policy.yaml"), &people);
        Self::new("shop", "rita", twin, &["cases/reads.sql", "cases/writes.sql"])
    }

    fn new(name: &'static str, user: &'static str, twin: Twin, files: &[&str]) -> Self {
        let mut all: Vec<Case> = files.iter().flat_map(|file| cases(&test_file(file))).collect();
        // A COMMIT would change what the next case sees.
        all.retain(|case| !case.sql.contains("COMMIT"));
        let changes = cases(&test_file(&format!("cases/unseen/{name}.sql")));
        assert_eq!(changes.len(), 3, "alter, add and delete");
        Self { name, user, twin, changes, cases: all }
    }

    fn through_pgcordon(&self) -> Door {
        let (client, admin) =
            (self.twin.client(self.user), self.twin.cluster.admin(&self.twin.plain));
        Door { client, admin }
    }

    fn natively(&self) -> Door {
        let admin = self.twin.cluster.admin(&self.twin.native);
        Door { client: self.twin.native(self.user), admin }
    }

    fn unprotected(&self) -> Door {
        let (cluster, plain) = (&self.twin.cluster, &self.twin.plain);
        let client = cluster.client("pgcordon", "pgcordon_pw", plain);
        Door { client, admin: cluster.admin(plain) }
    }

    /// Cases that the person could tell the rows apart by, natively too; nothing else may be.
    fn noticed(&self) -> BTreeSet<String> {
        let mut found = self.through_pgcordon().changed(self, &self.cases);
        let suspects = self.cases.iter().filter(|case| found.contains_key(&case.name));
        let suspects: Vec<Case> = suspects.cloned().collect();
        let natively = self.natively().changed(self, &suspects);
        let shown = found.keys().filter(|name| natively.contains_key(*name)).cloned().collect();
        found.retain(|name, _| !natively.contains_key(name));
        assert!(found.is_empty(), "{}: {} answers changed: {found:#?}", self.name, found.len());
        shown
    }

    fn check(&self) {
        let text = test_file("cases/shown-natively.txt");
        let lines =
            text.lines().filter_map(|line| line.strip_prefix(self.name)?.strip_prefix(": "));
        let listed = lines.map(|line| line.split(" -- ").next().unwrap_or(line).to_owned());
        assert_eq!(self.noticed(), listed.collect(), "{}: noticed, and listed", self.name);
    }
}

fn seed() -> u64 {
    let given = std::env::var("PGCORDON_SEED").ok().and_then(|text| text.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    given.unwrap_or_else(clock)
}

/// The shop with random statements for cases, each named by its text.
fn random(seed: u64) -> Suite {
    let mut random = Random::new(seed);
    let statements = (0..RANDOM).map(|_| {
        let sql = random.statement();
        Case { name: sql.clone(), ordered: sql.ends_with("LIMIT 5"), sql }
    });
    Suite { cases: statements.collect(), ..Suite::shop() }
}

#[test]
fn shop_cases() {
    Suite::shop().check();
}

#[test]
fn tpch_by_relationship() {
    Suite::tpch("relationship").check();
}

#[test]
fn tpch_by_columns() {
    Suite::tpch("columns").check();
}

/// Natively too an INSERT shows that its key is taken by a row one may not see; nothing else is noticed.
#[test]
fn random_statements() {
    let seed = seed();
    let noticed = random(seed).noticed();
    let others: Vec<&String> =
        noticed.iter().filter(|sql| !sql.starts_with("INSERT INTO orders (id, ")).collect();
    assert!(others.is_empty(), "PGCORDON_SEED={seed}: {others:#?}");
}

/// Straight to the unguarded database most answers change: the check can fail, and the changes bite.
#[test]
fn the_unprotected_path_differs() {
    for suite in [Suite::shop(), Suite::tpch("relationship"), random(seed())] {
        let found = suite.unprotected().changed(&suite, &suite.cases);
        let (count, all) = (found.len(), suite.cases.len());
        assert!(count * 2 > all, "{}: only {count} of {all} changed", suite.name);
    }
}

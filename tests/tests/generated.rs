//! Random statements through pgcordon and through the exported policy: no difference.
//!
//! In:  a seed (`PGCORDON_SEED`, else the clock's), how many statements (`PGCORDON_STATEMENTS`, else a share of the
//!      20,000 of a CI run for each person).
//! Out: the seed, and each statement that differs, ready to paste.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use e2e::compare::difference;
use e2e::generate::Random;
use e2e::{Client, Twin, test_file};

const PEOPLE: [&str; 3] = ["rita", "ralf", "max"];

/// Together a little over 20,000.
const STATEMENTS_EACH: u64 = 6_700;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn seed() -> u64 {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    setting("PGCORDON_SEED").unwrap_or_else(clock)
}

fn twin() -> Twin {
    let sql = [test_file("cases/schema.sql"), test_file("cases/seed.sql")];
    Twin::new("shop", &[&sql[0], &sql[1]], &test_file("cases/policy.yaml"), &PEOPLE)
}

/// Runs statements on two connections, each in a transaction that is rolled back; those that differ, and how many
/// succeeded.
fn differing(left: &mut Client, right: &mut Client, seed: u64, count: u64) -> (Vec<String>, u64) {
    let mut random = Random::new(seed);
    let (mut found, mut succeeded) = (Vec::new(), 0);
    for _ in 0..count {
        let sql = random.statement();
        let (got, native) = (inside(left, &sql), inside(right, &sql));
        succeeded += u64::from(native.error.is_none());
        if let Some(difference) = difference(&got, &native, sql.ends_with("LIMIT 5")) {
            found.push(format!("{sql};\n {difference}"));
        }
        if found.len() >= 20 {
            break;
        }
    }
    (found, succeeded)
}

fn inside(client: &mut Client, sql: &str) -> e2e::Answer {
    client.run("BEGIN");
    let answer = client.simple(sql);
    client.run("ROLLBACK");
    answer
}

#[test]
fn random_statements_answer_alike() {
    let (twin, seed) = (twin(), seed());
    let count = setting("PGCORDON_STATEMENTS").unwrap_or(STATEMENTS_EACH);
    let said = format!("PGCORDON_SEED={seed}, {count} statements for each of {PEOPLE:?}\n");
    std::io::stderr().write_all(said.as_bytes()).expect("stderr takes a line");
    for (person, user) in (0..).zip(PEOPLE) {
        let (mut left, mut right) = (twin.client(user), twin.native(user));
        let (found, succeeded) = differing(&mut left, &mut right, seed + person, count);
        let list = found.join("\n");
        assert!(found.is_empty(), "PGCORDON_SEED={seed}, {user}, {} differ:\n{list}", found.len());
        assert!(
            succeeded * 3 > count * 2,
            "PGCORDON_SEED={seed}: only {succeeded} of {count} succeed"
        );
    }
}

/// Straight to the unguarded database they differ soon: the comparison can fail.
#[test]
fn the_unprotected_path_differs() {
    let (twin, seed) = (twin(), seed());
    let mut plain = twin.cluster.client("pgcordon", "pgcordon_pw", &twin.plain);
    let (found, _) = differing(&mut plain, &mut twin.native("rita"), seed, 200);
    assert!(found.len() >= 20, "PGCORDON_SEED={seed}: only {} of 200 differ", found.len());
}

//! Constants put into a template, and constants sent as parameters: PostgreSQL answers as to the text itself.
//!
//! In:  the shop's cases and random statements, with the shop's catalog and policy.
//! Out: which statements `enforce` and a template rewrite differently, or PostgreSQL answers differently; none.
//!
//! Invariants:
//! - Whatever a statement changes is rolled back, so that both forms meet the same rows.
//! - Parameterised statements run six times and more on one name, so that PostgreSQL may take a plan without values.

use std::collections::BTreeMap;

use e2e::compare::{Case, cases, difference};
use e2e::generate::Random;
use e2e::proxy::{Files, Settings, configuration};
use e2e::wire::{bind, execute, frame, terminated};
use e2e::{Answer, Client, Cluster, stage, test_file};
use pgcordon_policy::{BoundPolicy, Identity, Moment, Policy, Principal, Source, load};
use pgcordon_proxy::{Config, load_snapshot};
use pgcordon_rewrite::{Cleared, Context, Mark, Parameterised, Refusal, enforce};
use pgcordon_sql::catalog::Snapshot;
use pgcordon_sql::{Class, Skeleton, skeleton};

/// What a test compares with.
struct Shop {
    cluster: Cluster,
    snapshot: Snapshot,
    bound: BoundPolicy,
    principal: Principal,
    search_path: [String; 1],
    mark: Mark,
}

impl Shop {
    fn new(user: &str) -> Self {
        let cluster = stage::databases();
        let text = stage::policy();
        let settings = Settings { port: 1, upstream_port: cluster.port(), more: "" };
        let files = Files::write(&configuration(&settings), &text);
        let config = Config::load(files.configuration()).expect("the configuration is good");
        let upstream = config.upstreams.values().next().expect("an upstream");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let loaded = runtime.expect("a runtime").block_on(load_snapshot(upstream, stage::PLAIN));
        let snapshot = loaded.expect("the catalog is read").snapshot;
        let source = Source { name: "policy.yaml".to_owned(), text };
        let policy: Policy = load(&[source], &[]).expect("the policy is good");
        let (bound, _) = policy.bind(&snapshot, &[stage::PLAIN], Moment::from_unix_seconds(0));
        let principal =
            policy.principal(&Identity::named(user), stage::PLAIN).expect("the user may connect");
        let search_path = ["public".to_owned()];
        Self { cluster, snapshot, bound, principal, search_path, mark: Mark::new([7; 16]) }
    }

    fn context(&self) -> Context<'_> {
        Context {
            snapshot: &self.snapshot,
            policy: &self.bound,
            principal: &self.principal,
            search_path: &self.search_path,
            database: stage::PLAIN,
            mark: &self.mark,
            parameter_types: &[],
            max_statement_bytes: 1 << 20,
        }
    }

    fn enforce(&self, text: &str) -> Result<Cleared, Refusal> {
        enforce(text, self.context())
    }
}

/// The text with other constants of the same class in place of some.
fn exchange(of: &Skeleton<'_>, random: &mut Random) -> String {
    let (mut text, mut done) = (String::new(), 0);
    for constant in of.constants() {
        text.push_str(&of.text()[done..constant.range.start]);
        let choices: &[&str] = match constant.class {
            Class::Integer => &["0", "1", "3", "50", "2147483647", "007"],
            Class::Bigint => &["2147483648", "9223372036854775807", "3000000000"],
            Class::Numeric => &["0.0", "1.50", "99.99", "5.", ".5", "9223372036854775808"],
            Class::String => &["''", "'North'", "'South'", "'gold'", "'it''s'", "'now'", "'x\\'"],
        };
        let kept = random.below(3) == 0;
        text.push_str(if kept { of.word(constant) } else { choices[random.below(choices.len())] });
        done = constant.range.end;
    }
    text.push_str(&of.text()[done..]);
    text
}

/// A connection as the upstream role, and what it has prepared: name by text.
struct Upstream {
    client: Client,
    names: BTreeMap<String, String>,
}

impl Upstream {
    fn new(shop: &Shop) -> Self {
        let client = shop.cluster.client("pgcordon", "pgcordon_pw", stage::PLAIN);
        Self { client, names: BTreeMap::new() }
    }

    /// Runs something in a transaction that is rolled back.
    fn inside(&mut self, run: impl FnOnce(&mut Self) -> Answer) -> Answer {
        self.client.run("BEGIN");
        let answer = run(self);
        self.client.run("ROLLBACK");
        answer
    }

    fn prepared(&mut self, statement: &Parameterised, values: &[Option<&str>]) -> Answer {
        let sql = statement.cleared().sql();
        let mut bytes = Vec::new();
        let known = self.names.get(sql).cloned();
        let name = known.clone().unwrap_or_else(|| format!("s{}", self.names.len()));
        if known.is_none() {
            let mut parse = [terminated(&name), terminated(sql)].concat();
            let count = u16::try_from(statement.types().len()).expect("few");
            parse.extend(count.to_be_bytes());
            statement.types().for_each(|kind| parse.extend(kind.to_be_bytes()));
            bytes.extend(frame(b'P', &parse));
        }
        bytes.extend(frame(b'B', &bind("", &name, values)));
        bytes.extend(frame(b'D', b"P\0"));
        bytes.extend(frame(b'E', &execute("", 0)));
        bytes.extend(frame(b'S', b""));
        self.client.send_bytes(&bytes).expect("sent");
        let messages = self.client.until_ready();
        if messages.iter().any(|message| message.kind == b'1') {
            self.names.insert(sql.to_owned(), name);
        }
        Answer::read(&messages)
    }
}

#[derive(Debug, Default)]
struct Tally {
    filled: usize,
    parameterised: usize,
    failed: usize,
    rows: usize,
    positions: usize,
}

/// Compares the two forms of one text. Strings that stay are the text's own, so a new statement may be needed.
fn compare(
    upstream: &mut Upstream,
    filled: &Cleared,
    statement: &Parameterised,
    own: &Skeleton<'_>,
    tally: &mut Tally,
) {
    let text = own.text();
    let values = statement.values(own).expect("it serves the text");
    let values: Vec<Option<&str>> = values.iter().map(|value| Some(&**value)).collect();
    let plain = upstream.inside(|upstream| upstream.client.simple(filled.sql()));
    let bound = upstream.inside(|upstream| upstream.prepared(statement, &values));
    let differs = difference(&bound, &plain, false);
    assert_eq!(differs, None, "{text}\n{}\n{values:?}", statement.cleared().sql());
    tally.parameterised += 1;
    tally.failed += usize::from(plain.error.is_some());
    tally.rows += plain.results.iter().map(|result| result.rows.len()).sum::<usize>();
    let (Some(plain), Some(bound)) = (plain.error, bound.error) else { return };
    assert_eq!(plain.message(), bound.message(), "{text}");
    let place = |error: &e2e::ServerError, cleared: &Cleared| {
        let position = error.fields.get(&'P')?.parse().ok()?;
        cleared.client_position(text, position)
    };
    let there = statement.cleared_for(own).expect("it serves the text");
    assert_eq!(place(&plain, filled), place(&bound, &there), "{text}\n{}", there.sql());
    tally.positions += usize::from(place(&plain, filled).is_some());
}

fn check(shop: &Shop, upstream: &mut Upstream, text: &str, random: &mut Random, tally: &mut Tally) {
    let Some(own) = skeleton(text) else { return };
    let Ok(cleared) = shop.enforce(text) else { return };
    let Some(template) = cleared.template(&own, shop.context()) else { return };
    let mut statement: Option<Parameterised> = template.parameterised(&own);
    for round in 0..8 {
        let other = if round == 0 { text.to_owned() } else { exchange(&own, random) };
        let again = skeleton(&other).expect("lexed");
        let Some(filled) = template.fill(&again) else { continue };
        assert_eq!(shop.enforce(&other).as_ref(), Ok(&filled), "{text}\n{other}");
        tally.filled += 1;
        let serves = |known: &Parameterised| known.values(&again).is_some();
        if !statement.as_ref().is_some_and(serves) {
            statement = template.parameterised(&again);
        }
        if let Some(statement) = &statement {
            compare(upstream, &filled, statement, &again, tally);
        }
    }
}

#[test]
fn the_cases_answer_alike_with_other_constants() {
    let mut tally = Tally::default();
    let mut random = Random::new(4);
    for user in ["rita", "max"] {
        let shop = Shop::new(user);
        let mut upstream = Upstream::new(&shop);
        for file in ["cases/reads.sql", "cases/writes.sql"] {
            // A recursion with another bound would go on for a long time; a sequence goes on after ROLLBACK.
            let unequal =
                |case: &Case| ["RECURSIVE", "visits"].iter().any(|word| case.sql.contains(word));
            for case in cases(&test_file(file)).into_iter().filter(|case| !unequal(case)) {
                check(&shop, &mut upstream, &case.sql, &mut random, &mut tally);
            }
        }
        for case in TYPES {
            check(&shop, &mut upstream, case, &mut random, &mut tally);
        }
    }
    assert!(tally.filled > 500 && tally.parameterised > 300, "{tally:?}");
    assert!(tally.failed > 20 && tally.rows > 300 && tally.positions > 5, "{tally:?}");
}

#[test]
fn random_statements_answer_alike_with_other_constants() {
    let (shop, mut random, mut tally) = (Shop::new("rita"), Random::new(5), Tally::default());
    let mut upstream = Upstream::new(&shop);
    for _ in 0..1_500 {
        let text = random.statement();
        check(&shop, &mut upstream, &text, &mut random, &mut tally);
    }
    assert!(tally.filled > 1_500 && tally.parameterised > 800, "{tally:?}");
}

/// Where a constant's type decides.
const TYPES: &[&str] = &[
    "SELECT id FROM orders WHERE id = -2147483648 OR id = 2147483648 OR amount > 1.5",
    "SELECT id FROM orders WHERE amount = 1.50 AND id BETWEEN 1 AND 7",
    "SELECT id FROM orders WHERE placed = 5",
    "SELECT id FROM orders WHERE note = 3",
    "SELECT id, amount + 1 FROM orders WHERE note <> 'x' GROUP BY id, amount + 1 ORDER BY 1 LIMIT 3",
    "SELECT (SELECT max(o.id) FROM orders o WHERE o.id < 7) FROM regions GROUP BY (SELECT max(o.id) FROM orders o WHERE o.id < 7)",
    "SELECT id FROM orders WHERE id IN (1, 2, 3) AND note IN ('x', 'y')",
    "UPDATE orders SET amount = amount + 3, note = 'n' WHERE id = 1 RETURNING id, amount",
    "UPDATE orders SET amount = amount + -3, note = 'n' WHERE id > - /* signed */ 5 RETURNING id, amount",
    "SELECT id FROM orders WHERE id > -2147483648 AND amount > -2.5 AND id IN (-1, 2, -3000000000)",
    "SELECT id FROM orders WHERE amount > -9223372036854775808 AND amount-1>-7",
    "UPDATE orders SET amount = -2.5 WHERE id = 1 RETURNING pg_typeof(amount)::text, amount",
    "UPDATE orders SET amount = 5000000000 WHERE id = 0",
    "UPDATE orders SET id = 5000000000 WHERE false",
    "DELETE FROM orders WHERE id = 1 AND 1 / 0 = 1",
    "SELECT id FROM orders WHERE 1 / 0 = 3 AND false",
];

/// What may not become a parameter.
#[test]
fn what_the_client_could_notice_stays() {
    let shop = Shop::new("rita");
    let parameterised = |text: &str| {
        let own = skeleton(text).expect("lexed");
        let cleared = shop.enforce(text).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
        let template = cleared.template(&own, shop.context())?;
        Some(template.parameterised(&own)?.cleared().sql().to_owned())
    };
    let yes = [
        "SELECT id FROM orders WHERE id = 1",
        "DELETE FROM orders WHERE note = 'x'",
        // With a check, in whose text there is a mark of ours.
        "UPDATE orders SET note = 'x' WHERE id = 1",
        "UPDATE orders SET amount = amount + -3",
        "SELECT id FROM orders WHERE id = -/* minus */7 AND amount > -2.5 AND id < -3000000000",
    ];
    for text in yes {
        assert!(parameterised(text).is_some_and(|sql| sql.contains(" $1 ")), "{text}");
        assert!(
            parameterised(text).is_some_and(|sql| !sql.replace(' ', "").contains("-$")),
            "{text}"
        );
    }
    let no = [
        "SELECT id FROM orders LIMIT 1",
        "SELECT id FROM orders WHERE id = 1 AND placed > 'today'",
        "SELECT id FROM orders WHERE placed = '2025-01-01'",
        "SELECT id FROM orders WHERE 1 = 2",
        "SELECT (SELECT count(*) FROM orders o WHERE o.id = 1)",
        "EXPLAIN SELECT id FROM orders WHERE id = 1",
        "SELECT id FROM orders WHERE id = 1; SELECT 2",
    ];
    for text in no {
        let Ok(_) = shop.enforce(text) else { continue };
        assert_eq!(parameterised(text), None, "{text}");
    }
    let mixed =
        parameterised("SELECT id FROM orders WHERE id = 1 ORDER BY 1 LIMIT 2").expect("one");
    assert!(mixed.contains("id = $1") || mixed.contains("id =  $1"), "{mixed}");
    assert!(mixed.ends_with("ORDER BY 1 LIMIT 2"), "{mixed}");
}

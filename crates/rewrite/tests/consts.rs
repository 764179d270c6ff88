//! Statements that differ only in constants share a plan: what a template gives is what `enforce` gives.
//!
//! In:  the cases of this folder, statements of PostgreSQL clients, and random ones; the seed is in a failure.
//! Out: nothing, or a text for which the two differ.

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use pgcordon_policy::{Identity, Principal};
use pgcordon_rewrite::{Cleared, Context, Refusal, Template, enforce};
use pgcordon_sql::{Class, Skeleton, skeleton};
use support::Fixture;

const CASES: [&str; 8] = [
    include_str!("cases/create.sql"),
    include_str!("cases/fences.sql"),
    include_str!("cases/kept.sql"),
    include_str!("cases/objects.sql"),
    include_str!("cases/order.sql"),
    include_str!("cases/reads.sql"),
    include_str!("cases/refusals.sql"),
    include_str!("cases/writes.sql"),
];

/// xorshift64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound as u64).expect("smaller than a usize")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A constant of that class, of the kinds that somebody might treat in their own way.
    fn constant(&mut self, class: Class) -> &'static str {
        self.pick(match class {
            Class::Integer => &["0", "1", "2", "00", "7", "42", "100000", "2147483647"],
            Class::Bigint => &["2147483648", "9223372036854775807", "00002147483649"],
            Class::Numeric => &["0.0", ".5", "5.", "0.00000001", "9223372036854775808"],
            Class::String => &[
                "''",
                "'a'",
                "'%'",
                "'x\\'",
                "'it''s'",
                "'now'",
                "'1 century'",
                "'orders'",
                "'1'",
                "'public.payroll'",
                "'ü$1'",
                "'{1,2}'",
                "'-- /*'",
            ],
        })
    }
}

struct Session {
    fixture: Fixture,
    principal: Principal,
    search_path: [String; 1],
}

impl Session {
    fn new(user: &str) -> Self {
        let fixture = Fixture::new();
        let principal =
            fixture.policy.principal(&Identity::named(user), "shop").expect("the user may connect");
        Self { fixture, principal, search_path: ["public".to_owned()] }
    }

    fn context(&self) -> Context<'_> {
        Context {
            snapshot: &self.fixture.snapshot,
            policy: &self.fixture.bound,
            principal: &self.principal,
            search_path: &self.search_path,
            database: "shop",
            mark: &self.fixture.mark,
            parameter_types: &[],
            max_statement_bytes: 1 << 20,
        }
    }

    fn enforce(&self, text: &str) -> Result<Cleared, Refusal> {
        enforce(text, self.context())
    }

    fn template(&self, text: &str) -> Option<Template> {
        let cleared = self.enforce(text).ok()?;
        cleared.template(&skeleton(text)?, self.context())
    }
}

/// The text with other constants where `wanted` says so.
fn exchange(of: &Skeleton<'_>, random: &mut Random, wanted: impl Fn(usize) -> bool) -> String {
    let (mut text, mut done) = (String::new(), 0);
    for (index, constant) in of.constants().iter().enumerate() {
        text.push_str(&of.text()[done..constant.range.start]);
        text.push_str(match wanted(index) {
            true => random.constant(constant.class),
            false => of.word(constant),
        });
        done = constant.range.end;
    }
    text.push_str(&of.text()[done..]);
    text
}

/// How often a template was filled.
#[derive(Debug, Default)]
struct Tally {
    templates: usize,
    filled: usize,
    refused: usize,
}

fn check(session: &Session, text: &str, random: &mut Random, tally: &mut Tally) {
    let Some(template) = session.template(text) else { return };
    tally.templates += 1;
    let own = skeleton(text).expect("lexed");
    let many = own.constants().len();
    // Each alone, all but each, all: what is free and what is not comes in every mixture.
    for round in 0..=2 * many {
        let one = round / 2;
        let other = match (one < many, round % 2) {
            (true, 0) => exchange(&own, random, |index| index == one),
            (true, _) => exchange(&own, random, |index| index != one),
            (false, _) => exchange(&own, random, |_| true),
        };
        let again = skeleton(&other).expect("lexed");
        assert_eq!(own.key(), again.key(), "{other}");
        let Some(filled) = template.fill(&again) else {
            tally.refused += 1;
            continue;
        };
        tally.filled += 1;
        let direct = session.enforce(&other);
        assert_eq!(direct.as_ref(), Ok(&filled), "seed {:#x}: {text}\n{other}", random.0);
    }
}

#[test]
fn what_a_template_gives_is_what_enforce_gives() {
    let mut random = Random(0x5eed_c045_7a17_0001);
    let mut tally = Tally::default();
    for user in ["rita", "max"] {
        let session = Session::new(user);
        for case in CASES.iter().flat_map(|file| file.split("\n\n")).map(str::trim) {
            for _ in 0..5 {
                check(&session, case, &mut random, &mut tally);
            }
        }
    }
    assert!(tally.templates > 100 && tally.filled > 500 && tally.refused > 50, "{tally:?}");
}

const OPERANDS: &[&str] = &[
    "id",
    "o.id",
    "amount",
    "note",
    "7",
    "-7",
    "- 7",
    "2.5",
    "-2.5",
    "3000000000",
    "'x'",
    "region",
    "5 - 3",
    "id -5",
    "id - -5",
    "amount / 2",
    "amount * 3",
    "7 % 2",
    "lower('x')",
    "note || 'x'",
    "date '2025-01-01'",
    "interval '1 day'",
    "'5'::int",
    "'orders'::regclass::oid",
    "numeric(5,2) '1.25'",
    "coalesce(note, 'n')",
    "(select 5)",
    "(select id from orders limit 1)",
    "(select id from orders where id = 3 limit 2)",
    "case when id = 1 then 2 else 3 end",
    "now() - interval '3 days'",
    "cast('1' as numeric)",
    "array[1,2]",
    "(array[4,5])[1]",
    "substring(note from 2 for 3)",
    "order_date",
    "order_date + 1",
];

const TESTS: &[&str] = &[
    "{} = {}",
    "{} < {}",
    "{} in ({}, {})",
    "{} between {} and {}",
    "{} is distinct from {}",
    "{} + {} > {}",
    "note like 'a%'",
    "note ilike '%z'",
    "{} not between {} and 9",
    "not ({} = {})",
    "amount / 2 > {}",
    "exists (select 1 from order_items i where i.order_id = o.id and i.qty > {} limit 1)",
    "{} = any (array[{}, {}])",
    "(id, note) = (1, 'x')",
    "case when {} = {} then true else false end",
    "amount / 0.5 = {}",
    "note similar to 'a'",
];

const FRAMES: &[&str] = &[
    "select id, 5, 'x' from orders o where {} and {}",
    "select {} + 1 as a from orders o where {} group by 1 order by 1",
    "select * from orders o where {} or {} order by 2 limit 10 offset 5",
    "select count(*) from orders o join order_items i on i.order_id = o.id and i.qty = 4 where {}",
    "select o.note, c.name from orders o left join customers c on c.id = o.customer_id and c.id < 9 where {}",
    "with x as (select * from orders o where {} limit 3) select * from x where id > 2",
    "select (select max(qty) from order_items i where i.order_id = o.id and i.qty < 4) from orders o where {}",
    "update orders o set note = 'y', amount = amount + 5 where {}",
    "update orders o set amount = -3.5, region = 'North' where {} returning id + 1",
    "update orders o set (amount, note) = (4, 'z') where {}",
    "update orders o set region = upper('north') where {}",
    "delete from orders o where {} and {}",
    "insert into orders (id, region, amount) values (7, 'North', 2.5), (-8, 'North', 3)",
    "insert into orders (id, region, customer_id, note) values (7, 'North', 2, null) returning id",
    "insert into orders values (7, 'North', 2, '2025-01-01', 5, 'n')",
    "insert into orders (id, region) select id + 1, 'North' from orders o where {}",
    "insert into notes (id, body) values (1, 'x') on conflict (id) do update set body = 'y' where notes.id > 4",
    "select * from v_orders where id = 4 and note = 'x'",
    "select * from orders o where {} for update",
    "select * from orders o where note::int > 4 and {}",
    "select 1 from orders o where {} union select 2 from customers where id = 4 order by 1 limit 2",
    "explain select * from orders o where {}",
    "copy (select * from orders o where {}) to stdout",
    "declare c cursor for select * from orders o where {}",
    "select * from orders o where {}; select * from customers where id = 3",
    "values (1, 'a'), (2, 'b') limit 1",
];

/// A random statement.
fn statement(random: &mut Random) -> String {
    let mut text = random.pick(FRAMES).to_owned();
    while let Some(at) = text.find("{}") {
        let mut test = random.pick(TESTS).to_owned();
        while let Some(at) = test.find("{}") {
            test.replace_range(at..at + 2, random.pick(OPERANDS));
        }
        text.replace_range(at..at + 2, &test);
    }
    text
}

#[test]
fn random_statements_too() {
    let session = Session::new("rita");
    let mut random = Random(0x5eed_c045_7a17_0002);
    let mut tally = Tally::default();
    for _ in 0..1_500 {
        let text = statement(&mut random);
        check(&session, &text, &mut random, &mut tally);
    }
    assert!(tally.templates > 600 && tally.filled > 3_000 && tally.refused > 3_000, "{tally:?}");
}

/// Whether a plan made for the first text serves the second.
fn shared(first: &str, second: &str) -> bool {
    let session = Session::new("rita");
    let template = session.template(first).unwrap_or_else(|| panic!("no template: {first}"));
    let filled = template.fill(&skeleton(second).expect("lexed"));
    let direct = session.enforce(second).ok();
    assert!(filled.is_none() || filled == direct, "{first}\n{second}");
    filled.is_some()
}

#[test]
fn free_constants_share_a_plan_and_fixed_ones_do_not() {
    let pairs = [
        ("select * from orders where id = 1", "select * from orders where id = 22222"),
        ("select * from orders where id = -1", "select * from orders where id = -22"),
        ("select id from orders where note = 'a'", "select id from orders where note = 'it''s'"),
        ("select id from orders where id in (1,2)", "select id from orders where id in (33,4)"),
        ("select id from orders limit 1", "select id from orders limit 10"),
        ("update orders set amount = amount + 1.5", "update orders set amount = amount + 200.25"),
        (
            "insert into orders (id, region) values (1, 'North')",
            "insert into orders (id, region) values (10, 'Elsewhere')",
        ),
        (
            "select id from orders where note::int > 1 and id = 4",
            "select id from orders where note::int > 23 and id = 456",
        ),
    ];
    for (first, second) in pairs {
        assert!(shared(first, second), "{first}");
    }
    let apart = [
        // Another class, another sign, another blank.
        ("select * from orders where id = 1", "select * from orders where id = 3000000000"),
        ("select * from orders where id = 1", "select * from orders where id = -1"),
        ("select * from orders where id = 1", "select * from orders where id =  1"),
        ("select * from orders where id = 1", "select * from orders where id = '1'"),
        // What the analysis reads, or may read.
        (
            "select id from orders where id = 1 and note like 'a%'",
            "select id from orders where id = 1 and note like 'a\\'",
        ),
        (
            "select id from orders where id = 1 and amount / 2 > 1",
            "select id from orders where id = 1 and amount / 0 > 1",
        ),
        (
            "select 1, id from orders where id = 1 order by 2",
            "select 1, id from orders where id = 1 order by 1",
        ),
        (
            "select id from orders where (select id from regions limit 1) = 3",
            "select id from orders where (select id from regions limit 2) = 3",
        ),
        (
            "select id from orders where id = 1 and order_date > now() - interval '1 day'",
            "select id from orders where id = 1 and order_date > now() - interval '1 century'",
        ),
    ];
    for (first, second) in apart {
        assert!(!shared(first, second), "{first}");
    }
}

/// A word of ours that is in the text already must not be taken for a hole.
#[test]
fn a_constant_that_looks_like_ours_stays_what_it_is() {
    for many in 1..=4_usize {
        // The constant behind the list is the one that would be given such a word.
        let words: Vec<String> = (0..many)
            .map(|attempt| format!("{}", 2_100_000_000 + attempt * 10_000_000 + many))
            .collect();
        let list = words.join(", ");
        let text = format!("select {list} from orders where id = 1");
        let session = Session::new("rita");
        let template = session.template(&text);
        assert_eq!(template.is_some(), many < 4, "{text}");
        let other = format!("select {list} from orders where id = 55");
        if let Some(template) = template {
            let filled = template.fill(&skeleton(&other).expect("lexed"));
            assert_eq!(filled, session.enforce(&other).ok());
        }
    }
}

/// Errors are told at the client's own offsets.
#[test]
fn positions_are_those_of_the_text_that_is_sent() {
    let session = Session::new("rita");
    let first =
        "select id from orders o where id = 1 and amount = nothing(2)".replace("nothing", "lower");
    let text = "select id from orders o where id = 1234567 and amount = lower(2)";
    let template = session.template(&first).expect("a free constant");
    let filled = template.fill(&skeleton(text).expect("lexed")).expect("the same skeleton");
    let at = filled.sql().find("lower").expect("the call") + 1;
    let place = text.find("lower").expect("the call") + 1;
    assert_eq!(filled.client_position(text, at), Some(place));
}

/// A statement that is too long for `enforce` is too long for a template.
#[test]
fn a_long_text_goes_through_enforce() {
    let session = Session::new("rita");
    let context = Context { max_statement_bytes: 60, ..session.context() };
    let text = "select id from orders where note = 'a'";
    let cleared = enforce(text, context).expect("allowed");
    let template = cleared.template(&skeleton(text).expect("lexed"), context);
    let template = template.or_else(|| {
        let roomy = session.context();
        enforce(text, roomy).ok()?.template(&skeleton(text)?, roomy)
    });
    let long = format!("select id from orders where note = '{}'", "a".repeat(60));
    let filled = template.expect("a free constant").fill(&skeleton(&long).expect("lexed"));
    assert_eq!(filled.is_none(), enforce(&long, context).is_err());
}

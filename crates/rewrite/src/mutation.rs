//! Shows that `verify` catches what a wrong plan would do: good plans, one mistake each, all refused.
//!
//! In:  statements of the cases' person.
//! Out: nothing, or the mistake that got through.

use pgcordon_policy::Identity;
use pgcordon_sql::parse::{Limits, Parsed};

use crate::enforce::planned;
use crate::lens::PolicyLens;
use crate::plan::{Guard, Plan};
use crate::support::Fixture;
use crate::verify::verify;
use crate::{Context, Refusal};

const STATEMENTS: &[&str] = &[
    "select * from orders",
    "select o.id, c.name from orders o left join customers c on c.id = o.customer_id where o.id = 7",
    "select 1 from orders where note::int > 1",
    "with x as (select * from orders) select * from x, customers",
    "select (select count(*) from order_items i where i.order_id = o.id) from orders o",
    "select id, name, email from employees",
    "update orders set note = 'x'",
    "update orders set note = 'x' where id = 1",
    "delete from orders",
    "delete from orders where id = 1",
    "copy orders to stdout",
    "update v_orders set note = 'x'",
    "update v_renamed set region = 'x' where no = 1 and twice > 2 returning *, who",
    "update v_nested as n set amount = 'x' from customers c where c.id = n.number returning n.amount",
    "delete from v_renamed where who = 'x'",
    "update orders set note = 'x', amount = amount + 1 where current of c",
    "insert into v_orders (id, note) values (1, 'x') returning id",
    "merge into orders using customers c on orders.id = c.id when matched then delete when not matched then do nothing",
    "merge into orders o using regions r on r.region = o.note when not matched and r.label > 'a' then insert (id, region) values (1, r.region)",
    "merge into order_items i using orders o on i.id = o.id when matched then update set order_id = (select max(id) from orders)",
    "merge into orders using regions r on true when matched and r.label = 'x' then delete",
];

/// Of a person who may define things.
const DEFINITIONS: &[&str] = &[
    "create table made (id int references plain, like tasks, check (lower('a') = 'a'))",
    "create table made (id int references made) inherits (plain)",
    "alter table plain drop column body cascade",
    "alter table only plain add column x int references tasks",
    "alter table plain rename constraint a to b",
    "drop table if exists plain, nothing cascade",
    "create index on plain (lower(body)) where body <> ''",
    "create sequence s owned by plain.id",
    "comment on column plain.id is 'x'",
    "analyze plain, tasks",
];

fn plan(fixture: &Fixture, text: &str) -> Plan {
    let user = if DEFINITIONS.contains(&text) { "dora" } else { "rita" };
    let principal =
        fixture.policy.principal(&Identity::named(user), "shop").expect("they may connect");
    let search_path = ["public".to_owned()];
    let context = Context {
        snapshot: &fixture.snapshot,
        policy: &fixture.bound,
        principal: &principal,
        search_path: &search_path,
        database: "shop",
        mark: &fixture.mark,
        parameter_types: &[],
        max_statement_bytes: 1 << 20,
    };
    let lens = PolicyLens::new(context);
    let parsed = Parsed::new(text, Limits::of_bytes(1 << 20)).expect("valid");
    planned(text, &parsed, context, &lens).expect("allowed")
}

/// The plan with one mistake must be refused as one that verification found.
fn check(text: &str, what: &str, plan: Plan) {
    match verify(text, plan) {
        Err(Refusal::Verification(_)) => {}
        Ok(cleared) => panic!("{what} of `{text}` got through: {}", cleared.sql()),
        Err(other) => panic!("{what} of `{text}`: {other}"),
    }
}

/// Changes the text of each piece that names a relation with such a guard.
fn each(
    text: &str,
    what: &str,
    good: &Plan,
    change: impl Fn(&str, &Guard) -> Option<String>,
) -> usize {
    let mut mutants = 0;
    for (index, piece) in good.pieces.iter().enumerate() {
        for mark in &piece.marks {
            let Some(changed) = change(&piece.edit.text, &mark.guard) else { continue };
            let mut bad = good.clone();
            bad.pieces[index].edit.text = changed;
            check(text, what, bad);
            mutants += 1;
        }
    }
    mutants
}

fn is_filtered(guard: &Guard) -> bool {
    *guard == Guard::Scan { condition: true }
}

#[test]
fn one_mistake_is_one_refusal() {
    let fixture = Fixture::new();
    let (mut dropped, mut changed) = (0, 0);
    for text in STATEMENTS.iter().chain(DEFINITIONS) {
        let good = plan(&fixture, text);
        assert!(verify(text, good.clone()).is_ok(), "{text}");
        for index in 0..good.pieces.len() {
            let mut bad = good.clone();
            let piece = bad.pieces.remove(index);
            // A function that is on the list may stand unqualified; which one that is, the analysis decides.
            if piece.edit.text == "pg_catalog." {
                continue;
            }
            check(text, &format!("dropping `{}`", piece.edit.text), bad);
            dropped += 1;
        }
        changed += each(text, "another schema", &good, |sql, _| {
            sql.contains("\"public\".").then(|| sql.replacen("\"public\".", "\"secret\".", 1))
        });
        changed += each(text, "a scan without its predicate", &good, |sql, guard| {
            let at = sql.find(" WHERE ").filter(|_| is_filtered(guard))?;
            Some(format!("{})", &sql[..at]))
        });
        changed += each(text, "another alias", &good, |sql, guard| {
            is_filtered(guard).then(|| sql.replace("pgcordon_scan", "pgcordon_other"))
        });
        for clause in [" GROUP BY 1", " LIMIT 1", " FOR UPDATE"] {
            changed += each(text, clause, &good, |sql, guard| {
                let scan = is_filtered(guard)
                    && sql.ends_with(')')
                    && sql.starts_with("(SELECT \"pgcordon_scan\"");
                let end = sql.rfind(')').filter(|_| scan && !sql.contains("OFFSET 0"))?;
                Some(format!("{}{clause}{}", &sql[..end], &sql[end..]))
            });
        }
    }
    assert!(dropped > 12 && changed > 20, "{dropped} dropped, {changed} changed");
}

/// The condition must be ours, not the client's: the scan's own text ends before it.
#[test]
fn a_condition_of_the_clients_is_no_guard() {
    let fixture = Fixture::new();
    let text = "select * from orders where true";
    let mut bad = plan(&fixture, text);
    let piece = bad.pieces.iter_mut().find(|piece| !piece.marks.is_empty()).expect("a scan");
    piece.edit.text = "\"public\".\"orders\" AS \"pgcordon_scan\"".to_owned();
    piece.marks[0].offset = 0;
    check(text, "the client's condition", bad);
}

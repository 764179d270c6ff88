//! Properties over made-up policies, judged on a toy table of nine rows.
//!
//! - The order of the rules changes nothing.
//! - A lesser principal never gets a wider filter: who holds a role more sees every row and every clear
//!   cell that they saw before, if no restrictive rule is about that role.
//! - Several roles are the union: permissive rules OR, restrictive AND, as in PostgreSQL's `rowsecurity.c`.
//! - Naming a partition never shows more than naming its parent.

mod shop;

use std::collections::BTreeMap;

use pgcordon_policy::{
    Cell, ColumnAccess, Command, Decision, Denial, Expression, Filter, Identity, Moment,
};
use proptest::prelude::*;

/// The toy's rows: `amount` and `tenant_id`, each 0 to 2.
fn rows() -> impl Iterator<Item = (u8, u8)> {
    (0..3).flat_map(|amount| (0..3).map(move |tenant| (amount, tenant)))
}

/// A predicate of the toy: a column and the value that it must have; `None` means `all`.
type Predicate = Option<(bool, u8)>;

fn holds(predicate: Predicate, row: (u8, u8)) -> bool {
    predicate.is_none_or(|(amount, value)| (if amount { row.0 } else { row.1 }) == value)
}

fn write(predicate: Predicate) -> String {
    match predicate {
        None => "all".to_owned(),
        Some((true, value)) => format!("amount = {value}"),
        Some((false, value)) => format!("tenant_id = {value}"),
    }
}

#[derive(Clone, Debug)]
struct ToyRule {
    /// 0 to 2: roles a, b, c; 3: everyone.
    to: u8,
    restrictive: bool,
    rows: Predicate,
    /// What it does to the column `region`: nothing, hide, deny, mask.
    column: u8,
    /// Under a wildcard instead of the table's own key.
    wildcard: bool,
}

const ROLES: [&str; 4] = ["a", "b", "c", "everyone"];

fn toy_rule() -> impl Strategy<Value = ToyRule> {
    let rows = proptest::option::of((any::<bool>(), 0..3_u8));
    (0..4_u8, proptest::bool::weighted(0.25), rows, 0..4_u8, any::<bool>()).prop_map(
        |(to, restrictive, rows, column, wildcard)| ToyRule {
            to,
            restrictive,
            rows,
            column,
            wildcard,
        },
    )
}

fn rule_text(index: usize, rule: &ToyRule) -> String {
    let columns = match rule.column {
        1 => ", columns: { hide: [region] }",
        2 => ", columns: { deny: [region] }",
        3 => ", columns: { mask: { region: 'upper({column})' } }",
        _ => "",
    };
    let columns = if rule.restrictive { "" } else { columns };
    let (to, rows) = (ROLES[usize::from(rule.to)], write(rule.rows));
    let restrict = rule.restrictive;
    format!("    - {{ name: r{index}, to: [{to}], restrict: {restrict}, rows: {rows}{columns} }}\n")
}

/// Loads rules in the order given by `order`; names stay with their rules.
fn policy(rules: &[ToyRule], order: &[usize]) -> Toy {
    let mut text = String::from(
        "roles: { a: {}, b: {}, c: {} }\n\
         users: { of_a: { roles: [a] }, of_ab: { roles: [a, b] }, of_abc: { roles: [a, b, c] }, of_none: {} }\n\
         databases: { toy: { upstream: main, connect: everyone } }\n\
         tables:\n",
    );
    for (key, wildcard) in [("  orders:\n", false), ("  'public.*':\n", true)] {
        let chosen: Vec<usize> =
            order.iter().copied().filter(|index| rules[*index].wildcard == wildcard).collect();
        if !chosen.is_empty() {
            text.push_str(key);
        }
        for index in chosen {
            let when =
                if wildcard { "when_columns: [region, amount, tenant_id], name:" } else { "name:" };
            text.push_str(&rule_text(index, &rules[index]).replacen("name:", when, 1));
        }
    }
    Toy(text)
}

struct Toy(String);

impl Toy {
    fn decide(&self, user: &str, relation: &str) -> Result<Decision, Denial> {
        let policy = pgcordon_policy::load(&[shop::source("toy", &self.0)], &[])
            .unwrap_or_else(|mistakes| panic!("{}\n{}", shop::lines(&mistakes), self.0));
        let snapshot = shop::snapshot();
        let (bound, mistakes) = policy.bind(&snapshot, &["toy"], Moment::from_unix_seconds(0));
        assert!(mistakes.is_empty(), "{}\n{}", shop::lines(&mistakes), self.0);
        let (schema, name) = relation.split_once('.').expect("qualified");
        let relation = snapshot.qualified(schema, name).expect("a relation of the shop");
        let principal = policy.principal(&Identity::named(user), "toy").expect("may connect");
        bound.decide(&principal, relation, Command::Select)
    }
}

/// Evaluates a filter on a toy row, by the text of its tests.
fn admits(filter: &Filter, row: (u8, u8)) -> bool {
    match filter {
        Filter::All => true,
        Filter::Nothing => false,
        Filter::Test(test) => test_holds(test, row),
        Filter::Any(filters) => filters.iter().any(|filter| admits(filter, row)),
        Filter::Every(filters) => filters.iter().all(|filter| admits(filter, row)),
    }
}

fn test_holds(test: &Expression, row: (u8, u8)) -> bool {
    let text = shop::expression(test);
    let known: BTreeMap<String, Predicate> = [true, false]
        .into_iter()
        .flat_map(|amount| (0..3).map(move |value| Some((amount, value))))
        .map(|predicate| (format!("({})", write(predicate)), predicate))
        .collect();
    holds(*known.get(&text).unwrap_or_else(|| panic!("unknown test {text}")), row)
}

/// What is seen of each row: `None` for no row; else how `region` (column 1) shows.
fn seen(decision: &Result<Decision, Denial>) -> Vec<Option<&'static str>> {
    let Ok(decision) = decision else { return rows().map(|_| None).collect() };
    rows()
        .map(|row| {
            admits(&decision.using, row).then(|| match &decision.columns[1] {
                ColumnAccess::Clear => "clear",
                ColumnAccess::Hidden => "hidden",
                ColumnAccess::Denied => "denied",
                ColumnAccess::Cells(cells) => {
                    let found = cells.iter().find(|(filter, _)| admits(filter, row));
                    match &found.expect("the last case admits every row").1 {
                        Cell::Clear => "clear",
                        Cell::Masked(_) => "masked",
                        Cell::Null => "null",
                    }
                }
            })
        })
        .collect()
}

/// The same, straight from PRODUCT's semantics.
fn expected(rules: &[ToyRule], roles: &[u8]) -> Vec<Option<&'static str>> {
    let mine: Vec<&ToyRule> =
        rules.iter().filter(|rule| rule.to == 3 || roles.contains(&rule.to)).collect();
    let permissive: Vec<&&ToyRule> = mine.iter().filter(|rule| !rule.restrictive).collect();
    let all = |column: &[u8]| permissive.iter().all(|rule| column.contains(&rule.column));
    rows()
        .map(|row| {
            let admitting: Vec<u8> = permissive
                .iter()
                .filter(|rule| holds(rule.rows, row))
                .map(|rule| rule.column)
                .collect();
            let walled = mine.iter().any(|rule| rule.restrictive && !holds(rule.rows, row));
            (!walled && !admitting.is_empty()).then(|| {
                if all(&[1]) {
                    "hidden"
                } else if all(&[1, 2]) {
                    "denied"
                } else if admitting.contains(&0) {
                    "clear"
                } else if admitting.contains(&3) {
                    "masked"
                } else {
                    "null"
                }
            })
        })
        .collect()
}

fn rank(shown: Option<&str>) -> u8 {
    match shown {
        None => 0,
        Some("hidden" | "denied" | "null") => 1,
        Some("masked") => 2,
        Some(_) => 3,
    }
}

const PEOPLE: [(&str, &[u8]); 4] =
    [("of_none", &[]), ("of_a", &[0]), ("of_ab", &[0, 1]), ("of_abc", &[0, 1, 2])];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn several_roles_are_the_union(rules in proptest::collection::vec(toy_rule(), 1..6)) {
        let order: Vec<usize> = (0..rules.len()).collect();
        let toy = policy(&rules, &order);
        for (user, roles) in PEOPLE {
            let decision = toy.decide(user, "public.orders");
            prop_assert_eq!(seen(&decision), expected(&rules, roles), "{} {}", user, toy.0);
        }
    }

    #[test]
    fn the_order_of_rules_changes_nothing(
        (rules, order) in proptest::collection::vec(toy_rule(), 1..6).prop_flat_map(|rules| {
            let order: Vec<usize> = (0..rules.len()).collect();
            (Just(rules), Just(order).prop_shuffle())
        })
    ) {
        let sorted: Vec<usize> = (0..rules.len()).collect();
        let (one, other) = (policy(&rules, &sorted), policy(&rules, &order));
        for (user, _) in PEOPLE {
            let orders = "public.orders";
            prop_assert_eq!(one.decide(user, orders), other.decide(user, orders), "{}", one.0);
        }
    }

    #[test]
    fn a_lesser_principal_never_gets_a_wider_filter(
        rules in proptest::collection::vec(toy_rule(), 1..6)
    ) {
        // A restrictive rule may be for the greater principal only; those are for everyone here.
        let rules: Vec<ToyRule> = rules
            .into_iter()
            .map(|rule| ToyRule { to: if rule.restrictive { 3 } else { rule.to }, ..rule })
            .collect();
        let order: Vec<usize> = (0..rules.len()).collect();
        let toy = policy(&rules, &order);
        let answers: Vec<Vec<Option<&str>>> =
            PEOPLE.iter().map(|(user, _)| seen(&toy.decide(user, "public.orders"))).collect();
        for pair in answers.windows(2) {
            for (lesser, greater) in pair[0].iter().zip(&pair[1]) {
                prop_assert!(rank(*lesser) <= rank(*greater), "{:?} {}", pair, toy.0);
            }
        }
    }

    #[test]
    fn naming_a_child_never_shows_more_than_its_parent(
        rules in proptest::collection::vec(toy_rule(), 1..6)
    ) {
        let order: Vec<usize> = (0..rules.len()).collect();
        let toy = policy(&rules, &order);
        for (user, _) in PEOPLE {
            let parent = seen(&toy.decide(user, "public.orders"));
            let child = seen(&toy.decide(user, "archive.orders"));
            for (child, parent) in child.iter().zip(&parent) {
                prop_assert!(rank(*child) <= rank(*parent), "{} {}", user, toy.0);
            }
        }
    }
}

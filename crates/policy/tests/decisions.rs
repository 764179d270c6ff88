//! Decision tables: a policy, a person, a command and a relation in; the decision as a line out.

mod shop;

use pgcordon_policy::Command::{Delete, Insert, Select, Truncate, Update};
use pgcordon_policy::{
    Command, ConnectDenial, Coverage, Identity, Moment, RoleLimits, StatementGrant,
};

/// Each row: user (`@database`, `shop` unless said), command, relation, what is decided.
fn check(policy: &str, rows: &[(&str, Command, &str, &str)]) {
    let bound = shop::bind(policy);
    for (user, command, relation, expected) in rows {
        let said = bound.say(user, *command, relation);
        assert_eq!(said, *expected, "{user} {command:?} {relation}\n{policy}");
    }
}

const NO_RULE: &str = "denied: no rule covers the relation";
const NOT_GRANTED: &str = "denied: the command is not granted";

#[test]
fn nothing_is_granted_unless_a_rule_says_so() {
    check("", &[("rita", Select, "orders", NO_RULE), ("root", Select, "orders", NO_RULE)]);
    let policy = "
tables:
  orders:
    - { name: own, to: [rep], rows: region = {user.region} }
    - { name: all, to: [manager], allow: [select, delete], rows: all }
    - { name: wall, to: everyone, restrict: true, rows: tenant_id = 1 }";
    let policy = policy.replace("rows: region = {user.region}", "rows: 'region = {user.region}'");
    check(
        &policy,
        &[
            ("rita", Select, "orders", "((region = ('North'::text)) and (tenant_id = 1))"),
            ("rita", Delete, "orders", NOT_GRANTED),
            ("max", Delete, "orders", "(tenant_id = 1)"),
            ("nobody", Select, "orders", NO_RULE),
            ("rita", Select, "customers", NO_RULE),
            ("rita", Select, "pg_catalog.pg_class", NO_RULE),
        ],
    );
}

#[test]
fn a_rule_needs_its_attributes_unless_another_admits_and_shows_everything() {
    let policy = "
tables:
  orders:
    - { name: own, to: [rep], allow: [select, update], rows: 'region = {user.region}' }
    - { name: all, to: [manager], rows: all }
    - { name: team, to: { users: [nobody] }, rows: 'tenant_id = ANY({user.teams})' }
    - { name: mine, to: { users: [root] }, rows: 'region = {user.name} and now() < {now}' }
    - { name: masked, to: [writer], rows: all, columns: { mask: { region: '{column} || {user.tenant}' } } }";
    check(
        policy,
        &[
            ("rita", Select, "orders", "(region = ('North'::text))"),
            ("max", Select, "orders", "all"),
            ("nobody", Select, "orders", "denied: principal lacks attribute `teams`"),
            ("wendy", Select, "orders", "denied: principal lacks attribute `tenant`"),
            (
                "wendy",
                Update,
                "orders",
                "(region = ('West'::text)) check (region = ('West'::text))",
            ),
            ("tess", Select, "orders", "(region = ('North'::text))"),
        ],
    );
}

#[test]
fn attributes_of_groups_are_united_and_those_of_the_user_win() {
    let policy = "
tables:
  orders:
    - { name: team, to: [rep], rows: 'tenant_id = ANY({user.teams})' }
  customers:
    - { name: own, to: [rep], rows: 'region = {user.region}' }";
    let bound = shop::bind(policy);
    let attribute = |user: &str, name: &str| bound.principal(user).attributes.get(name).cloned();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(attribute("rita", "teams"), some("'{1}'::pg_catalog.int4[]"));
    assert_eq!(attribute("tess", "teams"), some("'{1,2}'::pg_catalog.int4[]"));
    assert_eq!(attribute("wendy", "region"), some("'West'::pg_catalog.text"));
    assert_eq!(attribute("tess", "tenant"), some("'7'::pg_catalog.int4"));
    assert_eq!(attribute("rita", "tenant"), None);
}

#[test]
fn writing_has_its_check_and_its_forced_values() {
    let policy = "
tables:
  orders:
    - name: own
      to: [rep]
      allow: [select, insert, update]
      rows: region = {user.region}
      set: { region: '{user.region}' }
    - name: small
      to: [writer]
      allow: [insert, delete]
      rows: all
      check: amount = 1
      columns: { deny: [tenant_id] }
    - { name: wall, to: everyone, restrict: true, allow: [insert], rows: tenant_id = 1 }";
    check(
        policy,
        &[
            (
                "rita",
                Insert,
                "orders",
                "check ((region = ('North'::text)) and (tenant_id = 1)); region := (('North'::text))",
            ),
            (
                "rita",
                Update,
                "orders",
                "(region = ('North'::text)) check (region = ('North'::text))",
            ),
            ("rita", Delete, "orders", NOT_GRANTED),
            ("wendy", Delete, "orders", "all; tenant_id denied"),
            (
                "wendy",
                Insert,
                "orders",
                "check (((region = ('West'::text)) or (amount = 1)) and (tenant_id = 1)); \
                 tenant_id denied; region := (('West'::text))",
            ),
        ],
    );
}

#[test]
fn two_rules_that_force_different_values_refuse_the_insert() {
    let rule = |name: &str, value: &str| {
        format!(
            "    - {{ name: {name}, to: [rep], allow: [insert], rows: all, set: {{ region: {value} }} }}\n"
        )
    };
    let same = format!("tables:\n  orders:\n{}{}", rule("a", "\"'x'\""), rule("b", "\"'x'\""));
    check(&same, &[("rita", Insert, "orders", "check all; region := ('x')")]);
    let other = format!("tables:\n  orders:\n{}{}", rule("a", "\"'x'\""), rule("b", "\"'y'\""));
    let problem = "another rule forces a different value into the same column";
    let denied = format!("denied: rule `b` does not fit the catalog: {problem}");
    check(&other, &[("rita", Insert, "orders", &denied)]);
}

#[test]
fn columns_merge_per_cell() {
    let policy = "
masks: { short: 'upper({column})' }
tables:
  customers:
    - name: rep
      to: [rep]
      allow: [select, update]
      rows: region = 'North'
      columns: { mask: { email: short, name: short }, hide: [credit_limit, tenant_id], deny: [ssn] }
    - name: writer
      to: [writer]
      allow: [select, update]
      rows: region = 'West'
      columns: { mask: { name: short }, hide: [credit_limit, ssn, deleted_at] }
    - { name: manager, to: [manager], rows: all, columns: { deny: [ssn] } }";
    let name = "name masked (upper(name)) on all";
    check(
        policy,
        &[
            (
                "rita",
                Select,
                "customers",
                &format!(
                    "(region = 'North'); {name}; email masked (upper(email)) on all; ssn denied; \
                     credit_limit hidden; tenant_id hidden"
                ),
            ),
            (
                "wendy",
                Select,
                "customers",
                &format!(
                    "((region = 'North') or (region = 'West')); {name}; \
                     email clear on (region = 'West') else masked (upper(email)) on all; ssn denied; \
                     credit_limit hidden; deleted_at clear on (region = 'North') else null on all; \
                     tenant_id clear on (region = 'West') else null on all"
                ),
            ),
            ("max", Select, "customers", "all; ssn denied"),
            (
                "wendy",
                Update,
                "customers",
                "((region = 'North') or (region = 'West')) check ((region = 'North') or (region = 'West')); \
                 name denied; email denied; ssn denied; credit_limit hidden; deleted_at denied; tenant_id denied",
            ),
        ],
    );
}

#[test]
fn a_key_and_wildcards_are_both_about_a_table() {
    let policy = "
tables:
  orders:
    - { name: own, to: [rep], rows: region = 'North' }
  payroll: []
  'public.*':
    - { name: manager, to: [manager], rows: all }
    - { name: wall, to: everyone, restrict: true, when_columns: [tenant_id], rows: tenant_id = 1 }
  '*.*':
    - { name: writer, to: [writer], when_columns: [note], rows: all }";
    check(
        policy,
        &[
            ("rita", Select, "orders", "((region = 'North') and (tenant_id = 1))"),
            ("max", Select, "orders", "(tenant_id = 1)"),
            ("max", Select, "customers", "(tenant_id = 1)"),
            ("max", Select, "events", "all"),
            ("max", Select, "open_orders", "all"),
            ("max", Select, "figures_kept", NO_RULE),
            ("max", Select, "payroll", NO_RULE),
            ("rita", Select, "customers", NO_RULE),
            ("wendy", Select, "OrderNotes", "all"),
            ("wendy", Select, "customers", NO_RULE),
            ("max", Select, "pg_catalog.pg_class", NO_RULE),
            ("max", Select, "orders_id_seq", NO_RULE),
        ],
    );
    let bound = shop::bind(policy);
    let coverage = |name: &str| bound.bound.coverage(bound.relation(name));
    assert_eq!(coverage("payroll"), Coverage::Named);
    assert_eq!(coverage("open_orders"), Coverage::Wildcard);
    assert_eq!(coverage("events_2027"), Coverage::Inherited);
    assert_eq!(coverage("pg_catalog.pg_class"), Coverage::Nothing);
}

#[test]
fn only_a_key_of_its_own_opens_a_materialized_view() {
    let policy = "
tables:
  figures_kept:
    - { name: own, to: [manager], rows: amount > 1 }
  'public.*':
    - { name: everything, to: [rep], rows: all }
    - { name: north, to: everyone, restrict: true, rows: region = 'North', when_columns: [region] }";
    check(
        policy,
        &[
            ("max", Select, "figures_kept", "((amount > 1) and (region = 'North'))"),
            ("rita", Select, "figures_kept", NO_RULE),
            ("rita", Select, "orders", "(region = 'North')"),
        ],
    );
}

#[test]
fn a_child_obeys_its_parent_unless_it_has_a_key_of_its_own() {
    let policy = "
tables:
  events:
    - { name: own, to: [rep], rows: region = 'North' }
  people:
    - { name: own, to: [rep], rows: region = 'North' }
  orders:
    - { name: own, to: [rep], rows: region = 'North' }
  secrets: []
  'public.*':
    - { name: writer, to: [writer], rows: all }
  'archive.*':
    - { name: archive, to: [manager], rows: all }
    - { name: wall, to: everyone, restrict: true, rows: tenant_id = 1 }";
    check(
        policy,
        &[
            ("rita", Select, "events", "(region = 'North')"),
            ("rita", Select, "events_2027", "(region = 'North')"),
            ("rita", Select, "events_2027_01", "(region = 'North')"),
            ("rita", Select, "employees", "(region = 'North'); salary hidden"),
            ("wendy", Select, "employees", "all"),
            (
                "rita",
                Select,
                "archive.orders",
                "((region = 'North') and (tenant_id = 1)); note hidden",
            ),
            ("wendy", Select, "secrets", NO_RULE),
            ("wendy", Select, "secrets_1", NO_RULE),
        ],
    );
    let own = "
tables:
  events: [{ name: own, to: [rep], rows: region = 'North' }]
  events_2027: [{ name: other, to: [manager], rows: all }]
  secrets: [{ name: own, to: [rep], rows: all }]
  secrets_1: []";
    check(
        own,
        &[
            ("rita", Select, "events_2027", NO_RULE),
            ("rita", Select, "events_2027_01", NO_RULE),
            ("max", Select, "events_2027_01", "all"),
            ("rita", Select, "secrets", "all"),
            ("rita", Select, "secrets_1", NO_RULE),
        ],
    );
}

#[test]
fn a_database_shows_its_tables_only() {
    let policy = "
tables:
  '*.*': [{ name: all, to: [rep], rows: all }]";
    check(
        policy,
        &[
            ("rita@shop", Select, "customers", "all"),
            ("rita@narrow", Select, "orders", "all"),
            ("rita@narrow", Select, "archive.orders", "all"),
            ("rita@narrow", Select, "customers", NO_RULE),
        ],
    );
    let bound = shop::bind(policy);
    let (unbound, _) = bound.policy.bind(&bound.snapshot, &["shop"], Moment::from_unix_seconds(0));
    let orders = bound.relation("orders");
    assert!(unbound.decide(&bound.principal("rita@shop"), orders, Select).is_ok());
    assert!(unbound.decide(&bound.principal("rita@narrow"), orders, Select).is_err());
}

#[test]
fn a_broken_rule_refuses_whom_it_is_for() {
    let policy = "
tables:
  orders:
    - { name: dropped, to: [rep], allow: [update], rows: gone = 1 }
    - { name: own, to: [viewer], rows: all }
    - { name: other, to: [writer], rows: all }
  customers:
    - { name: hides, to: [rep], rows: all, columns: { hide: [gone] } }
    - { name: wall, to: [writer], restrict: true, rows: gone = 1 }
    - { name: all, to: [writer], rows: all }";
    let broken = |rule: &str| {
        format!("denied: rule `{rule}` does not fit the catalog: column `gone` does not exist")
    };
    let bound = shop::bind(policy);
    for (user, relation, expected) in [
        ("rita", "orders", broken("dropped").as_str()),
        ("rita", "customers", broken("hides").as_str()),
        ("wendy", "orders", broken("dropped").as_str()),
        ("nobody", "orders", NO_RULE),
    ] {
        assert_eq!(bound.say(user, Select, relation), expected, "{user} {relation}");
    }
    assert!(bound.say("wendy", Select, "customers").starts_with("denied: rule"));
    assert_eq!(bound.mistakes.len(), 3, "{}", shop::lines(&bound.mistakes));
}

#[test]
fn the_connect_layer_asks_first() {
    let policy = shop::policy("");
    let connect = |user: &str, database: &str| {
        policy.principal(&Identity::named(user), database).map(|found| found.name)
    };
    let usable = |names: &[&str]| {
        let usable = names.iter().map(|name| (*name).to_owned()).collect();
        Err(ConnectDenial::NotAllowed { usable })
    };
    assert_eq!(connect("rita", "shop"), Ok("rita".to_owned()));
    assert_eq!(connect("rita", "narrow"), Ok("rita".to_owned()));
    assert_eq!(connect("tess", "narrow"), usable(&["shop"]));
    assert_eq!(connect("stranger", "shop"), usable(&[]));
    assert_eq!(connect("rita", "warehouse"), Err(ConnectDenial::UnknownDatabase));
    let principal = policy.principal(&Identity::named("max"), "shop").expect("may connect");
    let roles: Vec<&str> = principal.roles.iter().map(String::as_str).collect();
    assert_eq!(roles, ["manager", "rep", "viewer"]);
    assert!(
        !principal.bypass
            && policy.principal(&Identity::named("root"), "shop").expect("may connect").bypass
    );
}

#[test]
fn kinds_of_statement_are_granted_through_inclusion() {
    let people =
        "roles: { a: { statements: [explain] }, b: { includes: [a], statements: [create] }, c: {} }
users: { u: { roles: [a] }, v: { roles: [b] }, w: { roles: [c] } }
databases: { shop: { upstream: main, connect: everyone } }";
    let policy = pgcordon_policy::load(&[shop::source("people", people)], &[]).expect("loads");
    let granted = |user: &str| {
        let principal = policy.principal(&Identity::named(user), "shop").expect("may connect");
        principal.statements.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(granted("u"), [StatementGrant::Explain]);
    assert_eq!(granted("v"), [StatementGrant::Explain, StatementGrant::Create]);
    assert_eq!(granted("w"), []);
}

#[test]
fn truncate_is_a_command_of_its_own() {
    let policy = "
tables:
  orders:
    - { name: own, to: [rep], allow: [delete, truncate], rows: region = 'North' }
    - { name: every, to: [writer], allow: [truncate], rows: all }
    - { name: reads, to: [viewer], rows: all }
  customers:
    - { name: every, to: [rep], allow: [truncate], rows: all }
    - { name: wall, to: everyone, restrict: true, rows: tenant_id = 1 }";
    check(
        policy,
        &[
            ("rita", Truncate, "orders", "(region = 'North')"),
            ("max", Delete, "orders", "(region = 'North')"),
            ("wendy", Truncate, "orders", "all"),
            ("rita", Truncate, "customers", "(tenant_id = 1)"),
            ("nobody", Truncate, "customers", NO_RULE),
        ],
    );
}

/// A rule counts up to its moment, whether it grants or takes away, by key or wildcard.
#[test]
fn rules_expire() {
    let policy = "
tables:
  orders:
    - { name: guest, to: [viewer], rows: all, until: 1970-01-02 }
    - { name: own, to: [rep], rows: region = 'North' }
    - { name: wall, to: everyone, restrict: true, rows: tenant_id = 1, until: 1970-01-03T01:00+01:00 }
  payroll:
    - { name: audit, to: [writer], rows: all, until: '1970-01-02' }
  'public.*':
    - { name: notes, to: [manager], rows: amount = 7, until: 1970-01-02T00:00:01Z }";
    let day = 86_400;
    for (seconds, relation, rita, max, next) in [
        (0, "orders", "(tenant_id = 1)", "(tenant_id = 1)", Some(day + 1)),
        (2 * day - 1, "orders", "(tenant_id = 1)", "(tenant_id = 1)", Some(2 * day)),
        (2 * day, "orders", "(region = 'North')", "(region = 'North')", None),
        (0, "payroll", NO_RULE, "(amount = 7)", Some(day + 1)),
        (day + 1, "payroll", NO_RULE, NO_RULE, Some(2 * day)),
    ] {
        let now = Moment::from_unix_seconds(seconds);
        let bound = shop::bind_at(policy, now);
        assert_eq!(bound.say("rita", Select, relation), rita, "{seconds} rita {relation}");
        assert_eq!(bound.say("max", Select, relation), max, "{seconds} max {relation}");
        let following = bound.policy.next_until(now).map(Moment::unix_seconds);
        assert_eq!(following, next, "{seconds}");
    }
    let notes = |seconds| shop::policy(policy).notes(Moment::from_unix_seconds(seconds)).len();
    assert_eq!((notes(0), notes(day + 1), notes(2 * day)), (0, 1, 4));
}

/// Several entries: the most generous counts, key by key.
#[test]
fn limits_are_resolved_into_the_principal() {
    let limits = "
limits:
  - { to: everyone, max_rows: 10, statement_timeout: 5s }
  - { to: [rep], max_rows: 1000 }
  - { to: { users: [max] }, max_rows: unlimited, idle_in_transaction_timeout: 1m }
  - { to: { groups: [south] }, statement_timeout: 2s, max_connections: 3 }";
    let policy = shop::policy(limits);
    let of = |user: &str| {
        let limits = policy.principal(&Identity::named(user), "shop").expect("may connect").limits;
        let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs());
        (
            limits.max_rows,
            seconds(limits.statement_timeout),
            seconds(limits.idle_in_transaction_timeout),
            limits.max_connections,
        )
    };
    assert_eq!(of("nobody"), (Some(10), Some(5), None, None));
    assert_eq!(of("rita"), (Some(1000), Some(5), None, None));
    assert_eq!(of("max"), (None, Some(5), Some(60), None));
    assert_eq!(of("tess"), (Some(1000), Some(5), None, Some(3)));
    assert_eq!(of("root"), (None, None, None, None));
    assert_eq!(
        shop::policy("").principal(&Identity::named("rita"), "shop").expect("may connect").limits,
        RoleLimits::default()
    );
}

#[test]
fn functions_are_allowed_by_their_whole_name() {
    let bound = shop::bind("functions: { allow: [public.order_total] }");
    assert!(bound.bound.allows_function("public", "order_total"));
    assert!(!bound.bound.allows_function("archive", "order_total"));
    assert!(!bound.bound.allows_function("public", "Order_total"));
}

#[test]
fn a_policy_that_was_never_bound_grants_nothing() {
    let bound = shop::bind("tables: { orders: [{ name: all, to: everyone, rows: all }] }");
    let (rita, orders) = (bound.principal("rita"), bound.relation("orders"));
    assert!(bound.bound.decide(&rita, orders, Select).is_ok());
    assert!(pgcordon_policy::BoundPolicy::default().decide(&rita, orders, Select).is_err());
}

/// Visitors get what says `public`; what restricts everyone restricts them too.
#[test]
fn visitors_get_only_what_is_public() {
    let policy = "
tables:
  orders:
    - { name: everyone's, to: everyone, rows: amount = 1 }
    - { name: open, to: public, rows: amount = 2 }
    - { name: wall, to: everyone, restrict: true, rows: tenant_id = 1 }
    - { name: role wall, to: [viewer], restrict: true, rows: tenant_id = 2 }
  customers:
    - { name: all, to: [everyone], rows: all }
  payroll:
    - { name: mine, to: [public, rep], rows: 'id = {user.tenant}' }
databases:
  gallery: { upstream: main, dbname: shop, public: true }";
    let bound = shop::bind_to(policy, &["shop", "gallery"], Moment::from_unix_seconds(0));
    for (user, relation, expected) in [
        ("public@gallery", "orders", "((amount = 2) and (tenant_id = 1))"),
        ("nobody@gallery", "orders", "(((amount = 1) or (amount = 2)) and (tenant_id = 1))"),
        (
            "rita@gallery",
            "orders",
            "(((amount = 1) or (amount = 2)) and (tenant_id = 2) and (tenant_id = 1))",
        ),
        ("public@gallery", "customers", NO_RULE),
        ("nobody@gallery", "customers", "all"),
        ("public@gallery", "payroll", "denied: principal lacks attribute `tenant`"),
        ("tess@gallery", "payroll", "(id = ('7'::int4))"),
    ] {
        assert_eq!(bound.say(user, Select, relation), expected, "{user} {relation}");
    }
}

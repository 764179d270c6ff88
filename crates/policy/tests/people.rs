//! Who somebody is: an identity in; principal, provenance, and for whom they may act out.

mod shop;

use pgcordon_policy::{
    ActDenial, Acting, Claims, ConnectDenial, Identity, Moment, Plain, Policy, Principal, Witness,
    load,
};

const PEOPLE: &str = "
attributes: { region: text, teams: 'int[]', tenant: int, active: bool, since: date }
roles:
  viewer: {}
  rep: { includes: [viewer] }
  manager: { includes: [rep], statements: [explain] }
  hr: {}
  looker: { view_as: true }
  admin: { bypass: true, includes: [looker] }
groups:
  north: { roles: [rep], attributes: { region: North, teams: [1] } }
  south: { roles: [rep], attributes: { region: South, teams: [2] } }
  leads: { roles: [manager] }
  staff: { roles: [hr] }
users:
  rita: { groups: [north] }
  max: { roles: [manager], attributes: { region: West } }
  capped: { groups: [north, leads, staff], ceiling: rep }
  helen: { roles: [hr], groups: [north] }
  olga: { roles: [admin] }
  ines: { roles: [looker] }
  app: { may_act_as: { roles: [rep] }, roles: [viewer], pool_mode: transaction }
  bus: { may_act_as: { groups: [staff], users: [max, olga, app] } }
databases:
  shop: { upstream: main, connect: everyone }
  desk: { upstream: main, connect: [rep] }
";

fn policy() -> Policy {
    let loaded = load(&[shop::source("people", PEOPLE)], &[]);
    loaded.unwrap_or_else(|mistakes| panic!("{}", shop::lines(&mistakes)))
}

fn text(value: &str) -> Plain {
    Plain::Text(value.to_owned())
}

fn number(digits: &str) -> Plain {
    Plain::Number(digits.to_owned())
}

fn claims(witness: Witness, groups: &[&str], attributes: &[(&str, Plain)]) -> Claims {
    Claims {
        witness,
        roles: Vec::new(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    }
}

fn identity(user: &str, claims: Vec<Claims>) -> Identity {
    Identity { claims, ..Identity::named(user) }
}

fn principal(identity: &Identity) -> Result<Principal, ConnectDenial> {
    policy().principal(identity, "shop")
}

/// The attribute's constant, or the denial.
fn attribute(identity: &Identity, name: &str) -> String {
    match principal(identity) {
        Ok(principal) => principal.attributes.get(name).cloned().unwrap_or_default(),
        Err(denial) => denial.to_string(),
    }
}

#[test]
fn a_stranger_needs_a_token_or_certificate() {
    let stranger = |witness| identity("tom", vec![claims(witness, &["north"], &[])]);
    let roles = |identity: &Identity| {
        principal(identity).map(|found| found.roles.into_iter().collect::<Vec<_>>().join(" "))
    };
    let nobody = Err(ConnectDenial::NotAllowed { usable: Vec::new() });
    assert_eq!(roles(&Identity::named("tom")), nobody);
    assert_eq!(roles(&stranger(Witness::Lookup)), nobody);
    assert_eq!(roles(&stranger(Witness::Token)), Ok("rep viewer".to_owned()));
    assert_eq!(roles(&stranger(Witness::Certificate)), Ok("rep viewer".to_owned()));
}

#[test]
fn the_connect_layer_asks_about_claims_too() {
    let policy = policy();
    let plain = identity("tom", vec![claims(Witness::Token, &["staff"], &[])]);
    let rep = identity("tom", vec![claims(Witness::Token, &["north"], &[])]);
    let usable = vec!["shop".to_owned()];
    assert_eq!(policy.usable(&plain), usable);
    assert_eq!(
        policy.principal(&plain, "desk").map(|found| found.name),
        Err(ConnectDenial::NotAllowed { usable })
    );
    assert_eq!(policy.usable(&rep), ["desk", "shop"]);
    assert!(policy.principal(&rep, "desk").is_ok());
}

#[test]
fn a_claim_is_checked_by_the_declared_type() {
    let check = |name: &str, value: Plain, expected: &str| {
        let identity = identity("helen", vec![claims(Witness::Token, &[], &[(name, value)])]);
        assert_eq!(attribute(&identity, name), expected);
    };
    let list = |values: &[Plain]| Plain::List(values.to_vec());
    check("region", text("O'Hara"), "'O''Hara'::pg_catalog.text");
    check("tenant", number("7"), "'7'::pg_catalog.int4");
    check("tenant", text("7"), "'7'::pg_catalog.int4");
    check("active", Plain::Bool(true), "'true'::pg_catalog.bool");
    check("since", text("2027-01-31"), "'2027-01-31'::pg_catalog.date");
    check("teams", list(&[number("3"), text("4")]), "'{3,4}'::pg_catalog.int4[]");
    check("teams", list(&[]), "'{}'::pg_catalog.int4[]");
    for (name, value, problem) in [
        ("region", number("7"), "is not a valid text"),
        ("region", text("a\0b"), "is not a valid text"),
        ("region", list(&[text("North")]), "must be one text"),
        ("tenant", number("7.0"), "is not a valid int"),
        ("tenant", number("99999999999"), "is not a valid int"),
        ("tenant", text("7) OR (true"), "is not a valid int"),
        ("tenant", Plain::Bool(true), "is not a valid int"),
        ("active", number("1"), "is not a valid bool"),
        ("active", text("yes"), "is not a valid bool"),
        ("since", text("2027-02-30"), "is not a valid date"),
        ("teams", number("3"), "must be a list of int"),
        ("teams", list(&[number("3"), list(&[number("4")])]), "is not a valid int"),
        ("regoin", text("North"), "is not declared"),
    ] {
        check(name, value, &format!("attribute `{name}` {problem}"));
    }
}

/// Also where the entry's own value would win: who sends rubbish is told.
#[test]
fn a_malformed_claim_is_never_passed_over() {
    let max = identity("max", vec![claims(Witness::Token, &[], &[("region", number("7"))])]);
    assert_eq!(attribute(&max, "region"), "attribute `region` is not a valid text");
    assert_eq!(attribute(&max, "teams"), "attribute `region` is not a valid text");
}

#[test]
fn the_entry_wins_over_claims_and_claims_over_groups() {
    let token = |region| claims(Witness::Token, &[], &[("region", text(region))]);
    let certificate = |region| claims(Witness::Certificate, &[], &[("region", text(region))]);
    let region = |user: &str, claims| attribute(&identity(user, claims), "region");
    assert_eq!(region("rita", vec![]), "'North'::pg_catalog.text");
    assert_eq!(region("rita", vec![token("East")]), "'East'::pg_catalog.text");
    assert_eq!(region("max", vec![token("East")]), "'West'::pg_catalog.text");
    assert_eq!(region("rita", vec![token("East"), certificate("East")]), "'East'::pg_catalog.text");
    assert_eq!(
        region("rita", vec![token("East"), certificate("West")]),
        "attribute `region` has different values: token, client certificate"
    );
    let both = identity("rita", vec![claims(Witness::Token, &["south"], &[])]);
    assert_eq!(
        attribute(&both, "region"),
        "attribute `region` has different values: from group north, from group south"
    );
    let teams = |witness, team| {
        let teams = Plain::List(vec![number(team)]);
        claims(witness, &[], &[("teams", teams)])
    };
    let several = vec![teams(Witness::Token, "8"), teams(Witness::Lookup, "9")];
    assert_eq!(attribute(&identity("rita", several), "teams"), "'{8,9}'::pg_catalog.int4[]");
}

#[test]
fn a_ceiling_bounds_what_is_not_in_the_entry() {
    let roles = |identity: &Identity| {
        let found = principal(identity).expect("may connect");
        (found.roles.into_iter().collect::<Vec<_>>().join(" "), found.statements.len())
    };
    assert_eq!(roles(&Identity::named("capped")), ("rep viewer".to_owned(), 0));
    let token = Claims { roles: vec!["admin".to_owned()], ..claims(Witness::Token, &[], &[]) };
    let found = principal(&identity("capped", vec![token.clone()])).expect("may connect");
    assert!(!found.bypass && !found.roles.contains("admin"));
    assert!(principal(&identity("rita", vec![token])).expect("may connect").bypass);
    let notes = shop::lines(&policy().notes(Moment::from_unix_seconds(0)));
    assert_eq!(
        notes,
        "people:18:3: `capped`: role `hr` (from group staff) is above their ceiling and does not count\n\
         people:18:3: `capped`: role `manager` (from group leads) is above their ceiling and does not count"
    );
}

#[test]
fn provenance_tells_where_everything_comes_from() {
    let token = Claims {
        roles: vec!["hr".to_owned(), "wizard".to_owned()],
        ..claims(Witness::Token, &["south", "druids"], &[("tenant", number("7"))])
    };
    let said = |identity: &Identity| {
        policy().provenance(identity).map(|found| found.to_string()).unwrap_or_default()
    };
    assert_eq!(said(&Identity::named("tom")), "");
    let acting =
        Identity { by: Some(Box::new(Identity::named("app"))), ..identity("capped", vec![token]) };
    assert_eq!(
        said(&acting),
        "user capped: app acts for them
group leads: the user's entry in the policy
group north: the user's entry in the policy
group south: token
group staff: the user's entry in the policy
role rep: from group north, from group south, included in role manager
role viewer: included in role manager, included in role rep
attribute teams: from group north, from group south
attribute tenant: token
role hr: dropped, above the ceiling rep (from group staff, token)
role manager: dropped, above the ceiling rep (from group leads)
group druids: not in the policy (token)
role wizard: not in the policy (token)"
    );
}

/// Who logged in, whom they name, the outcome.
#[test]
fn who_may_act_for_whom() {
    let tom = identity("tom", vec![claims(Witness::Token, &["north"], &[])]);
    let boss = identity("tom", vec![claims(Witness::Token, &["north", "leads"], &[])]);
    let chained = Identity { by: Some(Box::new(Identity::named("bus"))), ..Identity::named("app") };
    let named = Identity::named;
    for (actor, target, expected) in [
        (&named("app"), &named("rita"), Ok(Acting::OnBehalf)),
        (&named("app"), &named("capped"), Ok(Acting::OnBehalf)),
        (&named("app"), &tom, Ok(Acting::OnBehalf)),
        (&named("app"), &boss, Err(ActDenial::NotCovered)),
        (&named("app"), &named("max"), Err(ActDenial::NotCovered)),
        (&named("app"), &named("helen"), Err(ActDenial::NotCovered)),
        (&named("app"), &named("bus"), Err(ActDenial::NotCovered)),
        (&named("app"), &named("olga"), Err(ActDenial::Bypass)),
        (&named("app"), &named("stranger"), Err(ActDenial::UnknownTarget)),
        (&named("bus"), &named("max"), Ok(Acting::OnBehalf)),
        (&named("bus"), &named("capped"), Ok(Acting::OnBehalf)),
        (&named("bus"), &named("app"), Ok(Acting::OnBehalf)),
        (&named("bus"), &named("olga"), Err(ActDenial::Bypass)),
        (&named("bus"), &named("rita"), Err(ActDenial::NotCovered)),
        (&chained, &named("rita"), Err(ActDenial::Chained)),
        (&named("rita"), &named("rita"), Err(ActDenial::NotCovered)),
        (&named("stranger"), &named("rita"), Err(ActDenial::UnknownActor)),
        (&named("ines"), &named("rita"), Ok(Acting::Viewing)),
        (&named("ines"), &named("max"), Ok(Acting::Viewing)),
        (&named("ines"), &named("olga"), Err(ActDenial::Bypass)),
        (&named("olga"), &named("ines"), Ok(Acting::Viewing)),
        (&named("olga"), &named("olga"), Ok(Acting::Viewing)),
    ] {
        let (asker, person) = (&actor.user, &target.user);
        assert_eq!(policy().may_act_as(actor, target), expected, "{asker} as {person}");
    }
}

#[test]
fn whoever_is_acted_for_is_the_principal_and_the_login_keeps_its_pool_mode() {
    let policy = policy();
    let by = |user: &str| {
        let by = Some(Box::new(Identity::named(user)));
        let identity = Identity { by, ..Identity::named("rita") };
        policy.principal(&identity, "shop").expect("may connect")
    };
    let direct = policy.principal(&Identity::named("rita"), "shop").expect("may connect");
    assert_eq!((by("app").name, by("app").roles), (direct.name.clone(), direct.roles.clone()));
    assert_eq!(by("app").pool_mode, pgcordon_policy::PoolMode::Transaction);
    assert_eq!(by("bus").pool_mode, pgcordon_policy::PoolMode::Session);
    // The plan cache compares principals: who acts is part of who asks.
    assert_ne!(by("bus"), direct);
    assert_eq!(by("bus"), by("bus"));
}

#[test]
fn visitors_enter_public_databases_alone() {
    let more = "
databases:
  gallery: { upstream: main, dbname: shop, public: true, connect: [rep] }
  annex: { upstream: main, dbname: shop, connect: [manager], otherwise: gallery }
  vault: { upstream: main, dbname: shop, connect: [admin], otherwise: annex }";
    let policy = shop::policy(more);
    let token =
        Claims { roles: vec!["admin".to_owned()], ..claims(Witness::Token, &["north"], &[]) };
    for visitor in
        [Identity::anonymous(), Identity { claims: vec![token], ..Identity::named("public") }]
    {
        assert_eq!(policy.usable(&visitor), ["gallery"]);
        let principal = policy.principal(&visitor, "gallery").expect("it is public");
        assert!(principal.anonymous && principal.roles.is_empty() && principal.groups.is_empty());
        assert!(!principal.bypass);
        assert!(policy.principal(&visitor, "shop").is_err());
        assert_eq!(policy.landing(&visitor, "vault"), "gallery");
        assert_eq!(policy.landing(&visitor, "shop"), "shop");
    }
    let landing = |user: &str, database: &'static str| {
        policy.landing(&Identity::named(user), database).to_owned()
    };
    assert_eq!(landing("root", "vault"), "vault");
    assert_eq!(landing("max", "vault"), "annex");
    assert_eq!(landing("rita", "vault"), "gallery");
    assert_eq!(landing("nobody", "vault"), "vault");
    assert_eq!(landing("rita", "nowhere"), "nowhere");
    assert_eq!(landing("stranger", "vault"), "vault");
}

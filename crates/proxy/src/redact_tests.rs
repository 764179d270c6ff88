use pgcordon_policy::{BoundPolicy, Identity, Moment, Principal, Source, load};
use pgcordon_rewrite::{Context, Mark};
use pgcordon_sql::catalog::{Column, Oid, Relation, RelationKind, Snapshot, SnapshotParts};

use super::*;

const POLICY: &str = "
roles: { viewer: {} }
users:
  rita: { roles: [viewer], password: \"SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\" }
databases:
  shop: { upstream: main, dbname: shop, connect: everyone }
tables:
  public.customers:
    - { name: all, to: [viewer], rows: all, columns: { hide: [credit_limit] } }
  public.payroll: []
";

fn relation(oid: u32, name: &str, columns: &[&str]) -> Relation {
    let columns = (1..).zip(columns).map(|(number, name)| Column {
        name: (*name).to_owned(),
        type_oid: Oid(25),
        type_sql: "public.customer_level".to_owned(),
        collation: Oid(100),
        type_modifier: -1,
        not_null: false,
        generated: false,
        identity_always: None,
        has_default: false,
        number,
    });
    Relation {
        oid: Oid(oid),
        schema: "public".to_owned(),
        name: name.to_owned(),
        kind: RelationKind::Table,
        columns: columns.collect(),
        parents: Vec::new(),
        primary_key: Vec::new(),
        definition: None,
        rewrites_rows: false,
    }
}

struct Stage {
    snapshot: Snapshot,
    policy: BoundPolicy,
    principal: Principal,
}

fn stage() -> Stage {
    let relations = vec![
        relation(20_000, "customers", &["id", "name", "credit_limit"]),
        relation(20_001, "payroll", &["id", "salary"]),
    ];
    let raised = ["stock", "too", "low", "for"].map(str::to_owned).into();
    let schemas = vec!["public".to_owned()];
    let snapshot =
        Snapshot::new(SnapshotParts { schemas, relations, raised, ..SnapshotParts::default() });
    let source = Source { name: "policy.yaml".to_owned(), text: POLICY.to_owned() };
    let loaded = load(&[source], &[]).expect("a policy without mistakes");
    let (policy, _) = loaded.bind(&snapshot, &["shop"], Moment::from_unix_seconds(0));
    let principal = loaded.principal(&Identity::named("rita"), "shop").expect("rita may connect");
    Stage { snapshot, policy, principal }
}

/// Fields as `C=22P02` and so on; `M` comes last and may hold anything.
fn check(sent: &str, fields: &str, message: &str, expected: &str) {
    let stage = stage();
    let mark = Mark::new([0; 16]);
    let context = Context {
        snapshot: &stage.snapshot,
        policy: &stage.policy,
        principal: &stage.principal,
        search_path: &[],
        database: "shop",
        mark: &mark,
        parameter_types: &[],
        max_statement_bytes: 0,
    };
    let mut body = Vec::new();
    for field in fields.split_whitespace().filter(|field| !field.is_empty()) {
        body.extend(field.replacen('=', "", 1).into_bytes());
        body.push(0);
    }
    body.extend(format!("M{message}\0H{message}\0\0").into_bytes());
    let fields = Fields::read(&body).expect("well formed");
    // One text value, one four-byte integer in binary.
    let bind = b"\0\x02\0\0\0\x01\0\x02\0\0\0\x05bound\0\0\0\x04\0\0\x11\x5c";
    let redactor = Redactor::new(Names::new(context), Some(sent), [&bind[..]]);
    assert_eq!(redactor.message(&fields), expected, "{sent}");
    let hint = (message == expected).then(|| message.to_owned());
    assert_eq!(redactor.hint(&fields), hint, "a hint is whole or gone");
}

/// Of PostgreSQL's own message.
fn template(sent: &str, message: &str, expected: &str) {
    check(sent, "S=ERROR V=ERROR C=22P02 R=int4in", message, expected);
}

#[test]
fn quoted_values_stay_if_the_client_sent_them() {
    let message = "invalid input syntax for type integer: \"Smith\"";
    let without = "invalid input syntax for type integer: \"…\"";
    template("select name::int from customers", message, without);
    template("select 'Smith'::int", message, message);
    template("select 'Smithson'::int, x_smith", message, without);
    template("select $$Smith$$::int", message, message);
    let bound = "invalid input syntax for type integer: \"bound\"";
    template("select $1::int", bound, bound);
    let number = "value \"4444\" is out of range for type smallint";
    template("select $2::int2", number, number);
    template(
        "select $2::int2",
        &number.replace('4', "5"),
        "value \"…\" is out of range for type smallint",
    );
    let quote = "invalid input syntax for type integer: \"it's\"";
    template("select 'it''s'::int", quote, quote);
}

#[test]
fn a_value_with_quotes_is_one_value() {
    for value in ["a\"b", "a\" Smith \"b", "\"", "a\" on table \"Smith", "x\"\"\"y", "«x»"] {
        let message = format!("invalid input syntax for type integer: \"{value}\"");
        let sent = format!("select '{value}'");
        template(&sent, &message, &message);
        let hidden = super::spans(&message).len();
        let phrase = value.contains(" on table ");
        assert_eq!(hidden, if phrase { 5 } else { 3 });
        let expected = match phrase {
            true => "invalid input syntax for type integer: \"…\" on table \"…\"",
            false => "invalid input syntax for type integer: \"…\"",
        };
        template("select", &message, expected);
    }
}

#[test]
fn values_outside_quotes_go_too() {
    template("", "index 4711 out of valid range, 0..3", "index … out of valid range, …..…");
    template("select 4711", "index 4711 out of valid range", "index 4711 out of valid range");
    template(
        "",
        "value too long for type character varying(10)",
        "value too long for type character varying(10)",
    );
    template("", "percentile value 7.5 is not between", "percentile value … is not between");
    template("", "division by zero", "division by zero");
    template("", "ungültig: »Smith«", "…: »…«");
    template("", "Syntax error near 'Smith' at position", "… … … '…' … …");
    check("", "S=FEHLER V=ERROR C=22P02 R=x", "Fehler bei Smith", "… … …");
}

#[test]
fn what_functions_raise_keeps_its_own_words_only() {
    let raised = "S=ERROR V=ERROR C=P0001 R=exec_stmt_raise";
    check("", raised, "stock too low for Smith (7)", "stock too low for … (…)");
    check("select 7", raised, "stock too low for Smith (7)", "stock too low for … (7)");
    check("", raised, "stock of customers", "stock … customers");
    check("", "C=23514 R=exec_stmt_raise", "no Smith", "… …");
    check("", "C=38000 R=other", "no Smith", "… …");
    check("", "C=22P02", "no Smith", "… …");
}

#[test]
fn names_stay_if_they_may_be_known() {
    let null = "S=ERROR V=ERROR C=23502 s=public t=customers R=ExecConstraints";
    let message =
        |column| format!("null value in column \"{column}\" of relation \"customers\" is bad");
    check("", &format!("{null} c=name"), &message("name"), &message("name"));
    check("", &format!("{null} c=credit_limit"), &message("credit_limit"), &message("…"));
    // Even when the client sent that word: its text may mean something else by it.
    check(
        "credit_limit",
        &format!("{null} c=credit_limit"),
        &message("credit_limit"),
        &message("…"),
    );
    let key = "duplicate key value violates unique constraint";
    let unique = "S=ERROR V=ERROR C=23505 s=public R=x";
    check(
        "",
        &format!("{unique} t=customers n=customers_name_key"),
        &format!("{key} \"customers_name_key\""),
        &format!("{key} \"customers_name_key\""),
    );
    check(
        "",
        &format!("{unique} t=customers n=customers_credit_limit_key"),
        &format!("{key} \"customers_credit_limit_key\""),
        &format!("{key} \"…\""),
    );
    check(
        "",
        &format!("{unique} t=payroll n=payroll_pkey"),
        &format!("{key} \"payroll_pkey\""),
        &format!("{key} \"…\""),
    );
    check(
        "",
        "S=ERROR V=ERROR C=23503 s=public t=payroll n=payroll_fk R=ri_ReportViolation",
        "update or delete on table \"customers\" violates foreign key constraint \"payroll_fk\" on table \"payroll\"",
        "update or delete on table \"customers\" violates foreign key constraint \"…\" on table \"…\"",
    );
    template(
        "",
        "Perhaps you meant to reference the column \"c.credit_limit\".",
        "Perhaps you meant to reference the column \"…\".",
    );
    template(
        "customers c",
        "Perhaps you meant to reference the column \"c.name\".",
        "Perhaps you meant to reference the column \"c.name\".",
    );
    template(
        "",
        "invalid input value for enum customer_level: \"Smith\"",
        "invalid input value for enum customer_level: \"…\"",
    );
    template(
        "",
        "invalid input value for enum payroll_level: \"Smith\"",
        "invalid input value for enum …: \"…\"",
    );
    let denied = "S=ERROR V=ERROR C=42501 R=aclcheck_error";
    check("", denied, "permission denied for table payroll", "permission denied for table …");
    check(
        "",
        denied,
        "permission denied for table customers",
        "permission denied for table customers",
    );
}

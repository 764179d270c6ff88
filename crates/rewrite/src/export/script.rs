//! The whole script around what was gathered.
//!
//! In:  the people, and SQL about each relation.
//! Out: one transaction.
//!
//! Invariants:
//! - It first takes away everything that an earlier run gave, also to people who are gone since.
//! - It stops before it changes anything where it could not hold: superusers, foreign policies.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pgcordon_sql::splice;

use crate::export::person::Person;
use crate::export::words::{self, one_line};
use crate::export::{ExportRequest, Gathered, truth_schema};

/// How an earlier run's roles and schemas are known.
const MADE: &str = "made by pgcordon export-sql";

/// Takes away what an earlier run gave, what people were granted by hand, and everything from PUBLIC.
const CLEAN: &str = r#"
-- What an earlier run made goes; so does what PUBLIC was given in the schemas of this database.
DO $pgcordon$
DECLARE made record; target record;
BEGIN
    FOR made IN SELECT p.polname, p.polrelid::regclass::text AS relation FROM pg_policy p
            WHERE p.polname ~ '^pgcordon [0-9]+: ' LOOP
        EXECUTE format('DROP POLICY %I ON %s', made.polname, made.relation);
    END LOOP;
    FOR made IN SELECT nspname FROM pg_namespace
            WHERE nspname LIKE 'pgcordon\_%' AND obj_description(oid, 'pg_namespace') = '{made}' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', made.nspname);
    END LOOP;
    FOR target IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', target.nspname);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM PUBLIC', target.nspname);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM PUBLIC', target.nspname);
        EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA %I FROM PUBLIC', target.nspname);
        FOR made IN SELECT r.rolname FROM pg_roles r WHERE shobj_description(r.oid, 'pg_authid') = '{made}' LOOP
            EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', target.nspname, made.rolname);
            EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', target.nspname, made.rolname);
            EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM %I', target.nspname, made.rolname);
            EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA %I FROM %I', target.nspname, made.rolname);
        END LOOP;
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    FOR made IN SELECT r.rolname FROM pg_roles r WHERE shobj_description(r.oid, 'pg_authid') = '{made}' LOOP
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), made.rolname);
        EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET search_path', made.rolname, current_database());
    END LOOP;
END $pgcordon$;
"#;

/// An identity or serial column draws its numbers with the rights of who inserts.
const SEQUENCES: &str = r"
-- Sequences behind column defaults, for those who may insert.
DO $pgcordon$
DECLARE used record;
BEGIN
    FOR used IN SELECT DISTINCT d.refobjid::regclass::text AS sequence, r.rolname
            FROM pg_depend d JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
            JOIN pg_class s ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid AND s.relkind = 'S'
            JOIN pg_roles r ON r.rolname = ANY ({roles})
            WHERE has_any_column_privilege(r.oid, a.adrelid, 'INSERT') LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', used.sequence, used.rolname);
    END LOOP;
END $pgcordon$;
";

/// Writes the script.
pub(super) fn write(request: &ExportRequest<'_>, people: &[Person], gathered: &Gathered) -> String {
    let mut sql = header(request, people, gathered);
    sql.push_str("\nBEGIN;\n");
    guard(people, &mut sql);
    roles(request, people, gathered, &mut sql);
    sql.push_str(&CLEAN.replace("{made}", MADE));
    connect(request, people, &mut sql);
    schemas(request, people, gathered, &mut sql);
    functions(request, people, &mut sql);
    truths(request, gathered, &mut sql);
    sql.push_str(&gathered.relations);
    if !gathered.faces.is_empty() {
        sql.push_str("\n-- Views of single people: masks, hidden columns, forced values.\n");
        sql.push_str(&gathered.faces);
    }
    let all: Vec<String> = logins_and_owners(people).iter().map(|role| literal(role)).collect();
    let array = format!("ARRAY[{}]::name[]", all.join(", "));
    sql.push_str(&SEQUENCES.replace("{roles}", &array));
    sql.push_str("\nCOMMIT;\n");
    sql
}

fn header(request: &ExportRequest<'_>, people: &[Person], gathered: &Gathered) -> String {
    let mut sql = format!(
        "-- The policy of database {} as PostgreSQL's own roles, privileges, row policies and views.\n\
         -- Printed by `pgcordon export-sql`; run it in that database as a superuser, again after each change of the\n\
         -- policy or of the tables. People are roles ({}); their attributes stand in the policies as constants.\n\
         -- Rules' sub-selects see every row: they read views in schemas pgcordon_all_…, on which nobody has USAGE.\n",
        one_line(request.database),
        people.len()
    );
    for what in &gathered.not_expressed {
        let _ = writeln!(sql, "-- not expressed: {what}");
    }
    sql
}

fn literal(text: &str) -> String {
    splice::literal(text)
}

fn logins_and_owners(people: &[Person]) -> Vec<&str> {
    people.iter().flat_map(|person| [person.login.as_str(), person.own.as_str()]).collect()
}

/// Stops the script where what it says would not hold.
fn guard(people: &[Person], sql: &mut String) {
    let names: Vec<String> = logins_and_owners(people).iter().map(|name| literal(name)).collect();
    let bypass: Vec<String> = people
        .iter()
        .filter(|person| person.principal.bypass)
        .map(|person| literal(&person.login))
        .collect();
    let _ = write!(
        sql,
        r"
-- Stops here where the rest would not hold.
DO $pgcordon$
DECLARE wrong text;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'run this as a superuser: it makes roles, and the views it makes must see every row';
    END IF;
    SELECT string_agg(rolname, ', ') INTO wrong FROM pg_roles
        WHERE rolname = ANY (ARRAY[{names}]::name[])
            AND (rolsuper OR rolbypassrls AND NOT rolname = ANY (ARRAY[{bypass}]::name[]));
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'superusers, or roles with BYPASSRLS, cannot be restricted: %', wrong;
    END IF;
    SELECT string_agg(member::regrole || ' in ' || roleid::regrole, ', ') INTO wrong FROM pg_auth_members
        WHERE member IN (SELECT oid FROM pg_roles WHERE rolname = ANY (ARRAY[{names}]::name[]));
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'roles that belong to other roles have privileges beyond the policy: %', wrong;
    END IF;
    SELECT string_agg(DISTINCT oid::regclass::text, ', ') INTO wrong FROM pg_class
        WHERE relowner IN (SELECT oid FROM pg_roles WHERE rolname = ANY (ARRAY[{names}]::name[]))
            AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pgcordon\_%'
                OR nspname LIKE 'pg\_%');
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'people own relations, and an owner is not restricted: %', wrong;
    END IF;
    SELECT string_agg(polname || ' on ' || polrelid::regclass, ', ') INTO wrong FROM pg_policy
        WHERE polname !~ '^pgcordon [0-9]+: ';
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'other row policies would widen this one: %', wrong;
    END IF;
END $pgcordon$;
",
        names = names.join(", "),
        bypass = bypass.join(", ")
    );
}

/// Login roles, and the owners of their views.
fn roles(request: &ExportRequest<'_>, people: &[Person], gathered: &Gathered, sql: &mut String) {
    sql.push_str("\n-- People.\n");
    for person in people {
        let bypass = if person.principal.bypass { "BYPASSRLS" } else { "NOBYPASSRLS" };
        make_role(&person.login, &format!("LOGIN INHERIT NOCREATEDB NOCREATEROLE {bypass}"), sql);
        if let Some(verifier) = person.verifier.as_ref().filter(|_| request.passwords) {
            let verifier = literal(verifier);
            let _ = writeln!(sql, "ALTER ROLE {} PASSWORD {verifier};", person.quoted());
        }
        if has_face(person, gathered) {
            make_role(&person.own, "NOLOGIN INHERIT NOCREATEDB NOCREATEROLE NOBYPASSRLS", sql);
        }
    }
}

fn connect(request: &ExportRequest<'_>, people: &[Person], sql: &mut String) {
    let upstream = std::iter::once(request.upstream_role);
    let list = words::list(people.iter().map(|person| person.login.as_str()).chain(upstream));
    sql.push_str("\n-- Who may connect.\n");
    let _ = writeln!(
        sql,
        "DO $pgcordon$ BEGIN EXECUTE format({}, current_database()); END $pgcordon$;",
        literal(&format!("GRANT CONNECT ON DATABASE %I TO {}", doubled(&list)))
    );
}

/// For `format`, where a per cent sign begins a place.
fn doubled(text: &str) -> String {
    text.replace('%', "%%")
}

fn make_role(name: &str, attributes: &str, sql: &mut String) {
    let quoted = splice::quoted(name);
    let (word, create) = (literal(name), literal(&format!("CREATE ROLE {quoted}")));
    let _ = writeln!(
        sql,
        "DO $pgcordon$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {word}) THEN EXECUTE {create}; \
         END IF; END $pgcordon$;"
    );
    let _ = writeln!(sql, "ALTER ROLE {quoted} {attributes};");
    let _ = writeln!(sql, "COMMENT ON ROLE {quoted} IS '{MADE}';");
}

fn has_face(person: &Person, gathered: &Gathered) -> bool {
    gathered.owners.contains(&person.own)
}

/// Who may look names up where, and each person's own schema.
fn schemas(request: &ExportRequest<'_>, people: &[Person], gathered: &Gathered, sql: &mut String) {
    sql.push_str("\n-- Schemas.\n");
    let exported = request
        .snapshot
        .relations()
        .filter(|(_, relation)| crate::export::access::is_exported(relation));
    let names: BTreeSet<&str> = exported.map(|(_, relation)| relation.schema.as_str()).collect();
    let functions = request.bound.functions().map(|(schema, _)| schema);
    let functions = functions.filter(|schema| request.snapshot.has_schema(schema));
    let list = words::list(people.iter().map(|person| person.login.as_str()));
    for schema in names.into_iter().chain(functions).collect::<BTreeSet<&str>>() {
        if people.is_empty() {
            continue;
        }
        let schema = splice::quoted(schema);
        let _ = writeln!(sql, "GRANT USAGE ON SCHEMA {schema} TO {list};");
        let bypass = people.iter().filter(|person| person.principal.bypass);
        for person in bypass {
            let _ = writeln!(
                sql,
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {};",
                person.quoted()
            );
        }
    }
    for person in people.iter().filter(|person| has_face(person, gathered)) {
        let (own, login) = (splice::quoted(&person.own), person.quoted());
        let _ = writeln!(sql, "CREATE SCHEMA {own};");
        let _ = writeln!(sql, "COMMENT ON SCHEMA {own} IS '{MADE}';");
        let _ = writeln!(sql, "GRANT USAGE ON SCHEMA {own} TO {login};");
        let set = format!(
            "ALTER ROLE {} IN DATABASE %I SET search_path = {}, \"$user\", public",
            doubled(&login),
            doubled(&own)
        );
        let _ = writeln!(
            sql,
            "DO $pgcordon$ BEGIN EXECUTE format({}, current_database()); END $pgcordon$;",
            literal(&set)
        );
    }
}

/// `functions: allow`, every overload of a name.
fn functions(request: &ExportRequest<'_>, people: &[Person], sql: &mut String) {
    let names: Vec<(&str, &str)> = request.bound.functions().collect();
    if names.is_empty() || people.is_empty() {
        return;
    }
    let pairs: Vec<String> = names
        .iter()
        .map(|(schema, name)| format!("({}, {})", literal(schema), literal(name)))
        .collect();
    let roles = words::list(people.iter().map(|person| person.login.as_str()));
    let grant = format!("GRANT EXECUTE ON ROUTINE %s TO {}", doubled(&roles));
    let _ = write!(
        sql,
        r"
-- Functions that the policy allows; the rest was taken from PUBLIC above.
DO $pgcordon$
DECLARE allowed record;
BEGIN
    FOR allowed IN SELECT p.oid::regprocedure::text AS routine FROM pg_proc p
            JOIN pg_namespace n ON n.oid = p.pronamespace WHERE (n.nspname, p.proname) IN ({}) LOOP
        EXECUTE format({}, allowed.routine);
    END LOOP;
END $pgcordon$;
",
        pairs.join(", "),
        literal(&grant)
    );
}

/// Views of all rows for the sub-selects of rules: SELECT is granted, the schema's USAGE is not, so that only a
/// stored rule reaches them.
fn truths(request: &ExportRequest<'_>, gathered: &Gathered, sql: &mut String) {
    if gathered.truths.is_empty() {
        return;
    }
    sql.push_str(
        "\n-- What rules' sub-selects read: every row, by no name that a person could use.\n",
    );
    let named = gathered.truths.iter().filter_map(|(id, roles)| {
        let relation = request.snapshot.relation(*id);
        Some((relation, truth_schema(&relation.schema)?, roles))
    });
    let named: Vec<_> = named.collect();
    let schemas: BTreeSet<&str> = named.iter().map(|(_, schema, _)| schema.as_str()).collect();
    for schema in schemas {
        let quoted = splice::quoted(schema);
        let _ = writeln!(sql, "CREATE SCHEMA {quoted};");
        let _ = writeln!(sql, "COMMENT ON SCHEMA {quoted} IS '{MADE}';");
    }
    for (relation, schema, roles) in named {
        let view = splice::qualified(&schema, &relation.name);
        let roles = words::list(roles.iter().map(String::as_str));
        let _ = writeln!(sql, "CREATE VIEW {view} AS SELECT * FROM {};", relation.qualified());
        let _ = writeln!(sql, "GRANT SELECT ON {view} TO {roles};");
    }
}

//! Writes what stands in place of catalog functions and casts to OID alias types.
//!
//! In:  the [`Guard`]s that `sql::analyze` found.
//! Out: edits around the client's expressions, which stay where they are:
//!
//! ```sql
//! x::regclass  →  (SELECT CASE WHEN <visible> THEN … END AS "x" FROM (SELECT CAST((x) AS text) AS a1) AS "pgcordon_row")
//! ```
//!
//! Invariants:
//! - What is invisible gives what an absent object gives: the same NULL, the same error.
//! - Privileges are the policy's; the upstream role's are never asked.

use std::fmt::Write as _;

use pgcordon_policy::Command;
use pgcordon_sql::analyze::{Form, Guard, Statement, Wanted};
use pgcordon_sql::builtin::{Alias, Given, Object, Replaced};
use pgcordon_sql::splice::{self, quoted};

use super::visible::Visible;
use crate::plan::Piece;

const ROW: &str = "\"pgcordon_row\"";

/// The edits for every guard of a statement; those that lie outside come first.
pub(crate) fn guards(statement: &Statement, visible: &Visible) -> Vec<Piece> {
    // Of two over the same bytes the outer one, which was met last, is written first.
    let mut guards: Vec<&Guard> = statement.guards.iter().rev().collect();
    guards.sort_by_key(|guard| (guard.range.start, std::cmp::Reverse(guard.range.end)));
    guards.into_iter().flat_map(|guard| pieces(guard, visible)).collect()
}

fn pieces(guard: &Guard, visible: &Visible) -> Vec<Piece> {
    let (types, result) = match guard.form {
        Form::Cast(alias, wanted) => (vec!["pg_catalog.text"], cast(alias, wanted, true, visible)),
        Form::Elements(alias, wanted) => {
            (vec!["pg_catalog.text[]"], elements(alias, wanted, visible))
        }
        Form::Argument(object, given) => argument(object, given, visible),
        Form::Setting => (vec!["pg_catalog.text"], shown_setting()),
        Form::Call(Replaced::TypeOf, wanted) => return type_of(guard, wanted),
        Form::Call(call, wanted) => replaced(call, wanted, guard.parts.len(), visible),
    };
    let output = match guard.output.as_str() {
        "" => "\"pgcordon_value\"".to_owned(),
        name => quoted(name),
    };
    let mut pieces = Vec::with_capacity(guard.parts.len() + 1);
    let mut from = guard.range.start;
    // An array behind ANY must not be read as the rows of a sub-select.
    let (open, close) = match guard.form {
        Form::Elements(_, Wanted::Number) => ("CAST(", " AS pg_catalog.oid[])"),
        Form::Elements(_, Wanted::Name) => ("CAST(", " AS pg_catalog.text[])"),
        Form::Cast(..) | Form::Argument(..) | Form::Call(..) | Form::Setting => ("", ""),
    };
    let mut text = format!("{open}(SELECT {result} AS {output} FROM (SELECT ");
    for (index, part) in guard.parts.iter().enumerate() {
        let kind = types.get(index).copied().unwrap_or_default();
        text.push_str(if kind.is_empty() { "((" } else { "CAST((" });
        pieces.push(edit(from..part.start, std::mem::take(&mut text)));
        let cast = if kind.is_empty() { ")".to_owned() } else { format!(" AS {kind})") };
        let comma = if index + 1 < guard.parts.len() { ", " } else { "" };
        let _ = write!(text, "){cast} AS a{}{comma}", index + 1);
        from = part.end;
    }
    let _ = write!(text, ") AS {ROW}){close}");
    pieces.push(edit(from..guard.range.end, text));
    pieces
}

fn edit(range: std::ops::Range<usize>, text: String) -> Piece {
    Piece { edit: splice::Edit { range, text }, marks: Vec::new() }
}

/// The name of a setting that may be shown; of any other one that no setting has, so that PostgreSQL says it is unknown.
fn shown_setting() -> String {
    let names: Vec<String> = crate::settings::readable().map(|name| format!("'{name}'")).collect();
    let name = a(1);
    format!(
        "CASE WHEN pg_catalog.lower({name}) = ANY (ARRAY[{}]::pg_catalog.text[]) THEN {name} ELSE {name} || ' ' END",
        names.join(", ")
    )
}

/// The type of an expression tells nothing but its name; it stays a direct argument, since a string has no type yet.
fn type_of(guard: &Guard, wanted: Wanted) -> Vec<Piece> {
    let part = &guard.parts[0];
    let kind = match wanted {
        Wanted::Number => "oid",
        Wanted::Name => "text",
    };
    vec![
        edit(guard.range.start..part.start, "CAST(pg_catalog.pg_typeof(".to_owned()),
        edit(part.end..guard.range.end, format!(") AS pg_catalog.{kind})")),
    ]
}

fn a(index: usize) -> String {
    format!("{ROW}.a{index}")
}

/// The OID that a text names as a value of an alias type would: by number or by name.
fn looked_up(alias: Alias, text: &str) -> String {
    format!(
        "CASE WHEN {text} = '-' THEN 0::pg_catalog.oid WHEN {text} ~ '^[0-9]{{1,10}}$' THEN CAST({text} AS pg_catalog.oid) \
         ELSE CAST(pg_catalog.to_{}({text}) AS pg_catalog.oid) END",
        alias.name()
    )
}

/// Whether the object of that OID is seen; it is computed once, as `pgcordon_x.oid`.
fn seen(object: Object, visible: &Visible) -> String {
    visible.object(object, "pgcordon_x.oid")
}

/// A value of an alias type. An unknown name raises as PostgreSQL would; an unknown number is NULL.
fn cast(alias: Alias, wanted: Wanted, raises: bool, visible: &Visible) -> String {
    let text = a(1);
    let name = alias.name();
    let (value, zero, kind) = match wanted {
        Wanted::Number => ("pgcordon_x.oid".to_owned(), "pgcordon_x.oid", "oid"),
        Wanted::Name => (
            format!("CAST(CAST(pgcordon_x.oid AS pg_catalog.{name}) AS pg_catalog.text)"),
            "'-'::pg_catalog.text",
            "text",
        ),
    };
    // Not a name of `pg_catalog`, since it is quoted whole; everything there is visible anyway.
    let unknown = format!("'pg_catalog.' || pg_catalog.quote_ident({text})");
    let unknown = match alias {
        Alias::OperatorSignature => {
            format!("'pg_catalog.' || pg_catalog.quote_ident({text}) || '(int4,int4)'")
        }
        Alias::Signature => format!("'pg_catalog.' || pg_catalog.quote_ident({text}) || '()'"),
        Alias::Namespace | Alias::Role => {
            format!("pg_catalog.quote_ident('pgcordon: ' || {text})")
        }
        Alias::Class | Alias::Type | Alias::Procedure | Alias::Operator => unknown,
    };
    let otherwise = if raises {
        format!(
            " WHEN NOT {text} ~ '^[0-9]{{1,10}}$' THEN CAST(CAST(CAST({unknown} AS pg_catalog.{name}) AS pg_catalog.oid) AS \
             pg_catalog.{kind})"
        )
    } else {
        String::new()
    };
    format!(
        "(SELECT CASE WHEN pgcordon_x.oid = 0 THEN {zero} WHEN {} THEN {value}{otherwise} END FROM (SELECT {} AS oid \
         OFFSET 0) AS pgcordon_x)",
        seen(alias.object(), visible),
        looked_up(alias, &text),
    )
}

/// Each element of an array, in order. Within, the element takes the name of the whole.
fn elements(alias: Alias, wanted: Wanted, visible: &Visible) -> String {
    let kind = match wanted {
        Wanted::Number => "oid",
        Wanted::Name => "text",
    };
    format!(
        "CASE WHEN {whole} IS NOT NULL THEN coalesce((SELECT pg_catalog.array_agg({element} ORDER BY {ROW}.a2) FROM \
         pg_catalog.unnest({whole}) WITH ORDINALITY AS {ROW} (a1, a2)), '{{}}'::pg_catalog.{kind}[]) END",
        whole = a(1),
        element = cast(alias, wanted, true, visible),
    )
}

fn argument(object: Object, given: Given, visible: &Visible) -> (Vec<&'static str>, String) {
    match given {
        Given::Oid => {
            let text = format!("CASE WHEN {} THEN {} END", visible.object(object, &a(1)), a(1));
            // No object of the kind may be told of: whatever was named.
            (
                vec![if object == Object::Nothing { "" } else { "pg_catalog.oid" }],
                nothing(object, text),
            )
        }
        Given::Oids => {
            let text = format!("CASE WHEN {} THEN {} END", visible.object(object, &a(1)), a(1));
            (vec!["pg_catalog.oidvector"], text)
        }
        Given::Name(alias) => {
            let raises = cast_of(alias, object, visible);
            (vec!["pg_catalog.text"], raises)
        }
    }
}

fn nothing(object: Object, text: String) -> String {
    if object == Object::Nothing { "NULL::pg_catalog.oid".to_owned() } else { text }
}

/// As a cast to the alias type, and then NULL unless more is known of the object than that it exists.
fn cast_of(alias: Alias, object: Object, visible: &Visible) -> String {
    let number = cast(alias, Wanted::Number, true, visible);
    format!(
        "(SELECT CASE WHEN {} THEN pgcordon_y.oid END FROM (SELECT {number} AS oid OFFSET 0) AS pgcordon_y)",
        visible.object(object, "pgcordon_y.oid"),
    )
}

fn replaced(
    call: Replaced,
    wanted: Wanted,
    parts: usize,
    visible: &Visible,
) -> (Vec<&'static str>, String) {
    const OID: &str = "pg_catalog.oid";
    const TEXT: &str = "pg_catalog.text";
    match call {
        Replaced::Expression => {
            let third = if parts == 3 { format!(", {}", a(3)) } else { String::new() };
            // Another relation's expression, read over this one, would name its columns by their numbers.
            let text = format!(
                "CASE WHEN {} AND (NOT {} OR pg_catalog.strpos(CAST({} AS pg_catalog.text), '{{VAR ') = 0) THEN \
                 pg_catalog.pg_get_expr({}, {}{third}) END",
                visible.relation(&a(2)),
                visible.hides(&a(2)),
                a(1),
                a(1),
                a(2),
            );
            (vec!["", OID, "pg_catalog.bool"], text)
        }
        Replaced::ColumnDescription => {
            let text = format!(
                "CASE WHEN {} AND NOT {} THEN pg_catalog.col_description({}, {}) END",
                visible.relation(&a(1)),
                visible.hidden(&a(1), &a(2)),
                a(1),
                a(2),
            );
            (vec![OID, "pg_catalog.int4"], text)
        }
        Replaced::Description => (vec![OID, "pg_catalog.name"], description(parts, visible)),
        Replaced::SharedDescription => (vec![OID, "pg_catalog.name"], shared_description(visible)),
        Replaced::SerialSequence => (vec![TEXT, TEXT], serial_sequence(visible)),
        Replaced::ToAlias(alias) => (vec![TEXT], cast(alias, wanted, false, visible)),
        Replaced::Blocking => (vec!["pg_catalog.int4"], "'{}'::pg_catalog.int4[]".to_owned()),
        // Written elsewhere: `type_of`.
        Replaced::TypeOf => (vec![""], "NULL".to_owned()),
        Replaced::TablePrivilege
        | Replaced::ColumnPrivilege
        | Replaced::SequencePrivilege
        | Replaced::SchemaPrivilege
        | Replaced::DatabasePrivilege
        | Replaced::FunctionPrivilege
        | Replaced::TypePrivilege
        | Replaced::RolePrivilege => (vec![TEXT; parts], privilege(call, parts, visible)),
    }
}

fn description(parts: usize, visible: &Visible) -> String {
    let shown = super::rules::rows("pg_description", visible).replace("{a}", "pgcordon_q");
    let (more, arguments) = match parts {
        1 => (String::new(), a(1)),
        _ => (
            format!(
                " AND pgcordon_q.classoid = (SELECT pgcordon_c.oid FROM pg_catalog.pg_class AS pgcordon_c WHERE \
                 pgcordon_c.relname = {} AND pgcordon_c.relnamespace = 11)",
                a(2)
            ),
            format!("{}, {}", a(1), a(2)),
        ),
    };
    format!(
        "CASE WHEN NOT EXISTS (SELECT 1 FROM pg_catalog.pg_description AS pgcordon_q WHERE pgcordon_q.objoid = {} AND \
         pgcordon_q.objsubid = 0{more} AND NOT coalesce({shown}, false)) THEN pg_catalog.obj_description({arguments}) END",
        a(1)
    )
}

fn shared_description(visible: &Visible) -> String {
    let shown = super::rules::rows("pg_shdescription", visible).replace("{a}", "pgcordon_q");
    format!(
        "CASE WHEN NOT EXISTS (SELECT 1 FROM pg_catalog.pg_shdescription AS pgcordon_q WHERE pgcordon_q.objoid = {} AND \
         NOT coalesce({shown}, false)) THEN pg_catalog.shobj_description({}, {}) END",
        a(1),
        a(1),
        a(2)
    )
}

/// A hidden column has the answer of an absent one: NULL.
fn serial_sequence(visible: &Visible) -> String {
    let relation = cast(Alias::Class, Wanted::Number, true, visible);
    format!(
        "CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS pgcordon_k WHERE pgcordon_k.attrelid = {relation} AND \
         pgcordon_k.attname = {} AND pgcordon_k.attnum > 0 AND NOT pgcordon_k.attisdropped AND NOT {}) THEN \
         pg_catalog.pg_get_serial_sequence({}, {}) END",
        a(2),
        visible.hidden("pgcordon_k.attrelid", "pgcordon_k.attnum"),
        a(1),
        a(2)
    )
}

/// Which object a privilege is asked on, and what the policy says of each privilege.
fn privilege(call: Replaced, parts: usize, visible: &Visible) -> String {
    let shortest = if call == Replaced::ColumnPrivilege { 3 } else { 2 };
    let first = if parts > shortest { 2 } else { 1 };
    let role = if parts > shortest { current_role(&a(1)) } else { "true".to_owned() };
    let subject = a(first);
    let x = "pgcordon_x.oid";
    let table = [
        ("select", visible.granted(Command::Select, x)),
        ("insert", visible.granted(Command::Insert, x)),
        ("update", visible.granted(Command::Update, x)),
        ("delete", visible.granted(Command::Delete, x)),
    ];
    let drawn = visible.sequence(x);
    let on = |name: &'static str| (name, "true".to_owned());
    let (alias, words) = match call {
        Replaced::TablePrivilege | Replaced::ColumnPrivilege => (Alias::Class, table.to_vec()),
        Replaced::SequencePrivilege => {
            let words = ["usage", "select", "update"].map(|word| (word, drawn.clone()));
            (Alias::Class, words.to_vec())
        }
        Replaced::SchemaPrivilege => (Alias::Namespace, vec![on("usage")]),
        Replaced::FunctionPrivilege => (Alias::Signature, vec![on("execute")]),
        Replaced::TypePrivilege => (Alias::Type, vec![on("usage")]),
        Replaced::DatabasePrivilege => {
            let current = format!(
                "({subject} = pg_catalog.current_database() OR {subject} = (SELECT pgcordon_b.oid::pg_catalog.text FROM \
                 pg_catalog.pg_database AS pgcordon_b WHERE pgcordon_b.datname = pg_catalog.current_database()))"
            );
            let asked = asked(&a(parts), &[on("connect")]);
            return format!("CASE WHEN {current} THEN {role} AND {asked} END");
        }
        Replaced::RolePrivilege => return format!("({role} AND {})", current_role(&subject)),
        Replaced::Expression
        | Replaced::ColumnDescription
        | Replaced::Description
        | Replaced::SharedDescription
        | Replaced::SerialSequence
        | Replaced::TypeOf
        | Replaced::Blocking
        | Replaced::ToAlias(_) => return "false".to_owned(),
    };
    let column = match call {
        Replaced::ColumnPrivilege => visible_column(&a(first + 1), visible),
        Replaced::Expression
        | Replaced::ColumnDescription
        | Replaced::Description
        | Replaced::SharedDescription
        | Replaced::SerialSequence
        | Replaced::TypeOf
        | Replaced::Blocking
        | Replaced::ToAlias(_)
        | Replaced::TablePrivilege
        | Replaced::SequencePrivilege
        | Replaced::SchemaPrivilege
        | Replaced::DatabasePrivilege
        | Replaced::FunctionPrivilege
        | Replaced::TypePrivilege
        | Replaced::RolePrivilege => "true".to_owned(),
    };
    format!(
        "(SELECT CASE WHEN {} AND {column} THEN {role} AND {} END FROM (SELECT {} AS oid OFFSET 0) AS pgcordon_x)",
        visible.object(alias.object(), x),
        asked(&a(parts), &words),
        looked_up(alias, &subject),
    )
}

/// Any of the privileges in a list such as `select, insert`.
fn asked(list: &str, words: &[(&str, String)]) -> String {
    let mut cases = String::new();
    for (word, granted) in words {
        let _ = write!(cases, " WHEN '{word}' THEN {granted}");
    }
    format!(
        "EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.string_to_array(pg_catalog.lower({list}), ',')) AS pgcordon_u \
         (word) WHERE CASE pg_catalog.btrim(pgcordon_u.word){cases} ELSE false END)"
    )
}

fn current_role(role: &str) -> String {
    format!(
        "({role} = CURRENT_USER OR {role} = (SELECT pgcordon_r.oid::pg_catalog.text FROM pg_catalog.pg_roles AS pgcordon_r \
         WHERE pgcordon_r.rolname = CURRENT_USER))"
    )
}

fn visible_column(column: &str, visible: &Visible) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS pgcordon_k WHERE pgcordon_k.attrelid = pgcordon_x.oid AND \
         {column} IN (pgcordon_k.attname::pg_catalog.text, pgcordon_k.attnum::pg_catalog.text) AND NOT {})",
        visible.hidden("pgcordon_k.attrelid", "pgcordon_k.attnum")
    )
}

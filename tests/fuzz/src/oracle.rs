//! What must hold for a text that pgcordon would send, judged without a line of `rewrite::verify` or `sql::census`.
//!
//! In:  the client's text and what became of it, in the catalog and under the policy of [`World`].
//! Out: one line per fault.
//!
//! Invariants:
//! - A guarded relation is read where a SELECT has it as its only item and its constant in the condition, or is written
//!   by a statement whose condition or check holds the constant; a relation that nobody may use is nowhere.
//! - A name without schema is a CTE in scope.
//! - A hidden or denied column is named by rules only; a masked one within its mask only.

use crate::tree::{self, Value};
use crate::world::{Access, DENIED, FORBIDDEN, HIDDEN, HIDDEN_VALUE, KEY, MASK, MASKED, World};

/// Nothing that pgcordon sends calls these; a name that ends in `*` is a beginning.
const DANGEROUS: &[&str] = &[
    "query_to_xml*",
    "table_to_xml*",
    "schema_to_xml*",
    "database_to_xml*",
    "cursor_to_xml*",
    "dblink*",
    "crosstab*",
    "connectby*",
    "pg_read_*",
    "pg_ls_*",
    "pg_stat_file",
    "pg_sleep*",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_rotate_logfile*",
    "pg_advisory_lock*",
    "pg_advisory_xact*",
    "pg_try_advisory_*",
    "pg_notify",
    "pg_stat_get_*",
    "pg_stat_reset*",
    "pg_switch_wal",
    "pg_create_*",
    "pg_drop_*",
    "pg_logical_*",
    "pg_replication_*",
    "pg_export_snapshot",
    "pg_log_backend_memory_contexts",
    "binary_upgrade_*",
    "lo_*",
    "loread",
    "lowrite",
    "ts_stat",
    "ts_rewrite",
    FORBIDDEN,
];

/// Settings that decide how text is read or whose rights count.
const SETTINGS: &[&str] = &[
    "role",
    "session_authorization",
    "row_security",
    "standard_conforming_strings",
    "debug_print_parse",
    "debug_print_rewritten",
    "debug_print_plan",
    "session_preload_libraries",
    "local_preload_libraries",
    "dynamic_library_path",
];

/// What may be sent for somebody without bypass.
const STATEMENTS: &[&str] = &[
    "SelectStmt",
    "InsertStmt",
    "UpdateStmt",
    "DeleteStmt",
    "MergeStmt",
    "CopyStmt",
    "TransactionStmt",
    "VariableSetStmt",
    "VariableShowStmt",
    "ConstraintsSetStmt",
    "DeallocateStmt",
    "DiscardStmt",
    "DeclareCursorStmt",
    "FetchStmt",
    "ClosePortalStmt",
    "PrepareStmt",
    "ExecuteStmt",
    "ExplainStmt",
    "UnlistenStmt",
    "LockStmt",
    "CreateTableAsStmt",
    "ViewStmt",
];

/// Every fault of what became of a text; `masks` where the principal sees every masked column masked.
pub(crate) fn faults(world: &World, before: &str, after: &str, masks: bool) -> Vec<String> {
    let Some(wanted) = tree::read(before).map(|statements| statements.len()) else {
        // The grammar stumbles over some comments; pgcordon reads such a text without them.
        return Vec::new();
    };
    let Some(statements) = tree::read(after) else { return vec!["no SQL".to_owned()] };
    let before = before.to_lowercase();
    let mut judge = Judge {
        world,
        masks,
        // A client may call a column of its own as it likes: judged where the name is ours alone.
        hidden: !before.contains(HIDDEN) && !before.contains("u&"),
        denied: !before.contains(DENIED) && !before.contains("u&"),
        found: Vec::new(),
    };
    if statements.len() != wanted {
        judge.fault(format!("{} statements of {wanted}", statements.len()));
    }
    for statement in &statements {
        judge.statement(statement);
    }
    judge.found
}

struct Judge<'a> {
    world: &'a World,
    masks: bool,
    hidden: bool,
    denied: bool,
    found: Vec<String>,
}

/// Where a relation's name stands.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// The only item of this SELECT.
    Only(&'a Value),
    /// The target of this INSERT, UPDATE, DELETE, COPY FROM.
    Target(&'a Value),
    /// What a statement makes.
    Made,
    /// What LOCK names.
    Locked,
    Elsewhere,
}

impl Judge<'_> {
    fn fault(&mut self, what: impl Into<String>) {
        self.found.push(what.into());
    }

    fn statement(&mut self, statement: &Value) {
        if !STATEMENTS.contains(&statement.kind()) {
            self.fault(format!("a {}", statement.kind()));
        }
        self.utility(statement);
        self.walk(statement, Place::Elsewhere, &[]);
        for node in statement.all() {
            match node.kind() {
                "FuncCall" => self.call(node),
                "SelectStmt" => self.scan(node),
                "UpdateStmt" | "DeleteStmt" | "InsertStmt" => self.returning(node),
                _ => {}
            }
        }
        self.columns(statement, false);
    }

    fn utility(&mut self, statement: &Value) {
        match statement.kind() {
            "CopyStmt" => {
                let program = *statement.get("is_program") == word("true");
                if program || statement.get("filename").is_some() {
                    self.fault("COPY of a file");
                }
            }
            "VariableSetStmt" => {
                let name = statement.get("name").text().unwrap_or_default().to_lowercase();
                // SET SESSION AUTHORIZATION DEFAULT (VAR_SET_DEFAULT is 1), which pools send, changes nothing.
                let kept = *statement.get("kind") == word("1");
                if SETTINGS.contains(&name.as_str()) && !(name == "session_authorization" && kept) {
                    self.fault(format!("SET {name}"));
                }
            }
            // PREPARE TRANSACTION and its kin.
            "TransactionStmt" if statement.get("gid").is_some() => self.fault("two phases"),
            _ => {}
        }
    }

    /// Every relation's name, with the CTEs in scope.
    fn walk(&mut self, node: &Value, place: Place<'_>, scope: &[String]) {
        if node.kind() == "RangeVar" {
            return self.relation(node, place, scope);
        }
        let with = node.get("with_clause");
        let mut inner = scope.to_vec();
        if with.is_some() {
            let tables = with.get("ctes").items();
            let names = tables.iter().filter_map(|table| table.get("ctename").text());
            if *with.get("recursive") == word("true") {
                inner.extend(names.map(str::to_owned));
                tables.iter().for_each(|table| self.walk(table, Place::Elsewhere, &inner));
            } else {
                for (table, name) in tables.iter().zip(names) {
                    self.walk(table, Place::Elsewhere, &inner);
                    inner.push(name.to_owned());
                }
            }
        }
        let Value::Struct(kind, fields) = node else {
            node.children().into_iter().for_each(|child| self.walk(child, place, scope));
            return;
        };
        for (field, child) in fields {
            let here = match (kind.as_str(), field.as_str()) {
                (_, "with_clause") => continue,
                ("SelectStmt", "from_clause") if child.items().len() == 1 => Place::Only(node),
                ("RangeTableSample", "relation") => place,
                ("InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt", "relation") => {
                    Place::Target(node)
                }
                ("CopyStmt", "relation") if *node.get("is_from") == word("true") => {
                    Place::Target(node)
                }
                ("IntoClause", "rel") | ("ViewStmt", "view") => Place::Made,
                ("LockStmt", "relations") => Place::Locked,
                // What FOR UPDATE OF lists are aliases.
                ("LockingClause", "locked_rels") => continue,
                _ => Place::Elsewhere,
            };
            self.walk(child, here, &inner);
        }
    }

    fn relation(&mut self, relation: &Value, place: Place<'_>, scope: &[String]) {
        let name = relation.get("relname").text().unwrap_or_default();
        let target = matches!(place, Place::Target(_) | Place::Locked);
        let Some(schema) = relation.get("schemaname").text() else {
            if target || !scope.iter().any(|known| known == name) {
                self.fault(format!("{name} without its schema"));
            }
            return;
        };
        if relation.get("catalogname").is_some() {
            self.fault(format!("{schema}.{name} in a database"));
        }
        if matches!(place, Place::Made) {
            return;
        }
        let access = self.world.access(schema, name);
        let safe = match (access, place) {
            (Some(Access::Never), _) => false,
            (None, _) => schema == "pg_catalog" || schema == "information_schema",
            (Some(Access::Free), Place::Target(_)) => false,
            (Some(Access::Free), _) | (Some(Access::Guarded(_)), Place::Locked) => true,
            (Some(Access::Guarded(magic)), Place::Only(select)) => {
                implies(select.get("where_clause"), alias(relation), magic)
            }
            (Some(Access::Guarded(magic)), Place::Target(write)) => {
                written(write, alias(relation), magic)
            }
            (Some(Access::Guarded(_)), Place::Elsewhere | Place::Made) => false,
        };
        if !safe {
            self.fault(format!("{schema}.{name} without its guard"));
        }
    }

    fn call(&mut self, call: &Value) {
        let name: Vec<&str> = call.get("funcname").items().iter().filter_map(Value::text).collect();
        let last = name.last().copied().unwrap_or_default();
        let listed = |pattern: &&str| match pattern.strip_suffix('*') {
            Some(start) => last.starts_with(start),
            None => last == *pattern,
        };
        if DANGEROUS.iter().any(listed) {
            self.fault(format!("{last}()"));
        }
        if name.len() > 1 && name[0] == "public" && last != crate::world::ALLOWED {
            self.fault(format!("public.{last}()"));
        }
        if last == "set_config" || last == "current_setting" {
            let mut first = call.get("args").items().first().unwrap_or(&tree::NOTHING);
            while first.kind() == "TypeCast" {
                first = first.get("arg");
            }
            let settings = match constant(first) {
                Some(name) => vec![name.to_lowercase()],
                None if last == "current_setting" => guarded_settings(first),
                None => Vec::new(),
            };
            // Harmless to show.
            let shown = |name: &str| {
                last == "current_setting"
                    && ["row_security", "standard_conforming_strings"].contains(&name)
            };
            let bad = |name: &String| SETTINGS.contains(&name.as_str()) && !shown(name);
            if settings.is_empty() || settings.iter().any(bad) {
                self.fault(format!("{last} of what is not known"));
            }
        }
    }

    /// The select list of a scan of a guarded relation gives no raw column that a rule changes.
    fn scan(&mut self, select: &Value) {
        let [relation] = select.get("from_clause").items() else { return };
        let relation = match relation.kind() {
            "RangeTableSample" => relation.get("relation"),
            _ => relation,
        };
        let (hidden, masked) = changed(relation);
        if relation.kind() != "RangeVar" || !(hidden || masked) {
            return;
        }
        for target in select.get("target_list").items() {
            let value = target.get("val");
            let name = column(value);
            let star = value.get("fields").items().iter().any(|field| field.kind() == "A_Star");
            let raw = match name {
                Some(name) if masked => name == HIDDEN || (self.masks && name == MASKED),
                Some(name) => name == DENIED,
                None => false,
            };
            if star || raw {
                self.fault("a raw column in a scan");
            }
        }
    }

    /// RETURNING gives no raw column of its target that a rule changes.
    fn returning(&mut self, write: &Value) {
        let relation = write.get("relation");
        let (hidden, masked) = changed(relation);
        if !(hidden || masked) {
            return;
        }
        for target in write.get("returning_clause").get("exprs").items() {
            let fields = target.get("val").get("fields").items();
            let bare =
                fields.len() == 1 || fields.first().and_then(Value::text) == Some(alias(relation));
            if bare && fields.iter().any(|field| field.kind() == "A_Star") {
                self.fault("RETURNING * of raw columns");
            }
        }
    }

    /// Hidden and denied columns are nowhere but in rules; masked ones only in their mask.
    fn columns(&mut self, node: &Value, within: bool) {
        if let Some(name) = column(node) {
            if (name == HIDDEN && self.hidden) || (name == DENIED && self.denied) {
                self.fault(format!("column {name}"));
            }
            let ours = node.get("fields").items().first().and_then(Value::text);
            if name == MASKED && self.masks && !within && ours == Some("pgcordon_scan") {
                self.fault(format!("column {name} without its mask"));
            }
        }
        let rule = node.kind() == "A_Expr"
            && column(node.get("lexpr")) == Some(HIDDEN)
            && number(node.get("rexpr")) == Some(HIDDEN_VALUE);
        if rule {
            return;
        }
        let mask = node.kind() == "FuncCall"
            && node.get("funcname").items().last().and_then(Value::text) == Some(MASK);
        node.children().into_iter().for_each(|child| self.columns(child, within || mask));
    }
}

/// Whether the relation has hidden and masked columns, and whether denied ones.
fn changed(relation: &Value) -> (bool, bool) {
    let public = relation.get("schemaname").text() == Some("public");
    let name = relation.get("relname").text();
    let (customers, employees) = (name == Some("customers"), name == Some("employees"));
    (public && employees, public && customers)
}

/// Whether a condition holds only where the relation's key is that constant.
fn implies(condition: &Value, alias: &str, magic: u32) -> bool {
    let implied = |value: &Value| implies(value, alias, magic);
    match condition.kind() {
        "A_Expr" => {
            let left = condition.get("lexpr");
            let right = number(condition.get("rexpr"));
            if condition.get("name").items().last().and_then(Value::text) != Some("=") {
                return false;
            }
            match left.kind() {
                "ColumnRef" => {
                    let fields = left.get("fields").items();
                    let named: Vec<&str> = fields.iter().filter_map(Value::text).collect();
                    named == [alias, KEY] && right == Some(magic)
                }
                // A check: zero, or an error.
                "CaseExpr" => right == Some(0) && checked(left, alias, magic),
                // The same over a row that MERGE proposes.
                "SubLink" if alias == PROPOSED => {
                    right == Some(0)
                        && only_value(left).is_some_and(|value| checked(value, alias, magic))
                }
                _ => false,
            }
        }
        "BoolExpr" => {
            let items = condition.get("args").items();
            match condition.get("boolop") {
                and if *and == word("0") => items.iter().any(implied),
                or if *or == word("1") => items.iter().all(implied),
                _ => false,
            }
        }
        "BooleanTest" => {
            *condition.get("booltesttype") == word("0") && implied(condition.get("arg"))
        }
        "CaseExpr" => {
            let arms = condition.get("args").items();
            let arm = |arm: &Value| implied(arm.get("expr")) || implied(arm.get("result"));
            !condition.get("defresult").is_some() && arms.iter().all(arm)
        }
        // A predicate with a sub-select stands behind `(SELECT … FROM (SELECT columns) AS pgcordon_row)`.
        "SubLink" => {
            let select = condition.get("subselect");
            let values = select.get("target_list").items();
            let [row] = select.get("from_clause").items() else { return false };
            let [value] = values else { return false };
            let mut keys = row.get("subquery").get("target_list").items().iter();
            let same = keys.any(|target| column_of(target.get("val")) == Some((alias, KEY)));
            same && implies(value.get("val"), "pgcordon_row", magic)
        }
        _ => false,
    }
}

/// Whether a CASE gives zero where the key is that constant, and raises our mark otherwise.
fn checked(case: &Value, alias: &str, magic: u32) -> bool {
    let [arm] = case.get("args").items() else { return false };
    let raises = case
        .get("defresult")
        .all()
        .into_iter()
        .any(|node| constant(node).is_some_and(|text| text.starts_with("pgcordon-")));
    raises && number(arm.get("result")) == Some(0) && implies(arm.get("expr"), alias, magic)
}

/// Whether a value of SET is computed only where the row's check gives zero.
fn waits(value: &Value, alias: &str, magic: u32) -> bool {
    match value.kind() {
        "SetToDefault" => true,
        "MultiAssignRef" => {
            let row = value.get("source");
            row.kind() == "RowExpr"
                && row.get("args").items().iter().all(|value| waits(value, alias, magic))
        }
        "CaseExpr" => {
            let [arm] = value.get("args").items() else { return false };
            let test = arm.get("expr");
            !value.get("defresult").is_some()
                && number(test.get("rexpr")) == Some(0)
                && checked(test.get("lexpr"), alias, magic)
        }
        _ => false,
    }
}

/// Whether a statement that writes holds its target's constant wherever it must.
fn written(write: &Value, alias: &str, magic: u32) -> bool {
    let condition = implies(write.get("where_clause"), alias, magic);
    let last = write.get("returning_clause").get("exprs").items().last();
    let check = last.is_some_and(|target| {
        target.get("name").text() == Some("pgcordon_check")
            && checked(target.get("val"), alias, magic)
    });
    match write.kind() {
        // A row under a cursor takes no condition besides: each value of SET waits for the row's check.
        "UpdateStmt" if write.get("where_clause").kind() == "CurrentOfExpr" => {
            let mut set = write.get("target_list").items().iter();
            check && set.all(|target| waits(target.get("val"), alias, magic))
        }
        "UpdateStmt" => condition && check,
        "InsertStmt" => {
            let conflict = write.get("on_conflict_clause");
            let updates = !conflict.get("target_list").items().is_empty();
            check && (!updates || implies(conflict.get("where_clause"), alias, magic))
        }
        // A row under a cursor takes no condition besides: what was deleted is checked.
        "DeleteStmt" => condition || (check && write.get("where_clause").kind() == "CurrentOfExpr"),
        "CopyStmt" => condition,
        "MergeStmt" => {
            let read = implies(write.get("join_condition"), alias, magic);
            let whens = write.get("merge_when_clauses").items();
            !whens.is_empty() && whens.iter().all(|when| acted(when, read, alias, magic))
        }
        _ => false,
    }
}

/// The alias of a row that a write proposes.
const PROPOSED: &str = "pgcordon_row";

/// Whether a clause of MERGE touches and makes only rows with that constant; `read` where ON admits no others.
fn acted(when: &Value, read: bool, alias: &str, magic: u32) -> bool {
    let condition = when.get("condition");
    let touched = read || implies(condition, alias, magic);
    let items = when.get("target_list").items();
    let values = when.get("values").items().iter().chain(items.iter().map(|item| item.get("val")));
    let mut values = values.filter_map(only_value);
    let made =
        implies(condition, PROPOSED, magic) || values.any(|value| implies(value, PROPOSED, magic));
    // `CmdType` of nodes.h: 2 is UPDATE, 3 INSERT, 4 DELETE, 7 DO NOTHING.
    match when.get("command_type") {
        update if *update == word("2") => {
            let moved = items.iter().any(|item| item.get("name").text() == Some(KEY));
            touched && (made || !moved)
        }
        insert if *insert == word("3") => made,
        delete if *delete == word("4") => touched,
        nothing if *nothing == word("7") => read,
        _ => false,
    }
}

/// The only column of a sub-select that stands for a value.
fn only_value(link: &Value) -> Option<&Value> {
    match link.get("subselect").get("target_list").items() {
        [target] => Some(target.get("val")),
        _ => None,
    }
}

fn alias(relation: &Value) -> &str {
    let given = relation.get("alias").get("aliasname").text();
    given.or_else(|| relation.get("relname").text()).unwrap_or_default()
}

/// The last name of a column reference.
fn column(node: &Value) -> Option<&str> {
    if node.kind() == "ColumnRef" { node.get("fields").items().last()?.text() } else { None }
}

/// A reference of the form `alias.column`.
fn column_of(node: &Value) -> Option<(&str, &str)> {
    let [alias, name] = node.get("fields").items() else { return None };
    Some((alias.text()?, name.text()?))
}

fn number(node: &Value) -> Option<u32> {
    match node.get("val") {
        Value::Tuple(kind, items) if kind == "Integer" => match items.as_slice() {
            [Value::Word(digits)] => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn constant(node: &Value) -> Option<&str> {
    match node.get("val") {
        Value::Tuple(kind, items) if kind == "String" => items.first()?.text(),
        _ => None,
    }
}

/// The names that `(SELECT CASE WHEN lower(x) = ANY (ARRAY[…]) …)` lets through.
fn guarded_settings(node: &Value) -> Vec<String> {
    let targets = node.get("subselect").get("target_list").items();
    let Some(whens) = targets.first().map(|target| target.get("val").get("args").items()) else {
        return Vec::new();
    };
    let Some(mut list) = whens.first().map(|when| when.get("expr").get("rexpr")) else {
        return Vec::new();
    };
    while list.kind() == "TypeCast" {
        list = list.get("arg");
    }
    let names: Option<Vec<_>> = list.get("elements").items().iter().map(constant).collect();
    names.unwrap_or_default().into_iter().map(str::to_lowercase).collect()
}

fn word(text: &str) -> Value {
    Value::Word(text.to_owned())
}

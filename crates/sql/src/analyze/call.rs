//! Functions, operators and types by resolved identity: built-ins from an allow-list, the rest for the policy to allow.
//!
//! Invariants:
//! - A built-in function is written with `pg_catalog.` before it, so that nothing else on the search_path can be meant.
//! - An operator counts as built-in only if no operator of that name outside `pg_catalog` could be the better match.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes;

use super::scope::Scope;
use super::shape::{self, Shape, Touched, oid};
use super::{Call, Walker};
use crate::builtin;
use crate::catalog::{FunctionKind, Oid, Operator, TypeKind};
use crate::error::{Error, offset};
use crate::lex::TokenKind;
use crate::splice::Edit;

/// What `information_schema` lends to drivers: gives an array's elements with their numbers.
pub(super) const EXPAND_ARRAY: &str = "_pg_expandarray";

const STRINGS: [Oid; 4] = [oid::TEXT, oid::VARCHAR, oid::BPCHAR, oid::NAME];

/// Operators that `pg_catalog` has for `text` on both sides.
const TEXT_OPERATORS: [&str; 14] =
    ["=", "<>", "<", "<=", ">", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*"];

/// Whether a built-in function may be called.
#[must_use]
pub fn allowed_function(name: &str) -> bool {
    builtin::function(name).is_some() || builtin::lookup(name).is_some()
}

/// A built-in operator's name in use, with what is known of its operands.
pub(super) struct OperatorUse {
    name: String,
    left: Option<Oid>,
    right: Option<Oid>,
    location: i32,
}

impl<'a> Walker<'a> {
    pub(super) fn call(
        &mut self,
        call: &'a nodes::FuncCall,
        scope: &Scope<'a, '_>,
    ) -> Result<Shape, Error> {
        let names: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
        if let Some(lookup) = Self::lookup(&names) {
            return self.lookup_call(call, lookup, scope);
        }
        let name = names.last().copied().unwrap_or_default();
        let builtin = self.function(&names, call.args().len(), call.location)?;
        if builtin && builtin::volatile(name) {
            self.out.drawn.extend(offset(call.location));
        }
        let rowless = call.args().iter().all(super::leaf::row_free);
        if call.over().is_some() || (rowless && self.may_aggregate(builtin, name)) {
            self.unmovable += 1;
        }
        let before = self.touched;
        if let Some(Node::TypeCast(cast)) = call.args().first()
            && builtin
            && builtin::takes_configuration(name)
            && cast.type_name().is_some_and(names_configuration)
        {
            self.configurations.insert(std::ptr::from_ref(cast).addr());
        }
        let parts = self.expressions(call.args(), scope)?;
        for sort in call.agg_order() {
            self.sort(sort, scope, &super::scope::Columns::default())?;
        }
        self.optional(call.agg_filter(), scope)?;
        if let Some(window) = call.over() {
            self.window(window, scope)?;
        }
        let aggregate =
            builtin && builtin::function(name) == Some(builtin::FunctionClass::Aggregate);
        if aggregate || call.over().is_some() {
            // Evaluated over rows of this level that were admitted; no condition on its value can go below it.
            let inside = scope.items.iter().map(|item| &item.accesses);
            let sources = inside.fold(self.touched.sources, |left, range| left.without(range));
            let rows = Touched { sources, rows: true, derived: true };
            self.touched = before.with(rows);
        }
        if !builtin {
            return Ok(Shape::OPAQUE);
        }
        if name == EXPAND_ARRAY {
            return Ok(Shape { kind: Some(oid::EXPANDED), ..Shape::OPAQUE });
        }
        Ok(function_shape(name, &parts))
    }

    /// Whether the function is a built-in; a foreign one is put down for the policy to decide.
    fn function(&mut self, names: &[&str], arguments: usize, location: i32) -> Result<bool, Error> {
        let denied = || Error::Function { name: names.join("."), offset: offset(location) };
        match names {
            // PostgreSQL reads `unnest(a, b)` as two functions only where it is not qualified.
            ["unnest"] if arguments > 1 => match self.names.snapshot.functions("unnest").next() {
                None => Ok(true),
                Some(_) => Err(denied()),
            },
            [name] if allowed_function(name) => {
                self.qualify(location)?;
                Ok(true)
            }
            ["pg_catalog", name] if allowed_function(name) => Ok(true),
            ["information_schema", EXPAND_ARRAY] => Ok(true),
            [name] => {
                let schema = self.foreign_function(name).ok_or_else(denied)?;
                self.qualify_with(location, &schema)?;
                self.foreign(schema, name, location);
                Ok(false)
            }
            [schema, name] if *schema != "pg_catalog" && *schema != "information_schema" => {
                self.foreign((*schema).to_owned(), name, location);
                Ok(false)
            }
            _ => Err(denied()),
        }
    }

    fn may_aggregate(&self, builtin: bool, name: &str) -> bool {
        if builtin {
            return builtin::function(name) == Some(builtin::FunctionClass::Aggregate);
        }
        let mut found = self.names.snapshot.functions(name);
        found.any(|function| function.kind == FunctionKind::Aggregate)
    }

    fn foreign_function(&self, name: &str) -> Option<String> {
        let mut path = self.names.search_path.iter();
        let found = path.find(|schema| {
            self.names.snapshot.functions(name).any(|function| &function.schema == *schema)
        });
        found.cloned()
    }

    fn foreign(&mut self, schema: String, name: &str, location: i32) {
        let offset = offset(location).unwrap_or_default();
        self.out.calls.push(Call { schema, name: name.to_owned(), offset });
    }

    /// Writes `pg_catalog.` before a name; not where the grammar made the call of other syntax (EXTRACT, TRIM …).
    pub(super) fn qualify(&mut self, location: i32) -> Result<(), Error> {
        self.qualify_with(location, "pg_catalog")
    }

    fn qualify_with(&mut self, location: i32, schema: &str) -> Result<(), Error> {
        let token = self.parsed.token_at(location)?;
        let named = self.parsed.is(token, TokenKind::Identifier)
            || self.parsed.is(token, TokenKind::QuotedIdentifier);
        if !named {
            return Err(crate::parse::disagreement(self.parsed.start(token)));
        }
        let at = self.parsed.start(token);
        let mut text = String::new();
        if schema == "pg_catalog" {
            text.push_str("pg_catalog.");
        } else {
            crate::splice::push_quoted(&mut text, schema);
            text.push('.');
        }
        self.out.edits.push(Edit { range: at..at, text });
        Ok(())
    }

    pub(super) fn operator(
        &mut self,
        name: &NodeList,
        left: Shape,
        right: Shape,
        location: i32,
    ) -> Result<(), Error> {
        let names: Vec<&str> = name.iter().filter_map(Node::as_str).collect();
        match names.as_slice() {
            [name] => self.operator_named(None, name, left, right, location),
            [schema, name] => self.operator_named(Some(schema), name, left, right, location),
            _ => Err(Error::unsupported("this operator", location)),
        }
    }

    pub(super) fn operator_named(
        &mut self,
        schema: Option<&str>,
        name: &str,
        left: Shape,
        right: Shape,
        location: i32,
    ) -> Result<(), Error> {
        match schema {
            Some("pg_catalog") if builtin::operator(name) => Ok(()),
            Some("pg_catalog") => {
                Err(Error::Operator { name: name.to_owned(), offset: offset(location) })
            }
            Some(schema) => {
                self.foreign(schema.to_owned(), name, location);
                Ok(())
            }
            None => {
                let shadowed = self.names.snapshot.operators(name).next().is_some();
                if shadowed || !builtin::operator(name) {
                    self.operators.push(OperatorUse {
                        name: name.to_owned(),
                        left: left.kind.filter(|kind| *kind != oid::UNKNOWN),
                        right: right.kind.filter(|kind| *kind != oid::UNKNOWN),
                        location,
                    });
                }
                Ok(())
            }
        }
    }

    /// Once all types of the statement are known: could an operator outside `pg_catalog` be the one meant?
    pub(super) fn check_operators(&mut self) -> Result<(), Error> {
        for used in std::mem::take(&mut self.operators) {
            match self.reachable_operator(&used) {
                Some(schema) => self.foreign(schema, &used.name, used.location),
                None if builtin::operator(&used.name) => {}
                None => {
                    let place = offset(used.location);
                    return Err(Error::Operator { name: used.name, offset: place });
                }
            }
        }
        Ok(())
    }

    /// A rule means the same under every search_path: what could be an operator outside `pg_catalog` names its schema.
    pub(super) fn check_rule_operators(&self) -> Result<(), Error> {
        for used in &self.operators {
            if self.reachable_operator(used).is_some() {
                let place = offset(used.location);
                return Err(Error::Operator { name: used.name.clone(), offset: place });
            }
        }
        Ok(())
    }

    /// The schema of an operator outside `pg_catalog` that could be the one meant.
    fn reachable_operator(&self, used: &OperatorUse) -> Option<String> {
        let fits = |candidate: &&Operator| {
            // `text` is the preferred type of strings (PostgreSQL's manual, "Operator Type Resolution"): where there is
            // a built-in operator for two of them, one for `varchar` and the like is never the better match.
            let strings =
                [candidate.left, candidate.right].iter().all(|kind| STRINGS.contains(kind));
            let preferred = strings && TEXT_OPERATORS.contains(&used.name.as_str());
            let fits = |declared, operand| self.operand_fits(declared, operand, preferred);
            fits(candidate.left, used.left) && fits(candidate.right, used.right)
        };
        let found = self.names.snapshot.operators(&used.name).filter(fits).last();
        found.map(|operator| operator.schema.clone())
    }

    /// Whether an operand of that type, if known, could be taken for `declared`.
    fn operand_fits(&self, declared: Oid, operand: Option<Oid>, preferred: bool) -> bool {
        if declared == Oid(0) {
            return true;
        }
        let foreign = self.names.snapshot.type_by_oid(declared).is_some();
        match operand {
            _ if foreign => self.foreign_types.contains(&declared),
            Some(oid::TEXT) if preferred => declared == oid::TEXT,
            Some(operand) => operand == declared || !number_or_time(operand),
            None => true,
        }
    }

    /// Checks a type that a statement names; gives its OID where it is a plain built-in one.
    pub(super) fn type_name(&mut self, kind: &'a nodes::TypeName) -> Result<Option<Oid>, Error> {
        if kind.pct_type || kind.setof {
            return Err(Error::unsupported("this type name", kind.location));
        }
        let scope = Scope { items: &[], parent: None };
        for modifier in kind.typmods() {
            if !matches!(modifier, Node::ColumnRef(_)) {
                self.expression(modifier, &scope)?;
            }
        }
        let names: Vec<&str> = kind.names().iter().filter_map(nodes::String::sval).collect();
        let array = !kind.array_bounds().is_empty();
        let unknown =
            || Error::UnknownType { name: names.join("."), offset: offset(kind.location) };
        let (schema, name) = match names.as_slice() {
            [name] => (None, *name),
            [schema, name] => (Some(*schema), *name),
            _ => return Err(unknown()),
        };
        let builtin = match schema {
            None => !self.hidden_type(name),
            Some(schema) => schema == "pg_catalog",
        };
        if builtin && builtin::castable_type(name) {
            return Ok(builtin_oid(name).filter(|_| !array));
        }
        let found = self.foreign_type(schema, name).ok_or_else(unknown)?;
        Ok(Some(found).filter(|_| !array))
    }

    /// Whether a schema that is searched before `pg_catalog` has a type of that name, or the type of which it is the array.
    fn hidden_type(&self, name: &str) -> bool {
        let snapshot = self.names.snapshot;
        let before = snapshot.searched(self.names.search_path);
        let before: Vec<&str> = before.take_while(|schema| *schema != "pg_catalog").collect();
        let element = name.strip_prefix('_').unwrap_or(name);
        let mut kinds = [name, element].into_iter().flat_map(|one| snapshot.types(one));
        !before.is_empty() && kinds.any(|kind| before.contains(&kind.schema.as_str()))
    }

    fn foreign_type(&mut self, schema: Option<&str>, name: &str) -> Option<Oid> {
        let snapshot = self.names.snapshot;
        let found = match schema {
            Some("pg_temp") => {
                let schema = snapshot.temporary()?;
                snapshot.types(name).find(|found| found.schema == schema)
            }
            Some(schema) => snapshot.types(name).find(|found| found.schema == schema),
            None => snapshot
                .searched(self.names.search_path)
                .find_map(|schema| snapshot.types(name).find(|found| found.schema == schema)),
        }?;
        match found.kind {
            TypeKind::Enum | TypeKind::Domain | TypeKind::Range | TypeKind::Multirange => {
                if !self.names.lens.names_type(found.oid) {
                    return None;
                }
            }
            TypeKind::Composite => {
                let relation = snapshot.by_oid(found.relation)?;
                let free =
                    snapshot.relation(relation).kind == crate::catalog::RelationKind::CompositeType;
                if !free && !self.whole_row_visible(relation) {
                    return None;
                }
            }
            TypeKind::Base => self.foreign_types.push(found.oid),
            TypeKind::Pseudo => return None,
        }
        Some(found.oid)
    }

    /// A table's row type names all of its columns: one that hides some does not exist.
    fn whole_row_visible(&self, relation: crate::catalog::RelationId) -> bool {
        match self.names.lens.seen(relation) {
            super::Seen::Columns(view) => view.iter().all(|column| match column {
                super::Visibility::Clear | super::Visibility::Changed => true,
                super::Visibility::Denied | super::Visibility::Hidden => false,
            }),
            super::Seen::Absent | super::Seen::Expand => false,
        }
    }

    /// Remembers the extension types among a relation's columns.
    pub(super) fn note_types(&mut self, relation: &crate::catalog::Relation) {
        for column in &relation.columns {
            if let Some(found) = self.names.snapshot.type_by_oid(column.type_oid)
                && found.kind == TypeKind::Base
                && !self.foreign_types.contains(&found.oid)
            {
                self.foreign_types.push(found.oid);
            }
        }
    }
}

/// `regconfig` itself, no array of it.
fn names_configuration(kind: &nodes::TypeName) -> bool {
    let names: Vec<&str> = kind.names().iter().filter_map(nodes::String::sval).collect();
    let plain = kind.array_bounds().is_empty() && !kind.setof && !kind.pct_type;
    plain && matches!(names.as_slice(), ["regconfig"] | ["pg_catalog", "regconfig"])
}

fn number_or_time(kind: Oid) -> bool {
    [
        oid::BOOL,
        oid::INT2,
        oid::INT4,
        oid::INT8,
        oid::FLOAT4,
        oid::FLOAT8,
        oid::NUMERIC,
        oid::DATE,
        oid::TIME,
        oid::TIMETZ,
        oid::TIMESTAMP,
        oid::TIMESTAMPTZ,
        oid::INTERVAL,
        oid::UUID,
        oid::JSON,
        oid::JSONB,
        oid::BYTEA,
    ]
    .contains(&kind)
}

/// What is known of a built-in function's result.
fn function_shape(name: &str, parts: &[Shape]) -> Shape {
    let calm = parts.iter().all(|part| part.calm);
    let first = parts.first().copied().unwrap_or(Shape::OPAQUE);
    match (name, parts.len()) {
        ("now" | "transaction_timestamp" | "statement_timestamp" | "clock_timestamp", 0) => {
            Shape::value(oid::TIMESTAMPTZ)
        }
        ("count", _) => Shape { kind: Some(oid::INT8), calm, literal: false, ..Shape::OPAQUE },
        ("min" | "max", 1) => Shape { calm, literal: false, ..first },
        ("sum" | "avg", 1) => super::number::total(name, first).unwrap_or(Shape::OPAQUE),
        // Case mapping and length of valid UTF-8 cannot fail.
        ("lower" | "upper", 1) if shape::textual(first) => {
            let collation = first.collation;
            Shape { kind: Some(oid::TEXT), calm, literal: false, collation, ..Shape::OPAQUE }
        }
        ("length" | "char_length" | "character_length", 1) if shape::textual(first) => {
            Shape { kind: Some(oid::INT4), calm, literal: false, ..Shape::OPAQUE }
        }
        _ => Shape::OPAQUE,
    }
}

fn builtin_oid(name: &str) -> Option<Oid> {
    Some(match name {
        "bool" => oid::BOOL,
        "int2" => oid::INT2,
        "int4" => oid::INT4,
        "int8" => oid::INT8,
        "text" => oid::TEXT,
        "varchar" => oid::VARCHAR,
        "bpchar" => oid::BPCHAR,
        "name" => oid::NAME,
        "float4" => oid::FLOAT4,
        "float8" => oid::FLOAT8,
        "numeric" => oid::NUMERIC,
        "date" => oid::DATE,
        "time" => oid::TIME,
        "timetz" => oid::TIMETZ,
        "timestamp" => oid::TIMESTAMP,
        "timestamptz" => oid::TIMESTAMPTZ,
        "interval" => oid::INTERVAL,
        "uuid" => oid::UUID,
        "bytea" => oid::BYTEA,
        "json" => oid::JSON,
        "jsonb" => oid::JSONB,
        _ => return None,
    })
}

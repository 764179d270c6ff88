//! Catalog functions and casts to OID alias types: what would tell of an object, whoever may see it.
//!
//! In:  calls such as `pg_get_viewdef(…)`, casts such as `oid::regclass`.
//! Out: [`Guard`]s for `rewrite`; a constant `'t'::regclass` is resolved here, as a name in FROM is.
//!
//! Invariants:
//! - No value of an alias type is left in the statement: a string beside one (COALESCE, UNION …) would be looked up by
//!   PostgreSQL. A cast to one becomes an OID where it is compared or cast on, and a name as text elsewhere.
//! - The client's own expressions stay where they are, inside a sub-select without FROM.

use std::ops::Range;

use pg_raw_parse::nodes::{self, SubLinkType};
use pg_raw_parse::{ConstValue, Node};

use super::name::output_name;
use super::scope::Scope;
use super::shape::{Shape, oid};
use super::{Seen, Walker};
use crate::builtin::{self, Alias, Given, Lookup, Object, Replaced};
use crate::catalog::RelationId;
use crate::error::{Error, offset};
use crate::lex::TokenKind;
use crate::splice::{Edit, literal, quoted};

/// What is wanted of a value of an alias type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// Its OID, as `oid`.
    Number,
    /// Its name, as `text`.
    Name,
}

/// How a place is guarded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A cast of the one part; an unknown name raises.
    Cast(Alias, Wanted),
    /// As [`Form::Cast`], of each element of an array.
    Elements(Alias, Wanted),
    /// The one part is an argument that becomes NULL unless the reader may know of the object.
    Argument(Object, Given),
    /// A call, its arguments the parts.
    Call(Replaced, Wanted),
    /// The one part names a setting: what may not be shown becomes a name that no setting has.
    Setting,
}

/// A place where the catalog would tell of an object.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The bytes that become another expression, the parts among them.
    pub range: Range<usize>,
    /// How.
    pub form: Form,
    /// The client's expressions that stay, in order; one at least.
    pub parts: Vec<Range<usize>>,
    /// The name of the output column that the expression would have.
    pub output: String,
}

impl<'a> Walker<'a> {
    /// The guard that a name of `pg_catalog` needs, if it is a catalog function.
    pub(super) fn lookup(names: &[&str]) -> Option<(Lookup, bool)> {
        let (name, qualified) = match names {
            [name] => (*name, false),
            ["pg_catalog", name] => (*name, true),
            _ => return None,
        };
        if builtin::function(name).is_some() {
            return None;
        }
        Some((builtin::lookup(name)?, qualified))
    }

    /// A call of a catalog function.
    pub(super) fn lookup_call(
        &mut self,
        call: &'a nodes::FuncCall,
        (lookup, qualified): (Lookup, bool),
        scope: &Scope<'a, '_>,
    ) -> Result<Shape, Error> {
        let plain = !call.agg_star
            && !call.agg_distinct
            && !call.func_variadic
            && !call.agg_within_group
            && call.over().is_none()
            && call.agg_order().is_empty()
            && matches!(call.agg_filter(), Node::None)
            && !call.args().iter().any(|argument| matches!(argument, Node::NamedArgExpr(_)));
        if !plain {
            return Err(Error::unsupported(
                "this form of calling a catalog function",
                call.location,
            ));
        }
        let (range, parts) = self.arguments(call)?;
        let named = self.setting(lookup, call)?;
        if let Lookup::First(..) | Lookup::Whole(_) = lookup {
            call.args().iter().for_each(|argument| self.want_number(argument));
        }
        let before = self.unmovable;
        self.expressions(call.args(), scope)?;
        let moved = self.unmovable != before;
        match lookup {
            Lookup::Free | Lookup::SetConfig => {}
            Lookup::Setting if named => {}
            Lookup::Setting | Lookup::First(..) | Lookup::Whole(_) if moved => {
                return Err(unmovable(call.location));
            }
            Lookup::Setting => self.guard_first(&parts, Form::Setting),
            Lookup::First(object, given) => {
                self.guard_first(&parts, Form::Argument(object, given));
            }
            Lookup::Whole(replaced) => {
                let wanted = self.wanted(std::ptr::from_ref(call).addr());
                return self.replace(call, replaced, wanted, range, parts);
            }
        }
        if !qualified {
            self.qualify(call.location)?;
        }
        Ok(Shape::OPAQUE)
    }

    fn guard_first(&mut self, parts: &[Range<usize>], form: Form) {
        if let Some(first) = parts.first() {
            self.out.guards.push(Guard {
                range: first.clone(),
                form,
                parts: vec![first.clone()],
                output: String::new(),
            });
        }
    }

    fn replace(
        &mut self,
        call: &'a nodes::FuncCall,
        replaced: Replaced,
        wanted: Wanted,
        range: Range<usize>,
        parts: Vec<Range<usize>>,
    ) -> Result<Shape, Error> {
        let (least, most) = replaced.arguments();
        if parts.len() < least || parts.len() > most {
            let name = super::name::last_string(call.funcname()).unwrap_or_default().to_owned();
            return Err(Error::Function { name, offset: offset(call.location) });
        }
        let output = output_name(Node::FuncCall(call));
        self.out.guards.push(Guard { range, form: Form::Call(replaced, wanted), parts, output });
        Ok(match replaced {
            Replaced::ToAlias(_) | Replaced::TypeOf => wanted.shape(),
            Replaced::Expression
            | Replaced::ColumnDescription
            | Replaced::Description
            | Replaced::SharedDescription
            | Replaced::SerialSequence
            | Replaced::TablePrivilege
            | Replaced::ColumnPrivilege
            | Replaced::SequencePrivilege
            | Replaced::SchemaPrivilege
            | Replaced::DatabasePrivilege
            | Replaced::FunctionPrivilege
            | Replaced::TypePrivilege
            | Replaced::RolePrivilege
            | Replaced::Blocking => Shape::OPAQUE,
        })
    }

    /// The bytes of a call and of each of its arguments.
    pub(super) fn arguments(
        &self,
        call: &nodes::FuncCall,
    ) -> Result<(Range<usize>, Vec<Range<usize>>), Error> {
        let first = self.parsed.token_at(call.location)?;
        let open = self.parsed.name_end(first, call.funcname().len())? + 1;
        let close = self.parsed.closing(open)?;
        let parts = self.split_commas(open + 1, close);
        if parts.len() != call.args().len() {
            return Err(crate::parse::disagreement(self.parsed.start(open)));
        }
        Ok((self.parsed.start(first)..self.parsed.end(close), parts))
    }

    /// Marks casts to alias types in these places: they are compared or cast on, so the OID is what is meant.
    pub(super) fn want_number(&mut self, node: Node<'a>) {
        match node {
            Node::TypeCast(cast) => {
                self.numbers.insert(std::ptr::from_ref(cast).addr());
            }
            Node::FuncCall(call) => {
                self.numbers.insert(std::ptr::from_ref(call).addr());
            }
            Node::A_ArrayExpr(array) => {
                array.elements().iter().for_each(|element| self.want_number(element));
            }
            Node::NodeList(list) => list.iter().for_each(|element| self.want_number(element)),
            Node::SubLink(link) => {
                if link.sub_link_type != SubLinkType::EXISTS_SUBLINK
                    && let Node::SelectStmt(select) = link.subselect()
                {
                    self.want_numbers_of(select);
                }
            }
            _ => {}
        }
    }

    /// The columns of a sub-select, of each side of a set operation, of VALUES.
    fn want_numbers_of(&mut self, select: &'a nodes::SelectStmt) {
        select.target_list().iter().for_each(|item| self.want_number(item.val()));
        select.values_lists().iter().for_each(|row| self.want_number(row));
        for side in [select.larg(), select.rarg()].into_iter().flatten() {
            self.want_numbers_of(side);
        }
    }

    fn wanted(&self, place: usize) -> Wanted {
        if self.numbers.contains(&place) { Wanted::Number } else { Wanted::Name }
    }

    /// A cast to an alias type; `None` for any other.
    pub(super) fn alias_cast(
        &mut self,
        cast: &'a nodes::TypeCast,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<Shape>, Error> {
        let Some((alias, array)) = cast.type_name().and_then(alias_of) else {
            // `x::regclass::text` wants the name, `x::regclass::oid` the number.
            let text = cast.type_name().is_some_and(textual);
            if !text {
                self.want_number(cast.arg());
            }
            return Ok(None);
        };
        let wanted = self.wanted(std::ptr::from_ref(cast).addr());
        let (range, part) = self.cast_range(cast)?;
        let output = output_name(Node::TypeCast(cast));
        if let (Alias::Class, false, Some(text)) = (alias, array, constant(cast.arg()))
            && let Some(parts) = split_name(text)
        {
            let relation = self.named(&parts);
            let relation = relation.ok_or_else(|| {
                let offset = Some(part.start);
                Error::UnknownRelation { name: parts.join("."), offset }
            })?;
            let relation = self.names.snapshot.relation(relation);
            let text = literal(&format!("{}.{}", quoted(&relation.schema), quoted(&relation.name)));
            let text = match wanted {
                Wanted::Number => {
                    format!("CAST(CAST({text} AS pg_catalog.regclass) AS pg_catalog.oid)")
                }
                Wanted::Name => format!(
                    "(SELECT CAST(CAST({text} AS pg_catalog.regclass) AS pg_catalog.text) AS {})",
                    quoted(&output)
                ),
            };
            self.out.edits.push(Edit { range, text });
            return Ok(Some(Shape { calm: true, literal: true, ..wanted.shape() }));
        }
        self.want_number(cast.arg());
        let before = self.unmovable;
        self.expression(cast.arg(), scope)?;
        if self.unmovable != before {
            return Err(unmovable(cast.location));
        }
        let (form, shape) = match array {
            true => (Form::Elements(alias, wanted), Shape::OPAQUE),
            false => (Form::Cast(alias, wanted), wanted.shape()),
        };
        self.out.guards.push(Guard { range, form, parts: vec![part], output });
        Ok(Some(shape))
    }

    /// The relation that a constant names, if the reader may know of it.
    fn named(&self, parts: &[String]) -> Option<RelationId> {
        let snapshot = self.names.snapshot;
        let found = match parts {
            [name] => snapshot.unqualified(self.names.search_path, name),
            [schema, name] => snapshot.qualified(schema, name),
            [database, schema, name] if self.names.databases.contains(&database.as_str()) => {
                snapshot.qualified(schema, name)
            }
            _ => None,
        }?;
        self.names.lens.names(found).then_some(found)
    }

    /// The bytes of a cast, and of what is cast.
    fn cast_range(&self, cast: &'a nodes::TypeCast) -> Result<(Range<usize>, Range<usize>), Error> {
        let lost = || Error::unsupported("this cast to an OID alias type", cast.location);
        let kind = cast.type_name().ok_or_else(lost)?;
        let first = self.parsed.token_at(kind.location)?;
        let mut last = self.parsed.name_end(first, kind.names().len())?;
        if !kind.array_bounds().is_empty() {
            let brackets = [TokenKind::LeftBracket, TokenKind::RightBracket];
            if !brackets.iter().zip(last + 1..).all(|(kind, token)| self.parsed.is(token, *kind)) {
                return Err(lost());
            }
            last += 2;
        }
        if cast.location < 0 {
            // `regclass 'name'`
            let part = self.constant_range(cast.arg()).ok_or_else(lost)?;
            return Ok((self.parsed.start(first)..part.end, part));
        }
        let at = self.parsed.token_at(cast.location)?;
        if self.parsed.is(at, TokenKind::DoubleColon) && first == at + 1 {
            let begin = self.leftmost(cast.arg()).ok_or_else(lost)?;
            let begin = self.opened(begin, at).ok_or_else(lost)?;
            let part = self.parsed.start(begin)..self.parsed.end(at - 1);
            return Ok((part.start..self.parsed.end(last), part));
        }
        let standard = self.parsed.is_keyword(at, "cast")
            && self.parsed.is_keyword(first - 1, "as")
            && self.parsed.closing(at + 1)? == last + 1;
        if !standard || first < at + 4 {
            return Err(lost());
        }
        let part = self.parsed.start(at + 2)..self.parsed.end(first - 2);
        Ok((self.parsed.start(at)..self.parsed.end(last + 1), part))
    }

    fn constant_range(&self, node: Node<'a>) -> Option<Range<usize>> {
        let Node::A_Const(constant) = node else { return None };
        let token = self.parsed.token_at(constant.location).ok()?;
        Some(self.parsed.start(token)..self.parsed.end(token))
    }

    /// The first token of an expression that stands before `::`, parentheses around it left out.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the arm refuses")]
    fn leftmost(&self, node: Node<'a>) -> Option<usize> {
        let location = match node {
            Node::A_Const(constant) => constant.location,
            Node::ColumnRef(column) => column.location,
            Node::ParamRef(parameter) => parameter.location,
            Node::FuncCall(call) => call.location,
            Node::SubLink(link) => link.location,
            Node::CaseExpr(case) => case.location,
            Node::A_ArrayExpr(array) => array.location,
            Node::CoalesceExpr(coalesce) => coalesce.location,
            Node::A_Indirection(indirection) => return self.leftmost(indirection.arg()),
            Node::A_Expr(expression) => match expression.lexpr() {
                Node::None => expression.location,
                left => return self.leftmost(left),
            },
            Node::TypeCast(cast) => {
                return self.parsed.token_at(self.start_of(cast)?).ok();
            }
            _ => return None,
        };
        self.parsed.token_at(location).ok()
    }

    fn start_of(&self, cast: &'a nodes::TypeCast) -> Option<i32> {
        if cast.location < 0 {
            return Some(cast.type_name()?.location);
        }
        let at = self.parsed.token_at(cast.location).ok()?;
        if !self.parsed.is(at, TokenKind::DoubleColon) {
            return Some(cast.location);
        }
        let begin = self.opened(self.leftmost(cast.arg())?, at)?;
        i32::try_from(self.parsed.start(begin)).ok()
    }

    /// `begin`, or the parenthesis before it that closes before `end`.
    fn opened(&self, begin: usize, end: usize) -> Option<usize> {
        let (mut depth, mut unopened) = (0_usize, 0_usize);
        for token in begin..end {
            if self.parsed.is(token, TokenKind::LeftParen) {
                depth += 1;
            } else if self.parsed.is(token, TokenKind::RightParen) {
                match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => unopened += 1,
                }
            }
        }
        let first = begin.checked_sub(unopened)?;
        let opens = (first..begin).all(|token| self.parsed.is(token, TokenKind::LeftParen));
        (opens && depth == 0).then_some(first)
    }
}

/// The functions that the definition of a view without rules calls, if it can be read with these eyes.
///
/// # Errors
/// Why it cannot.
pub fn readable_view(names: super::Names<'_>, view: RelationId) -> Result<Vec<super::Call>, Error> {
    let parsed = crate::parse::Parsed::new("", crate::parse::Limits::VIEW)?;
    let mut walker = Walker::new(&parsed, names, 0..0, 0);
    match names.lens.seen(view) {
        Seen::Expand => walker.expand(view).map(|(_, body)| body.statement.calls),
        Seen::Columns(_) => Ok(Vec::new()),
        Seen::Absent => Err(Error::UnknownRelation { name: String::new(), offset: None }),
    }
}

impl Wanted {
    fn shape(self) -> Shape {
        let kind = match self {
            Self::Number => oid::OID,
            Self::Name => oid::TEXT,
        };
        Shape { kind: Some(kind), ..Shape::OPAQUE }
    }
}

impl Replaced {
    /// The least and the most arguments.
    fn arguments(self) -> (usize, usize) {
        match self {
            Self::Expression
            | Self::TablePrivilege
            | Self::SequencePrivilege
            | Self::SchemaPrivilege
            | Self::DatabasePrivilege
            | Self::FunctionPrivilege
            | Self::TypePrivilege
            | Self::RolePrivilege => (2, 3),
            Self::ColumnPrivilege => (3, 4),
            Self::ColumnDescription | Self::SharedDescription | Self::SerialSequence => (2, 2),
            Self::Description => (1, 2),
            Self::TypeOf | Self::ToAlias(_) | Self::Blocking => (1, 1),
        }
    }
}

fn unmovable(location: i32) -> Error {
    let what = "a window function or count(*) inside a catalog function or an OID alias cast";
    Error::unsupported(what, location)
}

/// The alias type of a cast, and whether it is an array of one dimension.
fn alias_of(kind: &nodes::TypeName) -> Option<(Alias, bool)> {
    if kind.array_bounds().len() > 1 || kind.setof || kind.pct_type {
        return None;
    }
    let names: Vec<&str> = kind.names().iter().filter_map(nodes::String::sval).collect();
    let alias = match names.as_slice() {
        [name] | ["pg_catalog", name] => Alias::of(name),
        _ => None,
    };
    alias.map(|alias| (alias, !kind.array_bounds().is_empty()))
}

fn textual(kind: &nodes::TypeName) -> bool {
    let name = kind.names().iter().next_back().and_then(nodes::String::sval);
    name.is_some_and(|name| ["text", "varchar", "bpchar", "name", "char"].contains(&name))
}

/// A string constant's value.
pub(super) fn constant(node: Node<'_>) -> Option<&str> {
    let Node::A_Const(constant) = node else { return None };
    match constant.val() {
        Some(ConstValue::String(text)) => Some(text),
        Some(_) | None => None,
    }
}

/// The parts of a name in a string, as `stringToQualifiedNameList` reads them; `None` for an OID, for what is no name,
/// and for white space: PostgreSQL decides on these.
pub(super) fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(inside) => quoted_part(inside)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let plain = &rest[..end];
                let odd = |letter: char| letter.is_whitespace() || letter == '"';
                if plain.is_empty() || plain.contains(odd) {
                    return None;
                }
                (crate::lex::fold(plain).into_owned(), &rest[end..])
            }
        };
        parts.push(part);
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix('.')?;
    }
    let number = text == "-" || text.bytes().all(|byte| byte.is_ascii_digit());
    let short = parts.iter().all(|part| part.len() <= crate::lex::NAME_BYTES && !part.is_empty());
    (short && !number).then_some(parts)
}

fn quoted_part(inside: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = inside;
    loop {
        let end = rest.find('"')?;
        part.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Some((part, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_strings_are_split_as_postgres_splits_them() {
        let check = |text: &str, parts: &[&str]| {
            let parts = parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
            assert_eq!(split_name(text), Some(parts), "{text}");
        };
        check("Orders", &["orders"]);
        check("public.\"Mixed \"\"Case\"", &["public", "Mixed \"Case"]);
        check("\"a.b\".c", &["a.b", "c"]);
        for text in ["", "12", "-", "a.", ".a", "a b", "\"a", "\"a\"b", "\"\""] {
            assert_eq!(split_name(text), None, "{text}");
        }
    }
}

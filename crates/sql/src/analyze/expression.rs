//! Expressions: every node kind that PostgreSQL's grammar can put into one.
//!
//! Invariants:
//! - A kind that is not named here is refused.
//! - Kinds that servers before 16 or 17 read otherwise (JSON constructors and queries) are refused.

use std::collections::BTreeMap;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, A_Expr_Kind, SubLinkType, XmlExprOp};

use super::leaf::{
    alternatives, arithmetic, bounded_interval, calm_pattern, compares, comparison, constant_shape,
    json_or_other, now_like, parameter_or_literal, required, single_row, value_function,
};
use super::query::Want;
use super::scope::{Found, Scope};
use super::shape::{self, Shape, Touched, oid};
use super::{TargetPart, TargetUse, Walker};
use crate::catalog::{Oid, TypeKind};
use crate::error::{Error, offset};
use crate::lex::TokenKind;
use crate::splice::Edit;

impl<'a> Walker<'a> {
    pub(super) fn expression(
        &mut self,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
    ) -> Result<Shape, Error> {
        let (shape, touched) = self.measured(|walker| {
            Ok(match node {
                Node::ColumnRef(column) => walker.column(column, scope)?,
                Node::A_Const(constant) => constant_shape(constant),
                Node::ParamRef(parameter) => walker.parameter(parameter),
                other => walker.descend(|walker| walker.compound(other, scope))?,
            })
        })?;
        self.loud += usize::from(!shape.calm);
        Ok(Shape { sources: touched.sources, ..shape })
    }

    /// A parameter takes the other side's type, unless the client declared one.
    fn parameter(&self, parameter: &nodes::ParamRef) -> Shape {
        let index = usize::try_from(parameter.number).ok().and_then(|number| number.checked_sub(1));
        let declared = index.and_then(|index| self.names.parameter_types.get(index)).copied();
        match declared.unwrap_or(0) {
            0 | 705 => Shape { literal: false, ..Shape::UNKNOWN },
            known => Shape::value(Oid(known)),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "PostgreSQL has 480 node kinds, most of them the planner's; the arm refuses"
    )]
    fn compound(&mut self, node: Node<'a>, scope: &Scope<'a, '_>) -> Result<Shape, Error> {
        match node {
            Node::A_Expr(expression) => self.operation(expression, scope),
            Node::BoolExpr(expression) => {
                let parts = self.expressions(expression.args(), scope)?;
                Ok(Shape::truth(&parts, true))
            }
            Node::FuncCall(call) => self.call(call, scope),
            Node::TypeCast(cast) => self.cast(cast, scope),
            Node::CollateClause(collate) => self.collate(collate, scope),
            Node::SubLink(link) => self.sublink(link, scope),
            Node::CaseExpr(case) => self.case(case, scope),
            Node::CoalesceExpr(coalesce) => {
                let parts = self.expressions(coalesce.args(), scope)?;
                Ok(alternatives(&parts))
            }
            Node::MinMaxExpr(extreme) => {
                let parts = self.expressions(extreme.args(), scope)?;
                Ok(alternatives(&parts))
            }
            Node::NullTest(test) => {
                let arg = self.expression(test.arg(), scope)?;
                Ok(Shape::truth(&[arg], true))
            }
            Node::BooleanTest(test) => {
                let arg = self.expression(test.arg(), scope)?;
                Ok(Shape::truth(&[arg], arg.kind == Some(oid::BOOL)))
            }
            Node::A_ArrayExpr(array) => {
                let parts = self.expressions(array.elements(), scope)?;
                let literal = parts.iter().all(|part| part.literal);
                let calm = parts.iter().all(|part| part.calm) && alternatives(&parts).calm;
                Ok(Shape { kind: None, calm, literal, ..Shape::OPAQUE })
            }
            Node::A_Indirection(indirection) => self.indirection(indirection, scope),
            Node::RowExpr(row) => {
                let parts = self.expressions(row.args(), scope)?;
                let calm = parts.iter().all(|part| part.calm);
                Ok(Shape { kind: None, calm, literal: false, ..Shape::OPAQUE })
            }
            Node::SQLValueFunction(function) => value_function(function),
            Node::GroupingFunc(grouping) => {
                self.expressions(grouping.args(), scope)?;
                Ok(Shape::value(oid::INT4))
            }
            Node::NamedArgExpr(argument) => self.expression(argument.arg(), scope),
            Node::SetToDefault(_) => Ok(Shape::OPAQUE),
            Node::MultiAssignRef(reference) => self.expression(reference.source(), scope),
            Node::XmlExpr(xml) => self.xml(xml, scope),
            Node::XmlSerialize(xml) => {
                self.expression(xml.expr(), scope)?;
                self.type_name(required(xml.type_name(), xml.location)?)?;
                Ok(Shape::OPAQUE)
            }
            Node::CurrentOfExpr(_) => Err(Error::unsupported("WHERE CURRENT OF", -1)),
            Node::NodeList(list) => {
                self.expressions(list, scope)?;
                Ok(Shape::OPAQUE)
            }
            other => Err(Error::unsupported(json_or_other(other), -1)),
        }
    }

    fn column(
        &mut self,
        reference: &'a nodes::ColumnRef,
        scope: &Scope<'a, '_>,
    ) -> Result<Shape, Error> {
        let found = self.resolve_column(reference, scope)?;
        self.touch(&found);
        Ok(match found {
            Found::Column { mut shape, target, .. } => {
                shape.enumerated = self.enumerated(shape.kind);
                if let Some((access, column)) = target {
                    self.target_use(access, TargetPart::Column(column), reference)?;
                }
                shape
            }
            Found::Row { target, scanned, .. } => {
                if let Some(access) = target {
                    self.target_use(access, TargetPart::Row, reference)?;
                }
                self.whole_row(scanned, reference, scope);
                Shape { calm: true, ..Shape::OPAQUE }
            }
            Found::System { accesses, .. } if accesses.is_empty() && self.views > 0 => {
                let what = "writing through a view with system columns";
                return Err(Error::unsupported(what, reference.location));
            }
            Found::System { accesses, name, .. } => self.system_use(accesses, name),
            Found::Unknown(_) => Shape { calm: true, ..Shape::OPAQUE },
        })
    }

    /// Whether it is an enum type, not an array of one.
    fn enumerated(&self, kind: Option<Oid>) -> bool {
        let found = kind.and_then(|kind| self.names.snapshot.type_by_oid(kind));
        found.is_some_and(|found| found.kind == TypeKind::Enum && Some(found.oid) == kind)
    }

    /// Notes what a reference reads.
    fn touch(&mut self, found: &Found) {
        let (sources, derived) = match found {
            Found::Column { shape, origin, .. } => (shape.sources, origin.is_none()),
            Found::System { sources, .. } | Found::Row { sources, .. } => (*sources, true),
            Found::Unknown(sources) => (*sources, true),
        };
        self.touched = self.touched.with(Touched { sources, rows: true, derived });
    }

    pub(super) fn resolve_column(
        &mut self,
        reference: &'a nodes::ColumnRef,
        scope: &Scope<'a, '_>,
    ) -> Result<Found, Error> {
        let place = offset(reference.location);
        let mut names = Vec::with_capacity(4);
        for field in reference.fields() {
            match field {
                Node::A_Star(_) => names.push("*"),
                other => names.push(other.as_str().unwrap_or_default()),
            }
        }
        self.respell(reference, &names)?;
        match names.as_slice() {
            [column] => scope.single(column, place),
            [table, "*"] => Ok(scope.row(None, table, place)?.0),
            [table, column] => scope.qualified(None, table, column, place),
            [schema, table, "*"] | [_, schema, table, "*"] => {
                Ok(scope.row(Some(schema), table, place)?.0)
            }
            [schema, table, column] | [_, schema, table, column] => {
                scope.qualified(Some(schema), table, column, place)
            }
            _ => Err(Error::unsupported("this column reference", reference.location)),
        }
    }

    /// `schema.relation.column` loses its schema: the relation may be a sub-select there.
    fn respell(&mut self, reference: &nodes::ColumnRef, names: &[&str]) -> Result<(), Error> {
        let dropped = match names.len() {
            3 => 1,
            4 => 2,
            _ => return Ok(()),
        };
        if dropped == 2 && !self.names.databases.contains(&names[0]) {
            return Err(Error::unsupported("a cross-database reference", reference.location));
        }
        let first = self.parsed.token_at(reference.location)?;
        self.parsed.name_end(first, names.len())?;
        let range = self.parsed.start(first)..self.parsed.start(first + 2 * dropped);
        self.out.edits.push(Edit { range, text: String::new() });
        Ok(())
    }

    pub(super) fn target_use(
        &mut self,
        access: usize,
        part: TargetPart,
        reference: &nodes::ColumnRef,
    ) -> Result<(), Error> {
        let first = self.parsed.token_at(reference.location)?;
        let last = self.parsed.name_end(first, reference.fields().len())?;
        let range = self.parsed.start(first)..self.parsed.end(last);
        let name = super::name::last_string(reference.fields()).unwrap_or_default().to_owned();
        let (output_name, names_item) = (None, false);
        self.out.target_uses.push(TargetUse { access, part, range, output_name, name, names_item });
        Ok(())
    }

    fn operation(
        &mut self,
        expression: &'a nodes::A_Expr,
        scope: &Scope<'a, '_>,
    ) -> Result<Shape, Error> {
        if compares(expression) {
            self.want_number(expression.lexpr());
            self.want_number(expression.rexpr());
        }
        let left = self.optional(expression.lexpr(), scope)?;
        let right_node = expression.rexpr();
        let list = match right_node {
            Node::NodeList(list) => Some(self.expressions(list, scope)?),
            _ => None,
        };
        let right = match &list {
            Some(_) => Shape::OPAQUE,
            None => self.expression(right_node, scope)?,
        };
        self.free_operands(expression, left, right);
        let many = |parts: &[Shape], left: Shape| {
            parts.iter().all(|part| part.calm && shape::comparable(left, *part)) && left.calm
        };
        let location = expression.location;
        match expression.kind {
            A_Expr_Kind::AEXPR_OP => self.binary(expression, left, right),
            A_Expr_Kind::AEXPR_OP_ANY | A_Expr_Kind::AEXPR_OP_ALL => {
                self.operator(expression.name(), left, Shape::OPAQUE, location)?;
                let calm = comparison(expression.name())
                    && left.calm
                    && shape::comparable(left, left)
                    && parameter_or_literal(right_node, right);
                Ok(Shape { kind: Some(oid::BOOL), calm, literal: false, ..Shape::OPAQUE })
            }
            A_Expr_Kind::AEXPR_DISTINCT | A_Expr_Kind::AEXPR_NOT_DISTINCT => {
                self.operator(expression.name(), left, right, location)?;
                Ok(Shape::truth(&[left, right], shape::comparable(left, right)))
            }
            A_Expr_Kind::AEXPR_NULLIF => {
                self.operator(expression.name(), left, right, location)?;
                let calm = left.calm && right.calm && shape::comparable(left, right);
                Ok(Shape {
                    kind: left.kind,
                    calm,
                    literal: left.literal && right.literal,
                    ..Shape::OPAQUE
                })
            }
            A_Expr_Kind::AEXPR_IN => {
                self.operator(expression.name(), left, right, location)?;
                let calm = list.as_deref().is_some_and(|parts| many(parts, left));
                Ok(Shape { kind: Some(oid::BOOL), calm, literal: false, ..Shape::OPAQUE })
            }
            A_Expr_Kind::AEXPR_LIKE | A_Expr_Kind::AEXPR_ILIKE => {
                self.operator(expression.name(), left, right, location)?;
                let calm = left.calm && shape::matchable(left) && calm_pattern(right_node);
                Ok(Shape { kind: Some(oid::BOOL), calm, literal: false, ..Shape::OPAQUE })
            }
            A_Expr_Kind::AEXPR_SIMILAR => {
                self.operator(expression.name(), left, right, location)?;
                Ok(Shape { kind: Some(oid::BOOL), ..Shape::OPAQUE })
            }
            A_Expr_Kind::AEXPR_BETWEEN
            | A_Expr_Kind::AEXPR_NOT_BETWEEN
            | A_Expr_Kind::AEXPR_BETWEEN_SYM
            | A_Expr_Kind::AEXPR_NOT_BETWEEN_SYM => {
                for name in ["<", "<=", ">", ">="] {
                    self.operator_named(None, name, left, right, location)?;
                }
                let calm = list.as_deref().is_some_and(|parts| many(parts, left));
                Ok(Shape { kind: Some(oid::BOOL), calm, literal: false, ..Shape::OPAQUE })
            }
            _ => Err(Error::unsupported("this operator", location)),
        }
    }

    fn binary(
        &mut self,
        expression: &'a nodes::A_Expr,
        left: Shape,
        right: Shape,
    ) -> Result<Shape, Error> {
        let prefix = matches!(expression.lexpr(), Node::None);
        self.operator(expression.name(), left, right, expression.location)?;
        let literal = left.literal && right.literal;
        if comparison(expression.name()) && !prefix {
            return Ok(Shape::truth(&[left, right], shape::comparable(left, right)));
        }
        let name = super::name::last_string(expression.name()).unwrap_or_default();
        if !prefix
            && let Some(number) = super::number::arithmetic(name, left, right, expression.rexpr())
        {
            return Ok(number);
        }
        if name == "||" && shape::textual(left) && shape::textual(right) {
            let calm = left.calm && right.calm;
            let alike = right.literal || left.literal || left.collation == right.collation;
            let of = if left.literal { right } else { left };
            let collation = if alike { of.collation } else { Oid(0) };
            return Ok(Shape { kind: Some(oid::TEXT), calm, literal, collation, ..Shape::OPAQUE });
        }
        let kind = if prefix { right.kind } else { arithmetic(name, left, right) };
        let bounded = bounded_interval(expression.rexpr());
        let steady = match kind {
            Some(oid::TIMESTAMPTZ) => false,
            Some(_) => literal,
            None => false,
        };
        let moved = bounded && !prefix && left.calm && now_like(expression.lexpr());
        Ok(Shape { kind, calm: steady || moved, literal, ..Shape::OPAQUE })
    }

    fn cast(&mut self, cast: &'a nodes::TypeCast, scope: &Scope<'a, '_>) -> Result<Shape, Error> {
        if let Some(shape) = self.alias_cast(cast, scope)? {
            return Ok(shape);
        }
        let arg = self.expression(cast.arg(), scope)?;
        if self.configurations.contains(&std::ptr::from_ref(cast).addr()) {
            return Ok(Shape::OPAQUE);
        }
        let name = required(cast.type_name(), cast.location)?;
        let kind = self.type_name(name)?;
        let plain = name.typmods().is_empty() || kind != Some(oid::NUMERIC);
        // A string constant is cast while PostgreSQL analyses the statement, before it looks at any row.
        let constant = matches!(cast.arg(), Node::A_Const(_));
        // A domain's constraint is checked for each row.
        let enumerated = self.enumerated(kind);
        let known =
            enumerated || kind.is_some_and(|kind| self.names.snapshot.type_by_oid(kind).is_none());
        let constant = constant || (name.typmods().is_empty() && self.steady_parameter(cast.arg()));
        let calm = (constant && known) || (plain && arg.calm && shape::calm_cast(arg.kind, kind));
        let collation = shape::cast_collation(arg, kind);
        let digits = if plain && shape::calm_cast(arg.kind, kind) { arg.digits } else { 0 };
        Ok(Shape {
            kind,
            calm,
            literal: constant && known,
            collation,
            digits,
            enumerated,
            ..Shape::OPAQUE
        })
    }

    /// A parameter whose type the client left open and every mention of which is cast to one type: PostgreSQL gives the
    /// parameter that type, so that nothing is cast while the statement runs.
    fn steady_parameter(&self, node: Node<'_>) -> bool {
        let Node::ParamRef(parameter) = node else { return false };
        if self.parameter(parameter).kind != Some(oid::UNKNOWN) {
            return false;
        }
        let steady = self.steady.get_or_init(|| self.steady_parameters());
        steady.get(&parameter.number).is_some_and(Option::is_some)
    }

    /// For each parameter the one type to which every mention of it is cast, found in one pass over the text.
    fn steady_parameters(&self) -> BTreeMap<i32, Option<&'a str>> {
        let mut kinds: BTreeMap<i32, Option<&'a str>> = BTreeMap::new();
        for (index, token) in self.parsed.tokens().iter().enumerate() {
            if token.kind != TokenKind::Parameter {
                continue;
            }
            let Ok(number) = self.parsed.word(index)[1..].parse() else { continue };
            let kind = self.plain_cast(index);
            let known = kinds.entry(number).or_insert(kind);
            if *known != kind {
                *known = None;
            }
        }
        kinds
    }

    /// The type of one word to which the token before `::` is cast.
    fn plain_cast(&self, index: usize) -> Option<&'a str> {
        if index + 2 >= self.parsed.tokens().len() || self.parsed.word(index + 1) != "::" {
            return None;
        }
        // A type of several words, or with a schema, could differ further on.
        let goes_on = ["with", "without", "varying", "precision"];
        let longer = goes_on.iter().any(|word| self.parsed.is_keyword(index + 3, word))
            || [TokenKind::Dot, TokenKind::LeftParen, TokenKind::LeftBracket]
                .iter()
                .any(|kind| self.parsed.is(index + 3, *kind));
        (!longer).then(|| self.parsed.word(index + 2))
    }

    fn collate(
        &mut self,
        collate: &'a nodes::CollateClause,
        scope: &Scope<'a, '_>,
    ) -> Result<Shape, Error> {
        let arg = self.expression(collate.arg(), scope)?;
        Ok(Shape { calm: false, collation: Oid(0), ..arg })
    }

    fn case(&mut self, case: &'a nodes::CaseExpr, scope: &Scope<'a, '_>) -> Result<Shape, Error> {
        let subject = match case.arg() {
            Node::None => None,
            node => Some(self.expression(node, scope)?),
        };
        let mut results = Vec::new();
        let mut calm = subject.is_none_or(|subject| subject.calm);
        for when in case.args() {
            let Node::CaseWhen(when) = when else {
                return Err(Error::unsupported("this CASE", case.location));
            };
            let condition = self.expression(when.expr(), scope)?;
            if let Some(subject) = subject {
                self.operator_named(None, "=", subject, condition, case.location)?;
                calm &= shape::comparable(subject, condition);
            }
            calm &= condition.calm;
            results.push(self.expression(when.result(), scope)?);
        }
        if !matches!(case.defresult(), Node::None) {
            results.push(self.expression(case.defresult(), scope)?);
        }
        let shape = alternatives(&results);
        Ok(Shape { calm: calm && shape.calm, literal: false, ..shape })
    }

    fn sublink(&mut self, link: &'a nodes::SubLink, scope: &Scope<'a, '_>) -> Result<Shape, Error> {
        if !matches!(link.testexpr(), Node::None) {
            self.want_number(link.testexpr());
            self.want_number(Node::SubLink(link));
        }
        let test = self.optional(link.testexpr(), scope)?;
        let Node::SelectStmt(select) = link.subselect() else {
            return Err(Error::unsupported("this sub-select", link.location));
        };
        let before = self.loud;
        let outside = std::mem::take(&mut self.touched);
        let first = self.out.accesses.len();
        let columns = self.select(select, Some(scope), Want::Columns)?;
        self.sublink_width = (!columns.open).then_some(columns.list.len());
        // `single_row` looks at it.
        self.fix(select.limit_count());
        // Its own rows are admitted before it sees them; what it reads of the rows outside counts.
        let inside = first..self.out.accesses.len();
        let sources = self.touched.sources.without(&inside);
        if !sources.is_empty() {
            self.out.accesses[inside].iter_mut().for_each(|access| access.correlated = true);
        }
        let inner = Touched { sources, rows: !sources.is_empty(), derived: true };
        self.touched = outside.with(inner);
        let first = columns.list.first().map_or(Shape::OPAQUE, |column| column.shape);
        // Whatever clause could raise, it would do so only for a row that got as far as this sub-select.
        let first = Shape { calm: first.calm && self.loud == before, ..first };
        match link.sub_link_type {
            SubLinkType::EXISTS_SUBLINK => Ok(Shape {
                kind: Some(oid::BOOL),
                calm: self.loud == before,
                literal: false,
                ..Shape::OPAQUE
            }),
            SubLinkType::ANY_SUBLINK | SubLinkType::ALL_SUBLINK => {
                if link.oper_name().is_empty() {
                    self.operator_named(None, "=", test, first, link.location)?;
                } else {
                    self.operator(link.oper_name(), test, first, link.location)?;
                }
                let plain = link.oper_name().is_empty() || comparison(link.oper_name());
                let calm = plain && test.calm && first.calm && shape::comparable(test, first);
                Ok(Shape { kind: Some(oid::BOOL), calm, literal: false, ..Shape::OPAQUE })
            }
            // More than one row raises, so a scalar sub-select can tell something of the row it is correlated with.
            SubLinkType::EXPR_SUBLINK => Ok(Shape {
                kind: first.kind,
                digits: first.digits,
                collation: first.collation,
                calm: first.calm && single_row(select),
                literal: false,
                ..Shape::OPAQUE
            }),
            SubLinkType::ARRAY_SUBLINK => {
                Ok(Shape { kind: None, calm: first.calm, literal: false, ..Shape::OPAQUE })
            }
            SubLinkType::ROWCOMPARE_SUBLINK => Ok(Shape::OPAQUE),
            _ => Err(Error::unsupported("this sub-select", link.location)),
        }
    }

    fn xml(&mut self, xml: &'a nodes::XmlExpr, scope: &Scope<'a, '_>) -> Result<Shape, Error> {
        for named in xml.named_args() {
            let Node::ResTarget(named) = named else {
                return Err(Error::unsupported("this XML expression", xml.location));
            };
            self.expression(named.val(), scope)?;
        }
        self.expressions(xml.args(), scope)?;
        let kind = (xml.op == XmlExprOp::IS_DOCUMENT).then_some(oid::BOOL);
        Ok(Shape { kind, ..Shape::OPAQUE })
    }
}

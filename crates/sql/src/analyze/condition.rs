//! WHERE, ON and HAVING: which conjuncts could raise an error, and on whose rows they could be evaluated.
//!
//! PostgreSQL may evaluate a conjunct on a row before the predicate that admits it (DESIGN §4, "Order"). One that
//! could raise therefore fences the scans that its value comes from; conjuncts that cannot raise are copied inside the
//! fence, so that an index on them still serves.
//!
//! In:  conditions as the walk meets them.
//! Out: [`Access::fenced`](super::Access), [`Conjunct`]s and [`Unsafe`] ones.
//!
//! Invariants:
//! - A conjunct that could raise fences every access of its own query level that it reads, through derived tables, CTEs
//!   and views as well; one that reads no row at all and is not constant fences every access of the statement.
//! - An access further outside is fenced by the conjunct there that holds the sub-select: it could raise as a whole.
//! - A place in the text that cannot be found for certain is not used: less is copied, nothing is left unguarded.

use std::ops::Range;

use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, nodes};

use super::Walker;
use super::constant::Binding;
use super::scope::{Item, Scope};
use super::shape::{Shape, Sources, Touched};
use crate::catalog::ColumnId;
use crate::error::Error;
use crate::lex::TokenKind;
use crate::parse::Parsed;

/// A conjunct that cannot raise and reads columns of one relation alone: true of every row of it that matters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conjunct {
    /// Index into [`super::Statement::accesses`].
    pub access: usize,
    /// Its bytes.
    pub range: Range<usize>,
    /// The references in it, each with the column meant.
    pub columns: Vec<(Range<usize>, ColumnId)>,
}

/// A conjunct that could raise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsafe {
    /// Its bytes, or those of the whole condition; `None` where they are not known for certain.
    pub range: Option<Range<usize>>,
    /// Accesses that it reads and whose alias stands for them there.
    pub direct: Vec<usize>,
    /// Accesses of the same level that it reads through a sub-select.
    pub derived: Vec<usize>,
}

/// One condition, kept until the statement is known.
pub(super) struct Condition<'a> {
    keyword: &'static str,
    whole: Node<'a>,
    parts: Vec<Part<'a>>,
    /// Accesses that are items of the level.
    direct: Sources,
    /// Accesses that the level's items come from.
    reach: Sources,
    /// Accesses into whose scans a conjunct may be copied.
    copied: Sources,
}

struct Part<'a> {
    node: Node<'a>,
    shape: Shape,
    touched: Touched,
}

/// The items that a condition is evaluated over.
pub(super) struct Level {
    direct: Sources,
    reach: Sources,
    copied: Sources,
}

impl Level {
    /// `copied`: accesses whose rows the condition removes where it is not true.
    pub(super) fn new(items: &[Item<'_>], copied: Sources) -> Self {
        let (mut direct, mut reach) = (Sources::NONE, Sources::NONE);
        for item in items {
            direct = direct.with(item.stored());
            reach = reach.with(item.reach());
        }
        Self { direct, reach, copied }
    }
}

impl<'a> Walker<'a> {
    /// Walks an expression and tells what it reads.
    pub(super) fn measured<T>(
        &mut self,
        walk: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<(T, Touched), Error> {
        let before = std::mem::take(&mut self.touched);
        let walked = walk(self)?;
        let touched = self.touched;
        self.touched = before.with(touched);
        Ok((walked, touched))
    }

    /// Walks WHERE or ON.
    pub(super) fn filter(
        &mut self,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
        keyword: &'static str,
        level: Level,
    ) -> Result<(), Error> {
        if matches!(node, Node::None) {
            return Ok(());
        }
        let mut parts = Vec::with_capacity(1);
        let binding = if self.shown { Binding::Never } else { Binding::Condition };
        let outside = std::mem::replace(&mut self.binding, binding);
        let walked = self.conjuncts(node, scope, &mut parts);
        self.binding = outside;
        walked?;
        for part in &parts {
            self.judge(part.shape, part.touched, level.reach);
        }
        let Level { direct, reach, copied } = level;
        self.conditions.push(Condition { keyword, whole: node, parts, direct, reach, copied });
        Ok(())
    }

    /// Walks a condition that is judged, but neither copied nor wrapped: HAVING, arguments of functions in FROM.
    pub(super) fn judged<T>(
        &mut self,
        reach: Sources,
        walk: impl FnOnce(&mut Self) -> Result<T, Error>,
        shape: impl FnOnce(&T) -> Shape,
    ) -> Result<T, Error> {
        let (walked, touched) = self.measured(walk)?;
        let shape = shape(&walked);
        self.judge_unplaced(shape, touched, reach);
        Ok(walked)
    }

    /// As `judge`, for what cannot be wrapped where it stands.
    pub(super) fn judge_unplaced(&mut self, shape: Shape, touched: Touched, reach: Sources) {
        self.judge(shape, touched, reach);
        if !shape.calm {
            self.unplaced = self.unplaced.with(touched.sources.within(reach));
        }
    }

    /// Fences what a condition reads, if it could raise.
    fn judge(&mut self, shape: Shape, touched: Touched, reach: Sources) {
        if shape.calm {
            return;
        }
        if touched.sources.is_empty() && !touched.rows {
            self.fence_all = true;
        }
        self.fences = self.fences.with(touched.sources.within(reach));
    }

    fn conjuncts(
        &mut self,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), Error> {
        if let Node::BoolExpr(and) = node
            && and.boolop == nodes::BoolExprType::AND_EXPR
        {
            return self.descend(|walker| {
                for arg in and.args() {
                    walker.conjuncts(arg, scope, parts)?;
                }
                Ok(())
            });
        }
        let (shape, touched) = self.measured(|walker| walker.expression(node, scope))?;
        parts.push(Part { node, shape, touched });
        Ok(())
    }

    /// Marks the fenced accesses, and finds the places of conjuncts where that helps.
    pub(super) fn settle_conditions(&mut self) {
        for (index, access) in self.out.accesses.iter_mut().enumerate() {
            access.fenced = self.fence_all || self.fences.contains(index);
        }
        if !self.fence_all && self.fences.is_empty() {
            return;
        }
        for condition in std::mem::take(&mut self.conditions) {
            self.place(&condition);
        }
        if !self.unplaced.is_empty() {
            let accesses = 0..self.out.accesses.len();
            let derived = accesses.filter(|access| self.unplaced.contains(*access)).collect();
            self.out.unsafe_conjuncts.push(Unsafe { range: None, direct: Vec::new(), derived });
        }
    }

    fn place(&mut self, condition: &Condition<'a>) {
        let whole = clause_range(self.parsed, condition);
        let ranges = whole.clone().and_then(|whole| part_ranges(self.parsed, condition, whole));
        for (index, part) in condition.parts.iter().enumerate() {
            let range = ranges.as_ref().map(|ranges| ranges[index].clone());
            if part.shape.calm {
                let conjunct = range.and_then(|range| self.copy_of(condition, part, range));
                self.out.conjuncts.extend(conjunct);
                continue;
            }
            let rowless = part.touched.sources.is_empty() && !part.touched.rows;
            let read = |access: &usize| rowless || part.touched.sources.contains(*access);
            let (mut direct, mut derived) = (Vec::new(), Vec::new());
            for access in (0..self.out.accesses.len()).filter(read) {
                if condition.direct.holds(access) {
                    direct.push(access);
                } else if condition.reach.contains(access) {
                    derived.push(access);
                }
            }
            self.out.unsafe_conjuncts.push(Unsafe {
                range: range.or(whole.clone()),
                direct,
                derived,
            });
        }
    }

    /// The conjunct, if it may be copied into a scan.
    fn copy_of(
        &self,
        condition: &Condition<'a>,
        part: &Part<'a>,
        range: Range<usize>,
    ) -> Option<Conjunct> {
        let access = part.touched.sources.single()?;
        let fits = condition.direct.holds(access)
            && condition.copied.holds(access)
            && !part.touched.derived
            && self.out.accesses.get(access)?.fenced;
        if !fits {
            return None;
        }
        let relation = self.names.snapshot.relation(self.out.accesses[access].relation);
        let mut columns = Vec::new();
        let mut known = true;
        each_node(part.node, |node| {
            let Node::ColumnRef(reference) = node else { return };
            let found = reference_range(self.parsed, reference).zip(
                reference
                    .fields()
                    .iter()
                    .next_back()
                    .and_then(Node::as_str)
                    .and_then(|name| relation.column(name)),
            );
            match found {
                Some(found) => columns.push(found),
                None => known = false,
            }
        });
        columns.sort_by_key(|(range, _)| range.start);
        columns.dedup();
        let inside = columns
            .iter()
            .all(|(column, _)| range.start <= column.start && column.end <= range.end);
        (known && inside).then_some(Conjunct { access, range, columns })
    }
}

fn reference_range(parsed: &Parsed<'_>, reference: &nodes::ColumnRef) -> Option<Range<usize>> {
    let first = parsed.token_at(reference.location).ok()?;
    let last = parsed.name_end(first, reference.fields().len()).ok()?;
    Some(parsed.start(first)..parsed.end(last))
}

fn each_node(node: Node<'_>, mut visit: impl FnMut(Node<'_>)) {
    visit(node);
    walk_manual::<()>(node, |node| {
        visit(node);
        Recurse::yes()
    });
}

/// Offset of the first token that belongs to a node of the tree; parentheses before it do not.
fn leftmost(node: Node<'_>) -> Option<i32> {
    let mut first: Option<i32> = None;
    each_node(node, |node| {
        let location = location(node);
        if location >= 0 {
            first = Some(first.map_or(location, |known| known.min(location)));
        }
    });
    first
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a node without a place of its own has children with one"
)]
fn location(node: Node<'_>) -> i32 {
    match node {
        Node::ColumnRef(node) => node.location,
        Node::A_Const(node) => node.location,
        Node::ParamRef(node) => node.location,
        Node::A_Expr(node) => node.location,
        Node::BoolExpr(node) => node.location,
        Node::FuncCall(node) => node.location,
        Node::TypeCast(node) => node.location,
        Node::TypeName(node) => node.location,
        Node::CollateClause(node) => node.location,
        Node::SubLink(node) => node.location,
        Node::CaseExpr(node) => node.location,
        Node::CoalesceExpr(node) => node.location,
        Node::MinMaxExpr(node) => node.location,
        Node::NullTest(node) => node.location,
        Node::BooleanTest(node) => node.location,
        Node::A_ArrayExpr(node) => node.location,
        Node::RowExpr(node) => node.location,
        Node::SQLValueFunction(node) => node.location,
        Node::GroupingFunc(node) => node.location,
        Node::XmlExpr(node) => node.location,
        Node::XmlSerialize(node) => node.location,
        _ => -1,
    }
}

/// Bytes of a condition, behind its keyword.
fn clause_range(parsed: &Parsed<'_>, condition: &Condition<'_>) -> Option<Range<usize>> {
    let mut first = parsed.token_at(leftmost(condition.whole)?).ok()?;
    while first > 0 && parsed.is(first - 1, TokenKind::LeftParen) {
        first -= 1;
    }
    if first == 0 || !parsed.is_keyword(first - 1, condition.keyword) {
        return None;
    }
    let last = clause_end(parsed, first)?;
    Some(parsed.start(first)..parsed.end(last))
}

/// Keywords behind which no condition goes on, all of them reserved.
const ENDS: [&str; 16] = [
    "group",
    "having",
    "window",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "union",
    "intersect",
    "except",
    "returning",
    "where",
    "on",
    "using",
    "when",
];

/// Words that end a condition where they begin a join; some are functions' names, too.
const JOINS: [&str; 7] = ["join", "inner", "left", "right", "full", "cross", "natural"];

/// The last token of the condition that starts at a token.
fn clause_end(parsed: &Parsed<'_>, first: usize) -> Option<usize> {
    let mut token = first;
    let mut cases = 0_usize;
    while let Some(found) = parsed.tokens().get(token) {
        match found.kind {
            TokenKind::LeftParen | TokenKind::LeftBracket => {
                token = parsed.tokens().closing(token)?
            }
            TokenKind::RightParen
            | TokenKind::RightBracket
            | TokenKind::Semicolon
            | TokenKind::Comma => break,
            TokenKind::Identifier => {
                cases = nesting(parsed, token, cases)?;
                if cases == 0 && token > first && ends(parsed, token) {
                    break;
                }
            }
            _ => {}
        }
        token += 1;
    }
    token.checked_sub(1).filter(|last| *last >= first && cases == 0)
}

/// Keeps count of CASE … END.
pub(super) fn nesting(parsed: &Parsed<'_>, token: usize, cases: usize) -> Option<usize> {
    if is_label(parsed, token) {
        return Some(cases);
    }
    if parsed.is_keyword(token, "case") {
        return Some(cases + 1);
    }
    if parsed.is_keyword(token, "end") {
        return cases.checked_sub(1);
    }
    Some(cases)
}

fn is_label(parsed: &Parsed<'_>, token: usize) -> bool {
    token > 0 && parsed.is(token - 1, TokenKind::Dot)
}

fn ends(parsed: &Parsed<'_>, token: usize) -> bool {
    if is_label(parsed, token) {
        return false;
    }
    let one_of = |words: &[&str]| words.iter().any(|word| parsed.is_keyword(token, word));
    let join = ["join", "outer", "inner", "left", "right", "full"]
        .iter()
        .any(|word| parsed.is_keyword(token, "join") || parsed.is_keyword(token + 1, word));
    // percentile_cont(…) WITHIN GROUP (…)
    let within = parsed.is_keyword(token, "group") && parsed.is_keyword(token - 1, "within");
    (one_of(&ENDS) && !within) || (one_of(&JOINS) && join)
}

/// Bytes of each conjunct, in the tree's order.
fn part_ranges(
    parsed: &Parsed<'_>,
    condition: &Condition<'_>,
    whole: Range<usize>,
) -> Option<Vec<Range<usize>>> {
    let wanted = condition.parts.len();
    let mut first = parsed.tokens().first_at_or_after(whole.start);
    let mut last = parsed.tokens().first_at_or_after(whole.end).checked_sub(1)?;
    let ranges = loop {
        let ranges = if wanted == 1 { vec![whole.clone()] } else { split(parsed, first, last)? };
        if ranges.len() == wanted {
            break ranges;
        }
        let wrapped = ranges.len() == 1
            && parsed.is(first, TokenKind::LeftParen)
            && parsed.tokens().closing(first) == Some(last)
            && first + 1 < last;
        if !wrapped {
            return None;
        }
        first += 1;
        last -= 1;
    };
    let fits = condition.parts.iter().zip(&ranges).all(|(part, range)| {
        leftmost(part.node)
            .and_then(|start| usize::try_from(start).ok())
            .is_some_and(|start| range.contains(&start))
    });
    fits.then_some(ranges)
}

/// Splits at each AND outside parentheses and CASE that does not belong to BETWEEN.
fn split(parsed: &Parsed<'_>, first: usize, last: usize) -> Option<Vec<Range<usize>>> {
    let mut ranges = Vec::new();
    let (mut start, mut token, mut cases, mut between) = (first, first, 0_usize, false);
    while token <= last {
        match parsed.tokens()[token].kind {
            TokenKind::LeftParen | TokenKind::LeftBracket => {
                token = parsed.tokens().closing(token)?
            }
            TokenKind::Identifier => {
                cases = nesting(parsed, token, cases)?;
                let plain = cases == 0 && !is_label(parsed, token);
                if plain && parsed.is_keyword(token, "between") {
                    between = true;
                } else if plain && parsed.is_keyword(token, "and") && !std::mem::take(&mut between)
                {
                    if token == start {
                        return None;
                    }
                    ranges.push(parsed.start(start)..parsed.end(token - 1));
                    start = token + 1;
                }
            }
            _ => {}
        }
        token += 1;
    }
    if start > last {
        return None;
    }
    ranges.push(parsed.start(start)..parsed.end(last));
    Some(ranges)
}

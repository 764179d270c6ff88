//! MERGE: the condition that joins source and target, and what is done to which rows.
//!
//! In:  the statement's node and its tokens.
//! Out: a [`Write`] whose condition is that of ON, with one [`When`] per clause.
//!
//! Invariants:
//! - As many WHEN clauses in the text as in the tree, each of the kind and with the parts that the tree says.
//! - ON is a condition over source and target, so it is judged as WHERE is; conditions of WHEN and values of actions are
//!   evaluated on joined rows, as a select list is (`execMain.c` never sees them below the join).
//! - What PostgreSQL 15 does not have (RETURNING, BY SOURCE, MERGE inside WITH) is refused by name.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, CmdType, MergeMatchKind, OverridingKind};

use super::condition::{Level, nesting};
use super::insert::InsertSource;
use super::row::expands;
use super::scope::{Columns, Item, Scope};
use super::shape::Sources;
use super::write::{Walked, Write, WriteKind, blank, required};
use super::{Walker, assign};
use crate::catalog::Relation;
use crate::error::Error;
use crate::lex::TokenKind;
use crate::parse::disagreement;

/// A WHEN clause of MERGE.
#[derive(Clone, Debug)]
pub struct When {
    /// Bytes of the condition behind AND; `None` without one.
    pub condition: Option<Range<usize>>,
    /// Where `AND condition` would stand: behind MATCHED.
    pub at: usize,
    /// What is done.
    pub action: Action,
}

/// What a WHEN clause does.
#[derive(Clone, Debug)]
pub enum Action {
    /// DO NOTHING.
    Nothing,
    /// DELETE.
    Delete,
    /// UPDATE SET …: of the write only the columns and assignments are set.
    Update(Box<Write>),
    /// INSERT …: of the write only the columns, their list and the source are set.
    Insert(Box<Write>),
}

/// Where the parts of a MERGE stand, as tokens.
struct Places {
    /// The condition behind ON.
    on: Range<usize>,
    /// Each clause from its WHEN on.
    clauses: Vec<Range<usize>>,
}

impl<'a> Walker<'a> {
    pub(super) fn merge(&mut self, merge: &'a nodes::MergeStmt, range: Range<usize>) -> Walked {
        self.in_with(merge.with_clause(), |walker| {
            walker.under(merge.join_condition(), |walker| walker.merge_body(merge, range))
        })
    }

    fn merge_body(&mut self, merge: &'a nodes::MergeStmt, range: Range<usize>) -> Walked {
        if merge.returning_clause().is_some() {
            return Err(Error::unsupported("MERGE … RETURNING", -1));
        }
        let clauses: Vec<&'a nodes::MergeWhenClause> = merge.merge_when_clauses().iter().collect();
        let target = required(merge.relation(), "this MERGE")?;
        let (item, relation) = self.merge_target(target, &clauses)?;
        let uses = self.out.target_uses.len();
        let mut write = blank(WriteKind::Merge, item.accesses.start, range);
        write.joins_others = true;
        let places = self.merge_places(&write, clauses.len())?;
        let mut items = vec![item];
        items.extend(self.item(merge.source_relation(), &[], None)?);
        let scope = Scope { items: &items, parent: None };
        self.filter(merge.join_condition(), &scope, "on", Level::new(&items, Sources::NONE))?;
        write.condition = Some(self.bytes(&places.on));
        reachable(&clauses)?;
        for (clause, tokens) in clauses.into_iter().zip(places.clauses) {
            let when = self.when(clause, tokens, &items, relation, write.access)?;
            // DO NOTHING asks for SELECT as a column that is read does (`parse_merge.c`).
            write.reads_target |= clause.command_type == CmdType::CMD_NOTHING;
            write.whens.push(when);
        }
        self.finish_write(write, uses, Columns::default())
    }

    /// The target, which every action must be granted on.
    fn merge_target(
        &mut self,
        target: &'a nodes::RangeVar,
        clauses: &[&'a nodes::MergeWhenClause],
    ) -> Result<(Item<'a>, &'a Relation), Error> {
        let mut kinds = Vec::with_capacity(clauses.len());
        for clause in clauses {
            kinds.extend(match clause.command_type {
                CmdType::CMD_NOTHING => None,
                CmdType::CMD_INSERT => Some(WriteKind::Insert),
                CmdType::CMD_UPDATE => Some(WriteKind::Update),
                CmdType::CMD_DELETE => Some(WriteKind::Delete),
                _ => return Err(Error::unsupported("this action of MERGE", -1)),
            });
        }
        let first = kinds.first().copied().unwrap_or(WriteKind::Merge);
        let (item, relation, _) = self.target_item(target, first)?;
        for kind in kinds {
            self.target_view(target, self.out.accesses[item.accesses.start].relation, kind)?;
        }
        Ok((item, relation))
    }

    /// Finds ON and every WHEN. A source may hold joins with an ON of their own: MERGE's is the last one before WHEN.
    fn merge_places(&self, write: &Write, wanted: usize) -> Result<Places, Error> {
        let behind_target = self.out.accesses[write.access].range.end;
        let first = self.parsed.tokens().first_at_or_after(behind_target);
        let end = self.parsed.tokens().first_at_or_after(write.range.end);
        let wrong = || disagreement(write.range.start);
        let (mut on, mut whens) = (None, Vec::new());
        self.each_outside(first..end, |token| {
            if self.parsed.is_keyword(token, "when") {
                whens.push(token);
            } else if self.parsed.is_keyword(token, "on") && whens.is_empty() {
                on = Some(token);
            }
            false
        })?;
        let (Some(on), Some(first_when)) = (on, whens.first().copied()) else {
            return Err(wrong());
        };
        if whens.len() != wanted || on + 1 >= first_when {
            return Err(wrong());
        }
        let ends = whens.iter().copied().skip(1).chain([end]);
        let clauses = whens.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
        Ok(Places { on: on + 1..first_when, clauses })
    }

    /// Shows `found` each word outside parentheses and CASE … END, until it says that it has what it wants.
    fn each_outside(
        &self,
        tokens: Range<usize>,
        mut found: impl FnMut(usize) -> bool,
    ) -> Result<(), Error> {
        let (mut token, mut cases) = (tokens.start, 0_usize);
        while token < tokens.end {
            let place = self.parsed.start(token);
            match self.parsed.tokens()[token].kind {
                TokenKind::LeftParen | TokenKind::LeftBracket => {
                    let closing = self.parsed.tokens().closing(token);
                    token = closing.ok_or_else(|| disagreement(place))?;
                }
                TokenKind::Identifier => {
                    let label = token > 0 && self.parsed.is(token - 1, TokenKind::Dot);
                    let depth = nesting(self.parsed, token, cases);
                    cases = depth.ok_or_else(|| disagreement(place))?;
                    if cases == 0 && !label && found(token) {
                        return Ok(());
                    }
                }
                _ => {}
            }
            token += 1;
        }
        Ok(())
    }

    fn bytes(&self, tokens: &Range<usize>) -> Range<usize> {
        self.parsed.start(tokens.start)..self.parsed.end(tokens.end - 1)
    }

    fn when(
        &mut self,
        clause: &'a nodes::MergeWhenClause,
        tokens: Range<usize>,
        items: &[Item<'a>],
        relation: &Relation,
        access: usize,
    ) -> Result<When, Error> {
        // WHEN NOT MATCHED has no row of the target.
        let (matched, items) = match clause.match_kind {
            MergeMatchKind::MERGE_WHEN_MATCHED => (true, items),
            MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_TARGET => (false, &items[1..]),
            _ => return Err(Error::unsupported("WHEN NOT MATCHED BY SOURCE", -1)),
        };
        let matched_at = tokens.start + if matched { 1 } else { 2 };
        self.expect("matched", matched_at)?;
        if self.parsed.is_keyword(matched_at + 1, "by") {
            return Err(Error::unsupported("WHEN NOT MATCHED BY TARGET", -1));
        }
        let mut then = None;
        self.each_outside(matched_at + 1..tokens.end, |token| {
            then = Some(token);
            self.parsed.is_keyword(token, "then")
        })?;
        let then = then.unwrap_or(matched_at);
        self.expect("then", then)?;
        let scope = Scope { items, parent: None };
        let condition = match clause.condition() {
            Node::None if then == matched_at + 1 => None,
            Node::None => return Err(disagreement(self.parsed.start(then))),
            condition => {
                self.expect("and", matched_at + 1)?;
                self.expression(condition, &scope)?;
                Some(self.bytes(&(matched_at + 2..then)))
            }
        };
        let action = self.action(clause, then + 1..tokens.end, &scope, relation, access)?;
        Ok(When { condition, at: self.parsed.end(matched_at), action })
    }

    fn expect(&self, keyword: &str, token: usize) -> Result<(), Error> {
        match self.parsed.is_keyword(token, keyword) {
            true => Ok(()),
            false => Err(disagreement(self.out.range.start)),
        }
    }

    fn action(
        &mut self,
        clause: &'a nodes::MergeWhenClause,
        tokens: Range<usize>,
        scope: &Scope<'a, '_>,
        relation: &Relation,
        access: usize,
    ) -> Result<Action, Error> {
        let first = tokens.start;
        match clause.command_type {
            CmdType::CMD_NOTHING => {
                self.expect("nothing", first + 1)?;
                Ok(Action::Nothing)
            }
            CmdType::CMD_DELETE => {
                self.expect("delete", first)?;
                Ok(Action::Delete)
            }
            CmdType::CMD_UPDATE => {
                self.expect("set", first + 1)?;
                let mut write = blank(WriteKind::Update, access, self.bytes(&tokens));
                let list: Option<Vec<&'a nodes::ResTarget>> =
                    clause.target_list().iter().map(as_target).collect();
                let list = list.ok_or_else(|| Error::unsupported("this SET", -1))?;
                let text = self.bytes(&(first + 2..tokens.end));
                write.assignments = self.set_list(list.into_iter(), &text, relation, scope)?;
                write.columns = assign::columns_of(&write.assignments);
                Ok(Action::Update(Box::new(write)))
            }
            CmdType::CMD_INSERT => {
                self.expect("insert", first)?;
                let write = blank(WriteKind::Insert, access, self.bytes(&tokens));
                Ok(Action::Insert(Box::new(self.merge_insert(clause, write, scope, relation)?)))
            }
            _ => Err(Error::unsupported("this action of MERGE", -1)),
        }
    }

    /// `INSERT [(columns)] [OVERRIDING … VALUE] VALUES (…)`, or with DEFAULT VALUES.
    fn merge_insert(
        &mut self,
        clause: &'a nodes::MergeWhenClause,
        mut write: Write,
        scope: &Scope<'a, '_>,
        relation: &Relation,
    ) -> Result<Write, Error> {
        let first = self.parsed.tokens().first_at_or_after(write.range.start);
        let end = self.parsed.tokens().first_at_or_after(write.range.end);
        self.assigned(clause.target_list(), relation, &mut write)?;
        let mut token = first + 1;
        if clause.target_list().is_empty() {
            write.column_list_at = Some(self.parsed.end(first));
        } else {
            let close = self.parsed.closing(token)?;
            write.column_list = Some(self.parsed.end(token)..self.parsed.start(close));
            token = close + 1;
        }
        if clause.override_ != OverridingKind::OVERRIDING_NOT_SET {
            self.expect("overriding", token)?;
            token += 3;
        }
        let range = self.bytes(&(token..end));
        write.source = Some(if clause.values().is_empty() {
            self.expect("default", token)?;
            InsertSource::Defaults(range)
        } else {
            self.expect("values", token)?;
            self.expressions(clause.values(), scope)?;
            let (row, close) = self.value_row(token + 1, clause.values())?;
            if close + 1 != end {
                return Err(disagreement(range.start));
            }
            if clause.values().iter().any(expands) {
                InsertSource::Query { range, width: None, untyped: Vec::new() }
            } else {
                InsertSource::Values { range, rows: vec![row] }
            }
        });
        Ok(write)
    }
}

fn as_target(node: Node<'_>) -> Option<&nodes::ResTarget> {
    match node {
        Node::ResTarget(target) => Some(target),
        _ => None,
    }
}

/// PostgreSQL refuses a clause behind one of its kind without a condition. Conditions of ours must not hide that.
fn reachable(clauses: &[&nodes::MergeWhenClause]) -> Result<(), Error> {
    let mut closed = [false; 2];
    for clause in clauses {
        let kind = usize::from(clause.match_kind == MergeMatchKind::MERGE_WHEN_MATCHED);
        if closed[kind] {
            let message = "unreachable WHEN clause specified after unconditional WHEN clause";
            return Err(Error::Syntax { message: message.to_owned(), offset: None });
        }
        closed[kind] = matches!(clause.condition(), Node::None);
    }
    Ok(())
}

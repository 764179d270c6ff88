//! Expressions that a data owner writes: row predicates, masks and presets.
//!
//! In:  their text with placeholders such as `{user.region}` or `{column}`, and the relation they are for.
//! Out: a [`Template`]: the text with every name qualified, ready to be rendered for any alias and any values.
//!
//! Invariants:
//! - Whatever is rendered reads the same under every search_path: relations and functions are qualified,
//!   the protected relation's columns carry its alias.
//! - Values enter only as typed constants made by [`Template::render`]'s caller.

use std::fmt::Write as _;
use std::ops::Range;

use pg_raw_parse::Node;

use crate::analyze::{Error, compile_expression};
use crate::catalog::{Relation, RelationId, Snapshot};
use crate::parse::{Limits, Parsed};
use crate::splice::{self, Edit, Spliced};

/// Names a row inside an expression where the client's own alias would be captured.
const CAPTURE_ALIAS: &str = "pgcordon_row";

/// What stands before an expression so that the grammar reads it.
const PREFIX: &str = "SELECT ";

/// A piece of a [`Template`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    /// Stands as it is.
    Text(String),
    /// The alias of the protected relation's scan, as an identifier already quoted.
    Alias,
    /// The placeholder with that index in [`Template::placeholders`].
    Value(u16),
}

/// An expression compiled against a catalog.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template {
    /// In order.
    pub pieces: Vec<Piece>,
    /// Names between braces (`user.region`, `now`), each once; [`Piece::Value`] indexes them.
    pub placeholders: Vec<String>,
    /// Columns of the protected relation that it reads, in ascending order.
    pub columns: Vec<crate::catalog::ColumnId>,
    /// Reads other relations through a sub-select.
    pub has_subquery: bool,
    /// Indexes of pieces that name a relation of a sub-select, and which one.
    pub relations: Vec<(usize, RelationId)>,
    /// Identifiers in the text, when it has a sub-select: an alias of that name could be captured inside.
    pub names: Vec<String>,
}

impl Template {
    /// Writes the expression in parentheses for one scan and one person.
    ///
    /// `alias` is a quoted identifier; `values` are SQL constants with their casts, one per placeholder.
    pub fn render(&self, alias: &str, values: &[String], into: &mut String) {
        into.push('(');
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => into.push_str(text),
                Piece::Alias => into.push_str(alias),
                Piece::Value(index) => {
                    into.push('(');
                    into.push_str(&values[usize::from(*index)]);
                    into.push(')');
                }
            }
        }
        into.push(')');
    }

    /// As [`Template::render`], for an alias that the client chose: where a name inside the expression could capture
    /// it, the row is first given a name of our own.
    pub fn render_for(
        &self,
        alias: &str,
        relation: &Relation,
        values: &[String],
        into: &mut String,
    ) {
        let quoted = crate::splice::quoted(alias);
        if !self.names.iter().any(|name| name == alias) {
            return self.render(&quoted, values, into);
        }
        let inner = crate::splice::quoted(CAPTURE_ALIAS);
        into.push_str("(SELECT ");
        self.render(&inner, values, into);
        into.push_str(" FROM (SELECT ");
        for (index, column) in self.columns.iter().enumerate() {
            let name = crate::splice::quoted(&relation.columns[usize::from(column.0)].name);
            let comma = if index == 0 { "" } else { ", " };
            let _ = write!(into, "{comma}{quoted}.{name}");
        }
        let _ = write!(into, ") AS {inner})");
    }
}

/// A mistake in an expression, at a byte offset of its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Byte offset into the expression's text.
    pub offset: usize,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

/// What kind of expression is compiled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// `rows` or `check`: a boolean over the relation's row, sub-selects allowed.
    Predicate,
    /// A mask: may read only this column, written `{column}` or by its name; no sub-select.
    Mask(crate::catalog::ColumnId),
    /// `set`: a value for a new row; may read no column.
    Preset,
}

/// Checks an expression without a catalog: placeholders, and PostgreSQL's grammar.
///
/// Returns the names between braces, each once, in order of first use.
///
/// # Errors
/// Every [`Problem`] found.
pub fn check_syntax(text: &str, purpose: Purpose) -> Result<Vec<String>, Vec<Problem>> {
    let source = Source::read(text, purpose, None)?;
    let parsed = source.parse().map_err(|problem| vec![problem])?;
    source.only_expression(&parsed).map_err(|problem| vec![problem])?;
    Ok(source.placeholders)
}

/// What an expression names, whatever the catalog holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mentioned {
    /// What its sub-selects name, as schema (`public` where none is written) and name; names of CTEs among them.
    pub relations: Vec<(String, String)>,
    /// Every identifier and keyword.
    pub words: Vec<String>,
}

/// Names in an expression; none where it is wrong.
#[must_use]
pub fn mentioned(text: &str, purpose: Purpose) -> Mentioned {
    let Ok(source) = Source::read(text, purpose, None) else { return Mentioned::default() };
    let Ok(parsed) = source.parse() else { return Mentioned::default() };
    let Ok(node) = source.only_expression(&parsed) else { return Mentioned::default() };
    let mut relations = Vec::new();
    pg_raw_parse::walk::walk(node, |node| {
        if let Node::RangeVar(relation) = node {
            let schema = relation.schemaname().unwrap_or("public").to_owned();
            relations.push((schema, relation.relname().unwrap_or_default().to_owned()));
        }
    });
    Mentioned { relations, words: parsed.identifiers() }
}

/// Compiles an expression for `relation`: resolves and qualifies every name in it.
///
/// Unqualified relations are looked for in schema `public`.
///
/// # Errors
/// Every [`Problem`] found: unknown columns, relations, functions not on the allow-list, wrong use.
pub fn compile(
    text: &str,
    purpose: Purpose,
    relation: RelationId,
    snapshot: &Snapshot,
) -> Result<Template, Vec<Problem>> {
    let column = match purpose {
        Purpose::Mask(column) => {
            let columns = &snapshot.relation(relation).columns;
            columns.get(usize::from(column.0)).map(|column| column.name.as_str())
        }
        Purpose::Predicate | Purpose::Preset => None,
    };
    let source = Source::read(text, purpose, column)?;
    source.compile(purpose, relation, snapshot).map_err(|problem| vec![problem])
}

/// An expression with its placeholders replaced by parameters.
struct Source {
    /// `SELECT` and the expression.
    sql: String,
    /// Maps offsets of the expression back to the data owner's text.
    spliced: Spliced,
    placeholders: Vec<String>,
    /// How many parameters the placeholders became; the data owner may write none.
    parameters: usize,
}

impl Source {
    fn read(text: &str, purpose: Purpose, column: Option<&str>) -> Result<Self, Vec<Problem>> {
        let mut edits = Vec::new();
        let mut placeholders: Vec<String> = Vec::new();
        let mut problems = Vec::new();
        let mut parameters = 0;
        for (range, name) in braces(text).map_err(|problem| vec![problem])? {
            if name == "column" {
                if !matches!(purpose, Purpose::Mask(_)) {
                    problems.push(problem(range.start, "{column} is for masks only", ""));
                }
                let text = splice::quoted(column.unwrap_or("column"));
                edits.push(Edit { range, text });
                continue;
            }
            if name != "now" && name.strip_prefix("user.").is_none_or(str::is_empty) {
                let message = format!("unknown placeholder {{{name}}}");
                let hint = "placeholders are {user.name}, {user.<attribute>}, {now}, and in masks {column}";
                problems.push(problem(range.start, &message, hint));
                continue;
            }
            let index = placeholders.iter().position(|known| *known == name);
            let index = index.unwrap_or_else(|| {
                placeholders.push(name);
                placeholders.len() - 1
            });
            parameters += 1;
            edits.push(Edit { range, text: format!(" ${}", index + 1) });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let spliced =
            splice::apply(text, edits).map_err(|error| vec![problem(0, &error.to_string(), "")])?;
        Ok(Self { sql: format!("{PREFIX}{}", spliced.text), spliced, placeholders, parameters })
    }

    fn parse(&self) -> Result<Parsed<'_>, Problem> {
        let parsed = Parsed::new(&self.sql, Limits::VIEW).map_err(|error| self.problem(&error))?;
        if parsed.parameters().len() != self.parameters {
            let hint = "placeholders are {user.name}, {user.<attribute>}, {now}";
            return Err(problem(0, "a parameter such as $1 has no value here", hint));
        }
        Ok(parsed)
    }

    /// The text must be one expression and nothing else.
    fn only_expression<'p>(&self, parsed: &'p Parsed<'_>) -> Result<Node<'p>, Problem> {
        let statements = parsed.statements().map_err(|error| self.problem(&error))?;
        let not_one = || problem(0, "this is not a single expression", "write one SQL expression");
        let [(_, Node::SelectStmt(select))] = statements.as_slice() else { return Err(not_one()) };
        let plain = select.from_clause().is_empty()
            && matches!(select.where_clause(), Node::None)
            && select.group_clause().is_empty()
            && matches!(select.having_clause(), Node::None)
            && select.window_clause().is_empty()
            && select.sort_clause().is_empty()
            && select.distinct_clause().is_empty()
            && select.locking_clause().is_empty()
            && select.into_clause().is_none()
            && select.with_clause().is_none()
            && matches!(select.limit_count(), Node::None)
            && matches!(select.limit_offset(), Node::None)
            && select.larg().is_none();
        match (plain, select.target_list().len(), select.target_list().first()) {
            (true, 1, Some(target)) if target.name().is_none() => Ok(target.val()),
            _ => Err(not_one()),
        }
    }

    fn compile(
        &self,
        purpose: Purpose,
        relation: RelationId,
        snapshot: &Snapshot,
    ) -> Result<Template, Problem> {
        let parsed = self.parse()?;
        let node = self.only_expression(&parsed)?;
        let found = compile_expression(&parsed, node, relation, snapshot)
            .map_err(|error| self.problem(&error))?;
        let place = |range: &Range<usize>| self.original(range.start);
        for (column, range) in &found.columns {
            match (purpose, column) {
                (Purpose::Predicate, Some(_)) => {}
                (Purpose::Mask(own), Some(column)) if own == *column => {}
                (Purpose::Mask(_), _) => {
                    return Err(problem(place(range), "a mask may use only its own column", ""));
                }
                (Purpose::Preset, _) => {
                    return Err(problem(place(range), "a forced value may read no column", ""));
                }
                (Purpose::Predicate, None) => {
                    return Err(problem(place(range), "the whole row is not supported here", ""));
                }
            }
        }
        if found.has_subquery && matches!(purpose, Purpose::Mask(_)) {
            return Err(problem(0, "a mask may not have a sub-select", ""));
        }
        Ok(self.template(&parsed, found, snapshot.relation(relation)))
    }

    fn template(
        &self,
        parsed: &Parsed<'_>,
        found: crate::analyze::CompiledExpression,
        relation: &Relation,
    ) -> Template {
        let mut marks: Vec<(Range<usize>, Vec<Piece>)> = Vec::new();
        let mut named = Vec::new();
        for (id, edit) in found.relations {
            named.push((edit.range.start, id));
            marks.push((edit.range, vec![Piece::Text(edit.text)]));
        }
        let mut columns = Vec::new();
        for (column, range) in found.columns {
            let Some(column) = column else { continue };
            columns.push(column);
            let name = splice::quoted(&relation.columns[usize::from(column.0)].name);
            marks.push((range, vec![Piece::Alias, Piece::Text(format!(".{name}"))]));
        }
        for edit in found.edits {
            marks.push((edit.range, vec![Piece::Text(edit.text)]));
        }
        for (range, number) in parsed.parameters() {
            let index = u16::try_from(number.saturating_sub(1)).unwrap_or(u16::MAX);
            marks.push((range, vec![Piece::Value(index)]));
        }
        marks.sort_by_key(|(range, _)| (range.start, range.end));
        let (mut pieces, mut relations) = (Vec::new(), Vec::new());
        let mut done = PREFIX.len();
        for (range, parts) in marks {
            pieces.push(Piece::Text(self.sql[done..range.start].to_owned()));
            let here = named.iter().filter(|(start, _)| *start == range.start && !range.is_empty());
            relations.extend(here.map(|(_, id)| (pieces.len(), *id)));
            pieces.extend(parts);
            done = range.end;
        }
        pieces.push(Piece::Text(self.sql[done..parsed.last_byte()].to_owned()));
        columns.sort_unstable();
        columns.dedup();
        let names = if found.has_subquery { parsed.identifiers() } else { Vec::new() };
        Template {
            pieces,
            placeholders: self.placeholders.clone(),
            columns,
            has_subquery: found.has_subquery,
            relations,
            names,
        }
    }

    fn original(&self, offset: usize) -> usize {
        self.spliced.original(offset.saturating_sub(PREFIX.len()))
    }

    fn problem(&self, error: &Error) -> Problem {
        let hint = match error {
            Error::Function { .. } => {
                "built-ins must be on the allow-list; write other functions with their schema"
            }
            Error::UnknownRelation { .. } => {
                "write relations outside schema public with their schema"
            }
            Error::Operator { .. } => {
                "write an operator that the database may have under this name as OPERATOR(schema.name)"
            }
            Error::Syntax { .. }
            | Error::Unsupported { .. }
            | Error::MissingFrom { .. }
            | Error::UnknownColumn { .. }
            | Error::AmbiguousColumn { .. }
            | Error::DeniedColumn { .. }
            | Error::Partial { .. }
            | Error::NotGranted { .. }
            | Error::NotUpdatable { .. }
            | Error::UnknownType { .. }
            | Error::Limit { .. } => "",
        };
        problem(self.original(error.offset().unwrap_or(PREFIX.len())), &error.to_string(), hint)
    }
}

fn problem(offset: usize, message: &str, hint: &str) -> Problem {
    Problem { offset, message: message.to_owned(), hint: hint.to_owned() }
}

/// Placeholders outside strings, quoted identifiers and comments.
fn braces(text: &str) -> Result<Vec<(Range<usize>, String)>, Problem> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        at = match bytes[at] {
            quote @ (b'\'' | b'"') => {
                let escapes = at > 0 && quote == b'\'' && bytes[at - 1].eq_ignore_ascii_case(&b'e');
                skip_quoted(bytes, at, quote, escapes)
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                text[at..].find('\n').map_or(bytes.len(), |end| at + end)
            }
            b'{' => {
                let end = text[at..].find('}').map(|end| at + end);
                let end =
                    end.ok_or_else(|| problem(at, "unclosed placeholder", "write {user.name}"))?;
                found.push((at..end + 1, text[at + 1..end].trim().to_owned()));
                end + 1
            }
            _ => at + 1,
        };
    }
    Ok(found)
}

fn skip_quoted(bytes: &[u8], start: usize, quote: u8, escapes: bool) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 1,
            byte if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

//! Expressions that a data owner writes: row predicates, masks and presets.
//!
//! In:  their text with placeholders such as `{user.region}` or `{column}`, and the relation they are for.
//! Out: a [`Template`]: the text with every name qualified, ready to be rendered for any alias and any values.
//!
//! Invariants:
//! - Whatever is rendered reads the same under every search_path: relations and functions are qualified,
//!   the protected relation's columns carry its alias.
//! - Values enter only as typed constants made by [`Template::render`]'s caller.

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
                Piece::Value(index) => into.push_str(&values[usize::from(*index)]),
            }
        }
        into.push(')');
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
    let _ = (text, purpose);
    Err(Vec::new())
}

/// Compiles an expression for `relation`: resolves and qualifies every name in it.
///
/// # Errors
/// Every [`Problem`] found: unknown columns, relations, functions not on the allow-list, wrong use.
pub fn compile(
    text: &str,
    purpose: Purpose,
    relation: crate::catalog::RelationId,
    snapshot: &crate::catalog::Snapshot,
) -> Result<Template, Vec<Problem>> {
    let _ = (text, purpose, relation, snapshot);
    Err(Vec::new())
}

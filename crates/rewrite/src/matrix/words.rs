//! Conditions, masks and names as a person reads them.
//!
//! In:  [`Filter`]s, [`Expression`]s.
//! Out: the data owner's SQL on one line; whatever was only made unmistakable for PostgreSQL is left out.
//!
//! Invariants:
//! - Only text that was put in when the rule was compiled is made shorter; what the data owner wrote stays.

use pgcordon_policy::{Cell, Expression, Filter};
use pgcordon_sql::catalog::{Relation, Snapshot};
use pgcordon_sql::splice;
use pgcordon_sql::template::Piece;

/// `schema.name`, quoted only where it must be.
pub(super) fn name(relation: &Relation) -> String {
    format!("{}.{}", plain(&relation.schema), plain(&relation.name))
}

fn plain(word: &str) -> String {
    let small = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let inner = |letter: char| small(letter) || letter.is_ascii_digit();
    if word.starts_with(small) && word.chars().all(inner) {
        word.to_owned()
    } else {
        splice::quoted(word)
    }
}

/// Writes about one relation.
pub(super) struct Words<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) relation: &'a Relation,
}

impl Words<'_> {
    /// A condition.
    pub(super) fn filter(&self, filter: &Filter) -> String {
        match filter {
            Filter::All => "all".to_owned(),
            Filter::Nothing => "none".to_owned(),
            Filter::Test(expression) => self.expression(expression),
            Filter::Any(filters) => self.joined(filters, " OR "),
            Filter::Every(filters) => self.joined(filters, " AND "),
        }
    }

    fn joined(&self, filters: &[Filter], word: &str) -> String {
        let parts: Vec<String> =
            filters.iter().map(|filter| format!("({})", self.filter(filter))).collect();
        parts.join(word)
    }

    /// What is seen of a column, case by case.
    pub(super) fn cells(&self, cells: &[(Filter, Cell)]) -> String {
        let cases = cells.iter().map(|(filter, cell)| {
            let seen = match cell {
                Cell::Clear => "clear".to_owned(),
                Cell::Masked(mask) => format!("masked as {}", self.expression(mask)),
                Cell::Null => "null".to_owned(),
            };
            match filter {
                Filter::All => seen,
                Filter::Nothing | Filter::Test(_) | Filter::Any(_) | Filter::Every(_) => {
                    format!("{seen} where {}", self.filter(filter))
                }
            }
        });
        cases.collect::<Vec<String>>().join(", else ")
    }

    /// An expression with the names of its placeholders.
    pub(super) fn expression(&self, expression: &Expression) -> String {
        let template = &expression.template;
        let mut text = String::new();
        let mut behind_alias = false;
        for (index, piece) in template.pieces.iter().enumerate() {
            let named = template.relations.iter().find(|(at, _)| *at == index);
            match piece {
                Piece::Text(_) if named.is_some() => {
                    let relation = named.map(|(_, id)| self.snapshot.relation(*id));
                    text.push_str(&relation.map(name).unwrap_or_default());
                }
                Piece::Text(piece) if behind_alias => text.push_str(&self.column(piece)),
                Piece::Text(piece) if piece == "pg_catalog." => {}
                Piece::Text(piece) => text.push_str(piece),
                // Inside a sub-select a bare column could be meant for one of its own.
                Piece::Alias if template.has_subquery => {
                    text.push_str(&plain(&self.relation.name));
                    text.push('.');
                }
                Piece::Alias => {}
                Piece::Value(index) => {
                    // The blank that compiling puts before a parameter.
                    if text.ends_with("  ") {
                        text.pop();
                    }
                    let name = &template.placeholders[usize::from(*index)];
                    text.push_str(&format!("{{{name}}}"));
                }
            }
            behind_alias = *piece == Piece::Alias;
        }
        one_line(&text)
    }

    /// `."name"` as it stands behind an alias.
    fn column(&self, piece: &str) -> String {
        let column = self.relation.columns.iter();
        let mut column =
            column.filter(|column| piece == format!(".{}", splice::quoted(&column.name)));
        column.next().map_or_else(|| piece.to_owned(), |column| plain(&column.name))
    }
}

/// Line breaks and what follows them become one blank.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<&str>>().join(" ")
}

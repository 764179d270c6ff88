//! Says where a text stops being SQL, by asking the second parser.
//!
//! PostgreSQL's grammar gives the message, but its binding does not give the place; sqlparser does.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// Texts longer than this are not looked at again just for the place.
const MAX_BYTES: usize = 16 * 1024;

/// Byte offset of a syntax error, if the second parser finds one too.
pub(crate) fn syntax_error(text: &str) -> Option<usize> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let parser = Parser::new(&PostgreSqlDialect {}).with_recursion_limit(100);
    let error = parser.try_with_sql(text).and_then(|mut parser| parser.parse_statements()).err()?;
    place(text, &error.to_string())
}

/// Reads "at Line: 1, Column: 8" and counts characters.
fn place(text: &str, message: &str) -> Option<usize> {
    let (_, rest) = message.rsplit_once("Line: ")?;
    let (line, column) = rest.split_once(", Column: ")?;
    let (line, column): (usize, usize) = (line.trim().parse().ok()?, column.trim().parse().ok()?);
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let (offset, _) = text.get(start..)?.char_indices().nth(column.checked_sub(1)?)?;
    Some(start + offset)
}

#[cfg(test)]
mod tests {
    use super::syntax_error;

    #[test]
    fn the_place_is_a_byte_offset() {
        assert_eq!(syntax_error("select 1 fro m x y"), Some(13));
        assert_eq!(syntax_error("select 'é',\n  from )"), Some(20));
        assert_eq!(syntax_error("select 1"), None);
    }
}

//! Rows of the catalog queries as text, whichever way they came: over the control plane, or over a session's own
//! connection, which sees what its transaction has not committed yet.
//!
//! Invariants:
//! - A value that is not what the query promises is an error, never a default.

use std::str::FromStr;

use pgcordon_sql::catalog::Oid;

use super::CatalogError;

/// The values of one row; `None` is NULL.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Row(pub(crate) Vec<Option<String>>);

/// The answer to one query.
pub(crate) type Rows = Vec<Row>;

impl Row {
    /// A text that may be NULL.
    pub(super) fn optional(&self, index: usize) -> Result<Option<&str>, CatalogError> {
        let cell = self.0.get(index);
        let cell = cell.ok_or_else(|| CatalogError::Unexpected("too few columns".to_owned()))?;
        Ok(cell.as_deref())
    }

    /// A text.
    pub(super) fn text(&self, index: usize) -> Result<&str, CatalogError> {
        let null = || CatalogError::Unexpected("a value is NULL".to_owned());
        self.optional(index)?.ok_or_else(null)
    }

    pub(super) fn owned(&self, index: usize) -> Result<String, CatalogError> {
        self.text(index).map(str::to_owned)
    }

    /// A number.
    pub(super) fn number<T: FromStr>(&self, index: usize) -> Result<T, CatalogError> {
        number(self.text(index)?)
    }

    pub(super) fn oid(&self, index: usize) -> Result<Oid, CatalogError> {
        self.number(index).map(Oid)
    }

    /// `t` or `f`.
    pub(super) fn truth(&self, index: usize) -> Result<bool, CatalogError> {
        match self.text(index)? {
            "t" => Ok(true),
            "f" => Ok(false),
            other => Err(CatalogError::Unexpected(format!("the boolean {other}"))),
        }
    }

    /// An array of words or numbers, none of which needs quotes.
    pub(super) fn words(&self, index: usize) -> Result<Vec<&str>, CatalogError> {
        let text = self.text(index)?;
        // `oidvector` counts from 0, which its bounds say: `[0:1]={23,25}`.
        let plain = match text.strip_prefix('[') {
            Some(_) => text.split_once('=').map_or(text, |(_, elements)| elements),
            None => text,
        };
        let inner = plain.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match inner {
            Some("") => Ok(Vec::new()),
            Some(inner) if !inner.contains(['"', '{', '\\']) => Ok(inner.split(',').collect()),
            Some(_) | None => Err(CatalogError::Unexpected(format!("the array {text}"))),
        }
    }

    /// An array of numbers.
    pub(super) fn numbers<T: FromStr>(&self, index: usize) -> Result<Vec<T>, CatalogError> {
        self.words(index)?.into_iter().map(number).collect()
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, CatalogError> {
    text.parse().map_err(|_| CatalogError::Unexpected(format!("the number {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Row {
        Row(vec![Some(text.to_owned()), None])
    }

    #[test]
    fn values_are_read_as_postgresql_writes_them() {
        assert_eq!(row("{}").numbers::<u32>(0).expect("empty"), Vec::<u32>::new());
        assert_eq!(row("{1,23}").numbers::<u32>(0).expect("two"), [1, 23]);
        assert_eq!(row("[0:1]={23,25}").numbers::<u32>(0).expect("a vector"), [23, 25]);
        assert_eq!(row("-3").number::<i16>(0).expect("a number"), -3);
        assert!(row("t").truth(0).expect("true"));
        assert_eq!(row("x").optional(1).expect("NULL"), None);
    }

    #[test]
    fn nothing_is_guessed() {
        assert!(row("x").number::<u32>(0).is_err());
        assert!(row("true").truth(0).is_err());
        assert!(row("{\"a\"}").words(0).is_err());
        assert!(row("1").words(0).is_err());
        assert!(row("x").text(1).is_err(), "NULL");
        assert!(row("x").text(2).is_err(), "no such column");
    }
}

//! JSON values of tokens and look-ups as values without a type.
//!
//! In:  the text of one JSON value.
//! Out: a [`Plain`], nothing for null, or an error for what no attribute can hold.
//!
//! Invariants:
//! - Numbers keep every digit: they are never read as floating point.

use pgcordon_policy::Plain;
use serde_json::value::RawValue;

/// An object, a list in a list, a null in a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unfit;

/// Reads one value.
pub(crate) fn plain(raw: &RawValue) -> Result<Option<Plain>, Unfit> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'[') => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).map_err(|_| Unfit)?;
            let values = items.iter().map(|item| single(item)).collect::<Result<_, _>>()?;
            Ok(Some(Plain::List(values)))
        }
        _ => single(raw).map(Some),
    }
}

fn single(raw: &RawValue) -> Result<Plain, Unfit> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map(Plain::Text).map_err(|_| Unfit),
        Some(b't' | b'f') => Ok(Plain::Bool(text == "true")),
        Some(b'-' | b'0'..=b'9') => Ok(Plain::Number(text.to_owned())),
        _ => Err(Unfit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Option<Plain>, Unfit>) {
        let raw: Box<RawValue> = serde_json::from_str(text).expect("JSON");
        assert_eq!(plain(&raw), expected, "{text}");
    }

    #[test]
    fn values() {
        let number = |text: &str| Plain::Number(text.to_owned());
        check("null", Ok(None));
        check("\"a\\u00e9\"", Ok(Some(Plain::Text("aé".to_owned()))));
        check("true", Ok(Some(Plain::Bool(true))));
        check("12345678901234567890.10", Ok(Some(number("12345678901234567890.10"))));
        check("[1, \"x\"]", Ok(Some(Plain::List(vec![number("1"), Plain::Text("x".to_owned())]))));
        check("[]", Ok(Some(Plain::List(Vec::new()))));
        for unfit in ["{}", "[[1]]", "[null]", "[{}]"] {
            check(unfit, Err(Unfit));
        }
    }
}

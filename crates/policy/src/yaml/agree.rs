//! The second reader: serde_yaml must understand the same text in the same way.
//!
//! In:  the file's text and the tree that saphyr-parser gave.
//! Out: a mistake where the two differ.
//!
//! Invariants:
//! - A file is read only if both readers see the same shape and the same scalars.

use serde_yaml::Value as Second;

use super::{Node, Scalar, Style, Value};
use crate::mistake::{MistakeKind, Place, Report};

/// Compares; reports the first difference.
pub(super) fn check(text: &str, root: &Node, report: &mut Report) {
    let second: Second = match serde_yaml::from_str(text) {
        Ok(second) => second,
        Err(error) => {
            let place = error.location().map_or_else(
                || root.place.clone(),
                |location| Place {
                    file: root.place.file.clone(),
                    line: u32::try_from(location.line()).unwrap_or(u32::MAX),
                    column: u32::try_from(location.column()).unwrap_or(u32::MAX),
                },
            );
            let message = format!("not valid YAML: {error}");
            report.add(&place, MistakeKind::Yaml, message, "");
            return;
        }
    };
    if let Err(place) = same(root, &second) {
        let hint = "write the value in double quotes";
        report.add(&place, MistakeKind::Yaml, "this can be read in two ways", hint);
    }
}

/// Depth is bounded by `MAX_DEPTH`, so recursion is too.
fn same(node: &Node, second: &Second) -> Result<(), Place> {
    let differs = || Err(node.place.clone());
    match (&node.value, second) {
        (Value::Null, Second::Null) => Ok(()),
        (Value::Scalar(scalar), single) => same_scalar(scalar, single),
        (Value::List(nodes), Second::Sequence(items)) if nodes.len() == items.len() => {
            nodes.iter().zip(items).try_for_each(|(node, item)| same(node, item))
        }
        (Value::Map(entries), Second::Mapping(items)) if entries.len() == items.len() => {
            entries.iter().zip(items).try_for_each(|(entry, (key, item))| {
                same_scalar(&entry.key, key)?;
                same(&entry.node, item)
            })
        }
        (Value::Null | Value::List(_) | Value::Map(_), _) => differs(),
    }
}

fn same_scalar(scalar: &Scalar, second: &Second) -> Result<(), Place> {
    let agreed = match second {
        Second::String(text) => *text == scalar.text,
        // Numbers and truth values keep their text on our side; the second reader must not have seen quotes.
        Second::Number(_) | Second::Bool(_) => scalar.style == Style::Plain,
        Second::Null | Second::Sequence(_) | Second::Mapping(_) | Second::Tagged(_) => false,
    };
    if agreed { Ok(()) } else { Err(scalar.place.clone()) }
}

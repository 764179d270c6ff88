//! Joins filters, and leaves out what changes nothing.
//!
//! In:  filters in a fixed order.
//! Out: the smallest equal filter.
//!
//! Invariants:
//! - A filter here is true, or it is not: NULL admits no row, so `Any` and `Every` are plain OR and AND.
//! - No filter at all is [`Filter::Nothing`] for `any`: the absence of a grant never opens.

use crate::decide::Filter;

/// Rows that one of them admits; none for an empty list (permissive rules).
pub(crate) fn any(filters: Vec<Filter>) -> Filter {
    let mut kept: Vec<Filter> = Vec::with_capacity(filters.len());
    for filter in filters {
        match filter {
            Filter::All => return Filter::All,
            Filter::Nothing => {}
            Filter::Test(_) | Filter::Any(_) | Filter::Every(_) => {
                if !kept.contains(&filter) {
                    kept.push(filter);
                }
            }
        }
    }
    match kept.len() {
        0 => Filter::Nothing,
        1 => kept.remove(0),
        _ => Filter::Any(kept),
    }
}

/// Rows that each of them admits; every row for an empty list (restrictive rules).
pub(crate) fn every(filters: Vec<Filter>) -> Filter {
    let mut kept: Vec<Filter> = Vec::with_capacity(filters.len());
    for filter in filters {
        match filter {
            Filter::All => {}
            Filter::Nothing => return Filter::Nothing,
            Filter::Test(_) | Filter::Any(_) | Filter::Every(_) => {
                if !kept.contains(&filter) {
                    kept.push(filter);
                }
            }
        }
    }
    match kept.len() {
        0 => Filter::All,
        1 => kept.remove(0),
        _ => Filter::Every(kept),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decide::Expression;

    fn test(text: &str) -> Filter {
        let template = pgcordon_sql::template::Template {
            pieces: vec![pgcordon_sql::template::Piece::Text(text.to_owned())],
            ..Default::default()
        };
        Filter::Test(Expression { template: Arc::new(template), values: Vec::new() })
    }

    #[test]
    fn what_changes_nothing_is_left_out() {
        let (a, b) = (|| test("a"), || test("b"));
        assert_eq!(any(vec![]), Filter::Nothing);
        assert_eq!(any(vec![a(), Filter::All]), Filter::All);
        assert_eq!(any(vec![a(), Filter::Nothing, a()]), a());
        assert_eq!(any(vec![a(), b()]), Filter::Any(vec![a(), b()]));
        assert_eq!(every(vec![]), Filter::All);
        assert_eq!(every(vec![a(), Filter::Nothing]), Filter::Nothing);
        assert_eq!(every(vec![a(), Filter::All, a()]), a());
        assert_eq!(every(vec![a(), b()]), Filter::Every(vec![a(), b()]));
    }
}

//! Temporary relations as ordinary ones: no restricted principal can make one, so that pgcordon knows none.
//!
//! In:  a statement.
//! Out: the same without TEMP, and the statement that takes it back when the script ends.

/// `None` for a statement that makes no temporary relation, or one that ends with its transaction.
pub(crate) fn permanent(sql: &str) -> Option<(String, String)> {
    let lower = sql.to_ascii_lowercase();
    if lower.contains("on commit") || lower.contains("pg_temp") {
        return None;
    }
    let words = words(&lower);
    let first = words.iter().position(|(_, word)| *word == "create")?;
    let position = (first + 1..words.len().min(first + 4))
        .find(|index| ["temp", "temporary"].contains(&words[*index].1))?;
    let (at, word) = words[position];
    let kinds = ["table", "view", "sequence"];
    let kind = words[position + 1..].iter().take(2).position(|(_, word)| kinds.contains(word))?;
    let mut name = position + 2 + kind;
    if words.get(name)?.1 == "if" {
        name += 3;
    }
    let kind = words[position + 1 + kind].1;
    let target = sql[words.get(name)?.0..].split(|end: char| end.is_whitespace() || end == '(');
    let target = target.into_iter().next()?.to_owned();
    let text = format!("{}{}", &sql[..at], &sql[at + word.len()..]);
    Some((text, format!("DROP {kind} IF EXISTS {target} CASCADE")))
}

/// Words with their offsets, lines of comments left out.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if !line.trim_start().starts_with("--") {
            let words = line.split(|end: char| end.is_whitespace() || end == '(' || end == ';');
            found.extend(words.filter(|word| !word.is_empty()).map(|word| {
                // A part of `line`, so that its offset is the difference of the addresses.
                (start + (word.as_ptr().addr() - line.as_ptr().addr()), word)
            }));
        }
        start += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: Option<(&str, &str)>) {
        let expected = expected.map(|(text, drop)| (text.to_owned(), drop.to_owned()));
        assert_eq!(permanent(sql), expected, "{sql}");
    }

    #[test]
    fn temporary_relations_become_ordinary() {
        check(
            "-- a\ncreate temp table t(a int)",
            Some(("-- a\ncreate  table t(a int)", "DROP table IF EXISTS t CASCADE")),
        );
        check(
            "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1",
            Some(("CREATE OR REPLACE  VIEW v AS SELECT 1", "DROP view IF EXISTS v CASCADE")),
        );
        check("create table temp(a int)", None);
        check("create temp table t(a int) on commit drop", None);
    }
}

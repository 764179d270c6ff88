//! Names of relations and functions as they stand in YAML.
//!
//! In:  `public.orders`, `orders`, `"public.*"`, `"*.*"`, `public."Odd.Name"`.
//! Out: a [`RelationPattern`] or a [`QualifiedName`].
//!
//! Invariants:
//! - A name is the catalog's name, exactly: no case is folded. Double quotes are needed only around a name
//!   that holds a dot, a star or a quote.
//! - PostgreSQL's own schemas cannot be named.

use std::fmt;

/// `schema.name`, exactly as in the catalog.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct QualifiedName {
    pub(crate) schema: String,
    pub(crate) name: String,
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.schema, self.name)
    }
}

/// What a key under `tables:`, or an entry of a database's `tables`, stands for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum RelationPattern {
    /// One relation.
    Exact(QualifiedName),
    /// `schema.*`
    Schema(String),
    /// `*.*`
    Every,
}

impl fmt::Display for RelationPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(formatter),
            Self::Schema(schema) => write!(formatter, "{schema}.*"),
            Self::Every => formatter.write_str("*.*"),
        }
    }
}

impl RelationPattern {
    /// Whether it stands for that relation.
    pub(crate) fn covers(&self, schema: &str, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact.schema == schema && exact.name == name,
            Self::Schema(wanted) => wanted == schema,
            Self::Every => true,
        }
    }

    /// The one relation that it names, unless it is a wildcard.
    pub(crate) fn exact(&self) -> Option<&QualifiedName> {
        match self {
            Self::Exact(name) => Some(name),
            Self::Schema(_) | Self::Every => None,
        }
    }

    /// Whether it may stand for several relations.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.exact().is_none()
    }
}

/// One part of a dotted name.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Name(String),
    Star,
}

/// Reads a relation's name or a wildcard; a name without a schema is in `public`.
///
/// # Errors
/// A message, and a hint that may be empty.
pub(crate) fn relation_pattern(text: &str) -> Result<RelationPattern, (String, String)> {
    let wildcards = || {
        let message = format!("`{text}` is not a table's name or a wildcard");
        Err((message, "write `schema.table`, `schema.*` or `*.*`".to_owned()))
    };
    let pattern = match parts(text).as_deref() {
        Some([Part::Name(name)]) => {
            let schema = "public".to_owned();
            RelationPattern::Exact(QualifiedName { schema, name: name.clone() })
        }
        Some([Part::Name(schema), Part::Name(name)]) => {
            let (schema, name) = (schema.clone(), name.clone());
            RelationPattern::Exact(QualifiedName { schema, name })
        }
        Some([Part::Name(schema), Part::Star]) => RelationPattern::Schema(schema.clone()),
        Some([Part::Star, Part::Star]) => RelationPattern::Every,
        Some(_) | None => return wildcards(),
    };
    let schema = match &pattern {
        RelationPattern::Exact(exact) => exact.schema.as_str(),
        RelationPattern::Schema(schema) => schema,
        RelationPattern::Every => "",
    };
    if is_system_schema(schema) {
        let message = format!("`{schema}` is PostgreSQL's own schema and takes no rules");
        return Err((message, "what tools need of it is granted by built-in rules".to_owned()));
    }
    Ok(pattern)
}

/// Reads `schema.function`.
///
/// # Errors
/// A message, and a hint that may be empty.
pub(crate) fn function_name(text: &str) -> Result<QualifiedName, (String, String)> {
    match parts(text).as_deref() {
        Some([Part::Name(schema), Part::Name(name)]) if !is_system_schema(schema) => {
            Ok(QualifiedName { schema: schema.clone(), name: name.clone() })
        }
        Some([Part::Name(schema), Part::Name(_)]) => {
            let message = format!("functions of `{schema}` are not granted by the policy");
            Err((message, "safe built-in functions are allowed already".to_owned()))
        }
        Some(_) | None => {
            let message = format!("`{text}` is not a function's name");
            Err((message, "write `schema.function`, without arguments".to_owned()))
        }
    }
}

/// Schemas that hold PostgreSQL's own relations; the prefix `pg_` is reserved for them (`IsReservedName`).
pub(crate) fn is_system_schema(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

/// Splits at dots outside quotes; `None` if it is not a dotted name.
fn parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = part(rest)?;
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

fn part(text: &str) -> Option<(Part, &str)> {
    if let Some(after) = text.strip_prefix('*') {
        return Some((Part::Star, after));
    }
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let (name, after) = text.split_at(end);
        let odd = |letter: char| letter == '"' || letter == '*' || letter.is_control();
        let usable = !name.is_empty() && !name.contains(odd) && name.trim() == name;
        return usable.then(|| (Part::Name(name.to_owned()), after));
    };
    let mut name = String::new();
    let mut letters = quoted.char_indices();
    while let Some((offset, letter)) = letters.next() {
        if letter != '"' {
            name.push(letter);
        } else if quoted[offset + 1..].starts_with('"') {
            name.push('"');
            letters.next();
        } else {
            let after = &quoted[offset + 1..];
            return (!name.is_empty()).then_some((Part::Name(name), after));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let read = match relation_pattern(text) {
            Ok(pattern) => format!("{pattern}"),
            Err((message, _)) => format!("mistake: {message}"),
        };
        assert_eq!(read, expected, "{text}");
    }

    #[test]
    fn names_are_exact_and_wildcards_are_whole() {
        check("orders", "public.orders");
        check("sales.orders", "sales.orders");
        check("public.OrderNotes", "public.OrderNotes");
        check("public.\"Order.Notes\"", "public.Order.Notes");
        check("public.\"a\"\"b\"", "public.a\"b");
        check("public.*", "public.*");
        check("*.*", "*.*");
    }

    #[test]
    fn anything_else_is_a_mistake() {
        for text in
            ["", "*", "*.orders", "sales_*.x", "public.or*", "a.b.c", "a.", ".a", "a. b", "\"a"]
        {
            check(text, &format!("mistake: `{text}` is not a table's name or a wildcard"));
        }
        let system = "is PostgreSQL's own schema and takes no rules";
        check("pg_catalog.pg_class", &format!("mistake: `pg_catalog` {system}"));
        check("information_schema.*", &format!("mistake: `information_schema` {system}"));
    }

    #[test]
    fn a_function_is_named_with_its_schema() {
        assert!(function_name("public.order_total").is_ok());
        assert!(function_name("order_total").is_err());
        assert!(
            function_name("public.order_total(int)").is_ok_and(|name| name.name != "order_total")
        );
        assert!(function_name("pg_catalog.pg_read_file").is_err());
        assert!(function_name("public.*").is_err());
    }
}

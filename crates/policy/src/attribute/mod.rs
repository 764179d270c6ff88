//! Attributes: typed values that a person carries.
//!
//! In:  a type's name, and values as they stand in YAML.
//! Out: an [`AttributeValue`], rendered as an SQL constant with a fully qualified cast.
//!
//! Invariants:
//! - A value is checked against its type before it is rendered, and written in one canonical way: nothing in
//!   it depends on the session's DateStyle, TimeZone or search_path.
//! - No message repeats a value.

mod check;

pub(crate) use check::canonical;
use pgcordon_sql::splice;

use crate::identity::Plain;
use crate::mistake::{MistakeKind, Report};
use crate::yaml::{Node, Scalar, Value};

/// A type of one value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Base {
    Text,
    Int,
    Bigint,
    Bool,
    Numeric,
    Date,
    Timestamp,
    Timestamptz,
    Uuid,
}

const BASES: [(Base, &str, &str); 9] = [
    (Base::Text, "text", "pg_catalog.text"),
    (Base::Int, "int", "pg_catalog.int4"),
    (Base::Bigint, "bigint", "pg_catalog.int8"),
    (Base::Bool, "bool", "pg_catalog.bool"),
    (Base::Numeric, "numeric", "pg_catalog.numeric"),
    (Base::Date, "date", "pg_catalog.date"),
    (Base::Timestamp, "timestamp", "pg_catalog.timestamp"),
    (Base::Timestamptz, "timestamptz", "pg_catalog.timestamptz"),
    (Base::Uuid, "uuid", "pg_catalog.uuid"),
];

impl Base {
    fn row(self) -> &'static (Base, &'static str, &'static str) {
        let found = BASES.iter().find(|(base, _, _)| *base == self);
        found.expect("every base has a row in BASES")
    }

    /// Its name in the policy.
    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }
}

/// A type as it is declared under `attributes:`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AttributeType {
    pub(crate) base: Base,
    pub(crate) list: bool,
}

impl AttributeType {
    /// Reads `text`, `int[]` and so on.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, list) = text.strip_suffix("[]").map_or((text, false), |name| (name, true));
        let (base, _, _) = BASES.iter().find(|(_, known, _)| *known == name)?;
        Some(Self { base: *base, list })
    }

    /// An SQL constant of that type which is NULL.
    pub(crate) fn null(self) -> String {
        let (_, _, sql) = self.base.row();
        format!("NULL::{sql}{}", if self.list { "[]" } else { "" })
    }

    /// The names of all types, for hints.
    pub(crate) fn names() -> String {
        let names: Vec<&str> = BASES.iter().map(|(_, name, _)| *name).collect();
        format!("{}, or a list such as text[]", names.join(", "))
    }
}

/// A value of a declared type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AttributeValue {
    kind: AttributeType,
    /// Canonical texts; exactly one unless the type is a list.
    elements: Vec<String>,
}

impl AttributeValue {
    /// Reads a value; `name` is the attribute's, for messages.
    pub(crate) fn read(
        kind: AttributeType,
        name: &str,
        node: &Node,
        report: &mut Report,
    ) -> Option<Self> {
        match (&node.value, kind.list) {
            (Value::Scalar(scalar), false) => {
                let element = element(kind.base, name, scalar, report)?;
                Some(Self { kind, elements: vec![element] })
            }
            (Value::List(nodes), true) => {
                let elements: Vec<Option<String>> = nodes
                    .iter()
                    .map(|node| {
                        let scalar = node.scalar(&format!("each value of `{name}`"), report)?;
                        element(kind.base, name, scalar, report)
                    })
                    .collect();
                let elements = elements.into_iter().collect::<Option<Vec<String>>>()?;
                Some(Self { kind, elements })
            }
            (Value::Null, _) => {
                let hint = "leave the attribute out where a person does not have it";
                let message = format!("attribute `{name}` has no value");
                report.add(&node.place, MistakeKind::Value, message, hint);
                None
            }
            (Value::Scalar(_), true) | (Value::List(_), false) | (Value::Map(_), _) => {
                let expected = if kind.list { "a list of" } else { "one" };
                let message = format!("attribute `{name}` must be {expected} {}", kind.base.name());
                let hint = if kind.list { "write [value, value]" } else { "" };
                report.add(&node.place, MistakeKind::Value, message, hint);
                None
            }
        }
    }

    /// A value that somebody outside the policy gives.
    ///
    /// | value  | declared type                    | outcome                          |
    /// |--------|----------------------------------|----------------------------------|
    /// | text   | any single one                   | if it is one of that type        |
    /// | number | int, bigint, numeric             | if it is one of that type        |
    /// | number | any other                        | a problem                        |
    /// | bool   | bool                             | the value                        |
    /// | bool   | any other                        | a problem                        |
    /// | list   | a list                           | if each is one of its type       |
    /// | list   | any single one                   | a problem                        |
    /// | single | a list                           | a problem                        |
    ///
    /// # Errors
    /// What is wrong, without the value.
    pub(crate) fn of_plain(kind: AttributeType, plain: &Plain) -> Result<Self, String> {
        let elements = match (plain, kind.list) {
            (Plain::List(values), true) => values
                .iter()
                .map(|value| plain_element(kind.base, value))
                .collect::<Result<Vec<String>, String>>()?,
            (single @ (Plain::Text(_) | Plain::Number(_) | Plain::Bool(_)), false) => {
                vec![plain_element(kind.base, single)?]
            }
            (Plain::List(_), false) => return Err(format!("must be one {}", kind.base.name())),
            (Plain::Text(_) | Plain::Number(_) | Plain::Bool(_), true) => {
                return Err(format!("must be a list of {}", kind.base.name()));
            }
        };
        Ok(Self { kind, elements })
    }

    /// The value that two groups give together: lists are united; single values must be equal.
    pub(crate) fn united(&self, other: &Self) -> Option<Self> {
        if !self.kind.list {
            return (self == other).then(|| self.clone());
        }
        let mut elements = self.elements.clone();
        elements.extend(other.elements.iter().cloned());
        elements.sort();
        elements.dedup();
        Some(Self { kind: self.kind, elements })
    }

    /// The SQL constant, with its cast.
    pub(crate) fn render(&self) -> String {
        let (_, _, sql) = self.kind.base.row();
        if self.kind.list {
            let elements: Vec<String> = self
                .elements
                .iter()
                .map(|element| array_element(self.kind.base, element))
                .collect();
            let array = format!("{{{}}}", elements.join(","));
            format!("{}::{sql}[]", splice::literal(&array))
        } else {
            let value = self.elements.first().map_or("", String::as_str);
            format!("{}::{sql}", splice::literal(value))
        }
    }
}

/// The SQL constant of a text, as for `{user.name}`.
pub(crate) fn text_constant(text: &str) -> String {
    format!("{}::pg_catalog.text", splice::literal(text))
}

fn element(base: Base, name: &str, scalar: &Scalar, report: &mut Report) -> Option<String> {
    let canonical = check::canonical(base, &scalar.text);
    if canonical.is_none() {
        let message = format!("attribute `{name}` is not a valid {}", base.name());
        report.add(&scalar.place, MistakeKind::Value, message, check::hint(base));
    }
    canonical
}

fn plain_element(base: Base, plain: &Plain) -> Result<String, String> {
    let text = match (plain, base) {
        (Plain::Text(text), _) => Some(text.as_str()),
        (Plain::Number(digits), Base::Int | Base::Bigint | Base::Numeric) => Some(digits.as_str()),
        (Plain::Bool(true), Base::Bool) => Some("true"),
        (Plain::Bool(false), Base::Bool) => Some("false"),
        (
            Plain::Number(_),
            Base::Text | Base::Bool | Base::Date | Base::Timestamp | Base::Timestamptz | Base::Uuid,
        )
        | (
            Plain::Bool(_),
            Base::Text
            | Base::Int
            | Base::Bigint
            | Base::Numeric
            | Base::Date
            | Base::Timestamp
            | Base::Timestamptz
            | Base::Uuid,
        )
        | (Plain::List(_), _) => None,
    };
    let canonical = text.and_then(|text| check::canonical(base, text));
    canonical.ok_or_else(|| format!("is not a valid {}", base.name()))
}

/// An element of an array constant (PostgreSQL manual, 8.15.6).
fn array_element(base: Base, element: &str) -> String {
    match base {
        Base::Int | Base::Bigint | Base::Bool | Base::Numeric | Base::Uuid => element.to_owned(),
        Base::Text | Base::Date | Base::Timestamp | Base::Timestamptz => {
            format!("\"{}\"", element.replace('\\', "\\\\").replace('"', "\\\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistake::Source;
    use crate::yaml;

    /// A type and a YAML value in; the constant, or the mistake, out.
    fn check(kind: &str, value: &str, expected: &str) {
        let kind = AttributeType::parse(kind).expect("a known type");
        let source = Source { name: "f".to_owned(), text: value.to_owned() };
        let node = yaml::parse(&source).expect("valid YAML");
        let mut report = Report::default();
        let read = AttributeValue::read(kind, "a", &node, &mut report);
        let outcome = match (read, report.finish().first()) {
            (Some(value), None) => value.render(),
            (None, Some(mistake)) => mistake.message.clone(),
            (read, mistake) => format!("{read:?} and {mistake:?}"),
        };
        assert_eq!(outcome, expected, "{value}");
    }

    #[test]
    fn values_become_constants_with_qualified_casts() {
        check("text", "North", "'North'::pg_catalog.text");
        check("text", "no", "'no'::pg_catalog.text");
        check("text", "007", "'007'::pg_catalog.text");
        check("text", "\"O'Hara\"", "'O''Hara'::pg_catalog.text");
        check("text", "'a\\b'", " E'a\\\\b'::pg_catalog.text");
        check("text", "''", "''::pg_catalog.text");
        check("int", "7", "'7'::pg_catalog.int4");
        check("int", "-0", "'0'::pg_catalog.int4");
        check("bigint", "9223372036854775807", "'9223372036854775807'::pg_catalog.int8");
        check("bool", "true", "'true'::pg_catalog.bool");
        check("numeric", "1.50", "'1.50'::pg_catalog.numeric");
        check("date", "2027-01-31", "'2027-01-31'::pg_catalog.date");
        check("timestamp", "2027-01-31T08:30", "'2027-01-31 08:30:00'::pg_catalog.timestamp");
        check(
            "timestamptz",
            "2027-01-31 08:30:00.25+02:00",
            "'2027-01-31 08:30:00.25+02:00'::pg_catalog.timestamptz",
        );
        check(
            "uuid",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::pg_catalog.uuid",
        );
    }

    #[test]
    fn lists_become_arrays_whose_elements_are_quoted() {
        check("int[]", "[1, 2]", "'{1,2}'::pg_catalog.int4[]");
        check("int[]", "[]", "'{}'::pg_catalog.int4[]");
        check("text[]", "[a, 'b,c', NULL_]", "'{\"a\",\"b,c\",\"NULL_\"}'::pg_catalog.text[]");
        check(
            "text[]",
            "['{', '\"', '''', '']",
            "E'{\"{\",\"\\\\\"\",\"''\",\"\"}'::pg_catalog.text[]".replacen('E', " E", 1).as_str(),
        );
        check("date[]", "[2027-01-31]", "'{\"2027-01-31\"}'::pg_catalog.date[]");
    }

    #[test]
    fn values_of_another_type_are_mistakes_that_do_not_repeat_them() {
        for (kind, value) in [
            ("int", "7.5"),
            ("int", "2147483648"),
            ("int", "0x10"),
            ("bigint", "9223372036854775808"),
            ("bool", "yes"),
            ("numeric", "NaN"),
            ("numeric", "1e5"),
            ("date", "2027-02-29"),
            ("date", "31.01.2027"),
            ("timestamp", "2027-01-31 24:00"),
            ("timestamp", "2027-01-31 08:00+02"),
            ("timestamptz", "2027-01-31 08:00"),
            ("uuid", "a0eebc99"),
        ] {
            check(kind, value, &format!("attribute `a` is not a valid {kind}"));
        }
        check("text", "\"a\\0b\"", "attribute `a` is not a valid text");
        check("text", "~", "attribute `a` has no value");
        check("text", "[a]", "attribute `a` must be one text");
        check("int[]", "1", "attribute `a` must be a list of int");
        check("int[]", "[1, x]", "attribute `a` is not a valid int");
    }
}

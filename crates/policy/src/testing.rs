//! Tests of a policy: who asks what, and what must come out.
//!
//! In:  the lists under `tests:`, of policy files and of files of their own.
//! Out: [`TestCase`]s; `pgcordon test` runs them.
//!
//! Invariants:
//! - A test that expects nothing is a mistake: it could not fail.
//! - A test never ends the transaction that it runs in, so that all it does can be undone.
//! - Values are kept as PostgreSQL prints them: nothing is compared by type.

use std::collections::BTreeMap;

use pgcordon_sql::analyze::{self, Outline, Utility};
use pgcordon_sql::parse::{Limits, Parsed};

use crate::audience::PUBLIC;
use crate::database::Database;
use crate::mistake::{Mistake, MistakeKind, Place, Report, Source};
use crate::people::People;
use crate::yaml::{self, Fields, Node, Scalar, Style, Value};

/// One test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TestCase {
    /// `name`, or file and line.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// The login name of the person who asks.
    pub user: String,
    /// The database by the name that clients use, if it is said.
    pub database: Option<String>,
    /// At least one; they run in one transaction, and the last one's answer counts.
    pub statements: Vec<String>,
    /// Values of the last statement's parameters, as text; `None` for NULL.
    pub parameters: Vec<Option<String>>,
    /// What must come out.
    pub expected: Expected,
}

/// What must come out of a test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expected {
    /// An answer; one of the three at least is said.
    Answer {
        /// The rows.
        rows: Option<ExpectedRows>,
        /// How many rows are given, or touched where none are given.
        count: Option<u64>,
        /// The names of the columns, in order.
        columns: Option<Vec<String>>,
    },
    /// An error.
    Error {
        /// Five characters.
        sqlstate: String,
        /// What the message must contain.
        message: Option<String>,
    },
}

/// Rows as PostgreSQL prints them; `None` is NULL. All of one width.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExpectedRows {
    /// In the file's order.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether they must come in this order.
    pub ordered: bool,
}

const KEYS: [&str; 11] = [
    "name",
    "as",
    "database",
    "sql",
    "parameters",
    "rows",
    "unordered",
    "count",
    "columns",
    "error",
    "message",
];

/// Reads tests; holds what they refer to.
pub(crate) struct TestReader<'p> {
    pub(crate) people: &'p People,
    pub(crate) databases: &'p BTreeMap<String, Database>,
}

impl TestReader<'_> {
    /// Reads the tests of every file.
    pub(crate) fn read(&self, nodes: &[&Node], report: &mut Report) -> Vec<TestCase> {
        nodes.iter().filter_map(|node| self.test(node, report)).collect()
    }

    /// Reads a file that holds tests and nothing else.
    pub(crate) fn file(&self, source: &Source) -> Result<Vec<TestCase>, Vec<Mistake>> {
        let root = yaml::parse(source)?;
        let mut report = Report::default();
        let fields = Fields::read(&root, "a file of tests", &["tests"], &mut report);
        let hint = "write `tests:` with a list of tests below it";
        let list = fields.and_then(|fields| fields.required("tests", hint, &mut report));
        let nodes = list.and_then(|node| node.list("`tests`", &mut report)).unwrap_or_default();
        let tests = self.read(&nodes.iter().collect::<Vec<&Node>>(), &mut report);
        if report.is_empty() { Ok(tests) } else { Err(report.finish()) }
    }

    fn test(&self, node: &Node, report: &mut Report) -> Option<TestCase> {
        let fields = Fields::read(node, "a test", &KEYS, report)?;
        let text = |key: &str, report: &mut Report| {
            let node = fields.optional(key)?;
            node.scalar(&format!("`{key}`"), report)
        };
        let user = fields.required("as", "say who asks: the name of a user", report);
        let user = user.and_then(|node| node.scalar("`as`", report));
        if let Some(user) = user {
            // Visitors who have not logged in are asked for by the name that they connect by.
            let known = self.people.users.keys().map(String::as_str).chain([PUBLIC]);
            crate::audience::known(user, "user", known, report);
        }
        let database = text("database", report);
        if let Some(database) = database {
            let known = self.databases.keys().map(String::as_str);
            crate::audience::known(database, "database", known, report);
        }
        let sql = fields.required("sql", "a statement, or a list of them", report);
        let statements = sql.and_then(|node| statements(node, report));
        let parameters = match fields.optional("parameters") {
            Some(node) => values(node, "`parameters`", as_written, report),
            None => Some(Vec::new()),
        };
        let expected = expected(&fields, report);
        let named = text("name", report).map(|name| name.text.clone());
        let place = node.place.clone();
        Some(TestCase {
            name: named.unwrap_or_else(|| format!("{}:{}", place.file, place.line)),
            place,
            user: user?.text.clone(),
            database: database.map(|database| database.text.clone()),
            statements: statements?,
            parameters: parameters?,
            expected: expected?,
        })
    }
}

/// One statement, or a list that holds one at least.
fn statements(node: &Node, report: &mut Report) -> Option<Vec<String>> {
    let nodes = match &node.value {
        Value::Scalar(_) => std::slice::from_ref(node),
        Value::Null | Value::List(_) | Value::Map(_) => node.list("`sql`", report)?,
    };
    if nodes.is_empty() {
        let message = "`sql` holds no statement";
        report.add(&node.place, MistakeKind::Structure, message, "write the statement to test");
    }
    let mut statements = Vec::with_capacity(nodes.len());
    for node in nodes {
        let scalar = node.scalar("a statement", report)?;
        stays_inside(scalar, report);
        statements.push(scalar.text.clone());
    }
    Some(statements)
}

/// Whether a statement leaves the transaction that the test is undone with. One that the grammar refuses is refused
/// by the session too, by the same grammar.
fn stays_inside(scalar: &Scalar, report: &mut Report) {
    use analyze::Error;
    let parsed = Parsed::new(&scalar.text, Limits::VIEW);
    let outlines = parsed.as_ref().map_err(Clone::clone).and_then(analyze::outline);
    match outlines {
        Ok(outlines) => {
            if outlines.iter().any(|one| matches!(one, Outline::Utility(Utility::Transaction(_)))) {
                let message = "a test cannot begin, end or divide a transaction";
                let hint = "it runs in one of its own, which is rolled back";
                report.add(&scalar.place, MistakeKind::Value, message, hint);
            }
        }
        Err(Error::Limit { what }) => {
            report.add(&scalar.place, MistakeKind::Value, what, "a test cannot be as long");
        }
        Err(
            Error::Syntax { .. }
            | Error::Unsupported { .. }
            | Error::UnknownRelation { .. }
            | Error::MissingFrom { .. }
            | Error::UnknownColumn { .. }
            | Error::AmbiguousColumn { .. }
            | Error::DeniedColumn { .. }
            | Error::Partial { .. }
            | Error::NotGranted { .. }
            | Error::NotUpdatable { .. }
            | Error::UnknownType { .. }
            | Error::Function { .. }
            | Error::Operator { .. },
        ) => {}
    }
}

/// | rows, count, columns | error | message | outcome              |
/// |----------------------|-------|---------|----------------------|
/// | none                 | no    | -       | a mistake            |
/// | some                 | no    | no      | [`Expected::Answer`] |
/// | some                 | no    | yes     | a mistake            |
/// | none                 | yes   | -       | [`Expected::Error`]  |
/// | some                 | yes   | -       | a mistake            |
fn expected(fields: &Fields<'_>, report: &mut Report) -> Option<Expected> {
    let answer = ["rows", "count", "columns"].into_iter().find_map(|key| fields.optional(key));
    let (error, message) = (fields.optional("error"), fields.optional("message"));
    let mut mistake = |node: &Node, message: &str, hint: &str| {
        report.add(&node.place, MistakeKind::Structure, message, hint);
    };
    if let (Some(node), None) = (message, error) {
        mistake(node, "`message` has no effect here", "it is about an `error`");
    }
    if let (Some(node), None) = (fields.optional("unordered"), fields.optional("rows")) {
        mistake(node, "`unordered` has no effect here", "it is about `rows`");
    }
    match (answer, error) {
        (None, None) => {
            let message = "the test expects nothing";
            let hint = "say `rows`, `count`, `columns` or `error`";
            report.add(fields.place(), MistakeKind::Structure, message, hint);
            None
        }
        (Some(answer), Some(_)) => {
            mistake(answer, "a test expects rows or an `error`, not both", "make two of it");
            None
        }
        (None, Some(error)) => self::error(error, message, report),
        (Some(_), None) => self::answer(fields, report),
    }
}

fn error(node: &Node, message: Option<&Node>, report: &mut Report) -> Option<Expected> {
    let scalar = node.scalar("`error`", report)?;
    let letter = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    if scalar.text.len() != 5 || !scalar.text.bytes().all(letter) {
        let message = format!("`{}` is not an SQLSTATE", scalar.text);
        let hint = "five digits and capital letters, for example \"42501\"";
        report.add(&scalar.place, MistakeKind::Value, message, hint);
    }
    let message = match message {
        Some(node) => Some(node.scalar("`message`", report)?.text.clone()),
        None => None,
    };
    Some(Expected::Error { sqlstate: scalar.text.clone(), message })
}

fn answer(fields: &Fields<'_>, report: &mut Report) -> Option<Expected> {
    let unordered = fields.optional("unordered");
    let unordered = unordered.and_then(|node| node.boolean("`unordered`", report));
    let rows = match fields.optional("rows") {
        Some(node) => {
            Some(ExpectedRows { rows: rows(node, report)?, ordered: unordered != Some(true) })
        }
        None => None,
    };
    let count = match fields.optional("count") {
        Some(node) => Some(count(node, report)?),
        None => None,
    };
    let columns = match fields.optional("columns") {
        Some(node) => {
            let nodes = node.list("`columns`", report)?;
            let names = crate::audience::names(nodes, "a column's name", report);
            Some(names.into_iter().map(|name| name.text.clone()).collect::<Vec<String>>())
        }
        None => None,
    };
    let width = rows.as_ref().and_then(|rows| rows.rows.first()).map(Vec::len);
    if let (Some(width), Some(columns), Some(node)) = (width, &columns, fields.optional("columns"))
        && columns.len() != width
    {
        let message = format!("{} columns, and rows of {width} values", columns.len());
        report.add(&node.place, MistakeKind::Structure, message, "");
    }
    Some(Expected::Answer { rows, count, columns })
}

fn count(node: &Node, report: &mut Report) -> Option<u64> {
    let scalar = node.scalar("`count`", report)?;
    let number = scalar.text.parse().ok().filter(|_| scalar.style == Style::Plain);
    if number.is_none() {
        let message = format!("`count` is not a number of rows: `{}`", scalar.text);
        report.add(&scalar.place, MistakeKind::Value, message, "");
    }
    number
}

fn rows(node: &Node, report: &mut Report) -> Option<Vec<Vec<Option<String>>>> {
    let mut rows: Vec<Vec<Option<String>>> = Vec::new();
    for node in node.list("`rows`", report)? {
        let Value::List(_) = &node.value else {
            let message = "each of `rows` must be a list of values";
            let hint = "write [value] for a row of one column";
            report.add(&node.place, MistakeKind::Structure, message, hint);
            return None;
        };
        let row = values(node, "a row", as_printed, report)?;
        if let Some(first) = rows.first()
            && first.len() != row.len()
        {
            let message = format!("a row of {} values among rows of {}", row.len(), first.len());
            report.add(&node.place, MistakeKind::Structure, message, "");
        }
        rows.push(row);
    }
    Some(rows)
}

fn values(
    node: &Node,
    what: &str,
    render: fn(&Scalar) -> String,
    report: &mut Report,
) -> Option<Vec<Option<String>>> {
    let mut values = Vec::new();
    for node in node.list(what, report)? {
        values.push(match &node.value {
            Value::Null => None,
            Value::Scalar(scalar) => Some(render(scalar)),
            Value::List(_) | Value::Map(_) => {
                let message = format!("a value of {what} must be a single value");
                let hint = "write arrays and records as PostgreSQL prints them: \"{1,2}\"";
                report.add(&node.place, MistakeKind::Structure, message, hint);
                return None;
            }
        });
    }
    Some(values)
}

/// PostgreSQL reads `true` as well as `t`, and a text stays what it is.
fn as_written(scalar: &Scalar) -> String {
    scalar.text.clone()
}

/// Truth values as `boolout` prints them; numbers stand as they are written, `1.10` as `1.10`.
fn as_printed(scalar: &Scalar) -> String {
    match (scalar.style, scalar.text.as_str()) {
        (Style::Plain, "true" | "True" | "TRUE") => "t".to_owned(),
        (Style::Plain, "false" | "False" | "FALSE") => "f".to_owned(),
        (Style::Plain | Style::SingleQuoted | Style::DoubleQuoted | Style::Block, text) => {
            text.to_owned()
        }
    }
}

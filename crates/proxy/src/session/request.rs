//! Statements that are for pgcordon itself, from their text to their answer; what they do is `session::act`'s.
//!
//! In:  a text; the parameters of a Bind.
//! Out: an [`Act`] with its values; the columns and the tag of its answer.
//!
//! Invariants:
//! - PostgreSQL gets nothing of them.
//! - In a text of several statements they stand at its head, behind BEGIN at most: what follows is judged once they are
//!   done, and nothing before them is.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pgcordon_sql::analyze::{Operand, Part, PartKind, Request, Variable, may_request, parts};
use pgcordon_sql::parse::Limits;

use super::verdict::LONG;
use crate::message::{Argument, BOOL, Report, TEXT};

/// Columns of `SHOW pgcordon.identity`.
const IDENTITY: [&str; 4] = ["what", "name", "value", "origin"];

/// Types that a client may declare for a parameter that is a text: unknown, text, varchar, name.
const TEXTS: [u32; 4] = [705, TEXT, 1043, 19];

/// What pgcordon is asked, with its values.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// SET, RESET, `set_config`; `None` resets.
    Change { variable: Variable, value: Option<String>, local: bool, form: Form },
    /// SHOW; `current_setting` has a column's name.
    Show { variable: Variable, label: Option<String> },
}

/// By which statement something is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Set,
    Reset,
    /// `set_config`, with the name of its column.
    Select(String),
}

impl fmt::Debug for Act {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value may be a token.
        formatter.debug_struct("Act").finish_non_exhaustive()
    }
}

/// A prepared statement or portal that is for pgcordon itself.
#[derive(Clone)]
pub(super) struct Ours {
    request: Request,
    /// Type oids of its parameters.
    pub(super) types: Vec<u32>,
    /// Once it is bound.
    pub(super) act: Option<Act>,
    /// Of the result's columns, once it is bound.
    pub(super) format: u16,
}

impl fmt::Debug for Ours {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ours").finish_non_exhaustive()
    }
}

/// The statements of a text that holds a request. What cannot be read is left to `enforce`, which refuses it.
pub(super) fn read(text: &str, max_bytes: usize) -> Option<Vec<Part>> {
    if text.len() > LONG || !may_request(text) {
        return None;
    }
    let reading = || parts(text, Limits::of_bytes(max_bytes)).ok();
    // Everything is only read, so that a panic leaves nothing half done.
    let parts = catch_unwind(AssertUnwindSafe(reading)).ok()??;
    parts.iter().any(|part| request(part).is_some()).then_some(parts)
}

/// The request that a statement is.
pub(super) fn request(part: &Part) -> Option<&Request> {
    match &part.kind {
        PartKind::Request(request) => Some(request),
        PartKind::Begin | PartKind::Other => None,
    }
}

/// A text of the simple protocol that holds requests.
#[derive(Debug)]
pub(super) struct Message<'p> {
    /// BEGIN stands before them.
    pub(super) begins: bool,
    pub(super) requests: Vec<&'p Request>,
    /// What PostgreSQL is to have: the text with blanks for the requests, so that positions in it stay.
    pub(super) rest: Option<String>,
}

/// | before the requests | requests | behind them   | outcome     |
/// |---------------------|----------|---------------|-------------|
/// | nothing, or BEGIN   | in a row | no requests   | a `Message` |
/// | any other           | any      | any           | `None`      |
pub(super) fn message<'p>(text: &str, parts: &'p [Part]) -> Option<Message<'p>> {
    let begins = parts.first().is_some_and(|part| part.kind == PartKind::Begin);
    let first = usize::from(begins);
    let requests: Vec<&Request> = parts.iter().skip(first).map_while(request).collect();
    let behind = &parts[first + requests.len()..];
    if requests.is_empty() || behind.iter().any(|part| request(part).is_some()) {
        return None;
    }
    let start = parts[first].range.start;
    let end = behind.first().map_or(text.len(), |part| part.range.start);
    let blank: String = text.get(start..end)?.chars().map(|_| ' ').collect();
    let rest = [text.get(..start)?, &blank, text.get(end..)?].concat();
    let rest = (begins || !behind.is_empty()).then_some(rest);
    Some(Message { begins, requests, rest })
}

impl Ours {
    /// A Parse of one request; `declared` are the parameters' type oids, 0 where the client leaves one out.
    pub(super) fn new(request: &Request, declared: &[u32]) -> Result<Self, Report> {
        let wanted: Vec<(u16, u32)> = match request {
            Request::Configure { name, value, local, .. } => {
                [(name, TEXT), (value, TEXT), (local, BOOL)]
                    .into_iter()
                    .filter_map(|(operand, kind)| match operand {
                        Operand::Parameter(number) => Some((*number, kind)),
                        Operand::Text(_) | Operand::Bool(_) | Operand::Null => None,
                    })
                    .collect()
            }
            Request::Set { .. } | Request::Reset(_) | Request::Show { .. } => Vec::new(),
        };
        let most = wanted.iter().map(|(number, _)| usize::from(*number)).max().unwrap_or(0);
        let mut types = Vec::new();
        for number in 1..=most.max(declared.len()) {
            let wanted = wanted.iter().find(|(other, _)| usize::from(*other) == number);
            let declared = declared.get(number - 1).copied().unwrap_or(0);
            types.push(match (wanted, declared) {
                (Some((_, kind)), 0) => *kind,
                (Some((_, TEXT)), given) if TEXTS.contains(&given) => given,
                (Some((_, BOOL)), BOOL) => BOOL,
                (Some(_), _) => {
                    let message = "function set_config with these parameter types does not exist";
                    return Err(Report::error("42883", message));
                }
                (None, 0) => {
                    let message = format!("could not determine data type of parameter ${number}");
                    return Err(Report::error("42P18", message));
                }
                (None, given) => given,
            });
        }
        Ok(Self { request: request.clone(), types, act: None, format: 0 })
    }

    /// The same with the values of a Bind.
    pub(super) fn bound(&self, given: &[Argument<'_>], formats: &[u8]) -> Result<Self, Report> {
        if given.len() != self.types.len() {
            let (given, wanted) = (given.len(), self.types.len());
            let message = format!(
                "bind message supplies {given} parameters, but the prepared statement requires {wanted}"
            );
            return Err(Report::error("08P01", message));
        }
        let format = match formats {
            [] => 0,
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            [_] => return Err(Report::error("08P01", "invalid message format")),
        };
        if format > 1 {
            return Err(Report::error("22023", format!("unsupported format code: {format}")));
        }
        let act = Some(act(&self.request, given)?);
        Ok(Self { act, format, ..self.clone() })
    }

    /// Names of the columns that it gives.
    pub(super) fn columns(&self) -> Vec<&str> {
        match &self.request {
            Request::Set { .. } | Request::Reset(_) => Vec::new(),
            Request::Configure { label, .. } => vec![label],
            Request::Show { variable, label } => shown(*variable, label.as_deref()),
        }
    }
}

impl Act {
    /// Names of the columns that it gives.
    pub(super) fn columns(&self) -> Vec<&str> {
        match self {
            Self::Change { form: Form::Set | Form::Reset, .. } => Vec::new(),
            Self::Change { form: Form::Select(label), .. } => vec![label],
            Self::Show { variable, label } => shown(*variable, label.as_deref()),
        }
    }

    /// What CommandComplete says.
    pub(super) fn tag(&self) -> &'static str {
        match self {
            Self::Change { form: Form::Set, .. } => "SET",
            Self::Change { form: Form::Reset, .. } => "RESET",
            Self::Change { form: Form::Select(_), .. } | Self::Show { label: Some(_), .. } => {
                "SELECT 1"
            }
            Self::Show { label: None, .. } => "SHOW",
        }
    }
}

fn shown(variable: Variable, label: Option<&str>) -> Vec<&str> {
    match (variable, label) {
        (_, Some(label)) => vec![label],
        (Variable::User | Variable::Token, None) => vec![variable.name()],
        (Variable::Identity, None) => IDENTITY.to_vec(),
    }
}

/// A request with its values.
pub(super) fn act(request: &Request, given: &[Argument<'_>]) -> Result<Act, Report> {
    Ok(match request {
        Request::Set { variable, value, local } => {
            let (variable, value, local) = (*variable, value.clone(), *local);
            Act::Change { variable, value, local, form: Form::Set }
        }
        Request::Reset(variable) => {
            Act::Change { variable: *variable, value: None, local: false, form: Form::Reset }
        }
        Request::Configure { name, value, local, label } => {
            let name = text(name, given)?.unwrap_or_default();
            // A name that is a parameter may be any: only ours can be.
            let Some(variable) = Variable::of(&name) else {
                let message =
                    "pgcordon does not support set_config of a name that is not a constant";
                let hint = "The statement was not sent to the database.";
                return Err(Report::error("0A000", message).hint(hint));
            };
            let (value, local) = (text(value, given)?, truth(local, given)?);
            Act::Change { variable, value, local, form: Form::Select(label.clone()) }
        }
        Request::Show { variable, label } => {
            Act::Show { variable: *variable, label: label.clone() }
        }
    })
}

fn parameter<'a>(number: u16, given: &[Argument<'a>]) -> Result<Argument<'a>, Report> {
    let found = usize::from(number).checked_sub(1).and_then(|index| given.get(index)).copied();
    found.ok_or_else(|| Report::error("42P02", format!("there is no parameter ${number}")))
}

fn utf8(bytes: &[u8]) -> Result<String, Report> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned)
        .map_err(|_| Report::error("22021", "invalid byte sequence for encoding \"UTF8\""))
}

/// `None` for NULL.
fn text(operand: &Operand, given: &[Argument<'_>]) -> Result<Option<String>, Report> {
    match operand {
        Operand::Text(text) => Ok(Some(text.clone())),
        Operand::Null => Ok(None),
        Operand::Parameter(number) => parameter(*number, given)?.value.map(utf8).transpose(),
        Operand::Bool(_) => Err(Report::error("42883", "function set_config does not exist")),
    }
}

/// NULL counts as false, as PostgreSQL's `set_config_by_name` reads it.
fn truth(operand: &Operand, given: &[Argument<'_>]) -> Result<bool, Report> {
    match operand {
        Operand::Bool(value) => Ok(*value),
        Operand::Null => Ok(false),
        Operand::Text(text) => spelled_truth(text),
        Operand::Parameter(number) => match parameter(*number, given)? {
            Argument { value: None, .. } => Ok(false),
            Argument { value: Some([0]), binary: true } => Ok(false),
            Argument { value: Some([_]), binary: true } => Ok(true),
            Argument { value: Some(_), binary: true } => {
                Err(Report::error("22P03", "incorrect binary data format"))
            }
            Argument { value: Some(text), binary: false } => spelled_truth(&utf8(text)?),
        },
    }
}

/// The spellings of `parse_bool` that drivers use.
fn spelled_truth(text: &str) -> Result<bool, Report> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "on" | "yes" | "y" | "1" => Ok(true),
        "f" | "false" | "off" | "no" | "n" | "0" => Ok(false),
        _ => Err(Report::error("22P02", "invalid input syntax for type boolean")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_message(text: &str, expected: Option<&str>) {
        let parts = read(text, 10_000).expect("a request");
        let found = message(text, &parts).map(|message| {
            let rest = message.rest.unwrap_or_else(|| "-".to_owned());
            assert!(rest == "-" || rest.chars().count() == text.chars().count());
            format!("{} {rest}", message.requests.len())
        });
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn requests_stand_at_the_head() {
        check_message("SET pgcordon.user = 'ä'", Some("1 -"));
        check_message("SET pgcordon.user=a; SHOW pgcordon.user;", Some("2 -"));
        check_message("SET pgcordon.user='ä'; TABLE t", Some("1                        TABLE t"));
        check_message("BEGIN;SET LOCAL pgcordon.user=a", Some("1 BEGIN;                         "));
        check_message(
            "BEGIN;RESET pgcordon.user;TABLE t",
            Some("1 BEGIN;                    TABLE t"),
        );
        check_message("TABLE t; SET pgcordon.user = 'a'", None);
        check_message("SET pgcordon.user = a; TABLE t; RESET pgcordon.user", None);
        check_message("BEGIN; BEGIN; RESET pgcordon.user", None);
    }

    #[test]
    fn what_is_no_request_is_left_alone() {
        for text in
            ["SELECT 1", "SET timezone = 'UTC'", "SELECT set_config('timezone', 'UTC', true)"]
        {
            assert!(read(text, 10_000).is_none(), "{text}");
        }
        let long = format!("SET pgcordon.user = '{}'", "x".repeat(LONG));
        assert!(read(&long, 1 << 20).is_none());
    }

    /// The types of the parameters of a text, and what they come to with those values.
    fn check_bind(text: &str, declared: &[u32], given: &[Option<&str>], expected: &str) {
        let parts = read(text, 10_000).expect("a request");
        let given: Vec<Argument<'_>> = given
            .iter()
            .map(|value| Argument { binary: false, value: value.map(str::as_bytes) })
            .collect();
        let ours = Ours::new(request(&parts[0]).expect("a request"), declared);
        let outcome = ours.and_then(|ours| Ok((ours.types.clone(), ours.bound(&given, &[])?)));
        let shown = match outcome {
            Ok((types, ours)) => match ours.act.expect("bound") {
                Act::Change { variable, value, local, .. } => {
                    format!("{types:?} {} {value:?} {local}", variable.name())
                }
                Act::Show { variable, .. } => format!("{types:?} show {}", variable.name()),
            },
            Err(report) => report.sqlstate.to_owned(),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn values_come_from_parameters() {
        let user = "SELECT set_config('pgcordon.user', $1, true)";
        check_bind(user, &[], &[Some("rita")], "[25] pgcordon.user Some(\"rita\") true");
        check_bind(user, &[1043], &[Some("rita")], "[1043] pgcordon.user Some(\"rita\") true");
        check_bind(user, &[23], &[Some("5")], "42883");
        check_bind(user, &[], &[None], "[25] pgcordon.user None true");
        check_bind(user, &[], &[], "08P01");
        let all = "SELECT set_config($1, $2, $3)";
        let values = [Some("PGCORDON.user"), Some("rita"), Some("off")];
        check_bind(all, &[0, 25], &values, "[25, 25, 16] pgcordon.user Some(\"rita\") false");
        check_bind(all, &[], &[Some("role"), Some("postgres"), Some("f")], "0A000");
        check_bind(all, &[], &[Some("pgcordon.user"), Some("rita"), Some("maybe")], "22P02");
        check_bind("SELECT set_config($1, $3, true)", &[], &[None, None, None], "42P18");
        check_bind("SHOW pgcordon.user", &[], &[], "[] show pgcordon.user");
    }
}

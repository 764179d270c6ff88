//! Rules on statements themselves.
//!
//! In:  the section `queries`.
//! Out: [`QueryRule`]s; `bind` fits them to a catalog, [`crate::BoundPolicy::admits`] asks them.
//!
//! Invariants:
//! - A rule says which statements it is about in one way, and for whom in one way.
//! - Anything that would match nothing, or everything, is a mistake.

use std::collections::{BTreeMap, BTreeSet};

use pgcordon_sql::fingerprint::Fingerprint;
use pgcordon_sql::parse::{Limits, Parsed};

use crate::audience::{Audience, names};
use crate::mistake::{MistakeKind, Place, Report};
use crate::name::{RelationPattern, relation_pattern};
use crate::people::People;
use crate::yaml::{Fields, Node, Scalar, Value};

/// Longest statement of a rule, in bytes.
const MAX_STATEMENT: usize = 64 * 1024;

/// What a statement, or a part of one, does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum QueryCommand {
    /// SELECT, TABLE, VALUES: one part for each.
    Select,
    /// INSERT, also by MERGE and COPY FROM.
    Insert,
    /// UPDATE, also by MERGE and ON CONFLICT.
    Update,
    /// DELETE, also by MERGE.
    Delete,
    /// MERGE itself.
    Merge,
    /// TRUNCATE
    Truncate,
    /// LOCK TABLE
    Lock,
    /// COPY in either direction.
    Copy,
    /// CREATE TABLE AS and its kin.
    Create,
    /// CREATE, ALTER, DROP and their kin.
    Define,
    /// EXPLAIN
    Explain,
}

const WORDS: [(&str, QueryCommand); 11] = [
    ("select", QueryCommand::Select),
    ("insert", QueryCommand::Insert),
    ("update", QueryCommand::Update),
    ("delete", QueryCommand::Delete),
    ("merge", QueryCommand::Merge),
    ("truncate", QueryCommand::Truncate),
    ("lock", QueryCommand::Lock),
    ("copy", QueryCommand::Copy),
    ("create", QueryCommand::Create),
    ("define", QueryCommand::Define),
    ("explain", QueryCommand::Explain),
];

/// Commands that can have a condition.
const CONDITIONAL: [QueryCommand; 4] =
    [QueryCommand::Select, QueryCommand::Update, QueryCommand::Delete, QueryCommand::Merge];

/// A rule on statements.
#[derive(Clone, Debug)]
pub(crate) struct QueryRule {
    pub(crate) name: String,
    /// For programs: stays when the message changes.
    pub(crate) code: String,
    pub(crate) about: About,
    pub(crate) who: Who,
    pub(crate) message: Option<String>,
}

/// Which statements.
#[derive(Clone, Debug)]
pub(crate) enum About {
    /// That one, whatever its constants.
    Same(Fingerprint),
    /// Those with a part of that kind.
    Like(Shape),
}

/// A part of a statement.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Empty: any.
    pub(crate) commands: BTreeSet<QueryCommand>,
    /// Empty: any, and none.
    pub(crate) relations: Vec<(RelationPattern, Place)>,
    pub(crate) without_where: bool,
}

/// Who may run it.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// These alone.
    Only(Audience),
    /// Everybody but these.
    AllBut(Audience),
}

/// Reads the section.
pub(crate) fn read(nodes: &[&Node], people: &People, report: &mut Report) -> Vec<QueryRule> {
    let mut rules = Vec::new();
    let mut first: BTreeMap<String, &Place> = BTreeMap::new();
    for node in nodes {
        let Some(rule) = QueryRule::read(node, people, report) else { continue };
        if let Some(before) = first.insert(rule.code.clone(), &node.place) {
            let message = format!("two rules have the code `{}`", rule.code);
            let hint = format!("first at {}:{}:{}", before.file, before.line, before.column);
            report.add(&node.place, MistakeKind::Structure, message, hint);
        }
        rules.push(rule);
    }
    rules.sort_by(|one, other| one.code.cmp(&other.code));
    rules
}

impl QueryRule {
    /// The relations that it speaks of by name.
    pub(crate) fn relations(&self) -> Option<Vec<RelationPattern>> {
        match &self.about {
            About::Same(_) => None,
            About::Like(shape) => {
                Some(shape.relations.iter().map(|(pattern, _)| pattern.clone()).collect())
            }
        }
    }

    fn read(node: &Node, people: &People, report: &mut Report) -> Option<Self> {
        let keys = ["name", "code", "sql", "match", "to", "deny", "message"];
        let fields = Fields::read(node, "an entry of `queries`", &keys, report)?;
        let name = fields.required("name", "explain and the audit trail show it", report);
        let name = name.and_then(|node| node.scalar("`name`", report));
        let about = read_about(&fields, report);
        let who = read_who(&fields, people, report);
        let message = fields.optional("message");
        let message = message.and_then(|node| node.scalar("`message`", report));
        let code = match fields.optional("code") {
            Some(node) => read_code(node.scalar("`code`", report)?, report)?,
            None => code_of(&name?.text),
        };
        let message = message.map(|scalar| scalar.text.clone());
        Some(Self { name: name?.text.clone(), code, about: about?, who: who?, message })
    }
}

fn read_code(scalar: &Scalar, report: &mut Report) -> Option<String> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let usable = !scalar.text.is_empty() && scalar.text.len() <= 63;
    if usable && scalar.text.bytes().all(letter) {
        return Some(scalar.text.clone());
    }
    let message = format!("`{}` cannot be a code", scalar.text);
    report.add(
        &scalar.place,
        MistakeKind::Value,
        message,
        "small letters, digits and _, at most 63",
    );
    None
}

/// The name in small letters, anything else an underscore.
fn code_of(name: &str) -> String {
    let letter = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter.to_ascii_lowercase(),
        false => '_',
    };
    name.chars().map(letter).collect()
}

/// | `sql` | `match` | outcome   |
/// |-------|---------|-----------|
/// | yes   | no      | `Same`    |
/// | no    | yes     | `Like`    |
/// | both or neither | | a mistake |
fn read_about(fields: &Fields<'_>, report: &mut Report) -> Option<About> {
    match (fields.optional("sql"), fields.optional("match")) {
        (Some(node), None) => read_statement(node, report).map(About::Same),
        (None, Some(node)) => read_shape(node, report).map(About::Like),
        (Some(_), Some(_)) | (None, None) => {
            let message = "say which statements: either `sql` or `match`";
            let hint = "sql: SELECT …, or match: { command: [update], without_where: true }";
            report.add(fields.place(), MistakeKind::Structure, message, hint);
            None
        }
    }
}

fn read_statement(node: &Node, report: &mut Report) -> Option<Fingerprint> {
    let scalar = node.scalar("`sql`", report)?;
    let parsed = match Parsed::new(&scalar.text, Limits::of_bytes(MAX_STATEMENT)) {
        Ok(parsed) => parsed,
        Err(error) => {
            let place = scalar.place_at(error.offset().unwrap_or(0));
            report.add(&place, MistakeKind::Expression, error.to_string(), "");
            return None;
        }
    };
    if !parsed.statements().is_ok_and(|statements| statements.len() == 1) {
        let message = "`sql` must be one statement";
        report.add(&scalar.place, MistakeKind::Expression, message, "");
        return None;
    }
    Fingerprint::of(&scalar.text)
}

fn read_shape(node: &Node, report: &mut Report) -> Option<Shape> {
    let fields = Fields::read(node, "`match`", &["command", "relation", "without_where"], report)?;
    let commands = fields.optional("command").map(|node| read_commands(node, report));
    let relations = fields.optional("relation").map(|node| read_relations(node, report));
    let without_where = fields.optional("without_where");
    let without_where =
        without_where.and_then(|node| node.boolean("`without_where`", report)) == Some(true);
    let (commands, relations) = (commands.unwrap_or_default(), relations.unwrap_or_default());
    if commands.is_empty() && relations.is_empty() && !without_where {
        let message = "this is about every statement";
        let hint = "name a command, a relation or without_where: true";
        report.add(&node.place, MistakeKind::Structure, message, hint);
    }
    if without_where && commands.iter().any(|command| !CONDITIONAL.contains(command)) {
        let message = "`without_where` is about select, update, delete and merge";
        report.add(&node.place, MistakeKind::Structure, message, "leave the other commands out");
    }
    Some(Shape { commands, relations, without_where })
}

/// A list, or one value without brackets.
fn listed<'n>(node: &'n Node, what: &str, report: &mut Report) -> Vec<&'n Scalar> {
    let nodes = match &node.value {
        Value::Scalar(_) => std::slice::from_ref(node),
        Value::Null | Value::List(_) | Value::Map(_) => node.list(what, report).unwrap_or_default(),
    };
    if nodes.is_empty() {
        report.add(&node.place, MistakeKind::Structure, format!("{what} names nothing"), "");
    }
    names(nodes, what, report)
}

fn read_commands(node: &Node, report: &mut Report) -> BTreeSet<QueryCommand> {
    let mut commands = BTreeSet::new();
    for scalar in listed(node, "`command`", report) {
        match WORDS.iter().find(|(word, _)| *word == scalar.text) {
            Some((_, command)) => {
                commands.insert(*command);
            }
            None => {
                let known = WORDS.iter().map(|(word, _)| *word);
                let near = report.suggest(&scalar.text, known.clone());
                let hint = match near.is_empty() {
                    true => format!("known here: {}", known.collect::<Vec<&str>>().join(", ")),
                    false => near,
                };
                let message = format!("unknown command `{}`", scalar.text);
                report.add(&scalar.place, MistakeKind::Structure, message, hint);
            }
        }
    }
    commands
}

fn read_relations(node: &Node, report: &mut Report) -> Vec<(RelationPattern, Place)> {
    let mut relations = Vec::new();
    for scalar in listed(node, "`relation`", report) {
        match relation_pattern(&scalar.text) {
            Ok(pattern) => relations.push((pattern, scalar.place.clone())),
            Err((message, hint)) => {
                report.add(&scalar.place, MistakeKind::Structure, message, hint);
            }
        }
    }
    relations
}

/// | `to` | `deny` | outcome   |
/// |------|--------|-----------|
/// | yes  | no     | `Only`    |
/// | no   | yes    | `AllBut`  |
/// | both or neither | | a mistake |
fn read_who(fields: &Fields<'_>, people: &People, report: &mut Report) -> Option<Who> {
    match (fields.optional("to"), fields.optional("deny")) {
        (Some(node), None) => Some(Who::Only(Audience::read(node, "`to`", people, report))),
        (None, Some(node)) => Some(Who::AllBut(Audience::read(node, "`deny`", people, report))),
        (Some(_), Some(_)) | (None, None) => {
            let message = "say for whom: either `to` (these alone) or `deny` (all but these)";
            report.add(fields.place(), MistakeKind::Structure, message, "");
            None
        }
    }
}

//! YAML text to a tree of nodes that know their places.
//!
//! The only module that names `serde_yaml` and `saphyr_parser`. serde_yaml 0.9 is archived upstream: it gets no
//! more fixes, so it is not the only reader here. saphyr-parser gives the tree and the places; serde_yaml
//! reads the same text, and a file that the two understand differently is refused. Replacing either touches
//! this module alone.
//!
//! In:  a [`Source`].
//! Out: a [`Node`], or every [`Mistake`] found.
//!
//! Invariants:
//! - Scalars stay the text that stands in the file: `no`, `007` and `1.10` are not turned into other values.
//! - No anchors, aliases, tags, merge keys or second documents: what is not written there is not read.
//! - Bytes, nodes and depth are bounded before anything grows with them.

mod agree;
mod duration;
mod fields;
mod scalar;

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use crate::mistake::{Mistake, MistakeKind, Place, Report, Source};

pub use duration::{DURATIONS, duration};
pub use fields::Fields;
pub(crate) use fields::NOT_YET;
pub use scalar::{Scalar, Style};

/// Longest file, in bytes.
const MAX_BYTES: usize = 4 << 20;
/// Longest line, in bytes: within a line the parser looks ahead for the end of a key.
const MAX_LINE_BYTES: usize = 1 << 16;
/// Most scalars, lists and maps in a file.
const MAX_NODES: usize = 400_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// A value and where it begins.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value begins; for a block scalar its first line.
    pub place: Place,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, `~` or `null`, unquoted.
    Null,
    /// Any other scalar.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file; no key stands twice.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Scalar,
    /// The value.
    pub node: Node,
}

impl Node {
    /// For messages: what stands here.
    #[must_use]
    pub fn shape(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The scalar here; anything else is a mistake.
    pub fn scalar(&self, what: &str, report: &mut Report) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.misshapen(what, "a single value", report);
                None
            }
        }
    }

    /// The list here; anything else is a mistake.
    pub fn list(&self, what: &str, report: &mut Report) -> Option<&[Node]> {
        match &self.value {
            Value::List(nodes) => Some(nodes),
            Value::Null | Value::Scalar(_) | Value::Map(_) => {
                self.misshapen(what, "a list", report);
                None
            }
        }
    }

    /// The map here; nothing at all counts as an empty one; anything else is a mistake.
    pub fn map(&self, what: &str, report: &mut Report) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            Value::Null => Some(&[]),
            Value::Scalar(_) | Value::List(_) => {
                self.misshapen(what, "a map", report);
                None
            }
        }
    }

    /// `true` or `false`, unquoted; anything else is a mistake.
    pub fn boolean(&self, what: &str, report: &mut Report) -> Option<bool> {
        let scalar = self.scalar(what, report)?;
        match (scalar.style, scalar.text.as_str()) {
            (Style::Plain, "true") => Some(true),
            (Style::Plain, "false") => Some(false),
            (_, _) => {
                self.misshapen(what, "true or false", report);
                None
            }
        }
    }

    fn misshapen(&self, what: &str, expected: &str, report: &mut Report) {
        let message = format!("{what} must be {expected}, and here stands {}", self.shape());
        report.add(&self.place, MistakeKind::Structure, message, "");
    }
}

/// Reads one file.
///
/// # Errors
/// Every [`Mistake`] of kind [`MistakeKind::Yaml`]; after one in the syntax itself the rest is not read.
pub fn parse(source: &Source) -> Result<Node, Vec<Mistake>> {
    let mut builder = Builder::new(source);
    if let Some((line, message, hint)) = oversize(&source.text) {
        builder.refuse(Marker::new(0, line, 0), message, hint);
        return Err(builder.report.finish());
    }
    for event in Parser::new_from_str(&source.text) {
        let going_on = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let message = format!("not valid YAML: {}", error.info());
                builder.refuse(
                    *error.marker(),
                    &message,
                    "a text with `: `, ` #` or braces needs quotes",
                );
                false
            }
        };
        if !going_on {
            break;
        }
    }
    let root = builder
        .root
        .take()
        .unwrap_or_else(|| Node { place: builder.place(Marker::new(0, 1, 0)), value: Value::Null });
    if builder.report.is_empty() {
        agree::check(&source.text, &root, &mut builder.report);
    }
    if builder.report.is_empty() { Ok(root) } else { Err(builder.report.finish()) }
}

/// The line of the first thing that is too long, and what it is.
fn oversize(text: &str) -> Option<(usize, &'static str, &'static str)> {
    if text.len() > MAX_BYTES {
        return Some((1, "the file is too long", "split it into several files"));
    }
    let long = text.split('\n').position(|line| line.len() > MAX_LINE_BYTES)?;
    Some((long + 1, "the line is too long", "break it"))
}

/// A list or map that is not yet closed.
enum Open {
    List(Place, Vec<Node>),
    Map(OpenMap),
}

struct OpenMap {
    place: Place,
    entries: Vec<Entry>,
    /// The key that waits for its value.
    key: Option<Scalar>,
    /// The line of each key.
    lines: HashMap<String, u32>,
}

/// Makes the tree of parser events, without recursion.
struct Builder<'s> {
    text: &'s str,
    file: Arc<str>,
    /// Byte offset of each 64th character, for texts that are not ASCII; empty otherwise.
    offsets: Vec<usize>,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    report: Report,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Source) -> Self {
        let text = source.text.as_str();
        let offsets = if text.is_ascii() || text.len() > MAX_BYTES {
            Vec::new()
        } else {
            text.char_indices().step_by(64).map(|(offset, _)| offset).collect()
        };
        Self {
            text,
            file: source.name.as_str().into(),
            offsets,
            open: Vec::new(),
            root: None,
            nodes: 0,
            documents: 0,
            report: Report::default(),
        }
    }

    fn place(&self, marker: Marker) -> Place {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (line, column) = (count(marker.line()), count(marker.col()).saturating_add(1));
        Place { file: Arc::clone(&self.file), line, column }
    }

    fn refuse(&mut self, marker: Marker, message: &str, hint: &str) {
        let place = self.place(marker);
        self.report.add(&place, MistakeKind::Yaml, message, hint);
    }

    /// Takes the next event; false ends the reading.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing => true,
            Event::DocumentStart(_) => self.document(span.start),
            Event::Alias(_) => {
                self.refuse(span.start, "aliases (`*name`) are not allowed", "write the value out");
                self.add(Node { place: self.place(span.start), value: Value::Null }, span.start)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_node(span.start, anchor, tag.is_some());
                let node = self.scalar(&text, style, span);
                self.add(node, span.start)
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_node(span.start, anchor, tag.is_some());
                let open = Open::List(self.place(span.start), Vec::new());
                self.push(open, span.start)
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_node(span.start, anchor, tag.is_some());
                let open = OpenMap {
                    place: self.place(span.start),
                    entries: Vec::new(),
                    key: None,
                    lines: HashMap::new(),
                };
                self.push(Open::Map(open), span.start)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(place, nodes)) => {
                    self.add(Node { place, value: Value::List(nodes) }, span.start)
                }
                Some(Open::Map(map)) => {
                    let node = Node { place: map.place, value: Value::Map(map.entries) };
                    self.add(node, span.start)
                }
                None => {
                    self.refuse(span.start, "not valid YAML: an end without a beginning", "");
                    false
                }
            },
        }
    }

    fn document(&mut self, start: Marker) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            self.refuse(
                start,
                "a file holds one YAML document",
                "remove the `---` or split the file",
            );
        }
        self.documents == 1
    }

    fn plain_node(&mut self, start: Marker, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.refuse(
                start,
                "anchors (`&name`) are not allowed",
                "write the value out where it is used",
            );
        }
        if tagged {
            self.refuse(start, "tags (`!name`) are not allowed", "remove it");
        }
    }

    fn push(&mut self, open: Open, start: Marker) -> bool {
        if self.open.len() >= MAX_DEPTH {
            self.refuse(start, "nested too deeply", "");
            return false;
        }
        self.open.push(open);
        true
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Node {
        let place = self.place(span.start);
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let null = style == Style::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        if null {
            return Node { place, value: Value::Null };
        }
        let (start, end) = (self.offset(span.start.index()), self.offset(span.end.index()));
        let raw = self.text.get(start..end).unwrap_or_default();
        let value = Value::Scalar(Scalar::new(text, style, raw, place.clone()));
        Node { place, value }
    }

    /// The byte offset of a character.
    fn offset(&self, character: usize) -> usize {
        let Some(near) = self.offsets.get(character / 64) else {
            return character.min(self.text.len());
        };
        let rest = self.text.get(*near..).unwrap_or_default();
        rest.char_indices().nth(character % 64).map_or(self.text.len(), |(offset, _)| near + offset)
    }

    /// Puts a finished node into the list or map that it belongs to.
    fn add(&mut self, node: Node, start: Marker) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.refuse(start, "the file has too many values", "split it into several files");
            return false;
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, nodes)) => nodes.push(node),
            Some(Open::Map(map)) => match map.key.take() {
                Some(key) => map.entries.push(Entry { key, node }),
                None => return self.key(node),
            },
        }
        true
    }

    fn key(&mut self, node: Node) -> bool {
        let (message, scalar) = match node.value {
            Value::Scalar(scalar) => (None, scalar),
            Value::Null | Value::List(_) | Value::Map(_) => {
                let unusable = Scalar::new("", Style::Plain, "", node.place.clone());
                (Some("a key must be a single value".to_owned()), unusable)
            }
        };
        let Some(Open::Map(map)) = self.open.last_mut() else {
            return false;
        };
        let first = map.lines.insert(scalar.text.clone(), scalar.place.line);
        let duplicate =
            first.map(|line| format!("key `{}` stands twice, first on line {line}", scalar.text));
        let merge = (scalar.text == "<<").then(|| "merge keys (`<<`) are not allowed".to_owned());
        map.key = Some(scalar);
        if let Some(message) = message.or(merge).or(duplicate) {
            self.report.add(&node.place, MistakeKind::Yaml, message, "");
        }
        true
    }
}

#[cfg(test)]
mod tests;

//! A statement's tree as plain data, read from what the grammar's nodes print of themselves.
//!
//! In:  SQL text.
//! Out: one [`Value`] per statement.
//!
//! Invariants:
//! - Every field of every node is there, of utility statements too: nothing depends on PostgreSQL's tree walkers, which
//!   `rewrite::verify` relies on and which do not know all nodes.

/// A node, a list, a name or a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Value {
    /// A node with its fields.
    Struct(String, Vec<(String, Value)>),
    /// A constant with its kind, such as `Integer(7)`.
    Tuple(String, Vec<Value>),
    /// A list.
    List(Vec<Value>),
    /// A string.
    Text(String),
    /// A number, `true`, `None` and so on.
    Word(String),
}

/// What stands for whatever is absent.
pub(crate) static NOTHING: Value = Value::List(Vec::new());

impl Value {
    /// The kind of a node; empty for anything else.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Struct(name, _) | Self::Tuple(name, _) => name,
            Self::List(_) | Self::Text(_) | Self::Word(_) => "",
        }
    }

    /// A field of a node.
    pub(crate) fn get(&self, field: &str) -> &Value {
        let Self::Struct(_, fields) = self else { return &NOTHING };
        fields.iter().find(|(name, _)| name == field).map_or(&NOTHING, |(_, value)| value)
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> &[Value] {
        match self {
            Self::List(items) => items,
            Self::Struct(..) | Self::Tuple(..) | Self::Text(_) | Self::Word(_) => &[],
        }
    }

    /// A string, or a `String` node's.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Struct(name, _) if name == "String" => self.get("sval").text(),
            Self::Struct(..) | Self::Tuple(..) | Self::List(_) | Self::Word(_) => None,
        }
    }

    /// Everything right under this.
    pub(crate) fn children(&self) -> Vec<&Value> {
        match self {
            Self::Struct(_, fields) => fields.iter().map(|(_, value)| value).collect(),
            Self::Tuple(_, items) | Self::List(items) => items.iter().collect(),
            Self::Text(_) | Self::Word(_) => Vec::new(),
        }
    }

    /// Everything under this, itself first.
    pub(crate) fn all(&self) -> Vec<&Value> {
        let mut found = vec![self];
        let mut next = 0;
        while next < found.len() {
            found.extend(found[next].children());
            next += 1;
        }
        found
    }

    /// Whether anything is there.
    pub(crate) fn is_some(&self) -> bool {
        *self != NOTHING && *self != Self::Word("None".to_owned())
    }
}

/// The statements of a text; `None` where the grammar does not accept it.
pub(crate) fn read(text: &str) -> Option<Vec<Value>> {
    let tree = pg_raw_parse::parse(text).ok()?;
    Some(tree.iter().map(|raw| from_printed(&format!("{:?}", raw.stmt()))).collect())
}

fn from_printed(printed: &str) -> Value {
    let mut cursor = Cursor { rest: printed };
    let value = cursor.value();
    assert!(cursor.rest.is_empty(), "left over: {:?} of {printed}", cursor.rest);
    value
}

/// Reads what `{:?}` prints of structs, tuples, lists, strings and words.
struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> String {
        let ends = |c: char| !(c.is_alphanumeric() || "_-.'".contains(c));
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        word.to_owned()
    }

    fn value(&mut self) -> Value {
        if self.rest.starts_with('"') {
            return Value::Text(self.string());
        }
        if self.take("[") {
            return Value::List(self.items("]"));
        }
        let name = self.word();
        if self.take(" { ") {
            return Value::Struct(name, self.fields());
        }
        if self.take("(") {
            let mut items = self.items(")");
            // `SelectStmt(SelectStmt { … })`, `Some(…)`, `NodeList([…])`: the wrapper says nothing more.
            let wrapped = matches!(items.as_slice(), [Value::Struct(..) | Value::List(_)]);
            if wrapped || name == "Some" {
                return items.remove(0);
            }
            return Value::Tuple(name, items);
        }
        assert!(!name.is_empty(), "nothing to read in {:?}", self.rest);
        Value::Word(name)
    }

    fn items(&mut self, end: &str) -> Vec<Value> {
        let mut items = Vec::new();
        while !self.take(end) {
            items.push(self.value());
            let _more = self.take(", ");
        }
        items
    }

    fn fields(&mut self) -> Vec<(String, Value)> {
        let mut fields = Vec::new();
        loop {
            if self.take(".. }") || self.take(" }") {
                return fields;
            }
            let name = self.word();
            assert!(self.take(": "), "a field's value in {:?}", self.rest);
            fields.push((name, self.value()));
            let _more = self.take(", ");
        }
    }

    fn string(&mut self) -> String {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return text;
                }
                '\\' => {
                    let (_, escaped) = chars.next().expect("something behind a backslash");
                    match escaped {
                        'n' => text.push('\n'),
                        'r' => text.push('\r'),
                        't' => text.push('\t'),
                        '0' => text.push('\0'),
                        'u' => {
                            let inside = chars.by_ref().skip(1).map(|(_, c)| c);
                            let hex: String = inside.take_while(|c| *c != '}').collect();
                            let code = u32::from_str_radix(&hex, 16).expect("a number");
                            text.push(char::from_u32(code).expect("a character"));
                        }
                        other => text.push(other),
                    }
                }
                other => text.push(other),
            }
        }
        panic!("a string without an end");
    }
}

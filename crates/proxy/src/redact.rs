//! Takes out of PostgreSQL's own words what could come from a hidden row or column.
//!
//! In:  the fields of an error or notice, what the client sent, which names the person may know.
//! Out: the primary message and the hint as that person may read them; `…` stands for what is taken out.
//!
//! Invariants:
//! - A quoted value stays only if the client sent it, or if it is a name that the person may know.
//! - Outside quotes, the plain words of PostgreSQL's own messages stay; numbers, names and everything else stay on
//!   the same terms as quoted values. What functions raise is free text: there only words of the functions'
//!   own messages stay (`Names::raised`).
//! - A value may hold quotes: unless one of PostgreSQL's own phrases stands between two quoted parts, they are one.

use pgcordon_rewrite::{Known, Names};
use pgcordon_sql::lex;

use crate::answer::Fields;
use crate::frame::Reader;

/// What stands for what is taken out.
const GONE: &str = "…";

/// Phrases between two quoted parts of PostgreSQL's messages.
const PHRASES: &[&str] = &[
    " of relation ",
    " violates foreign key constraint ",
    " violates check constraint ",
    " on table ",
    " for table ",
    " for ",
    ": ",
    " will be truncated to ",
    " or the column ",
];

/// Routines of the server, and of its usual extensions, that report what somebody else worded.
const RAISING: &[&str] = &["exec_stmt_raise", "exec_stmt_assert", "pgfdw_report_error"];

/// SQLSTATE classes of PL/pgSQL, external routines and foreign data: free text.
const FREE_CLASSES: &[&str] = &["P0", "38", "39", "HV"];

/// Types whose modifiers PostgreSQL's messages show, in parentheses.
const MODIFIED: &[&str] =
    &["varying", "character", "bit", "numeric", "timestamp", "time", "interval"];

/// Words for kinds of objects in `permission denied for …` and `must be owner of …`.
const KINDS: &[&str] = &[
    "table",
    "view",
    "materialized",
    "foreign",
    "sequence",
    "schema",
    "function",
    "procedure",
    "type",
    "domain",
    "column",
    "relation",
    "database",
    "language",
    "of",
];

/// Whose words a text is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Words {
    /// PostgreSQL's own template: its plain words hold nothing.
    Template,
    /// Of a function in the database.
    Raised,
    /// A translation, or quotes of another kind: no word is sure to be the template's.
    Strange,
}

/// Judges the words of one answer.
#[derive(Debug)]
pub(crate) struct Redactor<'a> {
    names: Names<'a>,
    /// What the client sent, in lower case: its text, and constants and bind values as they read.
    sent: Vec<String>,
}

impl<'a> Redactor<'a> {
    /// `text` is the statement; `binds` are the parameters of Bind messages, as sent.
    pub(crate) fn new<'b>(
        names: Names<'a>,
        text: Option<&str>,
        binds: impl IntoIterator<Item = &'b [u8]>,
    ) -> Self {
        let mut sent = Vec::new();
        if let Some(text) = text {
            sent.push(text.to_ascii_lowercase());
            sent.extend(lex::strings(text).into_iter().map(|value| value.to_ascii_lowercase()));
        }
        for parameters in binds {
            bind_values(parameters, &mut sent);
        }
        Self { names, sent }
    }

    /// The primary message.
    pub(crate) fn message(&self, fields: &Fields<'_>) -> String {
        self.text(fields, &fields.text(b'M'))
    }

    /// The hint; `None` when anything of it had to go.
    pub(crate) fn hint(&self, fields: &Fields<'_>) -> Option<String> {
        let hint = fields.text(b'H');
        (self.text(fields, &hint) == hint).then(|| hint.into_owned())
    }

    /// Whether a field that names an object may be passed on.
    pub(crate) fn object(&self, fields: &Fields<'_>, code: u8) -> Known {
        let (schema, table) = (fields.text(b's'), fields.text(b't'));
        match code {
            b's' | b't' => self.names.relation(&schema, &table),
            b'c' => self.names.column(&schema, &table, &fields.text(b'c')),
            b'n' => self.names.constraint(&schema, &table, &fields.text(b'n')),
            b'd' => self.names.name(&fields.text(b'd')),
            _ => Known::No,
        }
    }

    fn text(&self, fields: &Fields<'_>, text: &str) -> String {
        let spans = spans(text);
        let words = whose(fields, &spans);
        let mut out = String::with_capacity(text.len());
        for span in spans {
            match span {
                Span::Plain(plain) => self.plain(fields, words, plain, &mut out),
                Span::Quoted(value) => {
                    let known = self.value(fields, value) == Known::Yes;
                    out.push('"');
                    out.push_str(if known { value } else { GONE });
                    out.push('"');
                }
            }
        }
        out
    }

    /// | the value is                                  | outcome                                  |
    /// |-----------------------------------------------|------------------------------------------|
    /// | what a field says is a column, table and so on | as for that object, whatever was sent    |
    /// | what the client sent                          | `Yes`                                    |
    /// | a name, or several with dots between them      | `Yes` if each may be known or was sent   |
    /// | anything else                                 | `No`                                     |
    fn value(&self, fields: &Fields<'_>, value: &str) -> Known {
        let named = [b'c', b'n', b't', b's', b'd'];
        if let Some(code) = named.into_iter().find(|code| fields.has(*code, value)) {
            return self.object(fields, code);
        }
        if value == "UTF8" || self.was_sent(value) {
            return Known::Yes;
        }
        Known::from(value.split('.').all(|part| {
            self.names.name(part) == Known::Yes || (!part.is_empty() && self.was_sent(part))
        }))
    }

    fn plain(&self, fields: &Fields<'_>, words: Words, plain: &str, out: &mut String) {
        let denied = fields.text(b'C') == "42501";
        let mut object = false;
        let mut before = "";
        let mut rest = plain;
        while !rest.is_empty() {
            let blank = rest.find(is_word).unwrap_or(rest.len());
            let (gap, tail) = rest.split_at(blank);
            out.push_str(gap);
            let (word, tail) = tail.split_at(word_end(tail));
            rest = tail;
            if word.is_empty() {
                break;
            }
            let modifier = gap == "(" && MODIFIED.contains(&before);
            let own = match words {
                Words::Template if object => KINDS.contains(&word),
                Words::Template => modifier || word.bytes().all(|one| one.is_ascii_alphabetic()),
                Words::Raised => self.names.raised(word) == Known::Yes,
                Words::Strange => false,
            };
            let kept = own || self.value(fields, word) == Known::Yes;
            out.push_str(if kept { word } else { GONE });
            // `permission denied for table payroll`: from here on it is a name.
            object |= denied && (word == "for" || (before == "owner" && word == "of"));
            before = word;
        }
    }

    /// Whether the client's own words hold that value, not as a part of a longer word.
    fn was_sent(&self, value: &str) -> bool {
        let value = value.to_ascii_lowercase();
        let edge = |character: Option<char>| character.is_none_or(|one| !is_word(one));
        let (first, last) = (edge(value.chars().next()), edge(value.chars().next_back()));
        self.sent.iter().any(|text| {
            text.match_indices(&value).any(|(at, _)| {
                (first || edge(text[..at].chars().next_back()))
                    && (last || edge(text[at + value.len()..].chars().next()))
            })
        })
    }
}

fn whose(fields: &Fields<'_>, spans: &[Span<'_>]) -> Words {
    let code = fields.text(b'C');
    let routine = fields.text(b'R');
    let free = FREE_CLASSES.iter().any(|class| code.starts_with(class));
    // A routine of another language's handler has the language's prefix.
    if free || routine.is_empty() || RAISING.contains(&&*routine) || routine.starts_with("PL") {
        return Words::Raised;
    }
    let strange = spans.iter().any(|span| match span {
        Span::Plain(plain) => !plain.is_ascii() || has_single_quotes(plain),
        Span::Quoted(_) => false,
    });
    if strange || fields.text(b'S') != fields.text(b'V') { Words::Strange } else { Words::Template }
}

/// A `'` that is no apostrophe.
fn has_single_quotes(plain: &str) -> bool {
    let bytes = plain.as_bytes();
    let inside = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    plain.match_indices('\'').any(|(at, _)| at == 0 || !inside(at - 1) || !inside(at + 1))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

/// Where a word ends; dots between words belong to it.
fn word_end(text: &str) -> usize {
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let dotted = character == '.' && characters.peek().is_some_and(|(_, next)| is_word(*next));
        if !(is_word(character) || dotted && at > 0) {
            return at;
        }
    }
    text.len()
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Span<'t> {
    Plain(&'t str),
    Quoted(&'t str),
}

/// Cuts a message at its double quotes.
fn spans(text: &str) -> Vec<Span<'_>> {
    let marks: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    let (Some(first), Some(last)) = (marks.first(), marks.last()) else {
        return vec![Span::Plain(text)];
    };
    let mut spans = vec![Span::Plain(&text[..*first])];
    if first == last {
        spans.push(Span::Quoted(&text[first + 1..]));
        return spans;
    }
    let mut open = *first;
    // An odd number: a quote belongs to a value, and nobody knows which.
    let pairs = if marks.len().is_multiple_of(2) { &marks[1..marks.len() - 1] } else { &[][..] };
    for pair in pairs.chunks_exact(2) {
        let between = &text[pair[0] + 1..pair[1]];
        if PHRASES.contains(&between) {
            spans.push(Span::Quoted(&text[open + 1..pair[0]]));
            spans.push(Span::Plain(between));
            open = pair[1];
        }
    }
    spans.push(Span::Quoted(&text[open + 1..*last]));
    spans.push(Span::Plain(&text[last + 1..]));
    spans
}

/// Adds the values of one Bind, as they read: text as it is, binary as text and as the numbers it could be.
fn bind_values(parameters: &[u8], sent: &mut Vec<String>) {
    let mut reader = Reader::new(parameters);
    let Ok(count) = reader.u16() else { return };
    let Ok(formats) = reader.take(2 * usize::from(count)) else { return };
    let Ok(values) = reader.u16() else { return };
    for index in 0..usize::from(values) {
        let Ok(length) = reader.i32() else { return };
        let Ok(length) = usize::try_from(length) else { continue };
        let Ok(value) = reader.take(length) else { return };
        let format = if count == 1 { formats.get(1) } else { formats.get(2 * index + 1) };
        if let Ok(text) = std::str::from_utf8(value) {
            sent.push(text.to_ascii_lowercase());
        }
        if format == Some(&1) {
            sent.extend(numbers(value));
        }
    }
}

/// What a binary value reads as, if it is a number or a uuid.
fn numbers(value: &[u8]) -> Vec<String> {
    if let Ok(bytes) = value.try_into() {
        return vec![i16::from_be_bytes(bytes).to_string()];
    }
    if let Ok(bytes) = value.try_into() {
        return plausible([
            i32::from_be_bytes(bytes).to_string(),
            f32::from_be_bytes(bytes).to_string(),
        ]);
    }
    if let Ok(bytes) = value.try_into() {
        return plausible([
            i64::from_be_bytes(bytes).to_string(),
            f64::from_be_bytes(bytes).to_string(),
        ]);
    }
    if value.len() == 16 {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        return vec![parts.join("-")];
    }
    Vec::new()
}

/// An integer read as a float is a row of zeros, which a value must not be found in.
fn plausible(readings: [String; 2]) -> Vec<String> {
    readings.into_iter().filter(|reading| reading.len() <= 20).collect()
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;

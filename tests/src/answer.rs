//! What a server said to one statement, or to several.
//!
//! In:  backend messages.
//! Out: an [`Answer`]: rows, tags, the error, in a form that two servers can be compared by.

use std::collections::BTreeMap;

use crate::wire::Message;

/// An ErrorResponse or NoticeResponse, by field.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerError {
    /// Field type to value, as in the protocol: `C` is the SQLSTATE, `M` the message.
    pub fields: BTreeMap<char, String>,
}

/// What one statement returned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResultSet {
    /// Names of the columns; empty without a RowDescription.
    pub columns: Vec<String>,
    /// OIDs of their types.
    pub types: Vec<u32>,
    /// Text values.
    pub rows: Vec<Vec<Option<String>>>,
    /// The command tag; empty when the statement failed.
    pub tag: String,
    /// CopyData, one entry a message.
    pub copied: Vec<String>,
}

/// What came back up to ReadyForQuery, or to the end of the connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// One entry per statement.
    pub results: Vec<ResultSet>,
    /// The first error.
    pub error: Option<ServerError>,
    /// Transaction status of ReadyForQuery: `I`, `T`, `E`; a blank when the connection was closed instead.
    pub status: char,
}

impl ServerError {
    pub(crate) fn read(body: &[u8]) -> Self {
        let fields = body.split(|byte| *byte == 0).filter_map(|field| {
            let (kind, value) = field.split_first()?;
            Some((char::from(*kind), String::from_utf8_lossy(value).into_owned()))
        });
        Self { fields: fields.collect() }
    }

    /// The SQLSTATE.
    #[must_use]
    pub fn sqlstate(&self) -> &str {
        self.fields.get(&'C').map_or("", String::as_str)
    }

    /// The primary message.
    #[must_use]
    pub fn message(&self) -> &str {
        self.fields.get(&'M').map_or("", String::as_str)
    }
}

impl Answer {
    /// Sums up messages.
    #[must_use]
    pub fn read(messages: &[Message]) -> Self {
        let mut answer = Self { status: ' ', ..Self::default() };
        let mut current = ResultSet::default();
        for message in messages {
            match message.kind {
                b'T' => {
                    current.columns = message.columns();
                    current.types = message.types();
                }
                b'D' => current.rows.push(message.row()),
                b'd' => current.copied.push(message.text()),
                b'C' | b'I' | b's' => {
                    current.tag = message.text();
                    answer.results.push(std::mem::take(&mut current));
                }
                b'E' if answer.error.is_none() => {
                    answer.error = Some(ServerError::read(&message.body));
                }
                b'Z' => answer.status = message.body.first().map_or(' ', |byte| char::from(*byte)),
                _ => {}
            }
        }
        answer
    }

    /// The SQLSTATE, empty without an error.
    #[must_use]
    pub fn sqlstate(&self) -> &str {
        self.error.as_ref().map_or("", ServerError::sqlstate)
    }

    /// Rows of the last statement that returned any, `|` between columns, `NULL` for null, one line a row.
    #[must_use]
    pub fn table(&self) -> String {
        let with_rows = self.results.iter().rev().find(|result| !result.rows.is_empty());
        let rows = with_rows.map_or(&[][..], |result| result.rows.as_slice());
        let lines: Vec<String> = rows.iter().map(|row| line(row)).collect();
        lines.join("\n")
    }

    /// One text for everything that a client can tell apart, rows sorted unless `ordered`; of an error its
    /// SQLSTATE's class only.
    #[must_use]
    pub fn fingerprint(&self, ordered: bool) -> String {
        let mut text = String::new();
        for result in &self.results {
            let mut lines: Vec<String> = result.rows.iter().map(|row| line(row)).collect();
            if !ordered {
                lines.sort();
            }
            text.push_str(&format!("[{}] {}\n", result.columns.join("|"), result.tag));
            for line in lines.iter().chain(&result.copied) {
                text.push_str(&format!("  {line}\n"));
            }
        }
        if let Some(error) = &self.error {
            text.push_str(&format!("error class {}\n", error.sqlstate().get(..2).unwrap_or("?")));
        }
        text
    }
}

fn line(row: &[Option<String>]) -> String {
    let values: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
    values.join("|")
}

//! COPY FROM STDIN, COPY of a write's RETURNING, and the options of COPY.
//!
//! Invariants:
//! - Only the client's own connection is read or written: never a file, never a program.
//! - An option that is not named here is refused.

use std::ops::Range;

use pg_raw_parse::Node;
use pg_raw_parse::nodes;

use super::scope::Scope;
use super::write::{Walked, Within, WriteKind, required};
use super::{Kind, Walker};
use crate::catalog::ColumnId;
use crate::error::{Error, offset};

/// COPY relation [(columns)] FROM STDIN [WHERE …].
#[derive(Clone, Debug)]
pub struct CopyIn {
    /// Index into [`super::Statement::accesses`].
    pub access: usize,
    /// Columns listed, with where they are named; `None` without a list.
    pub columns: Option<Vec<(ColumnId, usize)>>,
    /// Bytes of the client's condition behind WHERE.
    pub condition: Option<Range<usize>>,
    /// The condition reads columns of the new row.
    pub reads: bool,
}

impl<'a> Walker<'a> {
    pub(super) fn copy_in(&mut self, copy: &'a nodes::CopyStmt) -> Result<Kind, Error> {
        if copy.is_program || copy.filename().is_some() {
            return Err(Error::unsupported("COPY from a file or program", -1));
        }
        for option in copy.options() {
            copy_option(option, true)?;
        }
        let target = required(copy.relation(), "this COPY")?;
        let (item, relation, _) = self.target_item(target, WriteKind::Insert)?;
        let access = item.accesses.start;
        let place = offset(target.location).unwrap_or_default();
        let mut columns = Vec::new();
        for node in copy.attlist() {
            let name = node.as_str().unwrap_or_default();
            let unknown = || Error::UnknownColumn { name: name.to_owned(), offset: Some(place) };
            columns.push((relation.column(name).ok_or_else(unknown)?, place));
        }
        let condition = match copy.where_clause() {
            Node::None => None,
            node => {
                self.expression(node, &Scope { items: &[item], parent: None })?;
                let where_at = self.parsed.clause(&self.out.range, "where");
                let token = where_at.ok_or_else(|| crate::parse::disagreement(place))?;
                Some(self.parsed.start(token + 1)..self.out.range.end)
            }
        };
        let reads = !self.out.target_uses.is_empty();
        let columns = (!copy.attlist().is_empty()).then_some(columns);
        Ok(Kind::CopyIn(CopyIn { access, columns, condition, reads }))
    }

    /// COPY (INSERT, UPDATE or DELETE … RETURNING …) TO STDOUT.
    pub(super) fn copy_write(
        &mut self,
        copy: &'a nodes::CopyStmt,
        walk: impl FnOnce(&mut Self, Range<usize>) -> Walked,
    ) -> Result<Kind, Error> {
        let open = self.parsed.tokens().first_at_or_after(self.out.range.start) + 1;
        let close = self.parsed.closing(open)?;
        let range = self.parsed.start(open + 1)..self.parsed.end(close - 1);
        let header = range.start..range.start;
        let (write, columns) = walk(self, range)?;
        if columns.open || !self.out.writes[write].has_returning {
            let location = copy.relation().map_or(-1, |relation| relation.location);
            return Err(Error::unsupported("COPY of a write without known columns", location));
        }
        let output_names = columns.list.iter().map(|column| column.name.clone()).collect();
        self.out.writes[write].within = Some(Within { header, output_names });
        Ok(Kind::CopyOut(None))
    }
}

/// Options that only say how rows are written down.
pub(super) fn copy_option(option: &nodes::DefElem, reads: bool) -> Result<(), Error> {
    const BOTH: [&str; 6] = ["format", "delimiter", "null", "header", "quote", "escape"];
    let name = option.defname().unwrap_or_default();
    let known = BOTH.contains(&name)
        || match reads {
            true => ["force_not_null", "force_null", "default"].contains(&name),
            false => name == "force_quote",
        }
        || (name == "encoding" && is_utf8(option.arg()));
    if known {
        return Ok(());
    }
    Err(Error::unsupported(format!("the COPY option {name}"), option.location))
}

fn is_utf8(node: Node<'_>) -> bool {
    let name = node.as_str().unwrap_or_default();
    let plain: String = name.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    ["utf8", "unicode"].iter().any(|known| plain.eq_ignore_ascii_case(known))
}

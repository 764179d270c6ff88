//! Commands that name whole tables: LOCK TABLE, TRUNCATE.
//!
//! Invariants:
//! - Each table named is one that the lens grants for that command, and is written qualified.
//! - A lock that shuts out other writers is refused: they may be other people, and rows of theirs.
//! - CASCADE is refused: it reaches tables that the statement does not name.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::DropBehavior;

use super::from::spelled;
use super::{Kind, Role, Seen, Walker};
use crate::error::{Error, offset};

/// What is done to the tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ObjectCommand {
    /// LOCK TABLE IN ACCESS SHARE MODE: what a reader takes.
    LockForReading,
    /// LOCK TABLE in the modes of FOR UPDATE and of writes.
    Lock,
    /// TRUNCATE.
    Truncate,
}

/// RowExclusiveLock of lockdefs.h: the strongest mode that an UPDATE takes by itself.
const ROW_EXCLUSIVE: i32 = 3;

impl ObjectCommand {
    /// As it is called in an error.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LockForReading | Self::Lock => "LOCK TABLE",
            Self::Truncate => "TRUNCATE",
        }
    }
}

/// The command and its tables; `None` for a statement of another kind.
pub(crate) fn object_command(node: Node<'_>) -> Option<(ObjectCommand, &NodeList)> {
    match node {
        // AccessShareLock of lockdefs.h.
        Node::LockStmt(lock) if lock.mode == 1 => {
            Some((ObjectCommand::LockForReading, lock.relations()))
        }
        Node::LockStmt(lock) => Some((ObjectCommand::Lock, lock.relations())),
        Node::TruncateStmt(truncate) => Some((ObjectCommand::Truncate, truncate.relations())),
        _ => None,
    }
}

impl<'a> Walker<'a> {
    pub(super) fn objects(&mut self, node: Node<'a>) -> Result<Kind, Error> {
        let Some((command, relations)) = object_command(node) else {
            return Err(Error::unsupported("this statement", -1));
        };
        if let Node::LockStmt(lock) = node
            && lock.mode > ROW_EXCLUSIVE
        {
            return Err(Error::unsupported(
                "LOCK TABLE in a mode that shuts out other writers",
                -1,
            ));
        }
        if let Node::TruncateStmt(truncate) = node
            && truncate.behavior == DropBehavior::DROP_CASCADE
        {
            return Err(Error::unsupported("TRUNCATE … CASCADE", -1));
        }
        for relation in relations {
            let Node::RangeVar(relation) = relation else {
                return Err(Error::unsupported("this table", -1));
            };
            let id = self.resolve(relation)?;
            let name = spelled(relation);
            match self.names.lens.object(id, command) {
                Seen::Columns(_) => {
                    self.access(relation, id, name, Role::Object)?;
                }
                Seen::Expand => {
                    let what = format!("{} of anything but a table", command.name());
                    return Err(Error::unsupported(what, relation.location));
                }
                Seen::Absent => {
                    let offset = offset(relation.location);
                    return Err(Error::UnknownRelation { name, offset });
                }
            }
        }
        Ok(Kind::Objects(command))
    }
}

//! Why a statement cannot be analysed.

/// Analysis failed; the statement must be refused. Offsets are bytes of the client's text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// PostgreSQL's grammar does not accept the text. 42601
    #[error("{message}")]
    Syntax {
        /// The grammar's or the lexer's message.
        message: String,
        /// Where, if known.
        offset: Option<usize>,
    },
    /// A construct that is not analysed. 0A000
    #[error("{what} is not supported")]
    Unsupported {
        /// The construct, as a noun phrase.
        what: String,
        /// Where, if known.
        offset: Option<usize>,
    },
    /// A relation that is absent or not visible to the reader. 42P01
    #[error("relation `{name}` does not exist")]
    UnknownRelation {
        /// As spelled.
        name: String,
        /// Where.
        offset: Option<usize>,
    },
    /// A qualifier that names no FROM item. 42P01
    #[error("missing FROM-clause entry for table `{name}`")]
    MissingFrom {
        /// The qualifier.
        name: String,
        /// Where.
        offset: Option<usize>,
    },
    /// A column that is absent or hidden. 42703
    #[error("column `{name}` does not exist")]
    UnknownColumn {
        /// As spelled.
        name: String,
        /// Where.
        offset: Option<usize>,
    },
    /// A column that two FROM items have. 42702
    #[error("column reference `{name}` is ambiguous")]
    AmbiguousColumn {
        /// As spelled.
        name: String,
        /// Where.
        offset: Option<usize>,
    },
    /// A column whose use is refused. 42501
    #[error("permission denied for column `{name}`")]
    DeniedColumn {
        /// Its name.
        name: String,
        /// Where.
        offset: Option<usize>,
    },
    /// A relation of which a definition needs more than the reader has. 42501
    #[error("not every row and column of `{name}` is the reader's")]
    Partial {
        /// As spelled.
        name: String,
        /// Where.
        offset: Option<usize>,
    },
    /// A kind of statement that the reader has no grant for. 42501
    #[error("{what} is not granted")]
    NotGranted {
        /// The kind.
        what: &'static str,
    },
    /// A view, or a column of one, that PostgreSQL would not write through. 55000, of a column 0A000
    #[error("cannot {command} view `{view}`")]
    NotUpdatable {
        /// `insert into`, `update` or `delete from`.
        command: &'static str,
        /// Its name.
        view: String,
        /// The column that is an expression.
        column: Option<String>,
        /// Where.
        offset: Option<usize>,
    },
    /// A type that is absent, or that one may not cast to. 42704
    #[error("type `{name}` does not exist")]
    UnknownType {
        /// As spelled.
        name: String,
        /// Where.
        offset: Option<usize>,
    },
    /// A function that is neither a built-in on the allow-list nor known. 42501
    #[error("function `{name}` is not allowed")]
    Function {
        /// As spelled.
        name: String,
        /// Where.
        offset: Option<usize>,
    },
    /// An operator that is neither a built-in on the allow-list nor known. 42501
    #[error("operator `{name}` is not allowed")]
    Operator {
        /// As spelled.
        name: String,
        /// Where.
        offset: Option<usize>,
    },
    /// Too long, too many tokens, too deep. 54000
    #[error("{what}")]
    Limit {
        /// Which limit.
        what: String,
    },
}

impl Error {
    /// Byte offset of what is wrong, if known.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        match self {
            Self::Syntax { offset, .. }
            | Self::Unsupported { offset, .. }
            | Self::UnknownRelation { offset, .. }
            | Self::MissingFrom { offset, .. }
            | Self::UnknownColumn { offset, .. }
            | Self::AmbiguousColumn { offset, .. }
            | Self::DeniedColumn { offset, .. }
            | Self::Partial { offset, .. }
            | Self::NotUpdatable { offset, .. }
            | Self::UnknownType { offset, .. }
            | Self::Function { offset, .. }
            | Self::Operator { offset, .. } => *offset,
            Self::Limit { .. } | Self::NotGranted { .. } => None,
        }
    }

    /// An [`Error::Unsupported`] at a node's location; negative locations mean "unknown".
    pub(crate) fn unsupported(what: impl Into<String>, location: i32) -> Self {
        Self::Unsupported { what: what.into(), offset: offset(location) }
    }
}

/// A node's location as a byte offset; PostgreSQL writes -1 where it does not know.
pub(crate) fn offset(location: i32) -> Option<usize> {
    usize::try_from(location).ok()
}

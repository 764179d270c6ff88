//! Why a statement is refused, in three faces: log, wire, metrics.
//!
//! Invariants:
//! - No variant means "let it through".
//! - `client_message` never names a relation or column that the person may not know of.

/// What goes to the client in an ErrorResponse.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientMessage {
    /// Five characters, from PostgreSQL's appendix A.
    pub sqlstate: &'static str,
    /// Primary message, worded as PostgreSQL words it.
    pub message: String,
    /// Empty when there is none.
    pub detail: String,
    /// Empty when there is none.
    pub hint: String,
    /// Character position in the client's text, from 1.
    pub position: Option<usize>,
}

/// Why a statement is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// PostgreSQL's grammar does not accept it. 42601.
    #[error("syntax error: {message}")]
    Syntax {
        /// The grammar's message.
        message: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// A construct that pgcordon cannot analyse or does not support. 0A000.
    #[error("not supported: {what}")]
    Unsupported {
        /// The construct, as a noun phrase.
        what: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// Not granted to the principal, or absent: the same text. 42P01.
    #[error("relation `{name}` does not exist for the principal")]
    UnknownRelation {
        /// As the client spelled it.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// Hidden or absent column. 42703.
    #[error("column `{name}` does not exist for the principal")]
    UnknownColumn {
        /// As the client spelled it.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// A qualifier that names no FROM item. 42P01.
    #[error("missing FROM-clause entry for table `{name}`")]
    MissingFrom {
        /// The qualifier.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// A column that two FROM items have. 42702.
    #[error("column reference `{name}` is ambiguous")]
    AmbiguousColumn {
        /// As the client spelled it.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// An absent or hidden type, or one that may not be cast to. 42704.
    #[error("type `{name}` does not exist for the principal")]
    UnknownType {
        /// As the client spelled it.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// A view, or a column of one, that PostgreSQL would not write through. 55000, of a column 0A000.
    #[error("cannot {command} view `{view}`")]
    NotUpdatable {
        /// `insert into`, `update` or `delete from`.
        command: &'static str,
        /// Its name.
        view: String,
        /// The column that is an expression.
        column: Option<String>,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// A denied or unwritable column. 42501.
    #[error("permission denied for column `{name}`")]
    ColumnDenied {
        /// The column's name.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// A command that no rule grants on a visible relation. 42501.
    #[error("permission denied for table `{name}`")]
    CommandDenied {
        /// The relation's name.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// A definition needs more of a relation than the principal has. 42501.
    #[error("not every row and column of `{name}` is the principal's")]
    Partial {
        /// The relation's name.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// A definition would change which rows a rule of the policy is about. 42501.
    #[error("a rule speaks of `{name}`")]
    Governed {
        /// The relation, column or type.
        name: String,
    },
    /// A function that is not on the allow-list. 42501.
    #[error("permission denied for function `{name}`")]
    FunctionDenied {
        /// As the client spelled it.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// An operator that is not on the allow-list. 42501.
    #[error("permission denied for operator `{name}`")]
    OperatorDenied {
        /// As the client spelled it.
        name: String,
        /// Byte offset.
        offset: Option<usize>,
    },
    /// A kind of statement that no role grants. 42501.
    #[error("{what} is not granted")]
    StatementDenied {
        /// The kind, as PostgreSQL calls the command.
        what: &'static str,
    },
    /// A rule on statements refuses it. 42501, with the rule's own message.
    #[error("query rule `{rule}` refuses the statement")]
    QueryDenied {
        /// The rule's name.
        rule: String,
        /// Stays the same when the message changes: for programs.
        code: String,
        /// For the person.
        message: Option<String>,
    },
    /// A setting that may not be changed or shown. 42501.
    #[error("permission denied for setting `{name}`")]
    SettingDenied {
        /// The setting's name.
        name: String,
    },
    /// A rule that applies needs an attribute that the principal lacks. 42501.
    #[error("principal lacks attribute `{name}`")]
    MissingAttribute {
        /// The attribute's name.
        name: String,
    },
    /// A rule does not fit the catalog any more; refused until mended. 42501.
    #[error("rule `{rule}` is broken: {problem}")]
    BrokenRule {
        /// The rule's name.
        rule: String,
        /// Shown in the log only.
        problem: String,
    },
    /// A size or depth limit. 54000 or 54001.
    #[error("limit exceeded: {what}")]
    Limit {
        /// Which limit.
        what: String,
    },
    /// The text that we made was not what we decided: our bug, never the client's. XX000, and an alarm.
    #[error("verification failed: {0}")]
    Verification(String),
}

impl Refusal {
    /// A short stable name for metrics, audit and tests.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "syntax",
            Self::Unsupported { .. } => "unsupported",
            Self::UnknownRelation { .. } => "unknown_relation",
            Self::UnknownColumn { .. } => "unknown_column",
            Self::MissingFrom { .. } => "missing_from",
            Self::AmbiguousColumn { .. } => "ambiguous_column",
            Self::UnknownType { .. } => "unknown_type",
            Self::NotUpdatable { .. } => "not_updatable",
            Self::ColumnDenied { .. } => "column_denied",
            Self::CommandDenied { .. } => "command_denied",
            Self::Partial { .. } => "partial",
            Self::Governed { .. } => "governed",
            Self::FunctionDenied { .. } => "function_denied",
            Self::OperatorDenied { .. } => "operator_denied",
            Self::StatementDenied { .. } => "statement_denied",
            Self::QueryDenied { .. } => "query_denied",
            Self::SettingDenied { .. } => "setting_denied",
            Self::MissingAttribute { .. } => "missing_attribute",
            Self::BrokenRule { .. } => "broken_rule",
            Self::Limit { .. } => "limit",
            Self::Verification(_) => "verification",
        }
    }

    /// What a program can act on.
    fn detail(&self) -> String {
        match self {
            Self::QueryDenied { code, .. } => format!("Query rule: {code}."),
            Self::Syntax { .. }
            | Self::Unsupported { .. }
            | Self::UnknownRelation { .. }
            | Self::UnknownColumn { .. }
            | Self::MissingFrom { .. }
            | Self::AmbiguousColumn { .. }
            | Self::UnknownType { .. }
            | Self::NotUpdatable { .. }
            | Self::ColumnDenied { .. }
            | Self::CommandDenied { .. }
            | Self::FunctionDenied { .. }
            | Self::OperatorDenied { .. }
            | Self::StatementDenied { .. }
            | Self::Partial { .. }
            | Self::Governed { .. }
            | Self::SettingDenied { .. }
            | Self::MissingAttribute { .. }
            | Self::BrokenRule { .. }
            | Self::Limit { .. }
            | Self::Verification(_) => String::new(),
        }
    }

    /// What the client is told; `text` is the client's own statement, for the position.
    #[must_use]
    pub fn client_message(&self, text: &str) -> ClientMessage {
        let (sqlstate, message, hint, offset) = match self {
            Self::Syntax { message, offset } => ("42601", message.clone(), "", *offset),
            Self::Unsupported { what, offset } => (
                "0A000",
                format!("pgcordon does not support {what}"),
                "The statement was not sent to the database.",
                *offset,
            ),
            Self::UnknownRelation { name, offset } => {
                ("42P01", format!("relation \"{name}\" does not exist"), "", *offset)
            }
            Self::UnknownColumn { name, offset } => {
                ("42703", format!("column \"{name}\" does not exist"), "", *offset)
            }
            Self::MissingFrom { name, offset } => {
                ("42P01", format!("missing FROM-clause entry for table \"{name}\""), "", *offset)
            }
            Self::AmbiguousColumn { name, offset } => {
                ("42702", format!("column reference \"{name}\" is ambiguous"), "", *offset)
            }
            Self::UnknownType { name, offset } => {
                ("42704", format!("type \"{name}\" does not exist"), "", *offset)
            }
            Self::NotUpdatable { command, view, column: None, offset } => {
                ("55000", format!("cannot {command} view \"{view}\""), "", *offset)
            }
            Self::NotUpdatable { command, view, column: Some(column), offset } => {
                let command = command.strip_suffix(" into").unwrap_or(command);
                let into = if command == "insert" { " into" } else { "" };
                let message =
                    format!("cannot {command}{into} column \"{column}\" of view \"{view}\"");
                ("0A000", message, "", *offset)
            }
            Self::ColumnDenied { name, offset } => {
                ("42501", format!("permission denied for column {name}"), "", *offset)
            }
            Self::CommandDenied { name, offset } => {
                ("42501", format!("permission denied for table {name}"), "", *offset)
            }
            Self::Partial { name, offset } => (
                "42501",
                format!("permission denied for table {name}"),
                "Defining it takes every row and column, to see and to change.",
                *offset,
            ),
            Self::Governed { name } => (
                "42501",
                format!("permission denied: the policy's rules speak of \"{name}\""),
                "This would change which rows they are about. An operator has to do it.",
                None,
            ),
            Self::FunctionDenied { name, offset } => {
                ("42501", format!("permission denied for function {name}"), "", *offset)
            }
            Self::OperatorDenied { name, offset } => {
                ("42501", format!("permission denied for operator {name}"), "", *offset)
            }
            Self::StatementDenied { what } => {
                ("42501", format!("permission denied: {what} is not granted to you"), "", None)
            }
            Self::QueryDenied { message, .. } => {
                let plain = || "permission denied for this statement".to_owned();
                ("42501", message.clone().unwrap_or_else(plain), "", None)
            }
            Self::SettingDenied { name } => {
                ("42501", format!("permission denied to set parameter \"{name}\""), "", None)
            }
            Self::MissingAttribute { name } => (
                "42501",
                format!("a row rule needs the attribute \"{name}\", which you do not carry"),
                "",
                None,
            ),
            Self::BrokenRule { rule, .. } => (
                "42501",
                format!("row rule \"{rule}\" does not fit the database any more"),
                "Access is refused until the rule is mended.",
                None,
            ),
            Self::Limit { what } => ("54000", what.clone(), "", None),
            Self::Verification(_) => (
                "XX000",
                "pgcordon could not verify the rewritten statement".to_owned(),
                "This is a fault of pgcordon's. The statement was not sent to the database.",
                None,
            ),
        };
        ClientMessage {
            sqlstate,
            message,
            detail: self.detail(),
            hint: hint.to_owned(),
            position: offset
                .and_then(|offset| text.get(..offset))
                .map(|head| head.chars().count() + 1),
        }
    }
}

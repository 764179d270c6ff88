//! Who a session runs as.
//!
//! In:  an [`Identity`] that the proxy has authenticated, and the database that they ask for.
//! Out: a [`Principal`], made by [`crate::Policy::principal`] only for those who may connect.
//!
//! Invariants:
//! - Nothing that a client can set freely is in it, but for the two names it connects with.
//! - Two equal principals are judged alike under one policy and catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::grant::StatementGrant;
use crate::identity::Identity;
use crate::limits::RoleLimits;
use crate::pooling::PoolMode;

/// A person or service account, authenticated, connected to one database.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Principal {
    /// The name: of the person for whom somebody acts, or the login name.
    pub name: String,
    /// A visitor who has not logged in.
    pub anonymous: bool,
    /// The database by the name that clients use; its `tables` limit what the principal may name.
    pub database: String,
    /// Groups that the person is in.
    pub groups: BTreeSet<String>,
    /// Every role, those of groups and included ones too.
    pub roles: BTreeSet<String>,
    /// SQL constants with their casts, by attribute name.
    pub attributes: BTreeMap<String, String>,
    /// A role with `bypass: true`: no rules, every statement audited.
    pub bypass: bool,
    /// Kinds of statement that a role grants.
    pub statements: BTreeSet<StatementGrant>,
    /// What `limits` leaves them.
    pub limits: RoleLimits,
    /// That of the user who logged in, or that of the database.
    pub pool_mode: PoolMode,
    /// What it was made of; another policy makes another principal of the same. Where each role and attribute comes
    /// from is told by [`crate::Policy::provenance`].
    pub identity: Arc<Identity>,
}

/// Why a user may not use a database.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConnectDenial {
    /// The policy names no such database.
    #[error("no such database")]
    UnknownDatabase,
    /// `connect` does not include the user.
    #[error("the user may not connect to the database")]
    NotAllowed {
        /// The names of those that the user may use.
        usable: Vec<String>,
    },
    /// An attribute's value does not fit its declared type, or two sources contradict each other.
    #[error("attribute `{name}` {problem}")]
    BadAttribute {
        /// The attribute's name.
        name: String,
        /// What is wrong, without the value.
        problem: String,
    },
}

//! Who a session runs as.

use std::collections::{BTreeMap, BTreeSet};

/// A person or service account, authenticated, connected to one database.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Principal {
    /// The login name.
    pub name: String,
    /// Groups that the person is in.
    pub groups: BTreeSet<String>,
    /// Every role, those of groups and included ones too.
    pub roles: BTreeSet<String>,
    /// SQL constants with their casts, by attribute name.
    pub attributes: BTreeMap<String, String>,
    /// A role with `bypass: true`: no rules, every statement audited.
    pub bypass: bool,
    /// Relations that the database's `tables` scope names, by oid; `None` when it names none.
    pub scope: Option<BTreeSet<u32>>,
}

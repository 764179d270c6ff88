//! Who somebody is by what authentication found out, beyond what the policy files say.
//!
//! In:  the proxy's authentication: a login name, and what a token, a certificate or a look-up says of them.
//! Out: an [`Identity`], from which [`crate::Policy::principal`] makes a [`crate::Principal`].
//!
//! Invariants:
//! - Only authentication makes one: nothing in it is what a client said of itself without proof.
//! - Values are as they were found; the policy's declared types check them when a principal is made.

use crate::audience::PUBLIC;

/// Who somebody is.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Identity {
    /// The login name, or the name of the person for whom somebody acts.
    pub user: String,
    /// What was found out, witness by witness.
    pub claims: Vec<Claims>,
    /// Who acts for them; the person who logged in.
    pub by: Option<Box<Identity>>,
}

/// What one witness says of a person.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Claims {
    /// Who says so.
    pub witness: Witness,
    /// Roles; those that the policy does not define grant nothing.
    pub roles: Vec<String>,
    /// Groups; those that the policy does not define grant nothing.
    pub groups: Vec<String>,
    /// Values by attribute name; each name must be declared in the policy.
    pub attributes: Vec<(String, Plain)>,
}

/// Where a claim comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Witness {
    /// A signed token.
    Token,
    /// A client certificate.
    Certificate,
    /// A look-up in the database (`attributes_query`): it adds to people whom somebody else knows.
    Lookup,
}

impl Witness {
    /// For people who read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "client certificate",
            Self::Lookup => "attributes query",
        }
    }

    /// Whether it vouches for people whom the policy does not list.
    fn describes(self) -> bool {
        match self {
            Self::Token | Self::Certificate => true,
            Self::Lookup => false,
        }
    }
}

/// A value without a type of the policy's, as JSON, a certificate or a column gives it. There is no null: what is
/// null is left out of the claims.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Plain {
    /// A text.
    Text(String),
    /// A number, as it is written: no digit is lost.
    Number(String),
    /// True or false.
    Bool(bool),
    /// Several.
    List(Vec<Plain>),
}

impl Identity {
    /// Somebody of whom only the name is known.
    #[must_use]
    pub fn named(user: &str) -> Self {
        Self { user: user.to_owned(), claims: Vec::new(), by: None }
    }

    /// Whoever logged in: the person themselves unless somebody acts for them.
    #[must_use]
    pub fn login(&self) -> &Self {
        let mut login = self;
        while let Some(by) = &login.by {
            login = by;
        }
        login
    }

    /// A visitor who has not logged in.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::named(PUBLIC)
    }

    /// Whether that is a visitor who has not logged in: no user can be called so.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.user == PUBLIC
    }

    /// Whether a token or certificate describes them, so that the policy need not list them.
    pub(crate) fn is_described(&self) -> bool {
        self.claims.iter().any(|claims| claims.witness.describes())
    }
}

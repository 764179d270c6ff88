//! The people of one database as roles.
//!
//! In:  the policy.
//! Out: [`Person`]s: who may connect, and by which names they go in PostgreSQL.

use pgcordon_policy::{Identity, Principal};
use pgcordon_sql::splice;

use crate::export::{ExportRequest, Gathered, words};

/// Somebody who may connect.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) principal: Principal,
    /// The login role: the name that they connect with.
    pub(super) login: String,
    /// The role that owns the person's views, cannot log in and is granted what these read; and their schema.
    pub(super) own: String,
    /// The password's verifier.
    pub(super) verifier: Option<String>,
}

impl Person {
    pub(super) fn quoted(&self) -> String {
        splice::quoted(&self.login)
    }
}

/// Everybody who may connect and can be a role.
///
/// | name                                     | outcome       |
/// |------------------------------------------|---------------|
/// | longer than 54 bytes                     | not expressed |
/// | `public`, `none`, `pg_…`, `pgcordon_…`   | not expressed |
/// | the role that pgcordon connects as       | not expressed |
/// | else                                     | a [`Person`]  |
pub(super) fn people(request: &ExportRequest<'_>, gathered: &mut Gathered) -> Vec<Person> {
    let mut people = Vec::new();
    for user in request.policy.users() {
        let identity = Identity::named(user);
        let Ok(principal) = request.policy.principal(&identity, request.database) else { continue };
        let own = words::short(&format!("pgcordon_{user}"));
        let reserved = ["public", "none"].contains(&user)
            || user.starts_with("pg_")
            || user.starts_with("pgcordon_")
            || user == request.upstream_role;
        match own {
            Some(own) if !reserved => {
                if !principal.statements.is_empty() {
                    gathered.not_expressed(format!(
                        "statements of {user}: EXPLAIN needs no privilege; CREATE on a schema is not granted"
                    ));
                }
                people.push(Person {
                    principal,
                    login: user.to_owned(),
                    own,
                    verifier: request.policy.verifier(user).map(str::to_owned),
                });
            }
            Some(_) | None => {
                gathered.not_expressed(format!(
                    "user {user}: the name cannot be that of a role; they are granted nothing"
                ));
            }
        }
    }
    people
}

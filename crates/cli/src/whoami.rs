//! `pgcordon whoami`: who somebody is on a database, and where each role, group and attribute comes from.
//!
//! In:  a configuration, a user, a database name; who acts for them, if anybody does.
//! Out: one line a fact on stdout, the same facts as `SHOW pgcordon.identity`; exit code 1 for somebody who may not connect.
//!
//! Invariants:
//! - Nothing is asked but the files: what a token, a certificate or the database adds is not in it.

use pgcordon_policy::Identity;
use pgcordon_proxy::{Config, Fact, facts};

use crate::arguments::Whoami;
use crate::console;
use crate::failure::Failure;
use crate::sight::{connect_denial, only_database};

/// Runs the command.
pub(crate) fn run(arguments: &Whoami) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    let database = match &arguments.database {
        Some(name) => name.clone(),
        None => only_database(&config, &arguments.user)?,
    };
    let policy = &config.policy;
    let person = Identity::named(&arguments.user);
    let (identity, acting) = match &arguments.by {
        None => (person, None),
        Some(by) => {
            let actor = Identity::named(by);
            let acting = policy.may_act_as(&actor, &person).map_err(|denial| {
                Failure::Told(format!("`{by}` may not act for `{}`: {denial}", person.user))
            })?;
            (Identity { by: Some(Box::new(actor)), ..person }, Some(acting))
        }
    };
    let principal = policy.principal(&identity, &database).map_err(|denial| {
        Failure::Told(connect_denial(&config, &identity.user, &database, &denial))
    })?;
    for line in lines(&facts(policy, &principal, acting)) {
        console::line(line);
    }
    Ok(())
}

/// The facts in columns.
fn lines(facts: &[Fact]) -> Vec<String> {
    let width = |column: usize| {
        facts.iter().map(|fact| fact[column].chars().count()).max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let lines = facts.iter().map(|[what, name, value, origin]| {
        let [first, second, third] = widths;
        let line = format!("{what:first$}  {name:second$}  {value:third$}  {origin}");
        line.trim_end().to_owned()
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_stand_in_columns() {
        let facts = [
            ["user", "rita", "", ""].map(str::to_owned),
            ["attribute", "region", "'North'::text", "from group north"].map(str::to_owned),
        ];
        let expected = ["user       rita", "attribute  region  'North'::text  from group north"];
        assert_eq!(lines(&facts), expected);
    }
}

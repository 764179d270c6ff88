//! `pgcordon explain`: the layers' answers, and the SQL that PostgreSQL would get.
//!
//! In:  a configuration, a user, a database name, a statement.
//! Out: text on stdout; exit code 0 if the statement would be sent, 1 if it is refused.
//!
//! Invariants:
//! - The statement is not run; only the catalog is read.

use pgcordon_policy::Identity;
use pgcordon_proxy::Config;

use crate::arguments::Explain;
use crate::console;
use crate::failure::Failure;
use crate::sight::{Sight, knows};

/// Runs the command.
pub(crate) async fn run(arguments: &Explain) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    let database = database(&config, arguments)?;
    let sight = Sight::open(&config, &arguments.user, &database).await?;
    let landed = &sight.principal.database;
    let connect = match *landed == database {
        true => format!("{} may use {database} ({})", arguments.user, sight.target),
        false => format!(
            "{} may not use {database} and lands in {landed} ({})",
            arguments.user, sight.target
        ),
    };
    console::line(layer("connect", &connect));
    let (answers, outcome) = pgcordon_rewrite::explain(&arguments.sql, sight.context());
    for answer in answers.iter().filter(|answer| answer.layer != "connect") {
        console::line(layer(answer.layer, &answer.answer));
    }
    console::line("");
    match outcome {
        Ok(cleared) => {
            console::line(cleared.sql());
            Ok(())
        }
        Err(refusal) => {
            let message = refusal.client_message(&arguments.sql);
            console::line(format_args!(
                "The client is told: {} {}",
                message.sqlstate, message.message
            ));
            Err(Failure::Told(format!("refused: {refusal}")))
        }
    }
}

fn layer(name: &str, answer: &str) -> String {
    format!("{name:<8} {}", answer.replace('\n', "\n         "))
}

fn database(config: &Config, arguments: &Explain) -> Result<String, Failure> {
    if let Some(name) = &arguments.database {
        return Ok(name.clone());
    }
    let usable = config.policy.usable(&Identity::named(&arguments.user));
    match usable.as_slice() {
        [] if !knows(config, &arguments.user) => {
            Err(Failure::Told(format!("connect: no user `{}` in the policy", arguments.user)))
        }
        [] => Err(Failure::Told(format!("connect: `{}` may use no database", arguments.user))),
        [only] => Ok(only.clone()),
        [..] => Err(Failure::Told(format!(
            "`{}` may use several databases: say --database with one of {}",
            arguments.user,
            usable.join(", ")
        ))),
    }
}

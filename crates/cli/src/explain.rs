//! `pgcordon explain`: the layers' answers, and the SQL that PostgreSQL would get.
//!
//! In:  a configuration, a user, a database name, a statement.
//! Out: text on stdout; exit code 0 if the statement would be sent, 1 if it is refused.
//!
//! Invariants:
//! - The statement is not run; only the catalog is read.

use pgcordon_proxy::Config;

use crate::arguments::Explain;
use crate::console;
use crate::failure::Failure;
use crate::sight::{Sight, only_database};

/// Runs the command.
pub(crate) async fn run(arguments: &Explain) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    let database = match &arguments.database {
        Some(name) => name.clone(),
        None => only_database(&config, &arguments.user)?,
    };
    let sight = Sight::open(&config, &arguments.user, &database).await?;
    let connect = format!("{} may use {database} ({})", arguments.user, sight.target);
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

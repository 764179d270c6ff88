//! `pgcordon explain`: the layers' answers, and the SQL that PostgreSQL would get.
//!
//! In:  a configuration, a user, a database name, a statement.
//! Out: text on stdout; exit code 0 if the statement would be sent, 1 if it is refused.
//!
//! Invariants:
//! - The statement is not run; only the catalog is read.

use pgcordon_policy::{ConnectDenial, Identity};
use pgcordon_proxy::Config;
use pgcordon_rewrite::Layer;

use crate::arguments::Explain;
use crate::console;
use crate::failure::Failure;
use crate::sight::{Sight, connect_denial, knows, only_database};

/// Runs the command.
pub(crate) async fn run(arguments: &Explain) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    let database = match &arguments.database {
        Some(name) => name.clone(),
        None => only_database(&config, &arguments.user)?,
    };
    let identity = Identity::named(&arguments.user);
    let landing = config.policy.landing(&identity, &database);
    if let Err(denial) = config.policy.principal(&identity, landing) {
        return Err(not_connected(&config, &arguments.user, &database, &denial));
    }
    let sight = Sight::open(&config, &arguments.user, &database).await?;
    let landed = &sight.principal.database;
    let connect = match *landed == database {
        true => format!("{} may use {database} ({})", arguments.user, sight.target),
        false => format!(
            "{} may not use {database} and lands in {landed} ({})",
            arguments.user, sight.target
        ),
    };
    tell(Layer::Connect, &connect);
    let (answers, outcome) = pgcordon_rewrite::explain(&arguments.sql, sight.context());
    for answer in answers.iter().filter(|answer| answer.layer != Layer::Connect) {
        tell(answer.layer, &answer.answer);
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

fn tell(layer: Layer, answer: &str) {
    let answer = answer.replace('\n', "\n         ");
    console::line(format_args!("{:<8} {answer}", layer.name()));
}

/// The first layer refuses, and no other one is asked.
fn not_connected(config: &Config, user: &str, database: &str, denial: &ConnectDenial) -> Failure {
    for layer in Layer::ALL {
        let refused = layer == Layer::Connect;
        tell(layer, &if refused { format!("refused: {denial}") } else { "not asked".to_owned() });
    }
    console::line("");
    let told = match denial {
        _ if !knows(config, user) => {
            format!("28P01 password authentication failed for user \"{user}\"")
        }
        ConnectDenial::UnknownDatabase | ConnectDenial::NotAllowed { .. } => {
            format!("42501 permission denied for database \"{database}\"")
        }
        ConnectDenial::BadAttribute { name, problem } => {
            format!("42501 your attribute \"{name}\" {problem}")
        }
    };
    console::line(format_args!("The client is told: {told}"));
    Failure::Told(connect_denial(config, user, database, denial))
}

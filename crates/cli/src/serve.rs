//! `pgcordon serve`: the proxy until SIGTERM or Ctrl-C.
//!
//! In:  a configuration file.
//! Out: a running proxy; returns when every session has ended or the drain time is over.

use pgcordon_proxy::{Config, ServeError, describe};

use crate::arguments::Serve;
use crate::failure::Failure;
use crate::stop::Stop;

/// Runs the command.
pub(crate) async fn run(arguments: &Serve) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let config = Config::load(&arguments.config)?;
    let asked = async move { stop.asked().await };
    pgcordon_proxy::serve(config, asked).await.map_err(failure)
}

/// What kept the proxy from listening; a policy that does not fit is told as `check` tells it.
pub(crate) fn failure(error: ServeError) -> Failure {
    match error {
        ServeError::Policy(mistakes) => mistakes.into(),
        other => Failure::Told(describe(&other)),
    }
}

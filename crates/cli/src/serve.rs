//! `pgcordon serve`: the proxy until SIGTERM or Ctrl-C.
//!
//! In:  a configuration file.
//! Out: a running proxy; returns when every session has ended or the drain time is over.

use pgcordon_proxy::Config;

use crate::arguments::Serve;
use crate::failure::Failure;
use crate::stop::Stop;

/// Runs the command.
pub(crate) async fn run(arguments: &Serve) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let config = Config::load(&arguments.config)?;
    let asked = async move { stop.asked().await };
    pgcordon_proxy::serve(config, asked).await.map_err(|error| Failure::Told(error.to_string()))
}

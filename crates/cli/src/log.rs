//! Log lines on stderr.
//!
//! In:  `--log`, `--log-format` and PGCORDON_LOG.
//! Out: a subscriber for the whole process.

use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, Command, LogFormat};
use crate::failure::Failure;

/// Starts logging; a filter that cannot be read is an error, not silence.
pub(crate) fn start(arguments: &Arguments) -> Result<(), Failure> {
    let level = arguments.log.as_deref().unwrap_or_else(|| usual(&arguments.command));
    let filter = EnvFilter::try_new(level)
        .map_err(|error| Failure::Told(format!("`{level}` is not a log filter: {error}")))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
    Ok(())
}

/// A server tells what it does; the other commands' answer is what counts.
fn usual(command: &Command) -> &'static str {
    match command {
        Command::Serve(_) => "info",
        // What is refused on purpose would be told twice.
        Command::Demo(_) | Command::Test(_) => "error",
        Command::Password
        | Command::Check(_)
        | Command::ExportSql(_)
        | Command::Matrix(_)
        | Command::Explain(_)
        | Command::Whoami(_) => "warn",
    }
}

//! The command line.
//!
//! In:  the arguments of the process.
//! Out: [`Arguments`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A proxy that shows each person only their rows of a PostgreSQL database.
#[derive(Debug, Parser)]
#[command(name = "pgcordon", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter such as `pgcordon_proxy=debug`
    #[arg(long, global = true, env = "PGCORDON_LOG", value_name = "LEVEL")]
    pub(crate) log: Option<String>,

    /// How log lines look
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per event.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy until SIGTERM or Ctrl-C
    Serve(Serve),
    /// Start a throw-away PostgreSQL with sample data and the proxy in front of it
    Demo(Demo),
    /// Read a password and print its SCRAM-SHA-256 verifier for the policy file
    Password,
    /// Find every mistake in the configuration and the policy; exits with 1 if there is any
    Check(Check),
    /// Show what each layer answers to a statement, and what PostgreSQL would get; runs nothing
    Explain(Explain),
    /// Run the tests of the policy against the databases; exits with 1 if one fails, 2 if they cannot be run
    Test(Test),
    /// Print who may see what of one database: role by role, table by table, command by command
    Matrix(Matrix),
    /// Print who somebody is on a database: roles, groups and attributes, and where each comes from
    Whoami(Whoami),
    /// Print the policy of one database as PostgreSQL's own roles, privileges, row policies and views
    ExportSql(ExportSql),
}

/// Options of `serve`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Options of `demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Tell the story through a real connection, check each point of it, clean up and exit
    #[arg(long)]
    pub(crate) tour: bool,

    /// The proxy's port on the loopback interface [default: 6432, or any free one if that is taken]
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
}

/// Options of `check`.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// Do not compare the policy with the catalogs of the databases
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Options of `explain`.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// Whose statement it is
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: String,

    /// The database name that the client connects with [default: the only one that the user may use]
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,

    /// The statement
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
}

/// Options of `test`.
#[derive(Args, Debug)]
pub(crate) struct Test {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// Where tests run that do not say `database` [default: the only one that the person may use]
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,

    /// Only tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Only tests of this person
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Write the outcome as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// More files with `tests:`, besides those in the policy
    #[arg(value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,
}

/// Options of `matrix`.
#[derive(Args, Debug)]
pub(crate) struct Matrix {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// The database name that clients connect with
    #[arg(long, value_name = "NAME")]
    pub(crate) database: String,
}

/// Options of `whoami`.
#[derive(Args, Debug)]
pub(crate) struct Whoami {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// Who
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: String,

    /// The service account or operator who acts for them
    #[arg(long, value_name = "USER")]
    pub(crate) by: Option<String>,

    /// The database name that the client connects with [default: the only one that the user may use]
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
}

/// Options of `export-sql`.
#[derive(Args, Debug)]
pub(crate) struct ExportSql {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// The database name that clients connect with
    #[arg(long, value_name = "NAME")]
    pub(crate) database: String,

    /// Give the roles the passwords of the policy file, as SCRAM verifiers
    #[arg(long)]
    pub(crate) passwords: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn check(line: &str, expected: Result<(), clap::error::ErrorKind>) {
        let outcome = Arguments::try_parse_from(line.split_whitespace());
        assert_eq!(outcome.map(|_| ()).map_err(|error| error.kind()), expected, "{line}");
    }

    #[test]
    fn the_definition_has_no_contradiction() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn commands_and_their_neighbours() {
        use clap::error::ErrorKind;
        check("pgcordon", Err(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand));
        check("pgcordon serve --config a.yaml", Ok(()));
        check("pgcordon serve", Err(ErrorKind::MissingRequiredArgument));
        check("pgcordon demo --tour --port 7000", Ok(()));
        check("pgcordon demo --port 70000", Err(ErrorKind::ValueValidation));
        check("pgcordon check --config a.yaml --offline --log debug", Ok(()));
        check("pgcordon explain --config a.yaml --as rita TABLE", Ok(()));
        check(
            "pgcordon explain --config a.yaml --as rita",
            Err(ErrorKind::MissingRequiredArgument),
        );
        check("pgcordon test --config a.yaml b.yaml c.yaml --as rita --junit out.xml", Ok(()));
        check("pgcordon matrix --config a.yaml --database shop", Ok(()));
        check("pgcordon matrix --config a.yaml", Err(ErrorKind::MissingRequiredArgument));
        check("pgcordon test b.yaml", Err(ErrorKind::MissingRequiredArgument));
        check("pgcordon export-sql --config a.yaml --database shop --passwords", Ok(()));
        check("pgcordon whoami --config a.yaml --as rita --by app --database shop", Ok(()));
        check("pgcordon whoami --config a.yaml", Err(ErrorKind::MissingRequiredArgument));
        check("pgcordon export-sql --config a.yaml", Err(ErrorKind::MissingRequiredArgument));
        check("pgcordon password hunter2", Err(ErrorKind::UnknownArgument));
    }
}

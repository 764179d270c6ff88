//! The binary `pgcordon`.
//!
//! In:  a command line.
//! Out: exit code 0 when the command did what was asked, 1 when it found or met trouble, 2 for wrong usage and for tests
//!      that cannot be run.
//!
//! Invariants:
//! - Answers go to stdout, log lines and troubles to stderr.

mod arguments;
mod check;
mod console;
mod demo;
mod explain;
mod export;
mod failure;
mod log;
mod matrix;
mod password;
mod serve;
mod sight;
mod stop;
mod testing;
mod whoami;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = log::start(&arguments).and_then(|()| run(arguments.command));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::trouble(&failure);
            failure.exit_code()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Password => password::run(),
        Command::Whoami(whoami) => whoami::run(&whoami),
        Command::Serve(serve) => runtime()?.block_on(serve::run(&serve)),
        Command::Demo(demo) => runtime()?.block_on(demo::run(&demo)),
        Command::Check(check) => runtime()?.block_on(check::run(&check)),
        Command::ExportSql(export) => runtime()?.block_on(export::run(&export)),
        Command::Matrix(matrix) => runtime()?.block_on(matrix::run(&matrix)),
        Command::Test(test) => runtime()?.block_on(testing::run(&test)),
        Command::Explain(explain) => runtime()?.block_on(explain::run(&explain)),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("starting the runtime"))
}

//! `pgcordon demo`: the main job on an embedded default, from nothing to `psql` in one command.
//!
//! In:  PostgreSQL's server binaries; everything else is in this binary.
//! Out: a running stage with ready-made `psql` lines, or the tour; afterwards nothing is left behind.
//!
//! Invariants:
//! - Whatever happens, error, panic, Ctrl-C, the server is stopped and its folder removed (`Drop`).

mod account;
mod binaries;
mod cluster;
mod people;
mod stage;
mod story;
mod table;
mod tour;

use crate::arguments::Demo;
use crate::console;
use crate::failure::Failure;
use crate::stop::Stop;
use people::PEOPLE;
use stage::Stage;

/// Runs the command.
pub(crate) async fn run(arguments: &Demo) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let stage = tokio::select! {
        stage = Stage::set_up(arguments.port) => stage?,
        () = stop.asked() => return Err(Failure::Stopped),
    };
    let outcome = if arguments.tour {
        tokio::select! {
            outcome = tour::run(&stage) => outcome,
            () = stop.asked() => Err(Failure::Stopped),
        }
    } else {
        invite(&stage);
        stop.asked().await;
        Ok(())
    };
    stage.tear_down().await;
    console::line("The proxy and the server are stopped, their folder is removed.");
    outcome
}

fn invite(stage: &Stage) {
    let (host, port) = (stage.address.ip(), stage.address.port());
    console::line(format_args!(
        "pgcordon listens on {host}:{port}, in front of a throw-away PostgreSQL with a shop's data.\n"
    ));
    for person in PEOPLE {
        console::line(format_args!(
            "  {}, {}:\n    PGPASSWORD={} psql -h {host} -p {port} -U {} -d shop\n",
            person.name, person.title, person.password, person.name
        ));
    }
    console::line("Ask each of them, for example:\n");
    console::line("  SELECT region, count(*) FROM customers GROUP BY region;");
    console::line("  SELECT name, email FROM customers LIMIT 5;");
    console::line("  SELECT * FROM payroll;\n");
    console::line("What PostgreSQL gets for a statement of rita's, from another terminal:\n");
    console::line(format_args!(
        "  pgcordon explain --config {} --as rita --database shop \"SELECT * FROM orders\"\n",
        stage.config_path.display()
    ));
    console::line("Ctrl-C stops both and removes everything.");
}

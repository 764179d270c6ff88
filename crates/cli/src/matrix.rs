//! `pgcordon matrix`: who may see what, as text to review and to compare.
//!
//! In:  a configuration, a database name; the catalog is read.
//! Out: the matrix on stdout. No statement runs.
//!
//! Invariants:
//! - A rule that does not fit the catalog ends the command: it would look as if nobody had the relation.

use pgcordon_rewrite::{MatrixRequest, matrix};

use crate::arguments::Matrix;
use crate::console;
use crate::failure::Failure;
use crate::sight::Whole;

/// Runs the command.
pub(crate) async fn run(arguments: &Matrix) -> Result<(), Failure> {
    let whole = Whole::open(&arguments.config, &arguments.database).await?;
    let text = matrix(&MatrixRequest {
        policy: &whole.config.policy,
        bound: &whole.bound,
        snapshot: &whole.snapshot,
        database: &arguments.database,
    });
    console::line(text.trim_end());
    Ok(())
}

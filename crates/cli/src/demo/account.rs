//! The account that runs the demo's server: PostgreSQL refuses to run as root.
//!
//! In:  our own user id.
//! Out: nothing to change, or the ids of an unprivileged account.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;

/// Accounts to try, the first that exists is taken.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// User and group ids of the account that runs the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Account {
    /// We are not root: the server runs as ourselves.
    Own,
    /// We are root: it runs as this one.
    Other {
        /// User id.
        user: u32,
        /// Group id.
        group: u32,
    },
}

impl Account {
    /// Decides by our own user id.
    pub(super) fn choose() -> Result<Self, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let ids = |name: &&str| Some((id("-u", name)?, id("-g", name)?));
        match UNPRIVILEGED.iter().find_map(ids) {
            Some((user, group)) => Ok(Self::Other { user, group }),
            None => Err(Failure::Told(
                "running as root, and neither `postgres` nor `nobody` exists to run the server"
                    .to_owned(),
            )),
        }
    }

    /// A command that runs as this account; std drops root's supplementary groups with its user id.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        match self {
            Self::Own => {}
            Self::Other { user, group } => {
                command.uid(user).gid(group);
            }
        }
        command
    }

    /// Gives a file or folder to this account.
    pub(super) fn own(self, path: &Path) -> Result<(), Failure> {
        match self {
            Self::Own => Ok(()),
            Self::Other { user, group } => std::os::unix::fs::chown(path, Some(user), Some(group))
                .map_err(Failure::io(format!("giving away `{}`", path.display()))),
        }
    }
}

fn id(kind: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([kind, name]).output().ok()?;
    std::str::from_utf8(&output.stdout).ok()?.trim().parse().ok().filter(|id| *id != 0)
}

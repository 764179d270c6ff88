//! Finds PostgreSQL's server programs.
//!
//! In:  PGCORDON_PG_BIN, PATH, and the folders in which packages put them.
//! Out: a folder that holds `initdb` and `postgres`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Where Debian's packages and Homebrew keep one folder per major version.
const PACKAGED: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@"),
];

/// The folder to use: what the person says, then PATH, then the newest packaged version.
pub(super) fn find() -> Result<PathBuf, Failure> {
    let said = std::env::var_os("PGCORDON_PG_BIN").map(PathBuf::from);
    if let Some(folder) = said {
        // Said, and wrong: another server than the one that was meant would be a surprise.
        return if holds_server(&folder) { Ok(folder) } else { Err(Failure::NoServer) };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| holds_server(folder))
        .or_else(|| newest(PACKAGED.iter().flat_map(|(root, prefix)| versions(root, prefix))))
        .ok_or(Failure::NoServer)
}

fn holds_server(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file())
}

fn versions(root: &str, prefix: &str) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let version = |name: &OsStr| name.to_str()?.strip_prefix(prefix)?.parse::<u32>().ok();
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((version(&entry.file_name())?, entry.path().join("bin"))))
        .filter(|(_, folder)| holds_server(folder))
        .collect()
}

fn newest(versions: impl Iterator<Item = (u32, PathBuf)>) -> Option<PathBuf> {
    versions.max().map(|(_, folder)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_wins_as_a_number() {
        let found = |versions: &[u32]| {
            newest(versions.iter().map(|version| (*version, PathBuf::from(version.to_string()))))
        };
        assert_eq!(found(&[9, 15, 13]), Some(PathBuf::from("15")));
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn a_folder_without_the_programs_is_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(!holds_server(folder.path()));
        std::fs::write(folder.path().join("initdb"), "").expect("writable");
        assert!(!holds_server(folder.path()));
        std::fs::write(folder.path().join("postgres"), "").expect("writable");
        assert!(holds_server(folder.path()));
    }
}

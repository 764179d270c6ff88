//! The only place that writes to stdout and stderr.
//!
//! In:  lines of text.
//! Out: the terminal. A reader that went away (`pgcordon explain … | head -1`) is no reason to panic.

use std::fmt::Display;
use std::io::Write as _;

/// One line of the answer.
pub(crate) fn line(text: impl Display) {
    let mut stdout = std::io::stdout().lock();
    // A closed pipe is the reader's wish.
    let _ = writeln!(stdout, "{text}");
    let _ = stdout.flush();
}

/// One line about what goes on or went wrong.
pub(crate) fn trouble(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "pgcordon: {text}");
}

/// Text with every line moved to the right.
pub(crate) fn indented(text: &str, columns: usize) -> String {
    let margin = " ".repeat(columns);
    let lines: Vec<String> = text.lines().map(|line| format!("{margin}{line}")).collect();
    lines.join("\n")
}

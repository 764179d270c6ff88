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

/// SQL broken at blanks outside quotes where a line would grow longer than `columns`; for the eye only.
pub(crate) fn wrapped(sql: &str, columns: usize) -> String {
    let (mut lines, mut line, mut width) = (Vec::new(), String::new(), 0);
    for word in words(sql) {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > columns {
            lines.push(std::mem::take(&mut line));
            width = 0;
        }
        if width > 0 {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
    }
    lines.push(line);
    lines.join("\n")
}

/// Pieces between blanks, quoted text in one piece.
fn words(sql: &str) -> Vec<&str> {
    let (mut words, mut start, mut quote) = (Vec::new(), 0, None);
    for (index, letter) in sql.char_indices() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, ' ') => {
                words.push(&sql[start..index]);
                start = index + 1;
            }
            (None | Some(_), _) => {}
        }
    }
    words.push(&sql[start..]);
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, columns: usize, expected: &str) {
        assert_eq!(wrapped(sql, columns), expected, "{sql}");
    }

    #[test]
    fn lines_break_between_words_and_never_inside_quotes() {
        check("SELECT a FROM b", 80, "SELECT a FROM b");
        check("SELECT a FROM b", 8, "SELECT a\nFROM b");
        check("SELECT 'x  y z', \"q r\"", 8, "SELECT\n'x  y z',\n\"q r\"");
        check("SELECT 'it''s so'", 3, "SELECT\n'it''s so'");
        check("a   b", 80, "a b");
        check("", 80, "");
    }

    #[test]
    fn every_line_moves() {
        assert_eq!(indented("a\nb", 2), "  a\n  b");
    }
}

//! Rows as a table of text, as psql prints them.
//!
//! In:  column names and rows.
//! Out: lines; long answers are cut, and say so.

/// Rows that are printed of a longer answer.
const ROWS_SHOWN: usize = 8;

/// An answer's rows, every value as text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Rows {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// Lines of a table.
    pub(super) fn lines(&self) -> Vec<String> {
        let cells: Vec<Vec<&str>> =
            self.rows.iter().take(ROWS_SHOWN).map(|row| texts(row)).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|index| {
                let of_cells =
                    cells.iter().filter_map(|row| row.get(index)).map(|cell| width(cell));
                of_cells.chain([width(&self.columns[index])]).max().unwrap_or(0)
            })
            .collect();
        let names: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let rule = widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("+");
        let mut lines = vec![line(&names, &widths), rule];
        lines.extend(cells.iter().map(|row| line(row, &widths)));
        if self.rows.len() > ROWS_SHOWN {
            lines.push(format!(" … {} more rows", self.rows.len() - ROWS_SHOWN));
        } else if self.rows.is_empty() {
            lines.push(" (no rows)".to_owned());
        }
        lines
    }
}

fn texts(row: &[Option<String>]) -> Vec<&str> {
    row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn line(cells: &[&str], widths: &[usize]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, wide)| format!(" {cell}{} ", " ".repeat(wide.saturating_sub(width(cell)))))
        .collect();
    padded.join("|").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(columns: &[&str], rows: &[&[Option<&str>]], expected: &[&str]) {
        let rows = rows
            .iter()
            .map(|row| row.iter().map(|value| value.map(str::to_owned)).collect())
            .collect();
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(Rows { columns, rows }.lines(), expected);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_value() {
        check(
            &["region", "n"],
            &[&[Some("Süd"), Some("1000")], &[None, Some("2")]],
            &[" region | n", "--------+------", " Süd    | 1000", " NULL   | 2"],
        );
        check(&["a"], &[], &[" a", "---", " (no rows)"]);
    }

    #[test]
    fn a_long_answer_is_cut_and_says_so() {
        let rows: Vec<&[Option<&str>]> = vec![&[Some("x")]; 10];
        let expected =
            [" a", "---", " x", " x", " x", " x", " x", " x", " x", " x", " … 2 more rows"];
        check(&["a"], &rows, &expected);
    }
}

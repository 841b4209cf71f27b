//! Tables, and the width of the terminal that they are laid out for.

use crate::text::printable;

/// Columns of output that is not a terminal, such as a log.
const WIDTH: usize = 110;
/// Smallest width: below it, tables would be all wrapping.
const LEAST_WIDTH: usize = 40;

/// Returns the number of columns to write in: the value of `COLUMNS`, else the width of the terminal.
#[must_use]
pub fn terminal_width() -> usize {
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    width(std::env::var("COLUMNS").ok().as_deref(), terminal)
}

fn width(columns: Option<&str>, terminal: impl Fn() -> Option<usize>) -> usize {
    let asked = columns.and_then(|text| text.parse().ok()).filter(|width| *width > 0);
    asked.or_else(terminal).unwrap_or(WIDTH).max(LEAST_WIDTH)
}

/// Aligns columns with two spaces between them; the head in lower case, as it would be typed.
#[must_use]
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    wide_table(&head.map(str::to_owned), rows.into_iter().map(Vec::from))
}

/// Aligns columns whose number only the file determines.
///
/// Control characters are shown escaped, since the cells may come from anybody's file.
#[must_use]
pub fn wide_table(head: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    aligned(comfy_table::Table::new(), head, rows)
}

/// Aligns columns of long texts: cells are wrapped to the width of the terminal.
#[must_use]
pub fn wrapped_table(head: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table
        .set_content_arrangement(comfy_table::ContentArrangement::Dynamic)
        .set_width(u16::try_from(terminal_width()).unwrap_or(u16::MAX));
    aligned(table, head, rows)
}

/// Fills a table, and returns its lines, without lines around the cells.
fn aligned(
    mut table: comfy_table::Table,
    head: &[String],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    table.load_style(comfy_table::presets::NOTHING).set_header(head);
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().fold(String::new(), |mut out, line| {
        out.push_str(line.trim_end());
        out.push('\n');
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_that_of_the_terminal_unless_somebody_says() {
        for (columns, terminal, wanted) in [
            (None, None, WIDTH),
            (None, Some(180), 180),
            (Some("60"), Some(180), 60),
            (Some("0"), Some(60), 60),
            (Some("wide"), None, WIDTH),
            (None, Some(3), LEAST_WIDTH),
        ] {
            assert_eq!(width(columns, || terminal), wanted, "{columns:?} {terminal:?}");
        }
    }
}

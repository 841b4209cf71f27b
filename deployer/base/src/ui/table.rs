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

/// Least number of characters that a shortened cell keeps; a third of a wide terminal is more.
const LEAST_CELL: usize = 20;

/// Aligns columns of which the first one has names of any length, such as keys of objects.
///
/// With a `width`, in characters, the names are shortened in the middle as far as the table needs it, so that the other
/// columns stay in sight. Output that a program reads has no width, and its names are whole.
#[must_use]
pub fn fitted_table(head: &[String], mut rows: Vec<Vec<String>>, width: Option<usize>) -> String {
    let Some(width) = width else { return wide_table(head, rows) };
    for name in rows.iter_mut().filter_map(|row| row.first_mut()) {
        *name = printable(name);
    }
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).chain(head.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let others: usize = (1..head.len()).map(|column| widest(column) + 2).sum();
    let room = width.saturating_sub(others).max(LEAST_CELL).max(width / 3);
    for name in rows.iter_mut().filter_map(|row| row.first_mut()) {
        *name = shortened(name, room);
    }
    wide_table(head, rows)
}

/// Returns a text of at most `most` characters: of a longer one, its beginning and its end.
fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let begin = most / 2;
    let end = most.saturating_sub(begin + 1);
    text.chars().take(begin).chain(['…']).chain(text.chars().skip(count - end)).collect()
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
    fn long_names_leave_the_other_columns_in_sight_and_are_whole_without_a_terminal() {
        let head = ["file", "rows"].map(str::to_owned);
        let long = format!("{}/{}.csv", "a".repeat(500), "z".repeat(500));
        let rows = vec![vec![long.clone(), "12".to_owned()], vec!["b.csv".to_owned(), "3".to_owned()]];
        let table = fitted_table(&head, rows.clone(), Some(60));
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 60), "{table}");
        assert!(lines[1].starts_with("aaaa") && lines[1].ends_with("zzz.csv  12"), "{table}");
        assert!(lines[2].starts_with("b.csv  "), "{table}");
        assert!(fitted_table(&head, rows, None).contains(&long));
        // Each is as long as it was, or as long as it may be.
        for (text, most, wanted) in
            [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abc…fg"), ("äöüß", 3, "ä…ß"), ("ab", 1, "…")]
        {
            assert_eq!(shortened(text, most), wanted);
        }
    }

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

//! The header of a table: the lines before it, a second line that belongs to it, and names where it has none.

use std::collections::{HashMap, HashSet};

use contract::columns;
use contract::settings::CsvSettings;

use super::column::{MARKERS, is_mail};
use super::names;
use super::readings::{self, Is};

/// The greatest number of lines before the header that are skipped.
const MAX_SKIPPED: u64 = 50;
/// The greatest number of lines after the table, such as footnotes.
pub const MAX_FOOTER: usize = 30;
/// The greatest number of characters of a unit.
const MAX_UNIT: usize = 24;

/// A line of the start of a file, or a row of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// `true` if its quotes are wrong.
    pub flawed: bool,
    /// Its cells.
    pub cells: Vec<String>,
}

impl Line {
    /// Returns the number of cells that are not blank.
    pub fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| !columns::trim(cell).is_empty()).count()
    }

    fn cell(&self, position: usize) -> &str {
        self.cells.get(position).map(|cell| columns::trim(cell)).unwrap_or_default()
    }
}

/// Returns the number of cells that the rows of a table have: that of most lines, or that of lines which follow each
/// other, with others before and after them only.
pub fn width(lines: &[Line]) -> usize {
    let mut widths: HashMap<usize, usize> = HashMap::new();
    for line in lines {
        *widths.entry(line.cells.len()).or_default() += 1;
    }
    let most = |wide: bool| {
        let of = widths.iter().filter(|(width, _)| !wide || **width > 1);
        of.max_by_key(|(width, count)| (**count, **width)).map(|(width, _)| *width)
    };
    let is_of = |width: usize| move |line: &Line| line.cells.len() == width;
    let table = most(true).filter(|width| {
        let first = lines.iter().position(is_of(*width)).unwrap_or_default();
        let last = lines.iter().rposition(is_of(*width)).unwrap_or_default();
        let block = lines.get(first..=last).unwrap_or_default();
        block.len() > 2 && block.len() * 2 >= lines.len() && block.iter().all(is_of(*width))
    });
    // In a column of texts, a blank follows a comma.
    let is_single = |line: &&Line| line.cells.len() == 1 && line.filled() == 1;
    let is_text = |line: &&Line| line.cells.iter().skip(1).any(|cell| cell.starts_with(' '));
    let (single, texts) = (lines.iter().filter(is_single).count(), lines.iter().filter(is_text).count());
    let begins = lines.iter().find(|line| line.filled() > 0).as_ref().is_some_and(is_single);
    if begins && texts > 0 && single * 3 >= texts && (texts + single) * 10 >= lines.len() * 9 {
        return 1;
    }
    table.or_else(|| most(false)).unwrap_or_default()
}

/// Returns the lines without those at the end that are no rows of the table.
pub fn without_footer(lines: &[Line], width: usize) -> &[Line] {
    let is_poor = |line: &&Line| line.cells.len() != width || (width > 2 && line.filled() <= 1);
    let poor = lines.iter().rev().take_while(is_poor).count();
    let body = lines.len() - poor;
    if poor <= MAX_FOOTER && body > 1 { lines.get(..body).unwrap_or(lines) } else { lines }
}

/// Returns the position of the header among the lines: the first one, unless it has another number of cells than most,
/// or few names, and a later one is followed by nothing else.
pub fn position(lines: &[Line], width: usize) -> usize {
    let titled = |line: &Line| line.cells.len() == width && (line.filled() * 2 > width || width < 3);
    if width < 2 || lines.first().is_none_or(titled) {
        return 0;
    }
    let Some(found) = lines.iter().position(titled) else { return 0 };
    let rest = without_footer(lines.get(found + 1..).unwrap_or_default(), width);
    let alike = rest.iter().filter(|line| line.cells.len() == width).count();
    let is_table = !rest.is_empty() && alike * 10 >= rest.len() * 9;
    let near = lines.get(found).is_some_and(|line| line.number <= MAX_SKIPPED);
    // A header that is longer than its rows is no title.
    let titles = lines.iter().take(found).all(|line| line.filled() < width);
    if !is_table || !near || !titles {
        return 0;
    }
    // A header may name few of its columns: then a row would follow, or nothing tells that it is not one.
    let after = lines.get(found..).unwrap_or_default();
    let typed = (0..width).any(|position| kind_of(rest.iter(), position).is_some());
    let named = lines.iter().position(|line| line.cells.len() == width && line.filled() > 1);
    match named.filter(|named| *named < found && (!typed || is_headerless(after))) {
        Some(named) => named,
        None => found,
    }
}

/// The kind of a value that names of columns don't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number,
    /// A day or an instant.
    Time,
    /// An e-mail address.
    Mail,
}

/// Returns the kind of a value; `None` if it may be a name.
pub fn kind(cell: &str) -> Option<Kind> {
    let value = cell.trim();
    if value.is_empty() {
        return None;
    }
    if is_mail(value) {
        return Some(Kind::Mail);
    }
    if !value.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    readings::all().iter().find(|reading| reading.fits(value)).and_then(|reading| match reading.is {
        Is::Integer | Is::Number(..) => Some(Kind::Number),
        Is::Iso | Is::Time(_) => Some(Kind::Time),
        Is::Boolean | Is::Json => None,
    })
}

/// Returns the kind that all values of a column have which are neither blank nor stand for a missing one.
fn kind_of<'l>(rows: impl Iterator<Item = &'l Line>, position: usize) -> Option<Kind> {
    let mut cells = rows.map(|line| line.cell(position)).filter(|cell| !cell.is_empty() && !is_marker(cell));
    let first = kind(cells.next()?)?;
    cells.all(|cell| kind(cell) == Some(first)).then_some(first)
}

fn is_marker(cell: &str) -> bool {
    MARKERS.contains(&cell)
}

/// Returns whether the first line is a row: each column of numbers, dates or addresses begins with one.
fn is_headerless(lines: &[Line]) -> bool {
    let Some((first, rest)) = lines.split_first() else { return false };
    let mut typed = Vec::new();
    for (position, cell) in first.cells.iter().enumerate() {
        let Some(expected) = kind_of(rest.iter(), position) else { continue };
        if kind(cell) != Some(expected) {
            return false;
        }
        typed.push(cell.as_str());
    }
    // Years name the columns of many tables.
    let years = first.cells.iter().filter(|cell| is_year(cell)).count();
    !typed.is_empty() && (years < 2 || !typed.iter().all(|cell| is_year(cell)))
}

fn is_year(cell: &str) -> bool {
    cell.trim().parse::<u32>().is_ok_and(|year| (1800..2200).contains(&year))
}

/// A line that belongs to the header besides its first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    /// The line after it has the units of the columns.
    Units,
    /// The line after it has the names of the columns, and the first one those of groups of them.
    Names,
}

/// Returns the meaning of the second of these lines, if it belongs to the header: rows follow that have numbers or dates
/// where it has words.
fn second(lines: &[Line], width: usize) -> Option<Second> {
    let [top, second, rest @ ..] = without_footer(lines, width) else { return None };
    if [top, second].iter().any(|line| line.cells.len() != width) || is_headerless(lines) {
        return None;
    }
    let rows = || rest.iter().filter(|line| line.cells.len() == width);
    if rows().count() < 2 {
        return None;
    }
    let (typed, others): (Vec<usize>, Vec<usize>) =
        (0..width).partition(|position| kind_of(rows(), *position).is_some());
    let words: Vec<&str> =
        typed.iter().map(|position| second.cell(*position)).filter(|cell| !cell.is_empty()).collect();
    if words.is_empty()
        || words.len() * 2 < typed.len()
        || words.iter().any(|cell| kind(cell).is_some() || is_marker(cell))
    {
        return None;
    }
    let gaps = |position: &usize| top.cell(*position).is_empty();
    let named = (0..width).filter(gaps).filter(|position| !second.cell(*position).is_empty()).count();
    if named > 0 && named * 2 >= (0..width).filter(gaps).count() {
        return Some(Second::Names);
    }
    let blank = others.iter().all(|position| {
        let cell = second.cell(*position);
        cell.is_empty() || is_marker(cell)
    });
    (blank || words.iter().all(|word| is_unit(word))).then_some(Second::Units)
}

/// Returns whether a word is a unit: short, and in brackets, a sign or a known one.
fn is_unit(word: &str) -> bool {
    const UNITS: [&str; 46] = [
        "g", "kg", "t", "mg", "m", "km", "cm", "mm", "ha", "l", "ml", "hl", "m2", "m²", "m3", "m³", "km2",
        "km²", "kw", "kwh", "mw", "mwh", "gwh", "w", "v", "a", "hz", "h", "min", "s", "ms", "eur", "usd",
        "chf", "gbp", "pln", "number", "anzahl", "nombre", "text", "date", "datum", "bar", "hpa", "pa", "c",
    ];
    let lower = word.to_lowercase();
    let inner = lower.trim_matches(['(', ')', '[', ']']);
    let bracketed = inner.len() < lower.len();
    let signed = inner.contains(['%', '°', '€', '$', '£', '‰', 'µ', '/']);
    let known = |word: &str| UNITS.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = inner
        .split([' ', '.'])
        .filter(|word| !matches!(*word, "" | "in" | "mio" | "mrd" | "tsd" | "mill"))
        .collect();
    word.chars().count() <= MAX_UNIT && (bracketed || signed || words.iter().all(|word| known(word)))
}

/// The meaning of the line in which the table begins.
enum Meaning<'l> {
    /// It is a row.
    Row,
    /// It names the columns.
    Names,
    /// It names a column twice.
    Twice,
    /// It has no name for columns with values.
    Unnamed(usize),
    /// It names the columns, and the rows end with delimiters for which there is no column.
    Shorter,
    /// It names the columns, and this line after it has their units.
    Units(&'l Line),
    /// These two lines name the columns together.
    Both(&'l Line, &'l Line),
}

/// Finds the header of a table, and sets the lines to skip, and the names of the columns where the header has none.
pub fn find(lines: &[Line], csv: &mut CsvSettings, notes: &mut Vec<String>) {
    let width = width(lines);
    let shorter = shorter(lines, width);
    let at = shorter.unwrap_or_else(|| position(lines, width));
    let table = lines.get(at..).unwrap_or_default();
    let Some(first) = table.first() else { return };
    let above = at.checked_sub(1).and_then(|above| lines.get(above));
    let groups = above.filter(|line| line.cells.len() == first.cells.len() && line.filled() > 1);
    let meaning = if shorter.is_some() {
        Meaning::Shorter
    } else if is_headerless(without_footer(table, width)) {
        Meaning::Row
    } else {
        match (second(table, width), table.get(1), groups) {
            (Some(Second::Units), Some(units), _) => Meaning::Units(units),
            (Some(Second::Names), Some(below), _) => Meaning::Both(first, below),
            (.., Some(groups)) if names_twice(first) => Meaning::Both(groups, first),
            _ if names_twice(first) => Meaning::Twice,
            _ => unnamed(table, width).map_or(Meaning::Names, Meaning::Unnamed),
        }
    };
    let begin = match meaning {
        Meaning::Both(groups, _) => groups,
        _ => first,
    };
    if lines.first() != Some(begin) {
        let header = if matches!(meaning, Meaning::Row) { "table begins" } else { "header is" };
        notes.push(format!("the {header} in line {}: the lines before it are skipped", begin.number));
    }
    // The line that is the header for the task, whose names are replaced.
    let (header, columns, note) = match meaning {
        Meaning::Names => {
            if at > 0 {
                csv.skip = skip_to(first);
            }
            return doubt(first, notes);
        }
        Meaning::Row => {
            if at > 0 {
                csv.skip = skip_to(first);
            }
            csv.header = false;
            csv.columns =
                (1..=width.max(first.cells.len())).map(|number| format!("column_{number}")).collect();
            return notes.push(
                "the first line looks like a row, so the file has no header: name the columns here, and in `from`".to_owned(),
            );
        }
        Meaning::Shorter => {
            // Without a header, rows may end with delimiters.
            (csv.skip, csv.header) = (skip_to(first).saturating_add(1), false);
            csv.columns = unique(&named(first, first));
            return notes.push(format!(
                "rows end with a delimiter more than line {}, whose names are used as `columns`: files must have their columns in \
                 this order",
                first.number
            ));
        }
        Meaning::Unnamed(count) => {
            let mut names: Vec<String> =
                first.cells.iter().map(|name| columns::trim(name).to_owned()).collect();
            names.truncate(count);
            (first, names, "the header has no name for a column with values, which gets one".to_owned())
        }
        Meaning::Twice => (
            first,
            named(first, first),
            "the header names a column twice: these names are used in its place".to_owned(),
        ),
        Meaning::Units(units) => (
            units,
            named(first, units),
            format!("line {} has the units of the columns and is not a row", units.number),
        ),
        Meaning::Both(groups, below) => (
            below,
            joined(groups, below),
            format!("the header has two lines, {} and {}, which are joined", groups.number, below.number),
        ),
    };
    // Otherwise, a line of nothing but delimiters before it would be the header.
    csv.skip = skip_to(header);
    csv.columns = unique(&columns);
    notes.push(format!("{note}, so files must have their columns in this order"));
}

/// Returns the position of a header which has fewer cells than the rows after it, of which all end with blank ones.
fn shorter(lines: &[Line], width: usize) -> Option<usize> {
    let rows: Vec<&Line> = lines.iter().filter(|line| line.cells.len() == width).collect();
    let blank = |line: &&Line| line.cells.iter().rev().take_while(|cell| cell.trim().is_empty()).count();
    let named = width - rows.iter().map(blank).min().filter(|_| rows.len() > 1)?;
    let at = lines.iter().position(|line| line.cells.len() == width)?.checked_sub(1)?;
    let header = lines.get(at).filter(|_| named > 1 && named < width)?;
    (header.cells.len() == named && header.filled() == named).then_some(at)
}

/// Returns the number of columns of a table, if one of them has values, and no name in the header. A column that counts
/// the rows needs none.
fn unnamed(table: &[Line], width: usize) -> Option<usize> {
    let (header, rows) = without_footer(table, width).split_first()?;
    let rows: Vec<&Line> = rows.iter().filter(|line| line.cells.len() == header.cells.len()).collect();
    let has_values = |position: &usize| {
        let counts = rows.iter().zip(0_u64..).all(|(line, row)| {
            let number = line.cell(*position).parse::<u64>();
            number.is_ok_and(|number| number == row || number == row + 1)
        });
        !counts && rows.iter().any(|line| !line.cell(*position).is_empty())
    };
    let columns = (0..header.cells.len()).filter(has_values);
    let last = columns.clone().max()?;
    let mut nameless = columns.filter(|position| header.cell(*position).is_empty());
    nameless.next().map(|_| last + 1)
}

/// Says why a line may not be a header.
fn doubt(header: &Line, notes: &mut Vec<String>) {
    let count = header.cells.iter().filter(|cell| kind(cell).is_some() && !is_year(cell)).count();
    if count > 0 {
        notes.push(format!(
            "line {} may not be the header: {count} of its {} columns are named like numbers, dates or addresses",
            header.number,
            header.cells.len()
        ));
    }
}

/// Returns the number of lines before a line.
fn skip_to(line: &Line) -> u32 {
    u32::try_from(line.number.saturating_sub(1)).unwrap_or_default()
}

/// Returns the names of a line, and of another one where it has none.
fn named(line: &Line, other: &Line) -> Vec<String> {
    let name = |position: usize| match line.cell(position) {
        "" => other.cell(position).to_owned(),
        name => name.to_owned(),
    };
    without_trailing((0..line.cells.len()).map(name).collect())
}

/// Returns whether a header names a column twice.
fn names_twice(header: &Line) -> bool {
    let mut seen = HashSet::new();
    !header.cells.iter().map(|cell| columns::trim(cell)).all(|name| name.is_empty() || seen.insert(name))
}

fn without_trailing(mut names: Vec<String>) -> Vec<String> {
    while names.last().is_some_and(String::is_empty) {
        names.pop();
    }
    names
}

/// Returns the names of two lines together: that of a group is the one of the columns after it as well.
fn joined(groups: &Line, below: &Line) -> Vec<String> {
    let mut group = "";
    let join = |position: usize| {
        let (own, name) = (groups.cell(position), below.cell(position));
        if !own.is_empty() {
            group = own;
        }
        match (own.is_empty(), name.is_empty()) {
            (_, true) => own.to_owned(),
            (true, false) if group.is_empty() => name.to_owned(),
            _ if group == name => name.to_owned(),
            _ => format!("{group} {name}"),
        }
    };
    without_trailing((0..below.cells.len()).map(join).collect())
}

/// Returns a name for each column, without those that occur twice.
fn unique(names: &[String]) -> Vec<String> {
    let all: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let named = |(position, name): (usize, &String)| {
        let name = if names::is_usable(name) { name.clone() } else { format!("column_{}", position + 1) };
        let mut unique = name.clone();
        let mut number = 2;
        while taken.contains(&unique) || (unique != name && all.contains(unique.as_str())) {
            unique = format!("{name} {number}");
            number += 1;
        }
        taken.insert(unique.clone());
        unique
    };
    names.iter().enumerate().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (CsvSettings, Vec<String>) {
        let cells = |line: &str| line.split(';').map(str::to_owned).collect();
        let lines: Vec<Line> = (1..)
            .zip(text.lines())
            .map(|(number, line)| Line { number, flawed: false, cells: cells(line) })
            .collect();
        let (mut csv, mut notes) = (CsvSettings::default(), Vec::new());
        find(&lines, &mut csv, &mut notes);
        (csv, notes)
    }

    #[test]
    fn titles_and_footnotes_are_no_part_of_the_table() {
        for (text, skip) in [
            ("Population\nTown;Year;People\nBath;2020;1\nYork;2021;2\n* estimated\nSource: Office\n", 1),
            ("Population;;\nTown;Year;People\nBath;2020;1\nYork;2021;2\nSource: Office;;\n", 1),
            (
                "Population;as of 2026;;;\n;;;;\nTown;Year;People;Area;x\nBath;2020;1;2;3\nYork;2021;2;3;4\n",
                2,
            ),
            ("Town;Year;People\nBath;2020;1\nYork;2021;2\n* estimated\n** provisional\n*** revised\n", 0),
            ("id;name;;;\n1;a;2;3;4\n2;b;3;4;5\n3;c;4;5;6\n", 0),
            ("id;name;;;\nA;a;b;c;d\nB;b;c;d;e\nC;c;d;e;f\n", 0),
        ] {
            let (csv, notes) = found(text);
            assert_eq!((csv.skip, csv.header), (skip, true), "{text}\n{notes:?}");
        }
    }

    #[test]
    fn a_line_of_units_is_not_a_row() {
        for text in [
            "Station;Height;Temperature\n;m;°C\nA;12;1,5\nB;13;2,5\n",
            "Station;Height;Temperature\nName;in m;(°C)\nA;12;1,5\nB;13;2,5\n",
        ] {
            let (csv, notes) = found(text);
            assert_eq!(
                (csv.skip, csv.columns),
                (1, ["Station", "Height", "Temperature"].map(str::to_owned).to_vec())
            );
            assert!(notes[0].starts_with("line 2 has the units"), "{notes:?}");
        }
        for text in [
            // The first row lacks values.
            "Town;Height;People\nBath;-;-\nYork;1;2\nEly;3;4\n",
            "Town;Height;People\nBath;;\nYork;1;2\nEly;3;4\n",
            "Town;Height;People\nBath;unknown;unknown\nYork;1;2\nEly;3;4\n",
            "Town;Height;People\nBath;1;2\nYork;1;2\nEly;3;4\n",
        ] {
            assert_eq!(found(text).0, CsvSettings::default(), "{text}");
        }
    }

    #[test]
    fn a_header_of_two_lines_is_joined() {
        let names = ["Region", "2019 Male", "2019 Female", "2020 Male", "2020 Female"];
        for text in [
            "Region;2019;;2020;\n;Male;Female;Male;Female\nA;1;2;3;4\nB;5;6;7;8\n",
            "Region;2019;;2020;\nRegion;Male;Female;Male;Female\nA;1;2;3;4\nB;5;6;7;8\n",
        ] {
            let (csv, notes) = found(text);
            assert_eq!((csv.skip, csv.columns), (1, names.map(str::to_owned).to_vec()), "{notes:?}");
        }
        // The line above was taken for a title.
        let (csv, _) = found("x\n;2019;;2020;\nRegion;Male;Female;Male;Female\nA;1;2;3;4\nB;5;6;7;8\n");
        assert_eq!((csv.skip, csv.columns), (2, names.map(str::to_owned).to_vec()));
    }

    #[test]
    fn columns_with_values_have_names() {
        let (csv, notes) = found(";2019;2020;\nBath;1,5;2;\nYork;2,5;3;\n");
        assert_eq!(csv.columns, ["column_1", "2019", "2020"].map(str::to_owned));
        assert!(notes[0].starts_with("the header has no name for a column with values"), "{notes:?}");
        // A column that counts the rows, as pandas and R write it, and columns without a value.
        for text in [";a;b\n0;x;u\n1;y;v\n", ";a\n1;x\n2;y\n", "a;;b\nx;;1\ny;;2\n"] {
            assert_eq!(found(text), (CsvSettings::default(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn rows_may_end_with_a_delimiter_more_than_the_header() {
        let (csv, notes) = found("a;b;c\n1;2;3;\n4;5;6;\n7;;;\n");
        assert_eq!((csv.skip, csv.header), (1, false), "{notes:?}");
        assert_eq!(csv.columns, ["a", "b", "c"].map(str::to_owned));
        assert_eq!(found("a;b;c;\n1;2;3;\n4;5;6;\n").0, CsvSettings::default());
    }

    #[test]
    fn a_header_that_looks_like_values_is_doubted() {
        let (csv, notes) = found("12.5;town;2026-01-31\nx;Bath;y\nz;York;w\n");
        assert_eq!(csv, CsvSettings::default());
        assert_eq!(
            notes,
            ["line 1 may not be the header: 2 of its 3 columns are named like numbers, dates or addresses"]
        );
        assert_eq!(found("Country;1960;1961\nA;1;2\nB;3;4\n").1, [""; 0]);
    }
}

//! `deployer init --from FILE`: the file is read, as the task would read it, its settings are guessed, and the stack file
//! is tried on it.

use std::collections::HashSet;
use std::path::Path;

use contract::encoding::Suspect;
use contract::settings::{EncodingSetting, ExtractionSettings, Format, Short};
use contract::{Encoding, Reason, columns};
use deployer_base::error::{Error, Message, Result};
use deployer_base::ui::Ui;
use deployer_syntax::diagnostic::nearest;
use task::encoding::Suggestion;
use transform::item::{MAX_PARTITION_KEY, MAX_SORT_KEY};

use super::fitting::{self, Fitted};
use super::found::Found;
use super::render::{self, Naming};
use super::trial::{self, Trial};
use crate::guess::footer::{Footer, Tail};
use crate::guess::header::{self, Line};
use crate::guess::survey::Survey;
use crate::guess::{self, Key, Pairs, dialect};

mod footnotes;
mod source;

use source::{Source, is_json, json_lines};

/// Rows that lack fields are filled up only if they are fewer than one in this number.
const FEW_SHORT: u64 = 2;
/// Members of JSON Lines that are looked at.
const MAX_MEMBERS: usize = 2_000;
/// Other sheets of a workbook that are named.
const NAMED_SHEETS: usize = 5;

/// The stack file of a file.
#[derive(Debug)]
pub(super) struct Written {
    /// The stack file.
    pub(super) text: String,
    /// The facts that it was made of.
    pub(super) found: Found,
    /// What becomes of the rows of the file with it.
    pub(super) trial: Trial,
}

/// Reads a file, and writes its stack file, which was tried on it. `template` is that of `etl`, and `key` names the
/// columns of the key, if the user did.
///
/// # Errors
/// [`Error::Usage`] if there is no such file, if the task would fail it, if a column can't be the key, or if the settings
/// don't fit into a stack.
pub(super) fn write(
    ui: &Ui,
    path: &Path,
    key: &[String],
    template: &str,
    naming: Naming<'_>,
) -> Result<Written> {
    let file = Source::new(ui, path)?;
    let (mut dialect, table) = file.read()?;
    if table.survey.names().is_empty() {
        let message = format!("{} is empty; nothing was written", path.display());
        return Err(Error::Usage(
            Message::new(message).hint("the first line of a CSV file names its columns"),
        ));
    }
    let (survey, filter) = (table.survey, table.filter);
    dialect.notes.extend(table.notes);
    let chosen = match given(key, &survey, path)? {
        Some(chosen) => chosen,
        None => match guess::single_key(&survey) {
            Some(found) => found,
            None => file.pair(&dialect.settings, &table.members, table.until, &survey)?.unwrap_or(Key::Row),
        },
    };
    let size = file.size()?;
    let make = |survey: Survey, key: &Key| Found {
        guess: guess::guess(&survey, key, &dialect),
        settings: dialect.settings.clone(),
        filter: filter.clone(),
        size,
        survey,
        warnings: Vec::new(),
    };
    let attempt = |found: &Found| -> Result<(Fitted, Trial)> {
        let fitted = fitting::stack_file(template, naming, found, path)?;
        let trial = trial::run(ui, &fitted.text, path, naming.file, &found.survey)?;
        Ok((fitted, trial))
    };
    let mut found = make(survey, &chosen);
    let (mut fitted, mut trial) = attempt(&found)?;
    if trial.repeated > 0 && !matches!(chosen, Key::Given(_) | Key::Row) {
        // Different texts may be the same instant.
        found = make(found.survey, &Key::Row);
        (fitted, trial) = attempt(&found)?;
    }
    found.guess.notes.extend(trial.notes.iter().cloned());
    found.warnings.clone_from(&trial.warnings);
    // With the warnings, as comments.
    let (text, left_out) = render::stack_file(template, naming, &found, fitted.room);
    if left_out > 0 {
        let columns = found.guess.fields.iter().filter(|field| field.settings.from.is_some()).count();
        trial.warnings.push(format!(
            "{left_out} of {} not used: Lambda holds 4 KB of settings; the comments in stack.yaml list them",
            match columns as u64 {
                1 => "1 column is".to_owned(),
                columns => format!("{} are", guess::counted(columns, "column")),
            }
        ));
    }
    Ok(Written { text, found, trial })
}

/// Returns the key that the user chose.
fn given(names: &[String], survey: &Survey, path: &Path) -> Result<Option<Key>> {
    let mut positions = Vec::new();
    for (name, most) in names.iter().zip([MAX_PARTITION_KEY, MAX_SORT_KEY]) {
        let refuse = |text: String, hint: String| Err(Error::Usage(Message::new(text).hint(hint)));
        let position = match columns::find(survey.names(), name) {
            Ok(Some(position)) => position,
            Ok(None) => {
                let known: Vec<&str> =
                    survey.names().iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
                let hint = match nearest(name, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its columns are {}", listed(&known)),
                };
                return refuse(
                    format!("{} has no column `{name}`; nothing was written", path.display()),
                    hint,
                );
            }
            Err(ambiguous) => {
                return refuse(format!("{ambiguous}; nothing was written"), "write its exact name".into());
            }
        };
        if positions.contains(&position) {
            return refuse(
                format!("`{name}` is twice in `--key`"),
                "the second column is the sort key".into(),
            );
        }
        let column = survey.column(position);
        let hint = "without `--key`, another key is found";
        if let Some(first) = column.and_then(|column| column.first_empty) {
            let count = column.map_or(1, |column| column.empty);
            return refuse(
                format!(
                    "the column `{name}` can't be the key: it is empty in {}, first in row {first}; nothing was written",
                    guess::counted(count, "row")
                ),
                format!("the key of an item has a value; {hint}"),
            );
        }
        if let Some(bytes) = column.map(|column| column.max_bytes).filter(|bytes| *bytes > most) {
            let (bytes, most) = (guess::counted(bytes as u64, "byte"), guess::counted(most as u64, "byte"));
            return refuse(
                format!(
                    "the column `{name}` can't be the key: it has values of up to {bytes}, and a {} key can have at most {most}; \
                     nothing was written",
                    if positions.is_empty() { "partition" } else { "sort" }
                ),
                hint.to_owned(),
            );
        }
        positions.push(position);
    }
    Ok((!positions.is_empty()).then_some(Key::Given(positions)))
}

/// Returns the first names, in backticks.
fn listed(names: &[&str]) -> String {
    const MOST: usize = 20;
    let mut listed: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    if names.len() > MOST {
        listed.push(format!("and {} more", names.len() - MOST));
    }
    listed.join(", ")
}

/// The rows of a file, looked at.
struct Table {
    survey: Survey,
    /// The members of JSON Lines.
    members: Vec<String>,
    /// The last row of the table, if footnotes follow it.
    until: Option<u64>,
    filter: Option<String>,
    notes: Vec<String>,
}

/// The rows of a file, looked at once.
struct Pass {
    survey: Survey,
    tail: Tail,
    /// The values of the rows after the last one of the table; `None` for one that the reader rejects.
    after: Vec<Option<Vec<String>>>,
}

impl Source<'_> {
    /// Reads the file: its dialect, and its rows.
    fn read(&self) -> Result<(dialect::Guess, Table)> {
        let head = self.head(None)?;
        if let Some(sheets) = self.sheets(&head, dialect::MAX_RECORDS)? {
            let mut dialect = of_sheets(&sheets);
            let table = self.table(&mut dialect.settings)?;
            return Ok((dialect, table));
        }
        if is_json(&head.text) {
            let mut dialect = dialect::Guess { settings: json_lines(), ..dialect::Guess::default() };
            let table = self.table(&mut dialect.settings)?;
            return Ok((dialect, table));
        }
        let (head, encoding, note) = match head.encoding {
            Some(encoding) => {
                let note = match head.is_marked() {
                    true => format!("the file is {encoding}, as its byte order mark says"),
                    false => format!("the file is {encoding} without a byte order mark: `encoding` says so"),
                };
                let declared = Some(encoding).filter(|_| !head.is_marked());
                (head, declared, Some(note))
            }
            None if head.is_utf_8() => (head, None, None),
            None => match self.encoding()? {
                Some((encoding, note)) => (self.head(Some(encoding))?, Some(encoding), Some(note)),
                None => (head, None, None),
            },
        };
        let mut dialect = dialect::guess(&head.text, head.complete);
        dialect.settings.csv.encoding = encoding.map(EncodingSetting::Declared);
        dialect.notes.extend(note);
        let table = self.table(&mut dialect.settings)?;
        if dialect.settings.csv.encoding.is_none()
            && table.survey.rejected(Reason::InvalidEncoding) > 0
            && let Some((encoding, note)) = self.encoding()?
        {
            // Its start is ASCII.
            dialect.settings.csv.encoding = Some(EncodingSetting::Declared(encoding));
            dialect.notes.push(note);
            let table = self.table(&mut dialect.settings)?;
            return Ok((dialect, table));
        }
        Ok((dialect, table))
    }

    /// Returns the encoding of a text that is not UTF-8, with a note; `None` if it is UTF-8 with errors.
    fn encoding(&self) -> Result<Option<(Encoding, String)>> {
        match self.look()? {
            Suggestion::Utf8(_) => Ok(None),
            Suggestion::Other { encoding, letters } => {
                let letters: Vec<String> = letters.iter().map(|letter| format!("`{letter}`")).collect();
                let note = format!(
                    "the file is not UTF-8, and is read as {encoding}, in which its letters are {}: if they are others, write \
                     another `encoding`",
                    letters.join(" ")
                );
                Ok(Some((encoding, note)))
            }
            Suggestion::Unreadable(suspect) => Err(self.refusal(
                &format!("it is not UTF-8, and its encoding is probably {suspect}"),
                match suspect {
                    Suspect::Dos => "`iconv -f CP850 -t UTF-8 FILE > NEW` converts it".to_owned(),
                    Suspect::Encoding(_) => "save or export it as UTF-8".to_owned(),
                },
            )),
        }
    }

    /// Looks at all rows, and decides on those that lack fields and on those at the end.
    fn table(&self, settings: &mut ExtractionSettings) -> Result<Table> {
        let members = match settings.format {
            Format::JsonLines => self.members(settings)?,
            Format::Csv => Vec::new(),
        };
        let Pass { survey, tail, .. } = self.survey(settings, &members, None)?;
        let mut table = Table { survey, members, until: None, filter: None, notes: Vec::new() };
        if let Some(footer) = tail.footer()
            && self.leave_out(settings, &tail, &footer, &mut table)?
        {
            return Ok(table);
        }
        let short = table.survey.rejected(Reason::RowLength);
        if short > 0 {
            let mut padded = settings.clone();
            padded.csv.short = Short::Pad;
            let survey = self.survey(&padded, &table.members, None)?.survey;
            let short = short - survey.rejected(Reason::RowLength).min(short);
            if short > 0 && short * FEW_SHORT <= survey.rows() {
                *settings = padded;
                table.notes.push(format!(
                    "{} fewer fields than there are columns: `short: pad` takes the missing ones for empty",
                    if short == 1 {
                        "1 row has".to_owned()
                    } else {
                        format!("{} have", guess::counted(short, "row"))
                    }
                ));
                table.survey = survey;
            }
        }
        Ok(table)
    }

    /// Leaves out the rows at the end, if settings can: by the character that begins them, or by `where`. Returns
    /// whether they can.
    fn leave_out(
        &self,
        settings: &mut ExtractionSettings,
        tail: &Tail,
        footer: &Footer,
        table: &mut Table,
    ) -> Result<bool> {
        let mut padded = settings.clone();
        if footer.short {
            padded.csv.short = Short::Pad;
        }
        let until = footer.rows.start() - 1;
        let pass = self.survey(&padded, &table.members, Some(until))?;
        let rows: Vec<Vec<String>> = pass.after.iter().flatten().cloned().collect();
        if !tail.confirms(footer, &rows) {
            return Ok(false);
        }
        let count = pass.after.len();
        let last = match count {
            1 => "the last row looks like a footnote".to_owned(),
            count => format!("the last {} look like footnotes", guess::counted(count as u64, "row")),
        };
        let lines = rows.iter().filter_map(|row| row.first()).map(String::as_str);
        if rows.len() == count
            && let Some(mark) = tail.mark(lines)
        {
            let mut commented = settings.clone();
            commented.csv.comment = Some(mark);
            let pass = self.survey(&commented, &table.members, None)?;
            if pass.survey.seen() == until {
                table.notes.push(format!(
                    "{last}: `comment` leaves out lines that begin with `{}`",
                    char::from(mark)
                ));
                (*settings, table.survey) = (commented, pass.survey);
                return Ok(true);
            }
        }
        let Some(filter) = footnotes::filter(&pass.survey, &rows).filter(|_| rows.len() == count) else {
            return Ok(false);
        };
        table.notes.push(format!("{last}: `where` {}", filter.rule));
        table.filter = Some(filter.expression);
        table.until = Some(until);
        (*settings, table.survey) = (padded, pass.survey);
        Ok(true)
    }

    /// Returns the members of JSON Lines that are columns of their own: not those of an object, which is a column as a
    /// whole.
    fn members(&self, settings: &ExtractionSettings) -> Result<Vec<String>> {
        let mut members: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        self.rows(settings, |row| {
            let Ok(fields) = &row.fields else { return true };
            if row.columns.iter().all(|name| seen.contains(name)) {
                return true;
            }
            let values: Vec<&str> = fields.iter().collect();
            let is_object = |name: &str| {
                let position = row.columns.iter().position(|column| column == name);
                position.and_then(|position| values.get(position)).is_some_and(|value| value.starts_with('{'))
            };
            for name in row.columns {
                let is_part = name.match_indices('.').any(|(dot, _)| name.get(..dot).is_some_and(is_object));
                if !is_part && members.len() < MAX_MEMBERS && seen.insert(name.clone()) {
                    members.push(name.clone());
                }
            }
            true
        })?;
        Ok(members)
    }

    /// Looks at the rows: at all, or at those up to this one.
    fn survey(&self, settings: &ExtractionSettings, members: &[String], until: Option<u64>) -> Result<Pass> {
        let mut survey = (!members.is_empty()).then(|| Survey::new(members));
        let (mut tail, mut after) = (Tail::default(), Vec::new());
        let mut places = Places::default();
        let names = self.rows(settings, |row| {
            let apart = row.skipped.blank > 0;
            if until.is_some_and(|until| row.index > until) {
                let texts = |fields: &task::reader::Fields<'_>| fields.iter().map(str::to_owned).collect();
                after.push(row.fields.as_ref().ok().map(texts));
                return true;
            }
            let survey = survey.get_or_insert_with(|| Survey::new(row.columns));
            match &row.fields {
                Ok(fields) => {
                    let values: Vec<&str> = fields.iter().collect();
                    match members {
                        [] => {
                            tail.take(row.index, &values, apart);
                            survey.take(row.index, &values);
                        }
                        members => {
                            let places = places.of(row, members);
                            let value = |place: &Option<usize>| place.and_then(|at| values.get(at)).copied();
                            let arranged: Vec<&str> =
                                places.iter().map(|place| value(place).unwrap_or_default()).collect();
                            survey.take(row.index, &arranged);
                            let missing = places.iter().enumerate().filter(|(_, place)| place.is_none());
                            missing.for_each(|(position, _)| survey.lacks(position));
                        }
                    }
                }
                Err(fault) => {
                    survey.reject(fault.reason);
                    if fault.reason == Reason::RowLength {
                        tail.take_ragged(row.index, apart);
                    }
                }
            }
            true
        })?;
        Ok(Pass { survey: survey.unwrap_or_else(|| Survey::new(&names)), tail, after })
    }

    /// Looks for a pair of columns that identifies the rows of the table.
    fn pair(
        &self,
        settings: &ExtractionSettings,
        members: &[String],
        until: Option<u64>,
        survey: &Survey,
    ) -> Result<Option<Key>> {
        let Some(mut pairs) = Pairs::new(survey) else { return Ok(None) };
        let mut places = Places::default();
        self.rows(settings, |row| {
            if let Ok(fields) = row.fields {
                let values: Vec<&str> = fields.iter().collect();
                match members {
                    [] => pairs.take(row.index, &values),
                    members => {
                        let value = |place: &Option<usize>| place.and_then(|at| values.get(at)).copied();
                        let places = places.of(row, members);
                        let arranged: Vec<&str> =
                            places.iter().map(|place| value(place).unwrap_or_default()).collect();
                        pairs.take(row.index, &arranged);
                    }
                }
            }
            pairs.any() && until.is_none_or(|until| row.index < until)
        })?;
        Ok(pairs.key())
    }
}

/// The places of members in the rows of the last layout.
#[derive(Default)]
struct Places {
    layout: Option<u64>,
    places: Vec<Option<usize>>,
}

impl Places {
    fn of(&mut self, row: &task::reader::Row<'_>, members: &[String]) -> &[Option<usize>] {
        if self.layout != Some(row.layout) {
            self.layout = Some(row.layout);
            let place = |member| row.columns.iter().position(|column| column == member);
            self.places = members.iter().map(place).collect();
        }
        &self.places
    }
}

/// Guesses the settings of a workbook from the first rows of its visible sheets.
fn of_sheets(sheets: &[task::workbook::Start]) -> dialect::Guess {
    let mut guess = dialect::Guess::default();
    let has_table = |sheet: &&task::workbook::Start| sheet.rows.len() > 1;
    let first = sheets.first();
    let Some(sheet) = sheets.iter().find(has_table).or(first) else { return guess };
    if first.is_some_and(|first| first.name != sheet.name) {
        guess.settings.xlsx.sheet = Some(sheet.name.clone());
        guess.notes.push(format!("the sheet `{}` is read: the sheets before it have no table", sheet.name));
    }
    let others: Vec<String> = sheets
        .iter()
        .filter(|other| has_table(other) && other.name != sheet.name)
        .map(|other| format!("`{}`", other.name))
        .collect();
    if !others.is_empty() {
        let more = if others.len() > NAMED_SHEETS { ", …" } else { "" };
        guess.notes.push(format!(
            "other sheets are not read: {}{more}; `xlsx: {{ sheet: … }}` names another one",
            others.iter().take(NAMED_SHEETS).cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    let lines: Vec<Line> = sheet
        .rows
        .iter()
        .map(|(number, cells)| Line { number: u64::from(*number), flawed: false, cells: cells.clone() })
        .collect();
    let csv = &mut guess.settings.csv;
    header::find(&lines, csv, &mut guess.notes);
    // The reader finds the columns of a sheet by the cells of its header, of which the names that replace it may have more.
    if csv.header && !csv.columns.is_empty() {
        let at = lines.iter().position(|line| line.number == u64::from(csv.skip) + 1);
        let is_filled =
            |line: &Line, position: usize| line.cells.get(position).is_some_and(|cell| !cell.is_empty());
        if let Some(at) = at
            && let (Some(header), Some(row)) = (lines.get(at), lines.get(at + 1))
            && !(is_filled(header, 0) && is_filled(header, csv.columns.len() - 1))
            && is_filled(row, 0)
        {
            csv.header = false;
            csv.skip += 1;
        }
    }
    guess
}

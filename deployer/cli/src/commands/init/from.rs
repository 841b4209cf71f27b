//! `deployer init --from FILE`: the file is read, as the task would read it, and its settings are guessed.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use contract::settings::{CsvSettings, ExtractionSettings, Short};
use contract::{Reason, columns};
use deployer_base::error::{Error, Message, Result};
use deployer_base::ui::Ui;
use deployer_syntax::diagnostic::nearest;
use task::encoding::Text;
use task::reader::{Fault, Row};
use task::scan::{Scan, Step};

use crate::guess::dialect;
use crate::guess::survey::Survey;
use crate::guess::{self, Guess, Key, Pairs};

/// Bytes of the file that are read at a time.
const CHUNK: usize = 256 * 1024;
/// Bytes of text of the start, from which the dialect is guessed.
const HEAD: usize = 256 * 1024;
/// Rows that lack fields are filled up only if they are fewer than one in this number.
const FEW_SHORT: u64 = 2;

/// A file, with all that was found in it.
#[derive(Debug)]
pub(super) struct Found {
    /// The settings.
    pub(super) guess: Guess,
    /// The dialect with which it was read.
    pub(super) csv: CsvSettings,
    /// The facts about its rows.
    pub(super) survey: Survey,
    /// Facts that a person should know before they use the settings.
    pub(super) warnings: Vec<String>,
}

/// Reads a file, and guesses its settings. `key` names the columns of the key, if the user did.
///
/// # Errors
/// [`Error::Usage`] if there is no such file, if the task would fail it, or if a column can't be the key.
pub(super) fn read(ui: &Ui, path: &Path, key: &[String]) -> Result<Found> {
    let file = Source { ui, path };
    if !file.open()?.metadata().map_err(|error| file.io(&error))?.is_file() {
        return Err(Error::Usage(
            Message::new(format!("{} is not a file", path.display())).hint("save it as a file first"),
        ));
    }
    let (head, complete) = file.head()?;
    let mut dialect = dialect::guess(&head, complete);
    let mut survey = file.survey(&dialect.settings)?;
    let is_short =
        |survey: &Survey| survey.rejected().get(&Reason::RowLength.code()).map_or(0, |found| found.count);
    let rejected = is_short(&survey);
    if rejected > 0 {
        let settings = CsvSettings { short: Short::Pad, ..dialect.settings.clone() };
        let padded = file.survey(&settings)?;
        let short = rejected - is_short(&padded).min(rejected);
        if short > 0 && short * FEW_SHORT <= padded.rows() {
            dialect.settings = settings;
            dialect.notes.push(format!(
                "{} fewer fields than there are columns: `short: pad` takes the missing ones for empty",
                if short == 1 {
                    "1 row has".to_owned()
                } else {
                    format!("{} have", guess::counted(short, "row"))
                }
            ));
            survey = padded;
        }
    }
    if survey.names().is_empty() {
        let message = format!("{} is empty; nothing was written", path.display());
        return Err(Error::Usage(
            Message::new(message).hint("the first line of a CSV file names its columns"),
        ));
    }
    let key = match given(key, &survey, path)? {
        Some(key) => key,
        None => match guess::single_key(&survey) {
            Some(key) => key,
            None => file.pair(&dialect.settings, &survey)?.unwrap_or(Key::Row),
        },
    };
    let guess = guess::guess(&survey, &key, &dialect);
    Ok(Found { warnings: warnings(&survey), guess, csv: dialect.settings, survey })
}

/// Returns the facts that a person should know before they use the settings.
fn warnings(survey: &Survey) -> Vec<String> {
    let mut out = Vec::new();
    for (reason, rejected) in survey.rejected() {
        let rows: Vec<String> = rejected.rows.iter().map(u64::to_string).collect();
        let more = if rejected.count > rejected.rows.len() as u64 { ", …" } else { "" };
        out.push(format!(
            "{} will fail ({reason}): row{} {}{more}; {}",
            guess::counted(rejected.count, "row"),
            if rejected.count == 1 { "" } else { "s" },
            rows.join(", "),
            rejected.message
        ));
    }
    if survey.too_large() > 0 {
        out.push(format!(
            "{} more than 400 KB, which no item can have",
            match survey.too_large() {
                1 => "1 row has".to_owned(),
                rows => format!("{} have", guess::counted(rows, "row")),
            }
        ));
    }
    if survey.rows() == 0 {
        out.push("the file has a header and no rows, so that all fields are texts".to_owned());
    }
    out
}

/// Returns the key that the user chose.
fn given(names: &[String], survey: &Survey, path: &Path) -> Result<Option<Key>> {
    let mut positions = Vec::new();
    for name in names {
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
        if let Some(first) = column.and_then(|column| column.first_empty) {
            let count = column.map_or(1, |column| column.empty);
            return refuse(
                format!(
                    "the column `{name}` can't be the key: it is empty in {}, first in row {first}; nothing was written",
                    guess::counted(count, "row")
                ),
                "the key of an item has a value; without `--key`, another one is found".into(),
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

/// The file that is read.
struct Source<'s> {
    ui: &'s Ui,
    path: &'s Path,
}

impl Source<'_> {
    fn open(&self) -> Result<File> {
        File::open(self.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::Usage(Message::new(format!("there is no file {}", self.path.display())))
            }
            _ => self.io(&error),
        })
    }

    fn io(&self, error: &std::io::Error) -> Error {
        Error::io("read", self.path, error)
    }

    /// Returns the error of a file that the task would fail.
    fn fault(&self, fault: &Fault) -> Error {
        let code = fault.reason.code();
        let hint = match fault.reason {
            Reason::InvalidQuoting | Reason::UnclosedQuote | Reason::RowLength | Reason::EmptyHeader => {
                "if other lines precede the header, delete them, or write a stack.yaml by `deployer init` with `csv: { skip: N }`"
                    .to_owned()
            }
            _ => format!("`deployer docs {code}` explains it"),
        };
        let name = self.path.display();
        let text = format!("{name} can't be loaded: {} ({code}); nothing was written", fault.message);
        Error::Usage(Message::new(text).hint(hint))
    }

    /// Returns the start of the text, and whether it is all of it.
    fn head(&self) -> Result<(Vec<u8>, bool)> {
        let mut file = self.open()?;
        let mut text = Text::new(None);
        let mut chunk = vec![0; CHUNK];
        let mut head = Vec::new();
        while head.len() < HEAD {
            if text.fill().map_err(|fault| self.fault(&fault))? {
                head.extend_from_slice(text.piece());
                text.consume(text.piece().len());
            } else if text.is_ended() {
                return Ok((head, true));
            } else {
                match file.read(&mut chunk).map_err(|error| self.io(&error))? {
                    0 => text.end(),
                    count => text.feed(chunk.get(..count).unwrap_or_default()),
                }
            }
        }
        head.truncate(HEAD);
        Ok((head, false))
    }

    /// Reads the rows, until `each` returns `false`, and returns the names of the columns.
    fn rows(&self, settings: &CsvSettings, mut each: impl FnMut(&Row<'_>) -> bool) -> Result<Vec<String>> {
        let mut file = self.open()?;
        let of = file.metadata().map_err(|error| self.io(&error))?.len();
        let bar = self.ui.bar();
        let settings = ExtractionSettings { csv: settings.clone(), ..ExtractionSettings::default() };
        let mut scan = Scan::new(publisher::MAX_BYTES, &settings, &[], &[]).lenient();
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        loop {
            match scan.step().map_err(|fault| self.fault(&fault))? {
                Step::Row => {
                    if !each(&scan.row()) {
                        break;
                    }
                }
                Step::Piece => {}
                Step::Starved => match file.read(&mut chunk).map_err(|error| self.io(&error))? {
                    0 => scan.end(),
                    count => {
                        scan.feed(chunk.get(..count).unwrap_or_default());
                        done += count as u64;
                        bar.set(done, of, format!("reading {}", self.path.display()));
                    }
                },
                Step::End => break,
            }
        }
        Ok(scan.columns().unwrap_or_default().to_vec())
    }

    /// Looks at all rows.
    fn survey(&self, settings: &CsvSettings) -> Result<Survey> {
        let mut survey = None;
        let names = self.rows(settings, |row| {
            let survey = survey.get_or_insert_with(|| Survey::new(row.columns));
            match &row.fields {
                Ok(fields) => survey.take(row.index, &fields.iter().collect::<Vec<&str>>()),
                Err(fault) => survey.reject(row.index, &fault.reason.code(), &fault.message),
            }
            true
        })?;
        Ok(survey.unwrap_or_else(|| Survey::new(&names)))
    }

    /// Looks for a pair of columns that identifies the rows.
    fn pair(&self, settings: &CsvSettings, survey: &Survey) -> Result<Option<Key>> {
        let Some(mut pairs) = Pairs::new(survey) else { return Ok(None) };
        self.rows(settings, |row| {
            if let Ok(fields) = row.fields {
                let values: Vec<&str> = fields.iter().collect();
                pairs.take(row.index, &values);
            }
            pairs.any()
        })?;
        Ok(pairs.key())
    }
}

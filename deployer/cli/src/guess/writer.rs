//! The program that wrote a file, where the file leaves no doubt.

/// Traces of programs in the values of a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traces {
    /// The number of values in each form.
    counts: [u64; FORMS.len()],
    values: u64,
}

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `2026-03-29 03:30:00+02`.
    ShortOffset,
    /// `2026-03-29T01:30:00.000000+0000`.
    SixDecimals,
    /// `2026-03-29 01:30:00+00:00`.
    LongOffset,
    /// `\xdeadbeef`.
    Bytes,
    /// `t` or `f`.
    Letter,
    /// `True` or `False`.
    Capital,
    /// `true` or `false`.
    Word,
    /// `1`.
    One,
    /// `#N/A`, `#REF!` and the like.
    CellError,
    /// `1.0`.
    PointZero,
    /// `1.0e-07`.
    LongExponent,
}

const FORMS: [Form; 11] = [
    Form::ShortOffset,
    Form::SixDecimals,
    Form::LongOffset,
    Form::Bytes,
    Form::Letter,
    Form::Capital,
    Form::Word,
    Form::One,
    Form::CellError,
    Form::PointZero,
    Form::LongExponent,
];

impl Traces {
    /// Adds a value.
    pub fn take(&mut self, value: &str) {
        self.values += 1;
        let Some(form) = form(value) else { return };
        let position = FORMS.iter().position(|known| *known == form);
        if let Some(count) = position.and_then(|position| self.counts.get_mut(position)) {
            *count += 1;
        }
    }

    fn count(&self, form: Form) -> u64 {
        let position = FORMS.iter().position(|known| *known == form);
        position.and_then(|position| self.counts.get(position)).copied().unwrap_or_default()
    }

    /// Returns whether all values, of which there is one, have a form.
    fn all(&self, form: Form) -> bool {
        self.values > 0 && self.count(form) == self.values
    }
}

fn form(value: &str) -> Option<Form> {
    let bytes = value.as_bytes();
    if bytes.len() > 40 && !value.starts_with("\\x") {
        return None;
    }
    Some(match value {
        "t" | "f" => Form::Letter,
        "True" | "False" => Form::Capital,
        "true" | "false" => Form::Word,
        "1" => Form::One,
        "#N/A" | "#REF!" | "#DIV/0!" | "#VALUE!" | "#NAME?" | "#NUM!" | "#NULL!" => Form::CellError,
        _ if value.starts_with("\\x") && bytes.len().is_multiple_of(2) && bytes.len() > 2 => {
            bytes.get(2..)?.iter().all(u8::is_ascii_hexdigit).then_some(Form::Bytes)?
        }
        _ if bytes.get(13) == Some(&b':') && bytes.get(4) == Some(&b'-') => {
            let time = value.get(19..)?;
            let sign = time.rfind(['+', '-'])?;
            let (fraction, offset) = time.split_at(sign);
            match (bytes.get(10)?, offset.len(), fraction.len()) {
                (b' ', 3, _) => Form::ShortOffset,
                (b' ', 6, _) => Form::LongOffset,
                (b'T', 5, 7) => Form::SixDecimals,
                _ => return None,
            }
        }
        _ => {
            let digits = value.strip_prefix('-').unwrap_or(value);
            let whole = digits.strip_suffix(".0").filter(|whole| !whole.is_empty());
            if whole.is_some_and(|whole| whole.bytes().all(|byte| byte.is_ascii_digit())) {
                Form::PointZero
            } else {
                let (mantissa, exponent) = digits.split_once('e')?;
                let exponent = exponent.strip_prefix(['-', '+'])?;
                let decimals = mantissa.ends_with(".0") && exponent.len() == 2;
                return decimals.then_some(Form::LongExponent);
            }
        }
    })
}

/// Facts about a file besides its columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct File {
    /// It begins with a line such as `sep=;`.
    pub separator_line: bool,
    /// The first column has no name and counts the rows from this number.
    pub unnamed_index: Option<i64>,
}

/// A program that writes files, and the trace that it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writer {
    /// Its name.
    pub name: &'static str,
    /// The trace, as a clause without a subject.
    pub trace: &'static str,
    /// Advice on the files that it writes.
    pub advice: &'static str,
}

const PANDAS_ADVICE: &str = "it writes nothing for missing values and for empty texts, whole numbers of a column with a gap as `1.0`, and a column of midnights without its times";

/// Returns the program that wrote a file; `None` if there is a doubt.
pub fn recognise<'t>(file: File, columns: impl Iterator<Item = &'t Traces> + Clone) -> Option<Writer> {
    let any = |form: Form| columns.clone().any(|traces| traces.all(form));
    let seen = |form: Form| columns.clone().any(|traces| traces.count(form) > 0);
    let writer = |name, trace, advice| Some(Writer { name, trace, advice });
    if file.separator_line {
        return writer("Excel", "a first line `sep=…`", "the task reads past that line");
    }
    if let Some(first) = file.unnamed_index {
        return match first {
            1 => writer(
                "R",
                "a first column without a name that counts from 1",
                "`NA` is a missing value there",
            ),
            _ => writer("pandas", "a first column without a name that counts the rows", PANDAS_ADVICE),
        };
    }
    if any(Form::Bytes) {
        let advice = "nothing is NULL there, and `\"\"` an empty text";
        return writer("PostgreSQL", "bytes as `\\x…`", advice);
    }
    if any(Form::ShortOffset) {
        let advice = "nothing is NULL there, and `\"\"` an empty text";
        return match (any(Form::Letter), any(Form::Word)) {
            (true, false) => writer("PostgreSQL", "offsets such as `+02`, and `t` and `f`", advice),
            (false, true) => writer("DuckDB", "offsets such as `+02`, and `true` and `false`", advice),
            _ => writer("PostgreSQL or DuckDB", "offsets such as `+02`", advice),
        };
    }
    if any(Form::SixDecimals) {
        let advice = "nothing is null there, and `\"\"` an empty text";
        return writer("polars", "timestamps such as `…T01:30:00.000000+0000`", advice);
    }
    if any(Form::Capital) && (any(Form::LongOffset) || seen(Form::PointZero)) {
        return writer(
            "pandas",
            "`True` and `False`, and numbers or timestamps as it writes them",
            PANDAS_ADVICE,
        );
    }
    if any(Form::LongExponent) {
        return writer(
            "SQLite",
            "numbers such as `1.0e-07`",
            "nothing is NULL there, and `\"\"` an empty text",
        );
    }
    if seen(Form::CellError) {
        let advice =
            "such a cell has no value: correct it in the spreadsheet, or write `values: { \"#N/A\": \"\" }`";
        return writer("Excel", "errors of cells such as `#N/A`", advice);
    }
    None
}

/// Returns whether a column has nothing but `1` and empty values, as csv-stringify writes booleans.
pub fn is_one_or_nothing(traces: &Traces, empty: u64) -> bool {
    traces.all(Form::One) && empty > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(values: &[&str]) -> Traces {
        let mut traces = Traces::default();
        values.iter().for_each(|value| traces.take(value));
        traces
    }

    fn name(file: File, columns: &[&[&str]]) -> Option<&'static str> {
        let columns: Vec<Traces> = columns.iter().map(|values| traces(values)).collect();
        recognise(file, columns.iter()).map(|writer| writer.name)
    }

    #[test]
    fn writers_are_recognised_by_what_only_they_write() {
        let none = File::default();
        assert_eq!(name(none, &[&["2026-03-29 03:30:00+02"], &["t", "f"]]), Some("PostgreSQL"));
        assert_eq!(name(none, &[&["2026-03-29 03:30:00.5+02"], &["true"]]), Some("DuckDB"));
        assert_eq!(name(none, &[&["2026-03-29 03:30:00+02"]]), Some("PostgreSQL or DuckDB"));
        assert_eq!(name(none, &[&["\\xdeadbeef"]]), Some("PostgreSQL"));
        assert_eq!(name(none, &[&["2026-03-29T01:30:00.000000+0000"]]), Some("polars"));
        assert_eq!(name(none, &[&["True", "False"], &["1.0", "2.0"]]), Some("pandas"));
        assert_eq!(name(File { unnamed_index: Some(0), ..none }, &[]), Some("pandas"));
        assert_eq!(name(File { unnamed_index: Some(1), ..none }, &[]), Some("R"));
        assert_eq!(name(File { separator_line: true, ..none }, &[]), Some("Excel"));
        assert_eq!(name(none, &[&["1", "#REF!"]]), Some("Excel"));
        assert_eq!(name(none, &[&["1.0e-07"]]), Some("SQLite"));
    }

    #[test]
    fn what_several_programs_write_tells_nothing() {
        let none = File::default();
        for columns in [
            &[&["t", "f"][..]][..],
            &[&["true", "false"]],
            &[&["True", "False"]],
            &[&["1.0", "2.0"]],
            &[&["2026-03-29T01:30:00Z"]],
            &[&["2026-03-29 01:30:00+00:00"]],
        ] {
            assert_eq!(name(none, columns), None, "{columns:?}");
        }
        assert!(is_one_or_nothing(&traces(&["1", "1"]), 1) && !is_one_or_nothing(&traces(&["1", "0"]), 1));
    }
}

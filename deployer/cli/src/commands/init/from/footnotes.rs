//! Expressions of `where` that leave out rows at the end of a file, such as footnotes.

use std::collections::BTreeSet;

use crate::guess;
use crate::guess::footer;
use crate::guess::survey::Survey;

/// Columns by which rows at the end of a file are told from others.
const EMPTIED: usize = 4;

/// An expression that leaves out rows.
pub(super) struct Filter {
    /// The expression.
    pub(super) expression: String,
    /// The rows that it leaves out, as a clause.
    pub(super) rule: String,
}

/// Returns an expression that leaves out these rows, and none of those that were looked at; `None` if there is none.
pub(super) fn filter(survey: &Survey, rows: &[Vec<String>]) -> Option<Filter> {
    labelled(survey, rows).or_else(|| emptied(survey, rows))
}

/// Leaves out rows that begin with the labels of these ones.
fn labelled(survey: &Survey, rows: &[Vec<String>]) -> Option<Filter> {
    let first = survey.names().first().filter(|name| guess::is_usable(name))?;
    let label = |row: &Vec<String>| row.first().and_then(|value| footer::label(value)).map(str::to_owned);
    let labels: BTreeSet<String> = rows.iter().map(label).collect::<Option<_>>()?;
    let begins =
        labels.iter().map(|label| format!("!row[{}].startsWith({})", literal(first), literal(label)));
    let named: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    Some(Filter {
        expression: begins.collect::<Vec<_>>().join(" && "),
        rule: format!("leaves out rows whose `{first}` begins with {}", named.join(" or ")),
    })
}

/// Leaves out rows without a value in columns that are empty in these ones, of which one is never empty in the others.
fn emptied(survey: &Survey, rows: &[Vec<String>]) -> Option<Filter> {
    let is_empty = |position: usize| rows.iter().all(|row| row.get(position).is_none_or(String::is_empty));
    let mut columns: Vec<(bool, &str)> = survey
        .columns()
        .filter(|(position, name, column)| guess::is_usable(name) && column.filled > 0 && is_empty(*position))
        .map(|(_, name, column)| (column.empty > 0, name))
        .collect();
    columns.sort_by_key(|(has_gaps, _)| *has_gaps);
    columns.truncate(EMPTIED);
    let (has_gaps, _) = *columns.first()?;
    let filled: Vec<String> =
        columns.iter().map(|(_, name)| format!("row[{}] != ''", literal(name))).collect();
    let named: Vec<String> = columns.iter().map(|(_, name)| format!("`{name}`")).collect();
    (!has_gaps).then(|| Filter {
        expression: filled.join(" || "),
        rule: format!("leaves out rows that have nothing in {}", named.join(", ")),
    })
}

/// Returns a text as a literal of an expression.
fn literal(text: &str) -> String {
    match text.contains(|letter: char| matches!(letter, '\'' | '\\') || letter.is_control()) {
        true => serde_json::Value::from(text).to_string(),
        false => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(rows: &[&[&str]], last: &[&[&str]]) -> Option<String> {
        let mut survey = Survey::new(&["Town".to_owned(), "it's".to_owned(), "Area".to_owned()]);
        (1..).zip(rows).for_each(|(row, values)| survey.take(row, values));
        let last: Vec<Vec<String>> =
            last.iter().map(|row| row.iter().map(|value| (*value).to_owned()).collect()).collect();
        filter(&survey, &last).map(|filter| filter.expression)
    }

    #[test]
    fn an_expression_leaves_out_the_last_rows_alone() {
        let rows = [&["Bath", "1", "2"][..], &["York", "", "3"]];
        assert_eq!(
            filtered(&rows, &[&["Source: Office", "", ""], &["Note: rounded", "", ""]]).as_deref(),
            Some("!row['Town'].startsWith('Note:') && !row['Town'].startsWith('Source:')")
        );
        assert_eq!(
            filtered(&rows, &[&["* estimated", "", ""]]).as_deref(),
            Some("row['Area'] != '' || row[\"it's\"] != ''")
        );
        // No column is empty in them and never in the others.
        assert_eq!(filtered(&rows, &[&["* estimated", "", "x"]]), None);
    }
}

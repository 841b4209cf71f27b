//! Which column of a file a name means: the task that encrypts it and `transform` that reads it must agree.

/// A name that fits several columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file has several columns `{0}`")]
pub struct AmbiguousColumn(String);

/// The position of the column named `name`: by its exact name, else without regard to ASCII case. `None` when there is
/// none. White space around names does not count.
///
/// # Errors
/// A name that fits several columns is an error even where the column is optional: picking one of them, or none, would
/// lose values silently.
pub fn find(headers: &[String], name: &str) -> Result<Option<usize>, AmbiguousColumn> {
    let name = name.trim();
    let only = |matches: &dyn Fn(&str) -> bool| {
        let mut found = headers.iter().enumerate().filter(|(_, header)| matches(header.trim()));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(AmbiguousColumn(name.to_owned())),
            (first, _) => Ok(first.map(|(position, _)| position)),
        }
    };
    match only(&|header| header == name)? {
        Some(position) => Ok(Some(position)),
        None => only(&|header| header.eq_ignore_ascii_case(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_name_comes_first_and_two_that_fit_are_an_error() {
        let headers = ["ID", " Id ", "x"].map(str::to_owned);
        assert_eq!(find(&headers, "Id"), Ok(Some(1)));
        assert_eq!(find(&headers, " ID"), Ok(Some(0)));
        assert_eq!(find(&headers, "X"), Ok(Some(2)));
        assert_eq!(find(&headers, "y"), Ok(None));
        assert_eq!(find(&headers, "id"), Err(AmbiguousColumn("id".into())));
    }
}

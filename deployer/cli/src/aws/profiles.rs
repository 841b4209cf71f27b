//! The names of the profiles in AWS's configuration files, for messages about a profile that is not there.
//!
//! Format and places of the files: AWS SDKs and Tools Reference Guide, "Using shared config and credentials files".

use std::collections::BTreeSet;
use std::path::PathBuf;

/// The names of all profiles, of both files.
#[must_use]
pub fn names() -> BTreeSet<String> {
    let read = |variable: &str, file: &str| std::fs::read_to_string(path(variable, file)?).ok();
    let mut names = BTreeSet::new();
    if let Some(text) = read("AWS_CONFIG_FILE", "config") {
        names.extend(sections(&text).filter_map(|section| of_config(&section)));
    }
    if let Some(text) = read("AWS_SHARED_CREDENTIALS_FILE", "credentials") {
        names.extend(sections(&text));
    }
    names
}

/// The file that the variable names, else the one of that name in `.aws` of the home folder.
fn path(variable: &str, file: &str) -> Option<PathBuf> {
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => Some(path.into()),
        None => Some(std::env::home_dir()?.join(".aws").join(file)),
    }
}

/// The texts between brackets at the start of a line.
fn sections(text: &str) -> impl Iterator<Item = String> + '_ {
    let section = |line: &str| {
        let (name, _) = line.strip_prefix('[')?.split_once(']')?;
        Some(name.trim().to_owned())
    };
    text.lines().filter_map(move |line| section(line.trim()))
}

/// The profile that a section of the config file is about: `default` or `profile NAME`.
fn of_config(section: &str) -> Option<String> {
    if section == "default" {
        return Some(section.to_owned());
    }
    let name = section.strip_prefix("profile")?;
    let name = name.strip_prefix(char::is_whitespace)?.trim().trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_name_profiles() {
        let text = "[default]\n a = 1\n[profile work] # ours\n[ profile\tb c ]\n[sso-session x]\n[profile]\n[profilex]\n[profile \"d\"]\n[open\n";
        let names: Vec<String> = sections(text).filter_map(|section| of_config(&section)).collect();
        assert_eq!(names, ["default", "work", "b c", "d"]);
        assert_eq!(sections("x = [y]\n[one]\n").collect::<Vec<_>>(), ["one"]);
    }
}

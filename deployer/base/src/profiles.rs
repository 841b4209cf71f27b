//! Profiles: the names of those in AWS's configuration files, and the one whose credentials are used.
//!
//! Format and places of the files: AWS SDKs and Tools Reference Guide, "Using shared config and credentials files".

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

/// `--profile`.
static CHOSEN: OnceLock<String> = OnceLock::new();

/// Chooses the profile that `--profile` names for everything that follows.
pub fn choose(profile: &str) {
    let _ = CHOSEN.set(profile.to_owned());
}

/// Returns the profile that `--profile` names.
#[must_use]
pub fn chosen() -> Option<&'static String> {
    CHOSEN.get()
}

/// Returns `AWS_PROFILE`.
#[must_use]
pub fn of_environment() -> Option<String> {
    std::env::var("AWS_PROFILE").ok().filter(|profile| !profile.is_empty())
}

/// Returns the profile whose credentials are looked for.
#[must_use]
pub fn current() -> String {
    chosen().cloned().or_else(of_environment).unwrap_or_else(|| "default".to_owned())
}

/// Checks whether credentials are looked for in the environment: not if `--profile` names their profile.
#[must_use]
pub fn asks_environment() -> bool {
    chosen().is_none()
}

/// Returns advice on how to log in, by the profile in use; or on how to go on when temporary credentials of the
/// environment have expired.
#[must_use]
pub fn login_hint(expired: bool) -> String {
    match chosen().cloned().or_else(of_environment) {
        Some(profile) => {
            format!("run `aws login --profile {profile}` or `aws sso login --profile {profile}`, or renew the credentials of that profile")
        }
        None if expired && std::env::var_os("AWS_ACCESS_KEY_ID").is_some() => {
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN contain temporary credentials; set new ones, or use \
             a profile, which renews them: set AWS_PROFILE and run `aws login` or `aws sso login`"
                .to_owned()
        }
        None => "set AWS_PROFILE and run `aws login` or `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            .to_owned(),
    }
}

/// Returns the names of all profiles, of both files.
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

/// Returns the file that the variable names, else the one of that name in `.aws` of the home folder.
fn path(variable: &str, file: &str) -> Option<PathBuf> {
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => Some(path.into()),
        None => Some(std::env::home_dir()?.join(".aws").join(file)),
    }
}

/// Returns the texts between brackets at the start of a line.
fn sections(text: &str) -> impl Iterator<Item = String> + '_ {
    let section = |line: &str| {
        let (name, _) = line.strip_prefix('[')?.split_once(']')?;
        Some(name.trim().to_owned())
    };
    text.lines().filter_map(move |line| section(line.trim()))
}

/// Returns the profile that a section of the config file is about: `default` or `profile NAME`.
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

//! The documentation as one page of HTML, which contains its styles and script and makes no requests.

use std::io::Write as _;
use std::path::Path;

use deployer_base::error::{Error, Result};
use tempfile::NamedTempFile;

use crate::{markdown, uri};

/// One page of the documentation.
#[derive(Debug)]
pub struct Section {
    /// The heading under which the page is listed.
    pub group: &'static str,
    /// The name in the list.
    pub name: String,
    /// The description next to the name in the list.
    pub title: String,
    /// Markdown.
    pub text: String,
}

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/search.js");

/// Returns the ID of a section in the page.
#[must_use]
pub fn anchor(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Returns all sections in one page.
#[must_use]
pub fn page(sections: &[Section]) -> String {
    let mut list = String::new();
    let mut body = String::new();
    let mut group = "";
    for section in sections {
        let anchor = anchor(&section.name);
        if section.group != group {
            group = section.group;
            list.push_str(&format!("<h2>{group}</h2>\n"));
        }
        let title = match section.title.as_str() {
            "" => String::new(),
            title => format!(" <small>{}</small>", escaped(title)),
        };
        list.push_str(&format!("<a href=\"#{anchor}\">{}{title}</a>\n", section.name));
        let html = inner_links(&markdown::to_html(&section.text, &anchor), &anchor, sections);
        body.push_str(&format!("<section id=\"{anchor}\">\n{html}</section>\n"));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>deployer {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<nav>\n\
         <input type=\"search\" placeholder=\"Search\" aria-label=\"Search\">\n{list}</nav>\n<main>\n{body}</main>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Escapes text for HTML. In an attribute, quotes must be escaped too.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Turns links between the pages into links to their sections; others lose their target, since its file isn't there.
fn inner_links(html: &str, here: &str, sections: &[Section]) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once("href=\"") {
        let (target, behind) = after.split_once('"').unwrap_or((after, ""));
        out.push_str(before);
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let section = match file {
            "" => Some(here.to_owned()),
            _ => markdown::topic(target)
                .and_then(|name| sections.iter().find(|section| section.name == name))
                .map(|section| anchor(&section.name)),
        };
        out.push_str(&match section {
            _ if target.starts_with("https://") => format!("href=\"{target}\""),
            Some(section) if heading.is_empty() => format!("href=\"#{section}\""),
            Some(section) => format!("href=\"#{section}--{heading}\""),
            None => "title=\"a file of the project\"".to_owned(),
        });
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Shows a file in the browser.
///
/// # Errors
/// Returns an error if this machine has no command for that.
pub fn open(path: &Path, anchor: &str) -> Result<()> {
    let path = std::path::absolute(path).map_err(|error| Error::io("find", path, &error))?;
    let url = match anchor {
        "" => uri::of_path(&path.to_string_lossy()),
        anchor => format!("{}#{anchor}", uri::of_path(&path.to_string_lossy())),
    };
    opener::open_browser(&url).map_err(|error| {
        Error::failed_with_hint(format!("cannot open a browser: {error}"), format!("open {url} yourself"))
    })
}

/// Shows a link with a token in the browser, by way of a file that only this user can read: what a command is given, every user of
/// the machine can see. The file is deleted when what is returned is dropped. Where the browser may be on another
/// machine or system, with `BROWSER` and on WSL, there is no such file, and it gets the link.
///
/// # Errors
/// Returns an error if the file can't be written, or this machine has no command for that.
pub fn open_secret(link: &str) -> Result<Option<NamedTempFile>> {
    if ["BROWSER", "WSL_DISTRO_NAME"].iter().any(|name| std::env::var_os(name).is_some()) {
        let opened = opener::open_browser(link);
        return opened
            .map(|()| None)
            .map_err(|error| Error::failed(format!("cannot open a browser: {error}")));
    }
    let mut builder = tempfile::Builder::new();
    let file = builder.prefix("deployer-console-").suffix(".html").tempfile();
    let mut file = file.map_err(|error| Error::io("write", &std::env::temp_dir(), &error))?;
    let link = escaped(link);
    let text = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>deployer console</title>\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<meta http-equiv=\"refresh\" content=\"0;url={link}\">\n\
         <a href=\"{link}\">Open the console</a>\n"
    );
    file.write_all(text.as_bytes()).map_err(|error| Error::io("write", file.path(), &error))?;
    open(file.path(), "")?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_sections_or_nowhere() {
        let section = |name: &str, text: &str| Section {
            group: "Topics",
            name: name.into(),
            title: "a <b>".into(),
            text: text.into(),
        };
        let sections = [
            section(
                "language",
                "[a](diagnostics/E0102.md) [b](https://example.com) [c](../x.rs) [d](reference.md#access)",
            ),
            section("E0102", "[back](../language.md#types)"),
            section("reference", "# Reference"),
        ];
        let html = page(&sections);
        for part in [
            "href=\"#e0102\"",
            "href=\"https://example.com\"",
            "href=\"#reference--access\"",
            "href=\"#language--types\"",
            "<a href=\"#e0102\">E0102 <small>a &lt;b&gt;</small></a>",
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
        assert!(!html.contains(".md\"") && !html.contains("x.rs"), "{html}");
    }
}

//! A diff for people: lines that each begin with a sign, so that no colour is needed to read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use deployer_syntax::units::human;
use serde_json::Value;

use super::words::words;
use super::{
    ChangeKind, CodeState, Diff, Effect, Fate, Forces, Permission, PropertyChange, ResourceChange,
    ValueChange,
};

mod brief;
mod short;

pub use brief::kind_in_words;

use short::{cut, cut_pair, printable};

/// The subject of a line; a reader without colours sees its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// The name of a section.
    Heading,
    /// A creation.
    Create,
    /// An adoption of what exists.
    Adopt,
    /// A change.
    Update,
    /// A replacement.
    Replace,
    /// A deletion.
    Delete,
    /// A warning, to be read before going on.
    Warning,
    /// None of these.
    Plain,
}

impl Sign {
    /// Returns the sign itself.
    #[must_use]
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Heading | Self::Plain => " ",
            Self::Create => "+",
            Self::Adopt => "^",
            Self::Update => "~",
            Self::Replace => "±",
            Self::Delete => "-",
            Self::Warning => "!",
        }
    }
}

impl From<ChangeKind> for Sign {
    fn from(action: ChangeKind) -> Self {
        match action {
            ChangeKind::Create => Self::Create,
            ChangeKind::Adopt => Self::Adopt,
            ChangeKind::Update => Self::Update,
            ChangeKind::Replace => Self::Replace,
            ChangeKind::Delete => Self::Delete,
            ChangeKind::Keep => Self::Plain,
        }
    }
}

/// A line, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its subject.
    pub sign: Sign,
    /// The text, without the sign.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            return Ok(());
        }
        match self.sign {
            Sign::Heading => out.write_str(&self.text),
            sign => write!(out, "{} {}", sign.mark(), self.text),
        }
    }
}

/// Width below which values could not be told apart.
const LEAST_WIDTH: usize = 60;
/// Letters of a digest that are shown: enough to tell two apart.
const DIGEST: usize = 12;

/// The detail in which a diff is shown. Losses, replacements, and changes that open an existing stack to others are
/// always shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Detail {
    /// About ten lines: routine changes are only counted.
    Brief,
    /// Every change, except that the permissions of a new stack are only counted.
    Changes,
    /// Everything.
    Full,
}

/// Returns the diff in lines of about `width` letters.
#[must_use]
pub fn render(diff: &Diff, width: usize, detail: Detail) -> Vec<Line> {
    let certain = diff.resources.iter().filter(|resource| resource.action == ChangeKind::Replace);
    let replaced = certain.map(|resource| resource.id.as_str()).collect();
    let mut page = Page { width: width.max(LEAST_WIDTH), detail, replaced, lines: Vec::new(), hidden: false };
    match detail {
        Detail::Brief if diff.new => page.new_stack(diff),
        Detail::Brief => page.few_resources(diff),
        Detail::Changes | Detail::Full => page.resources(diff),
    }
    if !(diff.new && detail == Detail::Brief) {
        match detail {
            Detail::Full => page.permissions(diff),
            Detail::Changes if !diff.new => page.permissions(diff),
            Detail::Brief | Detail::Changes => page.few_permissions(diff),
        }
        page.exposure(diff);
        page.code(diff);
        page.values("Outputs", &diff.outputs);
        page.values("Parameters", &diff.parameters);
        page.values("Tags of the stack", &diff.tags);
        page.values("Template", &diff.template);
        page.cost(diff);
    }
    if !diff.notes.is_empty() {
        page.heading("Notes");
        diff.notes.iter().for_each(|note| page.line(Sign::Warning, note));
    }
    let more = if page.hidden { "  (`--verbose` shows all of it)" } else { "" };
    page.heading(&format!("{}{more}", summary(diff)));
    page.lines
}

/// Returns the counts in words.
fn summary(diff: &Diff) -> String {
    if diff.is_empty() {
        return format!("{}: no difference", diff.stack);
    }
    let counts = [
        (diff.summary.adopt, "to adopt"),
        (diff.summary.create, "to create"),
        (diff.summary.rename, "to rename"),
        (diff.summary.update, "to update"),
        (diff.summary.replace, "to replace"),
        (diff.summary.delete, "to delete"),
        (diff.summary.keep, "unchanged"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!(
        "{}: {}",
        diff.stack,
        if parts.is_empty() { "no resource changes".to_owned() } else { parts.join(", ") }
    )
}

struct Page<'d> {
    width: usize,
    detail: Detail,
    /// IDs of the resources that are certainly replaced.
    replaced: BTreeSet<&'d str>,
    lines: Vec<Line>,
    /// `true` if something was left out.
    hidden: bool,
}

impl Page<'_> {
    fn line(&mut self, sign: Sign, text: impl AsRef<str>) {
        self.lines.push(Line { sign, text: printable(text.as_ref()) });
    }

    fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Line { sign: Sign::Plain, text: String::new() });
        }
        self.line(Sign::Heading, text);
    }

    fn resources(&mut self, diff: &Diff) {
        if diff.changed().next().is_none() {
            return;
        }
        self.heading("Resources");
        if diff.new {
            self.adopted(diff);
            let created = diff.changed().filter(|resource| resource.action != ChangeKind::Adopt);
            return self.by_origin(&created.collect::<Vec<_>>());
        }
        for resource in diff.changed() {
            self.resource(resource);
        }
    }

    /// Writes the resources that are adopted, and their changes after that.
    fn adopted(&mut self, diff: &Diff) {
        for resource in diff.resources.iter().filter(|resource| resource.action == ChangeKind::Adopt) {
            self.line(Sign::Adopt, self.title(resource));
            if self.detail != Detail::Brief {
                resource.changes.iter().for_each(|change| self.property(change));
            }
        }
    }

    /// Lists new resources as their types by the name in the file, without their properties.
    fn by_origin(&mut self, created: &[&ResourceChange]) {
        let mut order: Vec<&str> = Vec::new();
        let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for resource in created {
            let name = resource.origin.as_deref().unwrap_or(&resource.id);
            let of = types.entry(name).or_default();
            if of.is_empty() {
                order.push(name);
            }
            of.push(resource.kind.strip_prefix("AWS::").unwrap_or(&resource.kind));
        }
        for name in order {
            let mut counted: Vec<(&str, usize)> = Vec::new();
            for kind in types.get(name).into_iter().flatten() {
                match counted.iter_mut().find(|(known, _)| known == kind) {
                    Some((_, count)) => *count += 1,
                    None => counted.push((kind, 1)),
                }
            }
            let words: Vec<String> = counted
                .iter()
                .map(|(kind, count)| match count {
                    1 => (*kind).to_owned(),
                    count => format!("{kind} ×{count}"),
                })
                .collect();
            self.wrapped(Sign::Create, &format!("{name}  "), &words);
        }
    }

    /// Writes a sentence that continues in further lines, below its beginning.
    fn paragraph(&mut self, sign: Sign, text: &str) {
        let mut line = String::new();
        for word in text.split_inclusive(' ') {
            let begun = !line.trim().is_empty();
            if begun && line.chars().count() + word.trim_end().chars().count() + 2 > self.width {
                self.line(sign, line.trim_end());
                line = " ".repeat(8);
            }
            line.push_str(word);
        }
        self.line(sign, line.trim_end());
    }

    /// Writes a list that continues in further lines, below its beginning.
    fn wrapped(&mut self, sign: Sign, head: &str, items: &[String]) {
        self.wrapped_at(sign, head, items, 4);
    }

    /// Writes a list whose further lines begin at a given column.
    fn wrapped_at(&mut self, sign: Sign, head: &str, items: &[String], indent: usize) {
        let indent = " ".repeat(indent);
        let mut line = head.to_owned();
        for (index, item) in items.iter().enumerate() {
            let comma = if index + 1 < items.len() { "," } else { "" };
            let fits = line.chars().count() + item.chars().count() + 3 <= self.width;
            if !fits && !line.trim().is_empty() && line != head {
                self.line(sign, line.trim_end());
                line.clone_from(&indent);
            }
            line.push_str(item);
            line.push_str(comma);
            line.push(' ');
        }
        self.line(sign, line.trim_end());
    }

    /// Returns the names and the type of a resource, and what becomes of the deployed one.
    fn title(&self, resource: &ResourceChange) -> String {
        let id = match &resource.was {
            Some(was) => format!("{was} → {}", resource.id),
            None => resource.id.clone(),
        };
        let mut text = named(&id, resource.origin.as_deref());
        if !resource.kind.is_empty() {
            text.push_str(&format!("  {}", resource.kind));
        }
        if resource.was.is_some() {
            text.push_str("  renamed");
        }
        let fate = |word: &str| match (resource.old, resource.holds) {
            (Some(Fate::Retained), _) if resource.action == ChangeKind::Delete => {
                "  leaves the stack, and is kept in the account".to_owned()
            }
            (Some(Fate::Retained), _) => {
                format!("  {word}; the old one is kept in the account, outside of the stack")
            }
            (Some(Fate::Snapshot), _) => format!("  {word}; a snapshot of it is kept"),
            (_, Some(holds)) => format!("  {word}; lost with it: {holds}"),
            _ => format!("  {word}"),
        };
        if let Some(adopted) = resource.adopted.as_ref().filter(|_| resource.action == ChangeKind::Adopt) {
            let holds = adopted.holds.as_ref().map(|holds| format!(", with {holds}")).unwrap_or_default();
            text.push_str(&format!("  adopted: {}{holds}", adopted.physical_id));
        }
        match (resource.action, resource.replacement) {
            (ChangeKind::Delete, _) => text.push_str(&fate("deleted")),
            (ChangeKind::Replace, _) => text.push_str(&fate("replaced")),
            (ChangeKind::Update, Forces::Conditional) => text.push_str(&fate("may be replaced")),
            (ChangeKind::Update, Forces::Unknown) => text.push_str("  whether it is replaced is not known"),
            _ => {}
        }
        text
    }

    fn resource(&mut self, resource: &ResourceChange) {
        self.line(sign_of(resource), self.title(resource));
        if resource.protected && matches!(resource.action, ChangeKind::Delete | ChangeKind::Replace) {
            self.line(Sign::Warning, "    protected: the deployed template has `protect: true`");
        }
        if matches!(resource.action, ChangeKind::Update | ChangeKind::Replace) {
            let (documents, properties): (Vec<_>, Vec<_>) =
                resource.changes.iter().partition(|change| self.reads_as_permissions(change));
            properties.into_iter().for_each(|change| self.property(change));
            self.documents(documents.len());
        }
    }

    /// Returns whether a change is one of a policy, whose meaning is among the permissions, where nothing is cut short.
    fn reads_as_permissions(&self, change: &PropertyChange) -> bool {
        let path = &change.path;
        self.detail != Detail::Full
            && change.replacement == Forces::Never
            && ["PolicyDocument", "KeyPolicy", "Policies["].iter().any(|document| path.contains(document))
    }

    fn documents(&mut self, changes: usize) {
        if changes > 0 {
            self.hidden = true;
            self.line(Sign::Update, "    its policy");
        }
    }

    fn property(&mut self, change: &PropertyChange) {
        let path = change.path.strip_prefix("Properties.").unwrap_or(&change.path);
        let note = match change.replacement {
            Forces::Always => "  forces replacement",
            Forces::Conditional => "  may force replacement",
            Forces::Never | Forces::Unknown => "",
        };
        let (sign, text) = match (&change.because, &change.before, &change.after) {
            (Some(cause), _, _) => {
                let value = change.after.as_ref().map(words).unwrap_or_default();
                let room = self.width.saturating_sub(path.len() + cause.len() + note.len() + 30).max(16);
                (Sign::Update, format!("{} changes {}", cut(&value, room), self.cause(cause)))
            }
            (None, Some(before), Some(after)) => (Sign::Update, self.pair(path, note, before, after)),
            (None, Some(only), None) => (Sign::Delete, self.single(path, note, only)),
            (None, None, Some(only)) => (Sign::Create, self.single(path, note, only)),
            (None, None, None) => return,
        };
        self.line(sign, format!("    {path}: {text}{note}"));
    }

    /// Explains why the value of a reference changes.
    fn cause(&self, id: &str) -> String {
        let word = if self.replaced.contains(id) { "because" } else { "if" };
        format!("{word} {id} is replaced")
    }

    fn single(&self, path: &str, note: &str, value: &Value) -> String {
        let room = self.width.saturating_sub(path.chars().count() + note.len() + 8);
        cut(&quoted(value), room.max(16))
    }

    fn pair(&self, path: &str, note: &str, before: &Value, after: &Value) -> String {
        let room = self.width.saturating_sub(path.chars().count() + note.len() + 11) / 2;
        let (before, after) = cut_pair(&quoted(before), &quoted(after), room.max(16));
        format!("{before} → {after}")
    }

    fn permissions(&mut self, diff: &Diff) {
        if diff.permissions.is_empty() {
            return;
        }
        self.heading("Permissions");
        self.permissions_of(&diff.permissions.iter().collect::<Vec<_>>(), !diff.new);
    }

    /// Writes permissions by principal; with `marked`, those that widen are marked.
    fn permissions_of(&mut self, permissions: &[&Permission], marked: bool) {
        let mut last = "";
        for one in permissions {
            if one.principal != last {
                // The administrators of an account hand out the actions that a policy allows the account.
                let whoever = if one.principal.starts_with("account ") {
                    ": principals that its IAM policies allow"
                } else {
                    ""
                };
                self.line(Sign::Plain, format!("{}{whoever}", one.principal));
                last = &one.principal;
            }
            let sign = if one.gained { Sign::Create } else { Sign::Delete };
            let may = match one.effect {
                Effect::Allow => "may",
                Effect::Deny => "must not",
            };
            let actions = one.actions.join(", ");
            let mut text = format!("    {may} {actions} on {}", one.resources.join(", "));
            if let Some(condition) = &one.condition {
                text.push_str(&format!(" if {}", conditions(condition)));
            }
            // All permissions of a new stack are new.
            if one.widens && marked {
                text.push_str("  (widens)");
            }
            self.paragraph(sign, &text);
        }
    }

    fn exposure(&mut self, diff: &Diff) {
        if diff.exposure.is_empty() {
            return;
        }
        self.heading("Network and public access");
        for way in &diff.exposure {
            let sign = if way.gained { Sign::Create } else { Sign::Delete };
            let public = if way.public { "  (public)" } else { "" };
            self.line(sign, format!("{} {}{public}", way.resource, way.sentence));
        }
    }

    fn code(&mut self, diff: &Diff) {
        if diff.code.is_empty() {
            return;
        }
        self.heading("Code");
        for code in &diff.code {
            let sign = match code.state {
                CodeState::Create => Sign::Create,
                CodeState::Update => Sign::Update,
                CodeState::Delete => Sign::Delete,
                CodeState::Unknown | CodeState::Same => Sign::Plain,
            };
            let name = if code.origins.is_empty() { code.parameter.clone() } else { code.origins.join(", ") };
            let side = |digest: &Option<String>, bytes: Option<u64>| {
                let digest = digest.as_ref().map(|digest| digest.chars().take(DIGEST).collect::<String>())?;
                Some(bytes.map_or(digest.clone(), |bytes| format!("{digest} ({})", human(bytes))))
            };
            let (before, after) =
                (side(&code.before, code.before_bytes), side(&code.after, code.after_bytes));
            let text = match (code.state, before, after) {
                (CodeState::Unknown, ..) => "not built, so not compared".to_owned(),
                (_, Some(before), Some(after)) => format!("{before} → {after}"),
                (_, before, after) => after.or(before).unwrap_or_default(),
            };
            self.line(sign, format!("{name}  {}  {text}", code.kind.name()));
        }
    }

    fn values(&mut self, title: &str, changes: &[ValueChange]) {
        if changes.is_empty() {
            return;
        }
        self.heading(title);
        for change in changes {
            let name = &change.name;
            let text = match (&change.because, &change.before, &change.after) {
                (Some(cause), _, _) => format!("changes {}", self.cause(cause)),
                (None, Some(before), Some(after)) => self.pair(name, "", before, after),
                (None, before, after) => after
                    .as_ref()
                    .or(before.as_ref())
                    .map(|only| self.single(name, "", only))
                    .unwrap_or_default(),
            };
            self.line(change.action.into(), format!("{name}: {text}"));
        }
    }

    fn cost(&mut self, diff: &Diff) {
        let cost = &diff.cost;
        if cost.is_silent() {
            return;
        }
        self.heading("Cost while idle");
        let shown = if self.detail == Detail::Brief { &[] } else { cost.items.as_slice() };
        self.hidden |= shown.len() < cost.items.len();
        for item in shown {
            let (sign, text) = match (item.before.filter(|_| !diff.new), item.after) {
                (Some(before), Some(after)) => (Sign::Update, format!("${before:.2} → ${after:.2}")),
                (Some(before), None) => (Sign::Delete, format!("${before:.2}")),
                (None, after) => (Sign::Create, format!("${:.2}", after.unwrap_or_default())),
            };
            self.line(sign, format!("{}  {}  {text} a month", item.resource, item.what));
        }
        if !cost.items.is_empty() {
            let more = if cost.delta < 0.0 { "less" } else { "more" };
            let text = format!(
                "${:.2} → ${:.2} a month, ${:.2} {more} (list prices of {}, {})",
                cost.before,
                cost.after,
                cost.delta.abs(),
                cost.region,
                cost.date
            );
            self.line(Sign::Plain, text);
        }
        if !cost.unknown.is_empty() {
            self.wrapped(Sign::Warning, "not known: ", &cost.unknown);
        }
    }
}

/// Returns the sign of a resource; a rename is a change in place.
fn sign_of(resource: &ResourceChange) -> Sign {
    match resource.action {
        ChangeKind::Keep if resource.was.is_some() => Sign::Update,
        action => action.into(),
    }
}

fn named(id: &str, origin: Option<&str>) -> String {
    match origin {
        Some(origin) => format!("{origin}  {id}"),
        None => id.to_owned(),
    }
}

/// Returns conditions of a policy in words: `aws:SourceAccount StringEquals 111122223333`.
fn conditions(condition: &Value) -> String {
    let mut out = Vec::new();
    for (operator, keys) in condition.as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let values: Vec<String> = match values {
                Value::Array(values) => values.iter().map(words).collect(),
                one => vec![words(one)],
            };
            out.push(format!("{key} {operator} {}", values.join(" or ")));
        }
    }
    if out.is_empty() { condition.to_string() } else { out.join(" and ") }
}

/// Returns a value in words, quoted where an empty text or one with spaces at its ends would not be seen.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() || text.trim() != text => value.to_string(),
        _ => words(value),
    }
}

#[cfg(test)]
mod tests;

//! The short form of a diff: counts of routine changes, and in full the losses, the replacements and the changes that
//! open the stack to others.

use std::collections::{BTreeMap, BTreeSet};

use deployer_syntax::units::human;

use super::{ChangeKind, Diff, Effect, Forces, Page, ResourceChange, Sign};
use crate::diff::Permission;

/// Resources changed in place that are shown one by one.
const SHOWN_UPDATES: usize = 10;
/// Properties of such a resource that are shown.
const SHOWN_PROPERTIES: usize = 4;
/// Letters of the labels of a new stack, with the space after them.
const LABEL: usize = 13;

impl Page<'_> {
    /// Writes a stack that is not there yet, a line or two for each subject.
    pub(super) fn new_stack(&mut self, diff: &Diff) {
        self.adopted(diff);
        let created = diff.changed().filter(|resource| resource.action != ChangeKind::Adopt);
        let kinds: Vec<&str> = created.map(|resource| resource.kind.as_str()).collect();
        if !kinds.is_empty() {
            self.labelled(Sign::Create, "resources", &counted(&kinds));
        }
        self.granted(diff, true);
        let (public, others): (Vec<_>, Vec<_>) = diff.exposure.iter().partition(|way| way.public);
        for way in &public {
            self.line(
                Sign::Warning,
                format!("{:LABEL$}{} {}  (public)", "network", way.resource, way.sentence),
            );
        }
        if !others.is_empty() {
            let public = if public.is_empty() { "none of them public" } else { "not public" };
            let paths = count(others.len(), "path to or from the network", "paths to or from the network");
            self.labelled(Sign::Create, "network", &[format!("{paths}, {public}")]);
        }
        if !diff.code.is_empty() {
            let mut names: Vec<String> = Vec::new();
            for code in &diff.code {
                match code.origins.as_slice() {
                    [] => names.push(code.parameter.clone()),
                    origins => names.extend_from_slice(origins),
                }
            }
            // Functions share a program.
            let sizes: BTreeMap<_, _> =
                diff.code.iter().map(|code| (&code.after, code.after_bytes)).collect();
            let bytes: Option<u64> = sizes.into_values().sum();
            if let (Some(bytes), Some(last)) = (bytes, names.last_mut()) {
                last.push_str(&format!(" ({} in total)", human(bytes)));
            }
            self.labelled(Sign::Create, "code", &names);
        }
        self.labelled(Sign::Plain, "cost", &[total(diff)]);
    }

    /// Writes the resources of an existing stack: each that is lost or replaced, and the others as far as they are few.
    pub(super) fn few_resources(&mut self, diff: &Diff) {
        if diff.changed().next().is_none() {
            return;
        }
        self.heading("Resources");
        let is_update = |one: &&ResourceChange| {
            matches!(one.action, ChangeKind::Update | ChangeKind::Keep)
                && matches!(one.replacement, Forces::Never | Forces::Unknown)
        };
        let (updated, others): (Vec<_>, Vec<_>) = diff.changed().partition(is_update);
        for resource in others.iter().filter(|one| one.action != ChangeKind::Create) {
            self.resource(resource);
        }
        let shown = if updated.len() > SHOWN_UPDATES { 0 } else { updated.len() };
        for resource in &updated[..shown] {
            self.update(resource);
        }
        if shown < updated.len() {
            let names: Vec<String> = updated.iter().map(|one| name_of(one).to_owned()).collect();
            let names: BTreeSet<String> = names.into_iter().collect();
            self.hidden = true;
            let head = format!("{} changed in place: ", updated.len());
            self.wrapped(Sign::Update, &head, &names.into_iter().collect::<Vec<_>>());
        }
        let created: Vec<&ResourceChange> =
            others.into_iter().filter(|one| one.action == ChangeKind::Create).collect();
        self.by_origin(&created);
    }

    /// Writes a resource that is changed in place.
    fn update(&mut self, resource: &ResourceChange) {
        let (documents, properties): (Vec<_>, Vec<_>) =
            resource.changes.iter().partition(|change| self.reads_as_permissions(change));
        self.line(Sign::Update, self.title(resource));
        let shown = if properties.len() > SHOWN_PROPERTIES { SHOWN_PROPERTIES - 1 } else { properties.len() };
        for change in &properties[..shown] {
            self.property(change);
        }
        if shown < properties.len() {
            self.hidden = true;
            self.line(Sign::Update, format!("    {} more properties", properties.len() - shown));
        }
        self.documents(documents.len());
    }

    /// Writes the permissions that give somebody more than before; of the others, their number.
    pub(super) fn few_permissions(&mut self, diff: &Diff) {
        if diff.new {
            self.hidden |= !diff.permissions.is_empty();
            if granted(diff).next().is_some() {
                self.heading("Permissions");
                self.granted(diff, false);
            }
            return;
        }
        let (widening, others): (Vec<_>, Vec<_>) = diff.permissions.iter().partition(|one| one.widens);
        if widening.is_empty() && others.is_empty() {
            return;
        }
        self.heading(if widening.is_empty() { "Permissions" } else { "Additional permissions" });
        self.permissions_of(&widening, false);
        if !others.is_empty() {
            self.hidden = true;
            let more = if widening.is_empty() { "" } else { "more " };
            let (one, several) = ("change that grants", "changes that grant");
            let changes = if others.len() == 1 { one } else { several };
            let text = format!("{} {more}{changes} nothing new", others.len());
            self.line(Sign::Plain, text);
        }
    }

    /// Writes the permissions of a new stack: their number, and in full those that reach beyond it.
    fn granted(&mut self, diff: &Diff, labelled: bool) {
        let (far, near): (Vec<_>, Vec<_>) = granted(diff).partition(|one| reaches_far(one));
        if !near.is_empty() {
            let mut classes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for one in &near {
                let class = one.principal.split(' ').next().unwrap_or_default();
                classes.entry(class).or_default().insert(&one.principal);
            }
            let classes: Vec<String> = classes
                .iter()
                .map(|(class, who)| match *class {
                    "service" => count(who.len(), "AWS service", "AWS services"),
                    class => count(who.len(), class, &plural(class)),
                })
                .collect();
            let text = format!("{} for {}", near.len(), classes.join(" and "));
            match labelled {
                true => self.labelled(Sign::Create, "permissions", &[text]),
                false => self.line(Sign::Create, text),
            }
            self.hidden = true;
        }
        self.permissions_of(&far, false);
    }

    /// Writes a line with a label: `+ resources    2 queues, 1 table`.
    fn labelled(&mut self, sign: Sign, label: &str, items: &[String]) {
        self.wrapped_at(sign, &format!("{label:LABEL$}"), items, LABEL);
        self.hidden = true;
    }
}

/// Returns the permissions that allow something new.
fn granted(diff: &Diff) -> impl Iterator<Item = &Permission> {
    diff.permissions.iter().filter(|one| one.gained && one.effect == Effect::Allow)
}

/// Returns whether a permission reaches beyond the stack itself, by its principal or by its resource.
fn reaches_far(permission: &Permission) -> bool {
    let outside = !matches!(permission.principal.split(' ').next(), Some("role" | "service"));
    let any_action = permission.actions.iter().any(|action| action.contains('*') || !action.contains(':'));
    outside || (any_action && permission.resources.iter().any(|resource| resource == "*"))
}

fn name_of(resource: &ResourceChange) -> &str {
    resource.origin.as_deref().unwrap_or(&resource.id)
}

/// Returns the cost of the idle stack, in one line.
fn total(diff: &Diff) -> String {
    let cost = &diff.cost;
    let known =
        format!("${:.2} a month while idle (list prices of {}, {})", cost.after, cost.region, cost.date);
    match cost.unknown.as_slice() {
        [] => known,
        unknown => format!("{known}, without {} whose price is not known", unknown.join(", ")),
    }
}

/// Counts types in words, the most frequent first: `3 queues`, `1 table`.
fn counted(kinds: &[&str]) -> Vec<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for kind in kinds {
        match counts.iter_mut().find(|(known, _)| known == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    // Stable: equally frequent types stay in the order of the template.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let names: Vec<String> = counts.iter().map(|(kind, _)| kind_in_words(kind)).collect();
    let text = |(index, (kind, number)): (usize, &(&str, usize))| {
        let name = &names[index];
        let ambiguous = names.iter().filter(|other| *other == name).count() > 1;
        let name = if ambiguous { kind.strip_prefix("AWS::").unwrap_or(kind) } else { name };
        count(*number, name, &plural(name))
    };
    counts.iter().enumerate().map(text).collect()
}

fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// Returns the last words of a type as people write them: `AWS::EC2::VPCGatewayAttachment` is a VPC gateway attachment.
#[must_use]
pub fn kind_in_words(kind: &str) -> String {
    let Some(name) = kind.strip_prefix("AWS::").and_then(|name| name.rsplit("::").next()) else {
        return if kind.is_empty() { "resource".to_owned() } else { kind.to_owned() };
    };
    let letters: Vec<char> = name.chars().collect();
    let mut out: Vec<String> = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after = letters.get(at + 1);
        let begins = letter.is_uppercase()
            && before.is_none_or(|before| {
                !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase())
            });
        match out.last_mut() {
            Some(word) if !begins => word.push(*letter),
            _ => out.push(letter.to_string()),
        }
    }
    let is_acronym = |word: &str| word.chars().count() > 1 && !word.chars().any(char::is_lowercase);
    let lower = |word: &String| if is_acronym(word) { word.clone() } else { word.to_lowercase() };
    out.iter().map(lower).collect::<Vec<_>>().join(" ")
}

/// Returns the plural of an English noun, as far as names of types need it.
fn plural(noun: &str) -> String {
    let ends = |ending: &[&str]| ending.iter().any(|ending| noun.ends_with(ending));
    match noun.strip_suffix('y') {
        Some(stem) if !ends(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["s", "x", "ch", "sh"]) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_counted_in_words() {
        let kinds = [
            "AWS::EC2::VPC",
            "AWS::SQS::Queue",
            "AWS::SQS::QueuePolicy",
            "AWS::EC2::VPCGatewayAttachment",
            "AWS::SQS::QueuePolicy",
            "AWS::Events::EventBus",
            "AWS::Events::EventBus",
            "AWS::EC2::EIP",
            "Custom::Thing",
        ];
        assert_eq!(
            counted(&kinds),
            [
                "2 queue policies",
                "2 event buses",
                "1 VPC",
                "1 queue",
                "1 VPC gateway attachment",
                "1 EIP",
                "1 Custom::Thing"
            ]
        );
        // Two services have such a type.
        assert_eq!(
            counted(&["AWS::EC2::Route", "AWS::ApiGatewayV2::Route"]),
            ["1 EC2::Route", "1 ApiGatewayV2::Route"]
        );
    }
}

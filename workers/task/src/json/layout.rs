//! Layouts: the columns of rows with the same members.

use std::collections::HashMap;

use contract::{Reason, columns};

use super::line::{Line, Paths};
use crate::reader::Fault;

/// The greatest number of layouts that are remembered.
const MOST: usize = 256;

/// The layouts of a file.
#[derive(Debug)]
pub(super) struct Layouts {
    /// The columns of the settings; empty if there are none.
    fixed: Vec<String>,
    expected: Vec<String>,
    /// Names of sensitive columns, with their keys.
    sensitive: Vec<(String, String)>,
    /// The members of the first lines, in their order.
    known: Vec<String>,
    /// The position of each of them.
    positions: HashMap<String, usize>,
    found: HashMap<Paths, u64>,
    remembered: Vec<Layout>,
    /// The number of layouts that were forgotten: the ID of the first one that is remembered.
    forgotten: u64,
    /// The last layout that was used, and the paths that it is for.
    last: Option<(Paths, u64)>,
}

/// A layout, or the reason why rows with these members fail.
#[derive(Debug)]
struct Layout {
    columns: Vec<String>,
    /// For each column the position of its member.
    order: Result<Vec<Option<usize>>, Fault>,
}

impl Layouts {
    pub(super) fn new(fixed: &[String], expected: &[String], sensitive: &[String]) -> Self {
        Self {
            fixed: fixed.to_vec(),
            expected: expected.to_vec(),
            sensitive: sensitive.iter().map(|name| (name.clone(), columns::key(name))).collect(),
            known: Vec::new(),
            positions: HashMap::new(),
            found: HashMap::new(),
            remembered: Vec::new(),
            forgotten: 0,
            last: None,
        }
    }

    /// Remembers the members of one of the first lines.
    pub(super) fn learn(&mut self, line: &Line) {
        for path in line.paths().iter() {
            if !self.positions.contains_key(path) {
                self.positions.insert(path.to_owned(), self.known.len());
                self.known.push(path.to_owned());
            }
        }
    }

    /// Returns the members of the first lines, or the columns of the settings.
    pub(super) fn known(&self) -> &[String] {
        if self.fixed.is_empty() { &self.known } else { &self.fixed }
    }

    /// Checks that one of the first lines has each of the expected columns.
    pub(super) fn check(&self, expected: &[String]) -> Result<(), Fault> {
        match columns::missing(self.known(), expected.iter().map(String::as_str)) {
            Some(missing) => Err(Fault::new(Reason::MissingColumn, missing.to_string())),
            None => Ok(()),
        }
    }

    fn get(&self, id: u64) -> Option<&Layout> {
        let position = id.checked_sub(self.forgotten)?;
        self.remembered.get(usize::try_from(position).ok()?)
    }

    /// Returns the columns of a layout.
    pub(super) fn columns(&self, id: u64) -> &[String] {
        self.get(id).map_or(&[], |layout| &layout.columns)
    }

    /// Arranges a line as its members demand, and returns the ID of its layout.
    pub(super) fn arrange(&mut self, line: &mut Line) -> Result<u64, Fault> {
        let last = self.last.as_ref().filter(|(paths, _)| paths == line.paths()).map(|(_, id)| *id);
        let id = match last {
            Some(id) => id,
            None => {
                let known = self.found.get(line.paths()).copied();
                let id = known.unwrap_or_else(|| self.add(line.paths()));
                self.last = Some((line.paths().clone(), id));
                id
            }
        };
        match self.get(id).map(|layout| &layout.order) {
            Some(Ok(order)) => line.arrange(order),
            Some(Err(fault)) => return Err(fault.clone()),
            None => {}
        }
        Ok(id)
    }

    fn add(&mut self, paths: &Paths) -> u64 {
        if self.remembered.len() >= MOST {
            // A file in which every row has members of its own takes time, and no memory.
            self.forgotten += self.remembered.len() as u64;
            self.remembered.clear();
            self.found.clear();
        }
        let names: Vec<&str> = paths.iter().collect();
        let layout = match self.make(&names) {
            Ok((columns, order)) => Layout { columns, order: Ok(order) },
            Err(fault) => Layout { columns: Vec::new(), order: Err(fault) },
        };
        let id = self.forgotten + self.remembered.len() as u64;
        self.remembered.push(layout);
        self.found.insert(paths.clone(), id);
        id
    }

    /// Returns the columns of rows with these members, and for each the position of its member.
    fn make(&self, names: &[&str]) -> Result<(Vec<String>, Vec<Option<usize>>), Fault> {
        let find = |name: &str| {
            columns::find(names, name).map_err(|_| {
                Fault::new(Reason::DuplicateHeader, format!("has several members `{}`", columns::trim(name)))
            })
        };
        // `a.b` may be a member of `a`, or one of that name.
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Fault::new(
                Reason::InvalidJson,
                "has a member twice: one by its name, one by its path",
            ));
        }
        let mut order: Vec<(String, Option<usize>)> = Vec::new();
        if self.fixed.is_empty() {
            for (name, key) in &self.sensitive {
                match names.iter().filter(|member| columns::key(member) == *key).count() {
                    1 => {}
                    0 => {
                        let message = format!("has no member `{}`, which is sensitive", columns::trim(name));
                        return Err(Fault::new(Reason::MissingColumn, message));
                    }
                    _ => {
                        let message =
                            format!("has several members `{}`, which is sensitive", columns::trim(name));
                        return Err(Fault::new(Reason::DuplicateHeader, message));
                    }
                }
            }
            let mut members: Vec<usize> = (0..names.len()).collect();
            // Rows with the same members in another order have the same columns.
            members.sort_by_key(|member| {
                let name = names.get(*member).copied().unwrap_or_default();
                self.positions.get(name).map_or((1, 0), |position| (0, *position))
            });
            order.extend(
                members
                    .into_iter()
                    .filter_map(|member| Some(((*names.get(member)?).to_owned(), Some(member)))),
            );
            for name in &self.expected {
                if find(name)?.is_none() {
                    order.push((columns::trim(name).to_owned(), None));
                }
            }
        } else {
            for name in &self.fixed {
                order.push((name.clone(), find(name)?));
            }
        }
        order.retain(|(name, _)| !self.reveals(name));
        Ok(order.into_iter().unzip())
    }

    /// Returns whether a column contains a sensitive one, or is a part of one.
    fn reveals(&self, column: &str) -> bool {
        let sensitive = self.sensitive.iter().map(|(name, _)| name.as_str());
        sensitive
            .into_iter()
            .any(|other| columns::contains(column, other) || columns::contains(other, column))
    }
}

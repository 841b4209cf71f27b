//! Resources that a plan renames: a stack refactor gives them other logical IDs before anything else changes.

use std::collections::BTreeMap;

use super::{Diff, summary};

impl Diff {
    /// Marks the resources that get another logical ID: present ID → that of the deployed stack. The deployed side of the comparison
    /// is the template with the new IDs.
    pub fn rename(&mut self, was: &BTreeMap<String, String>) {
        for resource in &mut self.resources {
            resource.was = was.get(&resource.id).cloned();
        }
        self.summary = summary(&self.resources);
    }
}

//! Global secondary indexes. DynamoDB creates or deletes one in an update of a table, and CloudFormation passes a
//! change of several on and fails (AWS CloudFormation Template Reference, `AWS::DynamoDB::Table`,
//! `GlobalSecondaryIndexes`). [`updates`] returns the templates that lead from the deployed one to the wanted one, each
//! with one such change per table.
//!
//! Indexes are created before the rest of the change, so that code finds them, and deleted after it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use deployer_cfn::deployed::lossy;

const TYPES: [&str; 2] = ["AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"];
const INDEXES: &str = "GlobalSecondaryIndexes";
const ATTRIBUTES: &str = "AttributeDefinitions";

/// A template on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The whole template.
    pub template: Value,
    /// `true` if everything but the indexes is as it is wanted; otherwise everything but the indexes is as it is
    /// deployed.
    pub is_wanted: bool,
    /// The changes of indexes, in words: `create index by-zip of Records`.
    pub says: Vec<String>,
}

/// Returns the templates on the way, the wanted one being the last of them; none when one update is enough.
#[must_use]
pub fn updates(deployed: &Value, wanted: &Value) -> Vec<Update> {
    // A template in between is sent, and must not contain a `?` for what CloudFormation could not return.
    let deployed = &*lossy::restored(deployed, wanted);
    let tables = tables(deployed, wanted);
    let ahead = tables.iter().map(|table| table.first.len().saturating_sub(1)).max().unwrap_or_default();
    let behind = tables.iter().map(Table::with_wanted).max().unwrap_or_default().max(1);
    if ahead + behind < 2 {
        return Vec::new();
    }
    let mut out = Vec::new();
    for number in 1..=ahead {
        let mut template = deployed.clone();
        let mut says = Vec::new();
        for table in &tables {
            let done = number.min(table.first.len().saturating_sub(1));
            table.write(&mut template, &table.after(done));
            if number <= done {
                says.extend(table.step(number - 1));
            }
        }
        out.push(Update { template, is_wanted: false, says });
    }
    for number in 1..=behind {
        let mut template = wanted.clone();
        let mut says = Vec::new();
        for table in &tables {
            // The last of the first and each of the last; a table without first ones begins with a last one.
            let before = table.first.len().saturating_sub(1);
            let done = (before + number).min(table.first.len() + table.last.len());
            if number < behind {
                table.write(&mut template, &table.after(done));
            }
            if before + number <= done {
                says.extend(table.step(before + number - 1));
            }
        }
        out.push(Update { template, is_wanted: true, says });
    }
    out
}

/// The change of one index.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    Make(Value),
    Delete(String),
}

impl Change {
    fn describe(&self, table: &str) -> String {
        match self {
            Self::Make(index) => format!("create index {} of {table}", name(index).unwrap_or_default()),
            Self::Delete(index) => format!("delete index {index} of {table}"),
        }
    }
}

/// A table whose indexes change.
struct Table<'t> {
    id: &'t str,
    deployed: &'t Map<String, Value>,
    wanted: &'t Map<String, Value>,
    /// Changes before everything else: indexes that are created, and those that are deleted to be created anew.
    first: Vec<Change>,
    /// Changes after everything else: indexes that are deleted.
    last: Vec<Change>,
}

/// Returns the tables that stay, and whose indexes change.
fn tables<'t>(deployed: &'t Value, wanted: &'t Value) -> Vec<Table<'t>> {
    let resources = wanted["Resources"].as_object().into_iter().flatten();
    resources.filter_map(|(id, after)| table(id, &deployed["Resources"][id], after)).collect()
}

fn table<'t>(id: &'t str, before: &'t Value, after: &'t Value) -> Option<Table<'t>> {
    if before["Type"] != after["Type"] || !TYPES.iter().any(|known| after["Type"] == *known) {
        return None;
    }
    let (deployed, wanted) = (before["Properties"].as_object()?, after["Properties"].as_object()?);
    // A table that is replaced is created with all its indexes at once.
    let stays = ["KeySchema", "TableName", "LocalSecondaryIndexes"]
        .iter()
        .all(|one| deployed.get(*one) == wanted.get(*one));
    let keys = attributes_of(deployed.get("KeySchema"));
    if !stays || keys.iter().any(|key| kind(deployed, key) != kind(wanted, key)) {
        return None;
    }
    let (old, new) = (indexes(deployed)?, indexes(wanted)?);
    let find = |list: &[&'t Value], index: &Value| list.iter().copied().find(|one| name(one) == name(index));
    let mut first = Vec::new();
    let mut make = Vec::new();
    for index in &new {
        match find(&old, index) {
            Some(own) if is_same(own, index, deployed, wanted) => {}
            Some(_) => {
                first.push(Change::Delete(name(index)?.to_owned()));
                make.push(Change::Make((*index).clone()));
            }
            None => make.push(Change::Make((*index).clone())),
        }
    }
    first.extend(make);
    let gone = old.iter().filter(|own| find(&new, own).is_none());
    let last = gone.filter_map(|own| Some(Change::Delete(name(own)?.to_owned()))).collect::<Vec<_>>();
    (first.len() + last.len() > 0).then_some(Table { id, deployed, wanted, first, last })
}

impl Table<'_> {
    /// Returns the number of updates in which everything else is as it is wanted.
    fn with_wanted(&self) -> usize {
        self.last.len() + usize::from(!self.first.is_empty())
    }

    fn step(&self, number: usize) -> Option<String> {
        self.first.iter().chain(&self.last).nth(number).map(|change| change.describe(self.id))
    }

    /// Returns the indexes after so many changes.
    fn after(&self, changes: usize) -> Vec<Value> {
        let mut out: Vec<Value> = indexes(self.deployed).unwrap_or_default().into_iter().cloned().collect();
        for change in self.first.iter().chain(&self.last).take(changes) {
            match change {
                Change::Make(index) => out.push(index.clone()),
                Change::Delete(gone) => out.retain(|index| name(index) != Some(gone)),
            }
        }
        out
    }

    /// Puts these indexes into a template, with the attributes that are then used: DynamoDB refuses others.
    fn write(&self, template: &mut Value, indexes: &[Value]) {
        let Some(properties) = template["Resources"][self.id]["Properties"].as_object_mut() else { return };
        let wanted = self::indexes(self.wanted).unwrap_or_default();
        let of_table = ["KeySchema", "LocalSecondaryIndexes"].map(|name| self.wanted.get(name));
        let mut used = attributes_of(of_table[0]);
        for index in of_table[1].and_then(Value::as_array).into_iter().flatten().chain(indexes) {
            used.extend(attributes_of(index.get("KeySchema")));
        }
        let new: BTreeSet<&str> = indexes
            .iter()
            .filter(|index| wanted.contains(index))
            .flat_map(|index| attributes_of(index.get("KeySchema")))
            .collect();
        let defined = used.iter().filter_map(|attribute| {
            let (own, other) = match new.contains(attribute) {
                true => (self.wanted, self.deployed),
                false => (self.deployed, self.wanted),
            };
            definition(own, attribute).or_else(|| definition(other, attribute)).cloned()
        });
        let defined: Vec<Value> = defined.collect();
        properties.insert(ATTRIBUTES.to_owned(), json!(defined));
        match indexes {
            [] => drop(properties.shift_remove(INDEXES)),
            indexes => drop(properties.insert(INDEXES.to_owned(), json!(indexes))),
        }
    }
}

/// Returns the indexes of a table; `None` when their names are not known before the deployment.
fn indexes(properties: &Map<String, Value>) -> Option<Vec<&Value>> {
    match properties.get(INDEXES) {
        None => Some(Vec::new()),
        Some(Value::Array(list)) if list.iter().all(|index| name(index).is_some()) => {
            Some(list.iter().collect())
        }
        Some(_) => None,
    }
}

fn name(index: &Value) -> Option<&str> {
    index["IndexName"].as_str()
}

/// Returns whether it stays the same index, of which at most the throughput changes.
fn is_same(old: &Value, new: &Value, deployed: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    let keys = attributes_of(new.get("KeySchema"));
    old["KeySchema"] == new["KeySchema"]
        && old["Projection"] == new["Projection"]
        && keys.iter().all(|key| kind(deployed, key) == kind(wanted, key))
}

/// Returns the names of the attributes of a key.
fn attributes_of(schema: Option<&Value>) -> BTreeSet<&str> {
    let parts = schema.and_then(Value::as_array).into_iter().flatten();
    parts.filter_map(|part| part["AttributeName"].as_str()).collect()
}

fn definition<'t>(table: &'t Map<String, Value>, attribute: &str) -> Option<&'t Value> {
    let defined = table.get(ATTRIBUTES).and_then(Value::as_array).into_iter().flatten();
    defined.into_iter().find(|one| one["AttributeName"] == attribute)
}

fn kind<'t>(table: &'t Map<String, Value>, attribute: &str) -> Option<&'t Value> {
    definition(table, attribute).map(|one| &one["AttributeType"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, attribute: &str) -> Value {
        json!({
            "IndexName": name,
            "KeySchema": [{ "AttributeName": attribute, "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "ALL" },
        })
    }

    /// Returns a template with a table of these indexes, and something else that says which it is.
    fn template(which: &str, indexes: &[Value]) -> Value {
        let mut attributes = BTreeSet::from(["id"]);
        attributes.extend(indexes.iter().flat_map(|index| attributes_of(index.get("KeySchema"))));
        let attributes: Vec<Value> =
            attributes.iter().map(|name| json!({ "AttributeName": name, "AttributeType": "S" })).collect();
        let mut properties = json!({
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }], "AttributeDefinitions": attributes,
        });
        if !indexes.is_empty() {
            properties[INDEXES] = json!(indexes);
        }
        json!({ "Description": which, "Resources": { "T": { "Type": "AWS::DynamoDB::Table", "Properties": properties } } })
    }

    fn names(template: &Value) -> Vec<&str> {
        let list = template["Resources"]["T"]["Properties"][INDEXES].as_array();
        list.into_iter().flatten().filter_map(name).collect()
    }

    /// Returns for each update whether everything else is as wanted, the names of the indexes, and the changes in
    /// words.
    fn shown(updates: &[Update]) -> Vec<(bool, Vec<&str>, String)> {
        updates.iter().map(|one| (one.is_wanted, names(&one.template), one.says.join(", "))).collect()
    }

    /// Checks that no update changes more than one index, and that each defines exactly the attributes that it uses.
    fn check(deployed: &Value, wanted: &Value) -> Vec<Update> {
        let updates = updates(deployed, wanted);
        let mut before: BTreeSet<String> = names(deployed).into_iter().map(str::to_owned).collect();
        for update in &updates {
            let now: BTreeSet<String> = names(&update.template).into_iter().map(str::to_owned).collect();
            assert!(before.symmetric_difference(&now).count() <= 1, "{before:?} → {now:?}");
            let table = update.template["Resources"]["T"]["Properties"].as_object().expect("a table");
            let mut used = attributes_of(table.get("KeySchema"));
            for index in indexes(table).expect("names") {
                used.extend(attributes_of(index.get("KeySchema")));
            }
            let defined = attributes_of(table.get(ATTRIBUTES));
            assert_eq!(used, defined);
            before = now;
        }
        if let Some(last) = updates.last() {
            assert_eq!(last.template, *wanted);
        }
        updates
    }

    #[test]
    fn one_change_needs_no_more_than_one_update() {
        let (town, zip) = (index("by-town", "town"), index("by-zip", "zip"));
        let none = template("old", &[]);
        for (deployed, wanted) in [
            (&none, template("new", &[])),
            (&none, template("new", std::slice::from_ref(&town))),
            (&template("old", &[town.clone(), zip.clone()]), template("new", std::slice::from_ref(&zip))),
            (&template("old", std::slice::from_ref(&town)), template("new", std::slice::from_ref(&town))),
            (&json!({}), template("new", &[town.clone(), zip.clone()])),
        ] {
            assert_eq!(updates(deployed, &wanted), []);
        }
        // Another key replaces the table, and then no update is needed before another.
        let mut other = template("new", &[town, zip]);
        other["Resources"]["T"]["Properties"]["KeySchema"][0]["AttributeName"] = json!("town");
        assert_eq!(updates(&none, &other), []);
    }

    #[test]
    fn indexes_are_made_one_after_the_other_before_everything_else() {
        let new = [index("by-town", "town"), index("by-zip", "zip"), index("by-day", "day")];
        let (deployed, wanted) = (template("old", &[]), template("new", &new));
        assert_eq!(
            shown(&check(&deployed, &wanted)),
            [
                (false, vec!["by-town"], "create index by-town of T".to_owned()),
                (false, vec!["by-town", "by-zip"], "create index by-zip of T".to_owned()),
                (true, vec!["by-town", "by-zip", "by-day"], "create index by-day of T".to_owned()),
            ]
        );
        assert_eq!(check(&deployed, &wanted)[0].template["Description"], "old");
    }

    #[test]
    fn what_cloudformation_could_not_give_back_is_sent_as_it_is_wanted() {
        let (mut deployed, wanted) =
            (template("Gr??e", &[]), template("Größe", &[index("by-town", "town"), index("by-zip", "zip")]));
        assert_eq!(updates(&deployed, &wanted)[0].template["Description"], "Größe");
        deployed["Description"] = json!("Gr??e 2");
        assert_eq!(updates(&deployed, &wanted)[0].template["Description"], "Gr??e 2");
    }

    #[test]
    fn indexes_are_deleted_one_after_the_other_after_everything_else() {
        let old = [index("by-town", "town"), index("by-zip", "zip")];
        let (deployed, wanted) = (template("old", &old), template("new", &[]));
        let updates = check(&deployed, &wanted);
        assert_eq!(
            shown(&updates),
            [
                (true, vec!["by-zip"], "delete index by-town of T".to_owned()),
                (true, vec![], "delete index by-zip of T".to_owned())
            ]
        );
        assert_eq!(updates[0].template["Description"], "new");
    }

    #[test]
    fn what_is_made_comes_before_what_is_deleted() {
        let (deployed, wanted) =
            (template("old", &[index("by-town", "town")]), template("new", &[index("by-zip", "zip")]));
        assert_eq!(
            shown(&check(&deployed, &wanted)),
            [
                (true, vec!["by-town", "by-zip"], "create index by-zip of T".to_owned()),
                (true, vec!["by-zip"], "delete index by-town of T".to_owned()),
            ]
        );
    }

    #[test]
    fn an_index_with_another_key_is_deleted_and_made_again() {
        let (deployed, wanted) =
            (template("old", &[index("by", "town")]), template("new", &[index("by", "zip")]));
        assert_eq!(
            shown(&check(&deployed, &wanted)),
            [
                (false, vec![], "delete index by of T".to_owned()),
                (true, vec!["by"], "create index by of T".to_owned())
            ]
        );
        // So is one whose attribute becomes a number.
        let mut number = template("new", &[index("by", "town")]);
        number["Resources"]["T"]["Properties"][ATTRIBUTES][1]["AttributeType"] = json!("N");
        assert_eq!(check(&deployed, &number).len(), 2);
        // Another throughput is not a change of this kind.
        let mut throughput = template("new", &[index("by", "town")]);
        throughput["Resources"]["T"]["Properties"][INDEXES][0]["ProvisionedThroughput"] = json!({});
        assert_eq!(updates(&deployed, &throughput), []);
    }

    #[test]
    fn names_that_are_not_known_are_left_to_cloudformation() {
        let mut odd = index("x", "zip");
        odd["IndexName"] = json!({ "Ref": "Name" });
        assert_eq!(updates(&template("old", &[]), &template("new", &[odd, index("by-town", "town")])), []);
    }
}

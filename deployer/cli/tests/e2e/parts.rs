//! Calls that can succeed in part: PutEvents answers for each entry, BatchWriteItem returns the items that it did not
//! get to.

use serde_json::{Map, Value, json};

use crate::wire::Call;

/// Most entries of one PutEvents call.
const MAX_ENTRIES: usize = 10;

/// Returns the number of entries of a call; `None` when it has no parts.
pub fn count(call: &Call) -> Option<usize> {
    match call.name().as_str() {
        "EventBridge.PutEvents" => Some(call.input["Entries"].as_array()?.len()),
        "DynamoDB.BatchWriteItem" => Some(writes(call).len()),
        _ => None,
    }
}

/// Returns the contents of the requests in which these entries of a call are passed on.
pub fn requests(call: &Call, passed_on: &[usize]) -> Vec<Value> {
    let of_items = |positions: &[usize]| {
        let mut tables = Map::new();
        for (table, write) in positions.iter().filter_map(|&position| writes(call).into_iter().nth(position))
        {
            let list = tables.entry(table).or_insert_with(|| json!([]));
            list.as_array_mut().expect("made above").push(write);
        }
        json!({ "RequestItems": tables })
    };
    match call.name().as_str() {
        "EventBridge.PutEvents" => passed_on
            .chunks(MAX_ENTRIES)
            .map(|positions| {
                let entries: Vec<&Value> = positions.iter().map(|&at| &call.input["Entries"][at]).collect();
                json!({ "Entries": entries })
            })
            .collect(),
        "DynamoDB.BatchWriteItem" if passed_on.is_empty() => Vec::new(),
        "DynamoDB.BatchWriteItem" => vec![of_items(passed_on)],
        other => panic!("{other} has no parts"),
    }
}

/// Returns the answer to the whole call, made of those to [`requests`].
pub fn answer(call: &Call, passed_on: &[usize], answers: &[Value]) -> Value {
    if call.operation == "PutEvents" {
        let given: Vec<&Value> =
            answers.iter().filter_map(|answer| answer["Entries"].as_array()).flatten().collect();
        let refused = json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "made up by the proxy" });
        let entries: Vec<&Value> = (0..count(call).unwrap_or_default())
            .map(|position| {
                let at = passed_on.iter().position(|&other| other == position);
                at.and_then(|at| given.get(at)).copied().unwrap_or(&refused)
            })
            .collect();
        let failed = entries.iter().filter(|entry| entry.get("ErrorCode").is_some()).count();
        return json!({ "FailedEntryCount": failed, "Entries": entries });
    }
    let mut unprocessed = answers
        .first()
        .and_then(|answer| answer["UnprocessedItems"].as_object())
        .cloned()
        .unwrap_or_default();
    for (position, (table, write)) in writes(call).into_iter().enumerate() {
        if !passed_on.contains(&position) {
            let list = unprocessed.entry(table).or_insert_with(|| json!([]));
            list.as_array_mut().expect("a list").push(write);
        }
    }
    json!({ "UnprocessedItems": unprocessed })
}

/// Returns the document in an answer with status 200.
pub fn document(raw: &[u8]) -> Option<Value> {
    let head = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
    let good = raw.get(..head)?.split(|byte| *byte == b' ').nth(1) == Some(b"200");
    good.then(|| serde_json::from_slice(&raw[head + 4..]).ok()).flatten()
}

/// Returns the writes of a BatchWriteItem, each with its table, in their order.
fn writes(call: &Call) -> Vec<(String, Value)> {
    let tables = call.input["RequestItems"].as_object();
    let of = |(table, writes): (&String, &Value)| {
        let writes = writes.as_array().cloned().unwrap_or_default();
        writes.into_iter().map(|write| (table.clone(), write)).collect::<Vec<_>>()
    };
    tables.into_iter().flatten().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(service: &str, operation: &str, input: Value) -> Call {
        Call { service: service.to_owned(), operation: operation.to_owned(), input }
    }

    #[test]
    fn events_are_passed_on_as_wished_and_answered_in_their_places() {
        let entries: Vec<Value> = (0..10).map(|number| json!({ "Detail": number })).collect();
        let call = call("EventBridge", "PutEvents", json!({ "Entries": entries }));
        assert_eq!(count(&call), Some(10));
        let passed_on = [9, 8, 7, 6, 5, 4, 3, 2, 2, 1, 1];
        let requests = requests(&call, &passed_on);
        assert_eq!(requests[0]["Entries"][0]["Detail"], 9);
        assert_eq!(requests[1], json!({ "Entries": [{ "Detail": 1 }] }));
        let answers: Vec<Value> = requests
            .iter()
            .map(|request| {
                let ids = request["Entries"].as_array().expect("entries").iter();
                json!({ "Entries": ids.map(|entry| json!({ "EventId": entry["Detail"] })).collect::<Vec<_>>() })
            })
            .collect();
        let answer = answer(&call, &passed_on, &answers);
        assert_eq!(answer["FailedEntryCount"], 1);
        assert_eq!(answer["Entries"][0]["ErrorCode"], "InternalFailure");
        for position in 1..10 {
            assert_eq!(answer["Entries"][position], json!({ "EventId": position }));
        }
    }

    #[test]
    fn what_the_table_does_not_get_is_given_back() {
        let input = json!({ "RequestItems": { "t": [{ "PutRequest": 0 }, { "PutRequest": 1 }] } });
        let call = call("DynamoDB", "BatchWriteItem", input.clone());
        assert_eq!(count(&call), Some(2));
        assert_eq!(requests(&call, &[1]), [json!({ "RequestItems": { "t": [{ "PutRequest": 1 }] } })]);
        let rest = answer(&call, &[1], &[json!({ "UnprocessedItems": {} })]);
        assert_eq!(rest, json!({ "UnprocessedItems": { "t": [{ "PutRequest": 0 }] } }));
        assert!(requests(&call, &[]).is_empty());
        assert_eq!(answer(&call, &[], &[])["UnprocessedItems"], input["RequestItems"]);
    }

    #[test]
    fn only_a_good_answer_has_a_document() {
        assert_eq!(document(b"HTTP/1.1 200 \r\nA: b\r\n\r\n{}"), Some(json!({})));
        assert_eq!(document(b"HTTP/1.1 400 \r\nA: b\r\n\r\n{}"), None);
        assert_eq!(document(b"HTTP/1.1 200 \r\n"), None);
    }
}

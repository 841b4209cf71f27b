//! Problems of a stack file as a log of SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format").

use std::collections::BTreeMap;

use deployer_base::error::Result;
use deployer_syntax::{Diagnostic, Diagnostics, Severity, Source};
use serde_json::{Value, json};

use crate::commands::docs;
use crate::uri;

/// Returns the problems as a log, with a rule for each code among them.
///
/// # Errors
/// If the page of a code, which has the description of its rule, can't be read.
pub(super) fn log(source: &Source, diagnostics: &Diagnostics) -> Result<String> {
    let problems = diagnostics.sorted();
    let mut rules: BTreeMap<&str, usize> = problems.iter().map(|one| (one.code, 0)).collect();
    rules.values_mut().zip(0..).for_each(|(index, number)| *index = number);
    let results: Vec<Value> = problems.iter().map(|one| result(source, one, &rules)).collect();
    let rules: Vec<Value> = rules.keys().map(|code| rule(code)).collect::<Result<_>>()?;
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "deployer", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            // Columns count characters, not the units of UTF-16 that are the default.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    Ok(format!("{log:#}\n"))
}

fn rule(code: &str) -> Result<Value> {
    let title = docs::title_of_code(code)?.unwrap_or_default();
    Ok(json!({
        "id": code,
        "shortDescription": { "text": title },
        "help": { "text": format!("`deployer docs {code}` explains this problem with an example.") },
    }))
}

fn result(source: &Source, problem: &Diagnostic, rules: &BTreeMap<&str, usize>) -> Value {
    let (start, end) = (source.position(problem.span.start), source.position(problem.span.end));
    let text = match &problem.help {
        Some(help) => format!("{}; help: {help}", problem.message),
        None => problem.message.clone(),
    };
    json!({
        "ruleId": problem.code,
        "ruleIndex": rules.get(problem.code),
        "level": match problem.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri::of_path(&source.name) },
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            },
        } }],
    })
}

#[cfg(test)]
mod tests {
    use deployer_syntax::Span;

    use super::*;

    #[test]
    fn each_problem_is_a_result_of_its_rule() {
        let source = Source::new("./größe 1.yaml", "ü: 1\ntwo: 2\n");
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(Diagnostic::warning("W0401", Span { start: 6, end: 9 }, "second"));
        diagnostics.push(Diagnostic::error("E0104", Span { start: 4, end: 5 }, "first").help("less"));
        let log: Value = serde_json::from_str(&log(&source, &diagnostics).expect("a log")).expect("JSON");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
        assert_eq!(
            rules.iter().map(|rule| rule["id"].as_str()).collect::<Vec<_>>(),
            [Some("E0104"), Some("W0401")]
        );
        assert_eq!(rules[0]["shortDescription"]["text"], "A value is out of range.");
        let results = run["results"].as_array().expect("results");
        assert_eq!(results.len(), 2);
        assert_eq!(results[0]["message"]["text"], "first; help: less");
        for result in results {
            let index =
                result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok()).expect("an index");
            assert_eq!(result["ruleId"], rules[index]["id"]);
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "gr%C3%B6%C3%9Fe%201.yaml");
        }
        let region = &results[0]["locations"][0]["physicalLocation"]["region"];
        assert_eq!(*region, json!({ "startLine": 1, "startColumn": 4, "endLine": 1, "endColumn": 5 }));
    }
}

//! `graphs/<case>.{mmd,dot,svg}`: the pipelines of some cases, drawn.

use proptest::prelude::*;
use stack_core::graph::{Edge, Graph, Node};
use stack_core::model::Kind;

use crate::cases::source_of;
use crate::golden::{self, assert_golden, load};

fn graph_of(case: &str) -> Graph {
    let (stacks, _) = load(&source_of(case), &[]);
    let compiled = stacks.first().expect("a stack");
    Graph::of(&compiled.stack, &compiled.template)
}

#[test]
fn the_published_graphs_are_those_of_the_code() {
    for case in ["repository", "compute", "messaging", "raw"] {
        let graph = graph_of(case);
        let file = |ending: &str| golden::package().join(format!("tests/graphs/{case}.{ending}"));
        assert_golden(&file("mmd"), &graph.to_mermaid());
        assert_golden(&file("dot"), &graph.to_dot());
        assert_golden(&file("svg"), &graph.to_svg());
    }
}

#[test]
fn the_pattern_is_drawn_as_people_draw_it() {
    let graph = graph_of("repository");
    let name = |index: usize| graph.nodes[index].name.as_str();
    let flows: Vec<(&str, &str, &str)> =
        graph.edges.iter().map(|edge| (name(edge.from), edge.label.as_str(), name(edge.to))).collect();
    for flow in [
        ("landing", "created *.csv", "arrivals"),
        ("arrivals", "", "extract"),
        ("extract", "run", "extraction"),
        ("landing", "read", "extraction"),
        ("extraction", "publish", "events"),
        ("events", "record-extracted", "transform"),
        ("events", "record-transformed", "load"),
        ("load", "write", "records"),
        ("events", "any", "observe"),
    ] {
        assert!(flows.contains(&flow), "{flow:?} is not in {flows:#?}");
    }
    assert!(graph.nodes.iter().all(|node| node.name != "network" && node.name != "cluster"));
}

/// Numbers of the attributes of the boxes: x, y, width, height.
fn boxes(svg: &str) -> Vec<[f64; 4]> {
    let number = |line: &str, name: &str| -> f64 {
        let text = line.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        text.and_then(|text| text.parse().ok()).expect("a number")
    };
    svg.lines()
        .filter(|line| line.starts_with("<rect x="))
        .map(|line| ["x", "y", "width", "height"].map(|name| number(line, name)))
        .collect()
}

proptest! {
    #[test]
    fn no_two_boxes_of_a_picture_overlap(
        count in 1_usize..20,
        pairs in proptest::collection::vec((0_usize..20, 0_usize..20, any::<bool>()), 0..60),
    ) {
        let nodes = (0..count).map(|at| Node { name: format!("node{at}"), kind: Kind::Queue }).collect();
        let edges = pairs
            .iter()
            .map(|(from, to, failure)| Edge {
                from: from % count,
                to: to % count,
                label: format!("<{from}&\">"),
                failure: *failure,
            })
            .collect();
        let graph = Graph { name: "any".into(), nodes, edges };
        let svg = graph.to_svg();
        let boxes = boxes(&svg);
        prop_assert_eq!(boxes.len(), count);
        for (at, a) in boxes.iter().enumerate() {
            prop_assert!(a[0] >= 0.0 && a[1] >= 0.0, "{a:?}");
            for b in &boxes[..at] {
                let apart = a[0] + a[2] <= b[0] || b[0] + b[2] <= a[0] || a[1] + a[3] <= b[1] || b[1] + b[3] <= a[1];
                prop_assert!(apart, "{a:?} {b:?}");
            }
        }
        // What is in a label stays text.
        prop_assert_eq!(svg.matches("&lt;").count(), 2 * graph.edges.len());
        prop_assert_eq!(graph.to_mermaid().lines().count(), 1 + count + graph.edges.len());
        prop_assert_eq!(&svg, &graph.to_svg());
    }
}

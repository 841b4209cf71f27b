//! `graphs/<case>.{mmd,dot,svg}`: the pipelines of some cases, drawn; `<case>-expanded` with all queues as nodes.

use deployer_cfn::template::logical_id;
use deployer_lang::Compiled;
use deployer_lang::graph::{AddedQueue, Edge, Graph, Node, Purpose, Queues, text_width};
use deployer_lang::model::{Kind, ResourceType};
use deployer_syntax::Source;
use proptest::prelude::*;

use crate::cases::good_sources;
use crate::golden::{self, assert_golden, load, source_of};

fn graph_of(case: &str, queues: Queues) -> Graph {
    let (stacks, _) = load(&source_of(case), &[]);
    let compiled = stacks.first().expect("a stack");
    Graph::of(&compiled.stack, &compiled.template, queues)
}

#[test]
fn the_published_graphs_are_those_of_the_code() {
    for case in ["repository", "compute", "messaging", "raw"] {
        for (queues, suffix) in [(Queues::Folded, ""), (Queues::Expanded, "-expanded")] {
            let graph = graph_of(case, queues);
            let file = |ending: &str| golden::package().join(format!("tests/graphs/{case}{suffix}.{ending}"));
            assert_golden(&file("mmd"), &graph.to_mermaid());
            assert_golden(&file("dot"), &graph.to_dot());
            assert_golden(&file("svg"), &graph.to_svg());
        }
    }
}

#[test]
fn the_pattern_is_drawn_as_people_draw_it() {
    let graph = graph_of("repository", Queues::Folded);
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

#[test]
fn buffers_are_between_the_bus_and_the_functions() {
    let graph = graph_of("repository", Queues::Folded);
    let buffered: Vec<(&str, Vec<&str>)> = graph
        .edges
        .iter()
        .filter(|edge| !edge.queues.is_empty())
        .map(|edge| {
            let ids = edge.queues.iter().map(|queue| queue.id.as_str()).collect();
            (graph.nodes[edge.to].name.as_str(), ids)
        })
        .collect();
    assert_eq!(
        buffered,
        [
            (
                "transform",
                vec!["TransformOnRecordExtractedBuffer", "TransformOnRecordExtractedBufferDeadLetters"]
            ),
            ("load", vec!["LoadOnRecordTransformedBuffer", "LoadOnRecordTransformedBufferDeadLetters"]),
            ("observe", vec!["ObserveOnAnyBuffer", "ObserveOnAnyBufferDeadLetters"]),
            ("report", vec!["ReportOnObjectCompletedBuffer", "ReportOnObjectCompletedBufferDeadLetters"]),
        ]
    );
    let graph = graph_of("repository", Queues::Expanded);
    let name = |index: usize| graph.nodes[index].name.as_str();
    let flows: Vec<(&str, &str, bool, &str)> = graph
        .edges
        .iter()
        .map(|edge| (name(edge.from), edge.label.as_str(), edge.failure, name(edge.to)))
        .collect();
    for flow in [
        ("events", "record-extracted", false, "TransformOnRecordExtractedBuffer"),
        ("TransformOnRecordExtractedBuffer", "", false, "transform"),
        (
            "TransformOnRecordExtractedBuffer",
            "dead letters",
            true,
            "TransformOnRecordExtractedBufferDeadLetters",
        ),
        ("arrivals", "dead letters", true, "ArrivalsDeadLetters"),
        ("events", "undelivered", true, "FailuresDeadLetters"),
    ] {
        assert!(flows.contains(&flow), "{flow:?} is not in {flows:#?}");
    }
    assert!(!flows.contains(&("events", "record-extracted", false, "transform")));
}

/// Checks that every queue that the template adds is drawn once: as a node, or folded into a node or a flow.
#[test]
fn every_queue_of_the_template_is_drawn_once() {
    for (name, Compiled { stack, template, .. }) in good_stacks() {
        // A queue of CloudFormation's own type is drawn only if something flows.
        let is_raw = |name: &str| {
            stack.resource(name).is_some_and(|resource| matches!(resource.is, ResourceType::Raw(_)))
        };
        let queues = template
            .resources
            .iter()
            .filter(|(_, made)| made.kind == "AWS::SQS::Queue" && !is_raw(&made.origin));
        let existing = stack.resources.iter().filter(|one| one.is.existing().is_some());
        let existing = existing.filter(|one| one.is.kind() == Kind::Queue);
        let mut expected: Vec<String> =
            queues.map(|(id, _)| id.clone()).chain(existing.map(|one| logical_id(&one.name))).collect();
        expected.sort();
        for queues in [Queues::Folded, Queues::Expanded] {
            let graph = Graph::of(&stack, &template, queues);
            let id_of = |node: &Node| match (node.added, stack.resource(&node.name)) {
                (None, Some(resource)) => {
                    resource.options.logical_id.clone().unwrap_or_else(|| logical_id(&resource.name))
                }
                _ => node.name.clone(),
            };
            let nodes = graph.nodes.iter().filter(|node| node.kind == Kind::Queue).map(id_of);
            let of_nodes = graph.nodes.iter().flat_map(|node| &node.queues);
            let of_edges = graph.edges.iter().flat_map(|edge| &edge.queues);
            let folded = of_nodes.chain(of_edges).map(|queue| queue.id.clone());
            let mut drawn: Vec<String> = nodes.chain(folded).collect();
            drawn.sort();
            assert_eq!(drawn, expected, "{name}, {queues:?}");
            let nodes = graph.nodes.iter().any(|node| node.added.is_some());
            let signs = graph.nodes.iter().any(|node| !node.queues.is_empty())
                || graph.edges.iter().any(|edge| !edge.queues.is_empty());
            assert!(if queues == Queues::Folded { !nodes } else { !signs }, "{name}, {queues:?}");
        }
    }
}

/// Returns the stacks of all good cases and of the examples.
fn good_stacks() -> Vec<(String, Compiled)> {
    let examples = golden::entries(&golden::repository().join("examples"));
    let examples = examples.into_iter().map(|folder| folder.join("stack.yaml")).filter(|path| path.exists());
    let examples =
        examples.map(|path| (path.display().to_string(), Source::new("stack.yaml", golden::read(&path))));
    let sources = good_sources().into_iter().chain(examples);
    sources
        .flat_map(|(name, source)| load(&source, &[]).0.into_iter().map(move |stack| (name.clone(), stack)))
        .collect()
}

/// A box of a picture: left, top, right, bottom.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rectangle([f64; 4]);

impl Rectangle {
    fn overlaps(self, other: Self) -> bool {
        let (Self(a), Self(b)) = (self, other);
        // Numbers in the picture are rounded to a tenth.
        a[0] + 0.2 < b[2] && b[0] + 0.2 < a[2] && a[1] + 0.2 < b[3] && b[1] + 0.2 < a[3]
    }

    fn is_within(self, other: Self) -> bool {
        let (Self(a), Self(b)) = (self, other);
        a[0] > b[0] - 0.2 && a[1] > b[1] - 0.2 && a[2] < b[2] + 0.2 && a[3] < b[3] + 0.2
    }

    fn contains(self, (x, y): (f64, f64)) -> bool {
        let Self(a) = self;
        x > a[0] + 0.5 && x < a[2] - 0.5 && y > a[1] + 0.5 && y < a[3] - 0.5
    }
}

/// Everything in a picture that takes up room.
#[derive(Debug, Default)]
struct Picture {
    canvas: Option<Rectangle>,
    nodes: Vec<Rectangle>,
    /// Texts and signs.
    labels: Vec<Rectangle>,
    /// Points on the lines, in short steps.
    lines: Vec<Vec<(f64, f64)>>,
}

impl Picture {
    fn read(svg: &str) -> Self {
        let text = |line: &str, name: &str| -> String {
            let rest = line.split(&format!(" {name}=\"")).nth(1).expect("the attribute");
            rest.split('"').next().expect("its value").to_owned()
        };
        let number = |line: &str, name: &str| -> f64 { text(line, name).parse().expect("a number") };
        let rectangle = |line: &str| {
            let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| number(line, name));
            Rectangle([x, y, x + width, y + height])
        };
        let mut out = Self::default();
        for line in svg.lines() {
            if line.starts_with("<svg ") {
                out.canvas = Some(Rectangle([0.0, 0.0, number(line, "width"), number(line, "height")]));
            } else if line.starts_with("<rect x=") {
                out.nodes.push(rectangle(line));
            } else if line.starts_with("<g>") {
                out.labels.push(rectangle(line));
            } else if line.starts_with("<text ") {
                let (x, y, size) = (number(line, "x"), number(line, "y"), number(line, "font-size"));
                let inner = line.split('>').nth(1).and_then(|rest| rest.split('<').next()).expect("a text");
                let plain = inner.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
                let half = text_width(&plain.replace("&amp;", "&"), size) / 2.0;
                out.labels.push(Rectangle([x - half, y - 0.75 * size, x + half, y + 0.22 * size]));
            } else if line.starts_with("<path ") {
                out.lines.push(points(&text(line, "d")));
            }
        }
        out
    }

    /// Returns the parts that overlap others.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let all: Vec<Rectangle> = self.nodes.iter().chain(&self.labels).copied().collect();
        for (at, one) in all.iter().enumerate() {
            if !self.canvas.is_some_and(|canvas| one.is_within(canvas)) {
                faults.push(format!("{one:?} is cut off"));
            }
            for other in &all[..at] {
                // The texts of a node are in its box.
                let inside = self.nodes.contains(other) && one.is_within(*other) && at >= self.nodes.len();
                if one.overlaps(*other) && !inside {
                    faults.push(format!("{one:?} overlaps {other:?}"));
                }
            }
        }
        for points in &self.lines {
            for taken in &all {
                if let Some(point) = points.iter().find(|point| taken.contains(**point)) {
                    faults.push(format!("a line goes through {taken:?} at {point:?}"));
                }
            }
        }
        faults
    }
}

/// Returns the points on a path that is made of `M`, `L` and `C` alone.
fn points(path: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (command, numbers) in path.match_indices(['M', 'L', 'C']).map(|(at, command)| {
        let rest = &path[at + 1..];
        (command, rest.split(['M', 'L', 'C']).next().unwrap_or_default())
    }) {
        let numbers: Vec<f64> = numbers.split(' ').map(|number| number.parse().expect("a number")).collect();
        let to: Vec<(f64, f64)> = numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let from = points.last().copied().unwrap_or(to[0]);
        for step in 0..=24 {
            let t = f64::from(step) / 24.0;
            let mix = |a: (f64, f64), b: (f64, f64)| (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t);
            points.push(match (command, to.as_slice()) {
                ("C", [a, b, c]) => {
                    let (first, second, third) = (mix(from, *a), mix(*a, *b), mix(*b, *c));
                    mix(mix(first, second), mix(second, third))
                }
                (_, [end]) => mix(from, *end),
                _ => panic!("{command} with {to:?}"),
            });
        }
    }
    points
}

#[test]
fn nothing_overlaps_in_the_pictures_of_the_cases_and_examples() {
    for (name, Compiled { stack, template, .. }) in good_stacks() {
        for queues in [Queues::Folded, Queues::Expanded] {
            let graph = Graph::of(&stack, &template, queues);
            let picture = Picture::read(&graph.to_svg());
            assert_eq!(picture.nodes.len(), graph.nodes.len(), "{name}");
            assert_eq!(picture.lines.len(), graph.edges.len(), "{name}");
            assert_eq!(picture.faults(), [""; 0], "{name}, {queues:?}");
        }
    }
}

/// Returns a queue that is folded into something.
fn folded() -> impl Strategy<Value = Vec<AddedQueue>> {
    let purpose = prop_oneof![Just(Purpose::Buffer), Just(Purpose::DeadLetters)];
    proptest::collection::vec(purpose.prop_map(|purpose| AddedQueue { id: "Q<".into(), purpose }), 0..3)
}

proptest! {
    // Each case draws a picture of up to a thousand places.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_two_boxes_of_a_picture_overlap(
        nodes in proptest::collection::vec(folded(), 1..20),
        pairs in proptest::collection::vec((0_usize..20, 0_usize..20, any::<bool>(), "[ -~é東]{0,20}", folded()), 0..60),
    ) {
        let count = nodes.len();
        let node = |(at, queues): (usize, Vec<AddedQueue>)| Node {
            name: format!("node{at}"),
            kind: Kind::Queue,
            added: (at % 3 == 0).then_some(Purpose::DeadLetters),
            queues,
        };
        let nodes = nodes.into_iter().enumerate().map(node).collect();
        let edges = pairs
            .into_iter()
            .map(|(from, to, failure, label, queues)| Edge {
                from: from % count,
                to: to % count,
                label: format!("<{from}&\">{label}"),
                failure,
                queues,
            })
            .collect();
        let graph = Graph { name: "any".into(), nodes, edges };
        let svg = graph.to_svg();
        let picture = Picture::read(&svg);
        prop_assert_eq!(picture.nodes.len(), count);
        prop_assert_eq!(picture.lines.len(), graph.edges.len());
        prop_assert_eq!(picture.faults(), [""; 0]);
        // The text of a label stays text.
        prop_assert!(svg.matches("&amp;&quot;&gt;").count() >= graph.edges.len());
        prop_assert!(!svg.contains("&\""));
        prop_assert_eq!(graph.to_mermaid().lines().count(), 1 + count + graph.edges.len());
        prop_assert_eq!(&svg, &graph.to_svg());
    }
}

//! A picture, laid out in columns from left to right (Sugiyama's method): edges that go back are turned, nodes get the
//! column behind the last that flows to them, and the order within a column follows the middle of its neighbours.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Edge, Graph, caption};
use crate::model::Kind;
use crate::model::flow::Role;

/// Pixels.
const HEIGHT: f64 = 44.0;
const ROW: f64 = 78.0;
const MARGIN: f64 = 24.0;
/// Width of a letter of the names and of the labels, about.
const LETTER: f64 = 8.2;
const SMALL_LETTER: f64 = 6.2;
/// Passes over the columns, in turn from both sides; more change nothing in pipelines that people write.
const PASSES: usize = 8;

/// A node, or a point where a long edge crosses a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Node(usize),
    /// Edge and column.
    Crossing(usize, usize),
}

struct Layout<'g> {
    graph: &'g Graph,
    /// Whether an edge is drawn from right to left.
    turned: Vec<bool>,
    /// Column of each node.
    column: Vec<usize>,
    /// What stands in each column, from top to bottom.
    columns: Vec<Vec<Place>>,
}

pub(super) fn write(graph: &Graph) -> String {
    let layout = Layout::of(graph);
    let widths: Vec<f64> = layout
        .columns
        .iter()
        .map(|places| places.iter().map(|place| layout.width(*place)).fold(0.0, f64::max))
        .collect();
    // Between two columns there is room for the longest label that begins there.
    let mut lefts = Vec::new();
    let mut x = MARGIN;
    for (column, width) in widths.iter().enumerate() {
        lefts.push(x);
        x += width + layout.gap_behind(column);
    }
    let total_width = lefts.last().zip(widths.last()).map_or(0.0, |(left, width)| left + width) + MARGIN;
    let tallest = layout.columns.iter().map(Vec::len).max().unwrap_or(0).max(1) as f64;
    let total_height = tallest * ROW + 2.0 * MARGIN - (ROW - HEIGHT);
    let mut at: BTreeMap<Place, (f64, f64)> = BTreeMap::new();
    for (column, places) in layout.columns.iter().enumerate() {
        let offset = MARGIN + (tallest - places.len() as f64) * ROW / 2.0;
        for (row, place) in places.iter().enumerate() {
            let middle = offset + row as f64 * ROW + HEIGHT / 2.0;
            at.insert(*place, (lefts[column] + widths[column] / 2.0, middle));
        }
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total_width:.0} {total_height:.0}\" width=\"{total_width:.0}\" height=\"{total_height:.0}\" font-family=\"system-ui, sans-serif\">\n\
         <title>{}</title>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escape(&graph.name)
    );
    let mut labels = String::new();
    for (index, edge) in graph.edges.iter().enumerate() {
        layout.draw_edge(index, edge, &at, &mut out, &mut labels);
    }
    // Labels over lines, and nodes over labels.
    out.push_str(&labels);
    for (index, node) in graph.nodes.iter().enumerate() {
        let (x, y) = at.get(&Place::Node(index)).copied().unwrap_or_default();
        let width = layout.width(Place::Node(index));
        let (fill, radius) = look(node.kind);
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"{radius}\" fill=\"{fill}\" stroke=\"#555\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"14\">{}</text>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#555\">{}</text>",
            x - width / 2.0,
            y - HEIGHT / 2.0,
            y - 1.0,
            escape(&node.name),
            y + 14.0,
            escape(caption(node.kind)),
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Colour by what a thing does: stores, carries, computes, calls; and the radius of its corners.
const fn look(kind: Kind) -> (&'static str, u32) {
    match kind.drawing().role() {
        Role::Store => ("#dcefdc", 4),
        Role::Queue => ("#fbe9d0", 4),
        Role::Hub => ("#f8dbe6", 14),
        Role::Function | Role::Task => ("#dce8f8", 4),
        Role::Caller => ("#eeeeee", 22),
        Role::Other => ("#f4f4f4", 4),
    }
}

impl<'g> Layout<'g> {
    fn of(graph: &'g Graph) -> Self {
        let turned = turned(graph);
        let column = columns_of(graph, &turned);
        let count = column.iter().max().map_or(0, |last| last + 1);
        let mut columns: Vec<Vec<Place>> = vec![Vec::new(); count];
        for (index, column) in column.iter().enumerate() {
            columns[*column].push(Place::Node(index));
        }
        for (index, edge) in graph.edges.iter().enumerate() {
            let (first, last) = ends(&column, edge);
            for (crossed, places) in columns.iter_mut().enumerate().take(last).skip(first + 1) {
                places.push(Place::Crossing(index, crossed));
            }
        }
        let mut layout = Self { graph, turned, column, columns };
        for pass in 0..PASSES {
            layout.order(pass % 2 == 0);
        }
        layout
    }

    fn width(&self, place: Place) -> f64 {
        match place {
            Place::Node(index) => {
                let node = &self.graph.nodes[index];
                let name = node.name.chars().count() as f64 * LETTER;
                let caption = caption(node.kind).chars().count() as f64 * SMALL_LETTER;
                (name.max(caption) + 24.0).max(90.0)
            }
            Place::Crossing(..) => 0.0,
        }
    }

    fn gap_behind(&self, column: usize) -> f64 {
        let labels = self.graph.edges.iter().filter(|edge| ends(&self.column, edge).0 == column);
        let longest = labels.map(|edge| edge.label.chars().count()).max().unwrap_or(0);
        (longest as f64 * SMALL_LETTER + 50.0).max(70.0)
    }

    /// The places that an edge visits, from left to right.
    fn way(&self, index: usize) -> Vec<Place> {
        let edge = &self.graph.edges[index];
        let (first, last) = ends(&self.column, edge);
        let (left, right) = if self.turned[index] { (edge.to, edge.from) } else { (edge.from, edge.to) };
        let crossings = (first + 1..last).map(|column| Place::Crossing(index, column));
        std::iter::once(Place::Node(left)).chain(crossings).chain([Place::Node(right)]).collect()
    }

    /// Sorts each column by the middle of the neighbours in the column before it, or behind it.
    fn order(&mut self, forwards: bool) {
        let mut neighbours: BTreeMap<Place, Vec<Place>> = BTreeMap::new();
        for index in 0..self.graph.edges.len() {
            for pair in self.way(index).windows(2) {
                let (of, to) = if forwards { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
                neighbours.entry(of).or_default().push(to);
            }
        }
        let count = self.columns.len();
        let sequence: Vec<usize> =
            if forwards { (1..count).collect() } else { (0..count.saturating_sub(1)).rev().collect() };
        for column in sequence {
            let rows: BTreeMap<Place, f64> = self.columns.iter().flat_map(|places| centred(places)).collect();
            let weight = |place: &Place| {
                let near = neighbours.get(place).filter(|near| !near.is_empty());
                near.map_or(rows[place], |near| {
                    near.iter().map(|one| rows[one]).sum::<f64>() / near.len() as f64
                })
            };
            let mut sorted: Vec<(f64, Place)> =
                self.columns[column].iter().map(|place| (weight(place), *place)).collect();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            self.columns[column] = sorted.into_iter().map(|(_, place)| place).collect();
        }
    }

    fn draw_edge(
        &self,
        index: usize,
        edge: &Edge,
        at: &BTreeMap<Place, (f64, f64)>,
        out: &mut String,
        labels: &mut String,
    ) {
        let way = self.way(index);
        let turned = self.turned[index];
        let twin = self.graph.edges.iter().any(|other| other.from == edge.to && other.to == edge.from);
        // Two edges between the same nodes run side by side.
        let shift = match (twin || self.parallel(index), turned || edge.failure) {
            (false, _) => 0.0,
            (true, false) => -9.0,
            (true, true) => 9.0,
        };
        let last = way.len() - 1;
        let mut points: Vec<(f64, f64)> = way
            .iter()
            .enumerate()
            .map(|(step, place)| {
                let (x, y) = at.get(place).copied().unwrap_or_default();
                let half = self.width(*place) / 2.0;
                let side = if step == 0 {
                    half
                } else if step == last {
                    -half
                } else {
                    0.0
                };
                (x + side, y + shift)
            })
            .collect();
        // From a node to itself.
        if edge.from == edge.to {
            let (x, y) = at.get(&Place::Node(edge.from)).copied().unwrap_or_default();
            points = vec![(x - 12.0, y - HEIGHT / 2.0), (x + 12.0, y - HEIGHT / 2.0)];
        }
        if turned {
            points.reverse();
        }
        let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
        for pair in points.windows(2) {
            let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
            let (bend, lift) = if edge.from == edge.to { (0.0, -26.0) } else { ((to_x - x) / 2.0, 0.0) };
            let _ = write!(
                path,
                "C{:.1} {:.1} {:.1} {:.1} {to_x:.1} {to_y:.1}",
                x + bend,
                y + lift,
                to_x - bend,
                to_y + lift
            );
        }
        let dashes = if edge.failure { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#555\" marker-end=\"url(#arrow)\"{dashes}/>"
        );
        if !edge.label.is_empty() {
            // In the gap behind the left end, where there is room for it.
            let (left, right) = match turned {
                true => (points[points.len() - 1], points[points.len() - 2]),
                false => (points[0], points[1]),
            };
            let place = format!(
                "x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\"",
                (left.0 + right.0) / 2.0,
                (left.1 + right.1) / 2.0 + if turned { 12.0 } else { -5.0 }
            );
            let label = escape(&edge.label);
            // A rim first, so that the line under it does not strike it through; not every viewer knows `paint-order`.
            let _ = writeln!(labels, "<text {place} stroke=\"#fff\" stroke-width=\"4\">{label}</text>");
            let _ = writeln!(labels, "<text {place} fill=\"#333\">{label}</text>");
        }
    }

    /// Whether another edge goes the same way, in another style.
    fn parallel(&self, index: usize) -> bool {
        let edge = &self.graph.edges[index];
        self.graph
            .edges
            .iter()
            .any(|other| other.from == edge.from && other.to == edge.to && other.failure != edge.failure)
    }
}

/// First and last column of an edge.
fn ends(column: &[usize], edge: &Edge) -> (usize, usize) {
    let (from, to) = (column[edge.from], column[edge.to]);
    (from.min(to), from.max(to))
}

/// Rows of a column, counted from its middle.
fn centred(places: &[Place]) -> impl Iterator<Item = (Place, f64)> {
    let middle = (places.len() as f64 - 1.0) / 2.0;
    places.iter().enumerate().map(move |(row, place)| (*place, row as f64 - middle))
}

/// The edges that lead back to where a walk came from; turned round, they leave no circle.
fn turned(graph: &Graph) -> Vec<bool> {
    let mut turned = vec![false; graph.edges.len()];
    let mut state = vec![0_u8; graph.nodes.len()];
    let out = |node: usize| graph.edges.iter().enumerate().filter(move |(_, edge)| edge.from == node);
    let entered = |node: usize| graph.edges.iter().any(|edge| edge.to == node && edge.from != node);
    // Where the flow begins, the walk begins.
    let starts = (0..graph.nodes.len()).filter(|node| !entered(*node)).chain(0..graph.nodes.len());
    for start in starts {
        if state[start] != 0 {
            continue;
        }
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        state[start] = 1;
        while let Some((node, followed)) = way.last_mut() {
            let node = *node;
            let next = out(node).nth(*followed);
            *followed += 1;
            match next {
                Some((edge, one)) if state[one.to] == 1 => turned[edge] = true,
                Some((_, one)) if state[one.to] == 0 => {
                    state[one.to] = 1;
                    way.push((one.to, 0));
                }
                Some(_) => {}
                None => {
                    state[node] = 2;
                    way.pop();
                }
            }
        }
    }
    turned
}

/// The column of each node: behind the last of those that flow to it.
fn columns_of(graph: &Graph, turned: &[bool]) -> Vec<usize> {
    let mut column = vec![0; graph.nodes.len()];
    // Without circles, as many passes as nodes are enough.
    for _ in 0..graph.nodes.len() {
        let mut changed = false;
        for (edge, turned) in graph.edges.iter().zip(turned) {
            let (from, to) = if *turned { (edge.to, edge.from) } else { (edge.from, edge.to) };
            if from != to && column[to] <= column[from] {
                column[to] = column[from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    column
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

//! The layout of the picture, in columns from left to right (Sugiyama's method). Columns of nodes alternate with
//! columns of labels. Every edge has a place of its own in each column that it passes, so neither a label nor a line
//! can be where something else is.

use std::collections::BTreeMap;

use self::order::{Order, PASSES, Place, sequence};
use super::size;
use crate::graph::{Edge, Graph};

mod order;

/// Width of the room for curves between two columns: the least and the most.
const GAP: (f64, f64) = (20.0, 56.0);
/// Space between two nodes, one above the other.
const NODE_GAP: f64 = 26.0;
/// Height of the room above a line that has no label, and below any line.
const LINE: f64 = 4.0;
/// Weight of a bend within a long line, against one at its ends.
const STIFFNESS: f64 = 16.0;
/// Distance of two lines at a node, and from its corners.
const PORT: f64 = 8.0;
const CORNER: f64 = 10.0;

/// The room that a place needs around its middle.
#[derive(Debug, Clone, Copy)]
struct Room {
    width: f64,
    above: f64,
    below: f64,
}

/// The places and sizes of all parts of a picture.
pub(super) struct Layout {
    pub(super) nodes: Vec<Rectangle>,
    pub(super) edges: Vec<Line>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A box around the middle `x`, `y`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rectangle {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The line of an edge.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// The pieces, from the beginning of the flow to its end.
    pub(super) pieces: Vec<Piece>,
    /// The middle of the label, at the height of the line under it.
    pub(super) label: (f64, f64),
}

/// A part of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Piece {
    Start(f64, f64),
    Straight(f64, f64),
    /// A curve that begins and ends level.
    Bend(f64, f64),
    /// A curve over a node.
    Loop(f64, f64, f64),
}

impl Piece {
    pub(super) const fn end(self) -> (f64, f64) {
        match self {
            Self::Start(x, y) | Self::Straight(x, y) | Self::Bend(x, y) | Self::Loop(x, y, _) => (x, y),
        }
    }
}

/// For each place its neighbours, each with the distance that the place should be below it, and the weight of that.
type Wishes = BTreeMap<Place, Vec<(Place, f64, f64)>>;

impl Layout {
    pub(super) fn of(graph: &Graph, margin: f64) -> Self {
        let order = Order::of(graph);
        let ports = order.ports();
        let rooms = order.rooms();
        let heights = order.heights(&ports, &rooms, margin);
        order.place(&ports, &rooms, &heights, margin)
    }
}

impl<'g> Order<'g> {
    /// Returns the heights at which each edge leaves its left node and reaches its right one, from the middle of the
    /// node downwards.
    fn ports(&self) -> Vec<(f64, f64)> {
        let rows = self.rows();
        let mut ports = vec![(0.0, 0.0); self.ways.len()];
        let mut sides: BTreeMap<(Place, bool), Vec<(usize, usize)>> = BTreeMap::new();
        for (index, way) in self.ways.iter().enumerate().filter(|(_, way)| !way.is_empty()) {
            let last = way.len() - 1;
            sides.entry((way[0], true)).or_default().push((rows[&way[1]], index));
            sides.entry((way[last], false)).or_default().push((rows[&way[last - 1]], index));
        }
        for ((_, leaves), mut edges) in sides {
            edges.sort_unstable();
            let middle = (edges.len() as f64 - 1.0) / 2.0;
            for (at, (_, index)) in edges.into_iter().enumerate() {
                let offset = (at as f64 - middle) * PORT;
                let port: &mut (f64, f64) = &mut ports[index];
                if leaves {
                    port.0 = offset;
                } else {
                    port.1 = offset;
                }
            }
        }
        ports
    }

    /// Returns the height of a node: all lines that leave it, or reach it, must have room.
    fn height(&self, node: usize) -> f64 {
        let place = Place::Node(node);
        let leaving = self.ways.iter().filter(|way| way.first() == Some(&place)).count();
        let reaching = self.ways.iter().filter(|way| way.last() == Some(&place)).count();
        let lines = leaving.max(reaching).max(1) as f64 - 1.0;
        (lines * PORT + 2.0 * CORNER).max(size::NODE_HEIGHT)
    }

    fn loops(&self, node: usize) -> impl Iterator<Item = (usize, &'g Edge)> {
        let edges = self.graph.edges.iter().enumerate();
        edges.filter(move |(_, edge)| edge.from == node && edge.to == node)
    }

    fn rooms(&self) -> BTreeMap<Place, Room> {
        let mut rooms = BTreeMap::new();
        for place in self.columns.iter().flatten() {
            let room = match place {
                Place::Node(index) => {
                    let half = self.height(*index) / 2.0;
                    let mut width = size::node(&self.graph.nodes[*index]);
                    let mut above = half;
                    let loops = self.loops(*index).count();
                    if loops > 0 {
                        above += loop_height(loops - 1) + LINE;
                    }
                    for (_, edge) in self.loops(*index).filter(|(_, edge)| size::label(edge) > 0.0) {
                        above += size::LABEL_HEIGHT;
                        width = width.max(size::label(edge));
                    }
                    Room { width, above, below: half }
                }
                // The label is above the line.
                Place::Passage(edge, column) => match self.label_of(*edge, *column) {
                    Some(width) => Room { width, above: size::LABEL_HEIGHT, below: LINE },
                    None => Room { width: 0.0, above: LINE, below: LINE },
                },
            };
            rooms.insert(*place, room);
        }
        rooms
    }

    /// Returns the width of the label of an edge, if it is drawn in this column: the first one that the edge passes.
    fn label_of(&self, edge: usize, column: usize) -> Option<f64> {
        let width = size::label(&self.graph.edges[edge]);
        (width > 0.0 && self.ways[edge].get(1) == Some(&Place::Passage(edge, column))).then_some(width)
    }

    /// Returns the y of each place: as near to its neighbours as the order of its column allows.
    fn heights(
        &self,
        ports: &[(f64, f64)],
        rooms: &BTreeMap<Place, Room>,
        margin: f64,
    ) -> BTreeMap<Place, f64> {
        // Of the neighbours before, and of those after.
        let mut wishes: [Wishes; 2] = [Wishes::new(), Wishes::new()];
        for (way, (leaves, reaches)) in self.ways.iter().zip(ports) {
            for (step, pair) in way.windows(2).enumerate() {
                let (left, right) = (pair[0], pair[1]);
                let below = if step == 0 { *leaves } else { 0.0 }
                    - if step + 2 == way.len() { *reaches } else { 0.0 };
                let inner = matches!((left, right), (Place::Passage(..), Place::Passage(..)));
                let weight = if inner { STIFFNESS } else { 1.0 };
                wishes[0].entry(right).or_default().push((left, below, weight));
                wishes[1].entry(left).or_default().push((right, -below, weight));
            }
        }
        let mut heights: BTreeMap<Place, f64> = BTreeMap::new();
        for places in &self.columns {
            let offsets = offsets(places, rooms);
            let middle = offsets.last().copied().unwrap_or_default() / 2.0;
            heights.extend(places.iter().copied().zip(offsets.iter().map(|offset| offset - middle)));
        }
        for pass in 0..4 * PASSES {
            let sides: &[usize] = match pass {
                _ if pass >= 2 * PASSES => &[0, 1],
                _ if pass % 2 == 0 => &[0],
                _ => &[1],
            };
            for column in sequence(self.columns.len(), pass % 2 == 0) {
                let places = &self.columns[column];
                let offsets = offsets(places, rooms);
                let wanted: Vec<(f64, f64)> = places
                    .iter()
                    .zip(&offsets)
                    .map(|(place, offset)| {
                        let near = || {
                            let near = sides.iter().filter_map(|side| wishes[*side].get(place));
                            near.flatten()
                        };
                        let weight: f64 = near().map(|(.., weight)| weight).sum();
                        if weight == 0.0 {
                            return (heights[place] - offset, 0.1);
                        }
                        let sum: f64 = near().map(|(to, below, weight)| (heights[to] + below) * weight).sum();
                        (sum / weight - offset, weight)
                    })
                    .collect();
                let found = rising(&wanted);
                heights.extend(
                    places.iter().copied().zip(found.iter().zip(&offsets).map(|(y, offset)| y + offset)),
                );
            }
        }
        self.close_gaps(&mut heights, rooms, margin);
        heights
    }

    /// Moves everything up to the margin, and parts that no line connects up to each other.
    fn close_gaps(&self, heights: &mut BTreeMap<Place, f64>, rooms: &BTreeMap<Place, Room>, margin: f64) {
        let own = heights.iter().map(|(place, y)| (y - rooms[place].above, y + rooms[place].below));
        // A line takes up all the room between its ends.
        let lines = self.ways.iter().flat_map(|way| way.windows(2)).map(|pair| {
            let (left, right) = (heights[&pair[0]], heights[&pair[1]]);
            (left.min(right), left.max(right))
        });
        let mut taken: Vec<(f64, f64)> = own.chain(lines).collect();
        taken.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The beginning of each part, and the distance by which it moves down.
        let mut moves: Vec<(f64, f64)> = Vec::new();
        let mut bottom = f64::NEG_INFINITY;
        for (from, to) in taken {
            match moves.last() {
                None => moves.push((from, margin - from)),
                Some((_, before)) if from > bottom + NODE_GAP => {
                    moves.push((from, before + bottom + NODE_GAP - from));
                }
                Some(_) => {}
            }
            bottom = bottom.max(to);
        }
        for y in heights.values_mut() {
            let part = moves.iter().rev().find(|(from, _)| from <= y);
            *y += part.map_or(0.0, |(_, down)| *down);
        }
    }

    fn place(
        &self,
        ports: &[(f64, f64)],
        rooms: &BTreeMap<Place, Room>,
        heights: &BTreeMap<Place, f64>,
        margin: f64,
    ) -> Layout {
        let widths: Vec<f64> = self
            .columns
            .iter()
            .map(|places| places.iter().map(|place| rooms[place].width).fold(0.0, f64::max))
            .collect();
        // A steep line gets more room for its curve.
        let mut gaps = vec![GAP.0; self.columns.len()];
        let mut starts: BTreeMap<Place, usize> = BTreeMap::new();
        for (column, places) in self.columns.iter().enumerate() {
            starts.extend(places.iter().map(|place| (*place, column)));
        }
        for pair in self.ways.iter().flat_map(|way| way.windows(2)) {
            let steep = (heights[&pair[0]] - heights[&pair[1]]).abs();
            let gap = &mut gaps[starts[&pair[0]]];
            *gap = gap.max((steep * 0.2).min(GAP.1));
        }
        let mut lefts = Vec::new();
        let mut x = margin;
        for (width, gap) in widths.iter().zip(&gaps) {
            lefts.push(x);
            x += width + gap;
        }
        let width = lefts.last().zip(widths.last()).map_or(0.0, |(left, width)| left + width) + margin;
        let bottom = heights.iter().map(|(place, y)| y + rooms[place].below).fold(0.0, f64::max);
        let middle = |column: usize| lefts[column] + widths[column] / 2.0;
        let mut nodes = vec![Rectangle::default(); self.graph.nodes.len()];
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let place = Place::Node(index);
            nodes[index] = Rectangle {
                x: middle(starts[&place]),
                y: heights[&place],
                width: size::node(node),
                height: self.height(index),
            };
        }
        let mut edges = vec![Line::default(); self.ways.len()];
        for (index, way) in self.ways.iter().enumerate().filter(|(_, way)| !way.is_empty()) {
            edges[index] = self.line(index, way, ports[index], &|place: &Place| {
                let column = starts[place];
                let half = match place {
                    Place::Node(node) => nodes[*node].width / 2.0,
                    Place::Passage(..) => widths[column] / 2.0,
                };
                Stop {
                    left: lefts[column],
                    right: lefts[column] + widths[column],
                    x: middle(column),
                    half,
                    y: heights[place],
                }
            });
        }
        for (index, node) in nodes.iter().enumerate() {
            let count = self.loops(index).count();
            let top = node.y - node.height / 2.0;
            let mut label = top - loop_height(count.max(1) - 1) - LINE + size::LABEL_HEIGHT;
            for (at, (edge, _)) in self.loops(index).enumerate() {
                let half = 10.0 + 4.0 * at as f64;
                if size::label(&self.graph.edges[edge]) > 0.0 {
                    label -= size::LABEL_HEIGHT;
                }
                edges[edge] = Line {
                    pieces: vec![
                        Piece::Start(node.x - half, top),
                        Piece::Loop(node.x + half, top, top - loop_height(at) / 0.75),
                    ],
                    label: (node.x, label),
                };
            }
        }
        Layout { nodes, edges, width, height: bottom + margin }
    }

    fn line(
        &self,
        index: usize,
        way: &[Place],
        (leaves, reaches): (f64, f64),
        stop: &impl Fn(&Place) -> Stop,
    ) -> Line {
        let last = way.len() - 1;
        let mut points: Vec<Piece> = Vec::new();
        let mut label = (0.0, 0.0);
        for (step, place) in way.iter().enumerate() {
            let Stop { left, right, x, half, y } = stop(place);
            if step == 0 {
                points.push(Piece::Start(x + half, y + leaves));
                points.push(Piece::Straight(right, y + leaves));
            } else if step == last {
                points.push(Piece::Bend(left, y + reaches));
                points.push(Piece::Straight(x - half, y + reaches));
            } else {
                points.push(Piece::Bend(left, y));
                points.push(Piece::Straight(right, y));
            }
            if step == 1 {
                label = (x, y);
            }
        }
        if self.turned[index] {
            points = reversed(&points);
        }
        // A straight piece of no length has no direction for the arrow.
        let mut pieces: Vec<Piece> = Vec::new();
        for piece in points {
            if pieces.last().is_none_or(|before| before.end() != piece.end()) {
                pieces.push(piece);
            }
        }
        Line { pieces, label }
    }
}

/// The part of a line in a column.
struct Stop {
    left: f64,
    right: f64,
    x: f64,
    half: f64,
    y: f64,
}

fn reversed(pieces: &[Piece]) -> Vec<Piece> {
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate().rev() {
        let (x, y) = piece.end();
        out.push(match pieces.get(at + 1) {
            None => Piece::Start(x, y),
            Some(Piece::Bend(..)) => Piece::Bend(x, y),
            Some(_) => Piece::Straight(x, y),
        });
    }
    out
}

/// Returns the height of a loop over its node.
fn loop_height(at: usize) -> f64 {
    16.0 + 6.0 * at as f64
}

/// Returns the least distance of each place of a column from the first one.
fn offsets(places: &[Place], rooms: &BTreeMap<Place, Room>) -> Vec<f64> {
    let mut out = Vec::new();
    let mut offset = 0.0;
    for (at, place) in places.iter().enumerate() {
        if let Some(before) = at.checked_sub(1).map(|at| &places[at]) {
            let gap = match (before, place) {
                (Place::Node(_), Place::Node(_)) => NODE_GAP,
                (Place::Passage(..), Place::Passage(..)) => 4.0,
                _ => 12.0,
            };
            offset += rooms[before].below + gap + rooms[place].above;
        }
        out.push(offset);
    }
    out
}

/// Returns the numbers nearest to those wanted, of which none is smaller than the one before it (isotonic regression by
/// pooling of neighbours). Each is given with its weight.
fn rising(wanted: &[(f64, f64)]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (value, weight) in wanted {
        let mut pool = (*value, *weight, 1);
        while let Some(before) = pools.pop_if(|before| before.0 > pool.0) {
            let weight = before.1 + pool.1;
            pool = ((before.0 * before.1 + pool.0 * pool.1) / weight, weight, before.2 + pool.2);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(value, _, count)| std::iter::repeat_n(value, count)).collect()
}

//! The order of everything in columns: edges that go back are turned round, nodes get the column after the last one
//! that flows to them, and crossings are reduced by the middle of the neighbours, and by swaps.

use std::collections::BTreeMap;

use crate::graph::Graph;

/// Passes over the columns, in turn from both sides; more passes change nothing in pipelines that people write.
pub(super) const PASSES: usize = 12;

/// A node, or the point where an edge passes a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Node(usize),
    /// Edge and column.
    Passage(usize, usize),
}

/// The order of everything in columns.
pub(super) struct Order<'g> {
    pub(super) graph: &'g Graph,
    /// `true` for each edge that is drawn from right to left.
    pub(super) turned: Vec<bool>,
    /// The places that each edge visits, from left to right: a node, one passage or more, and a node. An edge from a
    /// node to itself visits none.
    pub(super) ways: Vec<Vec<Place>>,
    /// The places of each column, from top to bottom.
    pub(super) columns: Vec<Vec<Place>>,
}

impl<'g> Order<'g> {
    /// Orders a graph.
    pub(super) fn of(graph: &'g Graph) -> Self {
        let turned = turned(graph);
        let column: Vec<usize> = columns_of(graph, &turned).into_iter().map(|column| 2 * column).collect();
        let count = column.iter().max().map_or(0, |last| last + 1);
        let mut columns: Vec<Vec<Place>> = vec![Vec::new(); count];
        for (index, column) in column.iter().enumerate() {
            columns[*column].push(Place::Node(index));
        }
        let mut ways = Vec::new();
        for (index, edge) in graph.edges.iter().enumerate() {
            if edge.from == edge.to {
                ways.push(Vec::new());
                continue;
            }
            let (left, right) = if turned[index] { (edge.to, edge.from) } else { (edge.from, edge.to) };
            let passed = column[left] + 1..column[right];
            passed.clone().for_each(|passed| columns[passed].push(Place::Passage(index, passed)));
            let passages = passed.map(|column| Place::Passage(index, column));
            ways.push(
                std::iter::once(Place::Node(left)).chain(passages).chain([Place::Node(right)]).collect(),
            );
        }
        let mut order = Self { graph, turned, ways, columns };
        let mut best = (order.crossings(), order.columns.clone());
        for pass in 0..PASSES {
            order.sort(pass % 2 == 0);
            order.swap();
            let crossings = order.crossings();
            if crossings < best.0 {
                best = (crossings, order.columns.clone());
            }
        }
        order.columns = best.1;
        order
    }

    /// Returns the neighbours of each place in the columns before it, or after it.
    fn neighbours(&self, before: bool) -> BTreeMap<Place, Vec<Place>> {
        let mut neighbours: BTreeMap<Place, Vec<Place>> = BTreeMap::new();
        for pair in self.ways.iter().flat_map(|way| way.windows(2)) {
            let (of, to) = if before { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
            neighbours.entry(of).or_default().push(to);
        }
        neighbours
    }

    /// Sorts each column by the middle of the neighbours in the column before it, or after it.
    fn sort(&mut self, forwards: bool) {
        let neighbours = self.neighbours(forwards);
        let mut rows: BTreeMap<Place, f64> = self.columns.iter().flat_map(|places| centred(places)).collect();
        for column in sequence(self.columns.len(), forwards) {
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
            rows.extend(centred(&self.columns[column]));
        }
    }

    /// Swaps two places, one above the other, wherever fewer edges cross then.
    fn swap(&mut self) {
        let sides = [self.neighbours(true), self.neighbours(false)];
        let mut rows = self.rows();
        for column in 0..self.columns.len() {
            let crossings = |above: &Place, below: &Place| -> usize {
                let near = |side: &BTreeMap<Place, Vec<Place>>, place: &Place| -> Vec<usize> {
                    side.get(place).into_iter().flatten().map(|place| rows[place]).collect()
                };
                let count = |side: &BTreeMap<Place, Vec<Place>>| {
                    let (of_above, of_below) = (near(side, above), near(side, below));
                    of_above.iter().map(|a| of_below.iter().filter(|b| a > *b).count()).sum::<usize>()
                };
                sides.iter().map(count).sum()
            };
            let places = &mut self.columns[column];
            let mut swapped = true;
            while std::mem::take(&mut swapped) {
                for at in 1..places.len() {
                    let (above, below) = (places[at - 1], places[at]);
                    if crossings(&below, &above) < crossings(&above, &below) {
                        places.swap(at - 1, at);
                        swapped = true;
                    }
                }
            }
            rows.extend(places.iter().enumerate().map(|(row, place)| (*place, row)));
        }
    }

    /// Returns the row of each place.
    pub(super) fn rows(&self) -> BTreeMap<Place, usize> {
        self.columns
            .iter()
            .flat_map(|places| places.iter().enumerate().map(|(row, place)| (*place, row)))
            .collect()
    }

    /// Counts the crossings of edges.
    fn crossings(&self) -> usize {
        let rows = self.rows();
        let mut gaps: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.columns.len()];
        for way in &self.ways {
            for (step, pair) in way.windows(2).enumerate() {
                if let Place::Passage(_, column) = way[1] {
                    gaps[column - 1 + step].push((rows[&pair[0]], rows[&pair[1]]));
                }
            }
        }
        let mut crossings = 0;
        for gap in &mut gaps {
            gap.sort_unstable();
            for (at, (left, right)) in gap.iter().enumerate() {
                crossings += gap[..at].iter().filter(|other| other.0 < *left && other.1 > *right).count();
            }
        }
        crossings
    }
}

/// Returns the columns in the order in which a pass visits them; the first one has nothing before it.
pub(super) fn sequence(count: usize, forwards: bool) -> Vec<usize> {
    if forwards { (1..count).collect() } else { (0..count.saturating_sub(1)).rev().collect() }
}

/// Returns the rows of a column, counted from its middle.
fn centred(places: &[Place]) -> impl Iterator<Item = (Place, f64)> {
    let middle = (places.len() as f64 - 1.0) / 2.0;
    places.iter().enumerate().map(move |(row, place)| (*place, row as f64 - middle))
}

/// Returns the edges that lead back to a node on the way of a walk; turned round, they leave no circle.
fn turned(graph: &Graph) -> Vec<bool> {
    let mut turned = vec![false; graph.edges.len()];
    let mut state = vec![0_u8; graph.nodes.len()];
    let out = |node: usize| graph.edges.iter().enumerate().filter(move |(_, edge)| edge.from == node);
    let entered = |node: usize| graph.edges.iter().any(|edge| edge.to == node && edge.from != node);
    // The walk begins where the flow begins.
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

/// Returns the column of each node: after the last of those that flow to it.
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

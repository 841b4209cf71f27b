//! A picture that needs no other program: its parts are placed by `layout.rs`, and written as SVG here.

use std::fmt::Write as _;

use self::layout::{Layout, Line, Piece, Rectangle};
use super::{AddedQueue, Edge, EdgePicture, Graph, Node, NodePicture, Picture, Purpose, caption, ids};
use crate::model::flow::Role;

mod layout;
mod size;

pub use size::text_width;

const MARGIN: f64 = 24.0;
/// Height of the legend under the picture.
const LEGEND: f64 = 24.0;

pub(super) fn write(graph: &Graph) -> String {
    let layout = Layout::of(graph, MARGIN);
    let legend = legend(graph, layout.height + 4.0);
    let (mut width, mut height) = (layout.width, layout.height);
    if let Some((_, right)) = legend {
        width = width.max(right + MARGIN);
        height += LEGEND;
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"system-ui, sans-serif\">\n\
         <title>{}</title>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escape(&graph.name)
    );
    for (edge, line) in graph.edges.iter().zip(&layout.edges) {
        draw_line(edge, line, &mut out);
    }
    for (edge, line) in graph.edges.iter().zip(&layout.edges) {
        draw_label(edge, line, &mut out);
    }
    for (node, at) in graph.nodes.iter().zip(&layout.nodes) {
        draw_node(node, at, &mut out);
    }
    out.extend(legend.map(|(text, _)| text));
    out.push_str("</svg>\n");
    out
}

/// Returns the places of the parts of the picture.
pub(super) fn picture(graph: &Graph) -> Picture {
    let layout = Layout::of(graph, MARGIN);
    let node = |(node, at): (&Node, &Rectangle)| NodePicture {
        caption: caption(node),
        x: at.x - at.width / 2.0,
        y: at.y - at.height / 2.0,
        width: at.width,
        height: at.height,
    };
    let edge = |line: &Line| EdgePicture {
        path: path(line),
        points: line.pieces.iter().map(|piece| piece.end()).collect(),
        label: line.label,
    };
    Picture {
        width: layout.width,
        height: layout.height,
        nodes: graph.nodes.iter().zip(&layout.nodes).map(node).collect(),
        edges: layout.edges.iter().map(edge).collect(),
    }
}

/// Returns a line as the path of an SVG.
fn path(line: &Line) -> String {
    let mut path = String::new();
    let mut from = (0.0, 0.0);
    for piece in &line.pieces {
        let _ = match *piece {
            Piece::Start(x, y) => write!(path, "M{x:.1} {y:.1}"),
            Piece::Straight(x, y) => write!(path, "L{x:.1} {y:.1}"),
            Piece::Bend(x, y) => {
                let middle = (from.0 + x) / 2.0;
                write!(path, "C{middle:.1} {:.1} {middle:.1} {y:.1} {x:.1} {y:.1}", from.1)
            }
            Piece::Loop(x, y, top) => {
                write!(path, "C{:.1} {top:.1} {x:.1} {top:.1} {x:.1} {y:.1}", from.0)
            }
        };
        from = piece.end();
    }
    path
}

fn draw_line(edge: &Edge, line: &Line, out: &mut String) {
    let dashes = if edge.failure { " stroke-dasharray=\"5 4\"" } else { "" };
    let path = path(line);
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"#555\" marker-end=\"url(#arrow)\"{dashes}/>"
    );
}

/// Draws the label of an edge, and after it the signs of its queues, above the line.
fn draw_label(edge: &Edge, line: &Line, out: &mut String) {
    let (x, y) = (line.label.0, line.label.1 - 4.0);
    let left = x - size::label(edge) / 2.0;
    if !edge.label.is_empty() {
        let width = size::text_width(&edge.label, size::SMALL);
        draw_text(&edge.label, (left + width / 2.0, y), size::SMALL, "#333", out);
    }
    draw_signs(&edge.queues, x + size::label(edge) / 2.0 - size::signs(&edge.queues), y, out);
}

fn draw_node(node: &Node, at: &Rectangle, out: &mut String) {
    let (fill, radius) = look(node);
    let _ = writeln!(
        out,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{radius}\" fill=\"{fill}\" stroke=\"#555\"/>",
        at.x - at.width / 2.0,
        at.y - at.height / 2.0,
        at.width,
        at.height,
    );
    draw_text(&node.name, (at.x, at.y - 1.0), size::name(node), "#000", out);
    let caption = caption(node);
    draw_text(caption, (at.x, at.y + 14.0), size::SMALL, "#555", out);
    let left = at.x + size::text_width(caption, size::SMALL) / 2.0 + size::SPACE;
    draw_signs(&node.queues, left, at.y + 14.0, out);
}

/// Draws a text around `x`, on the line `y`.
fn draw_text(text: &str, (x, y): (f64, f64), font_size: f64, fill: &str, out: &mut String) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" font-size=\"{font_size}\" fill=\"{fill}\">{}</text>",
        escape(text)
    );
}

/// Draws the signs of folded queues to the right of `x`, on the line `y`, with the logical IDs as their tooltip.
fn draw_signs(queues: &[AddedQueue], mut x: f64, y: f64, out: &mut String) {
    for (purpose, number) in size::sign_parts(queues) {
        if !number.is_empty() {
            let width = size::text_width(&number, size::SMALL);
            draw_text(&number, (x + width / 2.0, y), size::SMALL, "#333", out);
            x += size::number_width(&number);
        }
        let of: Vec<AddedQueue> = queues.iter().filter(|queue| queue.purpose == purpose).cloned().collect();
        draw_sign(purpose, (x, y), &ids(&of), out);
        x += size::SIGN.0 + size::SPACE;
    }
}

/// Draws a sign: messages in a row, for dead letters with a cross instead of the last one.
fn draw_sign(purpose: Purpose, (x, line): (f64, f64), tooltip: &str, out: &mut String) {
    let (width, height) = size::SIGN;
    let y = line - height + 2.0;
    let (fill, stroke, inside) = match purpose {
        Purpose::Buffer => ("#fbe9d0", "#8a5a14", "M4.5 3v5M8 3v5M11.5 3v5"),
        Purpose::DeadLetters => ("#fde4e0", "#a8321e", "M5 2.5l6 6M11 2.5l-6 6"),
    };
    let _ = writeln!(
        out,
        "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width}\" height=\"{height}\" rx=\"2\" fill=\"{fill}\" stroke=\"{stroke}\"/>\
         <path transform=\"translate({x:.1} {y:.1})\" d=\"{inside}\" fill=\"none\" stroke=\"{stroke}\"/></g>",
        escape(tooltip)
    );
}

/// Returns the legend of the signs, and the place where it ends on the right; `None` without signs.
fn legend(graph: &Graph, y: f64) -> Option<(String, f64)> {
    let folded =
        graph.nodes.iter().map(|node| &node.queues).chain(graph.edges.iter().map(|edge| &edge.queues));
    let folded: Vec<Purpose> = folded.flatten().map(|queue| queue.purpose).collect();
    let (mut out, mut x) = (String::new(), MARGIN);
    for (purpose, text) in [
        (Purpose::Buffer, "a queue keeps the events for the function"),
        (Purpose::DeadLetters, "a dead-letter queue keeps what failed"),
    ] {
        if folded.contains(&purpose) {
            draw_sign(purpose, (x, y), text, &mut out);
            x += size::SIGN.0 + size::SPACE;
            let width = size::text_width(text, size::SMALL);
            draw_text(text, (x + width / 2.0, y), size::SMALL, "#555", &mut out);
            x += width + MARGIN;
        }
    }
    (x > MARGIN).then_some((out, x - MARGIN))
}

/// Returns the colour of a node by its role: a store, a carrier, a computation, a caller; and the radius of its
/// corners.
const fn look(node: &Node) -> (&'static str, u32) {
    if matches!(node.added, Some(Purpose::DeadLetters)) {
        return ("#fde4e0", 4);
    }
    match node.kind.drawing().role() {
        Role::Store => ("#dcefdc", 4),
        Role::Queue => ("#fbe9d0", 4),
        Role::Hub => ("#f8dbe6", 14),
        Role::Function | Role::Task => ("#dce8f8", 4),
        Role::Caller => ("#eeeeee", 22),
        Role::Other => ("#f4f4f4", 4),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn a_picture_has_the_places_of_the_drawing() {
        let node = |name: &str, kind| Node { name: name.to_owned(), kind, added: None, queues: Vec::new() };
        let edge = |from, to, label: &str, failure| Edge {
            from,
            to,
            label: label.to_owned(),
            failure,
            queues: Vec::new(),
        };
        let graph = Graph {
            name: "s".to_owned(),
            nodes: vec![node("in", Kind::Queue), node("work", Kind::Function), node("out", Kind::Table)],
            edges: vec![
                edge(0, 1, "messages", false),
                edge(1, 0, "retries", true),
                edge(1, 1, "itself", false),
                edge(1, 2, "", false),
            ],
        };
        let (picture, drawn) = (picture(&graph), graph.to_svg());
        assert_eq!((picture.nodes.len(), picture.edges.len()), (3, 4));
        for line in &picture.edges {
            assert!(drawn.contains(&format!("<path d=\"{}\"", line.path)), "{}", line.path);
            assert!(line.points.len() > 1);
        }
        for node in &picture.nodes {
            let place = format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\"", node.x, node.y, node.width);
            assert!(drawn.contains(&place), "{place}");
            assert!(node.x >= 0.0 && node.x + node.width <= picture.width, "{node:?}");
            assert!(node.y >= 0.0 && node.y + node.height <= picture.height, "{node:?}");
        }
        assert_eq!(picture.nodes[0].caption, "queue");
    }
}

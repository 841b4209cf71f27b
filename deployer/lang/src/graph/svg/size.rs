//! The sizes of texts and boxes, in pixels. The picture contains no font, so widths are those of a wide one.

use crate::graph::{AddedQueue, Edge, Node, Purpose, caption, count};

/// Font sizes: of a name, of the long name of an added queue, and of everything else.
pub(super) const NAME: f64 = 14.0;
pub(super) const ADDED_NAME: f64 = 11.0;
pub(super) const SMALL: f64 = 10.0;
/// Height of a node with few lines, and of a label with the line under it.
pub(super) const NODE_HEIGHT: f64 = 44.0;
pub(super) const LABEL_HEIGHT: f64 = 16.0;
/// Width and height of the sign of a folded queue, and the space beside it.
pub(super) const SIGN: (f64, f64) = (16.0, 11.0);
pub(super) const SPACE: f64 = 4.0;

/// Returns the width that the picture reserves for a text: about that in DejaVu Sans, one of the widest fonts.
#[must_use]
pub fn text_width(text: &str, font_size: f64) -> f64 {
    let em = |letter: char| match letter {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '!' | '\'' | ' ' | 'I' | '-' | '(' | ')' | '['
        | ']' => 0.4,
        'f' | 'r' | 't' | '/' | '\\' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 1.0,
        'A'..='Z' | '+' | '<' | '>' | '=' | '~' | '&' | '#' => 0.85,
        letter if letter.is_ascii() => 0.64,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * font_size
}

/// Returns the font size of the name of a node.
pub(super) const fn name(node: &Node) -> f64 {
    if node.added.is_some() { ADDED_NAME } else { NAME }
}

/// Returns the width of a node. The caption is in its middle, with the signs to its right.
pub(super) fn node(node: &Node) -> f64 {
    let name = text_width(&node.name, name(node));
    let signs = signs(&node.queues);
    let signs = if signs > 0.0 { signs + SPACE } else { 0.0 };
    let caption = text_width(caption(node), SMALL) + 2.0 * signs;
    (name.max(caption) + 20.0).max(90.0)
}

/// Returns the width of the label of an edge with its signs; 0 if there is nothing to draw.
pub(super) fn label(edge: &Edge) -> f64 {
    let (text, signs) = (text_width(&edge.label, SMALL), signs(&edge.queues));
    if text > 0.0 && signs > 0.0 { text + SPACE + signs } else { text + signs }
}

/// Returns the width of the signs of folded queues.
pub(super) fn signs(queues: &[AddedQueue]) -> f64 {
    let parts = sign_parts(queues);
    let widths = parts.iter().map(|(_, number)| number_width(number) + SIGN.0);
    widths.sum::<f64>() + parts.len().saturating_sub(1) as f64 * SPACE
}

/// Returns the width of the number before a sign, with the space after it.
pub(super) fn number_width(number: &str) -> f64 {
    if number.is_empty() { 0.0 } else { text_width(number, SMALL) + SPACE / 2.0 }
}

/// Returns the purposes of folded queues, each with the number to write before its sign if there are several.
pub(super) fn sign_parts(queues: &[AddedQueue]) -> Vec<(Purpose, String)> {
    let part = |purpose: Purpose| match count(queues, purpose) {
        0 => None,
        1 => Some((purpose, String::new())),
        many => Some((purpose, many.to_string())),
    };
    [Purpose::Buffer, Purpose::DeadLetters].into_iter().filter_map(part).collect()
}

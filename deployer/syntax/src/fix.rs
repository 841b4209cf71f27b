//! Fixes: what to change to solve a problem, by names.

/// A change of the text that solves a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Replaces a word of the marked text.
    Word {
        /// The word.
        wrong: String,
        /// The word that is meant.
        right: String,
    },
    /// Replaces all of the marked text, which is a single value.
    Value(String),
    /// Makes the marked value the only item of a list.
    List,
    /// Adds an item to a list, which is added as well if it is missing.
    Item {
        /// The keys from the top of the file to the list.
        list: Vec<String>,
        /// The item, on one line.
        item: String,
    },
    /// Moves the marked key with its value into a mapping beside it.
    Move {
        /// The name of the key there.
        key: String,
        /// The key of the mapping.
        below: String,
    },
}

impl Fix {
    /// Returns the description of the change, for a menu.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Word { wrong, right } => format!("Replace `{wrong}` by `{right}`"),
            Self::Value(text) => format!("Write `{text}`"),
            Self::List => "Write a list with this item".to_owned(),
            Self::Item { list, item } => {
                format!("Add `{item}` to `{}`", list.last().map_or("", String::as_str))
            }
            Self::Move { key, below } => format!("Move `{key}` below `{below}`"),
        }
    }
}

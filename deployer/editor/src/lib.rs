//! Answers to an editor about a stack file.
//!
//! [`session`] is a session of the Language Server Protocol as a function of its messages: no input or output, no
//! clock, no threads. It holds the [`text`] of each open document, and asks for a [`check`](problems) of it. The other
//! modules answer one question each, of a text and a place in it: [`hover`], [`complete`], [`occurrences`] (definition,
//! references), [`rename`], [`symbols`]. They read the file with the reader of the language, and take what can be at a
//! place from the same questions that read it ([`forms`]).

pub mod complete;
pub mod cursor;
pub mod forms;
pub mod hover;
pub mod occurrences;
pub mod outline;
pub mod place;
pub mod problems;
pub mod protocol;
pub mod rename;
pub mod session;
pub mod symbols;
pub mod text;

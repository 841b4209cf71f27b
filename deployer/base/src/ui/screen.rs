//! A screen of data that is drawn once, or again and again in the same place.

/// The meaning of a line, which its colour repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Data.
    Plain,
    /// The head of a part.
    Heading,
    /// Something that somebody must look at.
    Alarm,
}

/// A line of a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenLine {
    /// The meaning of the line.
    pub tone: Tone,
    /// The text, without control characters.
    pub text: String,
}

impl ScreenLine {
    /// Creates a line of data.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { tone: Tone::Plain, text: text.into() }
    }

    /// Creates the head of a part.
    pub fn heading(text: impl Into<String>) -> Self {
        Self { tone: Tone::Heading, text: text.into() }
    }

    /// Creates a line that somebody must look at.
    pub fn alarm(text: impl Into<String>) -> Self {
        Self { tone: Tone::Alarm, text: text.into() }
    }

    fn colored(&self, text: &str, has_color: bool) -> String {
        let code = match self.tone {
            Tone::Heading => "1",
            Tone::Alarm => "31",
            Tone::Plain => return text.to_owned(),
        };
        if has_color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Returns the text of a screen; in place, for a terminal with so many columns and lines.
pub(super) fn drawn(lines: &[ScreenLine], has_color: bool, room: Option<(usize, usize)>) -> String {
    let Some((width, height)) = room else {
        return lines.iter().map(|line| line.colored(&line.text, has_color) + "\n").collect();
    };
    // To the upper left corner; the rest of each line, and in the end of the screen, is erased: ECMA-48, CUP, EL and ED.
    // The last line stays free, or the terminal would scroll.
    let shown = lines.iter().take(height.saturating_sub(1)).map(|line| {
        let text: String = line.text.chars().take(width).collect();
        format!("{}\x1b[K\r\n", line.colored(&text, has_color))
    });
    format!("\x1b[H{}\x1b[J", shown.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_in_place_stays_within_the_terminal() {
        let lines =
            [ScreenLine::heading("files"), ScreenLine::alarm("3 dead letters"), ScreenLine::plain("x")];
        assert_eq!(drawn(&lines, false, None), "files\n3 dead letters\nx\n");
        assert_eq!(drawn(&lines, true, None), "\x1b[1mfiles\x1b[0m\n\x1b[31m3 dead letters\x1b[0m\nx\n");
        assert_eq!(drawn(&lines, false, Some((6, 3))), "\x1b[Hfiles\x1b[K\r\n3 dead\x1b[K\r\n\x1b[J");
        assert_eq!(drawn(&lines, false, Some((6, 0))), "\x1b[H\x1b[J");
    }
}

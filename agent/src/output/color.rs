//! The sixteen colours of Salt's outputters, as terminal sequences or as nothing.

/// A colour by Salt's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Color {
    Red,
    LightRed,
    Green,
    LightGreen,
    Yellow,
    LightYellow,
    Blue,
    LightBlue,
    Magenta,
    LightMagenta,
    Cyan,
    DarkGray,
    LightGray,
    White,
    End,
}

/// Whether and how to paint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Colors {
    /// Paint at all.
    pub on: bool,
}

impl Colors {
    /// The sequence that starts a colour.
    pub fn of(self, color: Color) -> &'static str {
        if !self.on {
            return "";
        }
        match color {
            Color::Red => "\x1b[0;31m",
            Color::LightRed => "\x1b[0;1;31m",
            Color::Green => "\x1b[0;32m",
            Color::LightGreen => "\x1b[0;1;32m",
            Color::Yellow => "\x1b[0;33m",
            Color::LightYellow => "\x1b[0;1;33m",
            Color::Blue => "\x1b[0;34m",
            Color::LightBlue => "\x1b[0;1;34m",
            Color::Magenta => "\x1b[0;35m",
            Color::LightMagenta => "\x1b[0;1;35m",
            Color::Cyan => "\x1b[0;36m",
            Color::DarkGray => "\x1b[0;1;30m",
            Color::LightGray => "\x1b[0;37m",
            Color::White => "\x1b[0;1;37m",
            Color::End => "\x1b[0;0m",
        }
    }

    /// A text in a colour.
    pub fn paint(self, color: Color, text: &str) -> String {
        format!("{}{text}{}", self.of(color), self.of(Color::End))
    }
}

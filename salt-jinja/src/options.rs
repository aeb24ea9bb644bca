//! What may be set about an environment; the names are Jinja2's.

/// `jinja2.Environment`'s arguments that Salt lets a user set, and our bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `{%`
    pub block_start: String,
    /// `%}`
    pub block_end: String,
    /// `{{`
    pub variable_start: String,
    /// `}}`
    pub variable_end: String,
    /// `{#`
    pub comment_start: String,
    /// `#}`
    pub comment_end: String,
    /// Drop the newline after a block.
    pub trim_blocks: bool,
    /// Drop the blanks before a block.
    pub lstrip_blocks: bool,
    /// Keep the newline at the end of the source.
    pub keep_trailing_newline: bool,
    /// An undefined variable prints as nothing instead of being an error.
    pub allow_undefined: bool,
    /// What may be spent.
    pub limits: Limits,
}

/// Bounds on one rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Evaluated expressions, loop turns and copied items.
    pub steps: u64,
    /// Nested macro calls, includes and imports.
    pub depth: usize,
    /// Bytes of text, both the output and any one value.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 50_000_000,
            depth: 150,
            output: 64 << 20,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            block_start: "{%".into(),
            block_end: "%}".into(),
            variable_start: "{{".into(),
            variable_end: "}}".into(),
            comment_start: "{#".into(),
            comment_end: "#}".into(),
            trim_blocks: false,
            lstrip_blocks: false,
            keep_trailing_newline: false,
            allow_undefined: false,
            limits: Limits::default(),
        }
    }
}

//! Salt's minion configuration, in three stages: fragment (a file as written) → input (merged, each key
//! with the file and line that set it) → [`Settings`] (validated, with rich types).

pub mod settings;

pub use settings::Settings;

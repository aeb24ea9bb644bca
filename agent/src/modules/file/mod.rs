//! `file`: files and what they hold. A family of functions is a file here and a line in the list of `modules`.

pub mod content;
pub mod dirs;
pub mod edits;
pub mod find;
pub mod links;
pub mod managed;
pub mod nodes;
pub mod owners;
pub mod paths;

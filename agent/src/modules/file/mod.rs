//! `file`: paths and what they name. A further family of functions is a file here and a line in the
//! list of `modules`.

pub mod paths;

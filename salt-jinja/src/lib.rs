//! Jinja as Salt renders it, with Python's value semantics.

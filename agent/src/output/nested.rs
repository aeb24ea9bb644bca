//! `nested`: the indented tree that the CLI prints by default.

use salt_wire::{Map, Value};

use super::color::Color;
use super::{Options, lines, sorted};
use crate::context::python;

pub(super) fn output(data: &Value, options: &Options, indent: usize) -> String {
    let mut nest = Nest {
        options,
        lines: Vec::new(),
    };
    nest.display(data, indent, "");
    nest.lines.join("\n")
}

struct Nest<'a> {
    options: &'a Options,
    lines: Vec<String>,
}

impl Nest<'_> {
    fn line(&mut self, indent: usize, color: Color, prefix: &str, text: &str, suffix: &str) {
        let colors = self.options.colors;
        self.lines.push(format!(
            "{}{}{prefix}{text}{}{suffix}",
            " ".repeat(indent),
            colors.of(color),
            colors.of(Color::End)
        ));
    }

    /// Red instead of the usual colour when the job failed.
    fn unless_failed(&self, color: Color) -> Color {
        if self.options.retcode == 0 {
            color
        } else {
            Color::Red
        }
    }

    fn display(&mut self, data: &Value, indent: usize, prefix: &str) {
        match data {
            Value::Str(text) => self.text(text, indent, prefix),
            Value::List(items) => self.list(items, indent),
            Value::Map(map) => self.map(map, indent, prefix),
            // Python takes bytes for neither text nor number and prints nothing at all.
            Value::Bytes(_) => {}
            other => self.line(indent, Color::LightYellow, prefix, &python::repr(other), ""),
        }
    }

    fn text(&mut self, text: &str, indent: usize, prefix: &str) {
        let rest = " ".repeat(prefix.len());
        for (at, line) in lines(text).into_iter().enumerate() {
            let prefix = if at == 0 { prefix } else { &rest };
            let line = self.options.harmless(line);
            self.line(indent, Color::Green, prefix, &line, "");
        }
    }

    fn list(&mut self, items: &[Value], indent: usize) {
        let color = self.unless_failed(Color::Green);
        for item in items {
            match item {
                Value::Map(_) | Value::List(_) => {
                    self.line(indent, color, "", "|_", "");
                    let prefix = if matches!(item, Value::Map(_)) {
                        ""
                    } else {
                        "- "
                    };
                    self.display(item, indent + 2, prefix);
                }
                _ => self.display(item, indent, "- "),
            }
        }
    }

    fn map(&mut self, map: &Map, indent: usize, prefix: &str) {
        let color = self.unless_failed(Color::Cyan);
        if indent > 0 {
            self.line(indent, color, "", "----------", "");
        }
        for (key, value) in sorted(map) {
            self.line(indent, color, prefix, &key, ":");
            self.display(value, indent + 4, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn a_tree_of_everything() {
        let data = Value::Map(map! {"local" => map! {
            "b" => vec![Value::from(1), Value::Map(map! {"x" => "one\ntwo"}), Value::List(vec!["y".into()])],
            "a" => Value::Null,
            "e" => map! {},
        }});
        let text = output(&data, &Options::default(), 0);
        let expected = "local:\n    ----------\n    a:\n        None\n    b:\n        - 1\n        |_\n          ----------\n          x:\n              one\n              two\n        |_\n          - y\n    e:\n        ----------";
        assert_eq!(text, expected);
    }
}

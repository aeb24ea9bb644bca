//! `key`: key lists by their state.

use salt_wire::Value;

use super::color::Color;
use super::{Options, sorted};
use crate::context::python;

/// `None` for data that is no key list.
pub(super) fn output(data: &Value, options: &Options) -> Option<String> {
    let colors = options.colors;
    let indent = if options.flag("__multi_key", false) {
        "    "
    } else {
        ""
    };
    let mut lines = Vec::new();
    for (state, keys) in sorted(data.as_map()?) {
        let (title, bright, plain) = match state.as_str() {
            "minions_pre" => ("Unaccepted Keys:", Color::LightRed, Color::Red),
            "minions" => ("Accepted Keys:", Color::LightGreen, Color::Green),
            "minions_denied" => ("Denied Keys:", Color::LightMagenta, Color::Magenta),
            "minions_rejected" => ("Rejected Keys:", Color::LightBlue, Color::Blue),
            "local" => ("Local Keys:", Color::LightMagenta, Color::Magenta),
            _ => return None,
        };
        lines.push(format!("{indent}{}", colors.paint(bright, title)));
        let paint = |text: String| format!("{indent}{}", colors.paint(plain, &text));
        match keys {
            Value::List(names) => {
                let mut names: Vec<String> = names.iter().map(python::text).collect();
                names.sort();
                lines.extend(names.iter().map(|n| paint(options.harmless(n))));
            }
            Value::Map(map) => lines.extend(sorted(map).into_iter().map(|(name, value)| {
                let name = options.harmless(&name);
                paint(format!("{name}:  {}", python::text(value)))
            })),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => return None,
            // Salt walks over the letters of a text and prints none of them.
            Value::Str(_) | Value::Bytes(_) => {}
        }
    }
    Some(lines.join("\n"))
}

//! `no_return`: notices about minions that did not answer.

use salt_wire::Value;

use super::color::Color;
use super::{Options, sorted};

pub(super) fn output(data: &Value, options: &Options) -> String {
    let mut out = String::new();
    display(data, options, 0, &mut out);
    out
}

fn display(data: &Value, options: &Options, indent: usize, out: &mut String) {
    let colors = options.colors;
    let (start, end) = (" ".repeat(indent), colors.of(Color::End));
    match data {
        Value::Str(text) => {
            for line in text.split('\n') {
                let red = colors.of(Color::Red);
                out.push_str(&format!("{red}{start}{line}{end}\n"));
            }
        }
        Value::Map(map) => {
            for (key, value) in sorted(map) {
                let cyan = colors.of(Color::Cyan);
                out.push_str(&format!("{cyan}{start}{key}{end}:\n"));
                display(value, options, indent + 4, out);
            }
        }
        _ => {}
    }
}

//! `yaml`, in block mode unless the indent is negative.

use salt_wire::Value;
use salt_yaml::{DumpOptions, Flow};

use super::{Indent, Options};
use crate::context::python;

pub(super) fn output(data: &Value, options: &Options) -> String {
    let dump = match options.indent {
        Indent::Default | Indent::Pretty => DumpOptions::default(),
        Indent::Width(width) => match u8::try_from(width) {
            Ok(width) => DumpOptions {
                indent: Some(width),
                ..DumpOptions::default()
            },
            Err(_) => DumpOptions {
                flow: Flow::Flow,
                indent: Some(0),
                ..DumpOptions::default()
            },
        },
    };
    salt_yaml::dump(data, &dump).unwrap_or_else(|_| python::repr(data))
}

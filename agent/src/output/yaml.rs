//! `yaml`, in block mode unless the indent is negative.

use salt_wire::Value;
use salt_yaml::{DumpOptions, Flow};

use super::{Indent, Options};
use crate::context::python;

pub(super) fn output(data: &Value, options: &Options) -> String {
    let (flow, indent) = match options.indent {
        Indent::Default | Indent::Pretty => (Flow::Block, None),
        Indent::Width(width) => match u8::try_from(width) {
            Ok(width) => (Flow::Block, Some(width)),
            Err(_) => (Flow::Flow, Some(0)),
        },
    };
    let dump = DumpOptions {
        flow,
        indent,
        sort: true,
        ..DumpOptions::default()
    };
    salt_yaml::dump(data, &dump).unwrap_or_else(|_| python::repr(data))
}

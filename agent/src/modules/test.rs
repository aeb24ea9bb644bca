//! `test`: functions that show that a minion lives and how it answers.

use salt_wire::Value;

use super::Function;
use crate::context::{Args, Context, Result};

/// The rows of `test`.
pub const FUNCTIONS: &[Function] = &[Function {
    name: "test.ping",
    signature: "",
    doc: "Used to make sure the minion is up and responding. Not an ICMP ping.\n\nReturns ``True``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' test.ping",
    run: ping,
}];

fn ping(_: &Context, _: &Args) -> Result {
    Ok(Value::Bool(true))
}

//! `salt-agent`: arguments in, exit code out. See `commands` in the library.

fn main() -> salt_agent::commands::Code {
    salt_agent::commands::main(std::env::args_os())
}

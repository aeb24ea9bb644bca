//! Execution modules, one file per Salt module. Each exports `FUNCTIONS`, a constant slice of rows;
//! [`all`] lists the slices. A new function touches its own file; a new module, its file and two lines here.
//! Lookup, `sys.doc`, `sys.argspec` and the reference pages all read that one list.

pub mod acl;
pub mod aliases;
pub mod alternatives;
pub mod archive;
pub mod cmd;
pub mod config;
pub mod cp;
pub mod cp_recv;
pub mod cron;
pub mod data;
pub mod debconf;
pub mod defaults;
pub mod disk;
pub mod environ;
pub mod event;
pub mod file;
pub mod gem;
pub mod git;
pub mod grains;
pub mod group;
pub mod hashutil;
pub mod hosts;
pub mod http;
pub mod image;
pub mod ini;
pub mod ip;
pub mod iptables;
pub mod jinja;
pub mod key;
pub mod kmod;
pub mod locale;
pub mod logmod;
pub mod logrotate;
pub mod lvm;
pub mod matching;
pub mod mine;
pub mod mount;
pub mod network;
pub mod nftables;
pub mod npm;
#[cfg(test)]
mod page;
pub mod pillar;
pub mod pip;
pub mod pkg;
pub mod pkg_queries;
pub mod pkg_repos;
pub mod pkg_selections;
pub mod ps;
pub mod random;
pub mod remaster;
pub mod salt_version;
pub mod saltutil;
pub mod saltutil_sync;
pub mod schedule;
pub mod selinux;
pub mod service;
pub mod shadow;
pub mod slsutil;
pub mod ssh;
pub mod state;
pub mod status;
pub mod sys;
pub mod sysctl;
pub mod system;
pub mod temp;
pub mod test;
pub mod timezone;
pub mod user;
pub mod virtualenv;

use salt_wire::Value;

use crate::config::Settings;
pub(crate) use crate::context::arguments::clean;
use crate::context::{Args, Context, Error, Result, python};

/// One execution function.
pub struct Function {
    /// `module.function`.
    pub name: &'static str,
    /// Its parameters, as Python writes them; see [`crate::context::Signature`].
    pub signature: &'static str,
    /// What `sys.doc` prints.
    pub doc: &'static str,
    /// The code.
    pub run: fn(&Context, &Args) -> Result,
}

/// A row of a table: name, parameters, code, what it is for, how to call it.
macro_rules! row {
    ($name:literal, $signature:literal, $run:expr, $doc:literal, $example:literal $(,)?) => {
        $crate::modules::Function {
            name: $name,
            signature: $signature,
            doc: concat!(
                $doc,
                "\n\nCLI Example:\n\n.. code-block:: bash\n\n    ",
                $example,
                "\n"
            ),
            run: $run,
        }
    };
}
pub(crate) use row;

/// Every module's rows.
const ALL: &[&[Function]] = &[
    acl::FUNCTIONS,
    aliases::FUNCTIONS,
    alternatives::FUNCTIONS,
    archive::FUNCTIONS,
    cmd::FUNCTIONS,
    config::FUNCTIONS,
    cp::FUNCTIONS,
    cp_recv::FUNCTIONS,
    cron::FUNCTIONS,
    data::FUNCTIONS,
    debconf::FUNCTIONS,
    defaults::FUNCTIONS,
    disk::FUNCTIONS,
    environ::FUNCTIONS,
    event::FUNCTIONS,
    file::content::FUNCTIONS,
    file::dirs::FUNCTIONS,
    file::edits::FUNCTIONS,
    file::find::FUNCTIONS,
    file::links::FUNCTIONS,
    file::managed::FUNCTIONS,
    file::nodes::FUNCTIONS,
    file::owners::FUNCTIONS,
    file::paths::FUNCTIONS,
    gem::FUNCTIONS,
    git::CONFIG,
    git::HISTORY,
    git::LOCAL,
    git::REMOTES,
    git::TREES,
    grains::FUNCTIONS,
    group::FUNCTIONS,
    hashutil::FUNCTIONS,
    hosts::FUNCTIONS,
    http::FUNCTIONS,
    image::FUNCTIONS,
    ini::FUNCTIONS,
    ip::FUNCTIONS,
    iptables::FUNCTIONS,
    jinja::FUNCTIONS,
    key::FUNCTIONS,
    kmod::FUNCTIONS,
    locale::FUNCTIONS,
    logmod::FUNCTIONS,
    logrotate::FUNCTIONS,
    lvm::FUNCTIONS,
    matching::FUNCTIONS,
    mine::FUNCTIONS,
    mount::FUNCTIONS,
    network::FUNCTIONS,
    nftables::FUNCTIONS,
    npm::FUNCTIONS,
    pillar::FUNCTIONS,
    pip::FUNCTIONS,
    pkg::FUNCTIONS,
    pkg_queries::FUNCTIONS,
    pkg_repos::FUNCTIONS,
    pkg_selections::FUNCTIONS,
    ps::FUNCTIONS,
    random::FUNCTIONS,
    remaster::FUNCTIONS,
    salt_version::FUNCTIONS,
    saltutil::FUNCTIONS,
    saltutil_sync::FUNCTIONS,
    schedule::FUNCTIONS,
    selinux::FUNCTIONS,
    service::FUNCTIONS,
    shadow::FUNCTIONS,
    slsutil::FUNCTIONS,
    ssh::FUNCTIONS,
    state::FUNCTIONS,
    status::FUNCTIONS,
    sys::FUNCTIONS,
    sysctl::FUNCTIONS,
    system::FUNCTIONS,
    temp::FUNCTIONS,
    test::FUNCTIONS,
    timezone::FUNCTIONS,
    user::FUNCTIONS,
    virtualenv::FUNCTIONS,
];

/// All functions, module by module.
pub fn all() -> impl Iterator<Item = &'static Function> {
    ALL.iter().copied().flatten()
}

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|f| f.name == name)
}

/// Modules whose file in Salt has another name; its options may use either.
const FILES: &[(&str, &str)] = &[
    ("acl", "linux_acl"),
    ("cmd", "cmdmod"),
    ("debconf", "debconfmod"),
    ("group", "groupadd"),
    ("ini", "ini_manage"),
    ("ip", "debian_ip"),
    ("locale", "localemod"),
    ("log", "logmod"),
    ("lvm", "linux_lvm"),
    ("pkg", "aptpkg"),
    ("service", "systemd_service"),
    ("sys", "sysmod"),
    ("sysctl", "linux_sysctl"),
    ("random", "mod_random"),
    ("shadow", "linux_shadow"),
    ("user", "useradd"),
    ("virtualenv", "virtualenv_mod"),
];

/// Whether Salt's own options (`disable_modules`, `whitelist_modules`) leave a function's module loaded.
pub fn is_enabled(settings: &Settings, name: &str) -> bool {
    let module = name.split('.').next().unwrap_or(name);
    let file = FILES.iter().find(|(m, _)| *m == module).map(|(_, f)| *f);
    let named = |list: &[String]| list.iter().any(|m| m == module || Some(m.as_str()) == file);
    let jobs = &settings.jobs;
    (jobs.whitelist_modules.is_empty() || named(&jobs.whitelist_modules))
        && !named(&jobs.disable_modules)
}

/// The file in which Salt keeps a module.
fn file_of(module: &str) -> &str {
    if module == "service" && !crate::host::service::is_systemd() {
        return "debian_service";
    }
    FILES
        .iter()
        .find(|(m, _)| *m == module)
        .map_or(module, |(_, file)| file)
}

/// What Python's `int()` makes of a value.
pub(crate) fn python_int(value: &Value) -> Result<i128> {
    let wrong = || Error::Exception {
        kind: "ValueError",
        message: format!(
            "invalid literal for int() with base 10: {}",
            python::repr(value)
        ),
    };
    match value {
        Value::Int(i) => Ok(*i),
        Value::Bool(b) => Ok(i128::from(*b)),
        Value::Float(f) if f.is_finite() => Ok(*f as i128),
        Value::Str(text) => text.trim().replace('_', "").parse().map_err(|_| wrong()),
        Value::Float(_) => Err(wrong()),
        other => Err(Error::Arguments(format!(
            "int() argument must be a string, a bytes-like object or a real number, not '{}'",
            crate::context::signature::kind(other)
        ))),
    }
}

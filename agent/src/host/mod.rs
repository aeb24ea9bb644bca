//! What the machine can do, typed. The only folder that spawns processes, reads the clock or the
//! environment, or writes files. Everything above gets a [`Host`] handed in.
//!
//! One more capability is one more file here.

pub mod account;
pub mod alternatives;
pub mod archive;
pub mod beneath;
pub mod cancel;
pub mod charset;
pub mod clock;
pub mod configparser;
pub mod console;
pub mod crash;
pub mod cron;
pub mod debconf;
pub mod diff;
pub mod digest;
pub mod env;
pub mod environ;
pub mod exec;
pub mod fs;
pub mod git;
pub mod hosts;
pub mod http;
pub mod ifupdown;
pub mod ini;
pub mod iptables;
pub mod kmod;
pub mod locale;
pub mod lock;
pub mod logrotate;
pub mod loose_version;
pub mod lvm;
pub mod mount;
pub mod net;
pub mod netlink;
pub mod netplan;
pub mod nftables;
pub mod node;
pub mod password;
pub mod patch;
pub mod pep440;
pub mod perms;
pub mod pkg;
pub mod plist;
pub mod privileges;
pub mod process;
pub mod procfs;
pub mod program;
pub mod scratch;
pub mod service;
pub mod shadow;
pub mod shell;
pub mod shlex;
pub mod sources;
pub mod ssh;
pub mod sysctl;
pub mod timezone;
pub mod toml;
pub mod user;
pub mod zip;

use std::sync::Arc;

pub use cancel::Cancel;

/// The machine, as functions and states see it.
#[derive(Clone)]
pub struct Host {
    /// Runs commands; scripted in tests.
    pub exec: Arc<dyn exec::Exec>,
    /// The environment that those commands get.
    pub environ: Arc<environ::Environ>,
}

impl Host {
    /// The real machine.
    pub fn real() -> Self {
        Self {
            exec: Arc::new(exec::Processes),
            environ: Arc::default(),
        }
        .for_job()
    }

    /// The same machine with an environment that only this job's commands see.
    pub fn for_job(&self) -> Self {
        let environ = Arc::new(environ::Environ::default());
        let exec = environ::Within {
            exec: self.exec.clone(),
            environ: environ.clone(),
        };
        Self {
            exec: Arc::new(exec),
            environ,
        }
    }
}

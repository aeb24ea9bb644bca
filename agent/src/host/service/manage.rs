//! What can be asked of a service and done to it, whatever manages it.

use std::collections::BTreeMap;

use salt_wire::Map;

use super::{Names, Result, Services, booted, scripts, systemd};
use crate::fnmatch::fnmatch;
use crate::host::env;

/// How an action is to be done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order {
    /// Do not wait for its end; none: as the service needs it.
    pub no_block: Option<bool>,
    /// Lift a mask first.
    pub unmask: bool,
    /// Lift a mask of the running system first.
    pub unmask_runtime: bool,
}

/// Whether systemd answers; else init scripts do.
pub fn is_systemd() -> bool {
    booted() || env::which("service").is_none()
}

impl Services<'_> {
    /// Whether there is a service of this name.
    pub fn available(&self, name: &str) -> Result<bool> {
        if is_systemd() {
            systemd::available(self, name)
        } else {
            Ok(scripts::all(self).contains(name))
        }
    }

    /// Whether it runs.
    pub fn status(&self, name: &str) -> Result<bool> {
        if is_systemd() {
            systemd::is_active(self, name)
        } else {
            scripts::is_active(self, name)
        }
    }

    /// Whether a name is a pattern, for which each service that fits is asked.
    pub fn is_pattern(name: &str) -> bool {
        name.contains(['*', '?'])
            || name
                .split_once('[')
                .is_some_and(|(_, rest)| rest.find(']').is_some_and(|at| at > 0))
    }

    /// Whether each service that fits runs.
    pub fn statuses(&self, pattern: &str) -> Result<BTreeMap<String, bool>> {
        let all = self.all()?.into_iter();
        all.filter(|s| fnmatch(s, pattern))
            .map(|s| Ok((s.clone(), self.status(&s)?)))
            .collect()
    }

    /// Starts it.
    pub fn start(&self, name: &str, order: &Order) -> Result<bool> {
        self.act("start", name, order)
    }

    /// Restarts it.
    pub fn restart(&self, name: &str, order: &Order) -> Result<bool> {
        self.act("restart", name, order)
    }

    /// Has it read its configuration anew.
    pub fn reload(&self, name: &str, order: &Order) -> Result<bool> {
        self.act("reload", name, order)
    }

    /// Has it read its configuration anew, or restarts it.
    pub fn force_reload(&self, name: &str, order: &Order) -> Result<bool> {
        self.act("force-reload", name, order)
    }

    fn act(&self, action: &str, name: &str, order: &Order) -> Result<bool> {
        if is_systemd() {
            systemd::change(self, action, name, order)
        } else {
            scripts::act(self, action, name)
        }
    }

    /// Stops it.
    pub fn stop(&self, name: &str, order: &Order) -> Result<bool> {
        if is_systemd() {
            systemd::stop(self, name, order)
        } else {
            scripts::act(self, "stop", name)
        }
    }

    /// Whether it starts at boot.
    pub fn enabled(&self, name: &str) -> Result<bool> {
        if is_systemd() {
            systemd::enabled(self, name)
        } else {
            Ok(scripts::starting(self).contains(name))
        }
    }

    /// Whether it is there and does not start at boot.
    pub fn disabled(&self, name: &str) -> Result<bool> {
        if is_systemd() {
            Ok(!systemd::enabled(self, name)?)
        } else {
            Ok(scripts::all(self).contains(name) && !scripts::starting(self).contains(name))
        }
    }

    /// Has it start at boot.
    pub fn enable(&self, name: &str, order: &Order) -> Result<bool> {
        if is_systemd() {
            systemd::enable(self, name, order)
        } else {
            scripts::enable(self, name)
        }
    }

    /// Keeps it from starting at boot.
    pub fn disable(&self, name: &str, order: &Order) -> Result<bool> {
        if is_systemd() {
            systemd::disable(self, name, order)
        } else {
            scripts::disable(self, name)
        }
    }

    /// All services.
    pub fn all(&self) -> Result<Names> {
        if is_systemd() {
            systemd::get_all(self)
        } else {
            Ok(scripts::all(self))
        }
    }

    /// All that start at boot.
    pub fn all_enabled(&self) -> Result<Names> {
        if is_systemd() {
            systemd::get_enabled(self)
        } else {
            Ok(scripts::starting(self))
        }
    }

    /// All that do not start at boot.
    pub fn all_disabled(&self) -> Result<Names> {
        if is_systemd() {
            systemd::get_disabled(self)
        } else {
            let starting = scripts::starting(self);
            Ok(scripts::all(self).difference(&starting).cloned().collect())
        }
    }

    /// All that run; systemd's alone.
    pub fn all_running(&self) -> Result<Names> {
        systemd::get_running(self)
    }

    /// All that only others can start; systemd's alone.
    pub fn all_static(&self) -> Result<Names> {
        systemd::get_static(self)
    }

    /// Whether it is masked; only systemd masks.
    pub fn masked(&self, name: &str, runtime: bool) -> Result<bool> {
        systemd::masked(self, name, runtime)
    }

    /// Masks it.
    pub fn mask(&self, name: &str, runtime: bool) -> Result<bool> {
        systemd::mask(self, name, runtime)
    }

    /// Unmasks it.
    pub fn unmask(&self, name: &str, runtime: bool) -> Result<bool> {
        systemd::unmask(self, name, runtime)
    }

    /// The properties of a unit.
    pub fn show(&self, name: &str) -> Result<Map> {
        systemd::show(self, name)
    }

    /// Has systemd read its units anew.
    pub fn daemon_reload(&self) -> Result<()> {
        systemd::daemon_reload(self)
    }

    /// Whether systemd is installed and does not run.
    pub fn is_offline() -> bool {
        systemd::is_offline()
    }

    /// Whether masks exist here.
    pub fn has_masks() -> bool {
        is_systemd()
    }

    /// Whether a process found by its command line stands for a service, as with init scripts.
    pub fn knows_signatures() -> bool {
        !is_systemd()
    }
}

//! Services where init scripts start them: a container, or a Debian without systemd.

use std::path::Path;

use super::{Names, Result, Services, names, started};

/// Runs `service NAME ACTION`; whether it went well.
pub(super) fn act(services: &Services<'_>, action: &str, name: &str) -> Result<bool> {
    command(services, &["service", name, action])
}

fn command(services: &Services<'_>, words: &[&str]) -> Result<bool> {
    let done = services.run(words)?;
    services.code.set(Some(done.retcode.into()));
    Ok(done.retcode == 0)
}

pub(super) fn is_active(services: &Services<'_>, name: &str) -> Result<bool> {
    Ok(services.run(&["service", name, "status"])?.retcode == 0)
}

/// Services that start at boot.
pub(super) fn starting(services: &Services<'_>) -> Names {
    // Salt asks through `cmd.run`, whose exit code is the job's: 1 where there is no runlevel.
    if let Ok(told) = services.run(&["runlevel"]) {
        services.code.set(Some(told.retcode.into()));
    }
    let level = services.runlevel();
    let of = |level: &str| names(Path::new(&format!("/etc/rc{level}.d")));
    let links = of("S").into_iter().chain(of(&level));
    // Salt cuts behind the last number of the whole name.
    links
        .filter(|link| started(link).is_some())
        .map(|link| {
            let cut = link
                .rfind(|c: char| c.is_ascii_digit())
                .map_or(0, |at| at + 1);
            link[cut..].to_owned()
        })
        .collect()
}

pub(super) fn all(services: &Services<'_>) -> Names {
    let mut all = starting(services);
    let scripts = names(Path::new("/etc/init.d"));
    all.extend(
        scripts
            .into_iter()
            .filter(|n| n != "README" && !n.starts_with('.')),
    );
    all
}

pub(super) fn enable(services: &Services<'_>, name: &str) -> Result<bool> {
    // As Salt: both, and the first may be missing on systems that no longer have it.
    match services.run(&["insserv", name]) {
        Ok(done) if done.retcode == 0 => command(services, &["update-rc.d", name, "enable"]),
        done => {
            let code = done.map_or(127, |d| d.retcode.into());
            services.code.set(Some(code));
            Ok(false)
        }
    }
}

pub(super) fn disable(services: &Services<'_>, name: &str) -> Result<bool> {
    command(services, &["update-rc.d", name, "disable"])
}

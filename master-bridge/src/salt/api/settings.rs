//! Where a salt-api is and who we are to it. The password is read when it is needed and kept nowhere.

use std::io::IsTerminal;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Url;
use salt_wire::crypto::Zeroizing;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::secret;

/// The options that name a salt-api.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Options {
    /// Reach the master through the salt-api (rest_cherrypy) at this URL instead of on this host
    #[arg(
        long,
        global = true,
        value_name = "URL",
        conflicts_with = "salt_config"
    )]
    salt_api: Option<String>,
    /// Who we are to salt-api [default: SALTAPI_USER, or the name of who works here]
    #[arg(long, global = true, value_name = "NAME")]
    salt_api_user: Option<String>,
    /// The eauth that knows us [default: SALTAPI_EAUTH, or pam]
    #[arg(long, global = true, value_name = "NAME")]
    salt_api_eauth: Option<String>,
    /// A file with our password, which its owner alone may read [default: SALTAPI_PASS, or we are asked]
    #[arg(long, global = true, value_name = "FILE")]
    salt_api_password_file: Option<PathBuf>,
    /// The certificates that salt-api is believed by, as PEM [default: the system's]
    #[arg(long, global = true, value_name = "FILE")]
    salt_api_ca: Option<PathBuf>,
}

/// A salt-api, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Its URL, without a slash at its end.
    pub url: String,
    /// Our name.
    pub user: String,
    /// Who knows it.
    pub eauth: String,
    /// Where the password is, if it is in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The certificates that it is believed by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl Options {
    /// The salt-api that is meant, if one is.
    pub fn settings(&self) -> Result<Option<Settings>> {
        self.settings_in(&|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
    }

    fn settings_in(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Settings>> {
        let Some(url) = &self.salt_api else {
            return Ok(None);
        };
        let named = self.salt_api_user.clone().or_else(|| env("SALTAPI_USER"));
        let user = named.or_else(|| env("SUDO_USER")).or_else(|| env("USER"));
        let Some(user) = user else {
            return Err(Error::new(Kind::Usage, "who are we to salt-api?")
                .hint("name the user with --salt-api-user or SALTAPI_USER"));
        };
        let eauth = self.salt_api_eauth.clone().or_else(|| env("SALTAPI_EAUTH"));
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        Ok(Some(Settings {
            url: checked(url)?,
            user,
            eauth: eauth.unwrap_or_else(|| "pam".into()),
            password_file: self.salt_api_password_file.as_ref().map(absolute),
            ca: self.salt_api_ca.as_ref().map(absolute),
        }))
    }
}

impl Settings {
    /// The host of its URL: minions may know the master by it, too.
    pub(super) fn host(&self) -> String {
        let url = Url::parse(&self.url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        host.to_owned()
    }

    /// Our password: from its file, the environment, or who sits here.
    pub(super) fn password(&self) -> Result<Zeroizing<String>> {
        if let Some(path) = &self.password_file {
            private(path)?;
            return secret::passphrase(Some(path), "");
        }
        if let Ok(password) = std::env::var("SALTAPI_PASS") {
            return Ok(Zeroizing::new(password));
        }
        if !std::io::stdin().is_terminal() {
            let text = format!("no password of {} for {}", self.user, self.url);
            return Err(Error::new(Kind::Usage, text)
                .hint("give it with --salt-api-password-file FILE or in SALTAPI_PASS"));
        }
        secret::passphrase(None, &format!("password of {} for {}", self.user, self.url))
    }
}

/// A URL to which a password may be sent.
fn checked(text: &str) -> Result<String> {
    let wrong = |what: &str| {
        Error::new(Kind::Usage, format!("--salt-api {what}"))
            .hint("such as --salt-api https://salt.example.org:8000")
    };
    // What cannot be parsed may hold a password: it is not repeated.
    let url = Url::parse(text).map_err(|e| wrong("is no URL").because(&e))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not hold a user or a password").hint(
            "everybody on this host sees a command line: --salt-api-user and --salt-api-password-file",
        ));
    }
    let host = url.host_str().unwrap_or_default();
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let here = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if here => {}
        "http" => {
            let text = format!("http would send the password to {host} for everyone to read");
            return Err(Error::new(Kind::Refused, text)
                .hint("name an https URL; rest_cherrypy takes ssl_crt and ssl_key"));
        }
        _ => return Err(wrong("must begin with https://")),
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must end with its path"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A password that others may read is nobody's secret.
fn private(path: &Path) -> Result<()> {
    let mode = std::fs::metadata(path).map_err(|e| {
        let text = format!("cannot read the password in {}", path.display());
        Error::new(Kind::Local, text).because(&e)
    })?;
    if mode.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    let text = format!(
        "others than its owner may read the password in {}",
        path.display()
    );
    Err(Error::new(Kind::Refused, text).hint(format!("chmod 600 {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_to_https_or_stays_on_this_host() {
        for (given, kept) in [
            ("https://m:8000/", "https://m:8000"),
            ("https://m/salt/", "https://m/salt"),
            ("http://127.1.2.3:8000", "http://127.1.2.3:8000"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("http://localhost:8000", "http://localhost:8000"),
        ] {
            assert_eq!(checked(given).unwrap(), kept);
        }
        assert_eq!(checked("http://m:8000").unwrap_err().kind, Kind::Refused);
        for wrong in [
            "m:8000",
            "ftp://m",
            "https://ops:pw@m",
            "https://m?token=1",
            "salt",
        ] {
            let error = checked(wrong).unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{wrong}");
            assert!(!error.to_string().contains("pw"), "{error}");
        }
    }

    #[test]
    fn options_come_before_the_environment() {
        let env = |name: &str| match name {
            "SALTAPI_USER" => Some("envuser".to_owned()),
            "SALTAPI_EAUTH" => Some("file".to_owned()),
            _ => None,
        };
        let mut options = Options::default();
        assert_eq!(options.settings_in(&env).unwrap(), None);
        options.salt_api = Some("https://m".into());
        let settings = options.settings_in(&env).unwrap().unwrap();
        assert_eq!(
            (settings.user.as_str(), settings.eauth.as_str()),
            ("envuser", "file")
        );
        options.salt_api_user = Some("ops".into());
        let settings = options.settings_in(&env).unwrap().unwrap();
        assert_eq!(settings.user, "ops");
        options.salt_api_user = None;
        let nobody = options.settings_in(&|_| None).unwrap_err();
        assert_eq!(nobody.kind, Kind::Usage);
    }

    #[test]
    fn a_password_file_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        std::fs::write(&path, "word\n").unwrap();
        let settings = Settings {
            url: "https://m".into(),
            user: "ops".into(),
            eauth: "pam".into(),
            password_file: Some(path.clone()),
            ca: None,
        };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(settings.password().unwrap_err().kind, Kind::Refused);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(settings.password().unwrap().as_str(), "word");
    }
}

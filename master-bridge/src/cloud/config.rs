//! Which cloud, and as whom: options, `OS_*`, clouds.yaml with secure.yaml.
//!
//! The first that says something counts: `--os-cloud`, `OS_CLOUD`, `OS_AUTH_URL` and its companions (an openrc),
//! and last the one cloud of a clouds.yaml that has only one. What is missing is said here, before anything is
//! sent: the crate below would say something else.

use std::path::{Path, PathBuf};

use clap::Args;
use openstack_sdk::config::{Auth, CloudConfig, ConfigFile};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// Options of every command that needs a cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Cloud")]
pub struct Selection {
    /// The cloud of clouds.yaml [default: OS_CLOUD, or what OS_* say]
    #[arg(long, value_name = "NAME")]
    pub os_cloud: Option<String>,
    /// The region [default: as clouds.yaml or OS_REGION_NAME says]
    #[arg(long, value_name = "NAME")]
    pub os_region_name: Option<String>,
    /// Which addresses of the catalog: public, internal or admin [default: public]
    #[arg(long, value_name = "NAME")]
    pub os_interface: Option<String>,
    /// A file with the certificates of the cloud's authority
    #[arg(long, value_name = "FILE")]
    pub os_cacert: Option<PathBuf>,
}

/// A cloud and how to log in to it. Its secrets do not print.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What to call it.
    pub name: String,
    /// What `openstack_sdk` takes.
    pub config: CloudConfig,
}

impl Settings {
    /// The address of Keystone.
    pub fn auth_url(&self) -> &str {
        let auth = self.config.auth.as_ref();
        auth.and_then(|a| a.auth_url.as_deref()).unwrap_or_default()
    }

    /// Whether we come with an application credential.
    pub fn is_application_credential(&self) -> bool {
        self.config.auth_type.as_deref() == Some(APPLICATION_CREDENTIAL)
    }
}

/// The names that `openstack_sdk` knows the kinds of login by.
const PASSWORD: &str = "v3password";
const TOKEN: &str = "v3token";
const APPLICATION_CREDENTIAL: &str = "v3applicationcredential";

/// The environment and the places of files, so that tests have their own.
struct Places<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    folders: Vec<PathBuf>,
}

impl Selection {
    /// Reads what there is, and checks that nothing is missing.
    pub fn read(&self) -> Result<Settings> {
        let env = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let home = env("HOME").map(|home| Path::new(&home).join(".config"));
        let config = env("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
        let folders = [
            Some(PathBuf::from(".")),
            config.map(|c| c.join("openstack")),
            Some(PathBuf::from("/etc/openstack")),
        ];
        self.read_from(&Places {
            env: &env,
            folders: folders.into_iter().flatten().collect(),
        })
    }

    /// What files in this folder say, without any environment.
    #[cfg(test)]
    pub(super) fn read_in(&self, folder: &Path) -> Result<Settings> {
        self.read_from(&Places {
            env: &|_| None,
            folders: vec![folder.to_owned()],
        })
    }

    fn read_from(&self, places: &Places<'_>) -> Result<Settings> {
        let env = places.env;
        let wanted = self.os_cloud.clone().or_else(|| env("OS_CLOUD"));
        let mut settings = match wanted {
            Some(name) => named(&name, places)?,
            None if env("OS_AUTH_URL").is_some() => Settings {
                name: env("OS_AUTH_URL").unwrap_or_default(),
                config: from_env(env),
            },
            None => only(places)?,
        };
        let config = &mut settings.config;
        if let Some(region) = &self.os_region_name {
            config.region_name = Some(region.clone());
        }
        if let Some(interface) = &self.os_interface {
            config.interface = Some(interface.clone());
        }
        if let Some(path) = &self.os_cacert {
            config.cacert = Some(path.display().to_string());
        }
        // Old openrc files say publicURL.
        config.interface = config
            .interface
            .take()
            .map(|word| word.trim_end_matches("URL").to_owned());
        complete(&mut settings)?;
        Ok(settings)
    }
}

/// The files that make up clouds.yaml: the public clouds, the clouds, their secrets.
fn files(places: &Places<'_>) -> Vec<PathBuf> {
    let first = |names: &[&str]| {
        let paths = places
            .folders
            .iter()
            .flat_map(|f| names.iter().map(move |n| f.join(n)));
        paths.into_iter().find(|path| path.is_file())
    };
    let named = |variables: &[&str]| {
        let path = variables.iter().find_map(|v| (places.env)(v))?;
        Some(PathBuf::from(path))
    };
    let clouds = named(&["OS_CLIENT_CONFIG_FILE", "OS_CLIENT_CONFIG_PATH"]);
    // Secrets lie beside a file that was named.
    let beside = clouds
        .as_deref()
        .and_then(Path::parent)
        .map(|folder| folder.join("secure.yaml"))
        .filter(|path| path.is_file());
    let secure = named(&["OS_CLIENT_SECURE_FILE"]).or(beside);
    [
        named(&["OS_CLIENT_VENDOR_FILE"])
            .or_else(|| first(&["clouds-public.yaml", "clouds-public.yml"])),
        clouds.or_else(|| first(&["clouds.yaml", "clouds.yml"])),
        secure.or_else(|| first(&["secure.yaml", "secure.yml"])),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The file or files as one, and the names of its clouds.
fn load(places: &Places<'_>) -> Result<(ConfigFile, Vec<String>, String)> {
    let files = files(places);
    let shown: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let shown = shown.join(", ");
    let mut builder = ConfigFile::builder();
    for file in &files {
        if !file.is_file() {
            return Err(
                Error::new(Kind::Usage, format!("there is no file {}", file.display()))
                    .hint("OS_CLIENT_CONFIG_FILE names it"),
            );
        }
        builder = builder.add_source(file).map_err(|e| {
            Error::new(Kind::Usage, format!("cannot read {}", file.display())).because(&e)
        })?;
    }
    let config = builder
        .build()
        .map_err(|e| Error::new(Kind::Usage, format!("cannot read {shown}")).because(&e))?;
    let mut names: Vec<String> = config
        .clouds
        .iter()
        .flatten()
        .map(|(n, _)| n.clone())
        .collect();
    names.sort();
    Ok((config, names, shown))
}

fn named(name: &str, places: &Places<'_>) -> Result<Settings> {
    let (file, names, shown) = load(places)?;
    let failed = |text: String| {
        let hint = match names.as_slice() {
            [] => "clouds.yaml is looked for in this folder, in ~/.config/openstack and in /etc/openstack".to_owned(),
            some => format!("it has {}", some.join(", ")),
        };
        Error::new(Kind::Usage, text).hint(hint)
    };
    if !names.iter().any(|n| n == name) {
        let text = if shown.is_empty() {
            format!("no clouds.yaml, so no cloud {name}")
        } else {
            format!("{shown} has no cloud {name}")
        };
        return Err(failed(text));
    }
    let config = file
        .get_cloud_config(name)
        .map_err(|e| Error::new(Kind::Usage, format!("cannot read cloud {name}")).because(&e))?
        .ok_or_else(|| failed(format!("{shown} has no cloud {name}")))?;
    Ok(Settings {
        name: name.to_owned(),
        config,
    })
}

fn only(places: &Places<'_>) -> Result<Settings> {
    let (_, names, shown) = load(places)?;
    match names.as_slice() {
        [one] => named(one, places),
        [] => Err(Error::new(Kind::Usage, "no cloud is named").hint(
            "source an openrc, or write a clouds.yaml and say --os-cloud NAME; `master-bridge sandbox up` makes one to try",
        )),
        many => Err(Error::new(Kind::Usage, format!("{shown} has several clouds"))
            .hint(format!("say --os-cloud and one of {}", many.join(", ")))),
    }
}

/// An openrc's variables. Everything is text here, so an all-digit password stays one.
fn from_env(env: &dyn Fn(&str) -> Option<String>) -> CloudConfig {
    let first = |names: &[&str]| names.iter().find_map(|name| env(&format!("OS_{name}")));
    let secret = |names: &[&str]| first(names).map(SecretString::from);
    let auth = Auth {
        auth_url: first(&["AUTH_URL"]),
        token: secret(&["TOKEN", "AUTH_TOKEN"]),
        username: first(&["USERNAME"]),
        user_id: first(&["USER_ID"]),
        user_domain_name: first(&["USER_DOMAIN_NAME", "DEFAULT_DOMAIN_NAME"]),
        user_domain_id: first(&["USER_DOMAIN_ID", "DEFAULT_DOMAIN_ID", "DEFAULT_DOMAIN"]),
        password: secret(&["PASSWORD"]),
        project_id: first(&["PROJECT_ID", "TENANT_ID"]),
        project_name: first(&["PROJECT_NAME", "TENANT_NAME"]),
        project_domain_id: first(&["PROJECT_DOMAIN_ID", "DEFAULT_DOMAIN_ID", "DEFAULT_DOMAIN"]),
        project_domain_name: first(&["PROJECT_DOMAIN_NAME", "DEFAULT_DOMAIN_NAME"]),
        application_credential_id: first(&["APPLICATION_CREDENTIAL_ID"]),
        application_credential_name: first(&["APPLICATION_CREDENTIAL_NAME"]),
        application_credential_secret: secret(&["APPLICATION_CREDENTIAL_SECRET"]),
        ..Auth::default()
    };
    CloudConfig {
        auth: Some(auth),
        auth_type: first(&["AUTH_TYPE"]),
        region_name: first(&["REGION_NAME"]),
        interface: first(&["INTERFACE", "ENDPOINT_TYPE"]).or_else(|| Some("public".into())),
        cacert: first(&["CACERT"]),
        ..CloudConfig::default()
    }
}

/// Says what is missing, and settles the kind of login.
fn complete(settings: &mut Settings) -> Result<()> {
    let name = settings.name.clone();
    let config = &mut settings.config;
    let auth = config.auth.get_or_insert_default();
    let missing = |what: &str| {
        Error::new(Kind::Usage, format!("cloud {name} has no {what}"))
            .hint("it stands below `auth` in clouds.yaml, or in a variable that begins with OS_")
    };
    if auth.auth_url.is_none() {
        return Err(missing("auth_url"));
    }
    let kind = match config.auth_type.as_deref() {
        Some("password" | "v3password") => PASSWORD,
        Some("token" | "v3token") => TOKEN,
        Some("v3applicationcredential" | "applicationcredential" | "application_credential") => {
            APPLICATION_CREDENTIAL
        }
        Some(other) => {
            let text = format!("cloud {name}: auth_type {other} is not supported");
            return Err(Error::new(Kind::Usage, text)
                .hint("password, token and v3applicationcredential are"));
        }
        None if auth.application_credential_secret.is_some() => APPLICATION_CREDENTIAL,
        None if auth.token.is_some() && auth.password.is_none() => TOKEN,
        None => PASSWORD,
    };
    let user_domain = auth.user_domain_id.is_some() || auth.user_domain_name.is_some();
    let domain_of_user = "user_domain_name (or user_domain_id)";
    match kind {
        PASSWORD => {
            if auth.username.is_none() && auth.user_id.is_none() {
                return Err(missing("username (or user_id)"));
            }
            if auth.user_id.is_none() && !user_domain {
                return Err(missing(domain_of_user));
            }
            if auth.password.is_none() {
                return Err(missing("password"));
            }
        }
        TOKEN if auth.token.is_none() => return Err(missing("token")),
        TOKEN => {}
        _ => {
            if auth.application_credential_secret.is_none() {
                return Err(missing("application_credential_secret"));
            }
            if auth.application_credential_id.is_none() {
                if auth.application_credential_name.is_none() {
                    return Err(missing("application_credential_id (or _name)"));
                }
                if auth.user_id.is_none() && auth.username.is_none() {
                    return Err(missing(
                        "username (or user_id) beside application_credential_name",
                    ));
                }
                if auth.user_id.is_none() && !user_domain {
                    return Err(missing(domain_of_user));
                }
            }
            // The credential belongs to one project; Keystone refuses a wish for one.
            auth.project_id = None;
            auth.project_name = None;
            auth.project_domain_id = None;
            auth.project_domain_name = None;
        }
    }
    if kind != APPLICATION_CREDENTIAL {
        if auth.project_id.is_none() && auth.project_name.is_none() {
            return Err(missing("project_name (or project_id)"));
        }
        let domain = auth.project_domain_id.is_some() || auth.project_domain_name.is_some();
        if auth.project_id.is_none() && !domain {
            return Err(missing("project_domain_name (or project_domain_id)"));
        }
    }
    config.auth_type = Some(kind.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;

    use secrecy::ExposeSecret as _;

    use super::*;

    const CLOUDS: &str = "
clouds:
  One.a:
    auth: {auth_url: http://k/v3, username: u, user_domain_name: d, project_name: p, project_domain_name: d}
    region_name: R
  two:
    auth_type: application_credential
    auth: {auth_url: http://k, application_credential_id: i, project_name: left-over}
";
    const SECURE: &str = "
clouds:
  One.a: {auth: {password: 123456}}
  two: {auth: {application_credential_secret: s}}
";

    fn read(selection: &Selection, env: &[(&str, &str)], folder: &Path) -> Result<Settings> {
        let env: HashMap<&str, &str> = env.iter().copied().collect();
        selection.read_from(&Places {
            env: &|name| env.get(name).map(|v| (*v).to_owned()),
            folders: vec![folder.to_owned()],
        })
    }

    fn cloud(name: &str) -> Selection {
        Selection {
            os_cloud: Some(name.into()),
            ..Selection::default()
        }
    }

    fn folder(clouds: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("clouds.yaml"), clouds).unwrap();
        fs::write(dir.path().join("secure.yaml"), SECURE).unwrap();
        dir
    }

    #[test]
    fn secrets_join_their_clouds_and_the_kind_is_found_out() {
        let dir = folder(CLOUDS);
        let one = read(&cloud("One.a"), &[], dir.path()).unwrap();
        assert_eq!(one.config.auth_type.as_deref(), Some(PASSWORD));
        assert_eq!(one.config.region_name.as_deref(), Some("R"));
        let auth = one.config.auth.unwrap();
        assert_eq!(auth.password.unwrap().expose_secret(), "123456");
        let two = read(&Selection::default(), &[("OS_CLOUD", "two")], dir.path()).unwrap();
        assert!(two.is_application_credential());
        assert!(two.config.auth.as_ref().unwrap().project_name.is_none());
        assert!(!format!("{two:?}").contains("\"s\""));
    }

    #[test]
    fn an_openrc_is_enough() {
        let dir = tempfile::tempdir().unwrap();
        let mut env = vec![
            ("OS_AUTH_URL", "http://k:5000"),
            ("OS_USERNAME", "u"),
            ("OS_PASSWORD", "000123"),
            ("OS_USER_DOMAIN_NAME", "d"),
            ("OS_TENANT_NAME", "p"),
            ("OS_PROJECT_DOMAIN_ID", "default"),
            ("OS_ENDPOINT_TYPE", "internalURL"),
        ];
        let settings = read(&Selection::default(), &env, dir.path()).unwrap();
        let auth = settings.config.auth.clone().unwrap();
        assert_eq!(auth.password.unwrap().expose_secret(), "000123");
        assert_eq!(settings.config.interface.as_deref(), Some("internal"));
        env.remove(2);
        let error = read(&Selection::default(), &env, dir.path()).unwrap_err();
        assert!(error.message.ends_with("has no password"), "{error}");
        env.push(("OS_TOKEN", "t"));
        let settings = read(&Selection::default(), &env, dir.path()).unwrap();
        assert_eq!(settings.config.auth_type.as_deref(), Some(TOKEN));
    }

    #[test]
    fn mistakes_name_what_there_is() {
        let dir = folder(CLOUDS);
        let hint = |result: Result<Settings>| result.unwrap_err().hint.unwrap();
        assert!(hint(read(&cloud("none"), &[], dir.path())).contains("One.a, two"));
        assert!(hint(read(&Selection::default(), &[], dir.path())).contains("One.a, two"));
        let empty = tempfile::tempdir().unwrap();
        assert!(hint(read(&Selection::default(), &[], empty.path())).contains("sandbox"));
        let broken = folder("clouds: [");
        let error = read(&cloud("x"), &[], broken.path()).unwrap_err();
        assert!(error.message.contains("clouds.yaml"), "{error}");
        let file = dir.path().join("clouds.yaml").display().to_string();
        let named = [("OS_CLIENT_CONFIG_FILE", file.as_str())];
        read(&cloud("two"), &named, empty.path()).unwrap();
    }
}

//! `salt://` addresses: path, environment, and the `|` that keeps `?` and `&` from meaning anything.

/// A file on the file server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaltUrl {
    /// The path as the server is asked for it, with its `|` if it has one.
    pub path: String,
    /// The environment that the address names itself.
    pub saltenv: Option<String>,
}

const SCHEME: &str = "salt://";

impl SaltUrl {
    /// Reads an address; `None` when it is not a `salt://` one.
    pub fn parse(url: &str) -> Option<Self> {
        let resource = url.strip_prefix(SCHEME)?;
        let (path, saltenv) = if let Some((path, _)) = resource.split_once("?env=") {
            // The old name of the query is not honoured any more, by Salt either.
            (path, None)
        } else if let Some((path, env)) = resource.split_once("?saltenv=") {
            (path, Some(env.to_owned()))
        } else {
            (resource, None)
        };
        Some(Self {
            path: path.trim_start_matches('/').to_owned(),
            saltenv,
        })
    }

    /// The path without its escape.
    pub fn plain(&self) -> &str {
        self.path.trim_start_matches('|')
    }

    /// Whether the path is escaped.
    pub fn is_escaped(&self) -> bool {
        self.path.starts_with('|')
    }
}

/// The address of a path on the file server.
pub fn create(path: &str) -> String {
    format!("{SCHEME}{path}")
}

/// The scheme of any address; empty for a plain path.
pub fn scheme(url: &str) -> &str {
    match url.split_once("://") {
        Some((scheme, _))
            if !scheme.is_empty()
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')) =>
        {
            scheme
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_address() {
        let url = SaltUrl::parse("salt://a/b?saltenv=dev").unwrap();
        assert_eq!(url.path, "a/b");
        assert_eq!(url.saltenv.as_deref(), Some("dev"));
        let url = SaltUrl::parse("salt:///|odd?name").unwrap();
        assert_eq!((url.path.as_str(), url.plain()), ("|odd?name", "odd?name"));
        assert!(url.is_escaped());
        assert_eq!(SaltUrl::parse("/etc/hosts"), None);
        assert_eq!(SaltUrl::parse("salt://x?env=dev").unwrap().saltenv, None);
        assert_eq!(scheme("https://h/x"), "https");
        assert_eq!(scheme("/srv/x"), "");
    }
}

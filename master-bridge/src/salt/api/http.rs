//! Requests to salt-api: login, calls, the event stream; and what its failures mean.

use std::time::Duration;

use reqwest::header::{HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, StatusCode};
use salt_wire::crypto::Zeroizing;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Settings;
use crate::error::{Error, Kind, Result};

const CONNECT: Duration = Duration::from_secs(10);
/// A wrong password is answered late on purpose.
const LOGIN: Duration = Duration::from_secs(30);
/// A peer that is gone without a word is found out, though a stream may be silent for hours.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// All keys of a large master are a few megabytes.
const MAX_BODY: usize = 256 << 20;

/// A salt-api, and our session with it.
pub(super) struct Http {
    client: Client,
    settings: Settings,
    password: Zeroizing<String>,
    token: Option<HeaderValue>,
}

impl Http {
    /// Logs in.
    pub(super) async fn open(settings: Settings) -> Result<Self> {
        let mut builder = Client::builder()
            .connect_timeout(CONNECT)
            .tcp_keepalive(KEEPALIVE)
            // A connection that was left open may be closed while we write to it, and nobody could say what was done.
            .pool_max_idle_per_host(0)
            // A token belongs to the host that it was got from.
            .redirect(Policy::none());
        if !settings.url.starts_with("https:") {
            // What is in clear stays on this host, whatever proxy the environment names.
            builder = builder.no_proxy();
        }
        if let Some(path) = &settings.ca {
            let failed = || {
                let text = format!("cannot use the certificates in {}", path.display());
                Error::new(Kind::Local, text)
                    .hint("--salt-api-ca takes a file of certificates as PEM")
            };
            let pem = std::fs::read(path).map_err(|e| failed().because(&e))?;
            let certificates =
                Certificate::from_pem_bundle(&pem).map_err(|e| failed().because(&e))?;
            if certificates.is_empty() {
                return Err(failed());
            }
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder
            .build()
            .map_err(|e| Error::new(Kind::Local, "cannot speak HTTPS").because(&e))?;
        let password = settings.password()?;
        let mut http = Self {
            client,
            settings,
            password,
            token: None,
        };
        http.login().await?;
        Ok(http)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    async fn login(&mut self) -> Result<()> {
        let settings = &self.settings;
        let request = self.client.post(self.url("/login")).json(&json!({
            "username": settings.user, "password": self.password.as_str(), "eauth": settings.eauth,
        }));
        let (status, text) = self.send(request, LOGIN).await?;
        if status == StatusCode::UNAUTHORIZED {
            let text = format!(
                "salt-api at {} does not let {} in by {}{}",
                settings.url,
                settings.user,
                settings.eauth,
                said(&text)
            );
            return Err(Error::new(Kind::Permission, text).hint(
                "is the password right, and does `external_auth` of the master's configuration name this user under this eauth?",
            ));
        }
        let answer = self.document(status, &text, "login")?;
        let token = answer["return"][0]["token"].as_str();
        let token = token.and_then(|token| HeaderValue::from_str(token).ok());
        let Some(mut token) = token else {
            return Err(self.no_api("its login gives no token"));
        };
        token.set_sensitive(true);
        self.token = Some(token);
        Ok(())
    }

    /// Does one thing; its return. A token that is no longer known is replaced once.
    pub(super) async fn call(&mut self, low: &Value, within: Duration) -> Result<Value> {
        let what = low["fun"].as_str().unwrap_or_default();
        let mut fresh = false;
        loop {
            let request = self.client.post(self.url("/")).json(low);
            let (status, text) = self.send(request, within).await?;
            if status == StatusCode::UNAUTHORIZED {
                self.again(&mut fresh, what, &text).await?;
                continue;
            }
            let mut answer = self.document(status, &text, what)?;
            return match answer["return"].get_mut(0) {
                Some(first) => Ok(first.take()),
                None => Err(self.no_api("it gives no return")),
            };
        }
    }

    /// Opens the event stream.
    pub(super) async fn events(&mut self) -> Result<Response> {
        let mut fresh = false;
        loop {
            let request = self.client.get(self.url("/events"));
            let mut request = request.header("Accept", "text/event-stream");
            if let Some(token) = &self.token {
                request = request.header("X-Auth-Token", token);
            }
            let sent = timeout(LOGIN, request.send()).await;
            let response = sent
                .map_err(|_| self.silent(LOGIN))?
                .map_err(|e| self.unreachable(&e))?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let text = timeout(LOGIN, self.body(response)).await;
            let text = text.map_err(|_| self.silent(LOGIN))??;
            if status == StatusCode::UNAUTHORIZED {
                self.again(&mut fresh, "events", &text).await?;
                continue;
            }
            return Err(self.failure(status, &text, "events"));
        }
    }

    /// Logs in again, or says that this is not what is missing.
    async fn again(&mut self, fresh: &mut bool, what: &str, text: &str) -> Result<()> {
        if !*fresh {
            *fresh = true;
            return self.login().await;
        }
        let settings = &self.settings;
        let text = format!(
            "salt-api at {} does not let {} use {what}{}",
            settings.url,
            settings.user,
            said(text)
        );
        Err(Error::new(Kind::Permission, text).hint(format!(
            "`external_auth` of the master's configuration says what {} may do: functions for jobs, '@wheel' for keys, '@runner' for runners",
            settings.user
        )))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.url)
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        within: Duration,
    ) -> Result<(StatusCode, String)> {
        let mut request = request.header("Accept", "application/json");
        if let Some(token) = &self.token {
            request = request.header("X-Auth-Token", token);
        }
        let whole = async {
            let response = request.send().await.map_err(|e| self.unreachable(&e))?;
            let status = response.status();
            if status.is_redirection() {
                let to = response.headers().get(LOCATION);
                let to = to.and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
                return Err(self.no_api(&format!("it leads to {to}")));
            }
            Ok((status, self.body(response).await?))
        };
        let sent = timeout(within, whole).await;
        sent.map_err(|_| self.silent(within))?
    }

    async fn body(&self, mut response: Response) -> Result<String> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_BODY {
                return Err(self.no_api("its answer does not end"));
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn document(&self, status: StatusCode, text: &str, what: &str) -> Result<Value> {
        if !status.is_success() {
            return Err(self.failure(status, text, what));
        }
        serde_json::from_str(text).map_err(|e| self.no_api("its answer is no JSON").because(&e))
    }

    fn failure(&self, status: StatusCode, text: &str, what: &str) -> Error {
        let Settings { url, user, .. } = &self.settings;
        let said = said(text);
        match status.as_u16() {
            400 if said.contains("netapi_enable_clients") => Error::new(
                Kind::Permission,
                format!("salt-api at {url} does not do what {what} needs{said}"),
            )
            .hint("the master's configuration needs netapi_enable_clients: [local_async, runner_async, wheel]; then restart salt-api"),
            403 => Error::new(
                Kind::Permission,
                format!("salt-api at {url} refuses {user} from this address (403){said}"),
            )
            .hint("`api_acl` in its configuration, or a proxy before it, names who may come"),
            404 | 405 => self.no_api(&format!("it knows no such page ({status})")),
            502..=504 => Error::new(
                Kind::Unreachable,
                format!("salt-api at {url} does not reach its master ({status}){said}"),
            )
            .hint("see that salt-master runs beside it"),
            _ => Error::new(
                Kind::Failed,
                format!("salt-api at {url} failed in {what} ({status}){said}"),
            )
            .hint("its log on the master (salt-api -l info) has the reason"),
        }
    }

    fn no_api(&self, why: &str) -> Error {
        let text = format!("there is no salt-api at {}: {why}", self.settings.url);
        Error::new(Kind::Unreachable, text).hint(
            "name the URL where rest_cherrypy answers `GET /` with Welcome; rest_tornado knows no keys and will not do",
        )
    }

    fn silent(&self, within: Duration) -> Error {
        let text = format!(
            "salt-api at {} did not answer within {} s",
            self.settings.url,
            within.as_secs()
        );
        Error::new(Kind::Unreachable, text)
            .hint("see that its salt-master runs, and what it is busy with")
    }

    /// What the network says. The URL is named once, by us.
    fn unreachable(&self, cause: &reqwest::Error) -> Error {
        let text = format!("cannot reach salt-api at {}", self.settings.url);
        let error = Error::new(Kind::Unreachable, text).because(cause);
        let certificate = error.causes.iter().any(|c| c.contains("certificate"));
        error.hint(if certificate {
            "--salt-api-ca FILE names the certificates that it is believed by"
        } else {
            "see that salt-api runs there, and that this host may reach its port"
        })
    }
}

/// What an error page says, in its first paragraph; our own punctuation before it.
fn said(page: &str) -> String {
    let words = match page.split_once("<p>") {
        Some((_, rest)) => rest.split("</p>").next().unwrap_or_default(),
        None => "",
    };
    match words.split_whitespace().collect::<Vec<_>>().join(" ") {
        nothing if nothing.is_empty() => nothing,
        words => format!(": {}", words.chars().take(300).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_is_its_first_paragraph() {
        let page = "<html><h2>400 Bad Request</h2>\n<p>Client disabled:\n 'wheel'.</p><pre>Traceback</pre>";
        assert_eq!(said(page), ": Client disabled: 'wheel'.");
        assert_eq!(said("{\"status\":500}"), "");
        assert_eq!(said("<p></p>"), "");
    }
}

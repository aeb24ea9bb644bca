//! `http`: requests to web servers, and what they answer.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use salt_wire::{Map, Value};

use super::{Function, clean, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::fileclient::FileClient;
use crate::grains::SALT_VERSION;
use crate::host::fs::rewrite;
use crate::host::http::{self, Manner, Request};
use crate::render;

/// The rows of `http`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "http.query",
        "url, **kwargs",
        |ctx, args| query(ctx, &args.text("url")?, &clean(&args.extra)),
        "Send a request; the answer has its body, and on wish status, headers, text, and what JSON or YAML in it says.",
        "salt '*' http.query http://somelink.com/\n    salt '*' http.query http://somelink.com/ method=POST data='<xml>somecontent</xml>'"
    ),
    row!(
        "http.wait_for_successful_query",
        "url, wait_for=300, **kwargs",
        wait_for,
        "Send a request again and again until it succeeds or the time is over.",
        "salt '*' http.wait_for_successful_query http://somelink.com/ wait_for=160 request_interval=1"
    ),
];

/// What this agent leaves to Salt's own Python.
const UNSUPPORTED: &[&str] = &[
    "cert",
    "cookies",
    "data_render",
    "formdata",
    "handle",
    "header_file",
    "header_render",
    "persist_session",
    "stream",
];

/// Most bytes of an answer, as Salt's `http_max_body` has it.
const MAX_BODY: u64 = 100 << 30;

/// Most bytes of an answer that are kept in memory.
const LIMIT: u64 = 256 << 20;

/// The arguments of one request.
struct Asked<'a> {
    ctx: &'a Context,
    given: &'a Map,
}

impl Asked<'_> {
    fn flag(&self, name: &str) -> bool {
        self.given.get(name) == Some(&Value::Bool(true))
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = self.given.get(name).filter(|v| !v.is_null());
        value.map(python::text)
    }

    fn option(&self, name: &str) -> Option<&Value> {
        self.ctx.settings.opts.get(name).filter(|v| !v.is_null())
    }

    fn seconds(&self, name: &str, default: f64) -> Duration {
        let value = self.option(name).and_then(Value::as_float);
        let seconds = value.unwrap_or(default).clamp(0.001, 86_400.0);
        Duration::from_secs_f64(seconds)
    }

    fn manner(&self) -> Manner {
        let verify = self.given.get("verify_ssl").filter(|v| !v.is_null());
        let verify = verify.or_else(|| self.option("verify_ssl"));
        let bundle = self.text("ca_bundle");
        Manner {
            timeout: self.seconds("http_request_timeout", 3600.0),
            proxy: false,
            verify: verify.is_none_or(Value::is_truthy),
            redirects: 5,
            bundle: bundle.or_else(|| self.option("ca_bundle").map(python::text)),
        }
    }

    /// What is sent along: text, a map as a form, or a file.
    fn body(&self) -> Result<Vec<u8>> {
        if let Some(file) = self.text("data_file") {
            let files = FileClient::new(self.ctx);
            let found = match file.strip_prefix("salt://") {
                Some(_) => files
                    .cache_file(&file, "base", None)
                    .map_err(|e| Error::execution(e.to_string()))?,
                None => Some(Path::new(&file).to_path_buf()),
            };
            let path = found.unwrap_or_default();
            return std::fs::read(&path).map_err(|e| Error::execution(python::os_error(&path, &e)));
        }
        Ok(match self.given.get("data") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Map(form)) => form_of(form).into_bytes(),
            Some(Value::Bytes(bytes)) => bytes.clone(),
            Some(other) => python::text(other).into_bytes(),
        })
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: String| {
            all.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
            all.push((name.to_owned(), value));
        };
        if let Some(Value::Map(headers)) = self.given.get("header_dict") {
            for (name, value) in headers {
                add(&python::text(name), python::text(value));
            }
        }
        for line in self
            .given
            .get("header_list")
            .and_then(Value::as_list)
            .unwrap_or_default()
        {
            let line = python::text(line);
            let mut parts = line.split(':');
            if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                add(name.trim(), value.trim().to_owned());
            }
        }
        let agent = self
            .text("agent")
            .unwrap_or_else(|| format!("Salt/{SALT_VERSION}"));
        let agent = if self.given.contains_key("agent") {
            agent
        } else {
            format!("{agent} http.query()")
        };
        add("User-agent", agent);
        let login = match self.given.get("auth") {
            Some(Value::List(pair)) if pair.len() == 2 => {
                Some((python::text(&pair[0]), python::text(&pair[1])))
            }
            _ => self.text("username").zip(self.text("password")),
        };
        if let Some((name, password)) = login {
            let packed = STANDARD.encode(format!("{name}:{password}"));
            add("Authorization", format!("Basic {packed}"));
        }
        all
    }
}

/// A map as a form's text.
fn form_of(map: &Map) -> String {
    let word = |value: &Value| {
        let mut out = String::new();
        for byte in python::text(value).bytes() {
            match byte {
                b' ' => out.push('+'),
                b if b.is_ascii_alphanumeric() || b"_.-~".contains(&b) => out.push(char::from(b)),
                b => out.push_str(&format!("%{b:02X}")),
            }
        }
        out
    };
    let pairs = map.iter().map(|(k, v)| format!("{}={}", word(k), word(v)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A header's name as Python's libraries write it.
fn titled(name: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

fn query(ctx: &Context, url: &str, given: &Map) -> Result {
    for name in UNSUPPORTED {
        if given.get(*name).is_some_and(Value::is_truthy) {
            return Err(Error::execution(format!(
                "The argument '{name}' of http.query is not supported by this agent"
            )));
        }
    }
    let asked = Asked { ctx, given };
    let mut ret = Map::new();
    let mut url = url.to_owned();
    if let Some(Value::Map(params)) = given.get("params").filter(|p| p.is_truthy()) {
        let mark = if url.contains('?') { '&' } else { '?' };
        url = format!("{url}{mark}{}", form_of(params));
    }
    if asked.flag("test") {
        match asked.text("test_url") {
            None => return Ok(ret.into()),
            Some(_) => drop(ret.insert("test".into(), true.into())),
        }
    }
    let request = Request {
        method: asked.text("method").unwrap_or_else(|| "GET".to_owned()),
        url,
        headers: asked.headers(),
        body: asked.body()?,
    };
    let answer = match http::send(&http::agent(&asked.manner()), &request) {
        Ok(answer) => answer,
        Err(error) => {
            if asked.flag("status") {
                ret.insert("status".into(), 0.into());
            }
            ret.insert("error".into(), told(&error).into());
            return Ok(ret.into());
        }
    };
    let (status, reason) = (answer.status, answer.reason());
    let headers: Map = answer
        .headers
        .iter()
        .map(|(name, value)| (titled(name).into(), value.as_str().into()))
        .collect();
    let limit = asked.option("http_max_body").and_then(Value::as_int);
    let limit = limit
        .and_then(|l| u64::try_from(l).ok())
        .unwrap_or(MAX_BODY)
        .min(LIMIT);
    let bytes = answer
        .bytes(limit)
        .map_err(|e| Error::execution(e.to_string()))?;
    let kind = headers
        .get("Content-Type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let keep = given.get("decode_body").is_some_and(|v| !v.is_truthy());
    let body = if keep {
        Value::Bytes(bytes)
    } else {
        text_of(bytes, kind)?
    };
    let raise = given.get("raise_error").is_none_or(Value::is_truthy);
    if raise && !(200..300).contains(&status) {
        ret.insert("status".into(), i64::from(status).into());
        ret.insert("error".into(), format!("HTTP {status}: {reason}").into());
        ret.insert("body".into(), body);
        return Ok(ret.into());
    }
    let text = python::text(&body);
    ret.insert("body".into(), body.clone());
    write(&asked, "text_out", &text)?;
    if asked.flag("status") {
        ret.insert("status".into(), i64::from(status).into());
    }
    if asked.flag("headers") {
        ret.insert("headers".into(), headers.clone().into());
    }
    let mut shown = asked.flag("text");
    if asked.flag("decode") {
        let wanted = asked
            .text("decode_type")
            .unwrap_or_else(|| "auto".to_owned());
        // Salt asks for the lower-case name, which Python's headers find whatever its case.
        let kind = if kind.is_empty() {
            "application/json"
        } else {
            kind
        };
        let wanted = match wanted.as_str() {
            "auto" if kind.contains("xml") => "xml",
            "auto" if kind.contains("json") => "json",
            "auto" if kind.contains("yaml") => "yaml",
            "auto" => "plain",
            other => other,
        };
        match wanted {
            "json" => drop(ret.insert("dict".into(), json(&text)?)),
            "yaml" => {
                let data = salt_yaml::load(&text).map_err(|e| Error::execution(e.to_string()))?;
                ret.insert("dict".into(), data);
            }
            "plain" => shown = true,
            "xml" => {
                return Err(Error::execution(
                    "decode_type 'xml' of http.query is not supported by this agent",
                ));
            }
            _ => {
                let text = "Invalid decode_type specified. Valid decode types are: ('json', 'xml', 'yaml', 'plain')";
                ret.insert("error".into(), text.into());
                return Ok(ret.into());
            }
        }
        write(&asked, "decode_out", &text)?;
    }
    if shown {
        ret.insert("text".into(), body);
    }
    Ok(ret.into())
}

/// A failure to reach a server, as Python's sockets word it where the kernel says why.
fn told(error: &str) -> String {
    for (words, python) in [
        ("Connection refused", "[Errno 111] Connection refused"),
        ("No route to host", "[Errno 113] No route to host"),
        (
            "Network is unreachable",
            "[Errno 101] Network is unreachable",
        ),
    ] {
        if error.contains(words) {
            return python.to_owned();
        }
    }
    error.to_owned()
}

fn text_of(bytes: Vec<u8>, kind: &str) -> Result {
    let charset = kind
        .split("charset=")
        .nth(1)
        .unwrap_or_default()
        .to_lowercase();
    if kind.starts_with("text/") && charset.starts_with("iso-8859-1") {
        return Ok(bytes.into_iter().map(char::from).collect::<String>().into());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(at).copied().unwrap_or_default();
            Err(Error::execution(format!(
                "'utf-8' codec can't decode byte 0x{byte:02x} in position {at}: invalid start byte"
            )))
        }
    }
}

fn json(text: &str) -> Result {
    render::json(text).map_err(|e| Error::execution(e.to_string()))
}

fn write(asked: &Asked<'_>, name: &str, text: &str) -> Result<()> {
    let Some(file) = asked.text(name) else {
        return Ok(());
    };
    let path = Path::new(&file);
    rewrite(path, text.as_bytes(), 0o644).map_err(|e| Error::execution(python::os_error(path, &e)))
}

fn wait_for(ctx: &Context, args: &Args) -> Result {
    let (url, given) = (args.text("url")?, clean(&args.extra));
    let seconds = |value: Option<&Value>| {
        let number = value.and_then(Value::as_float).unwrap_or_default();
        Duration::from_secs_f64(number.clamp(0.0, 86_400.0))
    };
    let end = Instant::now() + seconds(Some(args.get("wait_for")));
    // Without an interval Salt asks as fast as it can; nobody is helped by more than ten times a second.
    let pause = seconds(given.get("request_interval")).max(Duration::from_millis(100));
    loop {
        let result = query(ctx, &url, &given);
        let fine = |value: &Value| {
            let wrong = |key: &str| value.get(key).is_some_and(Value::is_truthy);
            !wrong("Error") && !wrong("error")
        };
        if result.as_ref().is_ok_and(fine) || Instant::now() > end {
            return result;
        }
        if ctx.job.cancel.sleep(pause) {
            return Err(Error::execution("The job was stopped"));
        }
    }
}

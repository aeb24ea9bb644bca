//! `http`: what a web server answers, looked at.

use std::time::{Duration, Instant};

use salt_wire::{Map, Value};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::targeting::pcre;

/// The rows of `http`.
pub const STATES: &[State] = &[
    State {
        name: "http.query",
        signature: "name, match=None, match_type='string', status=None, status_type='string', wait_for=None, **kwargs",
        doc: "Send a request and look for a text or a status in the answer.",
        run: query,
    },
    State {
        name: "http.wait_for_successful_query",
        signature: "name, wait_for=300, **kwargs",
        doc: "Send a request until the answer has the text or status, or the time is over.",
        run: wait_for,
    },
];

type Done = Result<Outcome, Error>;

fn query(ctx: &Context, run: &Run<'_>) -> Done {
    let wait = Some(run.args.get("wait_for")).filter(|w| w.is_truthy());
    asked(ctx, run, &run.args.extra, |name| run.args.get(name), wait)
}

fn found(pattern: &str, text: &str) -> bool {
    pcre::compile(pattern).is_some_and(|p| p.is_match(text).unwrap_or_default())
}

/// One request, and what it has to be.
fn asked<'a>(
    ctx: &Context,
    run: &Run<'_>,
    extra: &Map,
    of: impl Fn(&str) -> &'a Value,
    wait: Option<&Value>,
) -> Done {
    let (wanted, status) = (of("match"), of("status"));
    if wanted.is_null() && status.is_null() {
        let mut out =
            Outcome::failed(" Either match text (match) or a status code (status) is required.");
        out.extra.insert("data".into(), Map::new().into());
        return Ok(out);
    }
    let mut kwargs = extra.clone();
    kwargs.entry("decode".into()).or_insert(false.into());
    for key in ["text", "status"] {
        kwargs.insert(key.into(), true.into());
    }
    if run.test {
        kwargs.insert("test".into(), true.into());
    }
    let function = match wait {
        Some(seconds) => {
            kwargs.insert("wait_for".into(), seconds.clone());
            "http.wait_for_successful_query"
        }
        None => "http.query",
    };
    let url = run.args.text("name")?;
    let data = ctx.call(function, &[url.into()], &kwargs)?;
    let part = |key: &str| data.get(key).map(python::text).unwrap_or_default();
    let kind = |name: &str| match of(name) {
        Value::Null => "string".to_owned(),
        other => python::text(other),
    };
    let (mut result, mut comments) = (None, Vec::new());
    if !wanted.is_null() {
        let text = python::text(wanted);
        let (what, is) = match kind("match_type").as_str() {
            "string" => ("text", Some(part("text").contains(&text))),
            "pcre" => ("pattern", Some(found(&text, &part("text")))),
            _ => ("", None),
        };
        if let Some(is) = is {
            let not = if is { "" } else { "not " };
            comments.push(format!("Match {what} \"{text}\" was {not}found."));
            result = Some(is);
        }
    }
    let mut judged = |is: bool, shown: String| {
        let not = if is { "" } else { "not " };
        comments.push(format!("{shown} was {not}found."));
        if !is {
            result = Some(false);
        } else if result.is_none() {
            result = Some(true);
        }
    };
    if !status.is_null() {
        let (now, text) = (part("status"), python::text(status));
        match (kind("status_type").as_str(), status) {
            ("list", Value::List(list)) => {
                for one in list.iter().map(python::text).filter(|one| *one == now) {
                    judged(true, format!("Status {one}"));
                }
                if result != Some(true) {
                    comments.push(format!("Statuses {text} were not found."));
                    result = Some(false);
                }
            }
            ("pcre", _) => judged(found(&text, &now), format!("Status pattern \"{text}\"")),
            ("string", _) => judged(now == text, format!("Status {text}")),
            _ => {}
        }
    }
    let mut comment = comments.join(" ");
    if run.test {
        result = None;
        comment += " (TEST MODE";
        if let Some(url) = extra.get("test_url") {
            comment += &format!(", TEST URL WAS: {}", python::text(url));
        }
        comment += ")";
    }
    let mut out = Outcome {
        result,
        comment,
        ..Outcome::default()
    };
    out.extra.insert("data".into(), data);
    Ok(out)
}

fn wait_for(ctx: &Context, run: &Run<'_>) -> Done {
    let own = ["match", "match_type", "status", "status_type"];
    let mut extra = run.args.extra.clone();
    extra.retain(|key, _| !key.as_str().is_some_and(|k| own.contains(&k)));
    let seconds = |value: &Value| {
        let number = value.as_float().unwrap_or_default();
        Duration::from_secs_f64(number.clamp(0.0, 86_400.0))
    };
    let end = Instant::now() + seconds(run.args.get("wait_for"));
    // Without an interval Salt asks as fast as it can; nobody is helped by more than ten times a second.
    let pause = seconds(run.args.get("request_interval")).max(Duration::from_millis(100));
    loop {
        let result = asked(ctx, run, &extra, |name| run.args.get(name), None);
        let fine = result.as_ref().is_ok_and(|out| out.result == Some(true));
        if fine || Instant::now() > end {
            return result;
        }
        if ctx.job.cancel.sleep(pause) {
            return Err(Error::execution("The job was stopped"));
        }
    }
}

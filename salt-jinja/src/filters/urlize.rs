//! `urlize`: addresses in text as links.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use fancy_regex::Regex;

use super::html::escape;
use super::{Filter, flag};
use crate::error::{Error, ErrorKind};
use crate::python::quote;
use crate::value::Val;
use crate::value::repr::str;

pub(super) const FILTERS: &[(&str, Filter)] = &[("urlize", |interp, v, a| {
    let [trim, nofollow, target, rel, schemes] = a.bind(
        "do_urlize",
        [
            "trim_url_limit",
            "nofollow",
            "target",
            "rel",
            "extra_schemes",
        ],
    )?;
    let given = |value: Option<Val>| match value {
        None | Some(Val::None) => Ok(None),
        Some(value) => str(&value).map(Some),
    };
    let rel = given(rel)?.unwrap_or_default();
    let mut words: BTreeSet<&str> = rel.split_whitespace().collect();
    words.insert("noopener");
    if flag(nofollow)? {
        words.insert("nofollow");
    }
    let rel: Vec<_> = words.into_iter().collect();
    let mut attributes = format!(" rel=\"{}\"", escape(&rel.join(" ")));
    if let Some(target) = given(target)?.filter(|t| !t.is_empty()) {
        attributes.push_str(&format!(" target=\"{}\"", escape(&target)));
    }
    let mut extra = Vec::new();
    if let Some(schemes) = schemes.filter(|s| !matches!(s, Val::None)) {
        for scheme in schemes.iterate()? {
            let scheme = str(&scheme)?;
            if !matches(&SCHEME, &scheme) {
                return Err(Error::new(
                    ErrorKind::FilterArgument,
                    format!("{} is not a valid URI scheme prefix.", quote(&scheme)),
                ));
            }
            extra.push(scheme);
        }
    }
    let links = Links {
        trim: trim
            .and_then(|t| t.as_index())
            .map(|n| usize::try_from(n).unwrap_or(0)),
        attributes,
        extra,
    };
    let text = match &v {
        Val::Str(t) if t.markup => t.text.to_string(),
        other => escape(&str(other)?),
    };
    let linked = links.text(&text);
    Ok(if interp.escapes() {
        Val::markup(&linked)
    } else {
        linked.into()
    })
})];

/// How links are written.
struct Links {
    trim: Option<usize>,
    attributes: String,
    extra: Vec<String>,
}

#[expect(clippy::expect_used, reason = "the patterns are constants, and tested")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

static HTTP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^((https?://|www\.)(([\w%-]+\.)+)?([a-z]{2,63}|xn--[\w%]{2,59})",
        r"|([\w%-]{2,63}\.)+(com|net|int|edu|gov|org|info|mil)",
        r"|(https?://)((([\d]{1,3})(\.[\d]{1,3}){3})|(\[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}\])))",
        r"(?::[\d]{1,5})?(?:[/?#]\S*)?$"
    ))
});
static EMAIL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\S+@\w[\w.-]*\.\w+$"));
static SCHEME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^([\w.+-]{2,}:(/){0,2})$"));
static HEAD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^([(<]|&lt;)+"));
static TAIL: LazyLock<Regex> = LazyLock::new(|| pattern(r"([)>.,\n]|&gt;)+$"));

fn matches(regex: &Regex, text: &str) -> bool {
    regex.is_match(text).unwrap_or(false)
}

impl Links {
    fn text(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            out.push_str(&self.word(&rest[..end]));
            rest = &rest[end..];
            let blanks = rest
                .find(|c: char| !c.is_whitespace())
                .unwrap_or(rest.len());
            out.push_str(&rest[..blanks]);
            rest = &rest[blanks..];
        }
        out
    }

    fn word(&self, word: &str) -> String {
        let found =
            |regex: &Regex, text: &str| regex.find(text).ok().flatten().map(|m| m.start()..m.end());
        let head = found(&HEAD, word).map_or(0, |m| m.end);
        let (head, body) = word.split_at(head);
        let cut = found(&TAIL, body).map_or(body.len(), |m| m.start);
        let (middle, tail) = body.split_at(cut);
        let (mut middle, mut tail) = (middle.to_owned(), tail);
        // A bracket that is open in the address is closed in it.
        for (open, close) in [("(", ")"), ("<", ">"), ("&lt;", "&gt;")] {
            let opened = middle.matches(open).count();
            if opened <= middle.matches(close).count() {
                continue;
            }
            for _ in 0..opened.min(tail.matches(close).count()) {
                let end = tail.find(close).map_or(tail.len(), |at| at + close.len());
                middle.push_str(&tail[..end]);
                tail = &tail[end..];
            }
        }
        format!("{head}{}{tail}", self.link(middle))
    }

    fn link(&self, middle: String) -> String {
        let shown = |text: &str| match self.trim {
            Some(limit) if text.chars().count() > limit => {
                format!("{}...", text.chars().take(limit).collect::<String>())
            }
            _ => text.to_owned(),
        };
        let attributes = &self.attributes;
        if matches(&HTTP, &middle) {
            let scheme = if middle.starts_with("https://") || middle.starts_with("http://") {
                ""
            } else {
                "https://"
            };
            return format!(
                "<a href=\"{scheme}{middle}\"{attributes}>{}</a>",
                shown(&middle)
            );
        }
        if let Some(mail) = middle.strip_prefix("mailto:")
            && matches(&EMAIL, mail)
        {
            return format!("<a href=\"{middle}\">{mail}</a>");
        }
        if middle.contains('@')
            && !middle.starts_with("www.")
            && !middle.starts_with('@')
            && !middle.contains(':')
            && matches(&EMAIL, &middle)
        {
            return format!("<a href=\"mailto:{middle}\">{middle}</a>");
        }
        let mut linked = middle;
        for scheme in &self.extra {
            if linked != *scheme && linked.starts_with(scheme) {
                linked = format!("<a href=\"{linked}\"{attributes}>{linked}</a>");
            }
        }
        linked
    }
}

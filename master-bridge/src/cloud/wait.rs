//! Waiting for something that takes time: looks again and again until it is there, has failed, or is too late.

use std::future::Future;
use std::time::{Duration, Instant};

use super::{Fault, Result};
use crate::error::{self, Error, Kind};
use crate::progress::short;

/// Between looks: soon at first, for what is quick, then more rarely.
const FIRST: Duration = Duration::from_millis(200);
const MOST: Duration = Duration::from_secs(5);
/// A "not found" in the middle may be a balancer or a moment without discovery: only several in a row count.
const GONE: u32 = 3;

/// What a look says.
pub enum Look<T> {
    /// Not yet; the word is for whoever watches.
    NotYet(String),
    /// There it is.
    There(T),
    /// It will never be.
    Never(Error),
}

/// Looks until it is there. `what` is a sentence's subject, such as `server app2`.
pub async fn until<T, F>(
    what: &str,
    within: Duration,
    tell: &mut dyn FnMut(&str),
    mut look: impl FnMut() -> F,
) -> error::Result<T>
where
    F: Future<Output = Result<Look<T>>>,
{
    let start = Instant::now();
    let (mut delay, mut gone, mut last) = (FIRST, 0, String::new());
    loop {
        let trouble = match look().await {
            Ok(Look::There(found)) => return Ok(found),
            Ok(Look::Never(error)) => return Err(error),
            Ok(Look::NotYet(word)) => {
                gone = 0;
                if word != last {
                    tell(&word);
                    last = word;
                }
                None
            }
            Err(fault) if fault.is_not_found() && gone + 1 < GONE => {
                gone += 1;
                Some(fault)
            }
            Err(fault) if fault.is_transient() => Some(fault),
            Err(fault) => return Err(fault.into()),
        };
        if start.elapsed() >= within {
            return Err(too_late(what, within, &last, trouble));
        }
        tokio::time::sleep(delay.min(within.saturating_sub(start.elapsed()))).await;
        delay = (delay * 3 / 2).min(MOST);
    }
}

fn too_late(what: &str, within: Duration, last: &str, trouble: Option<Fault>) -> Error {
    let mut text = format!("{what}: not there after {}", short(within));
    if !last.is_empty() {
        text.push_str(&format!(", but {last}"));
    }
    let error = Error::new(Kind::Failed, text)
        .hint("`master-bridge ops resume` waits again; `ops rollback` undoes what was begun");
    match trouble {
        Some(fault) => error.because(&fault),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::FaultKind;
    use super::*;

    fn gone() -> Fault {
        Fault::new(FaultKind::NotFound, "GET x", "no")
    }

    #[tokio::test]
    async fn each_word_is_told_once_and_a_moment_of_nothing_is_borne() {
        let (mut told, mut at) = (Vec::new(), 0);
        let found = until(
            "x",
            Duration::from_secs(60),
            &mut |word| told.push(word.to_owned()),
            || {
                at += 1;
                let look = match at {
                    1 | 2 | 4 => Ok(Look::NotYet("BUILD".into())),
                    3 => Err(gone()),
                    5 => Err(Fault::new(FaultKind::Service, "GET x", "restart")),
                    _ => Ok(Look::There(at)),
                };
                async move { look }
            },
        )
        .await
        .unwrap();
        assert_eq!((found, told), (6, vec!["BUILD".to_owned()]));
    }

    #[tokio::test]
    async fn the_end_names_the_last_word() {
        let mut tell = |_: &str| {};
        let late = until("server a", Duration::ZERO, &mut tell, || async {
            Ok(Look::<()>::NotYet("BUILD".into()))
        });
        let late = late.await.unwrap_err();
        assert_eq!(late.message, "server a: not there after 0.0 s, but BUILD");
        let never = until("a", Duration::from_secs(9), &mut tell, || async {
            Ok(Look::<()>::Never(Error::new(Kind::Failed, "ERROR")))
        });
        assert_eq!(never.await.unwrap_err().message, "ERROR");
    }

    #[tokio::test]
    async fn gone_for_good_is_found_out() {
        let mut looks = 0;
        let mut tell = |_: &str| {};
        let error = until("a", Duration::from_secs(9), &mut tell, || {
            looks += 1;
            async { Err::<Look<()>, _>(gone()) }
        });
        assert_eq!(error.await.unwrap_err().kind, Kind::NothingMatched);
        assert_eq!(looks, 3);
    }
}

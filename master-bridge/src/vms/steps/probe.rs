//! Questions through a floating address, ten a second, and what they say about a moment without an answer.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::{Error, Kind, Result};

/// Ten a second.
const EVERY: Duration = Duration::from_millis(100);
/// One question's patience.
const PATIENCE: Duration = Duration::from_secs(1);
/// Answers kept: an hour's.
const KEPT: usize = 36_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// Whether a port takes connections.
    Tcp(String),
    /// Whether a page is there.
    Http(Url),
}

/// The parts of an `http://` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Url {
    address: String,
    host: String,
    path: String,
}

impl Url {
    fn of(url: &str) -> std::result::Result<Self, String> {
        let uri: http::Uri = url.parse().map_err(|e| format!("{url} is no URL: {e}"))?;
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(format!("{url} is no http:// URL"));
        };
        let port = uri.port_u16().unwrap_or(80);
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        Ok(Self {
            address: format!("{host}:{port}"),
            host: uri.authority().map_or(host, |a| a.as_str()).to_owned(),
            path: path.to_owned(),
        })
    }
}

/// Fetches a page; says what is wrong unless its status is 2xx or 3xx.
pub(super) async fn fetch(url: &str, within: Duration) -> std::result::Result<(), String> {
    let url = Url::of(url)?;
    get(&url, within).await
}

async fn get(url: &Url, within: Duration) -> std::result::Result<(), String> {
    let work = async {
        let mut stream = TcpStream::connect(&url.address)
            .await
            .map_err(|e| e.to_string())?;
        let agent = concat!("master-bridge/", env!("CARGO_PKG_VERSION"));
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            url.path, url.host
        );
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(|e| e.to_string())?;
        // The status line is all that counts.
        let mut start = Vec::new();
        let mut chunk = [0; 512];
        while !start.contains(&b'\n') && start.len() < 4096 {
            match stream.read(&mut chunk).await.map_err(|e| e.to_string())? {
                0 => break,
                count => start.extend_from_slice(&chunk[..count]),
            }
        }
        let line = String::from_utf8_lossy(&start);
        let line = line.lines().next().unwrap_or_default().trim().to_owned();
        match line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse::<u16>().ok())
        {
            Some(200..=399) => Ok(()),
            Some(_) => Err(line),
            None => Err("the answer is no HTTP".to_owned()),
        }
    };
    timeout(within, work)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", within.as_secs_f64())))
}

impl Target {
    /// `tcp:PORT` of this address, or a URL in which `{ip}` is it.
    fn of(text: &str, ip: &str) -> Result<Self> {
        let usage = |text: String| {
            Error::new(Kind::Usage, text).hint("--probe takes tcp:PORT or http://{ip}/PATH")
        };
        if let Some(port) = text.strip_prefix("tcp:") {
            let port: u16 = port
                .parse()
                .map_err(|_| usage(format!("{port} is no port")))?;
            return Ok(Self::Tcp(format!("{ip}:{port}")));
        }
        Url::of(&text.replace("{ip}", ip))
            .map(Self::Http)
            .map_err(usage)
    }

    async fn answers(&self) -> bool {
        match self {
            Self::Tcp(address) => matches!(
                timeout(PATIENCE, TcpStream::connect(address)).await,
                Ok(Ok(_))
            ),
            Self::Http(url) => get(url, PATIENCE).await.is_ok(),
        }
    }
}

/// When a question was asked, and whether it was answered.
type Sample = (Instant, bool);

/// Asks on, in the background, until it is dropped.
pub(super) struct Prober {
    samples: Arc<Mutex<Vec<Sample>>>,
    task: JoinHandle<()>,
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Prober {
    /// Begins to ask.
    pub(super) fn start(target: &str, ip: &str) -> Result<Self> {
        let target = Target::of(target, ip)?;
        let samples = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&samples);
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(EVERY);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                tick.tick().await;
                // Each in a task of its own: one that hangs does not slow the beat.
                let (target, kept) = (target.clone(), Arc::clone(&kept));
                tokio::spawn(async move {
                    let asked = Instant::now();
                    let answered = target.answers().await;
                    if let Ok(mut all) = kept.lock()
                        && all.len() < KEPT
                    {
                        all.push((asked, answered));
                    }
                });
            }
        });
        Ok(Self { samples, task })
    }

    /// Everything so far, in the order of asking.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let mut all = self.samples.lock().map(|s| s.clone()).unwrap_or_default();
        all.sort_by_key(|(asked, _)| *asked);
        all
    }
}

/// The longest time without an answer since `from`: from the last answered question before it to the first after.
/// What lasts until now is counted until now.
pub(super) fn blackout(samples: &[Sample], from: Instant, now: Instant) -> Duration {
    let before = samples.iter().rev().find(|(at, ok)| *ok && *at <= from);
    let begin = before.map_or(from, |(at, _)| *at);
    let mut last = begin;
    let mut longest = Duration::ZERO;
    let mut silent = false;
    for (at, ok) in samples.iter().filter(|(at, _)| *at > begin) {
        if *ok {
            if silent {
                longest = longest.max(at.saturating_duration_since(last));
            }
            (last, silent) = (*at, false);
        } else {
            silent = true;
        }
    }
    if silent {
        longest = longest.max(now.saturating_duration_since(last));
    }
    longest
}

/// How many questions in a row were answered last.
pub(super) fn streak(samples: &[Sample], from: Instant) -> usize {
    samples
        .iter()
        .rev()
        .take_while(|(at, ok)| *ok && *at > from)
        .count()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_moment_without_an_answer_is_measured_from_answer_to_answer() {
        let start = Instant::now();
        let at = |tenth: u64| start + Duration::from_millis(tenth * 100);
        let samples = |marks: &str| -> Vec<Sample> {
            let marks = marks.chars().enumerate();
            marks
                .map(|(i, c)| (at(u64::try_from(i).unwrap()), c == '+'))
                .collect()
        };
        let black = |marks: &str| blackout(&samples(marks), at(2), at(20)).as_millis();
        assert_eq!(black("++++++"), 0);
        assert_eq!(black("+++--+++"), 300);
        assert_eq!(black("++-----+-+"), 600);
        assert_eq!(black("+++---"), 1800);
        assert_eq!(black("------"), 1800);
        // What was before does not count.
        assert_eq!(black("--++++"), 0);
        assert_eq!(streak(&samples("++-+++"), at(3)), 2);
    }

    #[tokio::test]
    async fn a_page_is_there_or_says_why_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in [
                "HTTP/1.1 200 OK\r\n\r\n",
                "HTTP/1.1 503 Not yet\r\n\r\n",
                "what?\n",
            ] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let _read = stream.read(&mut request).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let url = format!("http://{address}/x?y");
        let second = Duration::from_secs(5);
        assert_eq!(fetch(&url, second).await, Ok(()));
        assert_eq!(
            fetch(&url, second).await,
            Err("HTTP/1.1 503 Not yet".into())
        );
        assert!(fetch(&url, second).await.is_err());
        assert!(
            fetch("https://x/", second)
                .await
                .unwrap_err()
                .contains("http://")
        );
    }

    #[test]
    fn targets_are_read() {
        assert_eq!(
            Target::of("tcp:22", "1.2.3.4").unwrap(),
            Target::Tcp("1.2.3.4:22".into())
        );
        let Target::Http(url) = Target::of("http://{ip}:81/a", "1.2.3.4").unwrap() else {
            panic!("a URL");
        };
        assert_eq!(
            (url.address.as_str(), url.path.as_str()),
            ("1.2.3.4:81", "/a")
        );
        assert_eq!(Target::of("udp:1", "x").unwrap_err().kind, Kind::Usage);
    }
}

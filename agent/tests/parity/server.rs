//! A small web server for both sides.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::LazyLock;
use std::thread;

/// Its address; it ends with the test.
pub fn address() -> String {
    static ADDRESS: LazyLock<String> = LazyLock::new(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer(stream));
            }
        });
        address
    });
    ADDRESS.clone()
}

fn answer(mut stream: std::net::TcpStream) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    // A head, and the body that it announces.
    let body = loop {
        let Ok(n @ 1..) = stream.read(&mut chunk) else {
            return;
        };
        request.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .filter_map(|l| l.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, n)| n.trim().parse().unwrap());
        if body.len() >= length {
            break body.to_owned();
        }
    };
    let head = String::from_utf8_lossy(&request).into_owned();
    let line = head.lines().next().unwrap_or_default();
    let path = line.split(' ').nth(1).unwrap_or_default();
    let login = head
        .lines()
        .filter_map(|l| l.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .map_or("", |(_, login)| login);
    let (status, kind, body) = match path.split('?').next().unwrap_or_default() {
        "/json" => (
            "200 OK",
            "application/json",
            r#"{"a": [1, null]}"#.to_owned(),
        ),
        "/yaml" => ("200 OK", "text/x-yaml", "a: [1, x]\n".to_owned()),
        "/missing" => ("404 Not Found", "text/plain", "nothing here".to_owned()),
        "/moved" => ("302 Found\r\nLocation: /json", "text/plain", String::new()),
        "/echo" => ("200 OK", "text/plain", format!("{line}|{login}|{body}")),
        _ => ("200 OK", "text/plain", "hello\n".to_owned()),
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

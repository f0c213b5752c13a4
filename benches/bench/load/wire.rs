//! A client of HTTP/1.1 that costs next to nothing: it shares the processors with what it measures.
//!
//! One connection, one request at a time, whole bodies. It understands what the servers here send,
//! and no more.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection to one server.
pub struct Connection {
    stream: TcpStream,
    host: String,
    received: Vec<u8>,
}

/// An answer.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer is no HTTP: {what}"))
}

impl Connection {
    /// Connects to `host`, an address with its port.
    pub async fn open(host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: host.to_owned(), received: Vec::with_capacity(4_096) })
    }

    /// Sends a request and waits for its answer. `headers` are whole lines, each with its end.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<Reply> {
        let host = &self.host;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\
             {headers}\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.receive().await
    }

    async fn receive(&mut self) -> io::Result<Reply> {
        self.received.clear();
        let head_end = loop {
            if let Some(at) = find(&self.received, b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let head = self.received.get(..head_end).unwrap_or_default();
        let head = std::str::from_utf8(head).map_err(|_| malformed("its head"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
        let status: u16 = status.ok_or_else(|| malformed("its status"))?;
        let value = |wanted: &str| {
            head.split("\r\n").find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
            })
        };
        let body_begin = head_end + 4;
        if value("transfer-encoding").is_some() {
            let body = self.chunks(body_begin).await?;
            return Ok(Reply { status, body });
        }
        let length = value("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let body = self.exactly(body_begin, length).await?;
        Ok(Reply { status, body })
    }

    async fn chunks(&mut self, mut at: usize) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                let rest = self.received.get(at..).unwrap_or_default();
                if let Some(end) = find(rest, b"\r\n") {
                    break at + end;
                }
                self.more().await?;
            };
            let size = self.received.get(at..line_end).unwrap_or_default();
            let size = std::str::from_utf8(size).ok();
            let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or_else(|| malformed("a chunk's size"))?;
            let chunk = self.exactly(line_end + 2, size + 2).await?;
            at = line_end + 2 + size + 2;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(chunk.get(..size).unwrap_or_default());
        }
    }

    async fn exactly(&mut self, begin: usize, length: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < begin + length {
            self.more().await?;
        }
        Ok(self.received.get(begin..begin + length).unwrap_or_default().to_vec())
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

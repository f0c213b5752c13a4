//! A peer that misbehaves as told: raw sockets, so that it can break off anywhere.

use std::{collections::VecDeque, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::desk::{Desk, FixedRandom, Headers, Seen, TokenOffice};
use runtime::Contract;

/// What a peer does with one request.
#[derive(Debug, Clone)]
pub enum Conduct {
    /// Answers with these bytes.
    Send(String),
    /// Reads the request and closes the connection.
    HangUp,
    /// Begins an answer and resets the connection.
    BreakOff,
    /// Reads the request and never answers.
    Hang,
}

impl Conduct {
    pub fn status(status: &str) -> Self {
        Self::answer(status, &[], "")
    }

    pub fn answer(status: &str, headers: &[&str], body: &str) -> Self {
        let mut head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        Self::Send(format!("{head}content-length: {}\r\n\r\n{body}", body.len()))
    }

    pub fn not_executed(status: &str) -> Self {
        Self::answer(status, &["x-boxoffice-not-executed: 1"], r#"{"reason":"busy"}"#)
    }

    pub fn report() -> Self {
        Self::answer("200 OK", &[], r#"{"said":"hello","remarks":[]}"#)
    }

    pub fn contract_error(body: &str) -> Self {
        Self::answer("409 Conflict", &["x-boxoffice-outcome: error"], body)
    }
}

/// A listener that goes through its conducts, one a request, and repeats the last.
pub struct Peer {
    pub url: reqwest::Url,
    pub seen: Seen<Headers>,
    tokens: TokenOffice,
    _tasks: JoinSet<()>,
}

impl Peer {
    pub async fn new(conducts: impl IntoIterator<Item = Conduct>) -> Self {
        Self::with_tokens(conducts, TokenOffice::new(&["lobby"])).await
    }

    pub async fn with_tokens(
        conducts: impl IntoIterator<Item = Conduct>,
        tokens: TokenOffice,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::behind(listener, conducts, tokens)
    }

    /// At an address where nobody listens.
    pub async fn at(
        url: &reqwest::Url,
        conducts: impl IntoIterator<Item = Conduct>,
        tokens: TokenOffice,
    ) -> Self {
        let address = (url.host_str().unwrap(), url.port().unwrap());
        Self::behind(TcpListener::bind(address).await.unwrap(), conducts, tokens)
    }

    fn behind(
        listener: TcpListener,
        conducts: impl IntoIterator<Item = Conduct>,
        tokens: TokenOffice,
    ) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let seen: Seen<Headers> = Arc::default();
        let mut conducts: VecDeque<Conduct> = conducts.into_iter().collect();
        let mut tasks = JoinSet::new();
        let log = seen.clone();
        tasks.spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(headers) = read_request(&mut stream).await else { continue };
                log.lock().unwrap().push(headers);
                let conduct = conducts.pop_front().unwrap();
                if conducts.is_empty() {
                    conducts.push_back(conduct.clone());
                }
                match conduct {
                    Conduct::Send(bytes) => {
                        // A caller that has seen enough may be gone.
                        let _ = stream.write_all(bytes.as_bytes()).await;
                    }
                    Conduct::HangUp => {}
                    Conduct::BreakOff => {
                        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"said\":";
                        stream.write_all(head.as_bytes()).await.unwrap();
                        stream.flush().await.unwrap();
                        stream.set_zero_linger().unwrap();
                    }
                    Conduct::Hang => open.push(stream),
                }
            }
        });
        Self { url, seen, tokens, _tasks: tasks }
    }

    /// The desk that the peer pretends to be. Its retries do not pause.
    pub fn desk(&self) -> Arc<dyn Desk> {
        self.desk_with(FixedRandom(0))
    }

    pub fn desk_with(&self, random: FixedRandom) -> Arc<dyn Desk> {
        let urls = std::slice::from_ref(&self.url);
        <dyn Desk>::http(self.tokens.client_with("lobby", urls, random))
    }

    pub fn tokens(&self) -> &TokenOffice {
        &self.tokens
    }

    pub fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn headers(&self, request: usize) -> Headers {
        self.seen.lock().unwrap()[request].clone()
    }

    pub fn advance_clock(&self, seconds: i64) {
        self.tokens.clock.advance(seconds);
    }
}

/// An address at which nobody listens.
pub async fn nobody() -> reqwest::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}

async fn read_request(stream: &mut TcpStream) -> Option<Headers> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut headers: Headers = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let target = head.split(' ').nth(1).unwrap_or_default();
            headers.insert("target".to_owned(), target.to_owned());
            let length: usize = headers.get("content-length")?.parse().ok()?;
            if body.len() >= length {
                return Some(headers);
            }
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

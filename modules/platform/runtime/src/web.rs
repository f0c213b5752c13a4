//! Requests to services that are not ours: payment providers, whoever is told of things by webhook.
//! Calls between our own services are contracts and go through the service client instead.
//!
//! Every request has a time limit, every answer a size limit, and a failure tells whether the
//! request may have been executed. Nothing here retries: only the caller knows what may be repeated.

use std::time::Duration;

use axum::http::{Request, Response};
use bytes::{Bytes, BytesMut};

use crate::{StartError, web_client};

/// An answer that is longer than this is not read: 1 MiB.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Makes requests to foreign services. Follows no redirects and uses no proxy. Cheap to clone; it
/// holds the connections, so build one and keep it.
#[derive(Debug, Clone)]
pub struct WebClient(reqwest::Client);

/// Why there is no answer. Tells neither the address nor what was sent, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// The request certainly was not executed.
    #[error("the request could not be sent: {reason}")]
    NotSent {
        /// What went wrong.
        reason: String,
    },
    /// The request may have been executed.
    #[error("there is no answer: {reason}")]
    Unknown {
        /// What went wrong.
        reason: String,
    },
}

impl WebClient {
    /// A client with connections of its own.
    ///
    /// # Errors
    /// When the machine's certificates cannot be read.
    pub fn new() -> Result<Self, StartError> {
        let client = web_client().map_err(|error| {
            StartError::new(format!("cannot make requests to foreign services: {error}"))
        })?;
        Ok(Self(client))
    }

    /// Sends a request, and reads the whole answer `within` this time.
    ///
    /// # Errors
    /// See [`WebError`]. Any status that comes is an answer, no error.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Bytes>, WebError> {
        let request = reqwest::Request::try_from(request).map_err(|error| not_sent(&error))?;
        match tokio::time::timeout(within, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(unknown(format!("it did not come within {within:?}"))),
        }
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Response<Bytes>, WebError> {
        let mut answer = self.0.execute(request).await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                not_sent(&error)
            } else {
                unknown(words(&error))
            }
        })?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| unknown(words(&error)))? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                return Err(unknown(format!("it is longer than {ANSWER_LIMIT} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

fn not_sent(error: &reqwest::Error) -> WebError {
    WebError::NotSent { reason: words(error) }
}

fn unknown(reason: String) -> WebError {
    WebError::Unknown { reason }
}

/// The innermost reason, which names no address.
fn words(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    if std::ptr::addr_eq(reason, error) { "it failed".to_owned() } else { reason.to_string() }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::{Router, routing::post};
    use tokio::{net::TcpListener, task::JoinSet};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a server of the test's own")]
    async fn serve(routes: Router) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (address, serving)
    }

    fn request(address: SocketAddr, body: &'static str) -> Request<Bytes> {
        let url = format!("http://{address}/echo?secret=1");
        Request::post(url).body(Bytes::from_static(body.as_bytes())).unwrap()
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn an_answer_comes_with_its_status_and_body() {
        let routes = Router::new().route("/echo", post(async |body: String| body));
        let (address, _serving) = serve(routes).await;
        let answer = WebClient::new().unwrap().send(request(address, "hi"), PATIENCE).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, &b"hi"[..]));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_was_certainly_not_asked() {
        let (address, serving) = serve(Router::new()).await;
        drop(serving);
        let answer = WebClient::new().unwrap().send(request(address, ""), PATIENCE).await;
        let error = answer.unwrap_err();
        assert!(matches!(error, WebError::NotSent { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_too_slow_or_says_too_much_may_have_done_its_work() {
        let routes = Router::new()
            .route("/echo", post(async || std::future::pending::<()>().await))
            .route("/long", post(async || "x".repeat(ANSWER_LIMIT + 1)));
        let (address, _serving) = serve(routes).await;
        let client = WebClient::new().unwrap();
        let slow = client.send(request(address, ""), Duration::from_millis(50)).await;
        assert!(matches!(slow, Err(WebError::Unknown { .. })), "{slow:?}");
        let url = format!("http://{address}/long");
        let long = client.send(Request::post(url).body(Bytes::new()).unwrap(), PATIENCE).await;
        assert!(matches!(long, Err(WebError::Unknown { .. })), "{:?}", long.map(|_| ()));
    }
}

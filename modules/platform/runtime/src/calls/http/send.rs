//! The innermost layer: sends a call to a replica of the callee and tells what became of it.

use std::{
    sync::Arc,
    task::{Context as Waker, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode, header};
use tower::Service;

use super::{Incoming, Outgoing, sign::SignedCall};
use crate::{
    Endpoint, Fault, Random,
    calls::{
        Callee,
        wire::{self, REPLY_LIMIT},
    },
};

/// Sends a call to the callee and tells what became of it.
#[derive(Clone)]
pub(super) struct Transmit {
    pub(super) client: reqwest::Client,
    pub(super) random: Arc<dyn Random>,
}

impl Service<SignedCall> for Transmit {
    type Response = Incoming;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Incoming, Fault>>;

    fn poll_ready(&mut self, _waker: &mut Waker<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, signed: SignedCall) -> Self::Future {
        let client = self.client.clone();
        let SignedCall { call, bearer } = signed;
        let mut headers = wire::headers_of(&call.cx, self.random.as_ref());
        headers.insert(header::AUTHORIZATION, bearer);
        Box::pin(send(client, call, headers))
    }
}

/// Asks the replicas in the order of their rank until one can be connected to.
async fn send(
    client: reqwest::Client,
    call: Outgoing,
    headers: HeaderMap,
) -> Result<Incoming, Fault> {
    let mut first_fault = None;
    let replicas = call.replicas().await;
    for (at, replica) in replicas.iter().enumerate() {
        let has_substitute = replicas.iter().skip(at + 1).any(Endpoint::is_available);
        match ask(&client, &call, replica, headers.clone(), has_substitute).await {
            Ok(answer) => return receive(call.route.callee, answer).await,
            Err(fault @ Fault::NotSent { .. }) => first_fault = first_fault.or(Some(fault)),
            Err(fault) => return Err(fault),
        }
    }
    Err(first_fault.unwrap_or_else(|| call.route.callee.not_sent("it has no address")))
}

/// What one replica answers. [`Fault::NotSent`] when it was not even connected to.
async fn ask(
    client: &reqwest::Client,
    call: &Outgoing,
    replica: &Endpoint,
    mut headers: HeaderMap,
    has_substitute: bool,
) -> Result<reqwest::Response, Fault> {
    let callee = call.route.callee;
    let url = call.route.url_at(replica.base());
    let url = url.ok_or_else(|| callee.not_sent("its address takes no path"))?;
    if let Some(host) = replica.host() {
        headers.insert(header::HOST, host.clone());
    }
    let attempt = replica.attempt(call.patience);
    call.note(replica);
    let sent = client.post(url).headers(headers).body(call.body.clone()).send();
    let outcome = if has_substitute && call.may_be_given_up() {
        tokio::select! {
            outcome = sent => outcome,
            () = attempt.silent() => return Err(callee.unknown("it does not answer any more")),
        }
    } else {
        sent.await
    };
    match outcome {
        Ok(response) => {
            attempt.answered();
            Ok(response)
        }
        Err(error) if error.is_connect() => {
            let reason = describe(&error);
            attempt.not_connected(&reason);
            Err(callee.not_sent(reason))
        }
        Err(error) if error.is_builder() => Err(callee.not_sent(describe(&error))),
        Err(error) => Err(callee.unknown(describe(&error))),
    }
}

async fn receive(callee: Callee, response: reqwest::Response) -> Result<Incoming, Fault> {
    let status = response.status();
    let not_executed = response.headers().contains_key(wire::NOT_EXECUTED);
    let is_error = response
        .headers()
        .get(wire::OUTCOME)
        .is_some_and(|outcome| outcome.as_bytes() == wire::OUTCOME_ERROR.as_bytes());
    let body = read(callee, response).await;
    if not_executed {
        return Err(callee.not_sent(refusal(status, body.as_deref().unwrap_or_default())));
    }
    match status {
        StatusCode::OK => Ok(Incoming::Reply(body?)),
        StatusCode::CONFLICT if is_error => Ok(Incoming::Error(body?)),
        StatusCode::INTERNAL_SERVER_ERROR => {
            Err(callee.failed(refusal(status, body.as_deref().unwrap_or_default())))
        }
        // Not ours, or ours after the deadline: whoever sent it, the call may have been executed.
        _ => Err(callee.unknown(refusal(status, body.as_deref().unwrap_or_default()))),
    }
}

async fn read(callee: Callee, mut response: reqwest::Response) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > REPLY_LIMIT => {
                return Err(callee.failed(format!("its reply is larger than {REPLY_LIMIT} bytes")));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(error) => return Err(callee.unknown(describe(&error))),
        }
    }
}

/// The reason in a reply that is not the contract's, when it is one of ours.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Body {
        reason: String,
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(Body { reason }) => reason,
        Err(_) => format!("it answered with status {}", status.as_u16()),
    }
}

/// The error and its causes on one line, without the address, which the peer's name stands for.
fn describe(error: &reqwest::Error) -> String {
    let mut line =
        if error.is_connect() { "no connection" } else { "the connection was lost" }.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        line = format!("{line}: {inner}");
        cause = inner.source();
    }
    line
}

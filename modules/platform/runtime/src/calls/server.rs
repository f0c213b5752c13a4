//! What receives calls from other processes: who calls, whether it may, with what context; then
//! the contract's own code.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Callee,
    guarded::Guarded,
    metrics::Meter,
    token::{ServiceTokens, TokenRefusal, claimed_caller},
    wire::{self, REQUEST_LIMIT},
};
use crate::{Context, ContractError, Fault, Message, Method, Random, Tasks};

/// Which service may call which method of which service. What is not in it is refused.
#[derive(Debug, Clone, Default)]
pub struct AllowList(HashMap<&'static str, BTreeSet<(&'static str, &'static str)>>);

impl AllowList {
    /// Nobody may call anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `caller` call `method` of `service`.
    pub fn allow(&mut self, caller: &'static str, service: &'static str, method: &'static str) {
        self.0.entry(caller).or_default().insert((service, method));
    }

    /// Whether `caller` may call anything of `service`.
    pub(crate) fn knows(&self, caller: &str, service: &str) -> bool {
        self.0.get(caller).is_some_and(|methods| methods.iter().any(|(of, _)| *of == service))
    }

    /// The caller of this name, if anybody of this name may call anything.
    fn caller(&self, name: &str) -> Option<&'static str> {
        self.0.get_key_value(name).map(|(caller, _)| *caller)
    }

    fn permits(&self, caller: &str, callee: Callee) -> bool {
        let Callee { service, method } = callee;
        self.0.get(caller).is_some_and(|methods| methods.contains(&(service, method)))
    }
}

/// Receives calls from other processes for the services that are hosted here. Cheap to clone.
#[derive(Clone)]
pub struct InternalServer(Arc<Parts>);

struct Parts {
    tokens: Arc<ServiceTokens>,
    allowed: AllowList,
    tasks: Tasks,
    random: Arc<dyn Random>,
}

impl InternalServer {
    /// Lets callers in by `tokens` and `allowed`. A call whose caller hangs up is finished by
    /// `tasks`.
    pub fn new(
        tokens: Arc<ServiceTokens>,
        allowed: AllowList,
        tasks: Tasks,
        random: Arc<dyn Random>,
    ) -> Self {
        Self(Arc::new(Parts { tokens, allowed, tasks, random }))
    }

    /// The route `POST /internal/{service}/{method}`, which executes `run`. For what is no
    /// contract's as well, such as a feed of events.
    pub fn method<Incoming, Reply, E, Run, Work>(
        &self,
        service: &'static str,
        method: &'static Method,
        run: Run,
    ) -> Router
    where
        Incoming: Message,
        Reply: Message,
        E: ContractError,
        Run: Fn(Context, Incoming) -> Work + Clone + Send + Sync + 'static,
        Work: Future<Output = Result<Reply, E>> + Send + 'static,
    {
        let callee = Callee { service, method: method.name };
        let meter = Arc::new(Meter::served(service, method.name));
        let server = self.clone();
        let handler = move |request: Request| async move {
            match server.receive(callee, request).await {
                Ok((cx, incoming)) => server.execute(callee, &meter, cx, incoming, run).await,
                Err(refusal) => refusal.into_response(),
            }
        };
        let path = format!("/internal/{service}/{}", method.name);
        Router::new().route(&path, post(handler).fallback(only_post))
    }

    /// Who calls, when it may call `method` of `service`. For routes that are not made by
    /// [`InternalServer::method`].
    pub async fn authorise(
        &self,
        service: &'static str,
        method: &'static str,
        headers: &HeaderMap,
    ) -> Result<Arc<str>, Refusal> {
        let callee = Callee { service, method };
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let verified = match token {
            Some(token) => self.0.tokens.verify(token, service).await,
            None => Err(TokenRefusal::Missing),
        };
        let caller = verified.map_err(|refusal| {
            self.complain(callee, token, refusal);
            Refusal::new(StatusCode::UNAUTHORIZED, refusal.to_string())
        })?;
        if !self.0.allowed.permits(&caller, callee) {
            tracing::warn!(service, method, %caller, "a call was refused: it is not required");
            return Err(Refusal::new(StatusCode::FORBIDDEN, callee.not_required_by(&caller)));
        }
        Ok(caller)
    }

    /// Says why a call was refused, and what to do: once, and then once a minute for as long as it
    /// goes on.
    fn complain(&self, callee: Callee, token: Option<&str>, refusal: TokenRefusal) {
        let claimed = token.and_then(claimed_caller);
        let claimed = claimed.and_then(|name| self.0.allowed.caller(&name));
        let Some(not_told) = self.0.tokens.complain(claimed, refusal) else { return };
        tracing::warn!(
            service = callee.service,
            method = callee.method,
            claims_to_be = claimed.unwrap_or("no service that calls here"),
            reason = %refusal,
            advice = refusal.advice(),
            not_told,
            "a call was refused"
        );
    }

    async fn receive<Incoming: Message>(
        &self,
        callee: Callee,
        request: Request,
    ) -> Result<(Context, Incoming), Refusal> {
        let (head, body) = request.into_parts();
        self.authorise(callee.service, callee.method, &head.headers).await?;
        let cx = wire::context_of(&head.headers, self.0.random.as_ref())
            .map_err(|reason| Refusal::new(StatusCode::BAD_REQUEST, reason))?;
        let bytes = tokio::time::timeout_at(cx.deadline(), read(body)).await.map_err(|_| {
            let reason = "the request did not arrive within its deadline".to_owned();
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)
        })??;
        let incoming = serde_json::from_slice(&bytes).map_err(|error| {
            let reason = format!("the request is not what the contract says: {error}");
            Refusal::new(StatusCode::BAD_REQUEST, reason)
        })?;
        if cx.deadline() <= Instant::now() {
            let reason = "the deadline has passed".to_owned();
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        }
        Ok((cx, incoming))
    }

    async fn execute<Incoming, Reply, E, Run, Work>(
        &self,
        callee: Callee,
        meter: &Meter,
        cx: Context,
        incoming: Incoming,
        run: Run,
    ) -> Response
    where
        Reply: Message,
        E: ContractError,
        Run: Fn(Context, Incoming) -> Work,
        Work: Future<Output = Result<Reply, E>> + Send + 'static,
    {
        let began = Instant::now();
        let span = tracing::debug_span!(
            "served call",
            service = callee.service,
            method = callee.method,
            trace_id = %cx.trace().trace_id(),
            correlation_id = cx.correlation_id(),
        );
        let deadline = cx.deadline();
        let work = run(cx, incoming);
        let outcome = Guarded::new(callee, deadline, &self.0.tasks, span, work)
            .await
            .and_then(|outcome| encode(callee, outcome));
        meter.count(began, &outcome);
        match outcome {
            Ok(Ok(json)) => reply(json),
            Ok(Err(json)) => contract_error(json),
            Err(Fault::Unknown { reason, .. }) => explained(StatusCode::GATEWAY_TIMEOUT, &reason),
            Err(Fault::Failed { reason, .. } | Fault::NotSent { reason, .. }) => {
                explained(StatusCode::INTERNAL_SERVER_ERROR, &reason)
            }
        }
    }
}

impl std::fmt::Debug for InternalServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InternalServer")
    }
}

/// A call that was not executed. Its response says so in a header, so that the caller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    /// A refusal with its reason, in words for the caller's log.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = explained(self.status, &self.reason);
        response.headers_mut().insert(wire::NOT_EXECUTED, HeaderValue::from_static("1"));
        response
    }
}

#[derive(Serialize)]
struct Explanation<'a> {
    reason: &'a str,
}

fn explained(status: StatusCode, reason: &str) -> Response {
    (status, axum::Json(Explanation { reason })).into_response()
}

/// The outcome as JSON. An error that cannot cross holds a fault, which says nothing true about
/// this call.
fn encode<Reply, E>(
    callee: Callee,
    outcome: Result<Reply, E>,
) -> Result<Result<Vec<u8>, Vec<u8>>, Fault>
where
    Reply: Message,
    E: ContractError,
{
    match outcome {
        Ok(reply) => serde_json::to_vec(&reply)
            .map(Ok)
            .map_err(|error| callee.failed(format!("its reply is no JSON: {error}"))),
        Err(error) => {
            serde_json::to_vec(&error).map(Err).map_err(|_| callee.failed(error.to_string()))
        }
    }
}

fn reply(json: Vec<u8>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::OK, content_type, json).into_response()
}

fn contract_error(json: Vec<u8>) -> Response {
    let headers =
        [(header::CONTENT_TYPE.as_str(), "application/json"), (wire::OUTCOME, wire::OUTCOME_ERROR)];
    (StatusCode::CONFLICT, headers, json).into_response()
}

async fn only_post() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "a contract is called with POST")
}

async fn read(body: Body) -> Result<Bytes, Refusal> {
    let collected = Limited::new(body, REQUEST_LIMIT).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let reason = format!("the request is larger than {REQUEST_LIMIT} bytes");
            return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason);
        }
        Refusal::new(StatusCode::BAD_REQUEST, format!("the request broke off: {error}"))
    })?;
    Ok(collected.to_bytes())
}

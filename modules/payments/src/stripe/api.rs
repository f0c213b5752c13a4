//! Requests to Stripe: form-encoded, with an API version and, on each `POST`, an idempotency key; and
//! what a failure tells about what was done.

use std::time::Duration;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
};
use form_urlencoded::Serializer;
use runtime::{Secret, WebClient, WebError};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::objects::{ErrorBody, ErrorObject};

/// The version of Stripe's API that this was written for.
const VERSION: &str = "2024-06-20";
/// Says that an answer is that of an earlier request with the same key.
const REPLAYED: &str = "idempotent-replayed";

/// Stripe's API.
pub(super) struct Api {
    pub(super) client: WebClient,
    pub(super) base_url: String,
    pub(super) secret_key: Secret,
}

/// An answer, and whether it is that of an earlier request with the same key.
pub(super) struct Answered<T> {
    pub(super) value: T,
    pub(super) was_replayed: bool,
}

/// Why there is no answer that was hoped for.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing was done.
    NotDone,
    /// Stripe would not, and says why.
    Refused(Box<ErrorObject>),
    /// It may have been done. When it `has_ended`, it will not be done later than now.
    Unknown { has_ended: bool },
}

type Outcome<T> = Result<Answered<T>, Fault>;

impl Api {
    /// Reads an object or a list.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        until: Instant,
    ) -> Outcome<T> {
        let query = form(query);
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}{path}{mark}{query}", self.base_url);
        self.ask(Request::get(url), Bytes::new(), until).await
    }

    /// Does something, once for each `key`.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        key: &str,
        until: Instant,
    ) -> Outcome<T> {
        let request = Request::post(format!("{}{path}", self.base_url))
            .header("idempotency-key", key)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request, Bytes::from(form(fields)), until).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: axum::http::request::Builder,
        body: Bytes,
        until: Instant,
    ) -> Outcome<T> {
        let request = request
            .header(header::AUTHORIZATION, self.authorization())
            .header("stripe-version", VERSION)
            .header(header::ACCEPT, "application/json")
            .body(body);
        let Ok(request) = request else {
            tracing::error!("a request to stripe cannot be made: check payments.stripe");
            return Err(Fault::NotDone);
        };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let left = until.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Err(Fault::NotDone);
        }
        match self.client.send(request, left).await {
            Ok(response) => read(&response).inspect_err(|fault| {
                let status = response.status().as_u16();
                let request_id = text(response.headers(), "request-id");
                log(&method, &path, status, request_id, fault);
            }),
            Err(error) => {
                tracing::warn!(%method, path, %error, "stripe gave no answer");
                Err(match error {
                    WebError::NotSent { .. } => Fault::NotDone,
                    WebError::Unknown { .. } => Fault::Unknown { has_ended: false },
                })
            }
        }
    }

    fn authorization(&self) -> HeaderValue {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.secret_key.expose()));
        let mut value = bearer.unwrap_or(HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }
}

/// A name of Stripe's, when it can be part of a path.
pub(super) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn read<T: DeserializeOwned>(response: &Response<Bytes>) -> Outcome<T> {
    let was_replayed = text(response.headers(), REPLAYED) == Some("true");
    let status = response.status();
    if status.is_success() {
        return match serde_json::from_slice(response.body()) {
            Ok(value) => Ok(Answered { value, was_replayed }),
            Err(_) => Err(Fault::Unknown { has_ended: false }),
        };
    }
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            Fault::NotDone
        }
        // Another request with the same key is being worked on.
        StatusCode::CONFLICT => Fault::Unknown { has_ended: false },
        _ if status.is_client_error() => refused(response.body()),
        _ => Fault::Unknown { has_ended: was_replayed },
    })
}

fn refused(body: &[u8]) -> Fault {
    let error = serde_json::from_slice(body).map(|ErrorBody { error }| error).unwrap_or_default();
    // The key was used for something else, which says nothing about this.
    if error.kind.as_deref() == Some("idempotency_error") {
        return Fault::Unknown { has_ended: false };
    }
    Fault::Refused(Box::new(error))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn log(method: &Method, path: &str, status: u16, request_id: Option<&str>, fault: &Fault) {
    let code = match fault {
        Fault::Refused(error) => error.code.as_deref(),
        Fault::NotDone | Fault::Unknown { .. } => None,
    };
    match status {
        401 | 403 => {
            tracing::error!(%method, path, status, request_id, "stripe does not accept the secret key");
        }
        402 => tracing::info!(%method, path, status, request_id, code, "stripe declined"),
        _ => tracing::warn!(%method, path, status, request_id, code, "stripe refused a request"),
    }
}

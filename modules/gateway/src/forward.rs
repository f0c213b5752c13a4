//! Forwards one request and gives back what the service answers, as it answers it.

use std::error::Error;

use axum::{
    body::{Body, HttpBody},
    extract::{ConnectInfo, Request},
    http::{HeaderMap, Uri, header},
    response::Response,
};
use edge::{Problem, problems};
use reqwest::Url;
use runtime::Context;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    body::{self, NotReceived},
    headers::{self, Client},
    settings::GatewaySettings,
};

/// A service elsewhere.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) service: &'static str,
    /// The base URL of its public listener.
    pub(crate) base: Url,
}

/// What forwarding needs.
pub(crate) struct Gateway {
    pub(crate) client: reqwest::Client,
    pub(crate) settings: GatewaySettings,
    /// Cancelled when streams are to end.
    pub(crate) draining: CancellationToken,
}

impl Gateway {
    /// The answer of `upstream` to `request`. A problem only where there is none: the service cannot
    /// be reached, does not answer in time, or the request cannot be forwarded.
    pub(crate) async fn forward(
        &self,
        upstream: &Upstream,
        cx: &Context,
        request: Request,
    ) -> Result<Response, Problem> {
        let url = target(&upstream.base, request.uri()).ok_or_else(Problem::not_found)?;
        let onward = self.onward(url, request);
        let latest = Instant::now() + self.settings.response_timeout;
        let answer = tokio::time::timeout_at(latest.min(cx.deadline()), onward.send()).await;
        let service = upstream.service;
        match answer {
            Ok(Ok(response)) => Ok(self.backward(service, response)),
            Ok(Err(error)) => Err(no_answer(service, &error)),
            Err(_) => Err(Problem::unknown_fate(format!("{service} did not answer in time"))),
        }
    }

    /// The request as the service gets it.
    fn onward(&self, url: Url, request: Request) -> reqwest::RequestBuilder {
        let (mut parts, sent) = request.into_parts();
        let client = Client {
            address: parts.extensions.get::<ConnectInfo<_>>().map(|ConnectInfo(address)| *address),
            authority: parts.uri.authority().cloned(),
        };
        headers::prepare_request(&mut parts.headers, &client, self.settings.trust_forwarded);
        let onward = self.client.request(parts.method, url).headers(parts.headers);
        if sent.is_end_stream() { onward } else { onward.body(body::received(sent)) }
    }

    /// The answer as the client gets it.
    fn backward(&self, service: &'static str, answer: reqwest::Response) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        headers::remove_hop_by_hop({
            *response.headers_mut() = answer.headers().clone();
            response.headers_mut()
        });
        if answer.content_length() != Some(0) {
            let idle = self.settings.idle_timeout;
            *response.body_mut() = if is_event_stream(response.headers()) {
                body::followed(service, answer, idle, self.draining.clone())
            } else {
                body::answered(service, answer, idle)
            };
        }
        response
    }
}

/// Whether the answer goes on for as long as the client likes.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Where the path and query of `asked` lead at `base`. `None` for a path that would not arrive as it
/// is, such as one with dots that lead elsewhere.
fn target(base: &Url, asked: &Uri) -> Option<Url> {
    let mut url = base.clone();
    url.set_path(asked.path());
    url.set_query(asked.query());
    (url.path() == asked.path()).then_some(url)
}

fn no_answer(service: &str, error: &reqwest::Error) -> Problem {
    let reasons = reasons(error);
    if error.is_connect() {
        return Problem::unavailable(format!("{service} cannot be reached: {reasons}"));
    }
    if is_caused_by::<NotReceived>(error) {
        return Problem::new(&problems::BAD_REQUEST).detail("the body did not arrive in full");
    }
    Problem::unknown_fate(format!("{service} broke off: {reasons}"))
}

fn is_caused_by<E: Error + 'static>(error: &reqwest::Error) -> bool {
    causes(error).any(<dyn Error>::is::<E>)
}

/// The causes of an error without the URL, whose query may be personal.
fn reasons(error: &reqwest::Error) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads_to(path: &str) -> Option<String> {
        let base = Url::parse("http://orders:8080").unwrap();
        target(&base, &path.parse().unwrap()).map(Into::into)
    }

    #[test]
    fn a_path_and_its_query_arrive_as_they_are() {
        for path in ["/v1/orders", "/v1/orders/%C3%A9%2F?a=b&c=%20+", "/v1/orders//x/?"] {
            assert_eq!(leads_to(path), Some(format!("http://orders:8080{path}")));
        }
    }

    #[test]
    fn a_path_that_leads_elsewhere_leads_nowhere() {
        for path in ["/v1/orders/../users", "/v1/orders/%2e%2E/users", "/v1/orders/.\\x"] {
            assert_eq!(leads_to(path), None, "{path}");
        }
    }
}

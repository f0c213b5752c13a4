//! Forwards one request and gives back what the service answers, as it answers it.

use std::{error::Error, pin::pin, time::Duration};

use axum::{
    body::{Body, HttpBody},
    extract::{ConnectInfo, Request},
    http::{HeaderMap, Method, Uri, header},
    response::Response,
};
use edge::{Problem, problems};
use reqwest::Url;
use runtime::{Context, Endpoint, Endpoints, RoutingKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    body::{self, NotReceived, Received},
    headers::{self, Client},
    settings::GatewaySettings,
};

/// What forwarding needs.
pub(crate) struct Gateway {
    pub(crate) client: reqwest::Client,
    pub(crate) settings: GatewaySettings,
    /// Cancelled when streams are to end.
    pub(crate) draining: CancellationToken,
}

/// A request as a service gets it.
struct Onward {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Option<Received>,
}

impl Onward {
    /// Whether it may be sent to another replica although the first may have answered it already.
    fn is_repeatable(&self) -> bool {
        self.method.is_safe() && self.body.is_none()
    }

    /// Whether its answer may be long in coming although nothing is wrong: `Prefer: wait` asks for
    /// that.
    fn may_be_held_back(&self) -> bool {
        let prefers = self.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        prefers.into_iter().any(|value| value.contains("wait="))
    }
}

/// Why there is no answer of a replica.
enum Failure {
    NoConnection(reqwest::Error),
    BrokenOff(reqwest::Error),
    Silent,
}

impl Gateway {
    /// The answer of one of `replicas` to `request`. A problem only where there is none: none of
    /// them can be reached, it does not answer in time, or the request cannot be forwarded.
    pub(crate) async fn forward(
        &self,
        replicas: &Endpoints,
        cx: &Context,
        request: Request,
    ) -> Result<Response, Problem> {
        let service = replicas.service();
        let latest = Instant::now() + self.settings.response_timeout;
        let onward = self.onward(request);
        let answer =
            tokio::time::timeout_at(latest.min(cx.deadline()), self.ask(replicas, &onward));
        match answer.await {
            Ok(answer) => Ok(self.backward(service, answer?)),
            Err(_) => Err(Problem::unknown_fate(format!("{service} did not answer in time"))),
        }
    }

    /// The request as the service gets it.
    fn onward(&self, request: Request) -> Onward {
        let (mut parts, sent) = request.into_parts();
        let client = Client {
            address: parts.extensions.get::<ConnectInfo<_>>().map(|ConnectInfo(address)| *address),
            authority: parts.uri.authority().cloned(),
        };
        headers::prepare_request(&mut parts.headers, &client, self.settings.trust_forwarded);
        let body = (!sent.is_end_stream()).then(|| Received::new(sent));
        Onward { method: parts.method, uri: parts.uri, headers: parts.headers, body }
    }

    /// What the replica answers that comes first of those that can be connected to.
    async fn ask(
        &self,
        replicas: &Endpoints,
        onward: &Onward,
    ) -> Result<reqwest::Response, Problem> {
        let service = replicas.service();
        let ranked = replicas.ranked(subject_of(onward.uri.path())).await;
        let mut was_given_up = false;
        let mut first_problem = None;
        for (at, replica) in ranked.iter().enumerate() {
            let url = target(replica.base(), &onward.uri).ok_or_else(Problem::not_found)?;
            let has_substitute = ranked.iter().skip(at + 1).any(Endpoint::is_available);
            let may_give_up = has_substitute && onward.is_repeatable() && !was_given_up;
            let failure = match self.send(onward, url, replica, may_give_up).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let is_over = match failure {
                Failure::NoConnection(_) => false,
                Failure::BrokenOff(_) => !onward.is_repeatable(),
                Failure::Silent => {
                    was_given_up = true;
                    false
                }
            };
            let problem = failure.problem(service);
            if is_over {
                return Err(problem);
            }
            first_problem.get_or_insert(problem);
        }
        Err(first_problem.unwrap_or_else(|| Problem::unavailable(format!("{service} is nowhere"))))
    }

    async fn send(
        &self,
        onward: &Onward,
        url: Url,
        replica: &Endpoint,
        may_give_up: bool,
    ) -> Result<reqwest::Response, Failure> {
        let mut headers = onward.headers.clone();
        if let Some(host) = replica.host() {
            headers.insert(header::HOST, host.clone());
        }
        let request = self.client.request(onward.method.clone(), url).headers(headers);
        let (request, sent) = match &onward.body {
            None => (request, None),
            Some(body) => {
                let (rest, sent) = body.rest();
                (request.body(rest), Some(sent))
            }
        };
        let limit = self.settings.response_timeout;
        let patience = if onward.may_be_held_back() { limit } else { Duration::ZERO };
        let mut answering = pin!(request.send());
        let (attempt, answer) = if let Some(sent) = sent {
            let sending = replica.attempt(limit);
            tokio::select! {
                answer = &mut answering => (sending, answer),
                () = sent.ended() => {
                    let attempt = replica.attempt(patience);
                    drop(sending);
                    (attempt, answering.await)
                }
            }
        } else {
            let attempt = replica.attempt(patience);
            let answer = tokio::select! {
                answer = answering => answer,
                () = attempt.silent(), if may_give_up => return Err(Failure::Silent),
            };
            (attempt, answer)
        };
        match answer {
            Ok(answer) => {
                attempt.answered();
                Ok(answer)
            }
            Err(error) if error.is_connect() => {
                attempt.not_connected(&reasons(&error));
                Err(Failure::NoConnection(error))
            }
            Err(error) => Err(Failure::BrokenOff(error)),
        }
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

/// What a request is about, by which a replica is preferred: the first id in its path.
fn subject_of(path: &str) -> Option<RoutingKey> {
    path.split('/').find_map(|segment| Uuid::try_parse(segment).ok()).map(RoutingKey::from)
}

impl Failure {
    fn problem(self, service: &str) -> Problem {
        match self {
            Self::NoConnection(error) => {
                Problem::unavailable(format!("{service} cannot be reached: {}", reasons(&error)))
            }
            Self::BrokenOff(error) if is_caused_by::<NotReceived>(&error) => {
                Problem::new(&problems::BAD_REQUEST).detail("the body did not arrive in full")
            }
            Self::BrokenOff(error) => {
                Problem::unknown_fate(format!("{service} broke off: {}", reasons(&error)))
            }
            Self::Silent => Problem::unknown_fate(format!("{service} did not answer in time")),
        }
    }
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
    fn a_request_is_about_the_first_id_in_its_path() {
        let id = "0193f5c0-0000-7000-8000-000000000001";
        let about = RoutingKey::from(id.parse::<Uuid>().unwrap());
        assert_eq!(subject_of(&format!("/v1/orders/{id}")), Some(about));
        let other = "0193f5c0-0000-7000-8000-000000000002";
        assert_eq!(subject_of(&format!("/v1/orders/{id}/positions/{other}")), Some(about));
        assert_eq!(subject_of("/v1/orders"), None);
    }

    #[test]
    fn a_path_that_leads_elsewhere_leads_nowhere() {
        for path in ["/v1/orders/../users", "/v1/orders/%2e%2E/users", "/v1/orders/.\\x"] {
            assert_eq!(leads_to(path), None, "{path}");
        }
    }
}

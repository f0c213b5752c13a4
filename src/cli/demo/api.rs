//! The public HTTP API as one person uses it, and what went wrong when an answer is not the one
//! that was hoped for.

use std::{error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use runtime::{Random, StartError};
use serde_json::Value;

/// How long an answer may take. Longer than the server's own limit, so that its answer is what one
/// gets to see.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is said of a refusal without a body: the public API has one for everything.
const SILENT: &str = "without a word; what listens there is not the public listener of a Boxoffice, \
     which `boxoffice serve` prints as API";

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DemoError {
    /// No answer came.
    NoAnswer {
        /// What was asked.
        request: String,
        /// What happened instead.
        why: String,
    },
    /// The answer is a refusal.
    Refused {
        /// What was asked.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The last segment of the problem's type; empty when the answer is no problem document.
        slug: String,
        /// Title, detail, and everything that is wrong with the request, as far as the answer says.
        says: String,
    },
    /// The answer is none that this program understands, or what was waited for did not happen.
    Unexpected {
        /// What was asked.
        request: String,
        /// What is strange.
        what: String,
    },
}

impl DemoError {
    /// Whether it is a refusal with this problem type.
    pub(super) fn is(&self, expected: &str) -> bool {
        matches!(self, Self::Refused { slug, .. } if slug == expected)
    }
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer { request, why } => write!(f, "{request}: no answer: {why}"),
            Self::Refused { request, status, says, .. } => {
                write!(f, "{request}: refused with {status}: {says}")
            }
            Self::Unexpected { request, what } => write!(f, "{request}: {what}"),
        }
    }
}

impl Error for DemoError {}

/// A request.
#[derive(Debug)]
struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

#[derive(Debug, Clone, Copy)]
enum Method {
    Get,
    Post,
    Put,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// An answer of success.
#[derive(Debug)]
pub(super) struct Reply {
    request: String,
    status: u16,
    etag: Option<String>,
    text: String,
}

impl Reply {
    /// The body as it came.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, DemoError> {
        serde_json::from_str(&self.text).map_err(|error| self.strange(&error.to_string()))
    }

    /// A text in the JSON body, such as an id.
    pub(super) fn field(&self, name: &str) -> Result<String, DemoError> {
        let body = self.json()?;
        let text = body.get(name).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| self.strange(&format!("the answer has no text \"{name}\"")))
    }

    /// The version, for a change of what was answered.
    pub(super) fn etag(&self) -> Result<String, DemoError> {
        self.etag.clone().ok_or_else(|| self.strange("the answer has no ETag"))
    }

    fn strange(&self, what: &str) -> DemoError {
        DemoError::Unexpected { request: self.request.clone(), what: what.to_owned() }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Reply, DemoError>> + Send>>;

/// Speaks to one address, as one person or as nobody. Cheap to clone.
#[derive(Clone)]
pub(super) struct Api {
    send: Arc<dyn Fn(Call) -> Answer + Send + Sync>,
    random: Arc<dyn Random>,
    token: Option<String>,
}

impl Api {
    /// Speaks to `base`, such as `http://127.0.0.1:8080`, as nobody.
    pub(super) fn new(base: &str, random: Arc<dyn Random>) -> Result<Self, StartError> {
        let client = runtime::web_client()?;
        let base = base.to_owned();
        let send = move |call: Call| -> Answer {
            let url = format!("{base}{}", call.path);
            let request = format!("{} {url}", call.method.name());
            let mut builder = match call.method {
                Method::Get => client.get(url),
                Method::Post => client.post(url),
                Method::Put => client.put(url),
            };
            for (name, value) in call.headers {
                builder = builder.header(name, value);
            }
            if let Some(body) = call.body {
                builder = builder.json(&body);
            }
            Box::pin(async move {
                let exchange = async {
                    let response = builder.timeout(PATIENCE).send().await?;
                    let status = response.status().as_u16();
                    let etag = response.headers().get("etag").and_then(|it| it.to_str().ok());
                    let etag = etag.map(str::to_owned);
                    Ok::<_, StartError>((status, etag, response.text().await?))
                };
                match exchange.await {
                    Ok((status, etag, text)) => Ok(Reply { request, status, etag, text }),
                    Err(error) => Err(DemoError::NoAnswer { request, why: error.to_string() }),
                }
            })
        };
        Ok(Self { send: Arc::new(send), random, token: None })
    }

    /// The same as the person who has this access token.
    pub(super) fn with_token(&self, token: String) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Reply, DemoError> {
        self.call(Method::Get, path, Vec::new(), None).await
    }

    /// A `GET` whose answer may wait until something has come of what it reads.
    pub(super) async fn get_outcome(&self, path: &str) -> Result<Reply, DemoError> {
        let headers = vec![("prefer", "wait=10".to_owned())];
        self.call(Method::Get, path, headers, None).await
    }

    /// A `POST` with an idempotency key of its own.
    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Reply, DemoError> {
        let key = u128::from_be_bytes(self.random.bytes());
        let headers = vec![("idempotency-key", format!("demo-{key:032x}"))];
        self.call(Method::Post, path, headers, Some(body)).await
    }

    /// A `PUT` over the version `etag`.
    pub(super) async fn put(
        &self,
        path: &str,
        etag: Option<String>,
        body: Value,
    ) -> Result<Reply, DemoError> {
        let headers = etag.map(|etag| ("if-match", etag)).into_iter().collect();
        self.call(Method::Put, path, headers, Some(body)).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        mut headers: Vec<(&'static str, String)>,
        body: Option<Value>,
    ) -> Result<Reply, DemoError> {
        if let Some(token) = &self.token {
            headers.push(("authorization", format!("Bearer {token}")));
        }
        let reply = (self.send)(Call { method, path: path.to_owned(), headers, body }).await?;
        if (200..300).contains(&reply.status) { Ok(reply) } else { Err(refusal(reply)) }
    }
}

/// What a problem document (RFC 9457) says, on one line; of any other answer, its beginning.
fn refusal(Reply { request, status, text, .. }: Reply) -> DemoError {
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let member = |name: &str| problem.get(name).and_then(Value::as_str);
    let slug = member("type").and_then(|it| it.rsplit('/').next()).unwrap_or_default().to_owned();
    let mut says: Vec<String> =
        ["title", "detail"].into_iter().filter_map(member).map(str::to_owned).collect();
    if says.is_empty() {
        let beginning: String = text.chars().take(200).collect();
        says.push(if beginning.is_empty() { SILENT.to_owned() } else { beginning });
    }
    let faults = problem.get("errors").and_then(Value::as_array).into_iter().flatten();
    says.extend(faults.map(|fault| {
        let part = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or_default();
        format!("{} {}", part("pointer"), part("detail"))
    }));
    says.extend(member("request_id").map(|id| format!("request {id}")));
    DemoError::Refused { request, status, slug, says: says.join("; ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Reply, refusal};

    fn reply(status: u16, text: String) -> Reply {
        Reply { request: "POST http://shop/v1/orders".to_owned(), status, etag: None, text }
    }

    #[test]
    fn a_refusal_says_everything_that_the_problem_says() {
        let problem = json!({
            "type": "/problems/invalid-input",
            "title": "The request is not valid",
            "status": 422,
            "detail": "two fields are wrong",
            "errors": [
                { "part": "body", "pointer": "/items/0/quantity", "detail": "greater than 20" },
                { "part": "body", "pointer": "/event_id", "detail": "is no UUID" },
            ],
            "request_id": "r-1",
        });
        let refused = refusal(reply(422, problem.to_string()));
        assert!(refused.is("invalid-input"));
        insta::assert_snapshot!(refused, @"POST http://shop/v1/orders: refused with 422: The request is not valid; two fields are wrong; /items/0/quantity greater than 20; /event_id is no UUID; request r-1");
    }

    #[test]
    fn a_refusal_that_is_no_problem_document_is_shown_as_it_came() {
        let of_proxy = refusal(reply(502, "<h1>Bad Gateway</h1>".to_owned()));
        assert!(of_proxy.to_string().ends_with("refused with 502: <h1>Bad Gateway</h1>"));
        assert!(!of_proxy.is("invalid-input"));
        let silent = refusal(reply(404, String::new()));
        assert!(silent.to_string().contains("is not the public listener"), "{silent}");
    }

    #[test]
    fn an_answer_without_what_was_asked_for_is_strange() {
        let answer = reply(200, r#"{"state":"held","places":2}"#.to_owned());
        assert_eq!(answer.field("state").unwrap(), "held");
        assert!(answer.field("places").unwrap_err().to_string().contains("no text \"places\""));
        assert!(answer.etag().unwrap_err().to_string().ends_with("the answer has no ETag"));
        assert!(reply(200, "ok".to_owned()).json().is_err());
    }
}

//! The problems that any endpoint can have, and the page that explains each of them.
//!
//! A service's own problems are in a list of the service's; they come here as part of its OpenAPI
//! document.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::ProblemType;

/// Every problem the edge itself can answer with.
pub static ALL: &[&ProblemType] = &[
    &MALFORMED_JSON,
    &INVALID_INPUT,
    &UNAUTHENTICATED,
    &TOKEN_EXPIRED,
    &FORBIDDEN,
    &ACCOUNT_NEEDED,
    &NOT_FOUND,
    &METHOD_NOT_ALLOWED,
    &UNSUPPORTED_MEDIA_TYPE,
    &PAYLOAD_TOO_LARGE,
    &REQUEST_TIMEOUT,
    &BAD_REQUEST,
    &IDEMPOTENCY_KEY_MISSING,
    &IDEMPOTENCY_KEY_REUSED,
    &IDEMPOTENCY_KEY_IN_FLIGHT,
    &PRECONDITION_REQUIRED,
    &PRECONDITION_FAILED,
    &DEAD_LETTER_WAITS,
    &DEAD_LETTER_DISCARDED,
    &DEAD_LETTER_FOREIGN,
    &TOO_BUSY,
    &SERVICE_UNAVAILABLE,
    &TIMED_OUT,
    &INTERNAL,
];

/// The body is not JSON.
pub static MALFORMED_JSON: ProblemType = ProblemType {
    slug: "malformed-json",
    status: 400,
    title: "The body is not valid JSON",
    meaning: "The body could not be read as JSON. Nothing was changed.",
    what_to_do: "Correct the syntax at the line and column that `detail` names.",
};

/// The request was read, but values in it are refused.
pub static INVALID_INPUT: ProblemType = ProblemType {
    slug: "invalid-input",
    status: 422,
    title: "The input is not valid",
    meaning: "The request was understood, but a value in it is missing, unknown, of the wrong type \
              or outside its limits. `errors` lists every fault that was found: `in` says which part \
              of the request, `pointer` where in it (a JSON pointer), `detail` what is wrong. \
              Nothing was changed.",
    what_to_do: "Correct every entry of `errors` and send the request again. The same \
                 Idempotency-Key may be used.",
};

/// The endpoint needs a caller who has logged in, or the token is not one of ours.
pub static UNAUTHENTICATED: ProblemType = ProblemType {
    slug: "unauthenticated",
    status: 401,
    title: "You are not logged in",
    meaning: "The endpoint needs an access token and none was sent, or the one that was sent is \
              malformed, was not signed by this installation, is meant for something else, or belongs \
              to a session that has ended.",
    what_to_do: "Log in with `POST /v1/auth/login` and send the access token as \
                 `Authorization: Bearer <token>`.",
};

/// The access token was good once.
pub static TOKEN_EXPIRED: ProblemType = ProblemType {
    slug: "token-expired",
    status: 401,
    title: "The access token has expired",
    meaning: "The access token is genuine, but its time is over.",
    what_to_do: "Get a new one with `POST /v1/auth/refresh`, then repeat the request.",
};

/// The caller is known, and may not do this.
pub static FORBIDDEN: ProblemType = ProblemType {
    slug: "forbidden",
    status: 403,
    title: "You may not do this",
    meaning: "The access token is valid, but the account lacks the role or the membership that this \
              needs.",
    what_to_do: "Use an account that has the role, or ask an administrator for it. A new role takes \
                 effect with the next access token.",
};

/// The caller is a guest, and this is about an account.
pub static ACCOUNT_NEEDED: ProblemType = ProblemType {
    slug: "account-needed",
    status: 403,
    title: "This needs an account",
    meaning: "The access token is a guest's: it is good for what belongs to the guest's order, and \
              the request is about an account, which guests do not have.",
    what_to_do: "Register with `POST /v1/auth/register` and log in, or, to order once more as a \
                 guest, send `POST /v1/orders` without an access token.",
};

/// No such route or resource, or none that the caller may see.
pub static NOT_FOUND: ProblemType = ProblemType {
    slug: "not-found",
    status: 404,
    title: "There is no such thing",
    meaning: "Nothing is at this path, or what is there is not the caller's to see.",
    what_to_do: "Check the path and the identifier in it, and that you use the account it belongs to.",
};

/// The path exists, the method does not.
pub static METHOD_NOT_ALLOWED: ProblemType = ProblemType {
    slug: "method-not-allowed",
    status: 405,
    title: "The path does not support this method",
    meaning: "The path exists, but not with this HTTP method.",
    what_to_do: "Use one of the methods in the `Allow` header.",
};

/// The body is of a type the endpoint does not read.
pub static UNSUPPORTED_MEDIA_TYPE: ProblemType = ProblemType {
    slug: "unsupported-media-type",
    status: 415,
    title: "The body is not of a supported type",
    meaning: "The endpoint reads JSON, and the `Content-Type` header says that the body is \
              something else or does not say what it is.",
    what_to_do: "Send JSON with `Content-Type: application/json`.",
};

/// The body is longer than the configured limit.
pub static PAYLOAD_TOO_LARGE: ProblemType = ProblemType {
    slug: "payload-too-large",
    status: 413,
    title: "The body is too large",
    meaning: "The body is longer than this installation accepts (`edge.body_limit_bytes`). Nothing \
              was changed.",
    what_to_do: "Send less, or split the request.",
};

/// The client took too long to send its request.
pub static REQUEST_TIMEOUT: ProblemType = ProblemType {
    slug: "request-timeout",
    status: 408,
    title: "The request took too long to arrive",
    meaning: "The body had not arrived in full when the time for a request \
              (`edge.request_timeout`) was over. Nothing was changed.",
    what_to_do: "Send the request again, over a better connection if need be.",
};

/// The framework refused the request in a way that has no type of its own.
pub static BAD_REQUEST: ProblemType = ProblemType {
    slug: "bad-request",
    status: 400,
    title: "The request could not be read",
    meaning: "The request breaks a rule of HTTP, such as a header or a path that is not valid \
              text. Nothing was changed.",
    what_to_do: "Compare the request with the endpoint's description at `/docs`.",
};

/// The endpoint requires an idempotency key.
pub static IDEMPOTENCY_KEY_MISSING: ProblemType = ProblemType {
    slug: "idempotency-key-missing",
    status: 400,
    title: "The request needs an Idempotency-Key",
    meaning: "The endpoint creates or pays something, and must be able to tell a repeated request \
              from a second one. The `Idempotency-Key` header is missing, or is not 1 to 255 \
              visible ASCII characters. Nothing was changed.",
    what_to_do: "Make up a unique key, such as a UUID, for each thing you want done, and send the \
                 same key when you repeat the request.",
};

/// The key belongs to a request with another body.
pub static IDEMPOTENCY_KEY_REUSED: ProblemType = ProblemType {
    slug: "idempotency-key-reused",
    status: 422,
    title: "The Idempotency-Key was used for another request",
    meaning: "The same account has sent this key to this path before, with another body or other \
              parameters. Keys are remembered for at least 24 hours. Nothing was changed by this \
              request.",
    what_to_do: "Use a new key for a new request; repeat a request exactly as it was.",
};

/// The first request with this key has not been answered yet.
pub static IDEMPOTENCY_KEY_IN_FLIGHT: ProblemType = ProblemType {
    slug: "idempotency-key-in-flight",
    status: 409,
    title: "The first request with this Idempotency-Key is still being worked on",
    meaning: "A request with the same key is under way, or was cut off a moment ago. This one \
              changed nothing.",
    what_to_do: "Wait as long as `Retry-After` says and send the same request with the same key; it \
                 is answered with the first one's outcome.",
};

/// A change that needs `If-Match` came without it.
pub static PRECONDITION_REQUIRED: ProblemType = ProblemType {
    slug: "precondition-required",
    status: 428,
    title: "The request needs If-Match",
    meaning: "The resource can be edited by several people, and the request does not say which \
              version of it you have seen. Nothing was changed.",
    what_to_do: "Read the resource and send its `ETag` as `If-Match`.",
};

/// The resource has another version than the client has seen.
pub static PRECONDITION_FAILED: ProblemType = ProblemType {
    slug: "precondition-failed",
    status: 412,
    title: "The resource has changed",
    meaning: "`If-Match` does not name the resource's present version: somebody else changed it \
              after you read it. Nothing was changed by this request.",
    what_to_do: "Read the resource again, apply your change to what it is now, and send the new \
                 `ETag` as `If-Match`.",
};

/// A dead letter is not the first of its queue.
pub static DEAD_LETTER_WAITS: ProblemType = ProblemType {
    slug: "dead-letter-waits",
    status: 409,
    title: "The dead letter waits behind another one",
    meaning: "Events about the same thing take effect in their order. An earlier one could not be \
              taken in, so this one waits and can be neither retried nor discarded before it. \
              `behind` is the id of the dead letter that is first; it is absent when the turn of \
              this one has just come. Nothing was changed.",
    what_to_do: "Retry or discard the dead letter that `behind` names; this one then follows by \
                 itself.",
};

/// Somebody decided about a dead letter before.
pub static DEAD_LETTER_DISCARDED: ProblemType = ProblemType {
    slug: "dead-letter-discarded",
    status: 409,
    title: "The dead letter was discarded",
    meaning: "Somebody threw this event away, so that it never takes effect. `discarded` says who, \
              when and why. Nothing was changed.",
    what_to_do: "Correct what the event should have done by other means; it cannot be brought back.",
};

/// A dead letter is none of its publisher's events.
pub static DEAD_LETTER_FOREIGN: ProblemType = ProblemType {
    slug: "dead-letter-foreign",
    status: 409,
    title: "The dead letter is no event of the publisher's",
    meaning: "The message has no place in the publisher's log: somebody else wrote it to the topic, \
              it is from another log, or it was damaged on its way. It never takes effect, and a \
              later release does not change that. Nothing was changed.",
    what_to_do: "Find out from the dead letter who wrote it, and discard it.",
};

/// More requests are under way than the process takes.
pub static TOO_BUSY: ProblemType = ProblemType {
    slug: "too-busy",
    status: 503,
    title: "Too many requests are under way",
    meaning: "This process works on as many requests as it can (`edge.max_in_flight`) and refused \
              yours at once rather than let it wait. Nothing was changed.",
    what_to_do: "Try again after as many seconds as `Retry-After` says.",
};

/// Something that the request needs is away; it was not executed.
pub static SERVICE_UNAVAILABLE: ProblemType = ProblemType {
    slug: "service-unavailable",
    status: 503,
    title: "A part that this needs is not available",
    meaning: "A database or another service that the request needs cannot be reached at the moment. \
              The request was not executed.",
    what_to_do: "Try again after as many seconds as `Retry-After` says. Operators: `/readyz` on the \
                 admin listener says what is away.",
};

/// The time for the request is over; its fate is not known.
pub static TIMED_OUT: ProblemType = ProblemType {
    slug: "timed-out",
    status: 504,
    title: "The request was not finished in time",
    meaning: "The request was begun, but had no outcome when its time was over. It may still be \
              finished.",
    what_to_do: "Repeat it with the same Idempotency-Key, or read the resource to see whether it was \
                 done, before you ask for it anew.",
};

/// A defect.
pub static INTERNAL: ProblemType = ProblemType {
    slug: "internal",
    status: 500,
    title: "Something broke on our side",
    meaning: "The request met a defect. The log has the details under the problem's `request_id`.",
    what_to_do: "Tell the operator the `request_id`. Repeat a request that changes something only \
                 with the same Idempotency-Key.",
};

/// The type that fits when only a status is known: an error of the framework.
pub(crate) fn for_status(status: u16) -> &'static ProblemType {
    match status {
        401 => &UNAUTHENTICATED,
        403 => &FORBIDDEN,
        404 => &NOT_FOUND,
        405 => &METHOD_NOT_ALLOWED,
        408 => &REQUEST_TIMEOUT,
        412 => &PRECONDITION_FAILED,
        413 => &PAYLOAD_TOO_LARGE,
        415 => &UNSUPPORTED_MEDIA_TYPE,
        422 => &INVALID_INPUT,
        428 => &PRECONDITION_REQUIRED,
        503 => &SERVICE_UNAVAILABLE,
        504 => &TIMED_OUT,
        400..=499 => &BAD_REQUEST,
        _ => &INTERNAL,
    }
}

/// What a problem's page says. The OpenAPI document carries these from the services to where the
/// pages are served.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Explanation {
    /// The service whose problem it is; `edge` for those any endpoint can have.
    pub service: String,
    /// The problem's name.
    pub slug: String,
    /// Its HTTP status.
    pub status: u16,
    /// What it is.
    pub title: String,
    /// What it means.
    pub meaning: String,
    /// What the client should do.
    pub what_to_do: String,
}

impl Explanation {
    /// The explanation of `kind`, which is a problem of `service`.
    pub fn of(service: &str, kind: &ProblemType) -> Self {
        Self {
            service: service.to_owned(),
            slug: kind.slug.to_owned(),
            status: kind.status,
            title: kind.title.to_owned(),
            meaning: kind.meaning.to_owned(),
            what_to_do: kind.what_to_do.to_owned(),
        }
    }

    /// The page as plain text.
    pub(crate) fn text(&self) -> String {
        let Self { service, slug, status, title, meaning, what_to_do } = self;
        format!(
            "{title}\n\ntype: /problems/{slug}\nstatus: {status}\nfrom: {service}\n\n{meaning}\n\n\
             What to do: {what_to_do}\n"
        )
    }
}

/// The explanations of the edge's own problems.
pub fn explanations() -> Vec<Explanation> {
    ALL.iter().map(|kind| Explanation::of("edge", kind)).collect()
}

/// `docs/errors.md` for these problems, in their order, under a heading for each service.
pub fn markdown(explanations: &[Explanation]) -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Every error body is a problem as in RFC 9457, sent as `application/problem+json`. `type` is\n\
         stable: tell errors apart by it, not by their text. `GET` on the `type` explains it, too.\n\
         `request_id` is what to tell the operator; it is also in the `x-request-id` header and in\n\
         the log. This page is written from the code, and a test keeps it so.\n",
    );
    let mut service = "";
    for it in explanations {
        if it.service != service {
            service = &it.service;
            let heading = if service == "edge" { "any endpoint" } else { service };
            let _ = write!(page, "\n## Problems of {heading}\n");
        }
        let Explanation { slug, status, title, meaning, what_to_do, .. } = it;
        let _ = write!(
            page,
            "\n### {slug}\n\n**{status}** {title}.\n\n{meaning}\n\nWhat to do: {what_to_do}\n"
        );
    }
    page
}

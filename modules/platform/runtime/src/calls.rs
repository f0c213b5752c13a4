//! How calls to contracts travel: within the process (`local`), to another one (`http`), which of its replicas
//! first (`endpoints`), and what receives them there (`server`), with the tokens by which services know each other.
//!
//! Both ways give the same answers: the contract's own, or one of the three transport faults.

mod complaints;
mod endpoints;
mod guarded;
mod http;
mod keys;
mod local;
mod metrics;
mod server;
mod token;
mod wire;

pub use self::{
    endpoints::{Attempt, Endpoint, Endpoints, InvalidEndpoint, RoutingKey},
    http::{HttpClient, HttpMethod, Outbound, web_client},
    keys::{KeyError, KeyPair},
    local::{LocalCalls, LocalMethod},
    metrics::describe_call_metrics,
    server::{AllowList, InternalServer, Refusal},
    token::{KeyPlaces, ServiceTokens, TokenRefusal},
};

use crate::Fault;

/// The method that a call is meant for, as faults name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Callee {
    service: &'static str,
    method: &'static str,
}

impl Callee {
    fn not_required_by(self, caller: &str) -> String {
        let Self { service, method } = self;
        format!("{caller} may not call {service}.{method}; list it under what {caller} requires")
    }

    fn not_sent(self, reason: impl Into<String>) -> Fault {
        let Self { service, method } = self;
        Fault::NotSent { service, method, reason: reason.into() }
    }

    fn unknown(self, reason: impl Into<String>) -> Fault {
        let Self { service, method } = self;
        Fault::Unknown { service, method, reason: reason.into() }
    }

    fn failed(self, reason: impl Into<String>) -> Fault {
        let Self { service, method } = self;
        Fault::Failed { service, method, reason: reason.into() }
    }
}

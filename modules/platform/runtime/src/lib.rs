//! What every service stands on: modules and the registry's rules, the context that travels with
//! each piece of work, configuration, the service client with its two transports, listeners and
//! the life of a process from start to stop.
//!
//! Nothing here knows of tickets, of SQL, or of the public HTTP stack.

mod admin;
mod boot;
mod calls;
mod check;
mod clock;
mod config;
mod context;
mod contract;
mod events;
mod fault;
mod faults;
mod ids;
mod lifecycle;
mod listener;
mod migrations;
mod module;
mod network;
mod peers;
mod preflight;
mod principal;
mod random;
mod readiness;
mod registry;
mod tasks;
mod unavailable;
mod views;
mod web;
mod zones;

pub use admin::MetricsRender;
pub use async_trait::async_trait;
pub use axum::Router;
pub use boot::{Boot, PublicInputs};
pub use calls::{
    AllowList, Attempt, Endpoint, Endpoints, HttpClient, HttpMethod, InternalServer,
    InvalidEndpoint, KeyError, KeyPair, KeyPlaces, LocalCalls, LocalMethod, Outbound, Refusal,
    RoutingKey, ServiceTokens, TokenRefusal, describe_call_metrics, web_client,
};
pub use check::{CheckReport, CheckResult, Checked, Finding, describe_check_metrics};
pub use clock::{Clock, SystemClock, Timestamp, pause};
pub use config::{
    Addresses, AdminSettings, CheckSettings, Config, ENVIRONMENT_PREFIX, Entry, InternalSettings,
    LogFormat, LogSettings, Mode, NodeSettings, Peer, PeersSettings, ProcessAddresses,
    ProcessesSettings, PublicSettings, Secret, Section, SectionSpec, ServiceAuthSettings,
    ShutdownSettings, Sources, duration, optional_duration,
};
pub use context::{Context, DEFAULT_DEADLINE, TraceContext};
pub use contract::{
    Contract, ContractDescription, ContractError, Message, Method, MethodDescription,
};
pub use events::{
    EventDescription, FIRST_EVENT_VERSION, IntegrationEvents, UnreadableEvent, describe_events,
    describe_schema,
};
pub use fault::{Fault, Unrecognised};
pub use faults::{Faults, StartError};
pub use futures_util::future::BoxFuture;
pub use ids::Ids;
pub use lifecycle::{Launch, RunningNode};
pub use migrations::{Migration, Migrations, Statement, TakenBack};
pub use module::{GATEWAY, Module, Needed, Provided};
pub use network::FEED;
pub use preflight::{data_dir_fault, preflight};
pub use principal::{Principal, Role};
pub use random::{Random, SystemRandom};
pub use readiness::{ModuleReadiness, ReadinessReport, Standing};
pub use registry::{ALL_SERVICES, Plan, registry_faults};
pub use runtime_macros::service;
pub use tasks::{Task, TaskFault, Tasks};
pub use tokio_util::sync::CancellationToken;
pub use views::{RebuildOrder, RebuildProgress, RebuildStep, Rebuilt, ViewDescription, Views};
pub use web::{WebClient, WebError};
pub use zones::time_zone;

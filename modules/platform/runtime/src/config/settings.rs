//! The sections of the platform itself.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{PeersSettings, Section, SectionSpec, duration, optional_duration};

/// The sections of the platform, which every process has.
pub(super) const PLATFORM: &[SectionSpec] = &[
    SectionSpec::of::<NodeSettings>(),
    SectionSpec::of::<PublicSettings>(),
    SectionSpec::of::<InternalSettings>(),
    SectionSpec::of::<AdminSettings>(),
    SectionSpec::of::<PeersSettings>(),
    SectionSpec::of::<ProcessesSettings>(),
    SectionSpec::of::<ServiceAuthSettings>(),
    SectionSpec::of::<ShutdownSettings>(),
    SectionSpec::of::<CheckSettings>(),
    SectionSpec::of::<LogSettings>(),
];

/// Which shape the process is part of. It decides defaults only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Every service in one process.
    #[default]
    Monolith,
    /// Services spread over processes.
    Micro,
}

/// `[node]`: what this process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSettings {
    /// The services it hosts; `all` stands for every one but the gateway, which nobody needs when
    /// nothing is remote.
    pub services: Vec<String>,
    /// The shape it is part of.
    pub mode: Mode,
    /// Where embedded databases and generated keys live.
    pub data_dir: PathBuf,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self { services: vec!["all".to_owned()], mode: Mode::Monolith, data_dir: "data".into() }
    }
}

impl Section for NodeSettings {
    const NAME: &'static str = "node";

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.services.is_empty() {
            faults.push("services: names no service; name some, or say \"all\"".to_owned());
        }
        if self.data_dir.as_os_str().is_empty() {
            faults.push("data_dir: is empty; name a directory".to_owned());
        }
        faults
    }
}

/// `[public]`: the listener for clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublicSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections open at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// How long a client may take from connecting to the end of its first request's head.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// How long a connection may stay open from one request to the end of the next one's head.
    /// Longer than whoever keeps connections in front of this process keeps them.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
}

impl Default for PublicSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            max_connections: 10_000,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
        }
    }
}

impl Section for PublicSettings {
    const NAME: &'static str = "public";

    fn check(&self) -> Vec<String> {
        listener_faults(self.max_connections, self.header_timeout, self.idle_timeout)
    }
}

/// `[internal]`: the listener for calls between services. Not opened when nothing is remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InternalSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections open at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// How long a caller may take from connecting to the end of its first request's head.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// How long a connection may stay open from one request to the end of the next one's head.
    /// Longer than whoever keeps connections in front of this process keeps them.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
}

impl Default for InternalSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8081)),
            max_connections: 10_000,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
        }
    }
}

impl Section for InternalSettings {
    const NAME: &'static str = "internal";

    fn check(&self) -> Vec<String> {
        listener_faults(self.max_connections, self.header_timeout, self.idle_timeout)
    }
}

fn listener_faults(
    max_connections: usize,
    header_timeout: Duration,
    idle_timeout: Duration,
) -> Vec<String> {
    let mut faults = Vec::new();
    if max_connections == 0 {
        faults.push("max_connections: is 0, which lets nobody in; use at least 1".to_owned());
    }
    if header_timeout.is_zero() {
        faults.push("header_timeout: is 0, which no client can meet; use at least 1s".to_owned());
    }
    if idle_timeout.is_zero() {
        faults.push("idle_timeout: is 0, which no client can meet; use at least 1s".to_owned());
    }
    faults
}

/// `[admin]`: the listener for probes and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 9090)) }
    }
}

impl Section for AdminSettings {
    const NAME: &'static str = "admin";
}

/// `[processes.<service>]`: where each process of a split on one machine listens. With mode
/// `micro`, the entry of the first service that the process hosts gives its addresses, unless
/// `[public]`, `[internal]` or `[admin]` say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessesSettings(pub BTreeMap<String, ProcessAddresses>);

/// Where one process of a split listens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessAddresses {
    /// For clients.
    pub public: Option<SocketAddr>,
    /// For calls between services.
    pub internal: Option<SocketAddr>,
    /// For probes and metrics.
    pub admin: Option<SocketAddr>,
}

impl Section for ProcessesSettings {
    const NAME: &'static str = "processes";
}

/// `[service_auth]`: the keys with which services prove to each other who they are. Both directories
/// may be missing where databases are embedded and every process is on this machine: then keys are
/// made in the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceAuthSettings {
    /// Holds `<service>.pem` (`PKCS#8`, Ed25519) of each service that is hosted here.
    pub private_keys_dir: Option<PathBuf>,
    /// Holds `<service>.pub.pem` of every service.
    pub public_keys_dir: Option<PathBuf>,
    /// Who issues the tokens: the same name in every process of an installation.
    pub issuer: String,
}

impl Default for ServiceAuthSettings {
    fn default() -> Self {
        Self { private_keys_dir: None, public_keys_dir: None, issuer: "boxoffice".to_owned() }
    }
}

impl Section for ServiceAuthSettings {
    const NAME: &'static str = "service_auth";

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.private_keys_dir.is_some() && self.public_keys_dir.is_none() {
            faults.push("public_keys_dir: is missing; private_keys_dir needs it beside".to_owned());
        }
        if self.public_keys_dir.is_some() && self.private_keys_dir.is_none() {
            faults.push("private_keys_dir: is missing; public_keys_dir needs it beside".to_owned());
        }
        if self.issuer.is_empty() {
            faults.push("issuer: is empty; give it a name, the same in every process".to_owned());
        }
        faults
    }
}

/// `[shutdown]`: how a process stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownSettings {
    /// How long to keep serving after saying "not ready", until load balancers have noticed.
    /// Without it: 5 s in mode `micro`, nothing in mode `monolith`.
    #[serde(with = "optional_duration")]
    pub grace: Option<Duration>,
    /// How long requests under way may take to finish.
    #[serde(with = "duration")]
    pub drain: Duration,
    /// How long each module may take to stop.
    #[serde(with = "duration")]
    pub module: Duration,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self { grace: None, drain: Duration::from_secs(15), module: Duration::from_secs(5) }
    }
}

impl ShutdownSettings {
    /// How long to keep serving after saying "not ready".
    pub fn grace(&self, mode: Mode) -> Duration {
        let usual = match mode {
            Mode::Monolith => Duration::ZERO,
            Mode::Micro => Duration::from_secs(5),
        };
        self.grace.unwrap_or(usual)
    }
}

impl Section for ShutdownSettings {
    const NAME: &'static str = "shutdown";
}

/// `[check]`: when a process checks whether what must be true still is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckSettings {
    /// How often it does so by itself, give or take a tenth; 0 for never.
    #[serde(with = "duration")]
    pub every: Duration,
    /// How long all its checks together may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self { every: Duration::from_hours(1), timeout: Duration::from_mins(5) }
    }
}

impl Section for CheckSettings {
    const NAME: &'static str = "check";

    fn check(&self) -> Vec<String> {
        let is_busy = !self.every.is_zero() && self.every < Duration::from_secs(1);
        let busy = is_busy.then(|| {
            "every: is shorter than a second, and nothing else would get done; use 1h, or 0s for \
             never"
                .to_owned()
        });
        let hasty = self
            .timeout
            .is_zero()
            .then(|| "timeout: is 0, in which nothing can be checked; use at least 1s".to_owned());
        busy.into_iter().chain(hasty).collect()
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// `[log]`: what is logged, and how it looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// What is logged: a level, or directives such as `info,runtime=debug`.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

impl Section for LogSettings {
    const NAME: &'static str = "log";
}

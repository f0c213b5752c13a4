//! The flags that every command has: where its configuration comes from.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use runtime::{Config, Faults, LogFormat, LogSettings, Mode, Plan, Sources};

use super::Failure;
use crate::{node, registry::MODULES};

/// Read when it is there and `--config` names no other.
const DEFAULT_FILE: &str = "config/default.toml";

/// The profiles that are part of the binary, so that it works from any directory.
const PROFILES: &[(&str, &str)] = &[
    ("monolith", include_str!("../../config/monolith.toml")),
    ("micro", include_str!("../../config/micro.toml")),
];

/// Where the configuration comes from, weakest first: defaults, file, profile, environment
/// (`BOXOFFICE__PUBLIC__ADDRESS`), flags.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub(super) struct ConfigurationFlags {
    /// Read this file [default: config/default.toml, when there is one].
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    /// Read config/NAME.toml on top; monolith and micro are built in.
    #[arg(long, value_name = "NAME", global = true)]
    pub(super) profile: Option<String>,
    /// Set one key, such as public.address=0.0.0.0:8080. Can be given many times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, global = true)]
    pub(super) set: Vec<(String, String)>,
    /// Host these services only, separated by commas; `all` is every one but the gateway.
    #[arg(long, value_name = "NAMES", global = true)]
    pub(super) services: Option<String>,
    /// Be the monolith, or a part of the split on one machine. Implies the profile of that name.
    #[arg(long, value_enum, global = true)]
    pub(super) mode: Option<Shape>,
    /// Keep embedded databases and generated keys here.
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) data_dir: Option<PathBuf>,
}

/// A shape of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    /// Every service in one process.
    Monolith,
    /// Every service in a process of its own.
    Micro,
}

impl Shape {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Monolith => "monolith",
            Self::Micro => "micro",
        }
    }
}

impl ConfigurationFlags {
    fn sources(&self) -> Sources {
        let mut sources = Sources::new();
        if let Some(file) = &self.config {
            sources = sources.file(file);
        } else if Path::new(DEFAULT_FILE).exists() {
            sources = sources.file(Path::new(DEFAULT_FILE));
        }
        if let Some(name) = self.profile.as_deref().or(self.mode.map(Shape::name)) {
            sources = with_profile(sources, name);
        }
        self.with_flags(sources.environment(environment()))
    }

    /// The configuration of a process that could start with it, or of all processes of a split:
    /// what it hosts fits together, its keys are there, and logs can be written as it says. Logs
    /// are written from here on.
    pub(super) fn load_for_process(&self) -> Result<(Config, Plan), Faults> {
        self.load(|config| {
            let between = node::faults_between_services(config, is_whole_split(config));
            runtime::data_dir_fault(config).into_iter().chain(between).collect()
        })
    }

    /// As [`Self::load_for_process`], for commands that may find nothing to write in, and sell
    /// nothing.
    pub(super) fn load_for_databases(&self) -> Result<(Config, Plan), Faults> {
        self.load(|_| Vec::new())
    }

    fn load(&self, more: impl Fn(&Config) -> Vec<String>) -> Result<(Config, Plan), Faults> {
        let sources = self.sources();
        let config = node::read(sources.clone());
        let outcome = node::preflight(sources.clone());
        let mut faults = match &outcome {
            _ if is_whole_split(&config) => faults_of_processes(&sources),
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(str::to_owned).collect(),
        };
        faults.extend(more(&config));
        faults.extend(begin_logs(&config));
        Faults::check(faults)?;
        outcome
    }

    /// The configuration for commands that start nothing.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        node::configuration(self.sources()).map_err(wrong)
    }

    fn with_flags(&self, mut sources: Sources) -> Sources {
        if let Some(services) = &self.services {
            sources = sources.set("--services", "node.services", services);
        }
        if let Some(mode) = self.mode {
            sources = sources.set("--mode", "node.mode", mode.name());
        }
        if let Some(data_dir) = &self.data_dir {
            sources = sources.set("--data-dir", "node.data_dir", data_dir.display().to_string());
        }
        for (key, value) in &self.set {
            sources = sources.set("--set", key, value);
        }
        sources
    }
}

/// Whether this is to be the whole split, and not one process of it.
pub(super) fn is_whole_split(config: &Config) -> bool {
    let node = config.node();
    node.mode == Mode::Micro && node.services == [runtime::ALL_SERVICES]
}

/// What keeps the processes of the split from starting, each thing once.
fn faults_of_processes(sources: &Sources) -> Vec<String> {
    let mut faults: Vec<String> = Vec::new();
    for module in MODULES {
        let own = sources.clone().set("--services", "node.services", module.name);
        let Err(found) = node::preflight(own) else { continue };
        for fault in found.iter() {
            if !faults.iter().any(|known| known == fault) {
                faults.push(fault.to_owned());
            }
        }
    }
    faults
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it like public.address=0.0.0.0:8080")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What keeps the configuration from being used.
pub(super) fn wrong(faults: Faults) -> Failure {
    Failure::faults("the configuration is wrong", faults)
}

/// The profile's file, or what is built in under its name.
fn with_profile(sources: Sources, name: &str) -> Sources {
    let file = format!("config/{name}.toml");
    let path = Path::new(&file);
    if path.exists() {
        return sources.file(path);
    }
    let built_in = PROFILES.iter().find(|(built_in, _)| *built_in == name);
    if let Some((_, text)) = built_in {
        return sources.toml(format!("{file} (built in)"), text);
    }
    let names: Vec<&str> = PROFILES.iter().map(|(built_in, _)| *built_in).collect();
    sources.fault(format!(
        "--profile {name}: there is no {file} here; built in are {}",
        names.join(", ")
    ))
}

fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What keeps logs from being written.
fn begin_logs(config: &Config) -> Option<String> {
    let LogSettings { filter, format } = config.section();
    let format = match format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    // The lines of a whole split arrive mixed; those of the one that looks after it are its own.
    let is_one_of_many = config.node().mode == Mode::Micro && !is_whole_split(config);
    let process = is_one_of_many.then(|| config.node().services.join(","));
    let fault = telemetry::init_logs_of(process.as_deref(), &filter, format).err()?;
    Some(format!("log.filter: {fault}"))
}

//! `boxoffice events`: events on their way between services over Kafka.
//!
//! Works directly on the databases of the configuration, as `migrate` does.

use std::io::Write;

use bus::{BusKind, BusSettings};
use clap::{Args, Subcommand};
use runtime::{Config, Module, StartError};
use store::{Database, DatabaseSettings, Feed, RelayLog, StoreError};

use super::{
    Failure, block_on,
    flags::{ConfigurationFlags, wrong},
    table::{Cell, render},
};
use crate::registry::MODULES;

#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    #[command(subcommand)]
    wish: Wish,
}

#[derive(Debug, Subcommand)]
enum Wish {
    /// Show how far each service's log was published, and how much of it is left.
    Relays,
    /// Have all events of a service published again, from the beginning of its log.
    ///
    /// For consumers that say that events are missing, because brokers no longer have them. Those
    /// that have taken an event pass over it, so nothing happens twice. Needs no stop: the relay of
    /// the service begins anew within a second or two, or when the service is started.
    Republish {
        /// Whose events: the name of a service, such as `orders`.
        service: String,
    },
}

pub(super) fn run(
    args: &EventsArgs,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (config, plan) = flags.load_for_databases().map_err(wrong)?;
    let settings: BusSettings = config.section();
    if settings.kind != BusKind::Kafka {
        return Err(cannot("bus.kind is not \"kafka\": without brokers nothing is published"));
    }
    match &args.wish {
        Wish::Relays => {
            let modules = plan.start_order.iter().copied().filter(|module| publishes(module));
            block_on(show(modules.collect(), &config, &settings, out))
        }
        Wish::Republish { service } => {
            let module = named(service)?;
            block_on(republish(module, &config, &settings, out))
        }
    }
}

fn cannot(why: impl Into<String>) -> Failure {
    Failure::error("cannot look after events", StartError::new(why.into()))
}

fn publishes(module: &Module) -> bool {
    module.schema.is_some() && !module.publishes.is_empty()
}

fn named(service: &str) -> Result<&'static Module, Failure> {
    let publishers = || MODULES.iter().copied().filter(|module| publishes(module));
    publishers().find(|module| module.name == service).ok_or_else(|| {
        let known: Vec<&str> = publishers().map(|module| module.name).collect();
        cannot(format!("\"{service}\" publishes no events; choose from {}", known.join(", ")))
    })
}

/// The topics of a service: that of its events, and that of its trail.
fn topics(module: &Module, settings: &BusSettings) -> Vec<String> {
    let trail = format!("{}.audit", module.name);
    let has_trail = module.publishes.contains(&trail.as_str());
    let has_events = module.publishes.len() > usize::from(has_trail);
    let events = has_events.then(|| module.name.to_owned());
    let all = events.into_iter().chain(has_trail.then_some(trail));
    all.map(|publisher| settings.kafka.topic(&publisher)).collect()
}

/// The service's database; `None` when there is none yet, or nothing was ever published from it.
async fn open(module: &Module, config: &Config) -> Result<Option<Database>, Failure> {
    let fault = |error: &dyn std::fmt::Display| cannot(format!("{}: {error}", module.name));
    let Some(schema) = module.schema else {
        return Ok(None);
    };
    let steps = schema.status(config).await.map_err(|error| fault(&error))?;
    if !steps.iter().any(|step| step.applied) {
        return Ok(None);
    }
    if steps.iter().any(|step| step.set == "store" && !step.applied) {
        return Err(fault(&"its database is older than this program; run `boxoffice migrate up`"));
    }
    let settings: DatabaseSettings = config.section();
    let connected = Database::connect(&settings, module.name, &config.node().data_dir).await;
    connected.map(Some).map_err(|error| fault(&error))
}

async fn show(
    modules: Vec<&'static Module>,
    config: &Config,
    settings: &BusSettings,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut has_any = false;
    for module in modules {
        let Some(database) = open(module, config).await? else { continue };
        has_any = true;
        let fault = |error: StoreError| cannot(format!("{}: {error}", module.name));
        for topic in topics(module, settings) {
            let log = RelayLog::new(&topic, settings.kafka.partitions);
            let reached = log.read(&database).await.map_err(fault)?.reached;
            let head = Feed::of_everything(&database).head().await.map_err(fault)?;
            let behind = head.map_or(0, |head| (head.seq - reached.seq).max(0));
            let published_to = format!("{}.{}", reached.txn, reached.seq);
            let cells = [module.name.to_owned(), topic, published_to, behind.to_string()];
            rows.push(cells.map(|cell| vec![cell]).to_vec());
        }
        database.close().await;
    }
    if !has_any {
        let place = config.section::<DatabaseSettings>().place(&config.node().data_dir);
        return Err(cannot(format!(
            "there is no database of a service that publishes in {place}; give the same flags, \
             configuration and environment as `boxoffice serve` has, in its directory"
        )));
    }
    write!(out, "{}", render(&["service", "topic", "published to", "behind"], &rows))?;
    Ok(())
}

async fn republish(
    module: &'static Module,
    config: &Config,
    settings: &BusSettings,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let name = module.name;
    let Some(database) = open(module, config).await? else {
        return Err(cannot(format!("{name} has no database yet")));
    };
    for topic in topics(module, settings) {
        let reset = RelayLog::new(&topic, settings.kafka.partitions).reset(&database).await;
        if reset.map_err(|error| cannot(format!("{name}: {error}")))? {
            writeln!(out, "{topic}: is published again from the beginning of the log")?;
        } else {
            writeln!(out, "{topic}: nothing was published to it yet")?;
        }
    }
    database.close().await;
    Ok(())
}

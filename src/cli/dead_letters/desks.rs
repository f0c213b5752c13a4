//! Where dead letters are looked for: in the database of every service that takes in events.

use std::sync::Arc;

use runtime::{Config, Module, SystemClock};
use store::{Database, DatabaseSettings, DeadLetter, DeadLetters};

use super::cannot;
use crate::{cli::Failure, registry::MODULES};

/// The dead letters of one service.
pub(super) struct Desk {
    pub(super) service: &'static str,
    pub(super) letters: DeadLetters,
    database: Database,
}

/// A letter, and the service whose it is.
pub(super) struct Found {
    pub(super) service: &'static str,
    pub(super) letter: DeadLetter,
}

/// All places where there may be dead letters.
pub(super) struct Desks {
    pub(super) open: Vec<Desk>,
    /// Services that were not looked at, with the reason.
    pub(super) missing: Vec<String>,
    /// Where the databases are.
    place: String,
}

impl Desks {
    /// Opens the databases that are there, whichever services `config` hosts. Whoever only looks
    /// makes none.
    pub(super) async fn open(service: Option<&str>, config: &Config) -> Result<Self, Failure> {
        let settings: DatabaseSettings = config.section();
        let place = settings.place(&config.node().data_dir);
        let mut desks = Self { open: Vec::new(), missing: Vec::new(), place };
        for module in choose(service)? {
            match open(module, &settings, config).await {
                Ok(desk) => desks.open.push(desk),
                Err(why) => desks.missing.push(format!("{}: {why}", module.name)),
            }
        }
        if desks.open.is_empty() {
            let (place, missing) = (&desks.place, desks.missing.join("; "));
            return Err(cannot(format!(
                "nothing was looked at in {place}: {missing}; give the same flags, configuration \
                 and environment as `boxoffice serve` has, in its directory"
            )));
        }
        Ok(desks)
    }

    /// What was looked at: "of orders, reporting in the data directory data".
    pub(super) fn looked_at(&self) -> String {
        let services: Vec<&str> = self.open.iter().map(|desk| desk.service).collect();
        format!("{} in {}", services.join(", "), self.place)
    }

    /// What was not looked at, if anything.
    pub(super) fn unseen(&self) -> Option<String> {
        let missing = self.missing.join("; ");
        (!missing.is_empty()).then(|| format!("not looked at: {missing}"))
    }

    pub(super) async fn close(self) {
        for desk in self.open {
            desk.database.close().await;
        }
    }
}

fn choose(service: Option<&str>) -> Result<Vec<&'static Module>, Failure> {
    let consumers: Vec<&'static Module> = MODULES
        .iter()
        .copied()
        .filter(|module| module.schema.is_some() && !module.consumes.is_empty())
        .collect();
    let Some(name) = service else {
        return Ok(consumers);
    };
    let named = consumers.iter().copied().find(|module| module.name == name);
    named.map(|one| vec![one]).ok_or_else(|| {
        let known: Vec<&str> = consumers.iter().map(|module| module.name).collect();
        let is_service = MODULES.iter().any(|module| module.name == name);
        let why = if is_service { "takes in no events" } else { "is no service" };
        cannot(format!("\"{name}\" {why}; choose from {}", known.join(", ")))
    })
}

/// The service's database, or why it cannot be looked at.
async fn open(
    module: &'static Module,
    settings: &DatabaseSettings,
    config: &Config,
) -> Result<Desk, String> {
    let service = module.name;
    let Some(schema) = module.schema else {
        return Err("keeps nothing".to_owned());
    };
    let steps = schema.status(config).await.map_err(|error| error.to_string())?;
    if !steps.iter().any(|step| step.applied) {
        return Err("has no database there".to_owned());
    }
    if steps.iter().any(|step| step.set == "store" && !step.applied) {
        let why = "its database is older than this program; run `boxoffice migrate up`";
        return Err(why.to_owned());
    }
    let connected = Database::connect(settings, service, &config.node().data_dir).await;
    let database = connected.map_err(|error| error.to_string())?;
    let letters = DeadLetters::new(&database, Arc::new(SystemClock));
    Ok(Desk { service, letters, database })
}

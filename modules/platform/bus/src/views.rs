//! Views that are made from what other services tell, made anew: the publishers' logs are read
//! again from their beginning, as far as the consumer has taken them in.
//!
//! Works without any of the services running, on their databases, which have to be where the
//! configuration says. Events that were put aside or thrown away have had no effect, so they have
//! none here.

mod teller;

use std::{any::Any, marker::PhantomData, path::Path};

use runtime::{
    IntegrationEvents, Module, RebuildOrder, RebuildProgress, Rebuilt, StartError, ViewDescription,
    Views, async_trait,
};
use store::{Database, DatabaseSettings, Feed, Schema, Tx, rebuild_from};

use self::teller::{Tale, Teller};
use crate::{
    AuditLog, AuditRecord, Delivered, Entry, PublishedFeed, Translator,
    audit::{NoRecord, SUFFIX, Trail},
};

/// Read models of another service's events. Its [`Handler`](crate::Handler) writes them with this.
#[async_trait]
pub trait EventView<E>: Send + Sync + 'static {
    /// Takes in one event: what the event says, and nothing else.
    ///
    /// # Errors
    /// When a statement fails.
    async fn apply(&self, tx: &mut Tx, event: &Delivered<E>) -> Result<(), store::sqlx::Error>;
}

/// What a service tells, so that it can be told again without the service:
/// `static TOLD: Told<OrderEvent> = Told(|| vec![Translator::of::<Order>(announce)])`, in
/// [`LogViews::tells`](store::LogViews::tells).
pub struct Told<E>(pub fn() -> Vec<Translator<E>>);

/// The views that a service makes from what others tell. One `static` of each such service.
pub struct FeedViews {
    /// Whose they are.
    pub schema: &'static Schema,
    /// All of them.
    pub views: &'static [FeedView],
}

/// Tables that are made from the same events, all of them and no others.
pub struct FeedView {
    /// Its name, by which it is rebuilt.
    pub name: &'static str,
    /// The tables. Each has a primary key.
    pub tables: &'static [&'static str],
    /// What they are made from.
    pub from: &'static dyn Retold,
}

/// What a view is made from: [`FromEvents`] or [`FromAudit`].
#[async_trait]
pub trait Retold: Send + Sync + 'static {
    /// The services that tell, of those that `module` listens to.
    fn publishers(&self, module: &Module) -> Vec<&'static str>;

    #[doc(hidden)]
    async fn open(
        &self,
        module: &Module,
        order: &RebuildOrder<'_>,
    ) -> Result<(Vec<Tale>, Vec<Database>), StartError>;
}

/// The events of one publisher, as `consumer` takes them in.
pub struct FromEvents<E, V: 'static> {
    consumer: &'static str,
    view: &'static V,
    events: PhantomData<fn() -> E>,
}

impl<E: IntegrationEvents, V: EventView<E>> FromEvents<E, V> {
    /// What `view` makes of the events that `consumer` takes in.
    pub const fn by(consumer: &'static str, view: &'static V) -> Self {
        Self { consumer, view, events: PhantomData }
    }
}

/// The trails of all services that the module lists, as `consumer` takes them in.
pub struct FromAudit<L: 'static> {
    consumer: &'static str,
    log: &'static L,
}

impl<L: AuditLog> FromAudit<L> {
    /// What `log` keeps of the trails that `consumer` takes in.
    pub const fn by(consumer: &'static str, log: &'static L) -> Self {
        Self { consumer, log }
    }
}

/// Writes entries of one publisher.
#[async_trait]
pub(crate) trait Sink: Send + Sync {
    async fn write(&self, tx: &mut Tx, entries: Vec<Entry>) -> Result<(), store::StoreError>;
}

struct EventSink<E, V: 'static>(&'static V, PhantomData<fn() -> E>);

#[async_trait]
impl<E: IntegrationEvents, V: EventView<E>> Sink for EventSink<E, V> {
    async fn write(&self, tx: &mut Tx, entries: Vec<Entry>) -> Result<(), store::StoreError> {
        for entry in entries {
            let event = entry.envelope.open::<E>().map_err(store::StoreError::Corrupt)?;
            self.0.apply(tx, &event).await?;
        }
        Ok(())
    }
}

struct AuditSink<L: 'static>(&'static L, &'static str);

#[async_trait]
impl<L: AuditLog> Sink for AuditSink<L> {
    async fn write(&self, tx: &mut Tx, entries: Vec<Entry>) -> Result<(), store::StoreError> {
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let id = entry.envelope.id;
            match AuditRecord::of(self.1, entry.envelope) {
                Ok(record) => records.push(record),
                // Nobody keeps it when it arrives, either.
                Err(NoRecord::Unreadable) => {}
                Err(NoRecord::Newer) => {
                    let reason = format!("record {id} is newer than this build knows");
                    return Err(store::StoreError::Corrupt(reason));
                }
            }
        }
        if !records.is_empty() {
            self.0.keep(tx, &records).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<E: IntegrationEvents, V: EventView<E>> Retold for FromEvents<E, V> {
    fn publishers(&self, _module: &Module) -> Vec<&'static str> {
        vec![E::PUBLISHER]
    }

    async fn open(
        &self,
        module: &Module,
        order: &RebuildOrder<'_>,
    ) -> Result<(Vec<Tale>, Vec<Database>), StartError> {
        let publisher = find(order, E::PUBLISHER)?;
        let told = publisher.views.and_then(Views::tells).map(|told| told as &dyn Any);
        let told = told.and_then(|told| told.downcast_ref::<Told<E>>()).ok_or_else(|| {
            StartError::new(format!("{} does not say how its log is read", E::PUBLISHER))
        })?;
        let database = connect(order, publisher).await?;
        let feed = PublishedFeed::new(&database, (told.0)());
        let types = E::NAMES.iter().filter(|name| module.consumes.contains(name));
        let tale = Tale::new(
            self.consumer,
            E::PUBLISHER,
            types.map(|name| (*name).to_owned()).collect(),
            Box::new(feed),
            Box::new(EventSink::<E, V>(self.view, PhantomData)),
        );
        Ok((vec![tale], vec![database]))
    }
}

#[async_trait]
impl<L: AuditLog> Retold for FromAudit<L> {
    fn publishers(&self, module: &Module) -> Vec<&'static str> {
        module.consumes.iter().filter_map(|name| name.strip_suffix(SUFFIX)).collect()
    }

    async fn open(
        &self,
        module: &Module,
        order: &RebuildOrder<'_>,
    ) -> Result<(Vec<Tale>, Vec<Database>), StartError> {
        let (mut tales, mut databases) = (Vec::new(), Vec::new());
        for name in module.consumes {
            let Some(service) = name.strip_suffix(SUFFIX) else { continue };
            let database = connect(order, find(order, service)?).await?;
            tales.push(Tale::new(
                self.consumer,
                service,
                vec![(*name).to_owned()],
                Box::new(Trail { name, feed: Feed::of_everything(&database) }),
                Box::new(AuditSink(self.log, service)),
            ));
            databases.push(database);
        }
        Ok((tales, databases))
    }
}

fn find(order: &RebuildOrder<'_>, name: &str) -> Result<&'static Module, StartError> {
    let found = order.modules.iter().copied().find(|module| module.name == name);
    found.ok_or_else(|| StartError::new(format!("there is no service {name}")))
}

/// A publisher's database, for reading.
async fn connect(order: &RebuildOrder<'_>, publisher: &Module) -> Result<Database, StartError> {
    let name = publisher.name;
    let elsewhere = || {
        StartError::new(format!(
            "it is made from what {name} tells, whose database is not where this configuration \
             says, or lacks a step; run this with a configuration that leads to it"
        ))
    };
    let schema = publisher.schema.ok_or_else(elsewhere)?;
    if schema.status(order.config).await?.iter().any(|step| !step.applied) {
        return Err(elsewhere());
    }
    let settings: DatabaseSettings = order.config.section();
    let data_dir = order.config.node().data_dir;
    Ok(Database::connect(&settings, name, Path::new(&data_dir)).await?)
}

impl FeedViews {
    fn chosen(&self, name: Option<&str>) -> Result<Vec<&'static FeedView>, StartError> {
        let is_it = |view: &&FeedView| {
            name.is_none_or(|name| view.name == name || view.tables.contains(&name))
        };
        let found: Vec<&FeedView> = self.views.iter().filter(is_it).collect();
        if found.is_empty() {
            let known: Vec<&str> = self.views.iter().map(|view| view.name).collect();
            return Err(StartError::new(format!(
                "{} has no view \"{}\"; choose from {}",
                self.schema.name(),
                name.unwrap_or_default(),
                known.join(", ")
            )));
        }
        Ok(found)
    }

    async fn rebuild_one(
        &self,
        view: &'static FeedView,
        database: &Database,
        order: &RebuildOrder<'_>,
        watch: &mut (dyn FnMut(RebuildProgress) + Send),
    ) -> Result<Rebuilt, StartError> {
        let module = find(order, self.schema.name())?;
        let (tales, databases) = view.from.open(module, order).await?;
        let mut teller = Teller::new(tales);
        let done = rebuild_from(database, view.name, view.tables, &mut teller, watch).await;
        for database in databases {
            database.close().await;
        }
        Ok(done?)
    }
}

/// For the command line, which has no running service.
#[async_trait]
impl Views for FeedViews {
    fn list(&self, modules: &'static [&'static Module]) -> Vec<ViewDescription> {
        let module = modules.iter().find(|module| module.name == self.schema.name());
        let describe = |view: &FeedView| ViewDescription {
            name: view.name,
            tables: view.tables,
            sources: module.map(|module| view.from.publishers(module)).unwrap_or_default(),
        };
        self.views.iter().map(describe).collect()
    }

    async fn rebuild(
        &self,
        order: &RebuildOrder<'_>,
        watch: &mut (dyn FnMut(RebuildProgress) + Send),
    ) -> Result<Vec<Rebuilt>, StartError> {
        let chosen = self.chosen(order.view)?;
        let database = self.schema.connect_current(order.config).await?;
        let mut rebuilt = Vec::new();
        for view in chosen {
            match self.rebuild_one(view, &database, order, watch).await {
                Ok(one) => rebuilt.push(one),
                Err(error) => {
                    database.close().await;
                    return Err(error);
                }
            }
        }
        database.close().await;
        Ok(rebuilt)
    }
}

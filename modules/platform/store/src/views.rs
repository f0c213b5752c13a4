//! What a service's views are, said once: for the check that replays the log, and for the command
//! that makes them anew.

use std::{any::Any, marker::PhantomData};

use runtime::{
    Module, RebuildOrder, RebuildProgress, Rebuilt, StartError, ViewDescription, Views, async_trait,
};

use crate::{
    Aggregate, Database, Schema, StoreError, View,
    rebuild::{Mark, Projecting, Projector, rebuild},
};

/// The views that a service writes with its own events. One `static` of each service; what other
/// services' events make is not among them.
///
/// ```ignore
/// static VIEWS: LogViews = LogViews {
///     schema: &SCHEMA,
///     views: &[LogView {
///         name: "orders",
///         tables: &["orders"],
///         logs: &[&Projection::<Order, OrderList>::by(&OrderList)],
///     }],
///     tells: None,
/// };
/// ```
pub struct LogViews {
    /// Whose they are.
    pub schema: &'static Schema,
    /// All of them.
    pub views: &'static [LogView],
    /// How what the service tells others is read from the same log, for their views.
    pub tells: Option<&'static (dyn Any + Send + Sync)>,
}

/// Tables that the same logs make, all of them and no others.
pub struct LogView {
    /// Its name, by which it is rebuilt.
    pub name: &'static str,
    /// The tables. Each has a primary key.
    pub tables: &'static [&'static str],
    /// What they are made from.
    pub logs: &'static [&'static dyn Projected],
}

impl LogViews {
    /// All tables.
    pub fn tables(&self) -> Vec<&'static str> {
        self.views.iter().flat_map(|view| view.tables.iter().copied()).collect()
    }

    /// The kinds of aggregates that make them.
    pub fn categories(&self) -> Vec<&'static str> {
        self.views.iter().flat_map(|view| view.logs).map(|log| log.category()).collect()
    }

    /// Makes `view` anew, named by its name or one of its tables, or all views, and corrects what is
    /// shown where it differs. Others may read and write the database meanwhile.
    ///
    /// # Errors
    /// When there is no such view, the database does not answer, its log cannot be read, a view
    /// writes other tables than it says, another process rebuilds, or rows differ again and again
    /// because a process with other code writes them. What is shown is then as it was, or corrected
    /// in part; doing it again is harmless.
    pub async fn rebuild_on(
        &self,
        database: &Database,
        view: Option<&str>,
        watch: &mut (dyn FnMut(RebuildProgress) + Send),
    ) -> Result<Vec<Rebuilt>, StoreError> {
        let mut rebuilt = Vec::new();
        let chosen = self.chosen(view).map_err(|error| StoreError::Failed(error.to_string()))?;
        for view in chosen {
            rebuilt.push(rebuild(database, view, watch).await?);
        }
        Ok(rebuilt)
    }

    fn chosen(&self, name: Option<&str>) -> Result<Vec<&'static LogView>, StartError> {
        let Some(name) = name else { return Ok(self.views.iter().collect()) };
        let is_it = |view: &&LogView| view.name == name || view.tables.contains(&name);
        let found: Vec<&LogView> = self.views.iter().filter(is_it).collect();
        if found.is_empty() {
            let known: Vec<&str> = self.views.iter().map(|view| view.name).collect();
            return Err(StartError::new(format!(
                "{} has no view \"{name}\"; choose from {}",
                self.schema.name(),
                known.join(", ")
            )));
        }
        Ok(found)
    }
}

/// For the command line, which has no running service.
#[async_trait]
impl Views for LogViews {
    fn tells(&self) -> Option<&'static (dyn Any + Send + Sync)> {
        self.tells
    }

    fn list(&self, _modules: &'static [&'static Module]) -> Vec<ViewDescription> {
        let describe = |view: &LogView| ViewDescription {
            name: view.name,
            tables: view.tables,
            sources: view.logs.iter().map(|log| log.category()).collect(),
        };
        self.views.iter().map(describe).collect()
    }

    async fn rebuild(
        &self,
        order: &RebuildOrder<'_>,
        watch: &mut (dyn FnMut(RebuildProgress) + Send),
    ) -> Result<Vec<Rebuilt>, StartError> {
        self.chosen(order.view)?;
        let database = self.schema.connect_current(order.config).await?;
        let rebuilt = self.rebuild_on(&database, order.view, watch).await;
        database.close().await;
        Ok(rebuilt?)
    }
}

/// The events of one kind of aggregate with what they are projected by: a [`Projection`].
pub trait Projected: Send + Sync + 'static {
    /// The aggregate's name.
    fn category(&self) -> &'static str;

    #[doc(hidden)]
    fn begin(&self, mark: Mark) -> Box<dyn Projecting>;
}

/// A [`View`] of the events of `A`.
pub struct Projection<A, V: 'static> {
    view: &'static V,
    events: PhantomData<fn() -> A>,
}

impl<A: Aggregate, V: View<A>> Projection<A, V> {
    /// What `view` makes of the events of `A`.
    pub const fn by(view: &'static V) -> Self {
        Self { view, events: PhantomData }
    }
}

impl<A: Aggregate, V: View<A>> Projected for Projection<A, V> {
    fn category(&self) -> &'static str {
        A::NAME
    }

    fn begin(&self, mark: Mark) -> Box<dyn Projecting> {
        Box::new(Projector::<A>::new(self.view, mark))
    }
}

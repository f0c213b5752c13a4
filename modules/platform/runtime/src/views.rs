//! A service's views as the command line sees them. What a view is, the store knows.

use std::any::Any;

use async_trait::async_trait;

use crate::{Config, Module, StartError};

/// What a service shows and can make anew from events, for `boxoffice views`. Works without
/// starting the service, and beside it.
#[async_trait]
pub trait Views: Send + Sync + 'static {
    /// What there is, and what it is made from.
    fn list(&self, modules: &'static [&'static Module]) -> Vec<ViewDescription>;

    /// How what the service tells others is read from its log, for views that are made from it. What
    /// it is, the bus knows.
    fn tells(&self) -> Option<&'static (dyn Any + Send + Sync)> {
        None
    }

    /// Makes `view` anew from its events beside what is shown, then corrects what is shown by the
    /// difference. `None`: all of them. A view is named by its name or by one of its tables.
    async fn rebuild(
        &self,
        order: &RebuildOrder<'_>,
        watch: &mut (dyn FnMut(RebuildProgress) + Send),
    ) -> Result<Vec<Rebuilt>, StartError>;
}

/// What is to be rebuilt.
#[derive(Debug, Clone, Copy)]
pub struct RebuildOrder<'a> {
    /// Where the databases are.
    pub config: &'a Config,
    /// Every service there is, for views that are made from what others tell.
    pub modules: &'static [&'static Module],
    /// The view's name, or the name of one of its tables; `None`: all of the service.
    pub view: Option<&'a str>,
}

/// Tables that are made together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDescription {
    /// Its name, by which it is rebuilt.
    pub name: &'static str,
    /// What is written.
    pub tables: &'static [&'static str],
    /// What it is made from: kinds of aggregates, or services that tell.
    pub sources: Vec<&'static str>,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RebuildProgress {
    /// The view.
    pub view: &'static str,
    /// What it does.
    pub step: RebuildStep,
    /// Events that were taken in, or rows that were corrected.
    pub done: u64,
    /// Of how many, as far as that was known at the beginning.
    pub total: u64,
}

/// The steps of a rebuild, in their order. The last three are repeated until nothing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebuildStep {
    /// It takes in the log from its beginning.
    Filling,
    /// It takes in what happened meanwhile.
    Following,
    /// It looks for rows that differ.
    Comparing,
    /// It corrects them.
    Correcting,
}

/// What a rebuild came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// The view.
    pub view: &'static str,
    /// Events it was made from.
    pub events: u64,
    /// Rows that were not what the events make of them. They are now.
    pub corrected: u64,
}

//! Database migrations as the command line sees them. What a migration is, the store knows.

use async_trait::async_trait;

use crate::{Config, StartError};

/// One step of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Whose step it is: the service's name, or `store` for the tables every service has.
    pub set: String,
    /// Its version; steps of one set run in this order.
    pub version: i64,
    /// What it does, from its file name.
    pub description: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// What steps back came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenBack {
    /// The steps, newest first.
    pub steps: Vec<Migration>,
    /// The tables that are gone, with everything that was in them.
    pub tables: Vec<String>,
}

/// A statement that a service runs, as each database reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// What it is called where it is written.
    pub name: String,
    /// For SQLite.
    pub sqlite: String,
    /// For PostgreSQL.
    pub postgres: String,
}

/// A service's schema, for `boxoffice migrate`. Works without starting the service.
#[async_trait]
pub trait Migrations: Send + Sync + 'static {
    /// Every statement that is run on the schema, for tests that judge them.
    fn statements(&self) -> Vec<Statement>;

    /// Every step, in the order in which they are applied, and whether it was. Changes nothing.
    async fn status(&self, config: &Config) -> Result<Vec<Migration>, StartError>;

    /// Applies what is missing, and answers with what that was.
    async fn up(&self, config: &Config) -> Result<Vec<Migration>, StartError>;

    /// Takes back the last `steps` applied steps of the service's own, and answers with what they
    /// were and what is gone. Refuses while a process that hosts the service runs, where that can be
    /// known.
    async fn down(&self, config: &Config, steps: u32) -> Result<TakenBack, StartError>;
}

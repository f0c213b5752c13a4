//! `boxoffice migrate`: brings databases to another version of their schema.
//!
//! `serve` applies what is missing by itself. This is for those who want to do it beforehand, take
//! something back, or look.

use std::io::Write;

use clap::{Args, Subcommand};
use runtime::{Config, Migration, Migrations, Module, Plan, StartError, TakenBack};
use store::DatabaseSettings;

use super::{
    Failure, block_on,
    flags::{ConfigurationFlags, wrong},
    table::{Cell, render},
};
use crate::registry::MODULES;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(subcommand)]
    direction: Direction,
    /// Only this service's database, rather than that of every service in `--services`.
    #[arg(long, value_name = "NAME", global = true)]
    service: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Direction {
    /// Apply what is missing. Where there is no database it makes one, and says so.
    Up,
    /// Take back the last steps of a service. What their tables hold is lost.
    ///
    /// Says which tables that was. The log of events stays: after `migrate up` the tables are there
    /// again and empty, and `views rebuild` fills those that follow from it. The way back to what was
    /// in the others is a backup of the database, made before. Refuses while a process that hosts the
    /// service runs.
    Down {
        /// How many steps.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Show every step, and whether it was applied. Changes nothing.
    Status,
}

pub(super) fn run(
    migrate: &Migrate,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (config, plan) = flags.load_for_databases().map_err(wrong)?;
    let chosen = choose(migrate, &plan)?;
    block_on(async {
        let mut rows = Vec::new();
        for (module, schema) in chosen {
            let fault = |error| fault(module, &error);
            match migrate.direction {
                Direction::Up => {
                    if is_missing(schema, &config).await.map_err(fault)? {
                        let settings: DatabaseSettings = config.section();
                        let place = settings.place(&config.node().data_dir);
                        writeln!(out, "{}: makes a new database in {place}", module.name)?;
                    }
                    let applied = schema.up(&config).await.map_err(fault)?;
                    tell(out, module, "applied", &applied)?;
                }
                Direction::Down { steps } => {
                    let gone = schema.down(&config, steps).await.map_err(fault)?;
                    tell_what_is_gone(out, module, &gone)?;
                }
                Direction::Status => {
                    let steps = schema.status(&config).await.map_err(fault)?;
                    rows.extend(steps.into_iter().map(|step| row(module, step)));
                }
            }
        }
        if matches!(migrate.direction, Direction::Status) {
            let head = ["database", "of", "version", "applied", "what"];
            write!(out, "{}", render(&head, &rows))?;
        }
        Ok(())
    })
}

type Chosen = Vec<(&'static Module, &'static dyn Migrations)>;

fn choose(migrate: &Migrate, plan: &Plan) -> Result<Chosen, Failure> {
    let with_schema = |module: &&'static Module| Some((*module, module.schema?));
    let Some(name) = &migrate.service else {
        if matches!(migrate.direction, Direction::Down { .. }) && plan.start_order.len() > 1 {
            let what = "which database? name one with --service, since steps back lose data";
            return Err(Failure::error("cannot migrate down", StartError::new(what)));
        }
        return Ok(plan.start_order.iter().filter_map(with_schema).collect());
    };
    let named = MODULES.iter().filter(|module| module.name == name).find_map(with_schema);
    let known: Vec<&str> =
        MODULES.iter().filter(|module| module.schema.is_some()).map(|it| it.name).collect();
    named.map(|one| vec![one]).ok_or_else(|| {
        let what = format!("\"{name}\" has no database; choose from {}", known.join(", "));
        Failure::error("cannot migrate", StartError::new(what))
    })
}

async fn is_missing(schema: &dyn Migrations, config: &Config) -> Result<bool, StartError> {
    Ok(!schema.status(config).await?.iter().any(|step| step.applied))
}

fn fault(module: &Module, error: &StartError) -> Failure {
    let what = format!("{}: {error}", module.name);
    Failure::error("cannot migrate", StartError::new(what))
}

fn tell(
    out: &mut impl Write,
    module: &Module,
    what: &str,
    steps: &[Migration],
) -> Result<(), Failure> {
    if steps.is_empty() {
        writeln!(out, "{}: nothing to do", module.name)?;
    }
    for step in steps {
        let Migration { set, version, description, .. } = step;
        writeln!(out, "{}: {what} {set} {version} ({description})", module.name)?;
    }
    Ok(())
}

fn tell_what_is_gone(
    out: &mut impl Write,
    module: &Module,
    TakenBack { steps, tables }: &TakenBack,
) -> Result<(), Failure> {
    tell(out, module, "took back", steps)?;
    let name = module.name;
    if !tables.is_empty() {
        writeln!(out, "{name}: gone, with all that was in them: {}", tables.join(", "))?;
    }
    if !steps.is_empty() {
        let refilled = if module.views.is_some() {
            format!(
                "`views rebuild {name}` fills those that follow from the log of events, which stays; "
            )
        } else {
            String::new()
        };
        writeln!(
            out,
            "{name}: `migrate up` makes its tables again, empty; {refilled}the way back to what was \
             in any other is a backup"
        )?;
    }
    Ok(())
}

fn row(module: &Module, step: Migration) -> Vec<Cell> {
    let applied = if step.applied { "yes" } else { "no" };
    let version = step.version.to_string();
    let cells = [module.name.to_owned(), step.set, version, applied.to_owned(), step.description];
    cells.map(|cell| vec![cell]).to_vec()
}

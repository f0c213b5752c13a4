//! `boxoffice views`: makes what services show anew from events.
//!
//! Works on the databases that the configuration names, whether the services run or not.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use runtime::{
    Module, RebuildOrder, RebuildProgress, RebuildStep, Rebuilt, StartError, ViewDescription, Views,
};

use super::{
    Failure, block_on,
    flags::{ConfigurationFlags, wrong},
    table::{Cell, render},
};
use crate::registry::MODULES;

/// How often it says how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct ViewsArgs {
    #[command(subcommand)]
    command: ViewsCommand,
}

#[derive(Debug, Subcommand)]
enum ViewsCommand {
    /// Show what there is, and what it is made from.
    List,
    /// Make views anew from events, and correct what is shown where it differs.
    ///
    /// The service may run: readers and writers go on meanwhile, and those who write wait for a
    /// moment only where rows have to be corrected. How far it is goes to standard error. When it is
    /// interrupted, what is shown is as it was, or corrected in part; run it again.
    Rebuild {
        /// Whose: the name of a service, such as `orders`.
        service: String,
        /// Only this one: a view's name, or the name of one of its tables.
        view: Option<String>,
    },
}

pub(super) fn run(
    views: &ViewsArgs,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match &views.command {
        ViewsCommand::List => {
            let rows: Vec<Vec<Cell>> = known()
                .flat_map(|(module, views)| {
                    views.list(MODULES).into_iter().map(move |view| row(module, &view))
                })
                .collect();
            write!(out, "{}", render(&["service", "view", "tables", "made from"], &rows))?;
            Ok(())
        }
        ViewsCommand::Rebuild { service, view } => {
            let views = of_service(service)?;
            let (config, _) = flags.load_for_databases().map_err(wrong)?;
            let order = RebuildOrder { config: &config, modules: MODULES, view: view.as_deref() };
            let mut reporter = Reporter::new(service);
            let rebuilt = block_on(async {
                let done = views.rebuild(&order, &mut |progress| reporter.hear(progress)).await;
                done.map_err(|error| {
                    Failure::error("cannot rebuild", StartError::new(format!("{service}: {error}")))
                })
            })?;
            for view in rebuilt {
                writeln!(out, "{service}: {}", summary(&view))?;
            }
            Ok(())
        }
    }
}

fn known() -> impl Iterator<Item = (&'static Module, &'static dyn Views)> {
    MODULES.iter().filter_map(|module| Some((*module, module.views?)))
}

fn of_service(name: &str) -> Result<&'static dyn Views, Failure> {
    let module = MODULES.iter().find(|module| module.name == name);
    if let Some(views) = module.and_then(|module| module.views) {
        return Ok(views);
    }
    let names: Vec<&str> = known().map(|(module, _)| module.name).collect();
    let what = match module {
        Some(_) => format!("\"{name}\" shows nothing of its own; choose from {}", names.join(", ")),
        None => format!("there is no service \"{name}\"; choose from {}", names.join(", ")),
    };
    Err(Failure::error("cannot rebuild", StartError::new(what)))
}

fn row(module: &Module, view: &ViewDescription) -> Vec<Cell> {
    let lines = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Cell>();
    vec![
        vec![module.name.to_owned()],
        vec![view.name.to_owned()],
        lines(view.tables),
        lines(&view.sources),
    ]
}

fn summary(rebuilt: &Rebuilt) -> String {
    let Rebuilt { view, events, corrected } = rebuilt;
    let rows = match corrected {
        0 => "no row differed".to_owned(),
        1 => "1 row was corrected".to_owned(),
        many => format!("{many} rows were corrected"),
    };
    format!("{view} is what {events} events make of it; {rows}")
}

/// Says on standard error how far it is, now and then.
struct Reporter<'a> {
    service: &'a str,
    view: &'static str,
    step: Option<RebuildStep>,
    began: Instant,
    said: Instant,
}

impl<'a> Reporter<'a> {
    fn new(service: &'a str) -> Self {
        let now = Instant::now();
        Self { service, view: "", step: None, began: now, said: now }
    }

    fn hear(&mut self, progress: RebuildProgress) {
        let now = Instant::now();
        let is_new = self.step != Some(progress.step) || self.view != progress.view;
        if is_new {
            (self.step, self.view, self.began) = (Some(progress.step), progress.view, now);
        }
        let is_complete = progress.done == progress.total;
        if !is_new && !is_complete && now.duration_since(self.said) < REPORT_EVERY {
            return;
        }
        self.said = now;
        let words = words(&progress, now.duration_since(self.began));
        // That it cannot be said can be said to nobody.
        let _ = writeln!(io::stderr(), "{} {}: {words}", self.service, progress.view);
    }
}

fn words(progress: &RebuildProgress, taken: Duration) -> String {
    let RebuildProgress { done, total, .. } = *progress;
    match progress.step {
        RebuildStep::Filling => {
            let rate = (done * 1_000).checked_div(taken.as_millis().try_into().unwrap_or(u64::MAX));
            match rate {
                Some(rate) if done > 0 => {
                    format!("{done} of {total} events ({rate} a second)")
                }
                _ => format!("{done} of {total} events"),
            }
        }
        RebuildStep::Following => format!("{done} events, with what happened meanwhile"),
        RebuildStep::Comparing => "looking for rows that differ".to_owned(),
        RebuildStep::Correcting => format!("{done} of {total} rows corrected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_how_much_is_done_and_how_fast() {
        let progress = RebuildProgress {
            view: "orders",
            step: RebuildStep::Filling,
            done: 50_000,
            total: 200_000,
        };
        let words = words(&progress, Duration::from_secs(2));
        assert_eq!(words, "50000 of 200000 events (25000 a second)");
    }

    #[test]
    fn a_summary_counts_what_was_corrected() {
        let rebuilt = Rebuilt { view: "orders", events: 12, corrected: 1 };
        assert_eq!(summary(&rebuilt), "orders is what 12 events make of it; 1 row was corrected");
    }
}

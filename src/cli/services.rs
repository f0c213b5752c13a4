//! `boxoffice services`: the registry as a table.

use std::io::Write;

use runtime::{Config, Module, PeersSettings, Plan};

use super::{
    Failure,
    flags::ConfigurationFlags,
    table::{Cell, render},
};
use crate::registry::MODULES;

pub(super) fn run(flags: &ConfigurationFlags, out: &mut impl Write) -> Result<(), Failure> {
    let config = flags.config()?;
    let rows: Vec<Vec<Cell>> = MODULES.iter().map(|module| row(module, &config)).collect();
    let head = ["service", "here", "owns", "provides", "requires", "publishes", "consumes"];
    write!(out, "{}", render(&head, &rows))?;

    let peers = config.section::<PeersSettings>().0;
    Plan::new(MODULES, &config.node().services, &peers)
        .map_err(|faults| Failure::faults("these services cannot start like this", faults))?;
    Ok(())
}

fn row(module: &Module, config: &Config) -> Vec<Cell> {
    let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let provides = module.provides.iter().map(|it| it.contract.to_owned());
    let requires = module.requires.iter().flat_map(|needed| {
        needed.methods.iter().map(move |method| format!("{}.{method}", needed.service))
    });
    vec![
        vec![module.name.to_owned()],
        vec![if is_here(module, config) { "yes" } else { "no" }.to_owned()],
        lines(module.prefixes),
        provides.collect(),
        requires.collect(),
        lines(module.publishes),
        lines(module.consumes),
    ]
}

fn is_here(module: &Module, config: &Config) -> bool {
    let services = config.node().services;
    let by_name = services.iter().any(|service| service == module.name);
    let by_all = services.iter().any(|service| service == runtime::ALL_SERVICES);
    by_name || (by_all && module.name != runtime::GATEWAY)
}

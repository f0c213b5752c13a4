//! `boxoffice check`: asks running processes whether what must always be true of their data is.

use std::{io::Write, net::SocketAddr, time::Duration};

use clap::Args;
use runtime::{AdminSettings, CheckReport, CheckResult, CheckSettings, Config, StartError};

use super::{
    Failure, block_on, complain,
    flags::{ConfigurationFlags, is_whole_split},
    probe,
    supervise::admin_addresses,
    table::{Cell, render},
};

/// What it means when not everything could be looked at.
const INCOMPLETE: u8 = 2;
/// Who answers without a single check: a gateway, behind which the services are.
const NOTHING: &str = "nothing was looked at: the process that was asked has nothing to check, as a \
     gateway has; --mode micro asks every process of a split on this machine, and --services with it \
     the one of a service";
/// What a process may take beyond the time that its checks have.
const MARGIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Print the reports as JSON, by process.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    check: &Check,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let config = flags.config()?;
    let processes = processes(&config)?;
    let patience = config.section::<CheckSettings>().timeout + MARGIN;
    let answers = block_on(async {
        let mut answers = Vec::new();
        for (name, address) in processes {
            answers.push((name, ask(address, patience).await));
        }
        Ok(answers)
    })?;
    let reports: Vec<(&str, &CheckReport)> = answers
        .iter()
        .filter_map(|(name, answer)| Some((name.as_str(), answer.as_ref().ok()?)))
        .collect();
    if check.json {
        let by_process: serde_json::Map<String, serde_json::Value> = reports
            .iter()
            .filter_map(|(name, report)| {
                Some(((*name).to_owned(), serde_json::to_value(report).ok()?))
            })
            .collect();
        writeln!(out, "{}", serde_json::Value::Object(by_process))?;
    } else {
        write_tables(out, &reports)?;
    }
    for (name, answer) in &answers {
        if let Err(why) = answer {
            complain(&format!("{name}: {why}"));
        }
    }
    let is_complete =
        answers.len() == reports.len() && reports.iter().all(|(_, report)| report.is_complete());
    if reports.iter().any(|(_, report)| report.findings() > 0) {
        return Err(Failure::Code(1));
    }
    if is_complete && reports.iter().all(|(_, report)| report.checks.is_empty()) {
        complain(NOTHING);
        return Err(Failure::Code(INCOMPLETE));
    }
    if is_complete { Ok(()) } else { Err(Failure::Code(INCOMPLETE)) }
}

/// The process with this configuration, or all of the split on this machine.
fn processes(config: &Config) -> Result<Vec<(String, SocketAddr)>, Failure> {
    if is_whole_split(config) {
        let all = admin_addresses(config)?;
        return Ok(all.into_iter().map(|(name, address)| (name.to_owned(), address)).collect());
    }
    let address = config.section::<AdminSettings>().address;
    Ok(vec![(config.node().services.join(","), address)])
}

async fn ask(address: SocketAddr, patience: Duration) -> Result<CheckReport, String> {
    let (is_good, text) = probe::ask_within(address, "/check", patience).await?;
    if !is_good {
        return Err(format!("{address} cannot check yet: {}", text.trim_end()));
    }
    serde_json::from_str(&text).map_err(|error| {
        StartError::because(format!("{address} answers with no report"), error).to_string()
    })
}

fn write_tables(out: &mut impl Write, reports: &[(&str, &CheckReport)]) -> Result<(), Failure> {
    let checks = || reports.iter().flat_map(|(_, report)| &report.checks);
    let rows: Vec<Vec<Cell>> = checks().map(summary).collect();
    if rows.is_empty() {
        return Ok(());
    }
    write!(out, "{}", render(&["service", "check", "looked at", "seconds", "outcome"], &rows))?;
    let findings: Vec<Vec<Cell>> = checks().flat_map(details).collect();
    if !findings.is_empty() {
        write!(out, "\n{}", render(&["service", "check", "about", "what is wrong"], &findings))?;
    }
    Ok(())
}

fn summary(check: &CheckResult) -> Vec<Cell> {
    let outcome = match (&check.failure, check.findings.len() as u64 + check.unlisted) {
        (Some(why), _) => format!("not made: {why}"),
        (None, 0) => "clean".to_owned(),
        (None, 1) => "1 finding".to_owned(),
        (None, many) => format!("{many} findings"),
    };
    let cells = [
        check.module.clone(),
        check.check.clone(),
        check.looked_at.to_string(),
        format!("{:.2}", check.seconds),
        outcome,
    ];
    cells.map(|cell| vec![cell]).to_vec()
}

fn details(check: &CheckResult) -> Vec<Vec<Cell>> {
    let row = |about: &str, what: &str| {
        let cells = [check.module.as_str(), check.check.as_str(), about, what];
        cells.map(|cell| vec![cell.to_owned()]).to_vec()
    };
    let listed = check.findings.iter().map(|finding| row(&finding.about, &finding.what));
    let more = (check.unlisted > 0).then(|| row("", &format!("and {} more", check.unlisted)));
    listed.chain(more).collect()
}

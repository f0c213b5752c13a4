//! The standing check, as whoever asks the admin listener meets it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use runtime::{Boot, BoxFuture, CheckReport, Checked, Finding, Launch, Module, StartError};

use crate::support::{self, PLAIN, config, get_json, get_status, until};

/// How often the check of `counts` was made, and how much it is to find.
#[derive(Default)]
struct Tally {
    made: AtomicU64,
    wrong: AtomicU64,
}

fn start_counts(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        let tally = boot.extension::<Tally>().unwrap_or_default();
        boot.check("sums", move || {
            tally.made.fetch_add(1, Ordering::Relaxed);
            let wrong = tally.wrong.load(Ordering::Relaxed);
            let finding = |number| Finding::new(format!("sum {number}"), "is 4, and should be 5");
            let findings = (0..wrong).map(finding).collect();
            Box::pin(async { Ok(Checked { looked_at: 7, findings }) })
        });
        Ok(())
    })
}

fn start_troubled(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        boot.check("unreadable", || Box::pin(async { Err("the books are gone".to_owned()) }));
        boot.check("broken", || Box::pin(break_down()));
        boot.check("endless", || Box::pin(std::future::pending()));
        Ok(())
    })
}

#[expect(clippy::panic, clippy::unused_async, reason = "what a check must not do, and may")]
async fn break_down() -> Result<Checked, String> {
    panic!("no pen")
}

static COUNTS: Module = Module { name: "counts", start: start_counts, ..PLAIN };
static TROUBLED: Module = Module { name: "troubled", start: start_troubled, ..PLAIN };
static COUNTS_ONLY: &[&Module] = &[&COUNTS];
static BOTH: &[&Module] = &[&COUNTS, &TROUBLED];

fn launch(modules: &'static [&'static Module], keys: &str, tally: &Arc<Tally>) -> Launch {
    Launch::new(config(keys), modules).extension(Arc::clone(tally))
}

#[tokio::test]
async fn a_clean_report_says_what_was_looked_at() {
    let node = launch(COUNTS_ONLY, "", &Arc::default()).start().await.unwrap();
    let (status, report) = get_json(node.admin_addr(), "/check").await;
    assert_eq!((status, &report["clean"]), (StatusCode::OK, &true.into()));
    let check = &report["checks"][0];
    assert_eq!((&check["module"], &check["check"]), (&"counts".into(), &"sums".into()));
    assert_eq!((&check["looked_at"], &check["findings"]), (&7.into(), &serde_json::json!([])));
    assert!(check["seconds"].as_f64().unwrap() >= 0.0, "{check}");
    node.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_listed_and_what_is_too_much_is_counted() {
    let tally = Arc::new(Tally::default());
    tally.wrong.store(103, Ordering::Relaxed);
    let node = launch(COUNTS_ONLY, "", &tally).start().await.unwrap();
    let report = node.check().await;
    let check = report.checks.first().unwrap();
    assert_eq!((report.clean, report.is_complete(), report.findings()), (false, true, 103));
    assert_eq!((check.findings.len(), check.unlisted), (100, 3));
    assert_eq!(check.findings[2], Finding::new("sum 2", "is 4, and should be 5"));
    node.stop().await;
}

#[tokio::test]
async fn a_check_that_cannot_be_made_says_why_and_keeps_no_other_from_being_made() {
    let node = launch(BOTH, "check.timeout = '50ms'", &Arc::default()).start().await.unwrap();
    let (status, report) = get_json(node.admin_addr(), "/check").await;
    assert_eq!(status, StatusCode::OK);
    let report: CheckReport = serde_json::from_value(report).unwrap();
    let failures = report.checks.iter().map(|check| (check.check.as_str(), check.failure.clone()));
    let told = |words: &str| Some(words.to_owned());
    assert_eq!(
        failures.collect::<Vec<_>>(),
        [
            ("sums", None),
            ("unreadable", told("the books are gone")),
            ("broken", told("panicked: no pen")),
            ("endless", told("all checks together took longer than 50ms; see check.timeout")),
        ]
    );
    assert_eq!((report.clean, report.is_complete(), report.findings()), (false, false, 0));
    node.stop().await;
}

#[tokio::test]
async fn a_process_checks_by_itself_now_and_then() {
    let tally = Arc::new(Tally::default());
    let node = launch(COUNTS_ONLY, "check.every = '1s'", &tally).start().await.unwrap();
    until(|| async { tally.made.load(Ordering::Relaxed) >= 2 }).await;
    node.stop().await;
}

#[tokio::test]
async fn a_process_that_is_told_not_to_check_by_itself_does_when_asked() {
    let tally = Arc::new(Tally::default());
    let node = launch(COUNTS_ONLY, "check.every = '0s'", &tally).start().await.unwrap();
    assert!(node.check().await.clean);
    assert_eq!(tally.made.load(Ordering::Relaxed), 1);
    node.stop().await;
}

#[tokio::test]
async fn a_process_that_is_starting_checks_nothing() {
    fn start_late(_: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(std::future::pending())
    }
    static LATE: Module = Module { name: "late", start: start_late, ..PLAIN };
    static MODULES: &[&Module] = &[&COUNTS, &LATE];
    let admin = support::free_address().await;
    let tally = Arc::new(Tally::default());
    let launch = launch(MODULES, &format!("admin.address = '{admin}'"), &tally);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(launch.start());
    let answers = || async {
        let connected = tokio::net::TcpStream::connect(admin).await;
        connected.is_ok() && get_status(admin, "/livez").await == StatusCode::OK
    };
    until(answers).await;
    assert_eq!(get_status(admin, "/check").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(tally.made.load(Ordering::Relaxed), 0);
}

#[test]
fn settings_that_leave_no_time_are_faults() {
    use runtime::{CheckSettings, Section as _};
    let hasty = CheckSettings { every: Duration::from_millis(1), timeout: Duration::ZERO };
    let faults = hasty.check().join("\n");
    assert!(faults.contains("every: is shorter than a second"), "{faults}");
    assert!(faults.contains("timeout: is 0"), "{faults}");
}

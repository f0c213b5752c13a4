//! What calls, purchases and reads cost on this machine: `make bench`.
//!
//! `cargo bench --bench bench -- monolith-sqlite/purchases start` measures a part; words pick every
//! measurement with one of them in its name. All load is closed-loop, and comes from this process.

#![expect(
    clippy::indexing_slicing,
    reason = "a bench whose answers are not as they should be ends at once"
)]

mod calls;
mod figures;
mod load;

use std::time::Instant;

use figures::{Effort, Filter, Table};

/// What a trial runs, unless it is told what to run.
const TRIED: [&str; 8] = [
    "calls",
    "start",
    "monolith-sqlite",
    "split-kafka/orders",
    "split-kafka/purchases",
    "replicas/purchases",
    "delay-feed/1",
    "delay-kafka/2",
];

#[expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]
fn main() {
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    // `cargo bench` says so; whoever else runs this wants to see that it runs.
    let is_trial = !std::env::args().any(|argument| argument == "--bench");
    let effort = if is_trial { Effort::TRIAL } else { Effort::FULL };
    let words = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let mut filter = Filter::new(words);
    if is_trial && filter == Filter::default() {
        filter = Filter::new(TRIED.map(str::to_owned));
    }
    let show = |table: &Table| println!("{}", table.markdown());
    runtime.block_on(async {
        if filter.wants("calls") {
            show(&calls::measure(effort).await);
        }
        load::measure(effort, &filter, show).await;
    });
    println!("Taken in {} s.", begun.elapsed().as_secs());
}

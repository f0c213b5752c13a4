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

#[expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]
fn main() {
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    // `cargo test --benches` asks for a trial run of what would be measured.
    let is_trial = std::env::args().any(|argument| argument == "--test");
    let effort = if is_trial { Effort::TRIAL } else { Effort::FULL };
    let words = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let mut filter = Filter::new(words);
    if is_trial {
        filter = Filter::new(["calls", "monolith-sqlite", "start"].map(str::to_owned));
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

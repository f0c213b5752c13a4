//! What a call and a purchase cost on this machine: `make bench`.
//!
//! Each figure stands beside something known that was measured in the same run, since the absolute
//! times of two runs on a busy machine cannot be compared.

mod calls;
mod figures;
mod purchases;

#[expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]
fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    // `cargo test --benches` asks for a trial run of what would be measured.
    let is_trial = std::env::args().any(|argument| argument == "--test");
    let effort = if is_trial { figures::Effort::TRIAL } else { figures::Effort::FULL };
    for line in runtime.block_on(async {
        let mut lines = calls::measure(effort).await;
        lines.extend(purchases::measure(effort).await);
        lines
    }) {
        println!("{line}");
    }
}

//! Boxoffice sells tickets. One binary: everything in one process, or one service of a split.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Whoever speaks TLS expects this to be there. It fails only when it is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    boxoffice::cli::run(std::env::args_os())
}

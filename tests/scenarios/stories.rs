//! The stories, one file each. `main.rs` says where each is told.

pub mod sell;

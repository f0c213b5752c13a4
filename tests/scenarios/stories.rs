//! The stories, one file each. `main.rs` says where each is told.

pub mod bad_input;
pub mod call_off;
pub mod crash;
pub mod crash_giving_back;
pub mod crowd;
pub mod dead_letters;
pub mod doors;
pub mod give_back;
pub mod guests;
pub mod keep_books;
pub mod part_refund;
pub mod pay;
pub mod repeat;
pub mod seats;
pub mod sell;
pub mod strangers;
pub mod time;

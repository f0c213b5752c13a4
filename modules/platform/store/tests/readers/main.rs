//! Those who read a log and act on it: feeds, leases, timers, dead letters. Each test runs on both
//! databases.

mod dead_letters;
mod feed;
mod lease;
mod support;
mod timers;

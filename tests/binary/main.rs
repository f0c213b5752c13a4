//! The binary as people and orchestrators meet it: what its commands print, how it starts and
//! stops, and with which code it ends.

#![cfg(test)]
#![cfg(unix)]

mod check;
mod commands;
mod configuration;
mod containers;
mod dead_letters;
mod events;
mod keys;
mod program;
mod refusals;
mod signals;
mod split;
mod views;

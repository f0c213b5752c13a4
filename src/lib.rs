//! Puts the services together and gives them a command line. Knows nothing of tickets.

pub mod cli;
pub mod node;
pub mod registry;

//! The gateway in front of a service, over real connections.
#![cfg(test)]

mod documentation;
mod forwarding;
mod replicas;
mod streaming;
mod trouble;
mod world;

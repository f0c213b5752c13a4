//! What people are told, and what becomes of telling them. Pure.
//!
//! Everything here names accounts and orders and nothing else about people: names, addresses and
//! texts are asked for when a mail is sent, and kept nowhere.

pub(crate) mod buyer;
pub(crate) mod mail;
pub(crate) mod notice;
pub(crate) mod stationery;

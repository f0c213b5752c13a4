//! `[cache]`: where replicas keep what they share.

use std::{path::PathBuf, time::Duration};

use runtime::{Secret, Section, duration};
use serde::{Deserialize, Serialize};

/// The shortest wait for an answer that makes sense.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(5);
/// The longest: a request would rather do without.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Nothing that is shown may be older, whatever is configured.
const LONGEST_STALENESS: Duration = Duration::from_mins(1);

/// Where replicas keep what they share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheKind {
    /// Each process for itself.
    #[default]
    Memory,
    /// In Redis.
    Redis,
}

/// `[cache]`: where replicas keep what they share.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// In the memory of each process, or in Redis.
    pub kind: CacheKind,
    /// Redis: `redis://[user:password@]host:port/database`, `rediss://` with TLS.
    pub url: Secret,
    /// What every key of this installation begins with in Redis.
    pub prefix: String,
    /// A certificate authority (PEM) to trust instead of the machine's, with `rediss://`.
    pub ca_file: Option<PathBuf>,
    /// How long to wait for a connection.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    /// How long to wait for an answer before doing without.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How old an answer from memory may be where another replica has written and could not say so.
    #[serde(with = "duration")]
    pub staleness: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            kind: CacheKind::Memory,
            url: Secret::default(),
            prefix: "boxoffice:".to_owned(),
            ca_file: None,
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_millis(100),
            staleness: Duration::from_millis(500),
        }
    }
}

impl CacheSettings {
    /// The address of a server whose certificate nobody looks at, or that needs none.
    fn tls_faults(&self) -> Vec<String> {
        let url = self.url.expose();
        let mut faults = Vec::new();
        if url.contains("#insecure") {
            faults.push(
                "url: ends in #insecure, so anybody could pass for Redis; leave that out, and name \
                 the authority that vouches for the server in ca_file"
                    .to_owned(),
            );
        }
        if self.ca_file.is_some() && url.starts_with("redis://") {
            faults.push(
                "ca_file: is for TLS, and url is without; write rediss:// there, or leave it out"
                    .to_owned(),
            );
        }
        faults
    }

    fn url_fault(&self) -> Option<String> {
        let url = self.url.expose();
        let how = "write redis://[user:password@]host:port/database, or rediss:// for TLS";
        if url.is_empty() {
            let is_needed = self.kind == CacheKind::Redis;
            return is_needed.then(|| format!("url: is empty, and kind is redis; {how}"));
        }
        let is_address = url.starts_with("redis://") || url.starts_with("rediss://");
        let is_good = is_address && redis::Client::open(url).is_ok();
        (!is_good).then(|| format!("url: is no address of a Redis server; {how}"))
    }
}

impl Section for CacheSettings {
    const NAME: &'static str = "cache";

    fn check(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.url_fault().into_iter().collect();
        faults.extend(self.tls_faults());
        if self.prefix.is_empty() || self.prefix.chars().any(|it| it.is_whitespace() || it == '{') {
            faults.push(
                "prefix: is empty, or has blanks or braces in it; write some letters and a colon, \
                 like boxoffice:"
                    .to_owned(),
            );
        }
        if self.connect_timeout < SHORTEST_TIMEOUT {
            faults.push("connect_timeout: is less than 5ms; the default is 1s".to_owned());
        }
        if self.timeout < SHORTEST_TIMEOUT || self.timeout > LONGEST_TIMEOUT {
            faults.push("timeout: must be from 5ms to 2s; the default is 100ms".to_owned());
        }
        if self.staleness > LONGEST_STALENESS {
            faults.push("staleness: must be at most 1m; the default is 500ms".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(CacheSettings::default().check(), Vec::<String>::new());
    }

    #[test]
    fn every_unusable_value_is_named_and_no_secret_is_told() {
        let unusable = CacheSettings {
            kind: CacheKind::Redis,
            url: "http://:hunter2@redis:6379".to_owned().into(),
            prefix: String::new(),
            connect_timeout: Duration::ZERO,
            timeout: Duration::from_secs(9),
            staleness: Duration::from_hours(1),
            ..CacheSettings::default()
        };
        let faults = unusable.check();
        let keys: Vec<&str> =
            faults.iter().filter_map(|fault| Some(fault.split_once(':')?.0)).collect();
        assert_eq!(keys, ["url", "prefix", "connect_timeout", "timeout", "staleness"]);
        assert!(!faults.concat().contains("hunter2"));
    }

    #[test]
    fn redis_needs_an_address_and_memory_none() {
        let without = CacheSettings { kind: CacheKind::Redis, ..CacheSettings::default() };
        assert_eq!(without.check().len(), 1);
        let url = "rediss://ada:secret@redis.example.org:6380/2".to_owned().into();
        assert!(CacheSettings { url, ..without }.check().is_empty());
    }
    #[test]
    fn no_certificate_is_left_unlooked_at() {
        let with = |url: &str, ca_file: Option<&str>| CacheSettings {
            kind: CacheKind::Redis,
            url: url.to_owned().into(),
            ca_file: ca_file.map(PathBuf::from),
            ..CacheSettings::default()
        };
        let plain = with("redis://redis:6379", Some("redis-ca.pem")).check();
        assert!(plain.len() == 1 && plain[0].starts_with("ca_file: "), "{plain:?}");
        let insecure = with("rediss://:hunter2@redis:6379/#insecure", None).check();
        assert!(insecure.len() == 1 && insecure[0].starts_with("url: "), "{insecure:?}");
        assert!(!insecure.concat().contains("hunter2"));
        assert!(with("rediss://redis:6379", Some("redis-ca.pem")).check().is_empty());
    }
}

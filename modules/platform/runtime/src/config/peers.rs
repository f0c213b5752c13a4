//! `[peers.<service>]`: where services that are hosted elsewhere can be reached.

use std::{collections::BTreeMap, fmt};

use reqwest::Url;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use super::Section;

/// `[peers.<service>]`: where services that are hosted elsewhere can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeersSettings(pub BTreeMap<String, Peer>);

/// Where one service can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peer {
    /// The base URLs of its replicas' internal listeners, for calls and feeds.
    pub internal: Addresses,
    /// The base URLs of its replicas' public listeners, for the gateway.
    pub public: Addresses,
}

/// The base URLs of one kind of listener, one a replica. Written as one URL, as a list, or, where
/// there is only text, separated by commas. Every process should have them in the same order, since
/// a replica is preferred by its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses(Vec<String>);

impl Addresses {
    /// Whether nobody said where.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they were written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Those that are URLs, which all are in a configuration without faults.
    pub fn urls(&self) -> Vec<Url> {
        self.iter().filter_map(|url| Url::parse(url).ok()).collect()
    }
}

impl<T: Into<String>> FromIterator<T> for Addresses {
    fn from_iter<I: IntoIterator<Item = T>>(urls: I) -> Self {
        Self(urls.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [] => serializer.serialize_none(),
            [url] => serializer.serialize_str(url),
            urls => urls.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Reads [`Addresses`] in any of their forms.
struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Addresses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL or a list of URLs")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Addresses, E> {
        // A list that comes as text is read as TOML first.
        if text.trim_start().starts_with('[') {
            return Err(E::invalid_value(serde::de::Unexpected::Str(text), &self));
        }
        Ok(text.split(',').map(str::trim).collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Addresses, A::Error> {
        let mut urls = Vec::new();
        while let Some(url) = items.next_element::<String>()? {
            urls.push(url);
        }
        Ok(Addresses(urls))
    }

    fn visit_unit<E: Error>(self) -> Result<Addresses, E> {
        Ok(Addresses::default())
    }

    fn visit_none<E: Error>(self) -> Result<Addresses, E> {
        Ok(Addresses::default())
    }
}

impl Section for PeersSettings {
    const NAME: &'static str = "peers";

    fn check(&self) -> Vec<String> {
        let kinds = self.0.iter().flat_map(|(service, peer)| {
            [(service, "internal", &peer.internal), (service, "public", &peer.public)]
        });
        kinds
            .flat_map(|(service, kind, addresses)| {
                let faults = address_faults(addresses);
                faults.into_iter().map(move |fault| format!("{service}.{kind}: {fault}"))
            })
            .collect()
    }
}

fn address_faults(addresses: &Addresses) -> Vec<String> {
    let mut faults: Vec<String> = addresses.iter().filter_map(base_url_fault).collect();
    let mut seen = Vec::new();
    for url in addresses.urls() {
        if seen.contains(&url) {
            faults.push(format!("{url} is named twice; name each replica once"));
        }
        seen.push(url);
    }
    faults
}

/// What is wrong with the base URL of a peer, if anything is.
fn base_url_fault(url: &str) -> Option<String> {
    let parsed = match Url::parse(url) {
        Ok(parsed) => parsed,
        Err(error) => {
            return Some(format!("\"{url}\" is no URL ({error}); write it like http://host:8081"));
        }
    };
    let is_base = matches!(parsed.scheme(), "http" | "https")
        && parsed.has_host()
        && parsed.path() == "/"
        && parsed.query().is_none()
        && parsed.fragment().is_none();
    let why = "is not the base URL of a listener; write scheme, host and port only";
    (!is_base).then(|| format!("\"{url}\" {why}, like http://host:8081"))
}

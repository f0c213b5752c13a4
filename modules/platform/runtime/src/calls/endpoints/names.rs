//! From the addresses of the configuration to replicas: names are resolved, and again every few
//! seconds, since replicas come and go.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::HeaderValue;
use reqwest::Url;
use tokio::{sync::OnceCell, time::Instant};

use super::{Endpoint, rank::Label};

/// For how long an answer of the resolver is good.
const FRESH: Duration = Duration::from_secs(5);
/// How long the first call waits for the resolver.
const PATIENCE: Duration = Duration::from_secs(1);

/// One entry of a list of addresses, with the replicas behind it.
pub(super) struct Place {
    service: &'static str,
    at: usize,
    url: Url,
    /// What is asked of the resolver, when there is something to ask.
    name: Option<Name>,
    known: Mutex<Known>,
    resolved_once: OnceCell<()>,
}

struct Name {
    host: String,
    port: u16,
    header: Option<HeaderValue>,
}

struct Known {
    endpoints: Vec<Endpoint>,
    stale_from: Instant,
    /// The answer that is on its way.
    lookup: Option<Lookup>,
}

type Lookup = BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

impl Place {
    pub(super) fn new(service: &'static str, at: usize, url: &Url) -> Self {
        let plain = Endpoint::new(service, url.clone(), None, Label::of(at, None));
        let known =
            Known { endpoints: vec![plain], stale_from: Instant::now() + FRESH, lookup: None };
        Self {
            service,
            at,
            url: url.clone(),
            name: name_in(url),
            known: Mutex::new(known),
            resolved_once: OnceCell::new(),
        }
    }

    /// The replicas here, as far as they are known. Waits for the resolver the first time only.
    pub(super) async fn endpoints(&self) -> Vec<Endpoint> {
        let Some(name) = &self.name else { return self.known().endpoints.clone() };
        self.resolved_once
            .get_or_init(|| async {
                let answer = tokio::time::timeout(PATIENCE, name.lookup()).await;
                self.learn(name, answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())));
            })
            .await;
        if let Some(answer) = self.next_answer(name) {
            self.learn(name, answer);
        }
        self.known().endpoints.clone()
    }

    /// What the resolver answered to a question that was asked before, if it has by now. Asks when
    /// it is time to.
    fn next_answer(&self, name: &Name) -> Option<io::Result<Vec<SocketAddr>>> {
        let mut known = self.known();
        if known.lookup.is_none() && Instant::now() >= known.stale_from {
            known.lookup = Some(name.lookup());
        }
        // The resolver works in a thread of its own, also while nobody looks.
        let answer = known.lookup.as_mut()?.as_mut().now_or_never()?;
        known.lookup = None;
        Some(answer)
    }

    fn learn(&self, name: &Name, answer: io::Result<Vec<SocketAddr>>) {
        let mut known = self.known();
        known.stale_from = Instant::now() + FRESH;
        let addresses = match answer {
            Ok(addresses) if !addresses.is_empty() => replicas(&addresses),
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(service = self.service, host = name.host, %error, "not resolved");
                return;
            }
        };
        let endpoints = match addresses {
            None => vec![self.plain()],
            Some(addresses) => addresses.iter().filter_map(|it| self.at(name, *it)).collect(),
        };
        let before = std::mem::take(&mut known.endpoints);
        let kept = |new: Endpoint| {
            before.iter().find(|old| old.base() == new.base()).cloned().unwrap_or(new)
        };
        known.endpoints = endpoints.into_iter().map(kept).collect();
    }

    fn plain(&self) -> Endpoint {
        Endpoint::new(self.service, self.url.clone(), None, Label::of(self.at, None))
    }

    fn at(&self, name: &Name, address: IpAddr) -> Option<Endpoint> {
        let mut base = self.url.clone();
        base.set_ip_host(address).ok()?;
        let label = Label::of(self.at, Some(address));
        Some(Endpoint::new(self.service, base, name.header.clone(), label))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Name {
    fn lookup(&self) -> Lookup {
        let (host, port) = (self.host.clone(), self.port);
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// The name in a URL that may stand for several replicas. With `https` it does not: certificates
/// are for names.
fn name_in(url: &Url) -> Option<Name> {
    let host = url.domain().filter(|_| url.scheme() == "http")?;
    let port = url.port_or_known_default()?;
    let header = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Some(Name { host: host.to_owned(), port, header: HeaderValue::try_from(header).ok() })
}

/// The replicas that a name stands for. `None` for one, which may have an address of each family:
/// whoever connects by the name finds out which works.
fn replicas(addresses: &[SocketAddr]) -> Option<Vec<IpAddr>> {
    let mut all: Vec<IpAddr> = addresses.iter().map(|it| it.ip().to_canonical()).collect();
    all.sort_unstable();
    all.dedup();
    let (old, new): (Vec<IpAddr>, Vec<IpAddr>) = all.into_iter().partition(IpAddr::is_ipv4);
    let several = if old.len() >= new.len() { old } else { new };
    (several.len() > 1).then_some(several)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(addresses: &[&str]) -> Option<Vec<String>> {
        let parsed: Vec<SocketAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        Some(replicas(&parsed)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn several_addresses_of_one_family_are_several_replicas() {
        assert_eq!(of(&["10.0.0.1:80"]), None);
        assert_eq!(of(&["127.0.0.1:80", "[::1]:80"]), None, "one machine, reached either way");
        let both = Some(vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()]);
        assert_eq!(of(&["10.0.0.2:80", "10.0.0.1:80", "10.0.0.1:80"]), both);
        assert_eq!(of(&["10.0.0.2:80", "10.0.0.1:80", "[fd00::1]:80", "[fd00::2]:80"]), both);
    }

    fn place(url: &str) -> Place {
        Place::new("desk", 0, &url.parse().unwrap())
    }

    fn bases(place: &Place) -> Vec<String> {
        place.known().endpoints.iter().map(|it| it.base().to_string()).collect()
    }

    fn addresses(of: &[&str]) -> Vec<SocketAddr> {
        of.iter().map(|it| it.parse().unwrap()).collect()
    }

    #[test]
    fn replicas_come_and_go_and_those_that_stay_are_remembered() {
        let place = place("http://desk:8081");
        let name = place.name.as_ref().unwrap();
        place.learn(name, Ok(addresses(&["10.0.0.1:8081", "10.0.0.2:8081"])));
        assert_eq!(bases(&place), ["http://10.0.0.1:8081/", "http://10.0.0.2:8081/"]);
        let second = place.known().endpoints[1].clone();
        assert_eq!(second.host().unwrap(), "desk:8081");

        place.learn(name, Ok(addresses(&["10.0.0.2:8081", "10.0.0.3:8081"])));
        assert_eq!(bases(&place), ["http://10.0.0.2:8081/", "http://10.0.0.3:8081/"]);
        assert_eq!(place.known().endpoints[0], second);

        place.learn(name, Err(io::ErrorKind::TimedOut.into()));
        assert_eq!(bases(&place).len(), 2, "what was known is better than nothing");
    }

    #[test]
    fn addresses_and_certificates_are_not_resolved() {
        assert!(place("http://10.0.0.1:8081").name.is_none());
        assert!(place("http://[::1]:8081").name.is_none());
        assert!(place("https://desk:8081").name.is_none());
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_left_to_whoever_connects() {
        let place = place("http://desk.invalid:8081");
        let endpoints = place.endpoints().await;
        assert_eq!(endpoints.len(), 1);
        assert_eq!(endpoints[0].base().as_str(), "http://desk.invalid:8081/");
    }
}

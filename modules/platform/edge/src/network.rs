//! Where somebody connects from, as far as that counts: by it, and by nothing else, those who do not
//! say who they are can be told apart and held back.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Extensions, HeaderMap, request::Parts},
};

/// A client's network: its address of version 4, or the /64 of its address of version 6, since
/// whoever has one of those has 2^64. Clients whose address is not known are one network.
///
/// Handlers take it as an argument. The address is that of the connection, or, with proxies in front
/// (`edge.proxies`), what the outermost of them says it is. Further claims of the client's own are
/// not believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(Option<IpAddr>);

impl Network {
    /// Of whoever has `address`.
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }))
    }

    /// Of whoever sent a request with these headers through so many proxies.
    pub(crate) fn of_request(extensions: &Extensions, headers: &HeaderMap, proxies: usize) -> Self {
        if let Some(hops) = proxies.checked_sub(1) {
            return Self::of(forwarded(headers, hops));
        }
        let connected = extensions.get::<ConnectInfo<SocketAddr>>();
        Self::of(connected.map(|ConnectInfo(address)| address.ip()))
    }
}

impl<S: Sync> FromRequestParts<S> for Network {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or_default())
    }
}

/// The address that is so many hops before the last one.
fn forwarded(headers: &HeaderMap, hops: usize) -> Option<IpAddr> {
    let values = headers.get_all("x-forwarded-for").iter();
    let listed: Vec<&str> =
        values.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).collect();
    listed.into_iter().rev().nth(hops)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn network(address: &str) -> Network {
        Network::of(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_of_version_4_is_a_network_of_its_own_however_it_is_written() {
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }

    #[test]
    fn addresses_of_version_6_are_one_network_by_their_first_half() {
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::9"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
    }

    #[test]
    fn clients_without_an_address_are_one_network() {
        assert_eq!(Network::of(None), Network::default());
        assert_ne!(Network::of(None), network("192.0.2.1"));
    }

    #[test]
    fn only_what_the_proxies_in_front_say_is_believed() {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static("x-forwarded-for");
        headers.append(&name, HeaderValue::from_static("10.0.0.1, 203.0.113.9"));
        headers.append(&name, HeaderValue::from_static("192.0.2.7"));
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([198, 51, 100, 1], 4711))));
        let seen = |proxies| Network::of_request(&extensions, &headers, proxies);
        assert_eq!(seen(0), network("198.51.100.1"));
        assert_eq!(seen(1), network("192.0.2.7"));
        assert_eq!(seen(2), network("203.0.113.9"));
        assert_eq!(seen(4), Network::of(None));
    }
}

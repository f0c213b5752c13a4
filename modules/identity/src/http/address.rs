//! The address that a request comes from, as far as that is known.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use crate::service::Service;

/// The client's address: that of the connection, or, with proxies in front, what the outermost of
/// them says it is. Further claims of the client's own are not believed.
pub(super) struct ClientAddress(pub(super) Option<IpAddr>);

impl FromRequestParts<Arc<Service>> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Infallible> {
        if let Some(hops) = service.proxies.checked_sub(1) {
            return Ok(Self(forwarded(&parts.headers, hops)));
        }
        let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(connected.map(|ConnectInfo(address)| address.ip())))
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

    #[test]
    fn only_what_the_proxies_in_front_say_is_believed() {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static("x-forwarded-for");
        headers.append(&name, HeaderValue::from_static("10.0.0.1, 203.0.113.9"));
        headers.append(&name, HeaderValue::from_static("192.0.2.7"));
        let seen = |hops| forwarded(&headers, hops).map(|address| address.to_string());
        assert_eq!(seen(0).as_deref(), Some("192.0.2.7"));
        assert_eq!(seen(1).as_deref(), Some("203.0.113.9"));
        assert_eq!(seen(3), None);
    }
}

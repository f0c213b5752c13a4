//! What changes in the headers on their way: those that are about one connection go, and the
//! request says where it came from.

use std::net::SocketAddr;

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
    uri::Authority,
};

/// About one connection, whatever `Connection` says (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What claims to tell where a request came from.
const CLAIMS: [HeaderName; 5] = [
    header::FORWARDED,
    FORWARDED_FOR,
    FORWARDED_HOST,
    FORWARDED_PROTO,
    HeaderName::from_static("x-real-ip"),
];

/// Who sent a request, as the listener knows it.
pub(crate) struct Client {
    pub(crate) address: Option<SocketAddr>,
    /// The host of an HTTP/2 request.
    pub(crate) authority: Option<Authority>,
}

/// Makes the headers of a request fit for the service. What they claim about the request's origin
/// stays only where that is trusted.
pub(crate) fn prepare_request(headers: &mut HeaderMap, client: &Client, trust_claims: bool) {
    remove_hop_by_hop(headers);
    // The listener has answered it already.
    headers.remove(header::EXPECT);
    let named = client.authority.as_ref().and_then(|it| HeaderValue::from_str(it.as_str()).ok());
    // The service has a host of its own.
    let host = headers.remove(header::HOST).or(named);
    if !trust_claims {
        for claim in &CLAIMS {
            headers.remove(claim);
        }
    }
    if let Some(address) = client.address
        && let Ok(hop) = HeaderValue::from_str(&address.ip().to_canonical().to_string())
    {
        headers.append(FORWARDED_FOR, hop);
    }
    if let Some(host) = host {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

/// Removes what is about one connection, also what `Connection` names.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        if let Entry::Occupied(entry) = headers.entry(name) {
            entry.remove_entry_mult();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn client() -> Client {
        Client { address: Some("[::ffff:192.0.2.7]:4711".parse().unwrap()), authority: None }
    }

    #[test]
    fn what_is_about_one_connection_goes_no_further() {
        let mut sent = headers(&[
            ("connection", "close, X-Hop"),
            ("connection", "x-other"),
            ("x-hop", "1"),
            ("x-other", "2"),
            ("x-other", "3"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut sent);
        assert_eq!(sent, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn a_request_says_where_it_came_from() {
        let mut sent = headers(&[
            ("host", "tickets.example.org"),
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-proto", "gopher"),
            ("forwarded", "for=203.0.113.1"),
        ]);
        prepare_request(&mut sent, &client(), false);
        let expected = headers(&[
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "tickets.example.org"),
            ("x-forwarded-proto", "http"),
        ]);
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_trusted_proxy_is_believed() {
        let mut sent = headers(&[
            ("host", "gateway"),
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-host", "tickets.example.org"),
            ("x-forwarded-proto", "https"),
        ]);
        prepare_request(&mut sent, &client(), true);
        let expected = headers(&[
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "tickets.example.org"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(sent, expected);
    }

    #[test]
    fn the_host_of_an_http2_request_is_its_authority() {
        let mut sent = HeaderMap::new();
        let authority = Some(Authority::from_static("tickets.example.org"));
        prepare_request(&mut sent, &Client { authority, ..client() }, false);
        assert_eq!(sent["x-forwarded-host"], "tickets.example.org");
    }
}

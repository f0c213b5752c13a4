//! What travels beside a request, and where it goes.

use runtime::{Contract, InvalidEndpoint, Outbound, Principal, Role};
use uuid::Uuid;

use crate::{
    desk::{Desk, FixedRandom, Office, TokenOffice, context, say},
    peer::{Conduct, Peer},
};

#[tokio::test]
async fn the_context_travels() {
    let office = Office::open().await;
    let user = Uuid::from_u128(7);
    let cause = Uuid::from_u128(9);
    let roles = vec![Role::Customer, Role::Staff];
    let cx = context().with_principal(Principal::User { id: user, roles }).caused_by(cause);
    for (way, desk) in office.ways() {
        let arrival = desk.arrival(&cx, ()).await.unwrap();
        assert_eq!(arrival.actor, format!("user:{user}"), "{way}");
        assert_eq!(arrival.correlation_id, "corr-1", "{way}");
        assert_eq!(arrival.causation_id, Some(cause), "{way}");
        assert_eq!(arrival.trace_id, "0af7651916cd43dd8448eb211c80319c", "{way}");
    }
}

#[tokio::test]
async fn a_call_is_a_span_of_its_own_in_the_same_trace() {
    let peer = Peer::new([Conduct::report()]).await;
    peer.desk_with(FixedRandom(1)).once(&context(), say("hello")).await.unwrap();
    assert_eq!(
        peer.headers(0)["traceparent"],
        "00-0af7651916cd43dd8448eb211c80319c-0101010101010101-01"
    );
}

#[tokio::test]
async fn one_token_serves_many_calls_until_shortly_before_it_expires() {
    let peer = Peer::new([Conduct::report()]).await;
    let desk = peer.desk();
    let mut tokens = Vec::new();
    for advance in [0, 40, 10, -3_600] {
        peer.advance_clock(advance);
        desk.once(&context(), say("hello")).await.unwrap();
        tokens.push(peer.headers(tokens.len())["authorization"].clone());
    }
    assert!(tokens[0].starts_with("Bearer "));
    assert_eq!(tokens[0], tokens[1], "40 of 60 seconds are not shortly before");
    assert_ne!(tokens[1], tokens[2], "50 of 60 seconds are");
    assert_ne!(tokens[2], tokens[3], "nobody accepts a token of the future");
}

#[tokio::test]
async fn an_endpoint_may_have_a_path() {
    let peer = Peer::new([Conduct::report()]).await;
    let tokens = TokenOffice::new(&["lobby"]);
    for (path, target) in [
        ("", "/internal/desk/once"),
        ("/", "/internal/desk/once"),
        ("/below", "/below/internal/desk/once"),
        ("/below/", "/below/internal/desk/once"),
    ] {
        let desk = <dyn Desk>::http(tokens.client("lobby", &[peer.url.join(path).unwrap()]));
        desk.once(&context(), say("hello")).await.unwrap();
        assert_eq!(peer.headers(peer.requests() - 1)["target"], target);
    }
}

#[test]
fn an_endpoint_that_cannot_be_called_is_refused_at_start() {
    let tokens = TokenOffice::new(&["lobby"]);
    let outbound = Outbound::new(tokens.open(), std::sync::Arc::new(FixedRandom(0))).unwrap();
    let missing = outbound.client("lobby", "desk", &[]).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "service desk has no internal address; set peers.desk.internal"
    );
    let url: reqwest::Url = "mailto:desk@example.org".parse().unwrap();
    let other = outbound.client("lobby", "desk", std::slice::from_ref(&url)).unwrap_err();
    assert_eq!(other, InvalidEndpoint::NotHttp { service: "desk", url });
}

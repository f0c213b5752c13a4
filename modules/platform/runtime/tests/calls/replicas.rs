//! Which replica of a callee is asked, and what happens when one is away, or stays silent.

use std::{collections::HashSet, time::Duration};

use runtime::{Contract, Endpoints, Fault, HttpMethod, Method, RoutingKey};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    desk::{Desk, DeskError, Errand, Report, TokenOffice, context, context_for, say},
    peer::{Conduct, Peer, nobody},
};

static REPEAT: Method = Method { name: "repeat", idempotent: true };
static ONCE: Method = Method { name: "once", idempotent: false };

fn key(id: u128) -> RoutingKey {
    RoutingKey::from(Uuid::from_u128(id))
}

/// Replicas that always conduct themselves like this.
async fn replicas<const N: usize>(conducts: [Conduct; N]) -> [Peer; N] {
    let tokens = TokenOffice::new(&["lobby"]);
    let peers = conducts.map(|conduct| Peer::with_tokens([conduct], tokens.twin()));
    let peers: Vec<Peer> = futures_util::future::join_all(peers).await;
    peers.try_into().ok().unwrap()
}

fn method(of: &'static Method, peers: &[Peer]) -> HttpMethod {
    let urls: Vec<reqwest::Url> = peers.iter().map(|peer| peer.url.clone()).collect();
    peers[0].tokens().client("lobby", &urls).method(of)
}

async fn ask(method: &HttpMethod, key: RoutingKey) -> Result<Report, DeskError> {
    method.call_for(&context(), key, say("hello")).await
}

fn requests(peers: &[Peer]) -> Vec<usize> {
    peers.iter().map(Peer::requests).collect()
}

#[tokio::test]
async fn what_is_about_one_thing_goes_to_one_replica_whoever_asks() {
    let peers = replicas([Conduct::report(), Conduct::report(), Conduct::report()]).await;
    for _ in 0..2 {
        let caller = method(&ONCE, &peers);
        for _ in 0..5 {
            ask(&caller, key(7)).await.unwrap();
        }
    }
    let mut requests = requests(&peers);
    requests.sort_unstable();
    assert_eq!(requests, [0, 0, 10]);
}

#[tokio::test]
async fn different_things_are_spread_over_the_replicas() {
    let peers = replicas([Conduct::report(), Conduct::report()]).await;
    let caller = method(&ONCE, &peers);
    for id in 0..20 {
        ask(&caller, key(id)).await.unwrap();
    }
    assert!(requests(&peers).iter().all(|count| *count >= 5), "{:?}", requests(&peers));
}

#[tokio::test]
async fn what_is_about_nothing_in_particular_goes_to_each_in_turn() {
    let peers = replicas([Conduct::report(), Conduct::report()]).await;
    let caller = method(&ONCE, &peers);
    for _ in 0..6 {
        let told: Result<Report, DeskError> = caller.call(&context(), say("hello")).await;
        told.unwrap();
    }
    assert_eq!(requests(&peers), [3, 3]);
}

/// The contract says what its methods are about.
#[tokio::test]
async fn a_method_that_names_its_key_goes_where_the_key_goes() {
    let peers = replicas([Conduct::status("500 Oops"), Conduct::status("500 Oops")]).await;
    let urls: Vec<reqwest::Url> = peers.iter().map(|peer| peer.url.clone()).collect();
    let desk = <dyn Desk>::http(peers[0].tokens().client("lobby", &urls));
    let errand = crate::desk::Letter { to: Uuid::from_u128(7) };
    for _ in 0..6 {
        desk.deliver(&context(), errand.clone()).await.unwrap_err();
    }
    let mut requests = requests(&peers);
    requests.sort_unstable();
    assert_eq!(requests, [0, 6]);
}

#[tokio::test]
async fn one_that_cannot_be_connected_to_is_not_tried_with_each_call() {
    let tokens = TokenOffice::new(&["lobby"]);
    let peer = Peer::with_tokens([Conduct::report()], tokens.twin()).await;
    let urls = [nobody().await, peer.url.clone()];
    let caller = tokens.client("lobby", &urls).method(&ONCE);
    let endpoints = Endpoints::new("desk", &urls).unwrap();
    for id in 0..40 {
        ask(&caller, key(id)).await.unwrap();
    }
    assert_eq!(peer.requests(), 40);
    // Another process has to find out for itself.
    assert!(endpoints.ranked(None).await.iter().all(runtime::Endpoint::is_available));
}

#[tokio::test]
async fn one_that_is_back_gets_its_calls_again() {
    let tokens = TokenOffice::new(&["lobby"]);
    let address = nobody().await;
    let other = Peer::with_tokens([Conduct::report()], tokens.twin()).await;
    let urls = [address.clone(), other.url.clone()];
    let caller = tokens.client("lobby", &urls).method(&ONCE);
    for id in 0..10 {
        ask(&caller, key(id)).await.unwrap();
    }
    assert_eq!(other.requests(), 10);

    let back = Peer::at(&address, [Conduct::report()], tokens.twin()).await;
    let until = Instant::now() + Duration::from_secs(20);
    while back.requests() == 0 {
        assert!(Instant::now() < until, "it is tried again in time");
        for id in 0..10 {
            ask(&caller, key(id)).await.unwrap();
        }
    }
    let (mine, its) = (other.requests(), back.requests());
    for id in 0..10 {
        ask(&caller, key(id)).await.unwrap();
    }
    assert!(other.requests() - mine < 10 && back.requests() > its, "both share again");
}

#[tokio::test]
async fn a_replica_that_says_it_is_leaving_is_not_asked_twice() {
    let busy = Conduct::not_executed("503 Service Unavailable");
    let peers = replicas([busy.clone(), busy, Conduct::report()]).await;
    let caller = method(&ONCE, &peers);
    for id in 0..10 {
        ask(&caller, key(id)).await.unwrap();
    }
    assert_eq!(peers[2].requests(), 10);
}

#[tokio::test]
async fn when_nobody_can_be_connected_to_nothing_was_sent() {
    let tokens = TokenOffice::new(&["lobby"]);
    let urls = [nobody().await, nobody().await];
    let caller = tokens.client("lobby", &urls).method(&ONCE);
    for _ in 0..3 {
        let fault = ask(&caller, key(1)).await.unwrap_err().fault();
        assert!(fault.is_not_sent(), "{fault}");
    }
}

/// As a process does that is stopped by a signal: its socket still accepts.
#[tokio::test]
async fn an_idempotent_call_leaves_a_replica_that_answers_nothing_for_two_seconds() {
    let peers = replicas([Conduct::Hang, Conduct::report()]).await;
    let caller = method(&REPEAT, &peers);
    let stuck = (0..100).find(|id| prefers_first(&peers, *id)).unwrap();
    let began = Instant::now();
    ask(&caller, key(stuck)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(requests(&peers), [1, 1]);

    let again = Instant::now();
    ask(&caller, key(stuck)).await.unwrap();
    assert!(again.elapsed() < Duration::from_secs(1), "the next call does not wait for it");
}

#[tokio::test]
async fn a_call_that_may_be_made_once_only_waits_for_its_replica() {
    let peers = replicas([Conduct::Hang, Conduct::report()]).await;
    let caller = method(&ONCE, &peers);
    let stuck = (0..100).find(|id| prefers_first(&peers, *id)).unwrap();
    let cx = context_for(Duration::from_millis(2_500));
    let answer: Result<Report, DeskError> = caller.call_for(&cx, key(stuck), say("hello")).await;
    assert!(matches!(answer.unwrap_err().fault(), Fault::Unknown { .. }));
    assert_eq!(requests(&peers), [1, 0]);

    let told: Result<Report, DeskError> =
        caller.call_for(&context(), key(stuck), say("hello")).await;
    assert!(told.is_ok(), "those that come later go elsewhere");
}

/// Work that takes long is no reason to do it for ever again.
#[tokio::test]
async fn a_slow_answer_is_given_up_for_once_only() {
    let peers = replicas([Conduct::Hang, Conduct::Hang, Conduct::Hang]).await;
    let caller = method(&REPEAT, &peers);
    let cx = context_for(Duration::from_secs(5));
    let answer: Result<Report, DeskError> = caller.call_for(&cx, key(1), Errand::Wait).await;
    assert!(matches!(answer.unwrap_err().fault(), Fault::Unknown { .. }));
    assert_eq!(requests(&peers).iter().sum::<usize>(), 2);
}

fn prefers_first(peers: &[Peer], id: u128) -> bool {
    let urls: Vec<reqwest::Url> = peers.iter().map(|peer| peer.url.clone()).collect();
    let endpoints = Endpoints::new("desk", &urls).unwrap();
    let ranked = futures_util::FutureExt::now_or_never(endpoints.ranked(Some(key(id))));
    *ranked.unwrap()[0].base() == peers[0].url
}

/// The place in `urls` of the replica that is asked first.
async fn first(urls: [&str; 3], id: u128) -> usize {
    let urls = urls.map(|url| url.parse::<reqwest::Url>().unwrap());
    let endpoints = Endpoints::new("desk", &urls).unwrap();
    let ranked = endpoints.ranked(Some(key(id))).await;
    urls.iter().position(|url| url == ranked[0].base()).unwrap()
}

#[tokio::test]
async fn the_order_of_preference_does_not_depend_on_ports() {
    let mut chosen = HashSet::new();
    for id in 0..30 {
        let internal = first(["http://10.0.0.1:1", "http://10.0.0.2:1", "http://10.0.0.3:1"], id);
        let public = first(["http://10.0.0.1:2", "http://10.0.0.2:2", "http://10.0.0.3:2"], id);
        let (internal, public) = (internal.await, public.await);
        assert_eq!(internal, public);
        chosen.insert(internal);
    }
    assert_eq!(chosen.len(), 3);
}

//! What is sent again, how often, and when not.

use std::time::Duration;

use runtime::{Contract, Fault};

use crate::{
    desk::{Desk, FixedRandom, TokenOffice, context, context_for, say},
    peer::{Conduct, Peer, nobody},
};

fn busy() -> Conduct {
    Conduct::not_executed("503 Service Unavailable")
}

#[tokio::test]
async fn what_was_not_executed_is_sent_again_whatever_the_method() {
    let peer = Peer::new([busy(), busy(), Conduct::report()]).await;
    assert!(peer.desk().once(&context(), say("hello")).await.is_ok());
    assert_eq!(peer.requests(), 3);
}

#[tokio::test]
async fn nothing_is_sent_more_than_three_times() {
    let peer = Peer::new([busy()]).await;
    let fault = peer.desk().repeat(&context(), say("hello")).await.unwrap_err().fault();
    assert!(fault.is_not_sent());
    assert_eq!(peer.requests(), 3);
}

#[tokio::test]
async fn each_call_has_its_own_three_attempts() {
    let peer = Peer::new([busy(), busy(), Conduct::report(), busy(), busy(), Conduct::report()]);
    let peer = peer.await;
    let desk = peer.desk();
    assert!(desk.once(&context(), say("hello")).await.is_ok());
    assert!(desk.once(&context(), say("hello")).await.is_ok());
    assert_eq!(peer.requests(), 6);
}

#[tokio::test]
async fn a_call_of_unknown_fate_is_sent_again_only_when_idempotent() {
    for conduct in [Conduct::HangUp, Conduct::BreakOff, Conduct::status("503 Unavailable")] {
        let peer = Peer::new([conduct.clone(), Conduct::report()]).await;
        let fault = peer.desk().once(&context(), say("hello")).await.unwrap_err().fault();
        assert!(matches!(fault, Fault::Unknown { .. }), "{conduct:?}");
        assert_eq!(peer.requests(), 1, "{conduct:?}");

        let peer = Peer::new([conduct.clone(), Conduct::report()]).await;
        assert!(peer.desk().repeat(&context(), say("hello")).await.is_ok(), "{conduct:?}");
        assert_eq!(peer.requests(), 2, "{conduct:?}");
    }
}

/// The first attempt's fate is unknown: a later attempt that was not executed does not change it.
#[tokio::test]
async fn a_fate_once_unknown_stays_unknown() {
    let peer = Peer::new([Conduct::HangUp, busy()]).await;
    let fault = peer.desk().repeat(&context(), say("hello")).await.unwrap_err().fault();
    assert!(matches!(fault, Fault::Unknown { .. }), "{fault}");
    assert_eq!(peer.requests(), 3);
}

#[tokio::test]
async fn a_failure_is_not_repeated() {
    let peer = Peer::new([Conduct::status("500 Oops"), Conduct::report()]).await;
    assert!(peer.desk().repeat(&context(), say("hello")).await.is_err());
    assert_eq!(peer.requests(), 1);
}

#[tokio::test]
async fn an_error_of_the_contract_is_not_repeated() {
    let peer = Peer::new([Conduct::contract_error(r#"{"code":"closed","until":9}"#)]).await;
    assert!(peer.desk().repeat(&context(), say("hello")).await.is_err());
    assert_eq!(peer.requests(), 1);
}

#[tokio::test]
async fn the_next_attempt_goes_to_the_next_endpoint() {
    let peer = Peer::new([Conduct::report()]).await;
    let tokens = TokenOffice::new(&["lobby"]);
    let urls = [nobody().await, peer.url.clone()];
    let desk = <dyn Desk>::http(tokens.client("lobby", &urls));
    assert!(desk.once(&context(), say("hello")).await.is_ok());
    assert_eq!(peer.requests(), 1);
}

#[tokio::test]
async fn each_attempt_says_what_is_left_of_the_deadline() {
    let peer = Peer::new([busy(), busy(), Conduct::report()]).await;
    let desk = peer.desk_with(FixedRandom(255));
    desk.once(&context_for(Duration::from_secs(9)), say("hello")).await.unwrap();
    let left: Vec<u64> = (0..3)
        .map(|attempt| peer.headers(attempt)["x-boxoffice-deadline-ms"].parse().unwrap())
        .collect();
    assert!(left[0] <= 9_000);
    // Pauses of 50 and 100 ms lie between them.
    assert!(left[1] + 50 <= left[0] && left[2] + 100 <= left[1], "{left:?}");
}

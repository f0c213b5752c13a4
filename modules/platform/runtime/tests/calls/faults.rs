//! What became of a call, told from how its peer behaved.

use std::time::Duration;

use runtime::{Contract, Fault};

use crate::{
    desk::{Desk, DeskError, TokenOffice, context, context_for, say},
    peer::{Conduct, Peer, nobody},
};

/// The fault of one call that may not be repeated.
async fn fault_of(conduct: Conduct) -> Fault {
    let peer = Peer::new([conduct]).await;
    peer.desk().once(&context(), say("hello")).await.unwrap_err().fault()
}

fn is_unknown(fault: &Fault) -> bool {
    matches!(fault, Fault::Unknown { .. })
}

fn is_failed(fault: &Fault) -> bool {
    matches!(fault, Fault::Failed { .. })
}

#[tokio::test]
async fn nobody_listening_is_not_sent() {
    let tokens = TokenOffice::new(&["lobby"]);
    let desk = <dyn Desk>::http(tokens.client("lobby", &[nobody().await]));
    let fault = desk.once(&context(), say("hello")).await.unwrap_err().fault();
    assert!(fault.is_not_sent(), "{fault}");
    assert!(fault.reason().starts_with("no connection: "), "{fault}");
    assert!(fault.reason().contains("refused"), "{fault}");
}

#[tokio::test]
async fn hanging_up_without_an_answer_leaves_the_fate_unknown() {
    let fault = fault_of(Conduct::HangUp).await;
    assert!(is_unknown(&fault), "{fault}");
    assert!(fault.reason().starts_with("the connection was lost"), "{fault}");
}

#[tokio::test]
async fn a_reset_in_mid_reply_leaves_the_fate_unknown() {
    let fault = fault_of(Conduct::BreakOff).await;
    assert!(is_unknown(&fault), "{fault}");
    assert!(fault.reason().starts_with("the connection was lost"), "{fault}");
}

#[tokio::test]
async fn a_peer_that_hangs_leaves_the_fate_unknown_at_the_deadline() {
    let peer = Peer::new([Conduct::Hang]).await;
    let desk = peer.desk();
    let cx = context_for(Duration::from_millis(300));
    let fault = desk.once(&cx, say("hello")).await.unwrap_err().fault();
    assert!(is_unknown(&fault), "{fault}");
    assert_eq!(fault.reason(), "no answer within the deadline");
}

#[tokio::test]
async fn a_503_of_ours_is_not_sent() {
    let fault = fault_of(Conduct::not_executed("503 Service Unavailable")).await;
    assert!(fault.is_not_sent(), "{fault}");
    assert_eq!(fault.reason(), "busy");
}

#[tokio::test]
async fn a_refusal_of_ours_is_not_sent() {
    for status in ["401 Unauthorized", "403 Forbidden", "413 Payload Too Large"] {
        let fault = fault_of(Conduct::not_executed(status)).await;
        assert!(fault.is_not_sent(), "{status}: {fault}");
    }
}

/// Proxies send these as well, also after they have passed the request on.
#[tokio::test]
async fn the_same_status_without_our_header_leaves_the_fate_unknown() {
    for status in ["503 Service Unavailable", "502 Bad Gateway", "504 Gateway Timeout"] {
        let fault = fault_of(Conduct::status(status)).await;
        assert!(is_unknown(&fault), "{status}: {fault}");
    }
    let fault = fault_of(Conduct::status("503 Service Unavailable")).await;
    assert_eq!(fault.reason(), "it answered with status 503");
}

#[tokio::test]
async fn an_answer_of_somebody_else_leaves_the_fate_unknown() {
    for status in ["404 Not Found", "401 Unauthorized", "409 Conflict", "204 No Content"] {
        let fault = fault_of(Conduct::status(status)).await;
        assert!(is_unknown(&fault), "{status}: {fault}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Peer::new([Conduct::report()]).await;
    let location = format!("location: {}", elsewhere.url);
    let fault = fault_of(Conduct::answer("307 Temporary Redirect", &[&location], "")).await;
    assert!(is_unknown(&fault), "{fault}");
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn a_500_is_a_failure() {
    let fault = fault_of(Conduct::answer("500 Oops", &[], r#"{"reason":"it panicked"}"#)).await;
    assert!(is_failed(&fault), "{fault}");
    assert_eq!(fault.reason(), "it panicked");
    let fault = fault_of(Conduct::answer("500 Oops", &[], "<html>")).await;
    assert!(is_failed(&fault), "{fault}");
}

#[tokio::test]
async fn an_undecodable_reply_is_a_failure() {
    for body in ["", "hello", "{\"said\":", "[]", r#"{"said":1,"remarks":[]}"#, "\u{0}"] {
        let fault = fault_of(Conduct::answer("200 OK", &[], body)).await;
        assert!(is_failed(&fault), "{body}: {fault}");
        assert!(fault.reason().starts_with("its reply is not what the contract says"), "{fault}");
    }
}

#[tokio::test]
async fn an_undecodable_contract_error_is_a_failure() {
    let fault = fault_of(Conduct::contract_error("{\"code\":")).await;
    assert!(is_failed(&fault), "{fault}");
}

#[tokio::test]
async fn a_reply_that_does_not_end_is_a_failure() {
    let fault = fault_of(Conduct::answer("200 OK", &[], &" ".repeat(17 * 1024 * 1024))).await;
    assert!(is_failed(&fault), "{fault}");
    assert_eq!(fault.reason(), "its reply is larger than 16777216 bytes");
}

#[tokio::test]
async fn what_is_no_http_leaves_the_fate_unknown() {
    let fault = fault_of(Conduct::Send("SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned())).await;
    assert!(is_unknown(&fault), "{fault}");
}

#[tokio::test]
async fn a_contract_error_of_a_newer_peer_becomes_unrecognised() {
    let peer = Peer::new([Conduct::contract_error(r#"{"code":"on_fire","floor":3}"#)]).await;
    let error = peer.desk().once(&context(), say("hello")).await.unwrap_err();
    assert_eq!(error, DeskError::strange());
}

#[tokio::test]
async fn a_field_that_a_newer_peer_adds_is_passed_over() {
    let peer = Peer::new([
        Conduct::answer("200 OK", &[], r#"{"said":"hi","remarks":[],"mood":"good"}"#),
        Conduct::contract_error(r#"{"code":"closed","until":9,"why":"lunch"}"#),
    ])
    .await;
    let desk = peer.desk();
    assert_eq!(desk.once(&context(), say("hello")).await.unwrap().said, "hi");
    let error = desk.once(&context(), say("hello")).await.unwrap_err();
    assert_eq!(error, DeskError::Closed { until: 9 });
}

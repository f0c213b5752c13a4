//! A call waits no longer than its deadline; what it began is finished nevertheless.

use std::time::Duration;

use runtime::Fault;

use crate::desk::{Errand, Office, context_for, say};

#[tokio::test]
async fn a_call_after_its_deadline_is_not_sent() {
    let office = Office::open().await;
    for (way, desk) in office.ways() {
        let cx = context_for(Duration::ZERO);
        let fault = desk.once(&cx, say("too late")).await.unwrap_err().fault();
        assert_eq!(
            fault,
            Fault::NotSent {
                service: "desk",
                method: "once",
                reason: "the deadline has passed".to_owned()
            },
            "{way}"
        );
    }
    assert_eq!(office.clerk.begun(), 0);
}

#[tokio::test]
async fn the_fate_of_a_call_that_outlasts_its_deadline_is_unknown_and_the_work_goes_on() {
    let office = Office::open().await;
    for (done_before, (way, desk)) in office.ways().into_iter().enumerate() {
        let cx = context_for(Duration::from_millis(300));
        let fault = desk.once(&cx, Errand::Wait).await.unwrap_err().fault();
        assert_eq!(
            fault,
            Fault::Unknown {
                service: "desk",
                method: "once",
                reason: "no answer within the deadline".to_owned()
            },
            "{way}"
        );
        assert_eq!(office.clerk.begun(), done_before + 1, "{way}");
        assert_eq!(office.clerk.done(), done_before, "{way}");
        office.clerk.go_on();
        office.clerk.until_done(done_before + 1).await;
    }
}

#[tokio::test]
async fn the_callee_sees_what_is_left_of_the_deadline() {
    let office = Office::open().await;
    for (way, desk) in office.ways() {
        let arrival = desk.arrival(&context_for(Duration::from_secs(7)), ()).await.unwrap();
        assert!((5_000..=7_000).contains(&arrival.left_ms), "{way}: {}", arrival.left_ms);
    }
}

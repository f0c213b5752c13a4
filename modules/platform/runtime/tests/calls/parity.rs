//! One list of assertions for both transports.

use runtime::Fault;

use crate::desk::{DeskError, Errand, Office, context, say};

#[tokio::test]
async fn a_reply_arrives_as_it_was_given() {
    let office = Office::open().await;
    for (way, desk) in office.ways() {
        let report = desk.once(&context(), say("grüß Gott \"\\\n")).await.unwrap();
        assert_eq!(report.said, "grüß Gott \"\\\n", "{way}");
        assert_eq!(report.remarks.len(), 1, "{way}");
    }
}

#[tokio::test]
async fn a_contract_error_arrives_as_itself() {
    let office = Office::open().await;
    for (way, desk) in office.ways() {
        let error = desk.once(&context(), Errand::Refuse).await.unwrap_err();
        assert_eq!(error, DeskError::Closed { until: 9 }, "{way}");
    }
}

#[tokio::test]
async fn an_error_this_build_does_not_know_becomes_unrecognised() {
    let office = Office::open().await;
    for (way, desk) in office.ways() {
        let error = desk.once(&context(), Errand::RefuseStrangely).await.unwrap_err();
        assert_eq!(error, DeskError::strange(), "{way}");
        assert_eq!(error.to_string(), "an error this build does not know: on_fire", "{way}");
    }
}

#[tokio::test]
async fn a_panic_is_a_failure_and_the_next_call_works() {
    let office = Office::open().await;
    for (way, desk) in office.ways() {
        let fault = desk.once(&context(), Errand::Panic).await.unwrap_err().fault();
        assert_eq!(
            fault,
            Fault::Failed {
                service: "desk",
                method: "once",
                reason: "it panicked: the clerk fell over".to_owned()
            },
            "{way}"
        );
        assert!(desk.once(&context(), say("still here")).await.is_ok(), "{way}");
    }
}

/// `NotSent` of a third service would tell the caller that nothing happened, which is not true of
/// the call to the desk.
#[tokio::test]
async fn a_fault_that_is_passed_on_is_a_failure_of_the_callee() {
    let office = Office::open().await;
    for (way, desk) in office.ways() {
        let fault = desk.once(&context(), Errand::PassOnFault).await.unwrap_err().fault();
        assert_eq!(
            fault,
            Fault::Failed {
                service: "desk",
                method: "once",
                reason: "archive.look_up was not sent: no connection".to_owned()
            },
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_method_that_the_caller_does_not_require_is_refused() {
    let office = Office::open().await;
    for (way, desk) in office.ways() {
        let fault = desk.private(&context(), ()).await.unwrap_err().fault();
        assert_eq!(
            fault,
            Fault::NotSent {
                service: "desk",
                method: "private",
                reason: "lobby may not call desk.private; list it under what lobby requires"
                    .to_owned()
            },
            "{way}"
        );
    }
}

#[tokio::test]
async fn an_idempotent_call_sent_twice_gives_the_same_reply() {
    let office = Office::open().await;
    for (way, desk) in office.ways() {
        let first = desk.repeat(&context(), say("again")).await.unwrap();
        let second = desk.repeat(&context(), say("again")).await.unwrap();
        assert_eq!(first, second, "{way}");
    }
}

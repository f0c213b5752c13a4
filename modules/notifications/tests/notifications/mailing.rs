//! Mail on its way: to a directory, to mail servers that are good and bad, and once more.

use std::fs;

use jiff::SignedDuration;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use testkit::{Journal, Storage, eventually};
use uuid::Uuid;

use crate::{
    house::{CARA, House, cancelled, fulfilled, positions_cancelled},
    neighbours::{ADDRESS, BILLBOARD, NOWHERE, ORPHAN},
    smtp::{MailServer, Mood},
};

/// Tests on both databases that need a mail server.
macro_rules! with_a_server {
    ($($name:ident($mood:expr)),+ $(,)?) => {
        mod sqlite {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    let server = MailServer::open($mood).await;
                    let house = House::mailing(Storage::Sqlite, &server).await;
                    super::$name(house, server).await;
                }
            )+
        }
        mod postgres {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    let server = MailServer::open($mood).await;
                    let house = House::mailing(Storage::Postgres, &server).await;
                    super::$name(house, server).await;
                }
            )+
        }
    };
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    mail.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default()
}

async fn a_confirmation_has_the_codes_and_the_tickets(house: House, server: MailServer) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    let mail = server.mails(1).await.remove(0);
    assert_eq!(header(&mail, "To"), format!("Cara <{ADDRESS}>"));
    assert_eq!(header(&mail, "From"), "Boxoffice <tickets@boxoffice.internal>");
    let subject = "Your tickets for Quartet & friends (order K7MPX2QA)";
    assert_eq!(header(&mail, "Subject"), subject);
    let name = "<00000000-0000-0000-0000-000000000001.0@boxoffice.internal>";
    assert_eq!(header(&mail, "Message-ID"), name);
    for part in [
        "BX1.CODE-1",
        "BX1.CODE-2",
        "Stalls, row A, seat 2",
        "Friday, 18 June 2027, 20:00 (CEST)",
        "open-sesame",
        "tickets-K7MPX2QA.pdf",
        "application/pdf",
        "Quartet &amp; friends",
    ] {
        assert!(mail.contains(part), "{part} is missing: {mail}");
    }
    house.in_state(1, "sent").await;
}

async fn cancellations_name_what_is_gone_and_what_goes_back(house: House, server: MailServer) {
    house.tell(1, 0, &positions_cancelled(7, CARA)).await;
    let mail = server.mails(1).await.remove(0);
    assert!(mail.contains("seat 2") && !mail.contains("seat 1"), "{mail}");
    assert!(mail.contains("25.00 EUR") && mail.contains("the seat is broken"), "{mail}");
    house.tell(2, 0, &cancelled(8, CARA, "event_cancelled")).await;
    let mail = server.mails(2).await.remove(1);
    assert_eq!(header(&mail, "Subject"), "Quartet & friends was cancelled");
    assert!(mail.contains("50.00 EUR") && mail.contains("the event was cancelled"), "{mail}");
    assert!(!mail.contains("application/pdf"), "a worthless ticket is not sent: {mail}");
}

async fn a_server_that_is_away_is_tried_again_until_it_is_back(house: House, server: MailServer) {
    server.go_away().await;
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    let waiting = house.notification(1, |it| it["attempts"] == 1).await;
    assert_eq!(waiting["state"], "queued");
    let error = "the mail server cannot be reached, or the connection broke";
    assert_eq!(waiting["last_error"], error);
    assert!(waiting["next_attempt_at"].as_str() > Some("2027-03-01T12:00:00Z"), "{waiting}");
    house.clock().advance(SignedDuration::from_secs(30));
    house.notification(1, |it| it["attempts"] == 2).await;
    server.come_back().await;
    house.clock().advance(SignedDuration::from_mins(5));
    server.mails(1).await;
    let sent = house.in_state(1, "sent").await;
    assert_eq!((&sent["attempts"], sent.get("last_error")), (&3.into(), None));
}

async fn a_server_that_stays_away_is_given_up_after_a_day(house: House, server: MailServer) {
    server.go_away().await;
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.notification(1, |it| it["attempts"] == 1).await;
    house.clock().advance(SignedDuration::from_hours(25));
    let given_up = house.in_state(1, "given_up").await;
    assert_eq!((&given_up["attempts"], given_up.get("next_attempt_at")), (&2.into(), None));
    server.come_back().await;
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001/resend";
    let again = house.anna().post(path, &()).await.expect(200).value();
    assert_eq!(again["state"], "queued");
    house.in_state(1, "sent").await;
    server.mails(1).await;
}

async fn a_server_that_is_busy_is_tried_again(house: House, server: MailServer) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    let waiting = house.notification(1, |it| it["attempts"] == 1).await;
    assert_eq!(waiting["last_error"], "the mail server answered 451");
    server.be(Mood::Good);
    house.clock().advance(SignedDuration::from_secs(30));
    house.in_state(1, "sent").await;
}

async fn a_receiver_that_is_unknown_is_given_up_and_not_quoted(house: House, server: MailServer) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    let given_up = house.in_state(1, "given_up").await;
    assert_eq!(given_up["last_error"], "the mail server answered 550");
    assert_eq!(given_up["attempts"], 1);
    assert!(!given_up.to_string().contains(ADDRESS));
    server.mails(0).await;
}

async fn each_mail_that_is_given_up_is_a_line_in_the_log_and_counted(
    house: House,
    server: MailServer,
) {
    const THREE_DAYS: i64 = 3 * 24 * 3600;
    let (journal, subscriber) = Journal::open();
    let _logging = tracing::dispatcher::set_default(&subscriber);
    let recorder = PrometheusBuilder::new().build_recorder();
    let _measuring = metrics::set_default_local_recorder(&recorder);
    house.tell(1, -THREE_DAYS, &fulfilled(7, CARA)).await;
    house.tell(1, -THREE_DAYS, &fulfilled(7, CARA)).await;
    house.tell(2, 0, &fulfilled(8, CARA)).await;
    house.in_state(2, "given_up").await;
    let lines = journal.lines_with("a mail was given up");
    let told: Vec<_> = lines.iter().map(|line| &line["fields"]).collect();
    let expected = |mail: u128, order: u128, attempts: u32, reason: &str| {
        json!({
            "message": "a mail was given up",
            "mail": Uuid::from_u128(mail),
            "kind": "order_confirmation",
            "order": Uuid::from_u128(order),
            "correlation_id": "a purchase",
            "attempts": attempts,
            "reason": reason,
        })
    };
    let too_old = expected(1, 7, 0, "it happened too long ago to be told now");
    let refused = expected(2, 8, 1, "the mail server answered 550");
    assert_eq!(told, [&too_old, &refused]);
    assert!(lines.iter().all(|line| line["level"] == "ERROR"), "{lines:?}");
    assert_eq!(journal.lines_with("a mail was not sent").len(), 0, "one line is enough");
    let measures = recorder.handle().render();
    let name = "notifications_mail_attempts_total{";
    let counted: Vec<_> = measures.lines().filter_map(|line| line.strip_prefix(name)).collect();
    assert_eq!(counted, [r#"kind="order_confirmation",outcome="given_up"} 2"#]);
    server.mails(0).await;
}

async fn a_server_that_hangs_up_gets_the_same_mail_again(house: House, server: MailServer) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.notification(1, |it| it["attempts"] == 1).await;
    server.be(Mood::Good);
    house.clock().advance(SignedDuration::from_secs(30));
    house.in_state(1, "sent").await;
    let mail = server.mails(1).await.remove(0);
    let name = "<00000000-0000-0000-0000-000000000001.0@boxoffice.internal>";
    assert_eq!(header(&mail, "Message-ID"), name);
}

async fn a_server_that_falls_silent_is_left_in_time(house: House, server: MailServer) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    let waiting = house.notification(1, |it| it["attempts"] == 1).await;
    assert_eq!(waiting["last_error"], "the mail server did not answer in time");
    server.mails(0).await;
}

async fn what_was_sent_is_sent_once_more_as_another_copy(house: House, server: MailServer) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.in_state(1, "sent").await;
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001/resend";
    let _hidden = house.ben().post(path, &()).await.expect_problem(404, "not-found");
    let _hidden = house.customer(CARA).post(path, &()).await.expect_problem(404, "not-found");
    let _queued = house.anna().post(path, &()).await.expect(200);
    let mails = server.mails(2).await;
    let names: Vec<&str> = mails.iter().map(|mail| header(mail, "Message-ID")).collect();
    assert_ne!(names[0], names[1]);
    house.notification(1, |it| it["attempts"] == 2 && it["state"] == "sent").await;
}

async fn who_cannot_be_written_to_is_given_up_with_the_reason(house: House, server: MailServer) {
    house.tell(1, 0, &fulfilled(ORPHAN, CARA)).await;
    let gone = house.in_state(1, "given_up").await;
    assert_eq!(gone["last_error"], "the buyer's account does not exist any more");
    house.tell(2, 0, &fulfilled(NOWHERE, CARA)).await;
    let nowhere = house.in_state(2, "given_up").await;
    assert_eq!(nowhere["last_error"], "the buyer's address is no e-mail address");
    server.mails(0).await;
}

async fn a_name_that_looks_like_a_link_is_not_written(house: House, server: MailServer) {
    house.tell(1, 0, &fulfilled(BILLBOARD, CARA)).await;
    let mail = server.mails(1).await.remove(0);
    assert_eq!(header(&mail, "To"), ADDRESS);
    assert!(mail.contains("Hello,") && !mail.contains("example.org\""), "{mail}");
    assert!(!mail.contains("Win at"), "{mail}");
}

with_a_server! {
    a_name_that_looks_like_a_link_is_not_written(Mood::Good),
    a_confirmation_has_the_codes_and_the_tickets(Mood::Good),
    cancellations_name_what_is_gone_and_what_goes_back(Mood::Good),
    a_server_that_is_away_is_tried_again_until_it_is_back(Mood::Good),
    a_server_that_stays_away_is_given_up_after_a_day(Mood::Good),
    a_server_that_is_busy_is_tried_again(Mood::RefusesMail(451)),
    a_receiver_that_is_unknown_is_given_up_and_not_quoted(Mood::RefusesReceivers(550)),
    each_mail_that_is_given_up_is_a_line_in_the_log_and_counted(Mood::RefusesReceivers(550)),
    a_server_that_hangs_up_gets_the_same_mail_again(Mood::HangsUp),
    a_server_that_falls_silent_is_left_in_time(Mood::FallsSilent),
    what_was_sent_is_sent_once_more_as_another_copy(Mood::Good),
    who_cannot_be_written_to_is_given_up_with_the_reason(Mood::Good),
}

#[tokio::test]
async fn without_a_mail_server_mail_lies_in_a_directory() {
    let house = House::open(Storage::Sqlite).await;
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.in_state(1, "sent").await;
    let path = house.mail_directory().join("00000000-0000-0000-0000-000000000001.0.eml");
    let mail = eventually("the mail to lie there", || async { fs::read_to_string(&path).ok() });
    assert!(mail.await.contains("BX1.CODE-1"));
    let left = fs::read_dir(house.mail_directory()).expect("it is there").count();
    assert_eq!(left, 1, "nothing unfinished is left");
}

//! Tickets on paper, for their holder and for the mail.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    house::{House, ORDER},
    on_both_databases,
};

on_both_databases! {
    a_ticket_and_a_whole_order_are_printed_for_their_holder,
    what_is_worthless_is_not_printed,
    the_mail_gets_what_the_buyer_still_holds,
}

fn pages(pdf: &[u8]) -> usize {
    assert!(pdf.starts_with(b"%PDF-"), "it is no PDF");
    String::from_utf8_lossy(pdf).matches("/Type/Page/").count()
        + String::from_utf8_lossy(pdf).matches("/Type /Page\n").count()
}

async fn a_ticket_and_a_whole_order_are_printed_for_their_holder(house: House) {
    let ticket = house.issue(ORDER, 3).await.remove(0);
    let (one, all) =
        (format!("/v1/tickets/{ticket}/pdf"), format!("/v1/tickets/pdf?order_id={ORDER}"));
    for (path, count) in [(&one, 1), (&all, 3)] {
        let printed = house.cara().get(path).await.expect(200);
        assert_eq!(printed.header("content-type"), Some("application/pdf"));
        assert_eq!(printed.header("cache-control"), Some("private, no-store"));
        assert_eq!(pages(printed.bytes()), count);
        for other in [house.dan(), house.anna(), house.emil(), house.admin()] {
            let _hidden = other.get(path).await.expect_problem(404, "not-found");
        }
        let _anonymous = house.public().get(path).await.expect_problem(401, "unauthenticated");
    }
    let incomplete = house.cara().get("/v1/tickets/pdf").await;
    let _refused = incomplete.expect_problem(422, "invalid-input");
}

async fn what_is_worthless_is_not_printed(house: House) {
    let tickets = house.issue(ORDER, 2).await;
    let _voided = house.void_some(ORDER, &[&tickets[0]]).await;
    let all = format!("/v1/tickets/pdf?order_id={ORDER}");
    let one = house.cara().get(&format!("/v1/tickets/{}/pdf", tickets[0])).await;
    let worthless = one.expect_problem(409, "ticket-voided");
    assert!(worthless.value()["voided_at"].is_string(), "{worthless}");
    assert_eq!(pages(house.cara().get(&all).await.expect(200).bytes()), 1);
    let _voided = house.void(ORDER).await;
    let worthless = house.cara().get(&all).await.expect_problem(409, "ticket-voided");
    assert!(worthless.value()["voided_at"].is_string(), "{worthless}");
}

async fn the_mail_gets_what_the_buyer_still_holds(house: House) {
    let tickets = house.issue(ORDER, 3).await;
    let _voided = house.void_some(ORDER, &[&tickets[0]]).await;
    let offered = house.cara().post(&format!("/v1/tickets/{}/transfer", tickets[1]), &json!({}));
    let token = offered.await.expect(201).field("token");
    let accept = house.dan().post("/v1/tickets/transfers/accept", &json!({"token": token}));
    let _accepted = accept.await.expect(200);

    let printed = house.ask("print", ORDER).await;
    let pdf = STANDARD.decode(printed["pdf_base64"].as_str().expect("a document"));
    assert_eq!(pages(&pdf.expect("base64")), 1);
    let code = house.code(&house.cara(), &tickets[2]).await;
    let label = "Stalls, Stalls, row A, seat 3";
    let expected = json!([{"ticket_id": tickets[2], "label": label, "code": code}]);
    assert_eq!(printed["codes"], expected);

    let _voided = house.void(ORDER).await;
    let nothing = house.ask("print", ORDER).await;
    assert_eq!(nothing, json!({"pdf_base64": "", "codes": []}));
}

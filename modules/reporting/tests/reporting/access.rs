//! Who may see whose sales.

use runtime::Role;
use uuid::Uuid;

use crate::{
    house::{ANNA, BEN, CARA, House, QUARTET, RIVERSIDE, confirmed, sales_of},
    on_both_databases,
};

fn sales_of_riverside() -> String {
    format!("/v1/reports/sales?organizer_id={RIVERSIDE}")
}

async fn members_and_admins_see_an_organizers_sales(house: House) {
    for client in [house.anna(), house.admin()] {
        for path in [sales_of(QUARTET), sales_of_riverside()] {
            let _report = client.get(&path).await.expect(200);
        }
    }
}

async fn to_others_an_events_report_does_not_exist(house: House) {
    let ben = house.ben();
    let _unsold = ben.get(&sales_of(QUARTET)).await.expect_problem(404, "not-found");
    house.tell(1, 0, &confirmed(7, QUARTET, 1)).await;
    house.report(&sales_of(QUARTET), 1, 0).await;
    let _sold = ben.get(&sales_of(QUARTET)).await.expect_problem(404, "not-found");
    let _refused = ben.get(&sales_of_riverside()).await.expect_problem(403, "forbidden");
}

async fn only_members_with_the_role_of_organizer_see_anything_of_it(house: House) {
    house.tell(1, 0, &confirmed(7, QUARTET, 1)).await;
    house.report(&sales_of(QUARTET), 1, 0).await;
    let orders = format!("/v1/reports/events/{QUARTET}/orders");
    let endpoints = [
        (sales_of(QUARTET), 404),
        (format!("{}/days", sales_of(QUARTET)), 404),
        (format!("{}/days?format=csv", sales_of(QUARTET)), 404),
        (orders.clone(), 404),
        (format!("{orders}?format=csv"), 404),
        (sales_of_riverside(), 403),
        (format!("/v1/reports/customers/{CARA}?organizer_id={RIVERSIDE}"), 403),
    ];
    for (path, refusal) in endpoints {
        for (who, role, may) in [
            (ANNA, Role::Organizer, true),
            (ANNA, Role::Customer, false),
            (ANNA, Role::Staff, false),
            (BEN, Role::Organizer, false),
            (BEN, Role::Customer, false),
            (CARA, Role::Customer, false),
        ] {
            let status = house.person(who, role).get(&path).await.status();
            let expected = if may { 200 } else { refusal };
            assert_eq!(status, expected, "{path} for {who} as {role:?}");
        }
    }
}

async fn an_event_that_nobody_knows_has_no_report(house: House) {
    let unknown = sales_of(Uuid::from_u128(0xBAD));
    for client in [house.anna(), house.admin()] {
        let _unknown = client.get(&unknown).await.expect_problem(404, "not-found");
    }
}

async fn whoever_is_not_logged_in_is_refused(house: House) {
    for path in [sales_of(QUARTET), sales_of_riverside()] {
        let _refused = house.public().get(&path).await.expect_problem(401, "unauthenticated");
    }
}

async fn what_cannot_be_understood_is_refused(house: House) {
    let anna = house.anna();
    let base = sales_of_riverside();
    let paths = [
        "/v1/reports/events/tonight/sales".to_owned(),
        "/v1/reports/sales".to_owned(),
        "/v1/reports/sales?organizer_id=mine".to_owned(),
        format!("{base}&limit=201"),
        format!("{base}&cursor=!"),
        format!("{base}&year=2027"),
    ];
    for path in paths {
        let _refused = anna.get(&path).await.expect_problem(422, "invalid-input");
    }
}

on_both_databases! {
    members_and_admins_see_an_organizers_sales,
    to_others_an_events_report_does_not_exist,
    only_members_with_the_role_of_organizer_see_anything_of_it,
    an_event_that_nobody_knows_has_no_report,
    whoever_is_not_logged_in_is_refused,
    what_cannot_be_understood_is_refused,
}

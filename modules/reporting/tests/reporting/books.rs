//! Days, orders and customers: what organizers need for their books.

use serde_json::{Value, json};

use crate::{
    house::{
        CARA, House, QUARTET, RIVERSIDE, cancelled, confirmed, confirmed_at, confirmed_elsewhere,
        positions_cancelled, refunded, sales_of,
    },
    on_both_databases,
};

fn euros(amount: u32) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

async fn what_goes_back_in_part_is_in_every_report_alike(house: House) {
    house.tell(1, 9, &confirmed(7, QUARTET, 3)).await;
    house.tell(2, 8, &positions_cancelled(7, QUARTET, 1)).await;
    house.tell(3, 7, &refunded(7, QUARTET, 2_500)).await;
    house.tell(4, 6, &confirmed(8, QUARTET, 1)).await;
    house.tell(5, 5, &refunded(8, QUARTET, 500)).await;
    house.tell(6, 4, &refunded(9, QUARTET, 2_500)).await;
    let report = house.report(&sales_of(QUARTET), 6, 0).await;
    assert_eq!(report["orders"], json!({"confirmed": 2, "cancelled": 0}));
    assert_eq!(report["tickets"], json!({"sold": 3, "cancelled": 1, "admitted": 0}));
    let revenue = json!([{"gross": euros(10_000), "refunded": euros(3_000), "net": euros(7_000)}]);
    assert_eq!(report["revenue"], revenue);

    let days = house.report(&format!("{}/days", sales_of(QUARTET)), 6, 0).await;
    let day = json!({
        "date": "2027-03-01",
        "orders": {"sold": 2, "cancelled": 0},
        "tickets": {"sold": 4, "cancelled": 1},
        "revenue": revenue,
    });
    assert_eq!(days["days"], json!([day]));

    let orders = house.report(&format!("/v1/reports/events/{QUARTET}/orders"), 6, 0).await;
    let states: Vec<(&Value, &Value)> = orders["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| (&it["state"], &it["refunded"]["amount"]))
        .collect();
    assert_eq!(
        states,
        [(&json!("confirmed"), &json!(500)), (&json!("partly_cancelled"), &json!(2_500))]
    );
    house.check().await;
}

async fn what_is_left_of_an_order_can_be_cancelled_after_a_part_of_it_was(house: House) {
    house.tell(1, 9, &confirmed(7, QUARTET, 3)).await;
    house.tell(2, 8, &positions_cancelled(7, QUARTET, 1)).await;
    house.tell(3, 7, &cancelled(7, QUARTET, 2)).await;
    let report = house.report(&sales_of(QUARTET), 3, 0).await;
    assert_eq!(report["orders"], json!({"confirmed": 0, "cancelled": 1}));
    assert_eq!(report["tickets"], json!({"sold": 0, "cancelled": 3, "admitted": 0}));
    assert_eq!(report["revenue"][0]["net"], euros(0));
    assert_eq!(report["ticket_types"][0]["sold"], 0);
    house.check().await;
}

async fn a_day_is_the_venues(house: House) {
    house.tell(1, 0, &confirmed_at(7, QUARTET, "2027-02-28T22:59:00Z")).await;
    house.tell(2, 0, &confirmed_at(8, QUARTET, "2027-02-28T23:00:00Z")).await;
    let path = format!("{}/days", sales_of(QUARTET));
    let report = house.report(&path, 2, 0).await;
    assert_eq!(report["time_zone"], "Europe/Berlin");
    let dates = |report: &Value| -> Vec<String> {
        let days = report["days"].as_array().cloned().unwrap_or_default();
        days.iter().filter_map(|day| Some(day["date"].as_str()?.to_owned())).collect()
    };
    assert_eq!(dates(&report), ["2027-02-28", "2027-03-01"]);
    let later = house.report(&format!("{path}?from=2027-03-01"), 2, 0).await;
    assert_eq!(dates(&later), ["2027-03-01"]);
    let earlier = house.report(&format!("{path}?to=2027-02-28"), 2, 0).await;
    assert_eq!(dates(&earlier), ["2027-02-28"]);
    let refused = house.anna().get(&format!("{path}?from=yesterday")).await;
    let _refused = refused.expect_problem(422, "invalid-input");
}

async fn the_day_on_which_clocks_go_back_has_25_hours_and_each_sale_once(house: House) {
    // In Berlin it is half past two twice in that night: at 00:30 and at 01:30 UTC.
    let sold_at = [
        ("2026-10-24", "2026-10-24T23:59:59+02:00"),
        ("2026-10-25", "2026-10-25T00:00:00+02:00"),
        ("2026-10-25", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25", "2026-10-25T02:30:00+01:00"),
        ("2026-10-25", "2026-10-25T23:59:59+01:00"),
        ("2026-10-26", "2026-10-26T00:00:00+01:00"),
    ];
    for (order, (_, at)) in (1..).zip(sold_at) {
        house.tell(order, 0, &confirmed_at(order, QUARTET, at)).await;
    }
    let path = format!("{}/days", sales_of(QUARTET));
    let sold = |report: &Value| -> Vec<(String, i64)> {
        let days = report["days"].as_array().cloned().unwrap_or_default();
        let sold =
            |day: &Value| Some((day["date"].as_str()?.to_owned(), day["orders"]["sold"].as_i64()?));
        days.iter().filter_map(sold).collect()
    };
    let days = [("2026-10-24", 1), ("2026-10-25", 4), ("2026-10-26", 1)];
    let days = days.map(|(day, orders)| (day.to_owned(), orders));
    assert_eq!(sold(&house.report(&path, 6, 0).await), days);
    let that_day = format!("{path}?from=2026-10-25&to=2026-10-25");
    assert_eq!(sold(&house.report(&that_day, 6, 0).await), days[1..2]);
}

async fn days_and_orders_are_tables_too(house: House) {
    house.tell(1, 9, &confirmed(7, QUARTET, 2)).await;
    house.tell(2, 8, &positions_cancelled(7, QUARTET, 1)).await;
    house.report(&sales_of(QUARTET), 2, 0).await;
    let anna = house.anna();
    let days = anna.get(&format!("{}/days?format=csv", sales_of(QUARTET))).await.expect(200);
    let kind = Some("text/csv; charset=utf-8; header=present");
    assert_eq!(days.header("content-type"), kind);
    let lines = "date,currency,gross,refunded,net,orders_sold,orders_cancelled,tickets_sold,\
                 tickets_cancelled\r\n2027-03-01,EUR,50.00,25.00,25.00,1,0,2,1\r\n";
    assert_eq!(days.text(), lines);
    let path = format!("/v1/reports/events/{QUARTET}/orders?format=csv");
    let orders = anna.get(&path).await.expect(200);
    assert_eq!(orders.header("content-type"), kind);
    let row = format!(
        "{},K7MPX2QA,2027-03-01T12:00:00Z,{CARA},partly_cancelled,2,1,EUR,50.00,25.00,25.00",
        uuid::Uuid::from_u128(7)
    );
    assert_eq!(orders.text().lines().nth(1), Some(row.as_str()));
}

async fn a_table_of_orders_has_all_of_them(house: House) {
    for order in 1..=7 {
        house.tell(order, 0, &confirmed(order, QUARTET, 1)).await;
    }
    house.report(&sales_of(QUARTET), 7, 0).await;
    let path = format!("/v1/reports/events/{QUARTET}/orders");
    let table = house.anna().get(&format!("{path}?format=csv")).await.expect(200).text();
    assert_eq!(table.lines().count(), 8);
    let first = house.report(&format!("{path}?limit=4"), 7, 0).await;
    assert_eq!(first["items"].as_array().map(Vec::len), Some(4));
    let cursor = first["next_cursor"].as_str().expect("there are more");
    let rest = house.report(&format!("{path}?limit=4&cursor={cursor}"), 7, 0).await;
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(3));
}

async fn a_customers_history_is_the_organizers_part_of_it(house: House) {
    house.tell(1, 9, &confirmed(7, QUARTET, 3)).await;
    house.tell(2, 8, &positions_cancelled(7, QUARTET, 1)).await;
    house.tell(3, 7, &confirmed_elsewhere(8, uuid::Uuid::from_u128(0x101))).await;
    let customer = format!("/v1/reports/customers/{CARA}");
    let own = format!("{customer}?organizer_id={RIVERSIDE}");
    let history = house.report(&own, 3, 0).await;
    let total = json!([{
        "orders": 1,
        "cancelled_orders": 0,
        "tickets": 3,
        "cancelled_tickets": 1,
        "gross": euros(7_500),
        "refunded": euros(2_500),
        "net": euros(5_000),
    }]);
    assert_eq!(history["totals"], total);
    assert_eq!(history["items"][0]["event_name"], "Quartet by the river");
    assert_eq!(history["items"].as_array().map(Vec::len), Some(1));

    let all = house.admin().get(&customer).await.expect(200).value();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(all["totals"].as_array().map(Vec::len), Some(2), "currencies are kept apart");
    let _refused = house.anna().get(&customer).await.expect_problem(403, "forbidden");
    let _refused = house.ben().get(&own).await.expect_problem(403, "forbidden");
    let nobody = house.public().get(&own).await;
    let _refused = nobody.expect_problem(401, "unauthenticated");
}

async fn strangers_get_no_books(house: House) {
    house.tell(1, 0, &confirmed(7, QUARTET, 1)).await;
    let orders = format!("/v1/reports/events/{QUARTET}/orders");
    for path in [format!("{}/days", sales_of(QUARTET)), orders] {
        let _hidden = house.ben().get(&path).await.expect_problem(404, "not-found");
        let csv = format!("{path}?format=csv");
        let _hidden = house.ben().get(&csv).await.expect_problem(404, "not-found");
        let _refused = house.public().get(&path).await.expect_problem(401, "unauthenticated");
        let unknown = path.replace(&QUARTET.to_string(), &CARA.to_string());
        let _unknown = house.anna().get(&unknown).await.expect_problem(404, "not-found");
    }
}

on_both_databases! {
    what_goes_back_in_part_is_in_every_report_alike,
    what_is_left_of_an_order_can_be_cancelled_after_a_part_of_it_was,
    a_day_is_the_venues,
    the_day_on_which_clocks_go_back_has_25_hours_and_each_sale_once,
    days_and_orders_are_tables_too,
    a_table_of_orders_has_all_of_them,
    a_customers_history_is_the_organizers_part_of_it,
    strangers_get_no_books,
}

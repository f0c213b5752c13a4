mod offers;
mod properties;

use jiff::ToSpan as _;

use contracts::{
    catalog::Capacity,
    money::{Money, Tax, TaxRounding},
};
use iso_currency::Currency;

use super::*;

const ORGANIZER: Uuid = Uuid::from_u128(1);
const VENUE: Uuid = Uuid::from_u128(2);
const SEAT: Uuid = Uuid::from_u128(3);
const BALCONY: Uuid = Uuid::from_u128(4);

/// The event of these tests starts at hour 100 and ends at hour 103.
fn hour(n: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + n.hours()
}

const TODAY: i64 = 10;

fn plan() -> Plan {
    Plan {
        venue_id: VENUE,
        name: "Concert".to_owned(),
        description: String::new(),
        starts_at: hour(100),
        ends_at: hour(103),
        currency: Currency::EUR,
        tax_rounding: TaxRounding::PerLine,
    }
}

fn offer(name: &str, price: i64, places: u32) -> Offer {
    Offer {
        name: name.to_owned(),
        price: Money::new(price, Currency::EUR),
        capacity: Some(Capacity::limited(places)),
        tax: Tax::default(),
        sales_from: None,
        sales_until: None,
        min_per_order: 0,
        max_per_order: 0,
        sections: Vec::new(),
    }
}

/// As an event keeps it.
fn kept(id: Uuid, offer: Offer) -> TicketType {
    TicketType { id, offer: Offer { capacity: None, ..offer } }
}

fn own_quota(id: Uuid, name: &str, capacity: Capacity) -> Quota {
    Quota { quota_id: id, name: name.to_owned(), capacity, ticket_type_ids: vec![id] }
}

fn give(event: &mut Event, command: Command) -> Result<Vec<Fact>, Rejection> {
    let facts = event.decide(command)?;
    for fact in &facts {
        event.evolve(fact);
    }
    Ok(facts)
}

fn add(id: Uuid, offer: Offer) -> Command {
    Command::AddTicketType { id, offer, now: hour(TODAY) }
}

fn change_type(id: Uuid, offer: Offer) -> Command {
    Command::ChangeTicketType { id, offer, now: hour(TODAY) }
}

fn change(plan: Plan) -> Command {
    Command::Change { plan, now: hour(TODAY) }
}

fn publish() -> Command {
    Command::Publish { setting: Setting::default(), now: hour(TODAY) }
}

fn open() -> Command {
    Command::OpenSales { now: hour(TODAY) }
}

fn cancel() -> Command {
    Command::Cancel { reason: "the band is ill".to_owned() }
}

fn after(commands: impl IntoIterator<Item = Command>) -> Event {
    let mut event = Event::default();
    for command in commands {
        give(&mut event, command).expect("the commands before the test's own are fine");
    }
    event
}

fn draft() -> Command {
    Command::Draft { organizer_id: ORGANIZER, plan: plan() }
}

fn a_draft() -> Event {
    after([draft(), add(SEAT, offer("Seat", 2500, 100))])
}

fn published() -> Event {
    after([draft(), add(SEAT, offer("Seat", 2500, 100)), publish()])
}

fn on_sale() -> Event {
    after([draft(), add(SEAT, offer("Seat", 2500, 100)), publish(), open()])
}

fn cancelled() -> Event {
    after([draft(), add(SEAT, offer("Seat", 2500, 100)), publish(), cancel()])
}

fn state(event: &Event, at: i64) -> EventState {
    let show = event.show().expect("the event is there");
    show.phase.state(show.plan.ends_at, hour(at))
}

#[test]
fn an_event_goes_from_draft_over_sales_to_its_end() {
    let mut event = a_draft();
    assert_eq!(state(&event, TODAY), EventState::Draft);
    give(&mut event, publish()).expect("a draft with a ticket type can be published");
    assert_eq!(state(&event, TODAY), EventState::Published);
    give(&mut event, open()).expect("sales of a published event can be opened");
    assert_eq!(state(&event, TODAY), EventState::OnSale);
    give(&mut event, Command::CloseSales).expect("open sales can be closed");
    assert_eq!(state(&event, TODAY), EventState::SalesClosed);
    give(&mut event, open()).expect("closed sales can be opened again");
    assert_eq!(state(&event, TODAY), EventState::OnSale);
    assert_eq!(state(&event, 103), EventState::Ended);
}

#[test]
fn an_event_ends_after_it_starts() {
    let backwards = Plan { ends_at: hour(100), ..plan() };
    let drafted = Event::default()
        .decide(Command::Draft { organizer_id: ORGANIZER, plan: backwards.clone() });
    assert_eq!(drafted, Err(Rejection::EndsBeforeItStarts));
    assert_eq!(a_draft().decide(change(backwards)), Err(Rejection::EndsBeforeItStarts));
}

#[test]
fn an_event_without_ticket_types_cannot_be_published() {
    assert_eq!(after([draft()]).decide(publish()), Err(Rejection::NoTicketTypes));
}

#[test]
fn an_event_that_has_started_cannot_be_published() {
    let late = a_draft().decide(Command::Publish { setting: Setting::default(), now: hour(100) });
    assert_eq!(late, Err(Rejection::StartsInThePast { starts_at: hour(100) }));
}

#[test]
fn what_is_repeated_succeeds_and_changes_nothing() {
    assert_eq!(published().decide(publish()), Ok(Vec::new()));
    assert_eq!(on_sale().decide(publish()), Ok(Vec::new()));
    assert_eq!(on_sale().decide(open()), Ok(Vec::new()));
    let mut closed = on_sale();
    give(&mut closed, Command::CloseSales).expect("open sales can be closed");
    assert_eq!(closed.decide(Command::CloseSales), Ok(Vec::new()));
    assert_eq!(cancelled().decide(cancel()), Ok(Vec::new()));
    let same = published().decide(change(plan()));
    assert_eq!(same, Ok(Vec::new()));
    let same = published().decide(change_type(SEAT, offer("Seat", 2500, 100)));
    assert_eq!(same, Ok(Vec::new()));
}

#[test]
fn sales_of_a_draft_can_be_neither_opened_nor_closed() {
    assert_eq!(a_draft().decide(open()), Err(Rejection::NotPublished));
    assert_eq!(a_draft().decide(Command::CloseSales), Err(Rejection::NotPublished));
}

#[test]
fn sales_that_were_never_opened_cannot_be_closed() {
    assert_eq!(published().decide(Command::CloseSales), Err(Rejection::SalesNeverOpened));
}

#[test]
fn sales_of_an_event_that_is_over_cannot_be_opened() {
    let late = published().decide(Command::OpenSales { now: hour(103) });
    assert_eq!(late, Err(Rejection::Ended));
}

#[test]
fn only_a_draft_can_be_deleted_and_then_it_is_gone() {
    assert_eq!(published().decide(Command::Discard), Err(Rejection::NotADraft));
    let mut event = a_draft();
    give(&mut event, Command::Discard).expect("a draft can be deleted");
    assert_eq!(event.show(), None);
    assert_eq!(event.decide(publish()), Err(Rejection::Unknown));
    assert_eq!(event.decide(draft()), Err(Rejection::Exists));
}

#[test]
fn a_draft_is_deleted_rather_than_cancelled() {
    assert_eq!(a_draft().decide(cancel()), Err(Rejection::NothingToCancel));
}

#[test]
fn a_cancelled_event_stays_as_it_is() {
    let event = cancelled();
    assert_eq!(event.decide(publish()), Err(Rejection::Cancelled));
    assert_eq!(event.decide(open()), Err(Rejection::Cancelled));
    assert_eq!(event.decide(Command::CloseSales), Err(Rejection::Cancelled));
    assert_eq!(event.decide(change(plan())), Err(Rejection::Cancelled));
    let added = event.decide(add(BALCONY, offer("Balcony", 0, 1)));
    assert_eq!(added, Err(Rejection::Cancelled));
    let changed = event.decide(change_type(SEAT, offer("Seat", 1, 1)));
    assert_eq!(changed, Err(Rejection::Cancelled));
    assert_eq!(state(&event, 103), EventState::Cancelled);
}

#[test]
fn a_draft_may_change_in_every_way() {
    let other = Plan {
        venue_id: Uuid::from_u128(9),
        name: "Play".to_owned(),
        description: "In two acts.".to_owned(),
        starts_at: hour(200),
        ends_at: hour(202),
        ..plan()
    };
    let changed = a_draft().decide(change(other.clone()));
    assert_eq!(changed, Ok(vec![Fact::Changed { plan: other }]));
}

#[test]
fn the_currency_stays_while_there_are_prices_in_it() {
    let in_yen = Plan { currency: Currency::JPY, ..plan() };
    let with_prices = a_draft().decide(change(in_yen.clone()));
    assert_eq!(with_prices, Err(Rejection::CurrencyInUse { currency: Currency::EUR }));
    assert!(after([draft()]).decide(change(in_yen)).is_ok());
}

#[test]
fn publishing_fixes_venue_start_and_currency_and_all_attempts_are_named() {
    let other = Plan {
        venue_id: Uuid::from_u128(9),
        starts_at: hour(101),
        currency: Currency::JPY,
        name: "Play".to_owned(),
        ..plan()
    };
    let rejected = published().decide(change(other));
    let fields = vec!["venue_id", "starts_at", "currency"];
    assert_eq!(rejected, Err(Rejection::FixedByPublishing { fields }));
}

#[test]
fn name_description_and_end_may_change_after_publishing() {
    let other = Plan {
        name: "Great Concert".to_owned(),
        description: "With an encore.".to_owned(),
        ends_at: hour(104),
        ..plan()
    };
    assert!(on_sale().decide(change(other)).is_ok());
}

#[test]
fn a_published_event_is_not_ended_by_editing_it() {
    let command = Command::Change { plan: Plan { ends_at: hour(101), ..plan() }, now: hour(102) };
    assert_eq!(published().decide(command), Err(Rejection::EndsInThePast));
}

#[test]
fn an_event_that_is_over_cannot_be_changed_but_can_be_cancelled() {
    let event = published();
    let now = hour(103);
    let changed = event.decide(Command::Change { plan: plan(), now });
    assert_eq!(changed, Err(Rejection::Ended));
    let offer = offer("Balcony", 0, 1);
    let added = event.decide(Command::AddTicketType { id: BALCONY, offer, now });
    assert_eq!(added, Err(Rejection::Ended));
    assert!(event.decide(cancel()).is_ok());
}

#[test]
fn a_price_is_in_the_events_currency_and_in_range() {
    let mut in_yen = offer("Balcony", 10, 1);
    in_yen.price.currency = Currency::JPY;
    let rejected = a_draft().decide(add(BALCONY, in_yen));
    let (given, expected) = (Currency::JPY, Currency::EUR);
    assert_eq!(rejected, Err(Rejection::PriceInOtherCurrency { given, expected }));

    let negative = a_draft().decide(add(BALCONY, offer("Balcony", -1, 1)));
    assert_eq!(negative, Err(Rejection::PriceOutOfRange));
    assert!(a_draft().decide(add(BALCONY, offer("Balcony", 0, 1))).is_ok());
}

#[test]
fn two_ticket_types_cannot_have_one_name() {
    let rejected = a_draft().decide(add(BALCONY, offer("SEAT", 10, 1)));
    assert_eq!(rejected, Err(Rejection::TicketTypeNameTaken { name: "SEAT".to_owned() }));
}

#[test]
fn there_is_a_limit_to_ticket_types() {
    let mut event = a_draft();
    for n in 1..MOST_TICKET_TYPES {
        let id = Uuid::from_u128(100 + n as u128);
        give(&mut event, add(id, offer(&format!("Row {n}"), 10, 1))).expect("there is room");
    }
    let one_more = event.decide(add(BALCONY, offer("Balcony", 10, 1)));
    assert_eq!(one_more, Err(Rejection::TooManyTicketTypes));
}

/// Whether others hear of it: of all that happened, or of nothing.
fn announced(facts: &Result<Vec<Fact>, Rejection>) -> bool {
    let facts = facts.as_deref().expect("it is done");
    let told: Vec<bool> = facts
        .iter()
        .map(|fact| match fact {
            Fact::TicketTypeAdded { announced, .. }
            | Fact::TicketTypeChanged { announced, .. }
            | Fact::QuotaSet { announced, .. } => *announced,
            other => panic!("it is about something else: {other:?}"),
        })
        .collect();
    assert!(!told.is_empty() && told.iter().all(|one| Some(one) == told.first()));
    told.contains(&true)
}

#[test]
fn others_hear_of_capacity_once_the_event_is_published() {
    assert!(!announced(&a_draft().decide(add(BALCONY, offer("Balcony", 10, 1)))));
    assert!(!announced(&a_draft().decide(change_type(SEAT, offer("Seat", 2500, 90)))));
    assert!(announced(&published().decide(add(BALCONY, offer("Balcony", 10, 1)))));
    assert!(announced(&published().decide(change_type(SEAT, offer("Seat", 2500, 90)))));
    assert!(announced(&published().decide(change_type(SEAT, offer("Chair", 2500, 100)))));
    assert!(!announced(&published().decide(change_type(SEAT, offer("Seat", 3000, 100)))));
}

#[test]
fn a_ticket_type_keeps_its_name_once_sales_were_opened() {
    let mut event = on_sale();
    let renamed = change_type(SEAT, offer("Chair", 2500, 100));
    assert_eq!(event.decide(renamed.clone()), Err(Rejection::TicketTypeNameFixed));
    give(&mut event, Command::CloseSales).expect("open sales can be closed");
    assert_eq!(event.decide(renamed), Err(Rejection::TicketTypeNameFixed));
    assert!(event.decide(change_type(SEAT, offer("Seat", 3000, 50))).is_ok());
}

#[test]
fn a_ticket_type_can_be_deleted_only_from_a_draft() {
    let remove = |id| Command::RemoveTicketType { id };
    assert!(a_draft().decide(remove(SEAT)).is_ok());
    assert_eq!(a_draft().decide(remove(BALCONY)), Err(Rejection::TicketTypeUnknown));
    assert_eq!(published().decide(remove(SEAT)), Err(Rejection::TicketTypeFixed));
}

#[test]
fn the_fact_of_publishing_says_all_that_others_need() {
    let facts = a_draft().decide(publish()).expect("a draft with a ticket type can be published");
    let expected = Fact::Published {
        organizer_id: ORGANIZER,
        name: "Concert".to_owned(),
        starts_at: hour(100),
        ticket_types: vec![kept(SEAT, offer("Seat", 2500, 100))],
        quotas: Some(vec![own_quota(SEAT, "Seat", Capacity::limited(100))]),
        seating: Vec::new(),
        ends_at: Some(hour(103)),
        venue_name: String::new(),
        time_zone: String::new(),
    };
    assert_eq!(facts, [expected]);
}

//! What a demo set consists of: venues, what is on there, and what people buy. Data alone.

use std::time::Duration;

use runtime::Timestamp;

const HOUR: Duration = Duration::from_hours(1);

/// Where something is on.
pub(super) struct Venue {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
    pub(super) time_zone: &'static str,
    pub(super) events: &'static [Event],
}

/// Something that is on.
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) currency: Currency,
    pub(super) start: Start,
    pub(super) length: Duration,
    pub(super) stage: Stage,
    pub(super) ticket_types: &'static [TicketType],
}

/// A currency, and how many decimals its amounts have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Currency {
    pub(super) code: &'static str,
    decimals: u32,
}

/// When an event begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// In an hour: the doors are open.
    Soon,
    /// In so many days, when the clocks of the venue show this.
    InDays { days: u32, hour: i8, minute: i8 },
}

/// How far the organizer takes an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Only the organizer sees it.
    Draft,
    /// Everybody sees it, nobody can buy yet.
    Announced,
    OnSale,
    /// It was on sale, and then cancelled for this reason.
    Cancelled(&'static str),
}

/// What can be bought.
pub(super) struct TicketType {
    pub(super) name: &'static str,
    /// In minor units of the event's currency.
    pub(super) price: i64,
    /// How many there are; no limit without it.
    pub(super) places: Option<u32>,
    pub(super) purchases: &'static [Purchase],
}

/// What somebody buys.
pub(super) struct Purchase {
    pub(super) buyer: Buyer,
    pub(super) quantity: u32,
    pub(super) ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Buyer {
    Ada,
    Kenji,
    Rosa,
}

/// What becomes of a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Has tickets.
    Fulfilled,
    /// Has tickets, and all were checked in.
    Attended,
    /// The same, and somebody came with a copy of one of them.
    AttendedWithCopy,
    /// Is still to be paid.
    Unpaid,
    /// Waits for the buyer to approve the payment.
    Unconfirmed,
    /// The buyer's card was declined; another one may be tried.
    Declined,
    /// The buyer thought better of it before paying.
    Cancelled,
    /// The organizer gave the money back.
    Refunded,
}

const EUR: Currency = Currency { code: "EUR", decimals: 2 };
const USD: Currency = Currency { code: "USD", decimals: 2 };
const JPY: Currency = Currency { code: "JPY", decimals: 0 };

const fn bought(buyer: Buyer, quantity: u32, ending: Ending) -> Purchase {
    Purchase { buyer, quantity, ending }
}

/// The whole of it.
pub(super) static VENUES: &[Venue] = &[
    Venue {
        name: "Boathouse",
        address: "3 Quay Street\n20457 Hamburg",
        time_zone: "Europe/Berlin",
        events: &[
            Event {
                name: "Open rehearsal",
                description: "Look over the quartet's shoulder. Free, and the doors are open.",
                currency: EUR,
                start: Start::Soon,
                length: HOUR,
                stage: Stage::OnSale,
                ticket_types: &[TicketType {
                    name: "Admission",
                    price: 0,
                    places: None,
                    purchases: &[
                        bought(Buyer::Ada, 2, Ending::AttendedWithCopy),
                        bought(Buyer::Rosa, 1, Ending::Attended),
                        bought(Buyer::Kenji, 3, Ending::Fulfilled),
                    ],
                }],
            },
            Event {
                name: "Quartet by the river",
                description: "Haydn, Shostakovich, and the tide.",
                currency: EUR,
                start: Start::InDays { days: 21, hour: 19, minute: 30 },
                length: Duration::from_mins(150),
                stage: Stage::OnSale,
                ticket_types: &[
                    TicketType {
                        name: "Stalls",
                        price: 3250,
                        places: Some(120),
                        purchases: &[
                            bought(Buyer::Ada, 2, Ending::Fulfilled),
                            bought(Buyer::Kenji, 1, Ending::Unpaid),
                            bought(Buyer::Rosa, 2, Ending::Declined),
                            bought(Buyer::Rosa, 4, Ending::Cancelled),
                        ],
                    },
                    TicketType {
                        name: "Balcony",
                        price: 1890,
                        places: Some(60),
                        purchases: &[
                            bought(Buyer::Kenji, 2, Ending::Refunded),
                            bought(Buyer::Ada, 1, Ending::Unconfirmed),
                        ],
                    },
                ],
            },
            Event {
                name: "Storm over the harbour",
                description: "Brass on the roof.",
                currency: EUR,
                start: Start::InDays { days: 9, hour: 20, minute: 0 },
                length: Duration::from_hours(2),
                stage: Stage::Cancelled("The roof has to be repaired first."),
                ticket_types: &[TicketType {
                    name: "Standing",
                    price: 1500,
                    places: Some(80),
                    purchases: &[bought(Buyer::Rosa, 2, Ending::Refunded)],
                }],
            },
            Event {
                name: "Winter revue",
                description: "Yet to be announced.",
                currency: EUR,
                start: Start::InDays { days: 120, hour: 20, minute: 0 },
                length: Duration::from_hours(3),
                stage: Stage::Draft,
                ticket_types: &[TicketType {
                    name: "Stalls",
                    price: 4200,
                    places: Some(120),
                    purchases: &[],
                }],
            },
        ],
    },
    Venue {
        name: "Paper Lantern Hall",
        address: "12 Kawara Lane, Kyoto",
        time_zone: "Asia/Tokyo",
        events: &[
            Event {
                name: "Night of the drums",
                description: "Three ensembles, one stage. Prices in yen, which has no decimals.",
                currency: JPY,
                start: Start::InDays { days: 45, hour: 18, minute: 30 },
                length: Duration::from_hours(3),
                stage: Stage::OnSale,
                ticket_types: &[
                    TicketType {
                        name: "Reserved",
                        price: 6800,
                        places: Some(200),
                        purchases: &[bought(Buyer::Kenji, 2, Ending::Fulfilled)],
                    },
                    TicketType {
                        name: "Students",
                        price: 2500,
                        places: Some(40),
                        purchases: &[bought(Buyer::Ada, 1, Ending::Fulfilled)],
                    },
                ],
            },
            Event {
                name: "A thousand cranes",
                description: "Dance. Sales open later.",
                currency: JPY,
                start: Start::InDays { days: 90, hour: 14, minute: 0 },
                length: Duration::from_hours(2),
                stage: Stage::Announced,
                ticket_types: &[TicketType {
                    name: "Reserved",
                    price: 5400,
                    places: Some(200),
                    purchases: &[],
                }],
            },
        ],
    },
    Venue {
        name: "Cannery Yard",
        address: "88 Salmon Row\nPortland, OR 97209",
        time_zone: "America/Los_Angeles",
        events: &[Event {
            name: "Songs in a small room",
            description: "Eight chairs and a piano.",
            currency: USD,
            start: Start::InDays { days: 14, hour: 21, minute: 0 },
            length: Duration::from_mins(75),
            stage: Stage::OnSale,
            ticket_types: &[TicketType {
                name: "Chair",
                price: 2800,
                places: Some(8),
                purchases: &[
                    bought(Buyer::Ada, 4, Ending::Fulfilled),
                    bought(Buyer::Kenji, 2, Ending::Fulfilled),
                    bought(Buyer::Rosa, 1, Ending::Fulfilled),
                ],
            }],
        }],
    },
];

impl Currency {
    /// The amount as people write it, such as `32.50 EUR` or `6800 JPY`.
    pub(super) fn show(self, minor_units: i64) -> String {
        let code = self.code;
        if self.decimals == 0 {
            return format!("{minor_units} {code}");
        }
        let scale = 10_i64.pow(self.decimals);
        let (units, rest) = (minor_units / scale, (minor_units % scale).abs());
        format!(
            "{units}.{rest:0width$} {code}",
            width = usize::try_from(self.decimals).unwrap_or(0)
        )
    }
}

impl Start {
    /// The instant, for somebody who looks at the clock at `now`; `None` when there is no such time
    /// zone.
    pub(super) fn instant(self, now: Timestamp, time_zone: &str) -> Option<Timestamp> {
        let (wait, local_time) = match self {
            Self::Soon => (HOUR, None),
            Self::InDays { days, hour, minute } => {
                (HOUR.saturating_mul(24).saturating_mul(days), Some((hour, minute)))
            }
        };
        let local = now.checked_add(wait).ok()?.to_zoned(runtime::time_zone(time_zone)?);
        let (hour, minute) = local_time.unwrap_or((local.hour(), local.minute()));
        let begins = local.with().hour(hour).minute(minute).second(0).subsec_nanosecond(0);
        Some(begins.build().ok()?.timestamp())
    }
}

impl Ending {
    /// What to say of the purchase.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Fulfilled => "fulfilled",
            Self::Attended => "fulfilled, checked in",
            Self::AttendedWithCopy => "fulfilled, checked in; a copy of a ticket was refused",
            Self::Unpaid => "waits for payment",
            Self::Unconfirmed => "waits for the buyer to confirm the payment",
            Self::Declined => "card declined; waits for another one",
            Self::Cancelled => "cancelled by the buyer",
            Self::Refunded => "refunded",
        }
    }
}

impl Stage {
    /// What to say of the event.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Announced => "announced",
            Self::OnSale => "on sale",
            Self::Cancelled(_) => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> impl Iterator<Item = (&'static Venue, &'static Event)> {
        VENUES.iter().flat_map(|venue| venue.events.iter().map(move |event| (venue, event)))
    }

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        assert_eq!(EUR.show(3250), "32.50 EUR");
        assert_eq!(USD.show(5), "0.05 USD");
        assert_eq!(JPY.show(6800), "6800 JPY");
    }

    #[test]
    fn every_event_begins_in_the_future_when_the_clocks_of_its_venue_say_so() {
        let now: Timestamp = "2027-03-27T23:59:59.5Z".parse().unwrap();
        for (venue, event) in events() {
            let begins = event.start.instant(now, venue.time_zone).unwrap();
            assert!(begins > now, "{}", event.name);
            if let Start::InDays { hour, minute, .. } = event.start {
                let local = begins.to_zoned(runtime::time_zone(venue.time_zone).unwrap());
                assert_eq!((local.hour(), local.minute()), (hour, minute), "{}", event.name);
            }
        }
        assert_eq!(Start::Soon.instant(now, "Atlantis/Capital"), None);
    }

    #[test]
    fn the_set_has_something_of_everything() {
        let types = || events().flat_map(|(_, event)| event.ticket_types);
        let endings: Vec<Ending> =
            types().flat_map(|it| it.purchases).map(|purchase| purchase.ending).collect();
        for ending in [
            Ending::Fulfilled,
            Ending::Attended,
            Ending::AttendedWithCopy,
            Ending::Unpaid,
            Ending::Unconfirmed,
            Ending::Declined,
            Ending::Cancelled,
            Ending::Refunded,
        ] {
            assert!(endings.contains(&ending), "{ending:?}");
        }
        assert!(types().any(|it| it.places.is_none()), "something without a limit");
        assert!(types().any(|it| it.price == 0), "something that is free");
        assert!(events().any(|(_, event)| event.currency.decimals == 0));
        let nearly_sold_out = types().any(|it| {
            let sold: u32 = it.purchases.iter().map(|purchase| purchase.quantity).sum();
            it.places.is_some_and(|places| places == sold + 1)
        });
        assert!(nearly_sold_out);
    }

    #[test]
    fn nothing_is_bought_of_what_was_never_on_sale() {
        for (_, event) in events() {
            let is_sold = event.ticket_types.iter().any(|it| !it.purchases.is_empty());
            let was_on_sale = matches!(event.stage, Stage::OnSale | Stage::Cancelled(_));
            assert!(was_on_sale || !is_sold, "{}", event.name);
        }
    }
}

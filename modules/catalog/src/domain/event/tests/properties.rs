//! Whatever an organizer does in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn any_offer() -> impl Strategy<Value = Offer> {
    let name = prop::sample::select(vec!["Seat", "seat", "Balcony"]);
    let currency = prop::sample::select(vec![Currency::EUR, Currency::EUR, Currency::JPY]);
    (name, -1_i64..5, currency, 0_u32..3).prop_map(|(name, amount, currency, places)| Offer {
        name: name.to_owned(),
        price: Money::new(amount, currency),
        capacity: match places {
            0 => None,
            1 => Some(Capacity::UNLIMITED),
            _ => Some(Capacity::limited(places)),
        },
        ..offer("", 0, 0)
    })
}

fn any_quota() -> impl Strategy<Value = Quota> {
    let types = prop::sample::subsequence(vec![SEAT, BALCONY], 0..=2);
    (prop::sample::select(vec![SEAT, BALCONY, VENUE]), 0_u32..3, types).prop_map(
        |(quota_id, places, ticket_type_ids)| Quota {
            ticket_type_ids,
            ..own_quota(quota_id, "Room", Capacity::limited(places))
        },
    )
}

fn any_command() -> impl Strategy<Value = Command> {
    let now = || prop_oneof![9 => 0_i64..100, 1 => 100_i64..110].prop_map(hour);
    let id = || prop::sample::select(vec![SEAT, BALCONY]);
    let currency = prop::sample::select(vec![Currency::EUR, Currency::EUR, Currency::JPY]);
    let new_plan = (99_i64..102, 100_i64..106, currency).prop_map(|(start, end, currency)| Plan {
        starts_at: hour(start),
        ends_at: hour(end),
        currency,
        ..plan()
    });
    prop_oneof![
        1 => Just(draft()),
        3 => (new_plan, now()).prop_map(|(plan, now)| Command::Change { plan, now }),
        1 => Just(Command::Discard),
        4 => now().prop_map(|now| Command::Publish { setting: Setting::default(), now }),
        4 => now().prop_map(|now| Command::OpenSales { now }),
        2 => Just(Command::CloseSales),
        1 => Just(cancel()),
        6 => (id(), any_offer(), now())
            .prop_map(|(id, offer, now)| Command::AddTicketType { id, offer, now }),
        3 => (id(), any_offer(), now())
            .prop_map(|(id, offer, now)| Command::ChangeTicketType { id, offer, now }),
        1 => id().prop_map(|id| Command::RemoveTicketType { id }),
        3 => (any_quota(), now()).prop_map(|(quota, now)| Command::PutQuota { quota, now }),
        1 => (any_quota(), now())
            .prop_map(|(quota, now)| Command::RemoveQuota { id: quota.quota_id, now }),
    ]
}

proptest! {
    #[test]
    fn no_sequence_of_commands_breaks_the_rules(
        commands in prop::collection::vec(any_command(), 1..60)
    ) {
        let mut event = after([draft()]);
        let mut was_public = false;
        for command in commands {
            let _ = give(&mut event, command);
            let Some(show) = event.show() else {
                prop_assert!(!was_public, "only drafts disappear");
                break;
            };
            prop_assert!(!was_public || !show.is_draft(), "nothing becomes a draft again");
            was_public = !show.is_draft();
            prop_assert!(show.is_draft() || !show.ticket_types.is_empty());
            prop_assert!(show.plan.starts_at < show.plan.ends_at);
            prop_assert_eq!(show.phase == Phase::Cancelled, show.cancellation.is_some());
            let mut names: Vec<_> =
                show.ticket_types.iter().map(|kept| kept.offer.name.to_lowercase()).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), show.ticket_types.len());
            for kept in &show.ticket_types {
                prop_assert_eq!(kept.offer.price.currency, show.plan.currency);
                prop_assert!(kept.offer.price.amount >= 0);
            }
        }
    }

    #[test]
    fn the_facts_alone_give_the_same_event(
        commands in prop::collection::vec(any_command(), 1..60)
    ) {
        let mut event = Event::default();
        let mut facts = give(&mut event, draft()).expect("a new event can be drafted");
        for command in commands {
            facts.extend(give(&mut event, command).unwrap_or_default());
        }
        let text = serde_json::to_string(&facts).expect("facts serialise");
        let read: Vec<Fact> = serde_json::from_str(&text).expect("and come back");
        let mut replayed = Event::default();
        for fact in &read {
            replayed.evolve(fact);
        }
        prop_assert_eq!(replayed, event);
    }

    #[test]
    fn others_who_hear_only_what_is_announced_know_every_quota_and_type(
        commands in prop::collection::vec(any_command(), 1..60)
    ) {
        let mut event = after([draft()]);
        let (mut types, mut quotas) = (BTreeMap::new(), BTreeMap::new());
        for command in commands {
            for fact in give(&mut event, command).unwrap_or_default() {
                match fact {
                    Fact::Published { ticket_types, quotas: all, .. } => {
                        types.extend(ticket_types.into_iter().map(|it| (it.id, heard(it.offer))));
                        quotas.extend(all.unwrap_or_default().into_iter().map(|q| (q.quota_id, q)));
                    }
                    Fact::TicketTypeAdded { ticket_type, announced: true, .. }
                    | Fact::TicketTypeChanged { ticket_type, announced: true, .. } => {
                        types.insert(ticket_type.id, heard(ticket_type.offer));
                    }
                    Fact::QuotaSet { quota, announced: true } => {
                        quotas.insert(quota.quota_id, quota);
                    }
                    Fact::QuotaRemoved { quota_id, announced: true } => {
                        quotas.remove(&quota_id);
                    }
                    _ => {}
                }
            }
        }
        if let Some(show) = event.show().filter(|show| !show.is_draft()) {
            let known = show.ticket_types.iter().map(|it| (it.id, heard(it.offer.clone())));
            prop_assert_eq!(types, known.collect::<BTreeMap<_, _>>());
            let known = show.quotas.iter().map(|quota| (quota.quota_id, quota.clone()));
            prop_assert_eq!(quotas, known.collect::<BTreeMap<_, _>>());
        }
    }
}

/// What others are told of an offer.
fn heard(offer: Offer) -> (String, Option<Timestamp>, u32, Vec<String>) {
    (offer.name, offer.sales_until, offer.max_per_order, offer.sections)
}

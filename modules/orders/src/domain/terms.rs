//! What was ordered, by whom, on which terms, and what that comes to, ticket by ticket.

use std::{collections::BTreeSet, fmt, num::NonZeroU32};

use contracts::{
    inventory::Places,
    money::{Money, TaxRounding},
    orders::{OrderedItem, OrderedPosition},
};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What was ordered, by whom, on which terms: copied from the programme at the moment of sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// What people read to each other to name the order.
    pub(crate) order_code: String,
    pub(crate) buyer_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) event_name: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) venue_name: String,
    pub(crate) time_zone: String,
    pub(crate) hold_id: Uuid,
    pub(crate) items: Vec<OrderedItem>,
    pub(crate) total: Money,
    /// How the taxes of the items were rounded.
    #[serde(default)]
    pub(crate) tax_rounding: TaxRounding,
}

/// What opens an order to whoever has no account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    /// Goes with the code, which is no secret.
    pub(crate) secret: String,
    /// Who bought without an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) guest: Option<Guest>,
}

/// All the personal data there is of an order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Guest {
    pub(crate) email: String,
    pub(crate) name: String,
}

/// Kept out of logs and failed assertions.
macro_rules! hide {
    ($($type:ident),+) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(<hidden>)"))
            }
        }
    )+};
}
hide!(Access, Guest);

/// Whom an order is between, for those who are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "they are called so wherever they are written")]
pub(crate) struct Parties {
    pub(crate) event_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) buyer_id: Uuid,
}

impl Terms {
    /// Whether `other` asks for the same purchase. The code is drawn anew each time, the programme
    /// may have changed since, and which seats it became is inventory's choice, so none of it
    /// counts.
    pub(super) fn is_same_purchase(&self, other: &Self) -> bool {
        let wanted = |terms: &Self| -> Vec<(Uuid, u32)> {
            terms.items.iter().map(|item| (item.ticket_type_id, item.quantity)).collect()
        };
        self.buyer_id == other.buyer_id
            && self.event_id == other.event_id
            && self.hold_id == other.hold_id
            && wanted(self) == wanted(other)
    }

    pub(crate) fn parties(&self) -> Parties {
        let Self { event_id, organizer_id, buyer_id, .. } = *self;
        Parties { event_id, organizer_id, buyer_id }
    }

    /// The places that inventory is asked for.
    pub(crate) fn places(&self) -> Vec<Places> {
        self.items.iter().map(places_of).collect()
    }

    /// The seats that inventory chose.
    pub(super) fn take_seats(&mut self, places: &[Places]) {
        for chosen in places {
            let of_type =
                self.items.iter_mut().find(|item| item.ticket_type_id == chosen.ticket_type_id);
            if let Some(item) = of_type {
                item.seats.clone_from(&chosen.seats);
            }
        }
    }

    /// How many tickets there are.
    pub(crate) fn count(&self) -> u32 {
        self.items.iter().map(|item| item.quantity).sum()
    }

    /// One a ticket, in the order of the items, without regard to what became of them. Prices and
    /// taxes of the positions of an item add up to those of the item.
    pub(crate) fn positions(&self) -> Vec<OrderedPosition> {
        let tickets = self.items.iter().flat_map(|item| {
            let taxes = NonZeroU32::new(item.quantity)
                .map_or_else(Vec::new, |quantity| item.tax.split(quantity));
            taxes.into_iter().enumerate().map(move |(at, tax)| (item, item.seats.get(at), tax))
        });
        (1..)
            .zip(tickets)
            .map(|(position, (item, seat, tax))| OrderedPosition {
                position,
                ticket_type_id: item.ticket_type_id,
                name: item.name.clone(),
                price: item.unit_price,
                tax,
                seat: seat.cloned(),
                ticket_id: None,
                cancelled: false,
            })
            .collect()
    }

    /// What these positions are, by ticket type.
    pub(crate) fn items_at(&self, positions: &BTreeSet<u32>) -> Vec<OrderedItem> {
        let mut items: Vec<OrderedItem> = Vec::new();
        let named = self.positions().into_iter().filter(|it| positions.contains(&it.position));
        for position in named {
            let at = items.iter().position(|item| item.ticket_type_id == position.ticket_type_id);
            match at.and_then(|at| items.get_mut(at)) {
                Some(item) => {
                    item.quantity += 1;
                    item.tax.amount += position.tax.amount;
                    item.seats.extend(position.seat);
                }
                None => items.extend(self.first_of(position)),
            }
        }
        items
    }

    fn first_of(&self, position: OrderedPosition) -> Option<OrderedItem> {
        let of_type = |item: &&OrderedItem| item.ticket_type_id == position.ticket_type_id;
        let sold = self.items.iter().find(of_type)?;
        Some(OrderedItem {
            quantity: 1,
            tax: position.tax,
            seats: position.seat.into_iter().collect(),
            ..sold.clone()
        })
    }

    /// What these positions cost together.
    pub(crate) fn price_of(&self, positions: &BTreeSet<u32>) -> Money {
        let prices = self.positions().into_iter().filter(|it| positions.contains(&it.position));
        let amount = prices.map(|position| position.price.amount).sum();
        Money::new(amount, self.total.currency)
    }

    /// The same terms as if only these positions had been ordered.
    pub(super) fn reduced_to(&self, positions: &BTreeSet<u32>) -> Self {
        let (items, total) = (self.items_at(positions), self.price_of(positions));
        Self { items, total, ..self.clone() }
    }
}

/// What inventory calls an item.
pub(crate) fn places_of(item: &OrderedItem) -> Places {
    Places {
        ticket_type_id: item.ticket_type_id,
        quantity: item.quantity,
        seats: item.seats.clone(),
    }
}

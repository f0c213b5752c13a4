//! What a purchase comes to: today's terms of the programme, applied to what is wanted. Pure.

use contracts::{
    catalog::{SaleTerms, TicketTypeTerms},
    inventory::Places,
    money::{Money, TaxedLine},
    orders::OrderedItem,
};
use edge::Problem;
use runtime::Timestamp;
use uuid::Uuid;

use crate::{
    domain::{Cause, Particulars, Refusal, Terms},
    problems,
};

/// The terms of a purchase at today's prices; the code is yet to be drawn. A problem when something
/// of it is not sold, or not so.
pub(crate) fn priced(
    sale: &SaleTerms,
    buyer_id: Uuid,
    hold_id: Uuid,
    wanted: &[Places],
    now: Timestamp,
) -> Result<Terms, Problem> {
    if !sale.on_sale {
        return Err(problems::refusal(&Refusal::of(Cause::NotOnSale)));
    }
    let mut items = Vec::with_capacity(wanted.len());
    let mut faults = Vec::new();
    let mut refusal = None;
    for (at, places) in wanted.iter().enumerate() {
        let is_it = |offer: &&TicketTypeTerms| offer.ticket_type_id == places.ticket_type_id;
        let Some(offer) = sale.ticket_types.iter().find(is_it) else {
            let pointer = format!("/items/{at}/ticket_type_id");
            faults.push(problems::fault(pointer, "the event has no such ticket type"));
            continue;
        };
        refusal = refusal.or_else(|| not_sold(offer, places.quantity, now));
        items.push(OrderedItem {
            ticket_type_id: places.ticket_type_id,
            name: offer.name.clone(),
            quantity: places.quantity,
            unit_price: offer.price,
            tax: Money::zero(offer.price.currency),
            tax_rate: offer.tax.clone(),
            seats: places.seats.clone(),
        });
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    if let Some(refusal) = refusal {
        return Err(problems::refusal(&refusal));
    }
    let total = add_up(sale, &mut items)
        .ok_or_else(|| Problem::invalid_field("/items", "the sum is too large"))?;
    Ok(Terms {
        order_code: String::new(),
        buyer_id,
        organizer_id: sale.organizer_id,
        event_id: sale.event_id,
        event_name: sale.event_name.clone(),
        starts_at: sale.starts_at,
        venue_name: sale.venue_name.clone(),
        time_zone: sale.time_zone.clone(),
        hold_id,
        items,
        total,
        tax_rounding: sale.tax_rounding,
    })
}

/// Why so many of a ticket type are not sold now, if they are not.
fn not_sold(offer: &TicketTypeTerms, quantity: u32, now: Timestamp) -> Option<Refusal> {
    let ticket_type_id = offer.ticket_type_id;
    let particulars = match *offer {
        TicketTypeTerms { sales_from: Some(from), .. } if now < from => {
            Particulars::From { ticket_type_id, from }
        }
        TicketTypeTerms { sales_until: Some(until), .. } if until <= now => {
            Particulars::Until { ticket_type_id, until }
        }
        TicketTypeTerms { on_sale: false, .. } => return Some(Refusal::of(Cause::NotOnSale)),
        TicketTypeTerms { min_per_order: minimum, .. } if quantity < minimum => {
            Particulars::Minimum { ticket_type_id, minimum }
        }
        TicketTypeTerms { max_per_order: maximum, .. } if maximum > 0 && quantity > maximum => {
            Particulars::Maximum { ticket_type_id, maximum }
        }
        _ => return None,
    };
    Some(Refusal::on_terms(particulars))
}

/// Gives each item its tax, and yields what they cost together.
fn add_up(sale: &SaleTerms, items: &mut [OrderedItem]) -> Option<Money> {
    let currency = items.first()?.unit_price.currency;
    let priced: Result<Vec<Money>, _> =
        items.iter().map(|item| item.unit_price.times(item.quantity)).collect();
    let priced = priced.ok()?;
    let lines: Vec<TaxedLine> = items
        .iter()
        .zip(&priced)
        .map(|(item, gross)| TaxedLine {
            gross: *gross,
            rate_basis_points: item.tax_rate.rate_basis_points,
        })
        .collect();
    for (item, tax) in items.iter_mut().zip(sale.tax_rounding.taxes(&lines)) {
        item.tax = tax;
    }
    Money::sum(currency, priced).ok()
}

#[cfg(test)]
mod tests {
    use contracts::money::{Tax, TaxRounding};
    use iso_currency::Currency;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn offer(id: u128, amount: i64, rate: u32, currency: Currency) -> TicketTypeTerms {
        TicketTypeTerms {
            ticket_type_id: Uuid::from_u128(id),
            name: "Stalls".to_owned(),
            price: Money::new(amount, currency),
            tax: Tax { rate_basis_points: rate, name: "VAT".to_owned() },
            sales_from: None,
            sales_until: None,
            min_per_order: 0,
            max_per_order: 0,
            seated: false,
            on_sale: true,
        }
    }

    fn sale(tax_rounding: TaxRounding, ticket_types: Vec<TicketTypeTerms>) -> SaleTerms {
        SaleTerms {
            event_id: Uuid::from_u128(3),
            organizer_id: Uuid::from_u128(2),
            event_name: "Winter Concert".to_owned(),
            starts_at: NOW,
            time_zone: "Europe/Berlin".to_owned(),
            venue_name: "Town Hall".to_owned(),
            on_sale: true,
            tax_rounding,
            ticket_types,
        }
    }

    fn price(sale: &SaleTerms, wanted: &[Places]) -> Result<Terms, String> {
        let terms = priced(sale, Uuid::nil(), Uuid::nil(), wanted, NOW);
        terms.map_err(|problem| problem.kind().slug.to_owned())
    }

    fn refused(change: impl FnOnce(&mut TicketTypeTerms), quantity: u32) -> Option<String> {
        let mut stalls = offer(5, 2500, 700, Currency::EUR);
        change(&mut stalls);
        let wanted = [Places::any(Uuid::from_u128(5), quantity)];
        price(&sale(TaxRounding::PerLine, vec![stalls]), &wanted).err()
    }

    #[test]
    fn what_is_not_sold_now_or_not_so_many_at_a_time_has_a_name() {
        let (before, after) =
            (NOW - SignedDuration::from_secs(1), NOW + SignedDuration::from_secs(1));
        assert_eq!(refused(|_| {}, 2), None);
        assert_eq!(
            refused(|it| it.sales_from = Some(after), 2).as_deref(),
            Some("sales-not-started")
        );
        assert_eq!(refused(|it| it.sales_from = Some(NOW), 2), None);
        assert_eq!(refused(|it| it.sales_until = Some(NOW), 2).as_deref(), Some("sales-ended"));
        assert_eq!(refused(|it| it.sales_until = Some(before), 2).as_deref(), Some("sales-ended"));
        assert_eq!(refused(|it| it.sales_until = Some(after), 2), None);
        assert_eq!(refused(|it| it.on_sale = false, 2).as_deref(), Some("not-on-sale"));
        assert_eq!(refused(|it| it.min_per_order = 3, 2).as_deref(), Some("below-minimum"));
        assert_eq!(refused(|it| it.max_per_order = 1, 2).as_deref(), Some("above-maximum"));
        assert_eq!(refused(|it| it.max_per_order = 2, 2), None);
    }

    proptest! {
        #[test]
        fn the_parts_of_an_order_add_up_to_the_whole(
            lines in prop::collection::vec((0_i64..1_000_000, 0_u32..3_000, 1_u32..21), 1..20),
            per_order: bool,
            currency in prop::sample::select(vec![Currency::EUR, Currency::JPY, Currency::KWD]),
        ) {
            let rounding = if per_order { TaxRounding::PerOrder } else { TaxRounding::PerLine };
            let ids = || 1_u128..;
            let offers =
                ids().zip(&lines).map(|(id, (amount, rate, _))| offer(id, *amount, *rate, currency));
            let wanted: Vec<Places> = ids()
                .zip(&lines)
                .map(|(id, (_, _, quantity))| Places::any(Uuid::from_u128(id), *quantity))
                .collect();
            let terms = price(&sale(rounding, offers.collect()), &wanted).expect("it is sold");
            let positions = terms.positions();
            let sum = |amounts: &mut dyn Iterator<Item = Money>| Money::sum(currency, amounts);
            prop_assert_eq!(sum(&mut positions.iter().map(|it| it.price)), Ok(terms.total));
            let tax = sum(&mut terms.items.iter().map(|item| item.tax));
            prop_assert_eq!(sum(&mut positions.iter().map(|it| it.tax)), tax);

            let all: std::collections::BTreeSet<u32> = (1..=terms.count()).collect();
            let (some, others): (Vec<u32>, Vec<u32>) = all.iter().partition(|it| *it % 3 == 0);
            let of = |named: Vec<u32>| {
                let named = named.into_iter().collect();
                (terms.items_at(&named), terms.price_of(&named))
            };
            let ((some_items, some_price), (other_items, other_price)) = (of(some), of(others));
            prop_assert_eq!(some_price.plus(other_price), Ok(terms.total));
            let parts = some_items.iter().chain(&other_items);
            prop_assert_eq!(sum(&mut parts.map(|item| item.tax)), tax);
        }
    }
}

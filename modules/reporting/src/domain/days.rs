//! Days as people at the venue count them. Sums are kept by quarters of an hour, of which the days
//! of every time zone are made, however its clocks are changed.

use contracts::money::Money;
use iso_currency::Currency;
use jiff::{civil::Date, tz::TimeZone};
use runtime::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Revenue, standing::Entry};

const QUARTER: i64 = 15 * 60;

/// The quarter of an hour that an instant lies in, counted from 1970.
pub(crate) fn quarter_of(instant: Timestamp) -> i64 {
    instant.as_second().div_euclid(QUARTER)
}

/// The quarter with which the day begins at the venue; `None` for a day that no calendar has.
pub(crate) fn first_quarter(day: Date, zone: &TimeZone) -> Option<i64> {
    Some(quarter_of(day.to_zoned(zone.clone()).ok()?.timestamp()))
}

/// What was sold in a quarter of an hour in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quarter {
    /// Which one, counted from 1970.
    pub(crate) number: i64,
    pub(crate) currency: Currency,
    pub(crate) sums: Entry,
}

/// What happened on one day at the venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DaySales {
    /// The day, at the venue.
    #[schema(value_type = String, format = Date, example = "2027-06-18")]
    pub(crate) date: Date,
    pub(crate) orders: DayCounts,
    pub(crate) tickets: DayCounts,
    /// One entry for each currency.
    pub(crate) revenue: Vec<Revenue>,
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) struct DayCounts {
    /// Sold on this day, whether cancelled since or not.
    pub(crate) sold: i64,
    /// Cancelled on this day, whenever they were sold.
    pub(crate) cancelled: i64,
}

/// The days of `quarters`, which are in the order of time, by the clocks of `zone`. A day without
/// anything is left out.
pub(crate) fn days_of(quarters: &[Quarter], zone: &TimeZone) -> Vec<DaySales> {
    let mut days: Vec<DaySales> = Vec::new();
    for Quarter { number, currency, sums } in quarters {
        let seconds = number.saturating_mul(QUARTER);
        let Ok(instant) = Timestamp::from_second(seconds) else { continue };
        let date = instant.to_zoned(zone.clone()).date();
        if days.last().is_none_or(|day| day.date != date) {
            let (orders, tickets) = (DayCounts::default(), DayCounts::default());
            days.push(DaySales { date, orders, tickets, revenue: Vec::new() });
        }
        if let Some(day) = days.last_mut() {
            day.add(*currency, sums);
        }
    }
    days
}

impl DaySales {
    fn add(&mut self, currency: Currency, sums: &Entry) {
        self.orders.sold += sums.orders;
        self.orders.cancelled += sums.cancelled_orders;
        self.tickets.sold += sums.tickets;
        self.tickets.cancelled += sums.cancelled_tickets;
        let known = self.revenue.iter_mut().find(|it| it.gross.currency == currency);
        match known {
            Some(revenue) => {
                revenue.gross.amount += sums.gross;
                revenue.refunded.amount += sums.refunded;
                revenue.net.amount += sums.gross - sums.refunded;
            }
            None => self.revenue.push(Revenue {
                gross: Money::new(sums.gross, currency),
                refunded: Money::new(sums.refunded, currency),
                net: Money::new(sums.gross - sums.refunded, currency),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sold_at(instant: &str, gross: i64) -> Quarter {
        let instant: Timestamp = instant.parse().expect("it is an instant");
        let sums = Entry { orders: 1, tickets: 2, gross, ..Entry::default() };
        Quarter { number: quarter_of(instant), currency: Currency::EUR, sums }
    }

    fn dates(sales: &[Quarter], zone: &str) -> Vec<(String, i64)> {
        let zone = runtime::time_zone(zone).expect("it is a zone");
        let days = days_of(sales, &zone);
        days.iter().map(|day| (day.date.to_string(), day.orders.sold)).collect()
    }

    #[test]
    fn a_day_ends_at_midnight_at_the_venue() {
        let sales = [
            sold_at("2027-06-18T21:59:59Z", 5_000),
            sold_at("2027-06-18T22:00:00Z", 5_000),
            sold_at("2027-06-19T12:00:00Z", 5_000),
        ];
        let berlin = [("2027-06-18".to_owned(), 1), ("2027-06-19".to_owned(), 2)];
        assert_eq!(dates(&sales, "Europe/Berlin"), berlin);
        let new_york = [("2027-06-18".to_owned(), 2), ("2027-06-19".to_owned(), 1)];
        assert_eq!(dates(&sales, "America/New_York"), new_york);
        // Kathmandu is 5 hours and 45 minutes ahead.
        let sales = [sold_at("2027-06-18T18:14:00Z", 1), sold_at("2027-06-18T18:15:00Z", 1)];
        let kathmandu = [("2027-06-18".to_owned(), 1), ("2027-06-19".to_owned(), 1)];
        assert_eq!(dates(&sales, "Asia/Kathmandu"), kathmandu);
    }

    #[test]
    fn a_day_on_which_clocks_change_has_23_or_25_hours() {
        let zone = runtime::time_zone("Europe/Berlin").expect("it is a zone");
        let length = |day: Date| {
            let tomorrow = day.tomorrow().expect("there is one");
            first_quarter(tomorrow, &zone)
                .zip(first_quarter(day, &zone))
                .map(|(to, from)| to - from)
        };
        assert_eq!(length(Date::constant(2027, 3, 28)), Some(23 * 4));
        assert_eq!(length(Date::constant(2027, 10, 31)), Some(25 * 4));
        // Half past two comes twice that night, and is the same day.
        let sales = [sold_at("2027-10-31T00:30:00Z", 1), sold_at("2027-10-31T01:30:00Z", 1)];
        assert_eq!(dates(&sales, "Europe/Berlin"), [("2027-10-31".to_owned(), 2)]);
    }

    #[test]
    fn currencies_of_a_day_are_kept_apart() {
        let mut yen = sold_at("2027-06-18T12:00:00Z", 4_000);
        yen.currency = Currency::JPY;
        let sales =
            [sold_at("2027-06-18T12:00:00Z", 5_000), yen, sold_at("2027-06-18T13:00:00Z", 1)];
        let days = days_of(&sales, &TimeZone::UTC);
        let gross: Vec<Money> = days[0].revenue.iter().map(|it| it.gross).collect();
        assert_eq!(gross, [Money::new(5_001, Currency::EUR), Money::new(4_000, Currency::JPY)]);
        assert_eq!(days[0].tickets, DayCounts { sold: 6, cancelled: 0 });
    }
}

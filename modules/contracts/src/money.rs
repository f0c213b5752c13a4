//! Money: an integer of minor units with its currency, and the one place where money is rounded.

use std::fmt;

use iso_currency::Currency;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An amount of money in the minor unit of its currency: 1234 of EUR is 12.34 euros, 1234 of JPY
/// is 1234 yen. May be negative where money is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": 2500, "currency": "EUR"}))]
pub struct Money {
    /// Minor units of the currency.
    pub amount: i64,
    /// The ISO 4217 code.
    #[schema(value_type = String, example = "EUR")]
    pub currency: Currency,
}

/// Why two amounts could not be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amounts are of different currencies.
    #[error("{0} and {1} cannot be added: convert one of them first")]
    Currencies(Currency, Currency),
    /// The result does not fit into 64 bits.
    #[error("the amount is too large")]
    TooLarge,
}

impl Money {
    /// `amount` minor units of `currency`.
    pub const fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Whether this is no money at all.
    pub const fn is_zero(&self) -> bool {
        self.amount == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// When the currencies differ or the sum is too large.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies(self.currency, other.currency));
        }
        let amount = self.amount.checked_add(other.amount).ok_or(MoneyError::TooLarge)?;
        Ok(Self::new(amount, self.currency))
    }

    /// This amount `quantity` times.
    ///
    /// # Errors
    /// When the product is too large.
    pub fn times(self, quantity: u32) -> Result<Self, MoneyError> {
        let amount = self.amount.checked_mul(i64::from(quantity)).ok_or(MoneyError::TooLarge)?;
        Ok(Self::new(amount, self.currency))
    }

    /// The sum of `amounts`, all in `currency`.
    ///
    /// # Errors
    /// When one of them is of another currency or the sum is too large.
    pub fn sum(
        currency: Currency,
        amounts: impl IntoIterator<Item = Self>,
    ) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::plus)
    }
}

/// A tax that a price includes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"rate_basis_points": 1900, "name": "VAT"}))]
pub struct Tax {
    /// Its rate on the net price, in hundredths of a percent: 1900 is 19 %. 0: no tax.
    #[schema(maximum = 10_000)]
    pub rate_basis_points: u32,
    /// Its name, such as `VAT`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 50)]
    pub name: String,
}

/// How taxes of an order are rounded. Rounded line by line they do not add up to the tax on the
/// sum, so that somebody has to choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaxRounding {
    /// The tax of each line is rounded; the order's is their sum.
    #[default]
    PerLine,
    /// The tax on the sum of all lines of one rate is rounded, and handed out to the lines so that
    /// they add up to it.
    PerOrder,
}

/// A line of an order: what it costs, taxes included, and the rate of the tax that is included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxedLine {
    /// What it costs, taxes included.
    pub gross: Money,
    /// The rate of its tax in hundredths of a percent.
    pub rate_basis_points: u32,
}

/// A whole is so many basis points.
const WHOLE: i128 = 10_000;

impl TaxRounding {
    /// The tax that each line includes, rounded half up. With [`TaxRounding::PerOrder`] the taxes of
    /// the lines of one rate and currency add up to the rounded tax on their sum.
    pub fn taxes(self, lines: &[TaxedLine]) -> Vec<Money> {
        match self {
            Self::PerLine => {
                lines.iter().map(|line| line.gross.tax_within(line.rate_basis_points)).collect()
            }
            Self::PerOrder => {
                // The tax on all lines up to this one less the tax on those before it: however many
                // lines there are, they add up.
                let mut sums: Vec<(Currency, u32, i128)> = Vec::new();
                lines
                    .iter()
                    .map(|line| {
                        let Money { amount, currency } = line.gross;
                        let rate = line.rate_basis_points;
                        let at = sums.iter().position(|(c, r, _)| (*c, *r) == (currency, rate));
                        let at = at.unwrap_or_else(|| {
                            sums.push((currency, rate, 0));
                            sums.len() - 1
                        });
                        let Some((_, _, sum)) = sums.get_mut(at) else {
                            return Money::zero(currency);
                        };
                        let before = included(*sum, rate);
                        *sum += i128::from(amount);
                        let tax = included(*sum, rate) - before;
                        Money::new(i64::try_from(tax).unwrap_or(amount), currency)
                    })
                    .collect()
            }
        }
    }
}

/// The tax that `gross` includes, rounded half up; for what is given back it is the same with the
/// other sign.
fn included(gross: i128, rate_basis_points: u32) -> i128 {
    let rate = i128::from(rate_basis_points);
    let (share, whole) = (gross.abs() * rate, WHOLE + rate);
    let rounded = (2 * share + whole) / (2 * whole);
    if gross < 0 { -rounded } else { rounded }
}

impl Money {
    /// The tax that this price includes at a rate in hundredths of a percent, rounded half up:
    /// 19.00 of 119.00 at 1900.
    #[must_use]
    pub fn tax_within(self, rate_basis_points: u32) -> Self {
        let tax = included(i128::from(self.amount), rate_basis_points);
        Self::new(i64::try_from(tax).unwrap_or(self.amount), self.currency)
    }

    /// This amount in `parts` parts that differ by at most one minor unit and add up to it. The
    /// first ones are the larger ones. No parts of nothing: `parts` is at least 1.
    pub fn split(self, parts: std::num::NonZeroU32) -> Vec<Self> {
        let count = i64::from(parts.get());
        let (share, rest) = (self.amount.div_euclid(count), self.amount.rem_euclid(count));
        (0..count).map(|at| Self::new(share + i64::from(at < rest), self.currency)).collect()
    }
}

/// With the currency's own number of decimals, for logs and messages: `25.00 EUR`, `1200 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.currency.exponent().unwrap_or(0));
        let scale = 10_u64.pow(u32::try_from(decimals).unwrap_or(0));
        let sign = if self.amount < 0 { "-" } else { "" };
        let units = self.amount.unsigned_abs();
        let code = self.currency.code();
        if decimals == 0 {
            return write!(f, "{sign}{units} {code}");
        }
        write!(f, "{sign}{}.{:0decimals$} {code}", units / scale, units % scale)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_is_shown_with_its_currencys_decimals() {
        let shown = |amount, currency| Money::new(amount, currency).to_string();
        assert_eq!(shown(2500, Currency::EUR), "25.00 EUR");
        assert_eq!(shown(5, Currency::EUR), "0.05 EUR");
        assert_eq!(shown(-1205, Currency::EUR), "-12.05 EUR");
        assert_eq!(shown(1200, Currency::JPY), "1200 JPY");
        assert_eq!(shown(1200, Currency::KWD), "1.200 KWD");
    }

    #[test]
    fn amounts_of_two_currencies_do_not_add() {
        let sum = Money::new(1, Currency::EUR).plus(Money::new(1, Currency::USD));
        assert_eq!(sum, Err(MoneyError::Currencies(Currency::EUR, Currency::USD)));
    }

    #[test]
    fn a_sum_that_does_not_fit_is_refused() {
        let most = Money::new(i64::MAX, Currency::EUR);
        assert_eq!(most.plus(Money::new(1, Currency::EUR)), Err(MoneyError::TooLarge));
        assert_eq!(most.times(2), Err(MoneyError::TooLarge));
    }

    #[test]
    fn a_tax_is_taken_out_of_the_price_and_rounded_half_up() {
        let within = |amount, rate| Money::new(amount, Currency::EUR).tax_within(rate).amount;
        assert_eq!(within(11_900, 1900), 1900);
        assert_eq!(within(2_500, 700), 164, "163.55 is nearer to 164");
        assert_eq!(within(3, 10_000), 2, "half a cent is rounded up");
        assert_eq!(within(-3, 10_000), -2, "and given back as it was taken");
        assert_eq!(within(2_500, 0), 0);
        assert_eq!(Money::new(1100, Currency::JPY).tax_within(1000).amount, 100);
        assert_eq!(Money::new(1_050, Currency::KWD).tax_within(500).amount, 50);
    }

    #[test]
    fn rounding_by_line_and_by_order_differ_and_each_adds_up() {
        let line = |amount, rate| TaxedLine {
            gross: Money::new(amount, Currency::EUR),
            rate_basis_points: rate,
        };
        let lines = [line(999, 1900), line(999, 1900), line(999, 1900), line(500, 700)];
        let amounts = |rounding: TaxRounding| -> Vec<i64> {
            rounding.taxes(&lines).iter().map(|tax| tax.amount).collect()
        };
        assert_eq!(amounts(TaxRounding::PerLine), [160, 160, 160, 33]);
        assert_eq!(amounts(TaxRounding::PerOrder), [160, 159, 160, 33]);
        assert_eq!(Money::new(3 * 999, Currency::EUR).tax_within(1900).amount, 479);
    }

    proptest! {
        #[test]
        fn taxes_of_an_order_add_up_to_the_tax_on_its_sum(
            amounts in prop::collection::vec(-1_000_000_000_i64..1_000_000_000, 0..20),
            rate in 0_u32..10_000,
        ) {
            let lines: Vec<TaxedLine> = amounts
                .iter()
                .map(|&amount| TaxedLine {
                    gross: Money::new(amount, Currency::EUR),
                    rate_basis_points: rate,
                })
                .collect();
            let taxes = TaxRounding::PerOrder.taxes(&lines);
            let whole = Money::new(amounts.iter().sum(), Currency::EUR).tax_within(rate);
            prop_assert_eq!(Money::sum(Currency::EUR, taxes), Ok(whole));
        }

        #[test]
        fn parts_add_up_to_the_whole_and_differ_by_one_unit_at_most(amount: i64, parts in 1_u32..200) {
            let money = Money::new(amount, Currency::EUR);
            let parts = money.split(parts.try_into().expect("at least 1"));
            prop_assert_eq!(Money::sum(Currency::EUR, parts.iter().copied()), Ok(money));
            let amounts = || parts.iter().map(|part| part.amount);
            prop_assert!(amounts().max() <= amounts().min().map(|least| least + 1));
        }

        #[test]
        fn a_product_is_the_sum_of_its_parts(amount in -1_000_000_000_i64..1_000_000_000, quantity in 0_u32..50) {
            let price = Money::new(amount, Currency::EUR);
            let parts = (0..quantity).map(|_| price);
            prop_assert_eq!(price.times(quantity), Money::sum(Currency::EUR, parts));
        }

        #[test]
        fn money_survives_the_wire(amount: i64) {
            let money = Money::new(amount, Currency::EUR);
            let text = serde_json::to_string(&money).expect("money serialises");
            prop_assert_eq!(serde_json::from_str::<Money>(&text).expect("and comes back"), money);
        }
    }
}

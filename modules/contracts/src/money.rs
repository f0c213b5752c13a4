//! Money: an integer of minor units with its currency.

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

    proptest! {
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

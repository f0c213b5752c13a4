//! Amounts as Stripe counts them. It goes by ISO 4217 with exceptions of its own.

use contracts::money::Money;
use iso_currency::Currency;

/// Stripe counts these in whole units.
const WITHOUT_DECIMALS: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
/// Stripe counts these in thousandths, and wants the last digit to be zero.
const WITH_THREE_DECIMALS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// Why Stripe takes no such amount, for whoever made the price.
const LAST_DIGIT: &str =
    "in this currency the payment provider takes no amounts with a third decimal other than 0";
const FRACTION: &str = "in this currency the payment provider takes whole units only";
const TOO_LARGE: &str = "the amount is too large for the payment provider";

/// The amount in Stripe's units.
///
/// # Errors
/// Why Stripe does not take it.
pub(super) fn to_stripe(money: Money) -> Result<i64, &'static str> {
    let (ours, theirs) = (decimals(money.currency), stripe_decimals(money.currency));
    let amount = if theirs >= ours {
        money.amount.checked_mul(power(theirs - ours)).ok_or(TOO_LARGE)?
    } else {
        let scale = power(ours - theirs);
        if money.amount % scale != 0 {
            return Err(FRACTION);
        }
        money.amount / scale
    };
    let is_rounded = theirs < 3 || amount % 10 == 0;
    if is_rounded { Ok(amount) } else { Err(LAST_DIGIT) }
}

/// An amount in Stripe's units, as ours; `None` when it is of no currency that is known or does not
/// fit.
pub(super) fn from_stripe(amount: i64, currency: &str) -> Option<Money> {
    let currency = Currency::from_code(&currency.to_ascii_uppercase())?;
    let (ours, theirs) = (decimals(currency), stripe_decimals(currency));
    let amount = if theirs >= ours {
        let scale = power(theirs - ours);
        (amount % scale == 0).then_some(amount / scale)?
    } else {
        amount.checked_mul(power(ours - theirs))?
    };
    Some(Money::new(amount, currency))
}

fn decimals(currency: Currency) -> u32 {
    u32::from(currency.exponent().unwrap_or(0))
}

fn stripe_decimals(currency: Currency) -> u32 {
    let code = currency.code();
    if WITHOUT_DECIMALS.contains(&code) {
        0
    } else if WITH_THREE_DECIMALS.contains(&code) {
        3
    } else {
        2
    }
}

fn power(exponent: u32) -> i64 {
    10_i64.pow(exponent.min(3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stripe(amount: i64, currency: Currency) -> Result<i64, &'static str> {
        to_stripe(Money::new(amount, currency))
    }

    #[test]
    fn each_currency_is_counted_as_stripe_counts_it() {
        assert_eq!(stripe(2500, Currency::EUR), Ok(2500));
        assert_eq!(stripe(1200, Currency::JPY), Ok(1200));
        assert_eq!(stripe(12_500, Currency::KWD), Ok(12_500));
        assert_eq!(stripe(12_505, Currency::KWD), Err(LAST_DIGIT));
        // ISO 4217 gives these no decimals, Stripe two.
        assert_eq!(stripe(5, Currency::ISK), Ok(500));
        assert_eq!(stripe(5, Currency::UGX), Ok(500));
        assert_eq!(stripe(i64::MAX, Currency::ISK), Err(TOO_LARGE));
    }

    #[test]
    fn what_is_no_currency_is_no_money() {
        assert_eq!(from_stripe(100, "eur"), Some(Money::new(100, Currency::EUR)));
        assert_eq!(from_stripe(100, "isk"), Some(Money::new(1, Currency::ISK)));
        assert_eq!(from_stripe(101, "isk"), None);
        assert_eq!(from_stripe(100, "xyz1"), None);
    }

    proptest! {
        #[test]
        fn what_stripe_takes_comes_back_the_same(amount in 0_i64..10_000_000_000, place in 0_usize..9) {
            let currencies = [
                Currency::EUR, Currency::USD, Currency::JPY, Currency::KWD, Currency::ISK,
                Currency::UGX, Currency::MGA, Currency::TND, Currency::CLP,
            ];
            let money = Money::new(amount, currencies[place]);
            if let Ok(theirs) = to_stripe(money) {
                prop_assert_eq!(from_stripe(theirs, money.currency.code()), Some(money));
            }
        }
    }
}

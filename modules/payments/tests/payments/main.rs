//! Payments as its clients and other services see it, on both databases. The files follow the URLs.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what goes wrong here fails a test"
)]

mod confirm;
mod contract;
mod house;
mod pay;
mod refunds;
mod stripe;
mod webhooks;

/// Tests of the same names for both databases, out of functions that take a house.
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name($crate::house::House::open(testkit::Storage::Sqlite).await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $name() {
                    let house = $crate::house::House::open(testkit::Storage::Postgres).await;
                    super::$name(house).await;
                }
            )+
        }
    };
}
use on_both_databases;

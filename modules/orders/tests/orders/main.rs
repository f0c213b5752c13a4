//! Orders as buyers and organizers see them, on both databases, with other services that a test
//! puts in any mood.

#![cfg(test)]

mod calling_off;
mod crash;
mod event_cancelled;
mod fakes;
mod guest_limits;
mod guests;
mod house;
mod placing;
mod reading;
mod returns;
mod saga;

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

//! Tickets as their holders and the doors see them, on both databases.

#![cfg(test)]

mod check_ins;
mod device;
mod foreign;
mod house;
mod lists;
mod offline;
mod paper;
mod tickets;
mod transfers;

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

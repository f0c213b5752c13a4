//! Inventory as its clients see it, on both databases.

#![cfg(test)]

mod availability;
mod contract;
mod holds;
mod house;
mod limits;
mod quotas;
mod replicas;
mod seats;
mod stream;

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

//! Catalog as its clients see it, on both databases. The files follow the URLs.

#![expect(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod contract;
mod events;
mod house;
mod organizers;
mod quotas;
mod replicas;
mod seating;
mod terms;
mod ticket_types;
mod venues;

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

//! The books of the payment provider, which are its own: what it says of money is what happened.

use store::Database;

use crate::house::House;

const TAKEN: &str = "SELECT count(*) FROM sandbox_charges WHERE state = 'succeeded'";
const GIVEN_BACK: &str = "SELECT count(*) FROM sandbox_refunds";

/// How often the provider has moved money, in all the time of a house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Charges that succeeded.
    pub charges: i64,
    /// Refunds.
    pub refunds: i64,
}

impl House {
    /// The provider's books as they are now.
    pub async fn books(&self) -> Books {
        let directory = self.sandbox.data_dir();
        let database = Database::connect(&self.database, "payments", &directory).await.unwrap();
        let (charges,) = store::fetch_one!(&database, (i64,), TAKEN).await.unwrap();
        let (refunds,) = store::fetch_one!(&database, (i64,), GIVEN_BACK).await.unwrap();
        database.close().await;
        Books { charges, refunds }
    }
}

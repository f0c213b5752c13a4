//! Databases that go back, and topics that are made anew: whatever was lost comes again.

use testkit::kafka;

use super::{remove_topic, settings};
use crate::support::{Clerk, Office, on_both};

const STORED: &str = "SELECT partition, next_offset, txn, seq FROM partitions ORDER BY partition";
const SET_BACK: &str = "UPDATE partitions SET next_offset = $2, txn = $3, seq = $4 \
     WHERE partition = $1";

type Row = (i64, i64, i64, i64);

async fn stored(office: &Office) -> Vec<Row> {
    store::fetch_all!(office.committer.database(), Row, STORED).await.unwrap()
}

on_both! {
    async fn a_consumer_whose_database_went_back_reads_again_what_came_since(town: Town) {
        let settings = settings(&kafka::fresh().await);
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        shop.publish(&settings);
        office.read_topic(&settings, &Clerk::default());
        shop.sell(1, 2).await;
        office.has_booked(1, 1..=2).await;
        let before = stored(&office).await;
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=3).await;
        // As a database does that another server goes on with, which had not all of it.
        for (partition, next_offset, txn, seq) in before {
            let mut tx = office.committer.database().begin().await.unwrap();
            let set = store::execute!(&mut tx, SET_BACK, partition, next_offset, txn, seq).await;
            assert_eq!(set.unwrap(), 1);
            tx.commit().await.unwrap();
        }
        shop.sell(1, 1).await;
        // Its books were not set back, so they show what came again.
        office.has_booked(1, [1, 2, 3, 3, 4]).await;
    }

    async fn a_topic_that_is_made_anew_with_other_partitions_has_everything_again(town: Town) {
        let place = kafka::fresh().await;
        let mut settings = settings(&place);
        let mut shop = town.shop().await;
        shop.publish(&settings);
        let mut office = town.office().await;
        office.read_topic(&settings, &Clerk::default());
        shop.sell(1, 2).await;
        office.has_booked(1, 1..=2).await;
        office.kill().await;
        shop.sell(1, 2).await;
        shop.kill().await;
        remove_topic(&place).await;

        settings.kafka.partitions = 5;
        let (mut anew, mut later) = (town.shop().await, town.office().await);
        anew.publish(&settings);
        later.read_topic(&settings, &Clerk::default());
        anew.sell(1, 1).await;
        later.has_booked(1, 1..=5).await;
    }
}

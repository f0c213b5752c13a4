//! By what the copies of a log are told from those of another: each log has an identity, which its
//! publisher's database keeps and each copy tells, and whoever reads a copy stays with the first
//! that it finds.

use uuid::Uuid;

use crate::{Database, Partition, StoreError};

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, crate::Sql)] =
    crate::statements![MAKE, OWN, FOLLOW, FOLLOWED];

const MAKE: &str = "INSERT INTO own_log (place, id) VALUES (1, $1) ON CONFLICT (place) DO NOTHING";
const OWN: &str = "SELECT id FROM own_log WHERE place = 1";
const FOLLOW: &str = "INSERT INTO followed_logs (consumer, publisher, topic, log) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (consumer, publisher, topic) DO NOTHING";
const FOLLOWED: &str = "SELECT log FROM followed_logs \
     WHERE consumer = $1 AND publisher = $2 AND topic = $3";

/// The identity of the log in this database; `new` if it had none.
///
/// # Errors
/// When the database does not answer.
pub async fn own_log(database: &Database, new: Uuid) -> Result<Uuid, StoreError> {
    if let Some((id,)) = crate::fetch_optional!(database, (Uuid,), OWN).await? {
        return Ok(id);
    }
    let mut tx = database.begin().await?;
    crate::execute!(&mut tx, MAKE, new).await?;
    tx.commit().await?;
    let (id,) = crate::fetch_one!(database, (Uuid,), OWN).await?;
    Ok(id)
}

impl Partition {
    /// The log of which this topic is a copy, as far as the consumer knows.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn log(&self, database: &Database) -> Result<Option<Uuid>, StoreError> {
        let (consumer, publisher, topic) = (&self.consumer, &self.publisher, &self.topic);
        let found: Option<(Uuid,)> =
            crate::fetch_optional!(database, (Uuid,), FOLLOWED, consumer, publisher, topic).await?;
        Ok(found.map(|(log,)| log))
    }

    /// Takes this topic for a copy of `log` from now on, unless it is known to be one of another.
    /// The answer says of which it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn follow(&self, database: &Database, log: Uuid) -> Result<Uuid, StoreError> {
        let (consumer, publisher, topic) = (&self.consumer, &self.publisher, &self.topic);
        let mut tx = database.begin().await?;
        crate::execute!(&mut tx, FOLLOW, consumer, publisher, topic, log).await?;
        tx.commit().await?;
        Ok(self.log(database).await?.unwrap_or(log))
    }
}

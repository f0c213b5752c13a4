//! The aggregate of these tests: an account that cannot be overdrawn.

use runtime::{Timestamp, async_trait};
use serde::{Deserialize, Serialize};
use store::{Aggregate, At, Change, Database, Json, Sql, Tx, View};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    pub balance: i64,
    pub notes: Vec<String>,
    pub reminder: Option<Timestamp>,
}

/// A deposit after which the view's table does not take the balance.
pub const REFUSED_BY_THE_VIEW: i64 = -1_000_000;

#[derive(Debug, Clone)]
pub enum Command {
    Deposit(i64),
    Withdraw(i64),
    Note(&'static str),
    Remind(Timestamp),
    Forget,
    /// Changes nothing.
    Greet,
    /// Panics before anything happened.
    PanicInDecide,
    /// Panics when what happened is taken in.
    PanicInEvolve,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Happened {
    Deposited { amount: i64 },
    Withdrawn { amount: i64 },
    Noted { text: String },
    Reminded { at: Timestamp },
    Forgotten,
    Exploded,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("only {balance} is left")]
    Overdrawn { balance: i64 },
}

impl Aggregate for Account {
    const NAME: &'static str = "account";
    const SNAPSHOT_EVERY: u64 = 10;
    type Command = Command;
    type Event = Happened;
    type Rejection = Refusal;

    fn decide(&self, command: Command) -> Result<Vec<Happened>, Refusal> {
        Ok(match command {
            Command::Deposit(amount) => vec![Happened::Deposited { amount }],
            Command::Withdraw(amount) if amount > self.balance => {
                return Err(Refusal::Overdrawn { balance: self.balance });
            }
            Command::Withdraw(amount) => vec![Happened::Withdrawn { amount }],
            Command::Note(text) => vec![Happened::Noted { text: text.to_owned() }],
            Command::Remind(at) => vec![Happened::Reminded { at }],
            Command::Forget => vec![Happened::Forgotten],
            Command::Greet => vec![],
            Command::PanicInDecide => panic!("decided to panic"),
            Command::PanicInEvolve => vec![Happened::Deposited { amount: 1 }, Happened::Exploded],
        })
    }

    fn evolve(&mut self, event: &Happened) {
        match event {
            Happened::Deposited { amount } => self.balance += amount,
            Happened::Withdrawn { amount } => self.balance -= amount,
            Happened::Noted { text } => self.notes.push(text.clone()),
            Happened::Reminded { at } => self.reminder = Some(*at),
            Happened::Forgotten => self.reminder = None,
            Happened::Exploded => panic!("evolved into a panic"),
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.reminder
    }
}

/// The state that replaying `events` gives.
pub fn replay<'a>(events: impl IntoIterator<Item = &'a Happened>) -> Account {
    let mut account = Account::default();
    for event in events {
        account.evolve(event);
    }
    account
}

/// Accounts with their balances, for lists.
pub struct AccountsView;

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct AccountRow {
    pub id: Uuid,
    pub version: i64,
    pub balance: i64,
    pub changed_at: At,
}

const PUT: Sql = store::sql!(
    "INSERT INTO accounts (id, version, balance, changed_at) \
     SELECT id, version, balance, changed_at FROM ",
    rows("$1", id uuid, version bigint, balance bigint, changed_at instant),
    " WHERE true ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
     balance = excluded.balance, changed_at = excluded.changed_at",
);
const ALL: &str = "SELECT id, version, balance, changed_at FROM accounts ORDER BY id";

#[async_trait]
impl View<Account> for AccountsView {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Account>]) -> Result<(), sqlx::Error> {
        let rows: Vec<AccountRow> = changes
            .iter()
            .map(|change| AccountRow {
                id: change.id,
                version: i64::try_from(change.version).unwrap(),
                balance: change.state.balance,
                changed_at: At(change.events.last().unwrap().recorded_at),
            })
            .collect();
        store::execute!(tx, PUT, Json(&rows)).await?;
        Ok(())
    }
}

pub async fn all_accounts(database: &Database) -> Vec<AccountRow> {
    store::fetch_all!(database, AccountRow, ALL).await.unwrap()
}

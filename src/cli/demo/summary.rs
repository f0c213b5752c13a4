//! What a demo set holds, and how that is shown on a terminal.

use std::fmt;

use runtime::Secret;

use crate::cli::table::{Cell, render};

/// What was made.
#[derive(Debug)]
pub struct DemoSet {
    /// What sets it apart from others: part of its organizer's name and of its accounts' addresses.
    pub name: String,
    /// Where it was made.
    pub url: String,
    /// Whether there was none before.
    pub is_first: bool,
    /// The organizer's name.
    pub organizer: String,
    /// The organizer.
    pub organizer_id: String,
    /// The accounts: an organizer's, a staff member's, and those of buyers.
    pub accounts: Vec<Account>,
    /// What is on.
    pub events: Vec<ScheduledEvent>,
    /// What was bought.
    pub purchases: Vec<ShownPurchase>,
}

/// An account that was made.
#[derive(Debug)]
pub struct Account {
    /// How the person is called.
    pub name: &'static str,
    /// What the account is good for.
    pub about: &'static str,
    /// What to log in with.
    pub email: String,
    /// What to log in with, drawn by chance and kept nowhere else.
    pub password: Secret,
}

/// An event that was made.
#[derive(Debug)]
pub struct ScheduledEvent {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: &'static str,
    /// Where it takes place.
    pub venue: &'static str,
    /// When it begins, by the clocks of its venue.
    pub starts: String,
    /// How far it came.
    pub stage: &'static str,
    /// Its ticket types, each in a few words.
    pub prices: Vec<String>,
}

/// A purchase that was made.
#[derive(Debug)]
pub struct ShownPurchase {
    /// The order.
    pub id: String,
    /// The order's code.
    pub code: String,
    /// Who bought.
    pub buyer: &'static str,
    /// The event's name.
    pub event: &'static str,
    /// How many of what.
    pub what: String,
    /// What it costs.
    pub total: String,
    /// What became of it.
    pub became: &'static str,
}

/// For a terminal, with every password in clear: this is the only time that they are shown.
impl fmt::Display for DemoSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Demo set {} of \"{}\"", self.name, self.organizer)?;
        if !self.is_first {
            writeln!(f, "It stands beside the demo sets that were there before.")?;
        }
        let rows: Vec<Vec<Cell>> = self.events.iter().map(event_row).collect();
        let head = ["event", "stage", "begins", "tickets"];
        writeln!(f, "\n{}", render(&head, &rows))?;
        let rows: Vec<Vec<Cell>> = self.purchases.iter().map(purchase_row).collect();
        let head = ["order", "buyer", "event", "tickets", "total", "what became of it"];
        writeln!(f, "{}", render(&head, &rows))?;
        let rows: Vec<Vec<Cell>> = self.accounts.iter().map(account_row).collect();
        writeln!(f, "{}", render(&["account", "password", "for"], &rows))?;
        writeln!(
            f,
            "The passwords are kept nowhere else. What waits for payment expires by itself."
        )?;
        self.next_steps(f)
    }
}

impl DemoSet {
    fn next_steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, organizer_id, .. } = self;
        writeln!(f, "\nTry next, and read {url}/docs:\n")?;
        writeln!(f, "  curl -s '{url}/v1/events?state=on_sale&organizer_id={organizer_id}'")?;
        let Some(buyer) = self.accounts.iter().find(|account| account.about == "buyer") else {
            return Ok(());
        };
        let (email, password) = (&buyer.email, buyer.password.expose());
        writeln!(
            f,
            "  TOKEN=$(curl -s {url}/v1/auth/login -H 'content-type: application/json' \\\n    \
             -d '{{\"email\":\"{email}\",\"password\":\"{password}\"}}' \\\n    \
             | sed 's/.*\"access_token\": *\"\\([^\"]*\\)\".*/\\1/')"
        )?;
        writeln!(f, "  curl -s {url}/v1/orders -H \"authorization: Bearer $TOKEN\"")
    }
}

fn event_row(event: &ScheduledEvent) -> Vec<Cell> {
    vec![
        vec![event.name.to_owned(), format!("  {}", event.venue)],
        vec![event.stage.to_owned()],
        vec![event.starts.clone()],
        event.prices.clone(),
    ]
}

fn purchase_row(purchase: &ShownPurchase) -> Vec<Cell> {
    let ShownPurchase { code, buyer, event, what, total, became, .. } = purchase;
    let cells = [code, *buyer, *event, what, total, *became];
    cells.map(|cell| vec![cell.to_owned()]).to_vec()
}

fn account_row(account: &Account) -> Vec<Cell> {
    let Account { name, about, email, password } = account;
    let cells = [email.clone(), password.expose().to_owned(), format!("{name}, {about}")];
    cells.map(|cell| vec![cell]).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small_set() -> DemoSet {
        DemoSet {
            name: "k7mpx2".to_owned(),
            url: "http://127.0.0.1:8080".to_owned(),
            is_first: false,
            organizer: "Concerts, demo k7mpx2".to_owned(),
            organizer_id: "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001".to_owned(),
            accounts: vec![Account {
                name: "Ada",
                about: "buyer",
                email: "ada.k7mpx2@example.org".to_owned(),
                password: Secret::from("drawn-by-chance".to_owned()),
            }],
            events: vec![ScheduledEvent {
                id: "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003".to_owned(),
                name: "Night of the drums",
                venue: "Paper Lantern Hall",
                starts: "2027-06-18 18:30 Asia/Tokyo".to_owned(),
                stage: "on sale",
                prices: vec!["Reserved, 6800 JPY, 200 places".to_owned()],
            }],
            purchases: vec![ShownPurchase {
                id: "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001".to_owned(),
                code: "K7MPX2QA".to_owned(),
                buyer: "Ada",
                event: "Night of the drums",
                what: "2 Reserved".to_owned(),
                total: "13600 JPY".to_owned(),
                became: "fulfilled",
            }],
        }
    }

    #[test]
    fn a_demo_set_is_shown_with_what_one_needs_to_go_on() {
        insta::assert_snapshot!(small_set(), @r#"
        Demo set k7mpx2 of "Concerts, demo k7mpx2"
        It stands beside the demo sets that were there before.

        event                 stage    begins                       tickets
        --------------------  -------  ---------------------------  ------------------------------
        Night of the drums    on sale  2027-06-18 18:30 Asia/Tokyo  Reserved, 6800 JPY, 200 places
          Paper Lantern Hall

        order     buyer  event               tickets     total      what became of it
        --------  -----  ------------------  ----------  ---------  -----------------
        K7MPX2QA  Ada    Night of the drums  2 Reserved  13600 JPY  fulfilled

        account                 password         for
        ----------------------  ---------------  ----------
        ada.k7mpx2@example.org  drawn-by-chance  Ada, buyer

        The passwords are kept nowhere else. What waits for payment expires by itself.

        Try next, and read http://127.0.0.1:8080/docs:

          curl -s 'http://127.0.0.1:8080/v1/events?state=on_sale&organizer_id=01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001'
          TOKEN=$(curl -s http://127.0.0.1:8080/v1/auth/login -H 'content-type: application/json' \
            -d '{"email":"ada.k7mpx2@example.org","password":"drawn-by-chance"}' \
            | sed 's/.*"access_token": *"\([^"]*\)".*/\1/')
          curl -s http://127.0.0.1:8080/v1/orders -H "authorization: Bearer $TOKEN"
        "#);
    }

    #[test]
    fn a_first_set_does_not_speak_of_others() {
        let set = DemoSet { is_first: true, ..small_set() };
        assert!(!set.to_string().contains("beside"));
    }

    #[test]
    fn passwords_are_shown_to_people_and_not_to_logs() {
        assert!(!format!("{:?}", small_set()).contains("drawn-by-chance"));
    }
}

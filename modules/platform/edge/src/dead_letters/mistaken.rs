//! What somebody meant who names what there is not, or wants what cannot be; for the endpoints and
//! for the command.

use std::collections::BTreeSet;

use store::{DeadLetter, DeadLetterState, DeadLetters, Position, StoreError, WantedLetters};
use uuid::Uuid;

/// Letters read at once.
const PAGE: i64 = 200;

/// The dead letters of an event, whose id is easily taken for theirs. Looks at every letter.
///
/// # Errors
/// When the database does not answer.
pub async fn of_event(letters: &DeadLetters, event: Uuid) -> Result<Vec<DeadLetter>, StoreError> {
    let event = event.to_string();
    let is_it = |letter: &DeadLetter| {
        letter.event.get("id").and_then(|id| id.as_str()) == Some(event.as_str())
    };
    let mut found = Vec::new();
    for state in [None, Some(DeadLetterState::Waiting), Some(DeadLetterState::Discarded)] {
        let wanted = WantedLetters { state, ..WantedLetters::default() };
        let mut page = letters.list(&wanted, None, PAGE).await?;
        while let Some(last) = page.last().map(|letter| letter.id) {
            found.extend(page.into_iter().filter(is_it));
            page = letters.list(&wanted, Some(last), PAGE).await?;
        }
    }
    Ok(found)
}

/// Whether it is no event of the publisher's log, in which it has no place: then it never takes
/// effect.
pub fn is_foreign(letter: &DeadLetter) -> bool {
    letter.position < Position::START
}

/// What is wrong with the names of a consumer and of a publisher (empty: any), where those are `known`
/// that belong together: the name of the field, and why.
pub fn mistaken_names(
    consumer: &str,
    publisher: &str,
    known: &[(String, String)],
) -> Vec<(&'static str, String)> {
    let consumers: BTreeSet<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let is_known = consumers.contains(consumer);
    let theirs = known.iter().filter(|(name, _)| !is_known || name == consumer);
    let publishers: BTreeSet<&str> = theirs.map(|(_, name)| name.as_str()).collect();
    let mut faults = Vec::new();
    if !is_known {
        let names = choice(&consumers);
        let fault = format!("no consumer that has taken in events is called {consumer:?}; {names}");
        faults.push(("consumer", fault));
    }
    if !publisher.is_empty() && !publishers.contains(publisher) {
        let names = choice(&publishers);
        faults.push(("publisher", format!("no events of {publisher:?} were taken in; {names}")));
    }
    faults
}

fn choice(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return "nothing was taken in yet".to_owned();
    }
    let names: Vec<&str> = names.iter().copied().collect();
    format!("choose from {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_that_are_mistaken_are_told_with_those_there_are() {
        let known = [("sales", "orders"), ("admissions", "tickets"), ("audit", "orders")];
        let known = known.map(|(consumer, publisher)| (consumer.to_owned(), publisher.to_owned()));
        let told = |consumer, publisher| {
            let faults = mistaken_names(consumer, publisher, &known);
            faults.into_iter().map(|(field, why)| format!("{field}: {why}")).collect::<Vec<_>>()
        };
        let no_consumer = "consumer: no consumer that has taken in events is called \"sale\"; choose \
                           from admissions, audit, sales";
        assert_eq!(told("sales", ""), [""; 0]);
        assert_eq!(told("sales", "orders"), [""; 0]);
        assert_eq!(told("sale", ""), [no_consumer]);
        assert_eq!(
            told("sale", "order"),
            [
                no_consumer,
                "publisher: no events of \"order\" were taken in; choose from orders, tickets"
            ]
        );
        assert_eq!(
            told("sales", "tickets"),
            ["publisher: no events of \"tickets\" were taken in; choose from orders"]
        );
        let none = mistaken_names("sales", "", &[]);
        assert!(none[0].1.ends_with("is called \"sales\"; nothing was taken in yet"), "{none:?}");
    }
}

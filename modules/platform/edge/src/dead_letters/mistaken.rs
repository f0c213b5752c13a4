//! What somebody meant who names what there is not; for the endpoints and for the command.

use store::{DeadLetter, DeadLetterState, DeadLetters, StoreError, WantedLetters};
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

//! Refunds: whole, in parts, refused, made at the provider.

use super::*;

fn repeat(of: u128, refund_id: u128, at: i64) -> Command {
    let [of, refund_id] = [of, refund_id].map(Uuid::from_u128);
    Command::RepeatRefund { of, refund_id, ask_at: second(at + 5), at: second(at) }
}

fn external(reference: &str, amount: i64, counts: bool) -> Command {
    listed(None, reference, amount, counts)
}

/// What the provider lists of one refund.
fn listed(id: Option<u128>, reference: &str, amount: i64, counts: bool) -> Command {
    let refund = ExternalRefund { reference: reference.to_owned(), amount: euros(amount), counts };
    let listed = ListedRefund { id: id.map(Uuid::from_u128), refund };
    Command::RecordExternalRefunds { listed: vec![listed], at: second(50) }
}

fn refused() -> RefundOutcome {
    RefundOutcome::Failed { reason: "account closed".to_owned() }
}

fn told(events: &[Event]) -> Option<RefundTold> {
    events.iter().find_map(|event| match event {
        Event::RefundDone { told, .. }
        | Event::RefundFailed { told, .. }
        | Event::RefundCancelled { told, .. } => *told,
        Event::ExternalRefund { told, .. } => Some(*told),
        _ => None,
    })
}

#[test]
fn money_is_given_back_once() {
    let mut story = Story::of(paid());
    story.tell(refund(7, 3)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Refunding);
    assert_eq!(story.tell(refund(8, 4)), Ok(vec![]));
    story.tell(refund_outcome(7, RefundOutcome::Done, 5)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Refunded);
    assert_eq!(story.tell(refund(9, 6)), Ok(vec![]));
    assert_eq!(story.payment.refunds.len(), 1);
}

#[test]
fn what_was_not_received_is_not_given_back() {
    assert_eq!(Story::default().tell(refund(7, 1)), Err(Rejection::NothingReceived));
    assert_eq!(Story::of([open(5000)]).tell(refund(7, 1)), Err(Rejection::NothingReceived));
}

#[test]
fn a_refund_without_an_answer_wakes_the_payment() {
    let mut story = Story::of(paid());
    story.tell(refund(7, 3)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(8)));
    assert_eq!(story.tell(refund_outcome(7, RefundOutcome::Unknown, 8)), Ok(vec![]));
    story.tell(refund_outcome(7, RefundOutcome::InTransit, 9)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(69)));
}

#[test]
fn a_refused_refund_shows_and_another_follows() {
    let refused = || RefundOutcome::Failed { reason: "account closed".to_owned() };
    let mut story = Story::of(paid());
    story.tell(refund(7, 3)).unwrap();
    story.tell(refund_outcome(7, refused(), 4)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Refunding);
    assert_eq!(story.payment.refunds[0].failure.as_deref(), Some("account closed"));
    assert_eq!(story.payment.wake_at(), Some(second(64)));
    story.tell(repeat(7, 8, 64)).unwrap();
    assert_eq!(story.payment.refunds[1].number, 2);
    assert_eq!(story.tell(repeat(7, 9, 64)), Ok(vec![]), "once");
    assert_eq!(story.payment.latest_of(Uuid::from_u128(7)).map(|it| it.number), Some(2));
    story.tell(refund_outcome(8, refused(), 65)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(65 + 120)));
}

#[test]
fn money_is_given_back_in_parts_until_nothing_is_left() {
    let mut story = Story::of(paid());
    story.tell(refund_of(7, Some(2000), 3)).unwrap();
    assert_eq!((story.payment.status(), story.payment.left()), (PaymentStatus::Settled, 3000));
    let first = story.tell(refund_outcome(7, RefundOutcome::Done, 4)).unwrap();
    let first = told(&first).unwrap();
    assert_eq!((first.total, first.whole), (euros(2000), false));
    assert_eq!(story.payment.status(), PaymentStatus::Settled);
    let refusal = Err(Rejection::RefundExceeds { left: euros(3000) });
    assert_eq!(story.tell(refund_of(8, Some(3001), 5)), refusal);
    story.tell(refund(9, 6)).unwrap();
    assert_eq!(story.payment.refunds[1].amount, euros(3000));
    assert_eq!(story.payment.status(), PaymentStatus::Refunding);
    let second = story.tell(refund_outcome(9, RefundOutcome::Done, 7)).unwrap();
    let second = told(&second).unwrap();
    assert_eq!((second.total, second.whole), (euros(5000), true));
    assert_eq!(story.payment.status(), PaymentStatus::Refunded);
}

#[test]
fn parts_that_are_under_way_or_refused_for_now_are_not_left() {
    let mut story = Story::of(paid());
    story.tell(refund_of(7, Some(4000), 3)).unwrap();
    let refusal = Err(Rejection::RefundExceeds { left: euros(1000) });
    assert_eq!(story.tell(refund_of(8, Some(1001), 4)), refusal);
    story.tell(refund_outcome(7, refused(), 5)).unwrap();
    assert_eq!(story.tell(refund_of(8, Some(1001), 6)), refusal);
    let cancelled = RefundOutcome::Cancelled { reason: "called off".to_owned() };
    story.tell(repeat(7, 9, 7)).unwrap();
    story.tell(refund_outcome(9, cancelled, 8)).unwrap();
    assert_eq!(story.payment.left(), 5000);
    assert_eq!(story.payment.wake_at(), None, "what was called off is not repeated");
}

#[test]
fn the_same_refund_again_is_the_first_and_with_another_amount_a_mistake() {
    let mut story = Story::of(paid());
    story.tell(refund_of(7, Some(2000), 3)).unwrap();
    assert_eq!(story.tell(refund_of(7, Some(2000), 4)), Ok(vec![]));
    assert_eq!(story.tell(refund(7, 4)), Ok(vec![]));
    let refund_id = Uuid::from_u128(7);
    assert_eq!(story.tell(refund_of(7, Some(1), 4)), Err(Rejection::RefundDiffers { refund_id }));
}

#[test]
fn an_amount_is_more_than_nothing_and_in_the_currency_of_the_payment() {
    let mut story = Story::of(paid());
    let refusal = Err(Rejection::RefundAmount { currency: "EUR" });
    for amount in [0, -1, i64::MIN] {
        assert_eq!(story.tell(refund_of(7, Some(amount), 3)), refusal);
    }
    let Command::BeginRefund { refund_id, reason, ask_at, at, .. } = refund(7, 3) else { return };
    let amount = Some(Money::new(10, Currency::USD));
    let dollars = Command::BeginRefund { refund_id, amount, reason, ask_at, at };
    assert_eq!(story.tell(dollars), refusal);
}

#[test]
fn whoever_asks_again_for_what_was_refused_need_not_wait() {
    let mut story = Story::of(paid());
    story.tell(refund(7, 3)).unwrap();
    story.tell(refund_outcome(7, refused(), 4)).unwrap();
    let events = story.tell(refund(8, 5)).unwrap();
    let of = Uuid::from_u128(7);
    let repeats = Some(RefundOrigin::Repeats { of });
    assert!(matches!(&events[..], [Event::RefundBegun { origin, .. }] if *origin == repeats));
}

#[test]
fn money_that_the_bank_sends_back_after_all_is_given_back_again() {
    let mut story = Story::of(paid());
    story.tell(refund(7, 3)).unwrap();
    story.tell(refund_outcome(7, RefundOutcome::Done, 4)).unwrap();
    let events = story.tell(refund_outcome(7, refused(), 100)).unwrap();
    assert_eq!(told(&events).map(|told| (told.total, told.whole)), Some((euros(0), false)));
    assert_eq!(story.payment.status(), PaymentStatus::Refunding);
    assert_eq!(story.payment.wake_at(), Some(second(160)));
}

#[test]
fn refunds_made_at_the_provider_count() {
    let mut story = Story::of(paid());
    let events = story.tell(external("re_1", 2000, true)).unwrap();
    assert_eq!(told(&events).map(|told| (told.total, told.whole)), Some((euros(2000), false)));
    assert_eq!(story.tell(external("re_1", 2000, true)), Ok(vec![]));
    assert_eq!(story.payment.refunds[0].state, RefundState::External);
    assert_eq!((story.payment.refunded(), story.payment.left()), (2000, 3000));
    story.tell(external("re_1", 2000, false)).unwrap();
    assert_eq!(story.payment.refunds[0].state, RefundState::Cancelled);
    assert_eq!((story.payment.refunded(), story.payment.left()), (0, 5000));
    assert_eq!(story.tell(external("re_2", 10, false)), Ok(vec![]));
    story.tell(external("re_3", 5000, true)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Refunded);
}

#[test]
fn a_refund_for_which_nothing_is_left_at_the_provider_is_given_up() {
    let mut story = Story::of(paid());
    story.tell(refund(7, 3)).unwrap();
    story.tell(external("re_1", 1000, true)).unwrap();
    story.tell(refund_outcome(7, refused(), 4)).unwrap();
    assert_eq!(story.payment.refunds[0].state, RefundState::Cancelled);
    assert_eq!((story.payment.left(), story.payment.wake_at()), (4000, None));
}

#[test]
fn several_refunds_wake_the_payment_each_at_its_time() {
    let mut story = Story::of(paid());
    story.tell(refund_of(7, Some(1000), 10)).unwrap();
    story.tell(refund_of(8, Some(1000), 3)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(8)));
    story.tell(refund_outcome(8, RefundOutcome::Done, 9)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(15)));
}

#[test]
fn a_refund_that_was_begun_just_before_is_ours_in_whatever_the_provider_lists() {
    let mut story = Story::of(paid());
    story.tell(refund_of(7, Some(2000), 3)).unwrap();
    assert_eq!(story.tell(listed(Some(7), "re_1", 2000, true)), Ok(vec![]));
    story.tell(refund_outcome(7, RefundOutcome::Done, 4)).unwrap();
    assert_eq!(story.tell(listed(Some(7), "re_1", 2000, true)), Ok(vec![]));
    assert_eq!((story.payment.refunded(), story.payment.refunds.len()), (2000, 1));
    // An id that nobody here gave out says nothing.
    story.tell(listed(Some(8), "re_2", 500, true)).unwrap();
    assert_eq!((story.payment.refunded(), story.payment.refunds.len()), (2500, 2));
}

#[test]
fn a_list_that_was_read_before_does_not_bring_back_what_was_called_off() {
    let mut story = Story::of(paid());
    story.tell(external("re_1", 2000, true)).unwrap();
    let undone = story.tell(external("re_1", 2000, false)).unwrap();
    assert_eq!(told(&undone).map(|told| (told.total, told.requested)), Some((euros(0), None)));
    assert_eq!(story.tell(external("re_1", 2000, true)), Ok(vec![]));
    assert_eq!(story.payment.refunded(), 0);
}

#[test]
fn what_is_called_off_after_it_was_given_back_counts_no_more() {
    let mut story = Story::of(paid());
    story.tell(external("re_1", 500, true)).unwrap();
    story.tell(refund_of(7, Some(2500), 3)).unwrap();
    story.tell(refund_outcome(7, RefundOutcome::Done, 4)).unwrap();
    let cancelled = RefundOutcome::Cancelled { reason: "called off".to_owned() };
    let events = story.tell(refund_outcome(7, cancelled, 5)).unwrap();
    let told = told(&events).unwrap();
    assert_eq!((told.total, told.requested), (euros(500), Some(Uuid::from_u128(7))));
    assert_eq!((story.payment.refunded(), story.payment.left()), (500, 4500));
}

/// Has the refund 100 refused, and each that repeats it, `pause` seconds after the one before; how many
/// there are then.
fn refused_again_and_again(story: &mut Story, pause: i64) -> u128 {
    let (mut id, mut now) = (100, 10);
    story.tell(refund(id, now)).unwrap();
    loop {
        story.tell(refund_outcome(id, refused(), now)).unwrap();
        now += pause;
        if story.tell(repeat(id, id + 1, now)).unwrap().is_empty() {
            return id - 99;
        }
        id += 1;
    }
}

#[test]
fn a_refund_that_is_refused_again_and_again_is_given_up_and_can_be_begun_anew() {
    const DAY: i64 = 24 * 60 * 60;
    for (pause, tries) in [(3600, 9), (DAY, 5), (10 * DAY, 3)] {
        let mut story = Story::of(paid());
        assert_eq!(refused_again_and_again(&mut story, pause), tries);
        let last = story.payment.refunds.last().unwrap();
        assert_eq!(last.state, RefundState::Cancelled);
        assert_eq!(last.failure.as_deref(), Some("account closed"));
        assert_eq!(story.payment.wake_at(), None);
        let told = told(&story.events[story.events.len() - 1..]).unwrap();
        assert_eq!(told.requested, Some(Uuid::from_u128(100)));
        assert_eq!((story.payment.status(), story.payment.left()), (PaymentStatus::Settled, 5000));
        let anew = story.tell(refund(200, 50 * DAY)).unwrap();
        let asked = Some(RefundOrigin::Asked);
        assert!(matches!(&anew[..], [Event::RefundBegun { origin, .. }] if *origin == asked));
        story.tell(refund_outcome(200, refused(), 50 * DAY)).unwrap();
        assert_eq!(story.payment.wake_at(), Some(second(50 * DAY + 60)));
    }
}

#[test]
fn what_came_twice_is_given_back_for_as_long_as_it_takes() {
    let late = Outcome::Succeeded { reference: "ch_2".to_owned() };
    let mut story = Story::of([
        open(5000),
        begin(FIRST, 1),
        outcome(FIRST, Outcome::Cancelled, 2),
        begin(SECOND, 3),
        outcome(SECOND, succeeded(), 4),
        outcome(FIRST, late, 5),
    ]);
    let mut id = story.payment.refunds[0].id.as_u128();
    for next in 100..120 {
        story.tell(refund_outcome(id, refused(), 10)).unwrap();
        story.tell(repeat(id, next, 10)).unwrap();
        id = next;
    }
    story.tell(refund_outcome(id, refused(), 10)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(10 + 24 * 60 * 60)));
}

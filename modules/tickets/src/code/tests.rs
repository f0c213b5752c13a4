use proptest::{prelude::*, sample::Index};
use runtime::{Random, SystemRandom};

use super::*;

fn codes() -> Codes {
    let random: &dyn Random = &SystemRandom::default();
    Codes::new(vec![KeyPair::generate(random).expect("a key")]).expect("one key")
}

fn claim() -> Claim {
    Claim {
        ticket_id: Uuid::from_u128(1),
        order_id: Uuid::from_u128(2),
        event_id: Uuid::from_u128(3),
        ticket_type_id: Some(Uuid::from_u128(4)),
        serial: 7,
        valid_from: None,
        valid_until: Timestamp::from_second(4_000_000_000).ok(),
    }
}

/// As codes were written before they said type and validity.
fn old_code(key: &KeyPair, claim: &Claim) -> String {
    let mut bytes = KeyId::of(key.public_bytes()).0.to_vec();
    for id in [claim.ticket_id, claim.order_id, claim.event_id] {
        bytes.extend_from_slice(id.as_bytes());
    }
    bytes.extend_from_slice(&claim.serial.to_be_bytes());
    let signature = key.sign(&bytes);
    bytes.extend_from_slice(&signature);
    format!("{OLD_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[test]
fn what_is_written_is_read() {
    let codes = codes();
    assert_eq!(codes.read(&codes.write(&claim())), Some(claim()));
    assert_eq!(codes.read(&format!(" {}\n", codes.write(&claim()))), Some(claim()));
    assert!(codes.write(&claim()).len() <= LONGEST);
}

#[test]
fn a_code_that_was_printed_before_codes_said_their_type_is_still_read() {
    let random: &dyn Random = &SystemRandom::default();
    let key = KeyPair::generate(random).expect("a key");
    let written = old_code(&key, &claim());
    let codes = Codes::new(vec![key]).expect("one key");
    let read = codes.read(&written).expect("it is ours");
    assert_eq!((read.ticket_id, read.serial), (claim().ticket_id, claim().serial));
    assert_eq!((read.ticket_type_id, read.valid_until), (None, None));
    let renamed = written.replacen(OLD_PREFIX, PREFIX, 1);
    assert_eq!(codes.read(&renamed), None, "a signature fits one form only");
}

#[test]
fn a_code_signed_by_another_installation_is_not_ours() {
    assert_eq!(codes().read(&codes().write(&claim())), None);
}

#[test]
fn a_code_signed_by_an_older_key_is_still_read() {
    let random: &dyn Random = &SystemRandom::default();
    let old = KeyPair::generate(random).expect("a key");
    let same = KeyPair::from_pem(&old.private_pem().expect("pem")).expect("the same key");
    let written = Codes::new(vec![old]).expect("one key").write(&claim());
    let rotated =
        Codes::new(vec![same, KeyPair::generate(random).expect("a key")]).expect("two keys");
    assert_eq!(rotated.read(&written), Some(claim()));
}

#[test]
fn a_limit_before_1970_is_a_limit_still() {
    let codes = codes();
    let ancient = Claim { valid_until: Timestamp::from_second(-5).ok(), ..claim() };
    let read = codes.read(&codes.write(&ancient)).expect("it is ours");
    assert_eq!(read.valid_until, Timestamp::from_second(1).ok());
}

proptest! {
    #[test]
    fn any_claim_is_read_as_it_was_written(
        ids in any::<[u128; 4]>(),
        serial in any::<u32>(),
        from in proptest::option::of(1_i64..250_000_000_000),
        until in proptest::option::of(1_i64..250_000_000_000),
    ) {
        let [ticket_id, order_id, event_id, type_id] = ids.map(Uuid::from_u128);
        let limit = |seconds: Option<i64>| seconds.and_then(|it| Timestamp::from_second(it).ok());
        let claim = Claim {
            ticket_id,
            order_id,
            event_id,
            ticket_type_id: Some(type_id),
            serial,
            valid_from: limit(from),
            valid_until: limit(until),
        };
        let codes = codes();
        prop_assert_eq!(codes.read(&codes.write(&claim)), Some(claim));
    }

    #[test]
    fn a_code_with_any_bit_flipped_is_refused(
        bit in 0_usize..(CLAIM_LENGTH + SIGNATURE_LENGTH) * 8,
    ) {
        let codes = codes();
        let written = codes.write(&claim());
        let mut bytes = URL_SAFE_NO_PAD.decode(written.trim_start_matches(PREFIX)).expect("base64");
        bytes[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        prop_assert_eq!(codes.read(&forged), None);
    }

    #[test]
    fn a_code_with_letters_changed_put_in_or_left_out_is_refused(
        edits in proptest::collection::vec((any::<Index>(), any::<char>(), 0_u8..3), 1..4),
    ) {
        let codes = codes();
        let written = codes.write(&claim());
        let mut letters: Vec<char> = written.chars().collect();
        for (at, letter, edit) in edits {
            let at = at.index(letters.len());
            match edit {
                0 => letters[at] = letter,
                1 => letters.insert(at, letter),
                _ => drop(letters.remove(at)),
            }
        }
        let forged: String = letters.into_iter().collect();
        prop_assume!(forged.trim() != written);
        prop_assert_eq!(codes.read(&forged), None);
    }

    #[test]
    fn two_genuine_codes_put_together_are_none(cut in 0_usize..CLAIM_LENGTH + SIGNATURE_LENGTH) {
        let codes = codes();
        let other = Claim { ticket_id: Uuid::from_u128(9), serial: 8, ..claim() };
        let [one, other] = [claim(), other].map(|claim| {
            let written = codes.write(&claim);
            URL_SAFE_NO_PAD.decode(written.trim_start_matches(PREFIX)).expect("base64")
        });
        let mixed = [&one[..cut], &other[cut..]].concat();
        prop_assume!(mixed != one && mixed != other);
        let forged = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(mixed));
        prop_assert_eq!(codes.read(&forged), None);
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in ".*", tail in "[A-Za-z0-9_-]{0,300}") {
        let codes = codes();
        prop_assert_eq!(codes.read(&text), None);
        for prefix in [PREFIX, OLD_PREFIX] {
            prop_assert_eq!(codes.read(&format!("{prefix}{tail}")), None);
        }
    }
}

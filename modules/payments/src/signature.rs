//! How webhooks are signed: `t=<seconds>,v1=<hex>`, where the signature is the HMAC-SHA256 of
//! `<seconds>.<body>`. There may be several secrets and several signatures, so that a secret can be
//! exchanged while both ends go on.

use aws_lc_rs::hmac;
use jiff::SignedDuration;
use runtime::{Secret, Timestamp};

/// How far the time of a webhook may be from ours. What was overheard is worthless afterwards.
pub(crate) const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// More signatures than anybody sends are not looked at.
const MOST_SIGNATURES: usize = 16;

/// What webhooks may be signed with.
#[derive(Clone)]
pub(crate) struct Secrets(Vec<hmac::Key>);

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forged {
    #[error("there is no signature")]
    Missing,
    #[error("the signature is not of the form t=<seconds>,v1=<hex>")]
    Malformed,
    #[error("the signature was made with no secret that is known here")]
    Wrong,
    #[error("the signature's time is more than five minutes away")]
    Untimely,
}

impl Secrets {
    /// Reads secrets that are separated by commas or blank space; the first one signs.
    pub(crate) fn parse(secrets: &Secret) -> Self {
        let texts = secrets.expose().split(|it: char| it == ',' || it.is_whitespace());
        let keys = texts.filter(|text| !text.is_empty());
        Self(keys.map(|text| hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())).collect())
    }

    /// Checks a signature, in a time that does not tell how wrong it is.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub(crate) fn verify(
        &self,
        header: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Forged> {
        let header = header.ok_or(Forged::Missing)?;
        let (seconds, signatures) = parts(header).ok_or(Forged::Malformed)?;
        let signed = signed(seconds, body);
        let is_genuine = signatures.iter().take(MOST_SIGNATURES).any(|signature| {
            self.0.iter().any(|key| hmac::verify(key, &signed, signature).is_ok())
        });
        if !is_genuine {
            return Err(Forged::Wrong);
        }
        let said = Timestamp::from_second(seconds).map_err(|_| Forged::Untimely)?;
        if said.duration_since(now).unsigned_abs() > TOLERANCE.unsigned_abs() {
            return Err(Forged::Untimely);
        }
        Ok(())
    }

    /// Signs with the first secret; `None` when there is none.
    pub(crate) fn sign(&self, body: &[u8], now: Timestamp) -> Option<String> {
        let seconds = now.as_second();
        let tag = hmac::sign(self.0.first()?, &signed(seconds, body));
        Some(format!("t={seconds},v1={}", to_hex(tag.as_ref())))
    }
}

fn signed(seconds: i64, body: &[u8]) -> Vec<u8> {
    [seconds.to_string().as_bytes(), b".", body].concat()
}

fn parts(header: &str) -> Option<(i64, Vec<Vec<u8>>)> {
    let pairs = || header.split(',').filter_map(|pair| pair.trim().split_once('='));
    let mut times = pairs().filter(|(name, _)| *name == "t").map(|(_, value)| value);
    let seconds = times.next()?.parse().ok()?;
    if times.next().is_some() {
        return None;
    }
    let signatures: Vec<Vec<u8>> = pairs()
        .filter(|(name, _)| *name == "v1")
        .filter_map(|(_, value)| from_hex(value))
        .collect();
    (!signatures.is_empty()).then_some((seconds, signatures))
}

fn to_hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn secrets(text: &str) -> Secrets {
        Secrets::parse(&Secret::from(text.to_owned()))
    }

    fn verify(secrets: &Secrets, header: &str, body: &str) -> Result<(), Forged> {
        secrets.verify(Some(header), body.as_bytes(), at(NOW))
    }

    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        let signed = secrets("whsec_test_secret").sign(b"{\"id\":\"evt_1\"}", at(1_700_000_000));
        let expected = include_str!("signature/example.txt").trim();
        assert_eq!(signed.as_deref(), Some(expected));
    }

    #[test]
    fn what_was_signed_with_any_known_secret_is_believed() {
        let old = secrets("old").sign(b"{}", at(NOW)).unwrap();
        let new = secrets("new").sign(b"{}", at(NOW)).unwrap();
        let both = secrets("new, old\n");
        assert_eq!(verify(&both, &old, "{}"), Ok(()));
        assert_eq!(verify(&both, &new, "{}"), Ok(()));
        let (_, second) = new.split_once(',').unwrap();
        assert_eq!(verify(&secrets("new"), &format!("{old},{second}"), "{}"), Ok(()));
        assert_eq!(verify(&secrets("new"), &old, "{}"), Err(Forged::Wrong));
        assert_eq!(verify(&secrets(""), &old, "{}"), Err(Forged::Wrong));
    }

    #[test]
    fn another_body_or_another_time_is_forged() {
        let header = secrets("a").sign(b"{}", at(NOW)).unwrap();
        assert_eq!(verify(&secrets("a"), &header, "{ }"), Err(Forged::Wrong));
        let moved = header.replace("t=1800000000", "t=1800000001");
        assert_eq!(verify(&secrets("a"), &moved, "{}"), Err(Forged::Wrong));
    }

    #[test]
    fn what_is_older_or_newer_than_five_minutes_is_untimely() {
        let signed_at = |second| secrets("a").sign(b"{}", at(second)).unwrap();
        for second in [NOW - 300, NOW + 300] {
            assert_eq!(verify(&secrets("a"), &signed_at(second), "{}"), Ok(()));
        }
        for second in [NOW - 301, NOW + 301, 0] {
            assert_eq!(verify(&secrets("a"), &signed_at(second), "{}"), Err(Forged::Untimely));
        }
    }

    #[test]
    fn what_is_no_signature_is_malformed() {
        let good = secrets("a").sign(b"{}", at(NOW)).unwrap();
        let twice = format!("t=1,{good}");
        for header in
            ["", "t=1", "v1=00", "t=x,v1=00", "t=1,v1=0", "t=1,v1=zz", "t=1,v0=00", &twice]
        {
            assert_eq!(verify(&secrets("a"), header, "{}"), Err(Forged::Malformed), "{header}");
        }
        assert_eq!(secrets("a").verify(None, b"{}", at(NOW)), Err(Forged::Missing));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_believe(header: String, body: Vec<u8>) {
            prop_assert!(secrets("a").verify(Some(&header), &body, at(NOW)).is_err());
        }

        #[test]
        fn one_changed_digit_is_noticed(place in 0_usize..64, by in 1_u32..16) {
            let header = secrets("a").sign(b"{}", at(NOW)).unwrap();
            let (time, digits) = header.split_once(",v1=").unwrap();
            let mut digits: Vec<u32> = digits.chars().map(|it| it.to_digit(16).unwrap()).collect();
            digits[place] = (digits[place] + by) % 16;
            let changed: String =
                digits.into_iter().map(|it| char::from_digit(it, 16).unwrap()).collect();
            let forged = verify(&secrets("a"), &format!("{time},v1={changed}"), "{}");
            prop_assert_eq!(forged, Err(Forged::Wrong));
        }
    }
}

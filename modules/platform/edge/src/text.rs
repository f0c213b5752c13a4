//! What texts of clients must look like where several services ask for the same. garde calls these
//! as `custom(edge::text::…)`.

use garde::{Error, Result, rules::email::parse_email};

/// An address that mail can be sent to: whatever passes, and has at most 254 bytes (RFC 5321), can be
/// written on a letter. The length is a rule of its own beside this one.
///
/// Stricter than garde's own rule, which mail programs do not share: what stands before the `@`
/// neither begins nor ends with a dot and has no two in a row, and what stands behind it is a name
/// and no IP address in brackets.
///
/// # Errors
/// What is wrong with it.
pub fn email<C>(value: &str, _: &C) -> Result {
    parse_email(value).map_err(|fault| Error::new(format!("not a valid email: {fault}")))?;
    let (local, domain) = value.split_once('@').unwrap_or_default();
    if local.split('.').any(str::is_empty) {
        return Err(Error::new("has a dot too many before the @"));
    }
    if domain.starts_with('[') {
        return Err(Error::new("has an IP address where a domain belongs"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_can_be_sent_to_pass_and_others_do_not() {
        for good in ["ada@example.org", "a.b+c@mail.example", "o'brien@x.example", "a@localhost"] {
            assert!(email(good, &()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ada",
            "ada@",
            "a b@example.org",
            "a..b@example.org",
            ".a@example.org",
            "a.@example.org",
            "a@[127.0.0.1]",
            "a@[::1]",
            "a@exam_ple.org",
            "a@b@example.org",
            "\"a\"@example.org",
            "a@example.org\n",
        ] {
            assert!(email(bad, &()).is_err(), "{bad}");
        }
    }
}

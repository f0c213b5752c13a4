//! A door without a network. It knows what it has downloaded and what it has seen itself, and needs
//! nothing else: base64, Ed25519 and a clock.

use std::collections::HashMap;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{
    Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// The prefix of a code, how many bytes it says something in, and how many the signature has.
const PREFIX: &str = "BX2.";
const SAID: usize = 88;
const SIGNATURE: usize = 64;

pub(crate) struct Device {
    name: String,
    /// The answer of `GET /v1/check-in-lists/{list_id}/offline`.
    downloaded: Value,
    /// What was seen last, by ticket. Begins with what was downloaded and goes on with what this device
    /// sees.
    seen: HashMap<String, Seen>,
    /// Everything that was decided here and is yet to be uploaded.
    pub(crate) scans: Vec<Value>,
}

/// What was seen last of a ticket.
struct Seen {
    /// With which of its codes.
    serial: u64,
    /// Whether it was an entry.
    is_inside: bool,
}

/// What a genuine code says.
struct Claim {
    ticket: String,
    event: String,
    ticket_type: String,
    serial: u64,
    valid_from: u64,
    valid_until: u64,
}

impl Device {
    pub(crate) fn new(name: &str, download: &[u8]) -> Self {
        let downloaded: Value = serde_json::from_slice(download).expect("the download is JSON");
        let used = downloaded["tickets"].as_array().into_iter().flatten();
        let used = used.filter(|ticket| !ticket["used"].is_null());
        let seen = used.map(|ticket| {
            let ticket_id = ticket["ticket_id"].as_str().unwrap_or_default().to_owned();
            let serial = ticket["serial"].as_u64().unwrap_or_default();
            (ticket_id, Seen { serial, is_inside: ticket["used"]["is_inside"] == true })
        });
        let seen = seen.collect();
        Self { name: name.to_owned(), downloaded, seen, scans: Vec::new() }
    }

    /// Somebody shows a code on the way in. `Err` says why he stays outside.
    pub(crate) fn enter(&mut self, code: &str, now: Timestamp) -> Result<(), &'static str> {
        let decision = self.decide(code, now);
        self.note(code, "entry", now, decision.as_ref().err().copied());
        let claim = decision?;
        self.seen.insert(claim.ticket, Seen { serial: claim.serial, is_inside: true });
        Ok(())
    }

    /// Somebody shows a code on the way out. Nobody is kept from leaving.
    pub(crate) fn leave(&mut self, code: &str, now: Timestamp) {
        if let Some(claim) = self.read(code)
            && self.seen.get(&claim.ticket).is_none_or(|seen| seen.serial <= claim.serial)
        {
            self.seen.insert(claim.ticket, Seen { serial: claim.serial, is_inside: false });
        }
        self.note(code, "exit", now, None);
    }

    /// The body for `POST /v1/check-in-lists/{list_id}/scans`. Send it until it is answered with 200.
    pub(crate) fn upload(&self) -> Value {
        json!({"device": self.name, "scans": self.scans})
    }

    /// What lets the bearer in, or why he stays outside: what lasts comes first.
    fn decide(&self, code: &str, now: Timestamp) -> Result<Claim, &'static str> {
        let claim = self.read(code).ok_or("unknown")?;
        let list = &self.downloaded["list"];
        if list["event_id"] != claim.event {
            return Err("other_event");
        }
        if let Some(reason) = self.revoked(&claim) {
            return Err(reason);
        }
        let types = list["ticket_type_ids"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !types.is_empty() && !types.contains(&json!(claim.ticket_type)) {
            return Err("other_list");
        }
        let limit = |name: &str| list[name].as_str().and_then(|it| it.parse::<Timestamp>().ok());
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        if seconds < claim.valid_from || limit("valid_from").is_some_and(|from| now < from) {
            return Err("not_yet_valid");
        }
        let is_over = claim.valid_until != 0 && seconds >= claim.valid_until;
        if is_over || limit("valid_until").is_some_and(|until| now >= until) {
            return Err("no_longer_valid");
        }
        match self.seen.get(&claim.ticket) {
            Some(seen) if seen.serial < claim.serial => Ok(claim),
            Some(seen) if !seen.is_inside && list["allows_reentry"] == true => Ok(claim),
            Some(_) => Err("already_admitted"),
            None => Ok(claim),
        }
    }

    /// What the code says, when it is genuine.
    fn read(&self, code: &str) -> Option<Claim> {
        let bytes = URL_SAFE_NO_PAD.decode(code.trim().strip_prefix(PREFIX)?).ok()?;
        if bytes.len() != SAID + SIGNATURE {
            return None;
        }
        let (said, signature) = bytes.split_at(SAID);
        let key_id = said[..4].iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
        let keys = self.downloaded["keys"].as_array()?;
        let key = keys.iter().find(|key| key["id"] == key_id && key["algorithm"] == "Ed25519")?;
        let key = STANDARD.decode(key["public_key"].as_str()?).ok()?;
        UnparsedPublicKey::new(&ED25519, key).verify(said, signature).ok()?;
        let id = |at: usize| Some(Uuid::from_slice(&said[at..at + 16]).ok()?.to_string());
        let number = |at: usize, length: usize| {
            said[at..at + length].iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))
        };
        Some(Claim {
            ticket: id(4)?,
            event: id(36)?,
            ticket_type: id(52)?,
            serial: number(68, 4),
            valid_from: number(72, 8),
            valid_until: number(80, 8),
        })
    }

    fn revoked(&self, claim: &Claim) -> Option<&'static str> {
        let revocations = self.downloaded["revocations"].as_array()?;
        let is_it = |it: &&Value| {
            it["ticket_id"] == claim.ticket && it["up_to_serial"].as_u64() >= Some(claim.serial)
        };
        // A code that came later was seen: the ticket was passed on since the download.
        if self.seen.get(&claim.ticket).is_some_and(|seen| seen.serial > claim.serial) {
            return Some("transferred");
        }
        Some(match revocations.iter().find(is_it)?["reason"].as_str()? {
            "transferred" => "transferred",
            "blocked" => "blocked",
            "unpaid" => "unpaid",
            _ => "voided",
        })
    }

    /// Keeps the scan with its own time, and a nonce that this device uses once.
    fn note(&mut self, code: &str, kind: &str, at: Timestamp, refused: Option<&str>) {
        let nonce = format!("{}-{}", at.as_microsecond(), self.scans.len());
        let mut scan = json!({"code": code, "kind": kind, "at": at, "nonce": nonce});
        if let Some(reason) = refused {
            scan["refused"] = json!(reason);
        }
        self.scans.push(scan);
    }
}

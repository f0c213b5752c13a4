//! Mail that is to be encrypted is encrypted, or stays.

use std::{collections::HashMap, io::Write as _};

use serde_json::Value;
use tempfile::NamedTempFile;
use testkit::Storage;

use crate::{
    certificate::Certificate,
    house::{CARA, House, fulfilled},
    smtp::{MailServer, Mood, Wire},
};

const UNTRUSTED: &str = "no encrypted connection to the mail server could be agreed on";

/// A house that logs in at this server, and trusts this certificate.
async fn house(server: &MailServer, tls: &str, trusted: Option<&NamedTempFile>) -> House {
    let mut settings = HashMap::from([
        ("notifications.transport", "smtp".to_owned()),
        ("notifications.smtp.host", "127.0.0.1".to_owned()),
        ("notifications.smtp.port", server.port().to_string()),
        ("notifications.smtp.tls", tls.to_owned()),
        ("notifications.smtp.timeout", "2s".to_owned()),
        ("notifications.smtp.user", "boxoffice".to_owned()),
        ("notifications.smtp.password", "a-secret".to_owned()),
    ]);
    if let Some(file) = trusted {
        settings.insert("notifications.smtp.ca_file", file.path().display().to_string());
    }
    House::with(Storage::Sqlite, settings).await
}

fn file(certificate: &Certificate) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file can be made");
    file.write_all(certificate.pem.as_bytes()).expect("it can be written");
    file
}

/// A mail is told of, and waits after its first attempt.
async fn kept(house: &House) -> Value {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    let waiting = house.notification(1, |it| it["attempts"] == 1).await;
    assert_eq!(waiting["state"], "queued");
    waiting["last_error"].clone()
}

#[tokio::test]
async fn mail_goes_encrypted_to_a_server_that_is_trusted() {
    let certificate = Certificate::new();
    let server = MailServer::on(Wire::Starttls(certificate.acceptor.clone()), Mood::Good).await;
    let house = house(&server, "starttls", Some(&file(&certificate))).await;
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    assert!(server.mails(1).await[0].contains("BX1.CODE-1"));
    house.in_state(1, "sent").await;
    assert_eq!(server.heard_in_clear(), ["EHLO", "STARTTLS"], "neither login nor mail");
}

#[tokio::test]
async fn mail_goes_encrypted_from_the_first_byte_on() {
    let certificate = Certificate::new();
    let server = MailServer::on(Wire::Tls(certificate.acceptor.clone()), Mood::Good).await;
    let house = house(&server, "tls", Some(&file(&certificate))).await;
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    assert!(server.mails(1).await[0].contains("BX1.CODE-1"));
    house.in_state(1, "sent").await;
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let server = MailServer::on(Wire::Starttls(certificate.acceptor), Mood::Good).await;
    let house = house(&server, "starttls", Some(&file(&other))).await;
    assert_eq!(kept(&house).await, UNTRUSTED);
    assert_eq!(server.heard_in_clear(), ["EHLO", "STARTTLS"]);
    server.mails(0).await;
}

#[tokio::test]
async fn a_server_without_encryption_gets_nothing_when_encryption_is_asked_for() {
    let server = MailServer::open(Mood::Good).await;
    let house = house(&server, "starttls", None).await;
    let lacking = "the mail server lacks what is asked of it: encryption, or a way to log in";
    assert_eq!(kept(&house).await, lacking);
    let heard = server.heard_in_clear();
    assert!(heard.iter().all(|it| ["EHLO", "QUIT"].contains(&&**it)), "{heard:?}");
    server.mails(0).await;
}

#[tokio::test]
async fn a_server_that_takes_its_offer_of_encryption_back_gets_nothing() {
    let server = MailServer::on(Wire::StarttlsInVain, Mood::Good).await;
    let house = house(&server, "starttls", None).await;
    assert_eq!(kept(&house).await, "the mail server answered 454");
    let heard = server.heard_in_clear();
    assert!(heard.iter().all(|it| ["EHLO", "STARTTLS", "QUIT"].contains(&&**it)), "{heard:?}");
    server.mails(0).await;
}

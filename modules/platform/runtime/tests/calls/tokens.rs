//! Who gets in. Each refusal says that nothing was executed.

use std::{fs, sync::Arc};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use runtime::{Contract, KeyPair, ServiceTokens, SystemRandom, TokenRefusal};
use serde_json::{Value, json};
use testkit::Journal;

use crate::desk::{Desk, Office, SetClock, TokenOffice, context, say};

/// A token as the lobby's would be, with `change` made to its claims.
fn token(office: &TokenOffice, signer: &str, change: impl FnOnce(&mut Value)) -> String {
    token_of("lobby", office, signer, change)
}

/// The same with the key's name as somebody gives it.
fn token_of(
    key_name: &str,
    office: &TokenOffice,
    signer: &str,
    change: impl FnOnce(&mut Value),
) -> String {
    let now = office.clock.seconds();
    let mut claims = json!({
        "iss": "boxoffice", "sub": "lobby", "aud": "desk", "iat": now, "exp": now + 60,
    });
    change(&mut claims);
    let pem = office.places().private_dir.join(format!("{signer}.pem"));
    let key = EncodingKey::from_ed_pem(&fs::read(pem).unwrap()).unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key_name.to_owned());
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

/// The status, whether it is marked as not executed, and the reason.
async fn knock(office: &Office, authorization: Option<&str>) -> (u16, bool, String) {
    knock_at(office, "once", authorization).await
}

async fn knock_at(
    office: &Office,
    method: &str,
    authorization: Option<&str>,
) -> (u16, bool, String) {
    let url = office.url.join(&format!("/internal/desk/{method}")).unwrap();
    let mut request = runtime::web_client().unwrap().post(url).body(r#"{"say":"hi"}"#).header(
        "x-boxoffice-principal",
        "eyJraW5kIjoiYW5vbnltb3VzIn0", // {"kind":"anonymous"}
    );
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let marked = response.headers().contains_key("x-boxoffice-not-executed");
    let body: Value = response.json().await.unwrap();
    (status, marked, body["reason"].as_str().unwrap_or_default().to_owned())
}

fn refused(reason: TokenRefusal) -> (u16, bool, String) {
    (401, true, reason.to_string())
}

#[tokio::test]
async fn a_token_that_is_right_gets_in() {
    let office = Office::open().await;
    let bearer = format!("Bearer {}", token(&office.tokens, "lobby", |_| {}));
    assert_eq!(knock(&office, Some(&bearer)).await.0, 200);
    assert_eq!(office.clerk.done(), 1);
}

#[tokio::test]
async fn every_token_that_is_wrong_is_refused_with_its_reason() {
    let office = Office::open().await;
    let tokens = &office.tokens;
    let now = tokens.clock.seconds();
    let with = |claim: &'static str, value: Value| {
        token(tokens, "lobby", move |claims| claims[claim] = value)
    };
    let without = |claim: &'static str| {
        token(tokens, "lobby", move |claims| {
            claims.as_object_mut().unwrap().remove(claim);
        })
    };
    let right = token(tokens, "lobby", |_| {});
    let (body, signature) = right.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let cases = [
        ("words", "open sesame".to_owned(), TokenRefusal::Malformed),
        ("dots", "..".to_owned(), TokenRefusal::Malformed),
        ("cut short", body.to_owned(), TokenRefusal::Malformed),
        (
            "a signature with another first byte",
            format!("{body}.{flipped}{}", &signature[1..]),
            TokenRefusal::BadSignature,
        ),
        ("another's key", token(tokens, "stranger", |_| {}), TokenRefusal::BadSignature),
        ("another issuer", with("iss", json!("elsewhere")), TokenRefusal::OtherIssuer),
        ("another audience", with("aud", json!("archive")), TokenRefusal::OtherAudience),
        ("two audiences", with("aud", json!(["desk", "archive"])), TokenRefusal::Malformed),
        ("another's name", with("sub", json!("stranger")), TokenRefusal::OtherSubject),
        (
            "expired",
            token(tokens, "lobby", |claims| {
                claims["iat"] = json!(now - 70);
                claims["exp"] = json!(now - 10);
            }),
            TokenRefusal::Expired,
        ),
        (
            "of the future",
            token(tokens, "lobby", |claims| {
                claims["iat"] = json!(now + 30);
                claims["exp"] = json!(now + 60);
            }),
            TokenRefusal::NotYetValid,
        ),
        ("valid for long", with("exp", json!(now + 61)), TokenRefusal::ValidTooLong),
        (
            "expiring before it begins",
            token(tokens, "lobby", |claims| {
                claims["iat"] = json!(now + 4);
                claims["exp"] = json!(now + 2);
            }),
            TokenRefusal::ValidTooLong,
        ),
        ("valid for ever", with("exp", json!(i64::MAX)), TokenRefusal::ValidTooLong),
        ("without an end", without("exp"), TokenRefusal::Malformed),
        ("without a beginning", without("iat"), TokenRefusal::Malformed),
        ("without an issuer", without("iss"), TokenRefusal::Malformed),
        ("without an audience", without("aud"), TokenRefusal::Malformed),
    ];
    for (case, wrong, refusal) in cases {
        let answer = knock(&office, Some(&format!("Bearer {wrong}"))).await;
        assert_eq!(answer, refused(refusal), "{case}");
    }
    assert_eq!(knock(&office, None).await, refused(TokenRefusal::Missing));
    assert_eq!(knock(&office, Some("Bearer ")).await, refused(TokenRefusal::Missing));
    assert_eq!(knock(&office, Some("Basic bG9iYnk6")).await, refused(TokenRefusal::Missing));
    assert_eq!(office.clerk.begun(), 0);
}

/// The classic: a symmetric signature whose secret is the public key, which everybody knows.
#[tokio::test]
async fn only_the_one_algorithm_is_accepted() {
    let office = Office::open().await;
    let now = office.tokens.clock.seconds();
    let public = fs::read(office.tokens.places().public_dir.join("lobby.pub.pem")).unwrap();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("lobby".to_owned());
    let claims = json!({
        "iss": "boxoffice", "sub": "lobby", "aud": "desk", "iat": now, "exp": now + 60,
    });
    let forged =
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap();
    let answer = knock(&office, Some(&format!("Bearer {forged}"))).await;
    assert_eq!(answer, refused(TokenRefusal::OtherAlgorithm));

    let unsigned = "eyJhbGciOiJub25lIiwia2lkIjoibG9iYnkifQ.e30."; // {"alg":"none","kid":"lobby"}
    let answer = knock(&office, Some(&format!("Bearer {unsigned}"))).await;
    assert_eq!(answer, refused(TokenRefusal::Malformed));
}

#[tokio::test]
async fn a_caller_that_does_not_require_the_method_is_refused() {
    let office = Office::open().await;
    let bearer = format!("Bearer {}", token(&office.tokens, "lobby", |_| {}));
    let reason = "lobby may not call desk.private; list it under what lobby requires";
    assert_eq!(knock_at(&office, "private", Some(&bearer)).await, (403, true, reason.to_owned()));
    let urls = std::slice::from_ref(&office.url);
    let stranger = <dyn Desk>::http(office.tokens.client("stranger", urls));
    let fault = stranger.once(&context(), say("hello")).await.unwrap_err().fault();
    assert!(fault.is_not_sent(), "{fault}");
    assert_eq!(office.clerk.begun(), 0);
}

#[tokio::test]
async fn a_token_remembered_still_expires() {
    let office = Office::open().await;
    let bearer = format!("Bearer {}", token(&office.tokens, "lobby", |_| {}));
    assert_eq!(knock(&office, Some(&bearer)).await.0, 200);
    office.tokens.clock.advance(64);
    assert_eq!(knock(&office, Some(&bearer)).await.0, 200, "clocks may be 5 seconds apart");
    office.tokens.clock.advance(1);
    assert_eq!(knock(&office, Some(&bearer)).await, refused(TokenRefusal::Expired));
}

#[tokio::test]
async fn a_token_remembered_for_one_service_does_not_open_another() {
    let office = TokenOffice::new(&["desk", "lobby", "archive"]);
    let tokens = office.open();
    let right = token(&office, "lobby", |_| {});
    assert_eq!(tokens.verify(&right, "desk").await.as_deref(), Ok("lobby"));
    assert_eq!(tokens.verify(&right, "archive").await, Err(TokenRefusal::OtherAudience));
}

#[tokio::test]
async fn a_key_that_appears_later_is_found() {
    let office = TokenOffice::new(&["desk"]);
    let desk = office.open();
    open_more(&office, "lobby");
    let right = token(&office, "lobby", |_| {});
    assert_eq!(desk.verify(&right, "desk").await.as_deref(), Ok("lobby"));
}

#[tokio::test]
async fn a_key_that_was_replaced_is_found() {
    let office = TokenOffice::new(&["desk", "lobby"]);
    let desk = office.open();
    fs::remove_file(office.places().private_dir.join("lobby.pem")).unwrap();
    open_more(&office, "lobby");
    let right = token(&office, "lobby", |_| {});
    assert_eq!(desk.verify(&right, "desk").await.as_deref(), Ok("lobby"));
}

/// Or whoever sends nonsense would keep the disk busy.
#[tokio::test]
async fn the_key_directory_is_not_read_for_every_unknown_key() {
    let office = TokenOffice::new(&["desk"]);
    let desk = office.open();
    let elsewhere = TokenOffice::new(&["lobby"]);
    elsewhere.open();
    for count in 0..10 {
        let unknown = token(&elsewhere, "lobby", |claims| claims["aud"] = json!(count.to_string()));
        assert_eq!(desk.verify(&unknown, "desk").await, Err(TokenRefusal::UnknownKey));
    }
    open_more(&office, "lobby");
    let right = token(&office, "lobby", |_| {});
    assert_eq!(desk.verify(&right, "desk").await, Err(TokenRefusal::UnknownKey));
}

/// A process whose peers have other keys asks each of them some thirty times a second.
#[tokio::test]
async fn who_is_refused_is_named_once_a_minute_with_what_to_do() {
    let (journal, subscriber) = Journal::open();
    let _logging = tracing::dispatcher::set_default(&subscriber);
    let office = Office::open().await;
    let elsewhere = TokenOffice::new(&["lobby"]);
    elsewhere.open();
    let knock_as = async |name: &str| {
        let foreign = token_of(name, &elsewhere, "lobby", |_| {});
        assert_eq!(knock(&office, Some(&format!("Bearer {foreign}"))).await.0, 401);
    };
    let told = || {
        let lines = journal.lines_with("a call was refused").into_iter();
        let who = lines.map(|line| line["fields"]["claims_to_be"].as_str().unwrap().to_owned());
        who.collect::<Vec<_>>()
    };

    for _ in 0..5 {
        knock_as("lobby").await;
    }
    let lines = journal.lines_with("a call was refused");
    assert_eq!((told(), lines[0]["level"].as_str()), (vec!["lobby".to_owned()], Some("WARN")));
    let expected = json!({
        "message": "a call was refused",
        "service": "desk",
        "method": "once",
        "claims_to_be": "lobby",
        "reason": TokenRefusal::BadSignature.to_string(),
        "advice": "both processes need the same public keys: one service_auth.public_keys_dir, or one \
                   node.data_dir on one machine; `boxoffice keys DIR` makes them",
        "not_told": 0,
    });
    assert_eq!(lines[0]["fields"], expected);

    let nobody = "no service that calls here";
    for number in 0..5 {
        knock_as(&format!("somebody-{number}")).await;
    }
    assert_eq!(told(), ["lobby", nobody], "whoever makes up names is one caller");

    office.tokens.clock.advance(59);
    knock_as("lobby").await;
    assert_eq!(told(), ["lobby", nobody]);
    office.tokens.clock.advance(1);
    knock_as("lobby").await;
    assert_eq!(told(), ["lobby", nobody, "lobby"]);
    let last = journal.lines_with("a call was refused").pop().unwrap();
    assert_eq!(last["fields"]["not_told"], 5);
}

#[tokio::test]
async fn one_bad_public_key_does_not_keep_others_out() {
    let office = TokenOffice::new(&["desk", "lobby"]);
    office.open();
    fs::write(office.places().public_dir.join("broken.pub.pem"), "no key").unwrap();
    let right = token(&office, "lobby", |_| {});
    assert_eq!(office.open().verify(&right, "desk").await.as_deref(), Ok("lobby"));
}

#[test]
fn every_missing_key_is_reported_at_once() {
    let office = TokenOffice::new(&["desk"]);
    office.open();
    let mut places = office.places();
    places.generate = false;
    let clock = Arc::new(SetClock::default());
    fs::write(places.private_dir.join("lobby.pem"), "no key").unwrap();
    let faults =
        ServiceTokens::open(&places, ["desk", "lobby", "archive"], clock, &SystemRandom::default())
            .unwrap_err();
    let directory = places.private_dir.display().to_string();
    let faults = faults.to_string().replace(&directory, "DIR");
    insta::assert_snapshot!(faults, @r"
    - the key of service lobby: DIR/lobby.pem: there is no `-----BEGIN PRIVATE KEY-----` block
    - the key of service archive: DIR/archive.pem: No such file or directory (os error 2)
    ");
}

/// Makes the keys of one service more, as another process would.
fn open_more(office: &TokenOffice, service: &str) {
    let random = SystemRandom::default();
    let places = office.places();
    let private = places.private_dir.join(format!("{service}.pem"));
    let pair = KeyPair::read_or_generate(&private, &random).unwrap();
    pair.write_public(&places.public_dir.join(format!("{service}.pub.pem")), &random).unwrap();
}

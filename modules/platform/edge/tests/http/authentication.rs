//! Access tokens: which are taken, which are refused and how, and what happens when keys change or
//! identity is away.

use crate::support::{Api, problem, signer};
use axum::{Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cache::{Revocation, Revoked};
use edge::{Caller, Problem, token::AccessClaims};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Response, StatusCode};
use runtime::{Clock, Context, Role};
use serde_json::{Value, json};
use testkit::eventually;
use uuid::Uuid;

const ADA: Uuid = Uuid::from_u128(0xada);
const BOB: Uuid = Uuid::from_u128(0xb0b);

fn routes() -> Router {
    Router::new()
        .route("/anyone", get(|cx: Context| async move { cx.principal().actor() }))
        .route("/user", get(|cx: Context| async move { edge::user(&cx).map(|id| id.to_string()) }))
        .route(
            "/staff",
            get(|cx: Context| async move { edge::require(&cx, Role::Staff).map(drop) }),
        )
        .route("/adas", get(|cx: Context| async move { edge::owner(&cx, ADA) }))
        .route("/caller", get(caller))
        .route("/open", get(|cx: Context| async move { cx.principal().actor() }))
        .route("/closed", get(|| async { Problem::invalid_field("/", "anything") }))
}

async fn caller(caller: Caller) -> Result<String, Problem> {
    Ok(format!("{} {}", caller.user, caller.session))
}

async fn ask(api: &Api, path: &str, token: &str) -> Response {
    api.get(path).bearer_auth(token).send().await.unwrap()
}

async fn refused(response: Response, slug: &str) -> Value {
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    problem(response, 401, slug).await
}

#[tokio::test]
async fn nobody_is_anonymous_where_that_is_enough() {
    let api = Api::start(routes()).await;
    assert_eq!(api.get("/anyone").send().await.unwrap().text().await.unwrap(), "anonymous");
    for path in ["/user", "/staff", "/adas", "/caller"] {
        refused(api.get(path).send().await.unwrap(), "unauthenticated").await;
    }
    assert_eq!(api.identity.times_asked(), 0);
}

#[tokio::test]
async fn a_good_token_says_who_asks() {
    let api = Api::start(routes()).await;
    let token = api.token(ADA, &[Role::Customer]);
    let words = ask(&api, "/anyone", &token).await.text().await.unwrap();
    assert_eq!(words, format!("user:{ADA}"));
    let words = ask(&api, "/caller", &token).await.text().await.unwrap();
    assert_eq!(words, format!("{ADA} {}", Uuid::from_u128(7)));
    assert_eq!(api.identity.times_asked(), 1);
}

#[tokio::test]
async fn a_role_opens_what_it_is_for_and_an_admin_everything() {
    let api = Api::start(routes()).await;
    for (roles, status) in [
        (vec![Role::Customer, Role::Organizer], StatusCode::FORBIDDEN),
        (vec![Role::Staff], StatusCode::OK),
        (vec![Role::Admin], StatusCode::OK),
        (vec![], StatusCode::FORBIDDEN),
    ] {
        let token = api.token(BOB, &roles);
        assert_eq!(ask(&api, "/staff", &token).await.status(), status, "{roles:?}");
    }
    let body = problem(ask(&api, "/staff", &api.token(BOB, &[])).await, 403, "forbidden").await;
    assert_eq!(body["detail"], "this needs the role staff");
}

#[tokio::test]
async fn what_belongs_to_somebody_else_does_not_exist() {
    let api = Api::start(routes()).await;
    assert_eq!(ask(&api, "/adas", &api.token(ADA, &[])).await.status(), StatusCode::OK);
    assert_eq!(ask(&api, "/adas", &api.token(BOB, &[Role::Admin])).await.status(), StatusCode::OK);
    problem(ask(&api, "/adas", &api.token(BOB, &[Role::Staff])).await, 404, "not-found").await;
}

#[tokio::test]
async fn a_token_whose_time_is_over_is_refused_as_such() {
    let api = Api::start(routes()).await;
    let token = api.token(ADA, &[]);
    api.clock.advance(SignedDuration::from_secs(15 * 60 + 4));
    assert_eq!(ask(&api, "/user", &token).await.status(), StatusCode::OK);
    api.clock.advance(SignedDuration::from_secs(1));
    refused(ask(&api, "/user", &token).await, "token-expired").await;
    refused(ask(&api, "/anyone", &token).await, "token-expired").await;
}

#[tokio::test]
async fn a_token_whose_time_has_not_begun_is_refused() {
    let api = Api::start(routes()).await;
    let signer = api.identity.signer();
    let claims = api.claims(ADA, &[]);
    let from = |seconds| AccessClaims { nbf: Some(claims.iat + seconds), ..claims.clone() };
    let signed = |seconds| AccessClaims { iat: claims.iat + seconds, ..claims.clone() };
    for clocks_differ in [from(5), signed(5), from(-60)] {
        let token = signer.sign(&clocks_differ).unwrap();
        assert_eq!(ask(&api, "/user", &token).await.status(), StatusCode::OK);
    }
    for early in [from(6), signed(6), signed(i64::MAX / 2)] {
        let token = signer.sign(&early).unwrap();
        refused(ask(&api, "/user", &token).await, "unauthenticated").await;
    }
}

#[tokio::test]
async fn a_token_of_a_session_that_has_ended_is_refused() {
    let api = Api::start(routes()).await;
    let token = api.token(ADA, &[]);
    assert_eq!(ask(&api, "/user", &token).await.status(), StatusCode::OK);
    let now = api.clock.now();
    let until = now + SignedDuration::from_mins(15);
    let session = api.claims(ADA, &[]).sid;
    let ended = Revocation { revoked: Revoked::Session(session), until };
    api.cache.revoke(ended, now).await;
    for path in ["/user", "/anyone", "/closed"] {
        refused(ask(&api, path, &token).await, "unauthenticated").await;
    }
    assert_eq!(ask(&api, "/open", &token).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn when_all_sessions_of_an_account_end_those_opened_later_and_the_spared_one_go_on() {
    let api = Api::start(routes()).await;
    let signer = api.identity.signer();
    let token = |session: u128, epoch| {
        let claims = AccessClaims { sid: Uuid::from_u128(session), ..api.claims(ADA, &[]) };
        signer.sign(&claims.in_epoch(epoch)).unwrap()
    };
    let now = api.clock.now();
    let revoked = Revoked::Sessions { account: ADA, epoch: 2, spared: Some(Uuid::from_u128(21)) };
    api.cache.revoke(Revocation { revoked, until: now + SignedDuration::from_mins(15) }, now).await;
    refused(ask(&api, "/user", &token(20, 1)).await, "unauthenticated").await;
    for good in [token(21, 1), token(22, 2), api.token(BOB, &[])] {
        assert_eq!(ask(&api, "/user", &good).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn whoever_has_no_token_where_one_is_needed_hears_of_nothing_else() {
    let api = Api::start(routes()).await;
    refused(api.get("/closed").send().await.unwrap(), "unauthenticated").await;
    problem(ask(&api, "/closed", &api.token(ADA, &[])).await, 422, "invalid-input").await;
}

#[tokio::test]
async fn nobody_looks_at_a_token_where_none_is_taken() {
    let api = Api::start(routes()).await;
    let token = api.token(ADA, &[]);
    api.clock.advance(SignedDuration::from_hours(1));
    for token in [token.as_str(), "nonsense"] {
        let answer = ask(&api, "/open", token).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.text().await.unwrap(), "anonymous");
        problem(ask(&api, "/nowhere", token).await, 404, "not-found").await;
    }
    assert_eq!(api.identity.times_asked(), 0);
}

#[tokio::test]
async fn claims_that_are_not_ours_are_refused() {
    let api = Api::start(routes()).await;
    let good = || api.claims(ADA, &[]);
    let signer = api.identity.signer();
    assert_eq!(ask(&api, "/user", &signer.sign(&good()).unwrap()).await.status(), StatusCode::OK);
    let strange: [AccessClaims; 2] = [
        AccessClaims { iss: "boxoffice".to_owned(), ..good() },
        AccessClaims { aud: "payments".to_owned(), ..good() },
    ];
    for claims in strange {
        let token = signer.sign(&claims).unwrap();
        refused(ask(&api, "/user", &token).await, "unauthenticated").await;
    }
}

#[tokio::test]
async fn a_claim_that_is_missing_is_not_made_up() {
    let api = Api::start(routes()).await;
    let key = EncodingKey::from_ed_pem(pem(1).as_bytes()).unwrap();
    let whole = json!(api.claims(ADA, &[]));
    for claim in ["iss", "aud", "sub", "exp"] {
        let mut claims = whole.clone();
        claims.as_object_mut().unwrap().remove(claim);
        let token = jsonwebtoken::encode(&header(&api), &claims, &key).unwrap();
        refused(ask(&api, "/user", &token).await, "unauthenticated").await;
    }
}

#[tokio::test]
async fn only_eddsa_with_a_named_key_and_the_right_type_counts() {
    let api = Api::start(routes()).await;
    let claims = api.claims(ADA, &[Role::Admin]);
    let ed = EncodingKey::from_ed_pem(pem(1).as_bytes()).unwrap();
    let public = URL_SAFE_NO_PAD.decode(&api.identity.signer().public_key().x).unwrap();
    let hmac = EncodingKey::from_secret(&public);

    let confused = Header { alg: Algorithm::HS256, ..header(&api) };
    let nameless = Header { kid: None, ..header(&api) };
    let other_type = Header { typ: Some("JWT".to_owned()), ..header(&api) };
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..header(&api) };
    let tokens = [
        jsonwebtoken::encode(&confused, &claims, &hmac).unwrap(),
        jsonwebtoken::encode(&nameless, &claims, &ed).unwrap(),
        jsonwebtoken::encode(&other_type, &claims, &ed).unwrap(),
        jsonwebtoken::encode(&critical, &claims, &ed).unwrap(),
        unsigned(&claims),
    ];
    for token in tokens {
        refused(ask(&api, "/user", &token).await, "unauthenticated").await;
    }
}

fn pem(seed: u64) -> String {
    edge::token::new_private_key_pem(&testkit::SeededRandom::new(seed))
}

fn header(api: &Api) -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(edge::token::TOKEN_TYPE.to_owned());
    header.kid = Some(api.identity.signer().public_key().kid.clone());
    header
}

fn unsigned(claims: &AccessClaims) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(json!({ "alg": "none", "typ": "at+jwt" })), part(json!(claims)))
}

#[tokio::test]
async fn a_token_that_was_tampered_with_is_refused() {
    let api = Api::start(routes()).await;
    let token = api.token(ADA, &[]);
    let parts: Vec<&str> = token.split('.').collect();
    let [head, _, signature] = parts[..] else { panic!("a token has three parts") };
    let admin = URL_SAFE_NO_PAD.encode(json!(api.claims(ADA, &[Role::Admin])).to_string());
    for forged in [
        format!("{head}.{admin}.{signature}"),
        format!("{token}x"),
        token.replace('.', ""),
        "x".to_owned(),
        "..".to_owned(),
        "x".repeat(5_000),
    ] {
        refused(ask(&api, "/user", &forged).await, "unauthenticated").await;
    }
}

#[tokio::test]
async fn a_header_that_is_no_bearer_token_is_refused() {
    let api = Api::start(routes()).await;
    let token = api.token(ADA, &[]);
    for value in ["Basic YWRhOnNlY3JldA==".to_owned(), "Bearer".to_owned(), token.clone()] {
        let answer = api.get("/anyone").header("authorization", value).send().await.unwrap();
        refused(answer, "unauthenticated").await;
    }
    let twice = api.get("/anyone").bearer_auth(&token).bearer_auth(&token);
    refused(twice.send().await.unwrap(), "unauthenticated").await;
    let lower = api.get("/user").header("authorization", format!("bearer {token}"));
    assert_eq!(lower.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_old_tokens_go_on_working() {
    let api = Api::start(routes()).await;
    let old = api.token(ADA, &[]);
    assert_eq!(ask(&api, "/user", &old).await.status(), StatusCode::OK);
    api.identity.rotate();
    api.clock.advance(SignedDuration::from_secs(1));
    let new = api.token(ADA, &[]);
    assert_eq!(ask(&api, "/user", &new).await.status(), StatusCode::OK);
    assert_eq!(ask(&api, "/user", &old).await.status(), StatusCode::OK);
    assert_eq!(api.identity.times_asked(), 2);
}

#[tokio::test]
async fn tokens_with_made_up_keys_do_not_make_identity_busy() {
    let api = Api::start(routes()).await;
    for seed in 10..30 {
        let stranger = signer(seed).sign(&api.claims(ADA, &[])).unwrap();
        refused(ask(&api, "/user", &stranger).await, "unauthenticated").await;
    }
    assert_eq!(api.identity.times_asked(), 1);
}

#[tokio::test]
async fn a_key_that_was_taken_back_is_forgotten_after_a_while() {
    let api = Api::start(routes()).await;
    let old = api.token(ADA, &[]);
    assert_eq!(ask(&api, "/user", &old).await.status(), StatusCode::OK);
    api.identity.rotate();
    api.identity.takes_back_the_first_key();
    api.clock.advance(SignedDuration::from_mins(5));
    eventually("the key to be forgotten", || async {
        ask(&api, "/user", &old).await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
}

#[tokio::test]
async fn known_keys_go_on_working_while_identity_is_away() {
    let api = Api::start(routes()).await;
    let token = api.token(ADA, &[]);
    assert_eq!(ask(&api, "/user", &token).await.status(), StatusCode::OK);
    api.identity.goes_away();
    assert_eq!(ask(&api, "/user", &token).await.status(), StatusCode::OK);

    api.clock.advance(SignedDuration::from_mins(10));
    let stranger = signer(9).sign(&api.claims(ADA, &[])).unwrap();
    problem(ask(&api, "/user", &stranger).await, 503, "service-unavailable").await;
    assert_eq!(ask(&api, "/user", &token).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_any_key_a_token_cannot_be_judged() {
    let api = Api::start(routes()).await;
    api.identity.goes_away();
    let answer = ask(&api, "/user", &api.token(ADA, &[])).await;
    assert!(answer.headers().contains_key("retry-after"));
    problem(answer, 503, "service-unavailable").await;
    assert_eq!(api.get("/anyone").send().await.unwrap().status(), StatusCode::OK);
}

#[test]
fn a_key_is_named_by_its_thumbprint() {
    // The key and its thumbprint are the example of RFC 8037, appendix A.
    let der = "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let bytes: Vec<u8> = (0..der.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(der.get(at..at + 2).unwrap(), 16).unwrap())
        .collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----\n");
    let signer = edge::token::TokenSigner::from_pem(&pem).unwrap();
    assert_eq!(signer.public_key().x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(signer.public_key().kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn what_is_no_key_is_refused_with_a_reason() {
    let fault = edge::token::TokenSigner::from_pem("swordfish").unwrap_err().to_string();
    assert!(fault.starts_with("not an Ed25519 private key in PKCS#8 PEM"), "{fault}");
    assert!(!fault.contains("swordfish"), "{fault}");
}

//! Redis over TLS.

use testkit::{certificates, redis};

use crate::replica::{PHONE, start_trusting, until};

#[tokio::test]
async fn replicas_hear_each_other_over_an_encrypted_connection() {
    let (place, _server) = redis::encrypted().await;
    let authority = certificates::authority;
    let one = start_trusting(&place, authority()).connected().await;
    let other = start_trusting(&place, authority()).connected().await;
    one.log_out(PHONE).await;
    until("the other replica to refuse the session", || other.refuses(PHONE)).await;
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_spoken_to() {
    let (place, _server) = redis::encrypted().await;
    let wary = start_trusting(&place, certificates::another_authority());
    until("the server to be refused", || wary.is_degraded()).await;
}

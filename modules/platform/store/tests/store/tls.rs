//! The way to a PostgreSQL server, encrypted, and whom the store believes.

use sqlx::FromRow;
use store::{Database, StoreError, TlsMode};
use testkit::{Server, certificates, postgres};

use crate::world::World;

const WAY: &str = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

#[derive(Debug, FromRow)]
struct Way {
    ssl: bool,
    version: Option<String>,
}

/// A server whose certificate is for `localhost`, and a world on it that says nothing of TLS.
async fn encrypted() -> (World, Server) {
    encrypted_with(postgres::Extra::default()).await
}

async fn encrypted_with(mut extra: postgres::Extra) -> (World, Server) {
    extra.settings.extend([
        ("ssl", "on".to_owned()),
        ("ssl_cert_file", "../server.pem".to_owned()),
        ("ssl_key_file", "../server-key.pem".to_owned()),
    ]);
    extra.files.extend([
        ("server.pem", certificates::SERVER.to_owned()),
        ("server-key.pem", certificates::SERVER_KEY.to_owned()),
    ]);
    let (url, server) = postgres::private_with(extra).await;
    (World::on(url.as_str().split('?').next().unwrap()), server)
}

/// The same server under the name that its certificate is for.
fn by_name(world: &World) -> String {
    world.settings.url.expose().replace("127.0.0.1", "localhost")
}

async fn way(world: &World) -> Result<Way, StoreError> {
    let connected = Database::connect(&world.settings, "ledger", world.directory()).await;
    let database = connected?;
    Ok(store::fetch_one!(&database, Way, WAY).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_encrypts_and_verifies_as_it_says() {
    use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};

    let (mut world, _server) = encrypted().await;
    let (address, name) = (world.settings.url.expose().to_owned(), by_name(&world));
    let (ours, strangers) =
        (Some(certificates::authority()), Some(certificates::another_authority()));
    for (tls, ca_file, url, expected) in [
        (None, None, &address, Some(true)),
        (Some(Disable), None, &address, Some(false)),
        (Some(Prefer), None, &address, Some(true)),
        (Some(Require), None, &address, Some(true)),
        (Some(VerifyCa), ours.clone(), &address, Some(true)),
        (Some(VerifyCa), strangers.clone(), &address, None),
        (Some(VerifyFull), ours.clone(), &name, Some(true)),
        (Some(VerifyFull), ours, &address, None),
        (Some(VerifyFull), strangers, &name, None),
        (Some(VerifyFull), None, &name, None),
    ] {
        let case = format!("{tls:?} with {ca_file:?} to {}", url.rsplit('@').next().unwrap());
        world.settings.tls = tls;
        world.settings.ca_file = ca_file;
        world.settings.url = url.clone().into();
        match (way(&world).await, expected) {
            (Ok(way), Some(is_encrypted)) => {
                assert_eq!(way.ssl, is_encrypted, "{case}");
                let version = way.version.unwrap_or_default();
                assert_eq!(version == "TLSv1.3", is_encrypted, "{case}: {version}");
            }
            (Err(StoreError::Unavailable(reason)), None) => {
                assert!(reason.contains("certificate"), "{case}: {reason}");
            }
            (outcome, _) => panic!("{case}: {outcome:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_may_say_it_as_well() {
    let (mut world, _server) = encrypted().await;
    let authority = certificates::authority();
    let url =
        format!("{}?sslmode=verify-full&sslrootcert={}", by_name(&world), authority.display());
    world.settings.url = url.into();
    assert!(way(&world).await.unwrap().ssl);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_in_clear_to_a_server_without_tls() {
    let mut world = World::postgres().await;
    let url = world.settings.url.expose().split('?').next().unwrap().to_owned();
    world.settings.url = url.into();
    world.settings.tls = Some(TlsMode::Require);
    let Err(StoreError::Unavailable(reason)) = way(&world).await else { panic!("it went") };
    assert!(reason.contains("does not support TLS"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_know_us_by_our_certificate() {
    let extra = postgres::Extra {
        settings: vec![
            ("ssl_ca_file", "../ca.pem".to_owned()),
            ("hba_file", "pg_hba.conf".to_owned()),
            ("ident_file", "pg_ident.conf".to_owned()),
        ],
        files: vec![
            ("ca.pem", certificates::AUTHORITY.to_owned()),
            // In clear with the password, encrypted by certificate alone.
            (
                "pg_hba.conf",
                "hostssl all all all cert map=clients\nhostnossl all all all password\n".to_owned(),
            ),
            ("pg_ident.conf", "clients client boxoffice\n".to_owned()),
        ],
    };
    let (mut world, _server) = encrypted_with(extra).await;
    let url = by_name(&world);
    let (_, place) = url.split_once('@').unwrap();
    world.settings.url = format!("postgres://boxoffice@{place}").into();
    world.settings.tls = Some(TlsMode::VerifyFull);
    world.settings.ca_file = Some(certificates::authority());
    let refused = way(&world).await.expect_err("a stranger").to_string();
    assert!(refused.contains("certificate"), "{refused}");
    world.settings.certificate_file = Some(certificates::client());
    world.settings.key_file = Some(certificates::client_key());
    assert!(way(&world).await.unwrap().ssl);
}

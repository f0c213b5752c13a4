//! A certificate for 127.0.0.1 that was made a moment ago, signed by itself, with its server's end.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

/// What its owner has, and what others trust.
pub(crate) struct Certificate {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) pem: String,
}

const SEQUENCE: u8 = 0x30;
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

impl Certificate {
    pub(crate) fn new() -> Self {
        let key = Ed25519KeyPair::generate().expect("a key can be made");
        let algorithm = der(SEQUENCE, &[oid(ED25519)]);
        let name = der(SEQUENCE, &[oid(COMMON_NAME), der(0x0c, &[b"mail server".to_vec()])]);
        let name = der(SEQUENCE, &[der(0x31, &[name])]);
        let time = |time: &str| der(0x18, &[time.as_bytes().to_vec()]);
        let public_key = bits(key.public_key().as_ref());
        let address = der(SEQUENCE, &[der(0x87, &[vec![127, 0, 0, 1]])]);
        let alt_name = der(SEQUENCE, &[oid(SUBJECT_ALT_NAME), der(0x04, &[address])]);
        let content = der(
            SEQUENCE,
            &[
                der(0xa0, &[der(0x02, &[vec![2]])]),
                der(0x02, &[vec![1]]),
                algorithm.clone(),
                name.clone(),
                der(SEQUENCE, &[time("20200101000000Z"), time("21200101000000Z")]),
                name,
                der(SEQUENCE, &[algorithm.clone(), public_key]),
                der(0xa3, &[der(SEQUENCE, &[alt_name])]),
            ],
        );
        let signature = bits(key.sign(&content).as_ref());
        let certificate = der(SEQUENCE, &[content, algorithm, signature]);
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(&certificate)
        );
        let secret = key.to_pkcs8v1().expect("a key can be written").as_ref().to_vec();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate)],
                PrivatePkcs8KeyDer::from(secret).into(),
            );
        let config = config.expect("key and certificate belong together");
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), pem }
    }
}

/// A value in DER: a tag, a length and what is in it.
fn der(tag: u8, content: &[Vec<u8>]) -> Vec<u8> {
    let content = content.concat();
    let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
    let mut value = vec![tag];
    match length {
        [0, short @ 0..0x80] => value.push(short),
        [0, long] => value.extend([0x81, long]),
        [high, low] => value.extend([0x82, high, low]),
    }
    value.extend(content);
    value
}

fn oid(name: &[u8]) -> Vec<u8> {
    der(0x06, &[name.to_vec()])
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    der(0x03, &[vec![0], bytes.to_vec()])
}

//! Key pairs in files.

use std::{fs, os::unix::fs::PermissionsExt, thread};

use runtime::{KeyError, KeyPair, SystemRandom};
use tempfile::TempDir;

#[test]
fn a_generated_private_key_is_for_its_owner_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keys").join("desk.pem");
    KeyPair::read_or_generate(&path, &SystemRandom::default()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let parent = fs::metadata(path.parent().unwrap()).unwrap();
    assert_eq!(parent.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_key_that_is_there_is_kept() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("desk.pem");
    let random = SystemRandom::default();
    let first = KeyPair::read_or_generate(&path, &random).unwrap();
    let second = KeyPair::read_or_generate(&path, &random).unwrap();
    assert_eq!(first.public_bytes(), second.public_bytes());
}

#[test]
fn all_who_generate_at_once_get_the_same_key_and_leave_nothing_behind() {
    let directory = TempDir::new().unwrap();
    let private = directory.path().join("desk.pem");
    let public = directory.path().join("desk.pub.pem");
    let keys: Vec<Vec<u8>> = thread::scope(|scope| {
        let makers: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let random = SystemRandom::default();
                    let pair = KeyPair::read_or_generate(&private, &random).unwrap();
                    pair.write_public(&public, &random).unwrap();
                    pair.public_bytes().to_vec()
                })
            })
            .collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    let mut names: Vec<String> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["desk.pem", "desk.pub.pem"]);
}

/// As `openssl genpkey -algorithm ed25519` writes it.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

/// The pair is the first test vector of RFC 8032, section 7.1.
#[test]
fn keys_are_read_and_written_in_the_usual_form() {
    let pair = KeyPair::from_pem(PRIVATE).unwrap();
    assert_eq!(pair.public_pem().unwrap(), PUBLIC);
    assert_eq!(pair.private_pem().unwrap(), PRIVATE);
    assert_eq!(pair.sign(b"")[..4], [0xe5, 0x56, 0x43, 0x00]);
}

#[test]
fn what_is_no_key_is_named() {
    assert!(matches!(KeyPair::from_pem(PUBLIC), Err(KeyError::NotPem { .. })));
    assert!(matches!(KeyPair::from_pem(""), Err(KeyError::NotPem { .. })));
    let cut = PRIVATE.replace("MC4CAQAw", "");
    assert!(matches!(KeyPair::from_pem(&cut), Err(KeyError::NotEd25519)));
}

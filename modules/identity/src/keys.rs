//! The keys that sign access tokens: a directory of Ed25519 private keys, `<name>.pem` each.
//!
//! All verify. The last by name signs, so that names with a date in front rotate by themselves;
//! times of modification would not do, since copying files and mounting secrets change them. A key
//! that appears while the process runs is given out at once and signs one reading later, when
//! other replicas have read it too. A key may be taken away once the last token it signed has
//! expired.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use edge::token::{AccessClaims, KeyFault, TokenKeySet, TokenSigner};
use runtime::{KeyError, KeyPair, Random, Timestamp};

/// The keys in use.
pub(crate) struct SigningKeys {
    directory: PathBuf,
    ring: ArcSwap<Ring>,
}

/// The keys as they were last read.
struct Ring {
    /// In the order of their names.
    keys: Vec<Key>,
    signing: Key,
}

#[derive(Clone)]
struct Key {
    name: String,
    signer: Arc<TokenSigner>,
}

/// Why there are no keys to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysFault {
    #[error("cannot read {}; let the process read it", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot make a key; let the process write there")]
    Unmakable(#[from] KeyError),
    #[error("cannot use {}; make a key with `openssl genpkey -algorithm ed25519`", path.display())]
    NotAKey { path: PathBuf, source: KeyFault },
    #[error("no .pem file in {}; put an Ed25519 private key there", .0.display())]
    NoKey(PathBuf),
    #[error("the thread that reads the keys ended early")]
    Died(#[from] tokio::task::JoinError),
}

impl SigningKeys {
    /// The keys in `directory`, of which there must be one.
    pub(crate) async fn open(directory: PathBuf) -> Result<Self, KeysFault> {
        let ring = Ring::choose(read(directory.clone()).await?, None, &directory)?;
        Ok(Self { directory, ring: ArcSwap::from_pointee(ring) })
    }

    /// The keys in `directory`, after making one named after `now` if there is none.
    pub(crate) async fn open_or_make(
        directory: PathBuf,
        random: Arc<dyn Random>,
        now: Timestamp,
    ) -> Result<Self, KeysFault> {
        let place = directory.clone();
        tokio::task::spawn_blocking(move || make_if_none(&place, random.as_ref(), now)).await??;
        Self::open(directory).await
    }

    /// Reads the directory again. On a fault the keys stay as they were.
    pub(crate) async fn reread(&self) -> Result<(), KeysFault> {
        let former = self.ring.load_full();
        let ring =
            Ring::choose(read(self.directory.clone()).await?, Some(&former), &self.directory)?;
        if ring.signing.name != former.signing.name {
            let kid = &ring.signing.signer.public_key().kid;
            tracing::info!(
                key = ring.signing.name,
                kid,
                "another key signs access tokens from now on"
            );
        }
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    pub(crate) fn sign(&self, claims: &AccessClaims) -> Result<String, KeyFault> {
        self.ring.load().signing.signer.sign(claims)
    }

    /// The public keys of all.
    pub(crate) fn public_keys(&self) -> TokenKeySet {
        let ring = self.ring.load();
        TokenKeySet { keys: ring.keys.iter().map(|key| key.signer.public_key().clone()).collect() }
    }
}

impl Ring {
    /// Signs with the last key that `former` had too; with the last of all when it had none.
    fn choose(keys: Vec<Key>, former: Option<&Self>, directory: &Path) -> Result<Self, KeysFault> {
        let was_known = |key: &&Key| former.is_some_and(|ring| ring.has(key));
        let signing = keys.iter().rfind(was_known).or_else(|| keys.last()).cloned();
        match signing {
            Some(signing) => Ok(Self { keys, signing }),
            None => Err(KeysFault::NoKey(directory.to_owned())),
        }
    }

    fn has(&self, key: &Key) -> bool {
        let id = |key: &Key| key.signer.public_key().kid.clone();
        self.keys.iter().any(|known| id(known) == id(key))
    }
}

async fn read(directory: PathBuf) -> Result<Vec<Key>, KeysFault> {
    tokio::task::spawn_blocking(move || read_now(&directory)).await?
}

/// Files whose name begins with a dot are somebody's own, such as those of an editor or of
/// Kubernetes.
fn read_now(directory: &Path) -> Result<Vec<Key>, KeysFault> {
    let unreadable = |source| KeysFault::Unreadable { path: directory.to_owned(), source };
    let mut keys = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_none_or(|extension| extension != "pem") || name.starts_with('.') {
            continue;
        }
        let pem = fs::read_to_string(&path)
            .map_err(|source| KeysFault::Unreadable { path: path.clone(), source })?;
        let signer = TokenSigner::from_pem(&pem)
            .map_err(|source| KeysFault::NotAKey { path: path.clone(), source })?;
        keys.push(Key { name: name.to_owned(), signer: Arc::new(signer) });
    }
    keys.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(keys)
}

fn make_if_none(directory: &Path, random: &dyn Random, now: Timestamp) -> Result<(), KeysFault> {
    if directory.is_dir() && !read_now(directory)?.is_empty() {
        return Ok(());
    }
    let name = now.strftime("%Y%m%dT%H%M%SZ");
    let path = directory.join(format!("{name}.pem"));
    KeyPair::read_or_generate(&path, random)?;
    tracing::info!(path = %path.display(), "made a key for access tokens");
    Ok(())
}

#[cfg(test)]
mod tests {
    use runtime::SystemRandom;
    use uuid::Uuid;

    use super::*;

    fn put(directory: &Path, name: &str) {
        KeyPair::read_or_generate(&directory.join(name), &SystemRandom::default()).unwrap();
    }

    fn signing_key(keys: &SigningKeys) -> String {
        keys.ring.load().signing.name.clone()
    }

    fn fault(opened: Result<SigningKeys, KeysFault>) -> String {
        opened.err().expect("the keys are refused").to_string()
    }

    #[tokio::test]
    async fn the_last_key_by_name_signs_and_all_are_given_out() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["2026-03.pem", "2026-11.pem", "2025-12.pem", "..2027-01.pem"] {
            put(directory.path(), name);
        }
        fs::write(directory.path().join("notes.txt"), "not a key").unwrap();
        let keys = SigningKeys::open(directory.path().to_owned()).await.unwrap();
        assert_eq!(signing_key(&keys), "2026-11");
        assert_eq!(keys.public_keys().keys.len(), 3);
    }

    #[tokio::test]
    async fn a_new_key_is_given_out_before_it_signs() {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path(), "a.pem");
        let keys = SigningKeys::open(directory.path().to_owned()).await.unwrap();
        put(directory.path(), "b.pem");
        keys.reread().await.unwrap();
        assert_eq!((signing_key(&keys).as_str(), keys.public_keys().keys.len()), ("a", 2));
        keys.reread().await.unwrap();
        assert_eq!((signing_key(&keys).as_str(), keys.public_keys().keys.len()), ("b", 2));
    }

    #[tokio::test]
    async fn a_key_that_is_taken_away_signs_no_more() {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path(), "a.pem");
        put(directory.path(), "b.pem");
        let keys = SigningKeys::open(directory.path().to_owned()).await.unwrap();
        fs::remove_file(directory.path().join("b.pem")).unwrap();
        keys.reread().await.unwrap();
        assert_eq!((signing_key(&keys).as_str(), keys.public_keys().keys.len()), ("a", 1));
    }

    #[tokio::test]
    async fn a_fault_leaves_the_keys_as_they_were() {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path(), "a.pem");
        let keys = SigningKeys::open(directory.path().to_owned()).await.unwrap();
        fs::write(directory.path().join("b.pem"), "rubbish").unwrap();
        let refused = keys.reread().await.unwrap_err().to_string();
        assert!(refused.contains("b.pem; make a key with"), "{refused}");
        fs::remove_file(directory.path().join("a.pem")).unwrap();
        fs::remove_file(directory.path().join("b.pem")).unwrap();
        assert!(matches!(keys.reread().await, Err(KeysFault::NoKey(_))));
        assert_eq!((signing_key(&keys).as_str(), keys.public_keys().keys.len()), ("a", 1));
    }

    #[tokio::test]
    async fn a_key_is_made_once_and_only_for_its_owner_to_read() {
        let data = tempfile::tempdir().unwrap();
        let directory = data.path().join("keys/tokens");
        let make = || {
            let random = Arc::new(SystemRandom::default());
            SigningKeys::open_or_make(directory.clone(), random, Timestamp::UNIX_EPOCH)
        };
        let (first, second) = (make().await.unwrap(), make().await.unwrap());
        assert_eq!(first.public_keys(), second.public_keys());
        assert_eq!(signing_key(&first), "19700101T000000Z");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let key = fs::metadata(directory.join("19700101T000000Z.pem")).unwrap();
            assert_eq!(key.permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn without_a_key_or_a_directory_the_fault_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let empty = fault(SigningKeys::open(directory.path().to_owned()).await);
        assert!(empty.contains("put an Ed25519 private key there"), "{empty}");
        let missing = fault(SigningKeys::open(directory.path().join("nowhere")).await);
        assert!(missing.contains("nowhere"), "{missing}");
    }

    #[tokio::test]
    async fn what_it_signs_says_which_key_signed() {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path(), "a.pem");
        let keys = SigningKeys::open(directory.path().to_owned()).await.unwrap();
        let life = std::time::Duration::from_mins(15);
        let claims = AccessClaims::new(
            Uuid::nil(),
            vec![],
            Uuid::nil(),
            Uuid::nil(),
            Timestamp::UNIX_EPOCH,
            life,
        );
        let token = keys.sign(&claims).unwrap();
        assert_eq!(token.split('.').count(), 3);
    }
}

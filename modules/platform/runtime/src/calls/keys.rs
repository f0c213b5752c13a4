//! Ed25519 key pairs in PEM files: read where an operator put them, made where nobody did.

use std::{
    fmt,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    encoding::AsDer as _,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::Random;

const PRIVATE_LABEL: &str = "PRIVATE KEY";
const PUBLIC_LABEL: &str = "PUBLIC KEY";
const PEM_LINE: usize = 64;
const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_DIR: u32 = 0o700;

/// An Ed25519 key pair for signatures, such as those of tokens.
pub struct KeyPair(Ed25519KeyPair);

impl KeyPair {
    /// A new pair.
    pub fn generate(random: &dyn Random) -> Result<Self, KeyError> {
        let seed: [u8; 32] = random.bytes();
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self).map_err(|_| KeyError::Unusable)
    }

    /// The pair of a private key in PEM: `PKCS#8`, version 1 or 2.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der =
            decode_pem(pem, PRIVATE_LABEL).ok_or(KeyError::NotPem { label: PRIVATE_LABEL })?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Self).map_err(|_| KeyError::NotEd25519)
    }

    /// Reads the private key in the file `path`.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let pem = fs::read_to_string(path).map_err(|source| KeyError::at(path, source))?;
        Self::from_pem(&pem).map_err(|error| error.in_file(path))
    }

    /// Reads every private key in `directory`: the files `*.pem`, by name. Files whose name begins
    /// with a dot are somebody's own, such as those of an editor. None is an error.
    pub fn read_all(directory: &Path) -> Result<Vec<Self>, KeyError> {
        let unreadable = |source| KeyError::at(directory, source);
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let is_pem = path.extension().is_some_and(|extension| extension == "pem");
            let name = path.file_name().and_then(|name| name.to_str());
            if is_pem && name.is_some_and(|name| !name.starts_with('.')) {
                paths.push(path);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(KeyError::Nothing { directory: directory.to_owned() });
        }
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// Reads the private key in the file `path`, or makes one there that only the owner of the
    /// process may read. Of several processes that do this at once, all get the same pair.
    pub fn read_or_generate(path: &Path, random: &dyn Random) -> Result<Self, KeyError> {
        match fs::exists(path) {
            Ok(true) => return Self::read(path),
            Ok(false) => {}
            Err(source) => return Err(KeyError::at(path, source)),
        }
        let pem = Self::generate(random)?.private_pem()?;
        let draft = Draft::write(path, &pem, OWNER_ONLY, random)?;
        match fs::hard_link(&draft.0, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(KeyError::at(path, source)),
        }
        Self::read(path)
    }

    /// Writes the public key to the file `path`, in one step: a reader sees the whole key or what
    /// was there before. A file that holds this key already is left as it is.
    pub fn write_public(&self, path: &Path, random: &dyn Random) -> Result<(), KeyError> {
        let pem = self.public_pem()?;
        if fs::read_to_string(path).is_ok_and(|present| present == pem) {
            return Ok(());
        }
        let draft = Draft::write(path, &pem, 0o644, random)?;
        fs::rename(&draft.0, path).map_err(|source| KeyError::at(path, source))
    }

    /// The private key in PEM: `PKCS#8`, version 1. A secret.
    pub fn private_pem(&self) -> Result<String, KeyError> {
        Ok(encode_pem(&self.private_der()?, PRIVATE_LABEL))
    }

    /// The private key in DER: `PKCS#8`, version 1. A secret.
    pub fn private_der(&self) -> Result<Vec<u8>, KeyError> {
        let document = self.0.to_pkcs8v1().map_err(|_| KeyError::Unusable)?;
        Ok(document.as_ref().to_vec())
    }

    /// The public key in PEM: `SubjectPublicKeyInfo`.
    pub fn public_pem(&self) -> Result<String, KeyError> {
        let der = self.0.public_key().as_der().map_err(|_| KeyError::Unusable)?;
        Ok(encode_pem(der.as_ref(), PUBLIC_LABEL))
    }

    /// The public key itself, as JSON Web Keys hold it in `x`.
    pub fn public_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// The signature of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        for (to, from) in signature.iter_mut().zip(self.0.sign(message).as_ref()) {
            *to = *from;
        }
        signature
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair")
    }
}

/// Why a key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not PEM, or holds something else.
    #[error("there is no `-----BEGIN {label}-----` block")]
    NotPem {
        /// What the block should be.
        label: &'static str,
    },
    /// A key of another kind.
    #[error(
        "the key is not an Ed25519 key in PKCS#8; `openssl genpkey -algorithm ed25519` makes one"
    )]
    NotEd25519,
    /// The key's form could not be converted.
    #[error("the key cannot be encoded")]
    Unusable,
    /// A directory without keys.
    #[error("no .pem file in {}; put an Ed25519 private key there", directory.display())]
    Nothing {
        /// The directory.
        directory: PathBuf,
    },
    /// One of the above, and where.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<KeyError>,
    },
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl KeyError {
    fn at(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(super) fn in_file(self, path: &Path) -> Self {
        Self::InFile { path: path.to_owned(), source: Box::new(self) }
    }
}

/// The raw public key of a PEM text.
pub(super) fn public_key_of(pem: &str) -> Result<Vec<u8>, KeyError> {
    /// What stands before the key in the `SubjectPublicKeyInfo` of every Ed25519 key (RFC 8410).
    const PREFIX: [u8; 12] =
        [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let der = decode_pem(pem, PUBLIC_LABEL).ok_or(KeyError::NotPem { label: PUBLIC_LABEL })?;
    match der.strip_prefix(&PREFIX) {
        Some(key) if key.len() == 32 => Ok(key.to_vec()),
        _ => Err(KeyError::NotEd25519),
    }
}

fn encode_pem(der: &[u8], label: &str) -> String {
    let encoded = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while let Some((line, after)) = rest.split_at_checked(PEM_LINE) {
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        pem.push_str(rest);
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

fn decode_pem(pem: &str, label: &str) -> Option<Vec<u8>> {
    let (_, after) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = after.split_once(&format!("-----END {label}-----"))?;
    let encoded: String = body.split_whitespace().collect();
    STANDARD.decode(encoded).ok()
}

/// A file under a name of its own beside the one it will become. Gone when dropped.
struct Draft(PathBuf);

impl Draft {
    fn write(path: &Path, content: &str, mode: u32, random: &dyn Random) -> Result<Self, KeyError> {
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut create = DirBuilder::new();
        create.recursive(true).mode(OWNER_ONLY_DIR);
        create.create(directory).map_err(|source| KeyError::at(directory, source))?;
        let mark = u64::from_be_bytes(random.bytes());
        let draft = Self(directory.join(format!(".{mark:016x}.{}.tmp", std::process::id())));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        options
            .open(&draft.0)
            .and_then(|mut file| {
                file.write_all(content.as_bytes())?;
                file.sync_all()
            })
            .map_err(|source| KeyError::at(&draft.0, source))?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Nothing to clean up when it was renamed; a leftover is harmless.
        let _ = fs::remove_file(&self.0);
    }
}

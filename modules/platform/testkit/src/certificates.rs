//! Certificates of servers and clients that tests start, as PEM: made once, good for a hundred years,
//! signed by an authority whose key nobody has kept.

use std::path::{Path, PathBuf};

/// The certificate of a server that is called `localhost`.
pub const SERVER: &str = include_str!("../certificates/server.pem");

/// Its key.
pub const SERVER_KEY: &str = include_str!("../certificates/server-key.pem");

/// The authority that vouches for [`SERVER`] and for the client.
pub const AUTHORITY: &str = include_str!("../certificates/ca.pem");

/// The file of [`AUTHORITY`].
pub fn authority() -> PathBuf {
    file("ca.pem")
}

/// The file of an authority that vouches for nobody.
pub fn another_authority() -> PathBuf {
    file("stranger-ca.pem")
}

/// The file of the certificate of a client that is called `client`.
pub fn client() -> PathBuf {
    file("client.pem")
}

/// The file of its key.
pub fn client_key() -> PathBuf {
    file("client-key.pem")
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates").join(name)
}

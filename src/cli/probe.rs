//! Asking a running process about itself, at its admin listener.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// A process that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `GET path` says at the admin listener at `address`, and whether that is good news.
pub(super) async fn ask(address: SocketAddr, path: &str) -> Result<(bool, String), String> {
    ask_within(address, path, PATIENCE).await
}

/// As [`ask`], of a process that may take `patience` for its answer.
pub(super) async fn ask_within(
    address: SocketAddr,
    path: &str,
    patience: Duration,
) -> Result<(bool, String), String> {
    let address = reachable(address);
    let get = async {
        let url = format!("http://{address}{path}");
        let response = runtime::web_client()?.get(url).timeout(patience).send().await?;
        let is_good = response.status().is_success();
        Ok::<_, runtime::StartError>((is_good, response.text().await?))
    };
    get.await.map_err(|error| format!("nobody answers at {address}: {error}"))
}

/// Who listens on every address can be reached on this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

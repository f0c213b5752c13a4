//! Ports that are known before anything listens on them.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of this machine's loopback that nobody else is given while this is held: neither before
/// its node listens on it, nor between a stop and a restart. Whoever connects while nobody listens
/// is refused.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    /// Bound and never listening. Linux lets others listen beside it; elsewhere it must go first.
    _held: Option<TcpSocket>,
}

impl Port {
    /// A free port.
    ///
    /// # Panics
    /// When the system has none to give.
    pub fn reserve() -> Self {
        let reserved = TcpSocket::new_v4().and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            Ok((socket.local_addr()?, socket))
        });
        match reserved {
            Ok((address, socket)) => {
                Self { address, _held: cfg!(target_os = "linux").then_some(socket) }
            }
            Err(error) => panic!("cannot reserve a port: {error}"),
        }
    }

    /// Where to listen and to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as the base of URLs.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn it_can_be_listened_on_again_and_again() {
        let port = Port::reserve();
        for _ in 0..3 {
            let listener = TcpListener::bind(port.address()).await.unwrap();
            let (client, server) =
                tokio::join!(TcpStream::connect(port.address()), listener.accept());
            client.unwrap();
            server.unwrap();
        }
    }

    #[tokio::test]
    async fn nobody_is_kept_waiting_while_nobody_listens() {
        let port = Port::reserve();
        let refused = TcpStream::connect(port.address()).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

//! A mail server for tests: it speaks as much of RFC 5321 as a client needs, keeps what it takes,
//! and does what it is told to when it is to be trouble.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use testkit::{Port, eventually};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// How the server treats its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes all mail.
    Good,
    /// Refuses every receiver with this answer.
    RefusesReceivers(u16),
    /// Refuses every mail with this answer, after it was sent.
    RefusesMail(u16),
    /// Hangs up in the middle of each mail.
    HangsUp,
    /// Takes the mail and says nothing any more.
    FallsSilent,
}

/// What the server does about encryption.
#[derive(Clone)]
pub(crate) enum Wire {
    /// It has none.
    Clear,
    /// It offers it after the greeting.
    Starttls(TlsAcceptor),
    /// It offers it after the greeting, and then has none.
    StarttlsInVain,
    /// It speaks nothing else.
    Tls(TlsAcceptor),
}

/// A mail server on a port of its own, for as long as it is kept.
pub(crate) struct MailServer {
    port: Port,
    mood: watch::Sender<Mood>,
    wire: Wire,
    taken: Arc<Mutex<Vec<String>>>,
    in_clear: Arc<Mutex<Vec<String>>>,
    work: Mutex<JoinSet<()>>,
}

impl MailServer {
    /// One without encryption.
    pub(crate) async fn open(mood: Mood) -> Self {
        Self::on(Wire::Clear, mood).await
    }

    pub(crate) async fn on(wire: Wire, mood: Mood) -> Self {
        let port = Port::reserve();
        let listener = TcpListener::bind(port.address()).await.expect("the port is reserved");
        let server = Self {
            port,
            mood: watch::Sender::new(mood),
            wire,
            taken: Arc::default(),
            in_clear: Arc::default(),
            work: Mutex::default(),
        };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: TcpListener) {
        let template = Client {
            mood: self.mood.subscribe(),
            wire: self.wire.clone(),
            taken: Arc::clone(&self.taken),
            in_clear: Arc::clone(&self.in_clear),
        };
        self.work.lock().expect("nobody panicked").spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                clients.spawn(template.clone().serve(socket));
            }
        });
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.address().port()
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Stops listening, and hangs up on everybody.
    pub(crate) async fn go_away(&self) {
        let mut work = std::mem::take(&mut *self.work.lock().expect("nobody panicked"));
        work.shutdown().await;
    }

    /// Listens at the same port again.
    pub(crate) async fn come_back(&self) {
        let address = self.port.address();
        let listener =
            eventually("the port to be free", || async { TcpListener::bind(address).await.ok() });
        self.serve(listener.await);
    }

    /// The commands that it heard without encryption, without what they were about.
    pub(crate) fn heard_in_clear(&self) -> Vec<String> {
        let heard = self.in_clear.lock().expect("nobody panicked");
        let words = heard.iter().filter_map(|line| line.split([' ', ':']).next());
        words.map(str::to_owned).collect()
    }

    /// The mails it has taken, once there are so many.
    pub(crate) async fn mails(&self, count: usize) -> Vec<String> {
        eventually(format!("{count} mails"), || async {
            let taken = self.taken.lock().expect("nobody panicked").clone();
            if taken.len() == count { Ok(taken) } else { Err(taken.len()) }
        })
        .await
    }
}

#[derive(Clone)]
struct Client {
    mood: watch::Receiver<Mood>,
    wire: Wire,
    taken: Arc<Mutex<Vec<String>>>,
    in_clear: Arc<Mutex<Vec<String>>>,
}

/// How a conversation ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Bye,
    /// It is to go on encrypted.
    Encrypt,
}

impl Client {
    async fn serve(self, socket: TcpStream) {
        // A client that hangs up is none of the server's trouble.
        let _ended = self.converse(socket).await;
    }

    async fn converse(&self, socket: TcpStream) -> std::io::Result<()> {
        if let Wire::Tls(acceptor) = &self.wire {
            let mut stream = BufReader::new(acceptor.accept(socket).await?);
            greet(&mut stream).await?;
            return self.talk(&mut stream, true).await.map(drop);
        }
        let mut stream = BufReader::new(socket);
        greet(&mut stream).await?;
        let ending = self.talk(&mut stream, false).await?;
        if let (Ending::Encrypt, Wire::Starttls(acceptor)) = (ending, &self.wire) {
            let mut encrypted = BufReader::new(acceptor.accept(stream.into_inner()).await?);
            self.talk(&mut encrypted, true).await?;
        }
        Ok(())
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        encrypted: bool,
    ) -> std::io::Result<Ending> {
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(Ending::Bye);
            }
            if !encrypted {
                self.in_clear.lock().expect("nobody panicked").push(line.trim().to_owned());
            }
            let mood = *self.mood.borrow();
            let command = line.get(..4).unwrap_or_default().to_uppercase();
            match (command.as_str(), mood) {
                ("EHLO", _) => {
                    let offers = match self.wire {
                        Wire::Starttls(_) | Wire::StarttlsInVain if !encrypted => "STARTTLS",
                        _ => "AUTH PLAIN",
                    };
                    say(stream, &format!("250-mail.example.org\r\n250-8BITMIME\r\n250 {offers}"))
                        .await?;
                }
                ("STAR", _) => match self.wire {
                    Wire::Starttls(_) if !encrypted => {
                        say(stream, "220 go ahead").await?;
                        return Ok(Ending::Encrypt);
                    }
                    _ => say(stream, "454 not now").await?,
                },
                ("AUTH", _) => say(stream, "235 welcome").await?,
                ("RCPT", Mood::RefusesReceivers(code)) => {
                    // As servers do, it repeats whom it does not want.
                    say(stream, &format!("{code} {}", line.trim())).await?;
                }
                ("DATA", _) => {
                    say(stream, "354 go on").await?;
                    let mail = read_mail(stream).await?;
                    match mood {
                        Mood::HangsUp => return Ok(Ending::Bye),
                        Mood::FallsSilent => pending::<()>().await,
                        Mood::RefusesMail(code) => {
                            say(stream, &format!("{code} not this one")).await?;
                        }
                        Mood::Good | Mood::RefusesReceivers(_) => {
                            self.taken.lock().expect("nobody panicked").push(mail);
                            say(stream, "250 taken").await?;
                        }
                    }
                }
                ("QUIT", _) => {
                    say(stream, "221 bye").await?;
                    return Ok(Ending::Bye);
                }
                _ => say(stream, "250 fine").await?,
            }
        }
    }
}

async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
) -> std::io::Result<()> {
    say(stream, "220 mail.example.org ESMTP").await
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    words: &str,
) -> std::io::Result<()> {
    stream.get_mut().write_all(format!("{words}\r\n").as_bytes()).await?;
    stream.get_mut().flush().await
}

async fn read_mail<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(mail);
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

//! A mail server for tests: it speaks as much of RFC 5321 as a client needs, keeps what it takes,
//! and does what it is told to when it is to be trouble.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use testkit::{Port, eventually};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

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

/// A mail server on a port of its own, for as long as it is kept.
pub(crate) struct MailServer {
    port: Port,
    mood: watch::Sender<Mood>,
    taken: Arc<Mutex<Vec<String>>>,
    work: Mutex<JoinSet<()>>,
}

impl MailServer {
    pub(crate) async fn open(mood: Mood) -> Self {
        let port = Port::reserve();
        let listener = TcpListener::bind(port.address()).await.expect("the port is reserved");
        let server = Self {
            port,
            mood: watch::Sender::new(mood),
            taken: Arc::default(),
            work: Mutex::default(),
        };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: TcpListener) {
        let (mood, taken) = (self.mood.subscribe(), Arc::clone(&self.taken));
        self.work.lock().expect("nobody panicked").spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let client = Client { mood: mood.clone(), taken: Arc::clone(&taken) };
                clients.spawn(client.serve(socket));
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

    /// The mails it has taken, once there are so many.
    pub(crate) async fn mails(&self, count: usize) -> Vec<String> {
        eventually(format!("{count} mails"), || async {
            let taken = self.taken.lock().expect("nobody panicked").clone();
            if taken.len() == count { Ok(taken) } else { Err(taken.len()) }
        })
        .await
    }
}

struct Client {
    mood: watch::Receiver<Mood>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Client {
    async fn serve(self, socket: TcpStream) {
        let mut stream = BufReader::new(socket);
        // A client that hangs up is none of the server's trouble.
        let _ended = self.talk(&mut stream).await;
    }

    async fn talk(&self, stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
        say(stream, "220 mail.example.org ESMTP").await?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let mood = *self.mood.borrow();
            let command = line.get(..4).unwrap_or_default().to_uppercase();
            match (command.as_str(), mood) {
                ("EHLO", _) => say(stream, "250-mail.example.org\r\n250 8BITMIME").await?,
                ("RCPT", Mood::RefusesReceivers(code)) => {
                    // As servers do, it repeats whom it does not want.
                    say(stream, &format!("{code} {}", line.trim())).await?;
                }
                ("DATA", _) => {
                    say(stream, "354 go on").await?;
                    let mail = read_mail(stream).await?;
                    match mood {
                        Mood::HangsUp => return Ok(()),
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
                ("QUIT", _) => return say(stream, "221 bye").await,
                _ => say(stream, "250 fine").await?,
            }
        }
    }
}

async fn say(stream: &mut BufReader<TcpStream>, words: &str) -> std::io::Result<()> {
    stream.get_mut().write_all(format!("{words}\r\n").as_bytes()).await
}

async fn read_mail(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(mail);
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

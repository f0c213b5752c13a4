//! `serve --mode micro`: every service in a process of its own, under one that looks after them.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener, TcpStream},
};

use testkit::{Port, eventually};

use crate::program::{Program, Serving};

/// Ports for every listener of every process, and the flags that say so.
struct Ports {
    of: BTreeMap<(&'static str, &'static str), Port>,
    flags: Vec<String>,
}

impl Ports {
    fn reserve() -> Self {
        let mut of = BTreeMap::new();
        let mut flags = Vec::new();
        let mut set = |key: String| flags.extend(["--set".to_owned(), key]);
        for module in boxoffice::registry::MODULES {
            let service = module.name;
            for listener in ["public", "internal", "admin"] {
                let port = Port::reserve();
                set(format!("processes.{service}.{listener}={}", port.address()));
                if listener != "admin" {
                    set(format!("peers.{service}.{listener}={}", port.url()));
                }
                of.insert((service, listener), port);
            }
        }
        Self { of, flags }
    }

    fn address(&self, service: &'static str, listener: &'static str) -> SocketAddr {
        self.of.get(&(service, listener)).expect("it was reserved").address()
    }

    async fn all_closed(&self) {
        let addresses: Vec<SocketAddr> = self.of.values().map(Port::address).collect();
        eventually("all processes to be gone", || async {
            addresses.iter().all(|address| TcpStream::connect(address).is_err())
        })
        .await;
    }
}

fn start(program: &Program, ports: &Ports, more: &[&str]) -> Serving {
    let flags = ports.flags.iter().map(String::as_str);
    let arguments: Vec<&str> =
        ["--mode", "micro"].into_iter().chain(flags).chain(more.iter().copied()).collect();
    program.start(&arguments)
}

#[tokio::test]
async fn all_processes_become_ready_and_stop_together() {
    let (program, ports) = (Program::new(), Ports::reserve());
    let serving = start(&program, &ports, &[]);
    let address = ports.address("gateway", "public");
    assert!(serving.says("API").contains(&format!("http://{address}/v1")));
    let services = serving.says("services");
    let orders = format!("orders http://{}", ports.address("orders", "admin"));
    assert!(services.contains(&orders) && !services.contains("gateway"), "{services}");
    serving.says("stop them with ctrl-c");
    assert!(TcpStream::connect(ports.address("orders", "internal")).is_ok());
    let flags = ports.flags.iter().map(String::as_str);
    let check: Vec<&str> = ["check", "--mode", "micro"].into_iter().chain(flags).collect();
    let checked = program.run(&check);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""), "{}", checked.out);
    for service in ["identity", "catalog", "inventory", "orders", "payments", "tickets"] {
        assert!(checked.out.contains(&format!("\n{service} ")), "{}", checked.out);
    }
    // Without the mode it asks one process: where people ask, the gateway.
    let admin = format!("admin.address={}", ports.address("gateway", "admin"));
    let alone = program.run(&["check", "--set", &admin]);
    assert_eq!((alone.code, alone.out.as_str()), (Some(2), ""), "{alone:?}");
    assert!(alone.err.contains("nothing was looked at: "), "{alone:?}");
    assert!(alone.err.contains("--mode micro asks every process"), "{alone:?}");
    serving.signal("INT");
    assert_eq!(serving.end().code(), Some(0));
    ports.all_closed().await;
}

#[tokio::test]
async fn when_one_process_dies_the_others_stop_and_its_code_is_everyones() {
    let (program, ports) = (Program::new(), Ports::reserve());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    let serving = start(&program, &ports, &["--set", &format!("processes.orders.admin={taken}")]);
    serving.logs("orders ended with exit status: 1; the others stop, too");
    assert_eq!(serving.end().code(), Some(1));
    ports.all_closed().await;
}

#[tokio::test]
async fn processes_do_not_outlive_the_one_that_looks_after_them() {
    let (program, ports) = (Program::new(), Ports::reserve());
    let serving = start(&program, &ports, &[]);
    serving.says("stop them with ctrl-c");
    serving.signal("KILL");
    drop(serving);
    ports.all_closed().await;
}

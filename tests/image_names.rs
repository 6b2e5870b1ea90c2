//! A DNS server that knows one name.

use std::{
    collections::BTreeSet,
    net::UdpSocket,
    sync::{Arc, Mutex},
};

/// Answers on port 53 of a loopback address that nobody else uses.
pub struct Names {
    /// Its address.
    pub server: &'static str,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Names {
    /// Says from now on that `name` is 127.0.0.1, and that there is no other.
    pub fn serve(name: &'static str) -> Self {
        let this = Self { server: "127.17.53.1", asked: Arc::default() };
        let socket = UdpSocket::bind((this.server, 53)).expect("port 53, which takes root");
        let asked = this.asked.clone();
        std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                let (question, kind) = read(&query[..length]);
                let _ = socket.send_to(&reply(&query[..length], question == name, kind), from);
                asked.lock().unwrap().insert(question);
            }
        });
        this
    }

    /// The names that were asked for so far.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Where the first question begins.
const QUESTION: usize = 12;
/// The kind of record that holds an IPv4 address.
const A: u8 = 1;

/// The name that a query asks for, and the kind of record.
fn read(query: &[u8]) -> (String, u8) {
    let (mut labels, mut at) = (Vec::new(), QUESTION);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), query[at + 2])
}

/// 127.0.0.1 for kind A, nothing for other kinds, and "no such name" (code 3) when it is not known.
fn reply(query: &[u8], known: bool, kind: u8) -> Vec<u8> {
    let end = QUESTION + query[QUESTION..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let answers = u8::from(known && kind == A);
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, answers, 0, 0, 0, 0]);
    reply.extend(&query[QUESTION..end]);
    if answers == 1 {
        reply.extend([0xc0, QUESTION as u8, 0, A, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    reply
}

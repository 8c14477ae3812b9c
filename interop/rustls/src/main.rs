//! Judges certificates and meets peers as a Linkerd proxy does: its two verifiers over rustls, its roots from PEM, its
//! signature algorithms, its identities. Each line on standard input is one question, its words apart by tabs; each line
//! on standard output is its answer in JSON: the "names" that were proved, or why it is "refused".
//!
//! ```text
//! server ANCHORS CHAIN ID     the chain as that of a server that must be ID (a DNS name or a SPIFFE ID)
//! client ANCHORS CHAIN        the chain as that of a client; the answer has the names in it
//! anchors ANCHORS              whether all of them can be anchors
//! meet ID CLIENT_ANCHORS CLIENT_CHAIN CLIENT_KEY SERVER_ANCHORS SERVER_CHAIN SERVER_KEY     a handshake, TLS 1.3
//! ```

mod handshake;
mod proxy;

use std::error::Error;
use std::io::{self, BufRead};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

type Answer = Result<Vec<String>, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split('\t').collect();
        match answer(&words) {
            Ok(names) => println!("{{\"names\":[{}]}}", quoted(&names)),
            Err(error) => println!("{{\"refused\":{}}}", quoted(&[error.to_string()])),
        }
    }
    Ok(())
}

fn answer(words: &[&str]) -> Answer {
    match words {
        ["server", anchors, chain, id] => {
            let chain = certificates(chain)?;
            proxy::verify_server(&certificates(anchors)?, &chain)?;
            proxy::verify_id(&chain[0], id)?;
            proxy::names_of(&chain[0])
        }
        ["client", anchors, chain] => {
            let chain = certificates(chain)?;
            proxy::verify_client(&certificates(anchors)?, &chain)?;
            proxy::names_of(&chain[0])
        }
        ["anchors", anchors] => {
            proxy::roots_of(&certificates(anchors)?)?;
            Ok(Vec::new())
        }
        [
            "meet",
            id,
            client @ ..,
            server_anchors,
            server_chain,
            server_key,
        ] if client.len() == 3 => {
            let client = handshake::Side::read(client[0], client[1], client[2])?;
            let server = handshake::Side::read(server_anchors, server_chain, server_key)?;
            handshake::meet(id, &client, &server)
        }
        _ => Err(format!("not a question: {}", words.join(" ")).into()),
    }
}

/// The certificates of a PEM file, at least one.
fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, Box<dyn Error>> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    if found.is_empty() {
        Err(format!("{path} holds no certificate").into())
    } else {
        Ok(found)
    }
}

fn quoted(texts: &[String]) -> String {
    let each = |text: &String| {
        format!(
            "\"{}\"",
            text.escape_default().to_string().replace("\\'", "'")
        )
    };
    texts.iter().map(each).collect::<Vec<_>>().join(",")
}

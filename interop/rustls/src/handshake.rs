//! Two proxies of Linkerd's kind that meet in memory.

use std::error::Error;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use crate::proxy::{AnyName, client_verifier, names_of, provider, roots_of, verify_id};

/// What one proxy has: what it believes, and what it shows.
pub struct Side {
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Side {
    pub fn read(anchors: &str, chain: &str, key: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            roots: roots_of(&crate::certificates(anchors)?)?,
            chain: crate::certificates(chain)?,
            key: PrivateKeyDer::from_pem_file(key)?,
        })
    }
}

/// A whole handshake; the names of the client as the server saw them. Refused where either refuses the other.
pub fn meet(id: &str, client: &Side, server: &Side) -> crate::Answer {
    let (mut caller, mut called) = (dial(client)?, listen(server)?);
    while caller.is_handshaking()
        || called.is_handshaking()
        || caller.wants_write()
        || called.wants_write()
    {
        let mut flight = Vec::new();
        caller.write_tls(&mut flight)?;
        called.read_tls(&mut flight.as_slice())?;
        called
            .process_new_packets()
            .map_err(|error| format!("the server refused the client: {error}"))?;
        flight.clear();
        called.write_tls(&mut flight)?;
        caller.read_tls(&mut flight.as_slice())?;
        caller
            .process_new_packets()
            .map_err(|error| format!("the client refused the server: {error}"))?;
    }
    verify_id(
        &caller
            .peer_certificates()
            .ok_or("the server showed nothing")?[0],
        id,
    )?;
    names_of(
        &called
            .peer_certificates()
            .ok_or("the client showed nothing")?[0],
    )
}

fn dial(side: &Side) -> Result<ClientConnection, Box<dyn Error>> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyName(side.roots.clone())))
        .with_client_auth_cert(side.chain.clone(), side.key.clone_key())?;
    Ok(ClientConnection::new(
        Arc::new(config),
        ServerName::try_from("proxy.linkerd.example")?,
    )?)
}

fn listen(side: &Side) -> Result<ServerConnection, Box<dyn Error>> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(client_verifier(side.roots.clone())?)
        .with_single_cert(side.chain.clone(), side.key.clone_key())?;
    Ok(ServerConnection::new(Arc::new(config))?)
}

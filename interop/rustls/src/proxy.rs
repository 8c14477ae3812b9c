//! What a Linkerd proxy believes: for a server that rustls builds a path to an anchor, without a name, and that the expected
//! identity is among its DNS and URI names; for a client the standard verifier, and its names are its identity.

use std::error::Error;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

/// The signatures a proxy verifies; none is RSA-PSS, the only RSA that TLS 1.3 knows.
static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        webpki::ring::ECDSA_P256_SHA256,
        webpki::ring::ECDSA_P256_SHA384,
        webpki::ring::ECDSA_P384_SHA256,
        webpki::ring::ECDSA_P384_SHA384,
        webpki::ring::ED25519,
        webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        webpki::ring::RSA_PKCS1_2048_8192_SHA384,
        webpki::ring::RSA_PKCS1_2048_8192_SHA512,
    ],
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[webpki::ring::ECDSA_P384_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[webpki::ring::ECDSA_P256_SHA256],
        ),
        (SignatureScheme::ED25519, &[webpki::ring::ED25519]),
    ],
};

/// Everything cryptographic.
pub fn provider() -> Arc<CryptoProvider> {
    let ring = rustls::crypto::ring::default_provider();
    Arc::new(CryptoProvider {
        signature_verification_algorithms: ALGORITHMS,
        ..ring
    })
}

/// The one pool of anchors; all of them must be of use, as with a proxy.
pub fn roots_of(anchors: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(anchors.iter().cloned());
    if unusable > 0 {
        Err(format!("{unusable} anchors cannot be used").into())
    } else {
        Ok(Arc::new(roots))
    }
}

/// Judges the chain of a server, whatever its names are.
pub fn verify_server(
    anchors: &[CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
) -> Result<(), Box<dyn Error>> {
    judge_server(
        &*roots_of(anchors)?,
        &chain[0],
        &chain[1..],
        UnixTime::now(),
    )?;
    Ok(())
}

/// Judges the chain of a client.
pub fn verify_client(
    anchors: &[CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
) -> Result<(), Box<dyn Error>> {
    client_verifier(roots_of(anchors)?)?.verify_client_cert(
        &chain[0],
        &chain[1..],
        UnixTime::now(),
    )?;
    Ok(())
}

/// The verifier of client certificates.
pub fn client_verifier(
    roots: Arc<RootCertStore>,
) -> Result<Arc<dyn ClientCertVerifier>, Box<dyn Error>> {
    Ok(
        WebPkiClientVerifier::builder_with_provider(roots, provider())
            .allow_unauthenticated()
            .build()?,
    )
}

/// Refuses a certificate that does not have `id` among its names.
pub fn verify_id(leaf: &CertificateDer<'_>, id: &str) -> Result<(), Box<dyn Error>> {
    if names_of(leaf)?.iter().any(|name| name == id) {
        Ok(())
    } else {
        Err("certificate does not match TLS identity".into())
    }
}

/// The DNS names of a certificate, then its URIs.
pub fn names_of(leaf: &CertificateDer<'_>) -> Result<Vec<String>, Box<dyn Error>> {
    let leaf = EndEntityCert::try_from(leaf)?;
    Ok(leaf
        .valid_dns_names()
        .chain(leaf.valid_uri_names())
        .map(str::to_owned)
        .collect())
}

fn judge_server(
    roots: &RootCertStore,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let leaf = ParsedCertificate::try_from(leaf)?;
    verify_server_cert_signed_by_trust_anchor(&leaf, roots, intermediates, now, ALGORITHMS.all)
}

/// The verifier of server certificates in a handshake; whose they are is asked afterwards.
#[derive(Debug)]
pub struct AnyName(pub Arc<RootCertStore>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        judge_server(&self.0, leaf, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}

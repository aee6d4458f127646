//! TLS for endpoints behind `https`.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};

use super::{FetchError, Timed};

/// Where systems keep the authorities they trust; `SSL_CERT_FILE` comes before them.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Which certificates are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that the system's authorities have signed for the host.
    Roots,
    /// Any: on this machine, or where the user said so.
    Any,
}

pub(super) fn wrap(
    mut socket: Timed,
    host: &str,
    trust: Trust,
    url: &str,
    timed_out: impl Fn() -> FetchError,
) -> Result<StreamOwned<ClientConnection, Timed>, FetchError> {
    let failed = |reason: String, certificate| FetchError::Tls { url: url.to_owned(), reason, certificate };
    let plain = |error: &dyn std::error::Error| failed(error.to_string(), false);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| plain(&error))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| plain(&error))?;
    let config = match trust {
        Trust::Any => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
        Trust::Roots => builder.with_root_certificates(roots()).with_no_client_auth(),
    };
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|error| plain(&error))?;
    // The handshake now, so that its errors are told apart from those of the answer.
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut socket) {
            let certificate = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .is_some_and(|inner| matches!(inner, rustls::Error::InvalidCertificate(_)));
            return Err(match error.kind() {
                std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => timed_out(),
                _ => failed(error.to_string(), certificate),
            });
        }
    }
    Ok(StreamOwned::new(connection, socket))
}

fn roots() -> RootCertStore {
    let own = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let mut store = RootCertStore::empty();
    for bundle in own.into_iter().chain(BUNDLES.map(PathBuf::from)) {
        let Ok(certificates) = CertificateDer::pem_file_iter(&bundle) else { continue };
        store.add_parsable_certificates(certificates.flatten());
        break;
    }
    store
}

/// Takes any certificate, and still checks that the server holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

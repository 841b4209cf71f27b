//! TLS, as the SDK sets it up: rustls with AWS-LC, and the certificate authorities of the machine.

use std::io;
use std::sync::Arc;

use rustls::{CipherSuite, ClientConfig, RootCertStore};

/// The cipher suites that the SDK allows.
const SUITES: [CipherSuite; 7] = [
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// Returns the configuration. Without a certificate authority every connection would fail, so there is none.
pub(crate) fn config() -> io::Result<Arc<ClientConfig>> {
    let found = rustls_native_certs::load_native_certs();
    if !found.errors.is_empty() {
        tracing::warn!(errors = ?found.errors, "some certificate authorities cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        tracing::error!("there are no certificate authorities: set SSL_CERT_FILE to a file of them");
        return Err(io::Error::new(io::ErrorKind::NotFound, "no certificate authorities"));
    }
    trusting(roots)
}

/// Returns the configuration for servers whose certificates are of these authorities.
pub(crate) fn trusting(roots: RootCertStore) -> io::Result<Arc<ClientConfig>> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| SUITES.contains(&suite.suite()));
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_suites_of_the_sdk_are_offered() {
        let config = config().expect("certificate authorities");
        let mut offered: Vec<CipherSuite> =
            config.crypto_provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
        let mut expected = SUITES.to_vec();
        offered.sort_by_key(|suite| u16::from(*suite));
        expected.sort_by_key(|suite| u16::from(*suite));
        assert_eq!(offered, expected);
    }
}

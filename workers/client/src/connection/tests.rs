//! Connections with TLS to a server on this machine. The certificates are for `localhost` alone, and their authority's key was
//! thrown away.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::body::Body;

const AUTHORITY: &[u8] = include_bytes!("tests/authority.pem");
const SERVER: &[u8] = include_bytes!("tests/server.pem");
const KEY: &[u8] = include_bytes!("tests/server.key");

/// Starts a server that answers each request with the number of its connection, and returns its port.
async fn server() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let certificate = CertificateDer::from_pem_slice(SERVER).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a server");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        for number in 1..=10 {
            let Ok((stream, _)) = listener.accept().await else { return };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                    // The end of the head.
                    if line == "\r\n" {
                        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
                        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err()
                        {
                            return;
                        }
                    }
                    line.clear();
                }
            });
        }
    });
    port
}

/// Returns connections that trust the test's authority alone, or none at all.
fn connections(trusted: bool) -> Arc<Connections> {
    let mut roots = RootCertStore::empty();
    if trusted {
        roots.add(CertificateDer::from_pem_slice(AUTHORITY).expect("a certificate")).expect("an authority");
    }
    let connections = Connections::new(None);
    connections.tls.set(tls::trusting(roots).expect("a configuration")).expect("none yet");
    Arc::new(connections)
}

async fn get(connections: &Arc<Connections>, host: &str, port: u16) -> io::Result<Vec<u8>> {
    let origin = Origin { tls: true, host: host.to_owned(), port };
    let mut request = Request::new(Full::new(Bytes::new()));
    request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("localhost"));
    let answer = connections.send(&origin, request).await?;
    Ok(Body::new(answer.into_body()).whole().await?.to_vec())
}

#[tokio::test]
async fn one_connection_with_tls_carries_all_requests() {
    let port = server().await;
    let connections = connections(true);
    for _ in 0..3 {
        assert_eq!(get(&connections, "localhost", port).await.expect("an answer"), b"1");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_no_request() {
    let port = server().await;
    let error = get(&connections(false), "localhost", port).await.expect_err("an unknown authority");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let error = get(&connections(true), "127.0.0.1", port).await.expect_err("another name");
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

//! Passwords travel over the connection: it is encrypted, goes where it was told to, and nowhere else.

use std::{net::SocketAddr, path::Path, process::Command};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};

use crate::{
    connection_support::{QUICK, says},
    support::{Controller, LONG, Namespace, Simulator, eventually, fixtures, http_client, operator},
};

#[tokio::test]
async fn a_proxy_is_used_where_the_environment_names_one() {
    let (namespace, simulator) = (Namespace::new("proxy").await, Simulator::start(QUICK).await);
    // Nobody answers to this name: whoever reaches it has gone by the proxy. (A server that takes whole URLs is one.)
    namespace.apply(&fixtures::connection("http://thingspace.invalid/api", None)).await;
    let mut command = operator();
    command.env("HTTP_PROXY", &simulator.url).arg("controller");
    let _controller =
        Controller::start_as(&mut command, &["--watch-namespace", &namespace.name, "--poll-after", "1s"]).await;
    namespace.create(&fixtures::activation("forklift", 1)).await;
    namespace.wait("Ready", "euicc/forklift").await;
}

#[tokio::test]
async fn a_certificate_is_trusted_only_when_the_ca_bundle_says_so_and_a_new_bundle_is_picked_up() {
    let (namespace, simulator) = (Namespace::new("trust").await, Simulator::start(QUICK).await);
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path(), "IP:127.0.0.1");
    let endpoint = serve_tls(&simulator, folder.path()).await;
    let plain = fixtures::connection(&endpoint, None).replace("  insecureEndpoint: true\n", "");
    namespace.apply(&plain).await;
    namespace.create(&fixtures::activation("forklift", 1)).await;
    let _controller = Controller::start(&namespace, &["--poll-after", "1s"]).await;
    let refused = says(&namespace, "Ready", "Unreachable").await;
    assert!(refused.message.contains("certificate"), "{refused:?}");
    assert!(simulator.logins().await.is_empty(), "no password was sent");

    let bundle = "  caBundle: {configMapKeyRef: {name: corporate-ca}}\n";
    namespace.apply(&format!("{plain}{bundle}")).await;
    let missing = says(&namespace, "Ready", "SecretInvalid").await;
    assert!(missing.message.contains("ConfigMap corporate-ca does not exist"), "{missing:?}");
    let file = folder.path().join("ca.pem").to_string_lossy().into_owned();
    let from_file = format!("--from-file=ca.crt={file}");
    namespace.kubectl(&["create", "configmap", "corporate-ca", &from_file]).await.success();
    namespace.wait("Ready", "euicc/forklift").await;

    // The same, from a Secret and inline.
    let from_file = format!("--from-file=bundle.pem={file}");
    namespace.kubectl(&["create", "secret", "generic", "corporate-ca", &from_file]).await.success();
    namespace.apply(&format!("{plain}  caBundle: {{secretKeyRef: {{name: corporate-ca, key: bundle.pem}}}}\n")).await;
    observed(&namespace).await;
    namespace.wait("Ready", "tsc/verizon").await;
    let pem = std::fs::read_to_string(&file).unwrap().replace('\n', "\n      ");
    namespace.apply(&format!("{plain}  caBundle:\n    inline: |\n      {pem}\n")).await;
    observed(&namespace).await;
    namespace.wait("Ready", "tsc/verizon").await;
    let broken = "-----BEGIN CERTIFICATE-----\n      bm90IGEgY2VydGlmaWNhdGU=\n      -----END CERTIFICATE-----";
    namespace.apply(&format!("{plain}  caBundle:\n    inline: |\n      {broken}\n")).await;
    namespace.wait("Stalled", "tsc/verizon").await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_credentials() {
    let (namespace, simulator) = (Namespace::new("redirect").await, Simulator::start(QUICK).await);
    let elsewhere = simulator.url.clone();
    let app = Router::new().fallback(move |uri: Uri| {
        let to = format!("{elsewhere}{uri}");
        async move { (StatusCode::TEMPORARY_REDIRECT, [("location", to)]) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/api", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    namespace.apply(&fixtures::connection(&endpoint, None)).await;
    let _controller = Controller::start(&namespace, &[]).await;
    eventually("the connection is not ready", LONG, async || {
        crate::connection_support::condition(&namespace, "Ready").await.filter(|c| c.status == "False")
    })
    .await;
    assert!(simulator.journal().await.is_empty(), "neither key nor password has gone there");
}

/// Waits until the connection's present spec was looked at.
async fn observed(namespace: &Namespace) {
    eventually("it was looked at", LONG, async || {
        let connection = crate::connection_support::connection(namespace).await;
        connection.status.unwrap_or_default().observed_generation == connection.metadata.generation
    })
    .await;
}

/// A certificate authority, such as a company's own, and a certificate for `IP:…` or `DNS:…`.
pub fn authority(folder: &Path, whom: &str) {
    let openssl = |args: &str| {
        let output =
            Command::new("openssl").args(args.split_whitespace()).current_dir(folder).output().expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("ext"), format!("subjectAltName={whom}\nbasicConstraints=CA:FALSE\n")).unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=corporate-ca"));
    openssl(&format!("req {} -keyout server.key -out server.csr -subj /CN=server", key.replace(" -days 2", "")));
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.pem");
}

/// The simulator behind TLS; returns its endpoint.
pub async fn serve_tls(simulator: &Simulator, folder: &Path) -> String {
    let http = http_client(); // also sets the process's TLS provider
    let (cert, key) = (folder.join("server.pem"), folder.join("server.key"));
    let config = axum_server::tls_rustls::RustlsConfig::from_pem_file(cert, key).await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let app = Router::new().fallback(pass).with_state((http, simulator.url.clone()));
    let server = axum_server::from_tcp_rustls(listener, config).unwrap();
    tokio::spawn(async move { server.serve(app.into_make_service()).await });
    format!("https://{address}/api")
}

async fn pass(
    State((http, to)): State<(reqwest::Client, String)>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    headers.remove("host");
    let request = http.request(method, format!("{to}{uri}")).headers(headers).body(body);
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    (answer.status(), answer.bytes().await.unwrap_or_default()).into_response()
}

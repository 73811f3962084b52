//! Accepts connections. poem's own server does not limit how long a client may take to send its headers, so connections
//! are served here with hyper, and each request is passed to poem.
//!
//! HTTP/1.1 only: HTTP/2 and TLS belong to the proxy in front.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{Either, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use poem::{
    Endpoint, Response,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{Connection, Peer},
    edge::Edge,
};

/// How long a client may take to send its headers, and how long a connection may be idle between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long running requests may take when the program stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(25);
/// Bytes.
const MAX_HEADER_BUFFER: usize = 128 * 1024;
/// Far more than any client sends: beyond it the connection is closed without a problem document.
const MAX_HEADERS: usize = 400;

/// Cancelled when the program stops; among the data of each request, for responses that would never end by themselves.
#[derive(Clone)]
pub struct Shutdown(pub CancellationToken);

/// Serves `app` until `stop`, then waits for the running requests.
pub async fn serve<E>(listener: TcpListener, app: Edge<E>, stop: CancellationToken)
where
    E: Endpoint<Output = Response> + 'static,
{
    let app = Arc::new(app);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => connect(stream, Arc::clone(&app), &graceful, Shutdown(stop.clone())),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection"); // out of file descriptors: wait for some to be closed
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

fn connect<E>(stream: TcpStream, app: Arc<Edge<E>>, graceful: &GracefulShutdown, shutdown: Shutdown)
where
    E: Endpoint<Output = Response> + 'static,
{
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let _ = stream.set_nodelay(true); // only improves latency
    let connection = Connection::new(stream);
    let client =
        Arc::new(Client { peer: connection.peer(), local: LocalAddr(local.into()), remote: RemoteAddr(remote.into()) });
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (app, client, shutdown) = (Arc::clone(&app), Arc::clone(&client), shutdown.clone());
        async move {
            Ok::<_, Infallible>(match app.cached(&request) {
                Some(response) => response.map(Either::Left),
                // Boxed, because a large future would slow down the responses that are cached.
                None => Box::pin(respond(app, client, shutdown, request)).await.map(Either::Right),
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        // A client that closes its half after the request still gets its response.
        .half_close(true)
        .max_buf_size(MAX_HEADER_BUFFER)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(connection), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended early");
        }
    });
}

/// Both ends of a connection.
struct Client {
    peer: Peer,
    local: LocalAddr,
    remote: RemoteAddr,
}

async fn respond<E>(
    app: Arc<Edge<E>>,
    client: Arc<Client>,
    shutdown: Shutdown,
    mut request: hyper::Request<Incoming>,
) -> hyper::Response<BoxBody<Bytes, io::Error>>
where
    E: Endpoint<Output = Response> + 'static,
{
    request.extensions_mut().insert(client.peer.clone());
    request.extensions_mut().insert(shutdown);
    let request = (request, client.local.clone(), client.remote.clone(), Scheme::HTTP).into();
    app.get_response(request).await.into()
}

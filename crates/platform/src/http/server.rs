//! Accepts connections. poem's own server has no limit on how long a client may take to send its headers, so the
//! connections are served here, with hyper's, and handed to poem one request at a time.
//!
//! HTTP/1.1 only: HTTP/2 and TLS belong to the proxy in front, and what is not here cannot be reset rapidly.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use poem::{
    Endpoint, EndpointExt, Response,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// How long a client may take to send its headers, and how long a kept connection may idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may take to end when the program is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(25);
const MAX_HEADER_BUFFER: usize = 128 * 1024;
/// Far more than anybody sends: beyond it the connection ends without a problem to read.
const MAX_HEADERS: usize = 400;

/// What each request is given to hear that the program stops: an answer without an end has to end then.
#[derive(Clone)]
pub struct Shutdown(pub CancellationToken);

/// Serves `app` until `stop`, then lets the requests under way end.
pub async fn serve<E>(listener: TcpListener, app: E, stop: CancellationToken)
where
    E: Endpoint<Output = Response> + 'static,
{
    let app = Arc::new(app.data(Shutdown(stop.clone())).map_to_response());
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => connect(stream, Arc::clone(&app), &graceful),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection"); // out of sockets: let some close
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

fn connect<E>(stream: TcpStream, app: Arc<E>, graceful: &GracefulShutdown)
where
    E: Endpoint<Output = Response> + 'static,
{
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let _ = stream.set_nodelay(true); // a courtesy to latency; without it all still works
    let connection = Connection::new(stream);
    let peer = connection.peer();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let app = Arc::clone(&app);
        let addresses = (LocalAddr(local.into()), RemoteAddr(remote.into()));
        async move {
            let request = (request, addresses.0, addresses.1, Scheme::HTTP).into();
            let response: hyper::Response<_> = app.get_response(request).await.into();
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        // A client that has said all it wants to say still gets its answer.
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

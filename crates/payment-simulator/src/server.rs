//! Accepts connections, routes requests, and injects the faults of the connection.
//!
//! It uses hyper's connections and no web framework, because some faults close a connection without a response: hyper
//! does that when a service returns an error.

use std::{sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::{
    http::{Method, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Provider, control, faults::Fault, pages, request::Request, response::Response, simulator::Shared,
    webhook_sender::OutgoingEvent,
};

#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without a response")]
struct ConnectionClosed;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = serve_connection(stream, Arc::clone(&shared));
                tokio::spawn(stop.clone().run_until_cancelled_owned(connection));
            }
            Err(_) => sleep(Duration::from_millis(50)).await, // out of sockets: let some close
        }
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let _ = stream.set_nodelay(true); // only saves latency
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let request: poem::Request = (request, LocalAddr(local.into()), RemoteAddr(remote.into()), Scheme::HTTP).into();
        // In a task of its own: a provider finishes what it began, also when the client disconnects.
        let response = tokio::spawn(handle(Arc::clone(&shared), request));
        async move {
            let response = response.await.ok().flatten().ok_or(ConnectionClosed)?;
            Ok::<hyper::Response<_>, ConnectionClosed>(poem::Response::from(response).into())
        }
    });
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let _ = connection.await; // either side may have closed it early
}

/// The response to a request. `None` closes the connection without one.
async fn handle(shared: Arc<Shared>, request: poem::Request) -> Option<Response> {
    let mut request = Request::read(request).await?;
    let path = request.path.trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path.trim_end_matches('/'), ""));
    let Some(provider) = Provider::from_name(first) else { return Some(handle_own(&shared, &request).await) };
    request.path = format!("/{rest}");
    if request.method == Method::OPTIONS {
        return Some(allow_browsers(Response::json(200, &Value::Null)));
    }
    let response = handle_api_request(&shared, provider, &request).await;
    let status = response.as_ref().map(|response| response.status);
    tracing::debug!(provider = provider.name(), method = %request.method, path = request.path, status, "API request");
    response.map(allow_browsers)
}

/// A request to the simulator itself: its control API or its pages.
async fn handle_own(shared: &Shared, request: &Request) -> Response {
    if request.is_cross_origin() {
        let message = "Pages of other origins can only call the APIs of the providers.";
        return Response::json(403, &json!({"error": message}));
    }
    match control::handle(shared, request) {
        Some(response) => response,
        None => pages::handle(shared, request).await,
    }
}

/// A provider's response, or what a fault makes of it.
async fn handle_api_request(shared: &Shared, provider: Provider, request: &Request) -> Option<Response> {
    let received = shared.state().receive(provider, request);
    let fault = match received {
        Ok(fault) => fault,
        Err(unauthorized) => return Some(unauthorized),
    };
    match fault {
        Some(Fault::CutBefore) => return None,
        Some(Fault::TimeoutBefore) => {
            stall(shared).await;
            return None;
        }
        Some(Fault::RateLimited) => return Some(shared.state().provider(provider).rate_limited()),
        _ => {}
    }
    let processed = shared.state().process(provider, request, fault);
    send_events(shared, processed.events).await;
    if processed.stalls || fault == Some(Fault::TimeoutAfter) {
        stall(shared).await;
    }
    if let Some(key) = processed.new_key {
        shared.state().finish(provider, &key, &processed.response);
    }
    match fault {
        Some(Fault::CutAfter) => None,
        Some(Fault::WrongAmount) => Some(processed.response.with_wrong_amounts()),
        _ => Some(processed.response),
    }
}

async fn stall(shared: &Shared) {
    let duration = shared.state().stall;
    sleep(duration).await;
}

/// Sends early webhooks before this returns, all others in the background.
pub(super) async fn send_events(shared: &Shared, events: Vec<OutgoingEvent>) {
    for outgoing in events {
        match outgoing.fault {
            Some(Fault::WebhookEarly) => shared.webhooks.send_now(outgoing.event).await,
            _ => shared.webhooks.enqueue(outgoing),
        }
    }
}

/// CORS headers: a shop's page may confirm a payment at Stripe from the buyer's browser.
fn allow_browsers(response: Response) -> Response {
    response
        .with_header("access-control-allow-origin", "*")
        .with_header("access-control-allow-headers", "authorization, content-type, idempotency-key, stripe-version")
        .with_header("access-control-allow-methods", "GET, POST")
}

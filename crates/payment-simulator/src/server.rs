//! Accepts connections and does to them what the faults ask for.
//!
//! hyper's own connection is used and not a web framework's, because a connection has to be closed without a word: that is
//! what a service that answers with an error does.

use std::sync::Arc;

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::{
    Request, Response,
    http::{Method, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    Inside, Provider,
    call::{Answer, Call},
    control,
    faults::Fault,
    pages,
    world::Told,
};

#[derive(Debug, thiserror::Error)]
#[error("hung up")]
struct HungUp;

pub(super) async fn serve(listener: TcpListener, inside: Arc<Inside>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connect(stream, Arc::clone(&inside));
                tokio::spawn(stop.clone().run_until_cancelled_owned(connection));
            }
            Err(_) => sleep(std::time::Duration::from_millis(50)).await, // out of sockets: let some close
        }
    }
}

async fn connect(stream: TcpStream, inside: Arc<Inside>) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let _ = stream.set_nodelay(true); // a courtesy to latency; without it all still works
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let request: Request = (request, LocalAddr(local.into()), RemoteAddr(remote.into()), Scheme::HTTP).into();
        // A client that gives up takes this future with it, but what a provider has begun it finishes.
        let answering = tokio::spawn(answer(Arc::clone(&inside), request));
        async move {
            let answer = answering.await.ok().flatten().ok_or(HungUp)?;
            Ok::<hyper::Response<_>, HungUp>(Response::from(answer).into())
        }
    });
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let _ = connection.await; // it may have been cut, by us or by the client
}

/// The answer to a request, or nothing when the connection is to break.
async fn answer(inside: Arc<Inside>, request: Request) -> Option<Answer> {
    let mut call = Call::read(request).await?;
    let (first, rest) = call.path.trim_start_matches('/').split_once('/').unwrap_or((call.path.trim_matches('/'), ""));
    let Some(provider) = Provider::named(first) else {
        if call.is_foreign() {
            let why = "a page of another origin has no business here; providers are what browsers may call";
            return Some(Answer::json(403, &serde_json::json!({"error": why})));
        }
        return Some(match control::answer(&inside, &call) {
            Some(answer) => answer,
            None => pages::answer(&inside, &call).await,
        });
    };
    call.path = format!("/{rest}");
    if call.method == Method::OPTIONS {
        return Some(open_to_browsers(Answer::json(200, &serde_json::Value::Null)));
    }
    let answer = provide(&inside, provider, &call).await;
    let status = answer.as_ref().map(|answer| answer.status);
    tracing::debug!(provider = provider.name(), method = %call.method, path = call.path, status, "a call");
    answer.map(open_to_browsers)
}

/// A provider's answer, with the fault it meets.
async fn provide(inside: &Inside, provider: Provider, call: &Call) -> Option<Answer> {
    let received = inside.state().receive(provider, call);
    let fault = match received {
        Ok(fault) => fault,
        Err(refusal) => return Some(refusal),
    };
    match fault {
        Some(Fault::CutBefore) => return None,
        Some(Fault::TimeoutBefore) => {
            stall(inside).await;
            return None;
        }
        Some(Fault::RateLimited) => return Some(inside.state().provider(provider).is_busy()),
        _ => {}
    }
    let work = inside.state().work(provider, call, fault);
    send(inside, work.told).await;
    if work.stalls || fault == Some(Fault::TimeoutAfter) {
        stall(inside).await;
    }
    if let Some(key) = work.claimed {
        inside.state().settle(provider, &key, &work.answer);
    }
    match fault {
        Some(Fault::CutAfter) => None,
        Some(Fault::WrongAmount) => Some(work.answer.with_wrong_amounts()),
        _ => Some(work.answer),
    }
}

async fn stall(inside: &Inside) {
    let stall = inside.state().stall;
    sleep(stall).await;
}

/// Sends what is to come early, and hands the rest to the courier.
pub(super) async fn send(inside: &Inside, told: Vec<Told>) {
    for told in told {
        match told.fault {
            Some(Fault::WebhookEarly) => inside.courier.hurry(told.event).await,
            _ => inside.courier.take(told),
        }
    }
}

/// A shop's page confirms a card payment at Stripe from the buyer's browser, which asks whether it may.
fn open_to_browsers(answer: Answer) -> Answer {
    answer
        .with("access-control-allow-origin", "*")
        .with("access-control-allow-headers", "authorization, content-type, idempotency-key, stripe-version")
        .with("access-control-allow-methods", "GET, POST")
}

//! The simulator's own HTTP API: faults and the ledger.
//!
//! Faults must be sent as JSON, which a page of another origin can't send without a CORS preflight.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Capture, Fault, Provider, Refund, request::Request, response::Response, simulator::Shared, state::State};

/// How many scripted faults can wait at a time.
const MAX_SCRIPTED: usize = 10_000;
/// How often one request can script a fault.
const MAX_TIMES: usize = 100;
/// How many characters `on` can have.
const MAX_ON_LENGTH: usize = 200;
/// Ten minutes. No client waits that long for a response.
const MAX_STALL_MS: u64 = 600_000;

/// The body of `POST /simulator/faults`: a fault for the next requests, or a rate for all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultRequest {
    /// If omitted, the provider that gets the next request.
    provider: Option<Provider>,
    fault: Option<Fault>,
    times: Option<usize>,
    /// Only requests whose `METHOD /path` contains this, like `/capture`.
    on: Option<String>,
    rate: Option<f64>,
    seed: Option<u64>,
    /// With `rate`: the faults to choose from. If omitted or empty, all.
    only: Option<Vec<Fault>>,
    /// How long a stalled response takes from now on.
    stall_ms: Option<u64>,
}

/// The response, if the request is for one of these endpoints.
pub(super) fn handle(shared: &Shared, request: &Request) -> Option<Response> {
    match request.route()[..] {
        ["GET", "simulator", "ledger"] => Some(ledger(shared)),
        ["GET", "simulator", "faults"] => Some(faults(&shared.state())),
        ["POST", "simulator", "faults"] => Some(set_faults(&mut shared.state(), request)),
        ["DELETE", "simulator", "faults"] => {
            let mut state = shared.state();
            state.faults.clear();
            Some(faults(&state))
        }
        _ => None,
    }
}

fn set_faults(state: &mut State, request: &Request) -> Response {
    if !request.is_json() {
        return error(415, "Send a JSON body with Content-Type: application/json.");
    }
    match parse(request).and_then(|change| apply(state, change)) {
        Ok(()) => faults(state),
        Err(message) => error(400, &message),
    }
}

fn parse(request: &Request) -> Result<FaultRequest, String> {
    let body = request.json().ok_or_else(|| "The request body is not valid JSON.".to_owned())?;
    serde_json::from_value(body).map_err(|error| error.to_string())
}

fn apply(state: &mut State, change: FaultRequest) -> Result<(), String> {
    let times = change.times.unwrap_or(1);
    if change.fault.is_none() && change.rate.is_none() && change.stall_ms.is_none() {
        return Err("At least one of fault, rate and stall_ms is required.".to_owned());
    }
    if change.rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
        return Err("rate must be between 0 and 1.".to_owned());
    }
    if times > MAX_TIMES {
        return Err(format!("times must be at most {MAX_TIMES}."));
    }
    if change.on.as_ref().is_some_and(|part| part.chars().count() > MAX_ON_LENGTH) {
        return Err(format!("on must be at most {MAX_ON_LENGTH} characters."));
    }
    if change.only.as_ref().is_some_and(|only| only.len() > Fault::ALL.len()) {
        return Err(format!("only must have at most {} faults.", Fault::ALL.len()));
    }
    if change.stall_ms.is_some_and(|stall| stall > MAX_STALL_MS) {
        return Err(format!("stall_ms must be at most {MAX_STALL_MS}."));
    }
    if state.faults.scripted() + times > MAX_SCRIPTED {
        return Err(format!("At most {MAX_SCRIPTED} faults can be scripted at a time."));
    }
    if let Some(fault) = change.fault {
        for _ in 0..times {
            state.faults.script(change.provider, fault, change.on.clone());
        }
    }
    if let Some(rate) = change.rate {
        state.faults.set_random(rate, change.seed.unwrap_or(0), change.only.unwrap_or_default());
    }
    if let Some(stall) = change.stall_ms {
        state.stall = Duration::from_millis(stall);
    }
    Ok(())
}

fn faults(state: &State) -> Response {
    let faults = &state.faults;
    let body = json!({
        "known": Fault::ALL, "rate": faults.rate(), "scripted": faults.scripted(), "dealt": faults.injected,
        "stall_ms": u64::try_from(state.stall.as_millis()).unwrap_or(u64::MAX),
    });
    Response::json(200, &body)
}

/// One provider's part of the ledger.
#[derive(Serialize)]
struct ProviderLedger<'a> {
    captures: Vec<&'a Capture>,
    refunds: Vec<&'a Refund>,
}

fn ledger(shared: &Shared) -> Response {
    let state = shared.state();
    let ledger = &state.context.ledger;
    let mut body = json!({
        "simulator": true, "calls": state.request_counts, "faults": state.faults.injected,
        "webhooks": shared.webhooks.counts(),
    });
    for provider in Provider::ALL {
        let of_provider = ProviderLedger {
            captures: ledger.captures.iter().filter(|capture| capture.provider == provider).collect(),
            refunds: ledger.refunds.iter().filter(|refund| refund.provider == provider).collect(),
        };
        body[provider.name()] = serde_json::to_value(of_provider).unwrap_or(Value::Null);
    }
    Response::json(200, &body)
}

fn error(status: u16, message: &str) -> Response {
    Response::json(status, &json!({"error": message}))
}

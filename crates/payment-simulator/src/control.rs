//! The simulator's own endpoints, for scripts: faults and the ledger. A script sends JSON, which no page of a stranger can
//! without asking first.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Capture, Fault, Inside, Provider, Refund,
    call::{Answer, Call},
};

/// So many faults can be scripted at a time, and so often one of them with one request.
const MOST_SCRIPTED: usize = 10_000;
const MOST_TIMES: usize = 100;
/// So many characters has a part of `METHOD /path`.
const LONGEST_PART: usize = 200;
/// Ten minutes; no client waits as long for an answer.
const LONGEST_STALL: u64 = 600_000;

/// What `POST /simulator/faults` takes: a fault for the next calls, or a rate for all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Left out: whichever is called next.
    provider: Option<Provider>,
    fault: Option<Fault>,
    times: Option<usize>,
    /// A part of `METHOD /path`, like `/capture`.
    on: Option<String>,
    rate: Option<f64>,
    seed: Option<u64>,
    /// With a rate: which faults; left out or empty, all.
    only: Option<Vec<Fault>>,
    /// From now on a stalled answer takes so long.
    stall_ms: Option<u64>,
}

/// The answer, if this is one of the endpoints here.
pub(super) fn answer(inside: &Inside, call: &Call) -> Option<Answer> {
    match call.steps()[..] {
        ["GET", "simulator", "ledger"] => Some(ledger(inside)),
        ["GET", "simulator", "faults"] => Some(faults(inside)),
        ["POST", "simulator", "faults"] if !call.is_json() => {
            Some(Answer::json(415, &json!({"error": "send the faults as application/json"})))
        }
        ["POST", "simulator", "faults"] => Some(match read(call).and_then(|asked| arrange(inside, asked)) {
            Ok(()) => faults(inside),
            Err(why) => Answer::json(400, &json!({"error": why})),
        }),
        ["DELETE", "simulator", "faults"] => {
            inside.state().faults.clear();
            Some(faults(inside))
        }
        _ => None,
    }
}

fn read(call: &Call) -> Result<Asked, String> {
    let body = call.json().ok_or_else(|| "the body is no JSON".to_owned())?;
    serde_json::from_value(body).map_err(|error| error.to_string())
}

fn arrange(inside: &Inside, asked: Asked) -> Result<(), String> {
    let mut state = inside.state();
    let times = asked.times.unwrap_or(1);
    if asked.fault.is_none() && asked.rate.is_none() && asked.stall_ms.is_none() {
        return Err("name a fault, a rate or stall_ms".to_owned());
    }
    if asked.rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
        return Err("rate is a probability, from 0 to 1".to_owned());
    }
    if times > MOST_TIMES {
        return Err(format!("times is at most {MOST_TIMES}"));
    }
    if asked.on.as_ref().is_some_and(|part| part.chars().count() > LONGEST_PART) {
        return Err(format!("on has at most {LONGEST_PART} characters"));
    }
    if asked.only.as_ref().is_some_and(|only| only.len() > Fault::ALL.len()) {
        return Err(format!("there are {} faults; name each once", Fault::ALL.len()));
    }
    if asked.stall_ms.is_some_and(|stall| stall > LONGEST_STALL) {
        return Err(format!("stall_ms is at most {LONGEST_STALL}"));
    }
    if state.faults.scripted() + times > MOST_SCRIPTED {
        return Err(format!("at most {MOST_SCRIPTED} faults can be scripted at a time"));
    }
    if let Some(fault) = asked.fault {
        for _ in 0..times {
            state.faults.next(asked.provider, fault, asked.on.clone());
        }
    }
    if let Some(rate) = asked.rate {
        state.faults.at_random(rate, asked.seed.unwrap_or(0), asked.only.unwrap_or_default());
    }
    if let Some(stall) = asked.stall_ms {
        state.stall = Duration::from_millis(stall);
    }
    Ok(())
}

fn faults(inside: &Inside) -> Answer {
    let state = inside.state();
    let faults = &state.faults;
    let body = json!({
        "known": Fault::ALL, "rate": faults.rate(), "scripted": faults.scripted(), "dealt": faults.dealt,
        "stall_ms": u64::try_from(state.stall.as_millis()).unwrap_or(u64::MAX),
    });
    Answer::json(200, &body)
}

#[derive(Serialize)]
struct Books<'a> {
    captures: Vec<&'a Capture>,
    refunds: Vec<&'a Refund>,
}

fn ledger(inside: &Inside) -> Answer {
    let state = inside.state();
    let ledger = &state.world.ledger;
    let mut shown = json!({
        "simulator": true, "calls": state.calls, "faults": state.faults.dealt, "webhooks": inside.courier.counts(),
    });
    for provider in Provider::ALL {
        let books = Books {
            captures: ledger.captures.iter().filter(|capture| capture.provider == provider).collect(),
            refunds: ledger.refunds.iter().filter(|refund| refund.provider == provider).collect(),
        };
        shown[provider.name()] = serde_json::to_value(books).unwrap_or(Value::Null);
    }
    Answer::json(200, &shown)
}

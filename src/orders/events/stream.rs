//! The event stream of one client.

use std::{collections::VecDeque, time::Duration};

use futures_util::stream;
use platform::http::connection::Peer;
use poem::{
    IntoResponse, Response,
    http::{HeaderValue, header},
    web::sse::{self, SSE},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
};
use tokio_util::sync::CancellationToken;

use super::{Event, Kind, initial_events, store, subscribers::Subscription};
use crate::{
    accounts, orders,
    shop::{
        Shop,
        ids::{OrderId, UserId},
    },
};

/// How often a comment is sent, so that proxies keep the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often an idle stream checks that its session may still read the order. It also does so before each event.
const CHECK_ACCESS_EVERY: Duration = Duration::from_secs(15);

/// One stream: its order, the last event it sent, and its access token.
struct Reader {
    shop: Shop,
    subscription: Subscription,
    order: OrderId,
    buyer: UserId,
    /// The access token, verified again and again: a session may end, and an admin may become a customer.
    token: String,
    last_sent: i64,
    pending: VecDeque<Event>,
    stop: CancellationToken,
    client: Option<Peer>,
}

/// Opens a stream. It ends when the client disconnects, its session ends or the server stops.
///
/// # Errors
/// [`orders::Error::NotFound`], or a database error.
pub async fn open(
    shop: &Shop,
    subscription: Subscription,
    order: OrderId,
    token: &str,
    last_seen: Option<&str>,
    stop: CancellationToken,
    client: Option<Peer>,
) -> orders::Result<Events> {
    let mut tx = shop.db.read().await?;
    let found = orders::find(&mut tx, order).await?.ok_or(orders::Error::NotFound)?;
    let buyer = found.user_id;
    let (last_sent, events) = initial_events(&mut tx, shop.get(), found, last_seen).await?;
    drop(tx);
    let mut reader = Reader {
        shop: shop.clone(),
        subscription,
        order,
        buyer,
        token: token.to_owned(),
        last_sent,
        pending: VecDeque::new(),
        stop,
        client,
    };
    reader.push(events);
    let events = stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) });
    let mut response = SSE::new(events).keep_alive(KEEP_ALIVE).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Events(response))
}

impl Reader {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(to_sse(event));
            }
            tokio::select! {
                () = self.subscription.changed() => {}
                () = tokio::time::sleep(CHECK_ACCESS_EVERY) => {}
                () = self.stop.cancelled() => return None,
                // Without this the subscription would last until a comment cannot be sent any more.
                () = Peer::closed(self.client.as_ref()) => return None,
            }
            if !self.is_allowed().await {
                return None;
            }
            // After an error the client opens another stream, with the id of the last event it received.
            let mut tx = self.shop.db.read().await.ok()?;
            let events = store::after(&mut tx, self.order, self.last_sent).await.ok()?;
            self.push(events);
        }
    }

    fn push(&mut self, events: Vec<Event>) {
        if events.len() == store::BATCH {
            self.subscription.mark_changed();
        }
        self.last_sent = events.last().and_then(|event| event.id).unwrap_or(self.last_sent);
        self.pending.extend(events);
    }

    async fn is_allowed(&self) -> bool {
        let by = accounts::signed_in(&self.shop, &self.token).await;
        by.is_ok_and(|by| by.id == self.buyer || by.is_admin())
    }
}

fn to_sse(event: Event) -> sse::Event {
    let id = event.id.map(|id| id.to_string()).unwrap_or_default();
    sse::Event::message(event.data).event_type(event.kind.as_str()).id(id)
}

/// 200: events as long as they are read.
pub struct Events(Response);

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Events {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "`event: order` has an Order as its data, `event: payment` a Payment. Lines that begin with a \
                              colon only keep the connection open.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: "text/event-stream",
                    schema: MetaSchemaRef::Inline(Box::new(event_schema())),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// One event of the stream.
fn event_schema() -> MetaSchema {
    let text = |description| MetaSchema { description: Some(description), ..MetaSchema::new("string") };
    let kinds = [Kind::Order, Kind::Payment].map(|kind| kind.as_str().into()).to_vec();
    let properties = [
        ("event", MetaSchema { enum_items: kinds, ..text("What `data` is.") }),
        ("id", text("Send it as `Last-Event-ID` to go on from here.")),
        ("data", text("The `Order` or `Payment`, in JSON.")),
    ];
    MetaSchema {
        required: vec!["event", "data"],
        properties: properties.map(|(name, schema)| (name, MetaSchemaRef::Inline(Box::new(schema)))).into(),
        ..MetaSchema::new("object")
    }
}

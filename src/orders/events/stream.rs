//! One reader's stream of events, from its first word to its end.

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

use super::{Event, Kind, followers::Follower, start, store};
use crate::{
    accounts, orders,
    shop::{
        Shop,
        ids::{OrderId, UserId},
    },
};

/// A comment is sent this often, so that nobody on the way takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long an idle reader goes unasked whether it still may read. Before each event it is asked in any case.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// One reader: what it follows, how far it is, and why it may.
struct Reader {
    shop: Shop,
    follower: Follower,
    order: OrderId,
    buyer: UserId,
    /// The access token, judged again and again: a session may end, and an admin may become a customer.
    token: String,
    seen: i64,
    ready: VecDeque<Event>,
    stop: CancellationToken,
    client: Option<Peer>,
}

/// Opens the stream: reads its beginning, and goes on until the client leaves, its session ends or the server stops.
///
/// # Errors
/// When there is no such order, or the database is away.
pub async fn open(
    shop: &Shop,
    follower: Follower,
    order: OrderId,
    token: &str,
    last_seen: Option<&str>,
    stop: CancellationToken,
    client: Option<Peer>,
) -> orders::Result<Events> {
    let mut tx = shop.db.read().await?;
    let found = orders::find(&mut tx, order).await?.ok_or(orders::Error::NotFound)?;
    let buyer = found.user_id;
    let (seen, events) = start(&mut tx, shop.part(), found, last_seen).await?;
    drop(tx);
    let mut reader = Reader {
        shop: shop.clone(),
        follower,
        order,
        buyer,
        token: token.to_owned(),
        seen,
        ready: VecDeque::new(),
        stop,
        client,
    };
    reader.take(events);
    let events = stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) });
    let mut response = SSE::new(events).keep_alive(KEEP_ALIVE).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Events(response))
}

impl Reader {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(on_the_wire(event));
            }
            tokio::select! {
                () = self.follower.news() => {}
                () = tokio::time::sleep(ASK_AGAIN) => {}
                () = self.stop.cancelled() => return None,
                // Without this its place would be taken until a comment cannot be sent any more.
                () = Peer::closed(self.client.as_ref()) => return None,
            }
            if !self.may_read().await {
                return None;
            }
            // A client that loses its stream comes back and names what it saw last.
            let mut tx = self.shop.db.read().await.ok()?;
            let news = store::after(&mut tx, self.order, self.seen).await.ok()?;
            self.take(news);
        }
    }

    fn take(&mut self, events: Vec<Event>) {
        if events.len() == store::BATCH {
            self.follower.has_more();
        }
        self.seen = events.last().and_then(|event| event.id).unwrap_or(self.seen);
        self.ready.extend(events);
    }

    async fn may_read(&self) -> bool {
        let by = accounts::signed_in(&self.shop, &self.token).await;
        by.is_ok_and(|by| by.id == self.buyer || by.is_admin())
    }
}

fn on_the_wire(event: Event) -> sse::Event {
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

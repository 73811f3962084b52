//! The endpoints that receive webhooks: one for each online provider, all made from the list of providers.

use std::{collections::HashMap, time::Duration};

use platform::http::{
    HttpSettings, body, client_address::ClientAddress, limits::Limit, problem::ApiResult, reply::Reply,
};
use poem::{
    Request,
    endpoint::BoxEndpoint,
    http::{HeaderMap, Method},
    web::Data,
};
use poem_openapi::{
    Object, OpenApi,
    payload::Binary,
    registry::{MetaApi, MetaOperation, MetaPath, Registry},
};

use crate::{
    payments::providers::{ONLINE, OnlineProvider, PaymentProvider, Providers, VerificationError},
    shop::{Provider, Shop, tags::Tag},
};

/// Forged events from one IP address, at providers that verify events themselves. A valid event takes a permit only while
/// it is being verified, so the provider itself never reaches this limit. Behind a proxy that is not trusted all senders
/// have one address: there a forger can cause the provider's own events to be refused, too; the provider sends them again.
const FORGED: Limit = Limit::new(
    "forged_webhooks",
    100,
    Duration::from_mins(10),
    "Too many events with an invalid signature from this IP address.",
);

/// The event is stored, from this request or an earlier one.
#[derive(Object)]
struct Received {
    /// Always `true`.
    received: bool,
}

/// The endpoint of one provider.
struct Receiver(Provider);

#[OpenApi(prefix_path = "/api", tag = "Tag::Payments")]
impl Receiver {
    #[oai(path = "/payments/webhooks", method = "post")]
    async fn receive(
        &self,
        shop: Data<&Shop>,
        request: &Request,
        sender: ClientAddress,
        body: Binary<poem::Body>,
    ) -> ApiResult<Reply<Received>> {
        let limit = HttpSettings::of(request)?.body_limit;
        let bytes = body::read(request, &mut poem::RequestBody::new(body.0), limit).await?;
        receive(&shop, self.0, sender, request.headers(), &bytes).await?;
        Ok(Reply::json(&Received { received: true }))
    }
}

/// Verifies and stores an event.
///
/// # Errors
/// Also 429 when the provider would have to verify another event of a sender who forged too many.
async fn receive(
    shop: &Shop,
    provider: Provider,
    sender: ClientAddress,
    headers: &HeaderMap,
    body: &[u8],
) -> ApiResult<()> {
    let is_remote = shop.get::<Providers>().get(provider).is_some_and(PaymentProvider::verifies_webhooks_remotely);
    let permit = if is_remote { Some(shop.limits.take(&FORGED, &sender.network()).await?) } else { None };
    let verified = super::verify(shop, provider, headers, body).await;
    if let Some(permit) = permit
        && !matches!(verified, Err(VerificationError::InvalidSignature))
    {
        shop.limits.release(permit).await;
    }
    Ok(super::store_event(shop, provider, &verified?).await?)
}

/// All of them, each documented in its provider's words.
pub struct WebhooksApi;

impl OpenApi for WebhooksApi {
    fn meta() -> Vec<MetaApi> {
        vec![MetaApi { paths: ONLINE.iter().flat_map(paths_of).collect() }]
    }

    fn register(registry: &mut Registry) {
        Receiver::register(registry);
    }

    fn add_routes(self, routes: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        for online in ONLINE {
            let mut receiver = HashMap::new();
            Receiver(online.provider).add_routes(&mut receiver);
            routes.extend(receiver.into_iter().map(|(path, methods)| (path_of(online, &path), methods)));
        }
    }
}

fn paths_of(online: &'static OnlineProvider) -> impl Iterator<Item = MetaPath> {
    Receiver::meta().into_iter().flat_map(|api| api.paths).map(move |path| MetaPath {
        operations: path.operations.into_iter().map(|operation| documented(online, operation)).collect(),
        path: path_of(online, &path.path),
    })
}

fn path_of(online: &OnlineProvider, base: &str) -> String {
    format!("{base}/{}", online.provider)
}

fn documented(online: &'static OnlineProvider, operation: MetaOperation) -> MetaOperation {
    MetaOperation {
        operation_id: Some(online.webhook.operation_id),
        summary: Some(online.webhook.summary),
        description: Some(online.webhook.description),
        ..operation
    }
}

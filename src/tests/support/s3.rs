//! S3, as far as a shop uses it: one bucket whose objects are put, got and deleted over real HTTP.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use object_store::aws::AmazonS3Builder;
use platform::media::storage::{Access, Storage};
use poem::{
    Request, Response, Server,
    endpoint::make,
    http::{Method, StatusCode},
    listener::{Acceptor, Listener, TcpListener},
};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

const KEY: &str = "AKIACARTWRIGHT";

/// Listens until it is dropped.
pub struct S3StandIn {
    url: String,
    bucket: Arc<Bucket>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Object>>,
    away: AtomicBool,
}

#[derive(Clone)]
struct Object {
    content_type: String,
    bytes: Vec<u8>,
}

impl S3StandIn {
    pub async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a free port on 127.0.0.1");
        let address = *acceptor.local_addr()[0].as_socket_addr().expect("the address just bound");
        let bucket = Arc::new(Bucket::default());
        let serving = Arc::clone(&bucket);
        let app = make(move |request| serve(Arc::clone(&serving), request));
        let listening = tokio::spawn(async move {
            Server::new_with_acceptor(acceptor).run(app).await.expect("the stand-in for S3 serves");
        });
        Self { url: format!("http://{address}"), bucket, listening }
    }

    /// What `MEDIA_URL` and the `AWS_…` variables would say.
    pub fn storage(&self) -> Storage {
        let account = AmazonS3Builder::new()
            .with_endpoint(&self.url)
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_access_key_id(KEY)
            .with_secret_access_key("a secret of the stories");
        Storage::Bucket { bucket: "shop".to_owned(), prefix: "pictures".to_owned(), access: Access::new(account) }
    }

    /// The names and types of what it keeps.
    pub fn objects(&self) -> Vec<(String, String)> {
        let objects = self.bucket.objects.lock().unwrap();
        objects.iter().map(|(name, object)| (name.clone(), object.content_type.clone())).collect()
    }

    /// From now on it answers 503 to everything, or no more.
    pub fn set_unavailable(&self, away: bool) {
        self.bucket.away.store(away, Ordering::SeqCst);
    }
}

impl Drop for S3StandIn {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(bucket: Arc<Bucket>, mut request: Request) -> poem::Result<Response> {
    if bucket.away.load(Ordering::SeqCst) {
        return Ok(StatusCode::SERVICE_UNAVAILABLE.into());
    }
    let signed = request
        .header("authorization")
        .is_some_and(|how| how.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY}/")));
    if !signed {
        return Ok(StatusCode::FORBIDDEN.into());
    }
    let name = request.uri().path().to_owned();
    let known = request.header("if-none-match").unwrap_or_default().to_owned();
    let content_type = request.header("content-type").unwrap_or_default().to_owned();
    let bytes = request.take_body().into_vec().await?;
    let mut objects = bucket.objects.lock().unwrap();
    Ok(match *request.method() {
        Method::PUT => {
            let object = Object { content_type, bytes };
            let tag = object.tag();
            objects.insert(name, object);
            Response::builder().header("etag", tag).finish()
        }
        Method::GET => match objects.get(&name) {
            None => StatusCode::NOT_FOUND.into(),
            Some(object) if object.tag() == known => StatusCode::NOT_MODIFIED.into(),
            Some(object) => Response::builder()
                .header("etag", object.tag())
                .header("last-modified", "Wed, 15 Jan 2025 06:31:38 GMT")
                .content_type(&object.content_type)
                .body(object.bytes.clone()),
        },
        Method::DELETE => {
            objects.remove(&name);
            StatusCode::NO_CONTENT.into()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into(),
    })
}

impl Object {
    fn tag(&self) -> String {
        let hash: String = Sha256::digest(&self.bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("\"{hash}\"")
    }
}

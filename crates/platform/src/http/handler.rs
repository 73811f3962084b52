//! Runs request handlers.
//!
//! A write runs in a task of its own and is always completed, even if its client disconnects. A read is aborted when its
//! client disconnects.

use std::time::Duration;

use tokio::task::AbortHandle;

use super::{
    connection::Peer,
    problem::{ApiResult, Problem},
};
use crate::http::problem_types;

/// How long a read continues after its client closed its half of the connection. Such a client has disconnected or waits
/// for the response; the two cannot be told apart.
const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a handler that writes, to its end.
///
/// # Errors
/// 500 when the handler panicked.
pub async fn write<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> ApiResult<T> {
    tokio::spawn(work).await.map_err(|_| panicked())
}

/// Runs a handler that only reads, while its client is connected.
///
/// # Errors
/// 408 when the client disconnected, 500 when the handler panicked.
pub async fn read<T: Send + 'static>(
    client: Option<Peer>,
    work: impl Future<Output = T> + Send + 'static,
) -> ApiResult<T> {
    let task = tokio::spawn(work);
    let _abort_on_drop = AbortOnDrop(task.abort_handle());
    tokio::select! {
        biased;
        done = task => done.map_err(|_| panicked()),
        () = disconnected(client) => {
            let detail = "The client closed its side of the connection before the response was ready.";
            Err(problem_types::REQUEST_TIMEOUT.problem(detail))
        }
    }
}

async fn disconnected(client: Option<Peer>) {
    Peer::closed(client.as_ref()).await;
    tokio::time::sleep(HALF_CLOSED_TIMEOUT).await;
}

fn panicked() -> Problem {
    Problem::internal("a handler panicked")
}

/// Aborts a task when it is dropped. Does nothing to a task that has ended.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::{
        net::{TcpListener, TcpStream},
        sync::oneshot,
    };

    use super::*;
    use crate::http::connection::Connection;

    /// Longer than it takes to begin.
    const A_MOMENT: Duration = Duration::from_millis(20);

    /// A client, and the server's end of its connection.
    async fn connected() -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("its address")).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("somebody connected");
        (client, Connection::new(server))
    }

    /// Work without an end, and a receiver that fails when the work is dropped.
    fn endless() -> (impl Future<Output = ()> + Send + 'static, oneshot::Receiver<()>) {
        let (held, let_go) = oneshot::channel::<()>();
        let work = async move {
            let _held = held;
            pending::<()>().await;
        };
        (work, let_go)
    }

    #[tokio::test]
    async fn a_read_ends_when_its_client_has_gone() {
        let (client, connection) = connected().await;
        let (work, let_go) = endless();
        let reading = tokio::spawn(read(Some(connection.peer()), work));
        drop(client);
        let refused = reading.await.expect("it does not panic").expect_err("it has no end of its own");
        assert_eq!(refused.code(), "request_timeout");
        assert!(let_go.await.is_err(), "nobody works for it any more");
    }

    #[tokio::test]
    async fn a_read_that_is_dropped_ends() {
        let (work, let_go) = endless();
        assert!(tokio::time::timeout(A_MOMENT, read(None, work)).await.is_err());
        assert!(let_go.await.is_err(), "nobody works for it any more");
    }

    #[tokio::test]
    async fn a_read_is_answered_while_its_client_waits() {
        let (_client, connection) = connected().await;
        assert_eq!(read(Some(connection.peer()), async { 7 }).await.expect("an answer"), 7);
    }

    #[tokio::test]
    async fn a_write_that_is_dropped_goes_on_to_its_end() {
        let (go_on, goes_on) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel::<()>();
        let work = async move {
            goes_on.await.expect("it is told to go on");
            done.send(()).expect("somebody wants to know");
        };
        assert!(tokio::time::timeout(A_MOMENT, write(work)).await.is_err());
        go_on.send(()).expect("it still waits");
        is_done.await.expect("it came to its end");
    }
}

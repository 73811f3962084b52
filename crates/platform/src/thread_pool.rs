//! A few threads for work that keeps a core busy and takes megabytes.
//!
//! tokio starts up to 512 blocking threads, and glibc gives each thread a heap, which keeps most of what was freed in it.
//! So large work runs on a few fixed threads. Each keeps its working memory, an `M`, for the next work, and frees it when
//! there is none for a while.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

/// After how long without work a thread frees its working memory.
const IDLE: Duration = Duration::from_secs(10);

type Work<M> = Box<dyn FnOnce(&mut M) + Send>;

/// Threads that run the work of one queue. They end when this is dropped and the queue is empty.
#[derive(Debug)]
pub struct ThreadPool<M> {
    queue: Sender<Work<M>>,
}

/// Why work has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("the queue is full")]
    Full,
    #[error("the work panicked")]
    Panicked,
}

impl<M: Default + 'static> ThreadPool<M> {
    /// Starts `threads` threads with a queue of at most `queue` entries.
    ///
    /// # Panics
    /// When the system cannot start a thread.
    #[must_use]
    pub fn start(name: &str, threads: usize, queue: usize) -> Self {
        Self::start_with(IDLE, name, threads, queue)
    }

    fn start_with(idle: Duration, name: &str, threads: usize, queue: usize) -> Self {
        let (queue, waiting) = bounded(queue);
        for _ in 0..threads {
            let waiting = waiting.clone();
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn(move || run_queue(&waiting, idle)).expect("the system starts a thread");
        }
        Self { queue }
    }

    /// The same, with one thread for each core.
    #[must_use]
    pub fn on_all_cores(name: &str, queue: usize) -> Self {
        Self::start(name, thread::available_parallelism().map_or(2, std::num::NonZero::get), queue)
    }

    /// Runs work on one of the threads. If this future is dropped while the work is queued, it does not run.
    ///
    /// # Errors
    /// When the queue is full, or the work panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut M) -> T + Send + 'static) -> Result<T, RunError> {
        let (sender, result) = oneshot::channel();
        let work = move |memory: &mut M| {
            if !sender.is_closed() {
                let _ = sender.send(work(memory)); // fails when the caller has gone
            }
        };
        self.queue.try_send(Box::new(work)).map_err(|_| RunError::Full)?;
        result.await.map_err(|_| RunError::Panicked)
    }
}

fn run_queue<M: Default>(queue: &Receiver<Work<M>>, idle: Duration) {
    while let Ok(work) = queue.recv() {
        let mut memory = M::default();
        let mut next = Ok(work);
        while let Ok(work) = next {
            // The panic message went to standard error; the thread continues.
            let _ = catch_unwind(AssertUnwindSafe(|| work(&mut memory)));
            next = queue.recv_timeout(idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        pin::pin,
        sync::{Arc, atomic::AtomicUsize, atomic::Ordering::SeqCst, mpsc},
        task::Poll,
    };

    use super::*;

    /// One thread that is busy until the sender is used or dropped.
    async fn busy(queue: usize) -> (Arc<ThreadPool<usize>>, mpsc::Sender<()>) {
        let pool = Arc::new(ThreadPool::start("test", 1, queue));
        let ((release, released), (began, begins)) = (mpsc::channel(), oneshot::channel());
        let holding = Arc::clone(&pool);
        let hold = move |_: &mut usize| {
            let _ = began.send(());
            let _ = released.recv();
        };
        tokio::spawn(async move { holding.run(hold).await });
        begins.await.unwrap();
        (pool, release)
    }

    /// Lets a future begin, which queues its work.
    async fn begin<F: Future>(mut future: std::pin::Pin<&mut F>) {
        poll_fn(|context| {
            assert!(future.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn each_thread_keeps_its_memory() {
        let pool = ThreadPool::<usize>::start("test", 1, 8);
        for turn in 1..=3 {
            let count = |memory: &mut usize| {
                *memory += 1;
                *memory
            };
            assert_eq!(pool.run(count).await, Ok(turn));
        }
    }

    #[tokio::test]
    async fn an_idle_thread_frees_its_memory() {
        /// Sends a message when it is freed.
        #[derive(Default)]
        struct Memory(Option<oneshot::Sender<()>>);
        impl Drop for Memory {
            fn drop(&mut self) {
                self.0.take().map(|freed| freed.send(()));
            }
        }
        let pool = ThreadPool::<Memory>::start_with(Duration::from_millis(1), "test", 1, 8);
        let (free, freed) = oneshot::channel();
        assert_eq!(pool.run(move |memory| memory.0 = Some(free)).await, Ok(()));
        assert_eq!(freed.await, Ok(()));
        assert_eq!(pool.run(|memory| memory.0.is_none()).await, Ok(true), "it continues");
    }

    #[tokio::test]
    async fn cancelled_work_does_not_run() {
        let (pool, release) = busy(8).await;
        let done = Arc::new(AtomicUsize::new(0));
        let count = || {
            let done = Arc::clone(&done);
            pool.run(move |_| done.fetch_add(1, SeqCst))
        };
        {
            let mut given_up = pin!(count());
            begin(given_up.as_mut()).await;
        }
        let mut waited_for = pin!(count());
        begin(waited_for.as_mut()).await;
        release.send(()).unwrap();
        assert_eq!(waited_for.await, Ok(0), "the first was not done before the second");
        assert_eq!(done.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let (pool, release) = busy(1).await;
        let mut waits = pin!(pool.run(|_| ()));
        begin(waits.as_mut()).await;
        let refused = tokio::time::timeout(Duration::from_secs(10), pool.run(|_| ()));
        assert_eq!(refused.await.expect("an answer at once"), Err(RunError::Full));
        release.send(()).unwrap();
        assert_eq!(waits.await, Ok(()));
    }

    #[tokio::test]
    async fn a_panic_is_reported_and_the_thread_continues() {
        let pool = ThreadPool::<usize>::start("test", 1, 8);
        let panics = pool.run(|_| panic!("on purpose"));
        assert_eq!(panics.await, Err::<(), _>(RunError::Panicked));
        assert_eq!(pool.run(|_| 7).await, Ok(7));
    }
}

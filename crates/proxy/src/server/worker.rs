//! Threads that run sessions: one event loop each, and a session stays on its thread.
//!
//! In:  accepted connections.
//! Out: sessions, run to their end.
//!
//! Invariants:
//! - Every session is joined before its worker ends; every worker before [`Workers::drain`] returns.
//! - A session and its upstream connection wake each other on one thread: no lock, no call to the kernel for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;

use super::{Shared, login};

/// An accepted connection, not registered with any event loop.
struct Arrival {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
}

/// One thread.
struct Worker {
    arrivals: mpsc::UnboundedSender<Arrival>,
    sessions: Arc<AtomicUsize>,
    thread: thread::JoinHandle<()>,
}

/// All of them.
pub(super) struct Workers(Vec<Worker>);

impl Workers {
    /// Starts `count` threads.
    pub(super) fn start(shared: &Arc<Shared>, count: usize) -> io::Result<Self> {
        let workers = (0..count.max(1)).map(|index| Worker::start(shared, index));
        workers.collect::<io::Result<_>>().map(Self)
    }

    /// Gives a connection to the thread with the fewest sessions. Their number is bounded by the permits.
    pub(super) fn give(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) -> io::Result<()> {
        let stream = stream.into_std()?;
        let idlest = self.0.iter().min_by_key(|worker| worker.sessions.load(Ordering::Relaxed));
        if let Some(worker) = idlest {
            worker.sessions.fetch_add(1, Ordering::Relaxed);
            // A worker ends only when it is told to: the connection is closed with the message otherwise.
            let _ended = worker.arrivals.send(Arrival { stream, peer, permit });
        }
        Ok(())
    }

    pub(super) fn sessions(&self) -> usize {
        self.0.iter().map(|worker| worker.sessions.load(Ordering::Relaxed)).sum()
    }

    /// Takes no more, and waits until every session has ended. They are told by `Shared::stopping`.
    pub(super) async fn drain(self) {
        let (senders, threads): (Vec<_>, Vec<_>) =
            self.0.into_iter().map(|worker| (worker.arrivals, worker.thread)).unzip();
        drop(senders);
        let joining = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A worker's panic has been reported by the panic hook.
                let _panicked = thread.join();
            }
        });
        let _joined = joining.await;
    }
}

impl Worker {
    fn start(shared: &Arc<Shared>, index: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let sessions = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (shared.clone(), sessions.clone());
        let run = move || runtime.block_on(work(&shared, &count, receiver));
        let thread = thread::Builder::new().name(format!("worker {index}")).spawn(run)?;
        Ok(Self { arrivals: sender, sessions, thread })
    }
}

async fn work(
    shared: &Arc<Shared>,
    count: &Arc<AtomicUsize>,
    mut arrivals: mpsc::UnboundedReceiver<Arrival>,
) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some(arrival) => serve(shared, count, arrival, &mut sessions),
                None => break,
            },
            Some(_ended) = sessions.join_next() => {}
        }
    }
    let timeout: Duration = shared.config.limits.drain_timeout;
    let all = async { while sessions.join_next().await.is_some() {} };
    if tokio::time::timeout(timeout, all).await.is_err() {
        sessions.shutdown().await;
    }
}

fn serve(
    shared: &Arc<Shared>,
    count: &Arc<AtomicUsize>,
    arrival: Arrival,
    sessions: &mut JoinSet<()>,
) {
    let Arrival { stream, peer, permit } = arrival;
    let (shared, counted) = (shared.clone(), Counted(count.clone()));
    sessions.spawn(async move {
        let (_permit, _counted) = (permit, counted);
        if let Ok(stream) = TcpStream::from_std(stream) {
            login::serve_client(&shared, stream, peer).await;
        }
    });
}

/// Counts a session off when it ends, however it ends.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

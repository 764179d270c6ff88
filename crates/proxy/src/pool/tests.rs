//! A pool in front of a server of our own, which counts who comes and can refuse them or fall silent.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::BufMut as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::config::{PoolConfig, Secret};
use crate::frame::put;
use crate::link::{Link, Stream};
use crate::message::{Report, Status};
use crate::tls::SslMode;

/// How the server treats people.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mood {
    Serves,
    /// New connections hear this SQLSTATE.
    Refuses(&'static str),
    /// Takes everything, answers nothing.
    Silent,
}

struct Server {
    port: u16,
    mood: watch::Sender<Mood>,
    /// Connections so far.
    dials: watch::Receiver<usize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (mood, dials) = (watch::Sender::new(Mood::Serves), watch::Sender::new(0));
        let counted = dials.subscribe();
        let moods = mood.subscribe();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                dials.send_modify(|dials| *dials += 1);
                let number = u64::try_from(*dials.borrow()).expect("few");
                tokio::spawn(serve(stream, number, moods.clone()));
            }
        });
        Self { port, mood, dials: counted }
    }

    fn dials(&self) -> usize {
        *self.dials.borrow()
    }

    fn pool(&self, pool: PoolConfig, patience: Duration) -> (UpstreamPool, Tender) {
        let config = UpstreamConfig {
            name: "w".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: "u".to_owned(),
            password: Secret::default(),
            sslmode: SslMode::Disable,
            ca: None,
            pool,
            connect_timeout: Duration::from_secs(10),
        };
        UpstreamPool::new(&Arc::new(config), "shop", patience)
    }
}

async fn serve(stream: TcpStream, number: u64, mood: watch::Receiver<Mood>) -> std::io::Result<()> {
    let mut link = Link::new(Stream::Plain(stream));
    let length = link.take(4).await?;
    let length = u32::from_be_bytes(length[..].try_into().expect("four bytes"));
    link.take(length as usize - 4).await?;
    let now = *mood.borrow();
    if let Mood::Refuses(sqlstate) = now {
        Report::fatal(sqlstate, "no").put(&mut link.outbound);
        return link.shutdown().await;
    }
    put(&mut link.outbound, b'R', |body| body.put_i32(0));
    put(&mut link.outbound, b'K', |body| body.put_u64(number));
    Status::Idle.put(&mut link.outbound);
    loop {
        if *mood.borrow() != Mood::Silent {
            link.flush().await?;
        }
        match link.read_frame(1000).await?.tag {
            b'Q' => {
                put(&mut link.outbound, b'C', |body| body.put_slice(b"SHOW\0"));
                Status::Idle.put(&mut link.outbound);
            }
            _ => return Ok(()),
        }
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn sizes(size: usize) -> PoolConfig {
    PoolConfig { size, ..PoolConfig::default() }
}

/// Asks once, as whoever waits is asked when something changes.
fn ask<F: Future>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn first_come_first_served_and_nobody_waits_for_another_users_limit() {
    let server = Server::start().await;
    let config = PoolConfig { user_sizes: [("rita".to_owned(), 1)].into(), ..sizes(2) };
    let (pool, _tender) = server.pool(config, Duration::from_secs(30));
    let (rita, ralf) = (pool.places("rita"), pool.places("ralf"));
    let hers = pool.lease(&rita, later()).await.expect("free");
    let mut second = Box::pin(pool.lease(&rita, later()));
    assert!(ask(&mut second).is_none(), "she has as many as she may");
    let his = pool.lease(&ralf, later()).await.expect("one is free, whoever asked before");
    let mut third = Box::pin(pool.lease(&ralf, later()));
    let mut fourth = Box::pin(pool.lease(&ralf, later()));
    assert!(ask(&mut third).is_none() && ask(&mut fourth).is_none());
    drop(his);
    assert!(ask(&mut fourth).is_none(), "somebody came before");
    let third = ask(&mut third).expect("it is their turn").expect("free");
    drop(hers);
    assert!(ask(&mut second).is_none(), "in line by now, behind the others");
    let _fourth = ask(&mut fourth).expect("it is their turn").expect("free");
    drop(third);
    assert!(ask(&mut second).expect("it is their turn").is_ok());
    assert_eq!(server.dials(), 2);
}

#[tokio::test]
async fn who_waits_too_long_hears_which_limit_it_was() {
    let server = Server::start().await;
    let config = PoolConfig { user_size: Some(1), ..sizes(2) };
    let (pool, _tender) = server.pool(config, Duration::from_secs(30));
    let soon = || Instant::now() + Duration::from_millis(20);
    let (rita, ralf, max) = (pool.places("rita"), pool.places("ralf"), pool.places("max"));
    let _hers = pool.lease(&rita, later()).await.expect("free");
    let other = pool.lease(&pool.places("rita"), soon()).await;
    assert!(
        matches!(other, Err(LeaseError::Busy(Full::User))),
        "another session of hers: {other:?}"
    );
    let _his = pool.lease(&ralf, later()).await.expect("free");
    let none = pool.lease(&max, soon()).await;
    assert!(matches!(none, Err(LeaseError::Busy(Full::Database))), "{none:?}");
}

#[tokio::test]
async fn an_upstream_that_is_away_is_not_stormed() {
    let server = Server::start().await;
    let patience = Duration::from_millis(300);
    let (pool, tender) = server.pool(sizes(20), patience);
    server.mood.send_replace(Mood::Refuses("57P03"));
    let pool = Arc::new(pool);
    let clients = |pool: &Arc<UpstreamPool>, deadline: Instant| {
        let pool = pool.clone();
        async move { pool.lease(&None, deadline).await }
    };
    let deadline = pool.deadline();
    let mut waiting: tokio::task::JoinSet<_> = (0..20).map(|_| clients(&pool, deadline)).collect();
    while let Some(lease) = waiting.join_next().await {
        let lease = lease.expect("no panic");
        assert!(matches!(lease, Err(LeaseError::Away(Outage::Starting))), "{lease:?}");
    }
    assert!(server.dials() <= DIALS, "{} dials of 20 clients", server.dials());
    // Away for as long as one would wait: told at once.
    until(|| pool.dialer.health.away_for(patience).is_some()).await;
    let told = timeout(Duration::from_secs(10), pool.lease(&None, later())).await;
    assert!(matches!(told, Ok(Err(LeaseError::Away(Outage::Starting)))), "{told:?}");
    // Whoever asks in time is served when it is back.
    let before = server.dials();
    server.mood.send_replace(Mood::Serves);
    let back = pool.dialer.clone();
    let tending = tokio::spawn(tender.run());
    back.health.up().await;
    assert_eq!(server.dials(), before + 1, "one has tried");
    let mut served: tokio::task::JoinSet<_> = (0..20).map(|_| clients(&pool, later())).collect();
    while let Some(lease) = served.join_next().await {
        lease.expect("no panic").expect("served");
    }
    drop(pool);
    tending.abort();
}

#[tokio::test]
async fn who_waits_is_served_as_soon_as_it_is_back() {
    let mut server = Server::start().await;
    let (pool, tender) = server.pool(sizes(2), Duration::from_secs(30));
    server.mood.send_replace(Mood::Refuses("57P03"));
    let tending = tokio::spawn(tender.run());
    let trying = server.dials.clone();
    let waiting = pool.lease(&None, later());
    let returning = async {
        // The client's own try, and two of the tender's.
        server.dials.wait_for(|dials| *dials >= 3).await.expect("the server lives");
        server.mood.send_replace(Mood::Serves);
    };
    let (lease, ()) = tokio::join!(waiting, returning);
    lease.expect("served");
    assert!(*trying.borrow() >= 4);
    tending.abort();
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let server = Server::start().await;
    let (pool, _tender) = server.pool(sizes(2), Duration::from_secs(30));
    server.mood.send_replace(Mood::Refuses("3D000"));
    let refused = timeout(Duration::from_secs(10), pool.lease(&None, later())).await;
    assert!(matches!(refused, Ok(Err(LeaseError::Upstream(UpstreamError::Server { .. })))));
    assert!(!pool.dialer.health.is_down());
}

#[tokio::test]
async fn a_full_server_gives_what_comes_free() {
    let server = Server::start().await;
    let (pool, _tender) = server.pool(sizes(2), Duration::from_secs(30));
    let lent = pool.lease(&None, later()).await.expect("free");
    server.mood.send_replace(Mood::Refuses("53300"));
    let mut dials = server.dials.clone();
    let freeing = async {
        dials.wait_for(|dials| *dials >= 2).await.expect("the server lives");
        drop(lent);
    };
    let (lease, ()) = tokio::join!(pool.lease(&None, later()), freeing);
    lease.expect("the one that came free");
    assert!(!pool.dialer.health.is_down());
}

/// Waits for something that another task does.
async fn until(mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.expect("it happens");
}

#[tokio::test]
async fn what_is_idle_or_old_is_closed_and_what_is_lent_is_not() {
    let server = Server::start().await;
    for (idle_timeout, max_age) in [(50, 60_000), (60_000, 50)] {
        let config = PoolConfig {
            idle_timeout: Duration::from_millis(idle_timeout),
            max_age: Duration::from_millis(max_age),
            ..sizes(2)
        };
        let (pool, tender) = server.pool(config, Duration::from_secs(30));
        let tending = tokio::spawn(tender.run());
        let mut lent = pool.lease(&None, later()).await.expect("free");
        drop(pool.lease(&None, later()).await.expect("free"));
        until(|| pool.pool.status().size == 1).await;
        lent.run(Own::Nothing).await.expect("it lives");
        drop(lent);
        until(|| pool.pool.status().size == 0).await;
        drop(pool);
        tending.await.expect("ends with its pool");
    }
}

#[tokio::test]
async fn a_connection_that_was_idle_long_is_tried_before_it_is_lent() {
    let server = Server::start().await;
    let check_after = Duration::from_millis(50);
    let (pool, tender) =
        server.pool(PoolConfig { check_after, ..sizes(1) }, Duration::from_secs(30));
    let first = pool.lease(&None, later()).await.expect("free").key.clone();
    let again = pool.lease(&None, later()).await.expect("free");
    assert_eq!(again.key, first, "it answers");
    drop(again);
    let mut idle = tend::Idle::default();
    let mut stale = false;
    let mut look = || {
        let mut look = idle.look(&pool.dialer.config.pool);
        let _none = pool.pool.retain(|upstream, metrics| {
            let stays = look.stays(upstream, &metrics);
            stale = upstream.stale.load(std::sync::atomic::Ordering::Relaxed);
            stays
        });
        idle = look.seen;
        stale
    };
    until(&mut look).await;
    // A sign of life takes the mark away.
    let again = pool.lease(&None, later()).await.expect("free");
    assert_eq!(again.key, first);
    drop(again);
    assert!(!look(), "just used");
    until(&mut look).await;
    server.mood.send_replace(Mood::Silent);
    // The server has forgotten it; another one answers.
    let mood = server.mood.clone();
    let reviving = async {
        tokio::time::sleep(CHECK_TIMEOUT / 2).await;
        mood.send_replace(Mood::Serves);
    };
    drop(tender);
    let (lease, ()) = tokio::join!(pool.lease(&None, later()), reviving);
    assert_ne!(lease.expect("a new one").key, first);
}

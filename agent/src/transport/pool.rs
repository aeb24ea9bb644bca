//! Requests over a few REQ connections: one in flight on each, thrown away after a timeout.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use salt_wire::zmtp::{Limits, Role};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Dial, Error, Link};

/// Connections to one master's request port.
pub struct Pool {
    dial: Arc<dyn Dial>,
    peer: SocketAddr,
    limits: Limits,
    connect: Duration,
    turns: Semaphore,
    idle: Mutex<Vec<(Instant, Link)>>,
}

/// An idle connection is closed after this time, so that a master with many agents keeps few of them open.
const KEEP: Duration = Duration::from_secs(30);

impl Pool {
    /// A pool of up to `size` connections, each of which has `connect` to come up.
    pub fn new(
        dial: Arc<dyn Dial>,
        peer: SocketAddr,
        limits: Limits,
        size: usize,
        connect: Duration,
    ) -> Self {
        Self {
            dial,
            peer,
            limits,
            connect,
            turns: Semaphore::new(size),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// The request port's address.
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Opens a connection, to see whether the master is there; the next request uses it.
    pub async fn open(&self) -> Result<(), Error> {
        self.keep(self.connection(self.connect).await?);
        Ok(())
    }

    async fn connection(&self, patience: Duration) -> Result<Link, Error> {
        let role = Role::Req;
        Link::connect(&*self.dial, self.peer, role, self.limits, None, patience).await
    }

    /// Sends one request and waits for its reply as long as something moves within `patience`. The wait for a
    /// free connection is bounded by the patience of the requests before it.
    pub async fn request(&self, body: &[u8], patience: Duration) -> Result<Vec<u8>, Error> {
        self.request_within(u64::MAX, body, patience).await
    }

    /// The same, for a reply that has no reason to be longer than `limit`.
    pub async fn request_within(
        &self,
        limit: u64,
        body: &[u8],
        patience: Duration,
    ) -> Result<Vec<u8>, Error> {
        let closed = || Error::Closed {
            peer: self.peer,
            source: None,
        };
        let _turn = self.turns.acquire().await.map_err(|_| closed())?;
        while let Some(mut link) = self.take_idle() {
            if !link.is_open().await {
                continue;
            }
            match link.request_within(limit, body, patience).await {
                Ok(reply) => {
                    self.keep(link);
                    return Ok(reply);
                }
                // It broke under a request that the master has most likely never seen: as good as idle
                // and closed. A request that it did see is one that may be repeated, as after a timeout.
                Err(Error::Closed { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        let mut link = self.connection(self.connect.min(patience)).await?;
        let reply = link.request_within(limit, body, patience).await?;
        self.keep(link);
        Ok(reply)
    }

    /// Closes idle connections that were not used for a while; call it now and then.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.idle().retain(|(since, _)| now - *since < KEEP);
    }

    fn keep(&self, link: Link) {
        self.idle().push((Instant::now(), link));
    }

    fn take_idle(&self) -> Option<Link> {
        self.idle().pop().map(|(_, link)| link)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Link)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::super::memory::{Memory, hello, reply, request_body};
    use super::*;

    const SOON: Duration = Duration::from_secs(2);

    fn pool(memory: Memory, size: usize) -> Arc<Pool> {
        let peer = "192.0.2.1:4506".parse().unwrap();
        Arc::new(Pool::new(
            Arc::new(memory),
            peer,
            Limits::default(),
            size,
            SOON,
        ))
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_kept_until_it_times_out() {
        let (memory, mut served) = Memory::new();
        let server = tokio::spawn(async move {
            let (_, mut first) = served.recv().await.unwrap();
            first.write_all(&hello("ROUTER")).await.unwrap();
            for _ in 0..2 {
                let body = request_body(&mut first).await;
                first.write_all(&reply(&body)).await.unwrap();
            }
            // The third request gets no answer; the fourth comes over a new connection.
            request_body(&mut first).await;
            let (_, mut second) = served.recv().await.unwrap();
            second.write_all(&hello("ROUTER")).await.unwrap();
            let body = request_body(&mut second).await;
            second.write_all(&reply(&body)).await.unwrap();
            (first, second)
        });
        let pool = pool(memory, 2);
        assert_eq!(pool.request(b"1", SOON).await.unwrap(), b"1");
        assert_eq!(pool.request(b"2", SOON).await.unwrap(), b"2");
        assert!(matches!(
            pool.request(b"3", SOON).await,
            Err(Error::Timeout { .. })
        ));
        assert_eq!(pool.request(b"4", SOON).await.unwrap(), b"4");
        drop(server.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_broke_while_idle_costs_nothing() {
        let (memory, mut served) = Memory::new();
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (_, mut peer) = served.recv().await.unwrap();
                peer.write_all(&hello("ROUTER")).await.unwrap();
                let body = request_body(&mut peer).await;
                peer.write_all(&reply(&body)).await.unwrap();
            }
        });
        let pool = pool(memory, 1);
        assert_eq!(pool.request(b"1", SOON).await.unwrap(), b"1");
        tokio::task::yield_now().await;
        assert_eq!(pool.request(b"2", SOON).await.unwrap(), b"2");
        server.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_are_closed_after_a_while() {
        let (memory, mut served) = Memory::new();
        let server = tokio::spawn(async move {
            let (_, mut peer) = served.recv().await.unwrap();
            peer.write_all(&hello("ROUTER")).await.unwrap();
            let body = request_body(&mut peer).await;
            peer.write_all(&reply(&body)).await.unwrap();
            peer
        });
        let pool = pool(memory, 1);
        pool.request(b"1", SOON).await.unwrap();
        pool.sweep();
        assert_eq!(pool.idle().len(), 1);
        tokio::time::advance(KEEP).await;
        pool.sweep();
        assert_eq!(pool.idle().len(), 0);
        drop(server);
    }
}

//! Keys at an https address: fetched when they are needed, kept, fetched again.
//!
//! In:  an address, the CA that vouches for it.
//! Out: the newest keys that could be had.
//!
//! Invariants:
//! - One fetch at a time, with a deadline, a largest size and no redirect; between two tries at least `min_refresh`,
//!   however many tokens name keys that nobody knows.
//! - Keys that cannot be renewed are used until they are [`MAX_AGE`] old, and not longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;
use tokio::sync::Semaphore;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::keys::{self, Key};
use crate::event::{Event, emit};

/// For name look-up, connecting, TLS and the answer together.
const TIMEOUT: Duration = Duration::from_secs(4);
const MAX_BYTES: u64 = 256 << 10;
/// Keys that were withdrawn meanwhile count for so long at most.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Where keys are published.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) url: String,
    /// Whom to believe, in DER.
    pub(crate) roots: Arc<Vec<Vec<u8>>>,
    /// Keys older than this are fetched again.
    pub(crate) refresh: Duration,
    /// Between two tries.
    pub(crate) min_refresh: Duration,
    pub(crate) algorithms: Vec<Algorithm>,
}

/// The keys of an address.
#[derive(Debug)]
pub(crate) struct Published {
    address: Address,
    state: ArcSwap<State>,
    /// Whoever fetches holds it.
    fetching: Semaphore,
}

#[derive(Clone, Debug, Default)]
struct State {
    keys: Option<(Arc<Vec<Key>>, Instant)>,
    tried: Option<Instant>,
}

/// No keys could be had, and none that are young enough are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unavailable;

impl Published {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, state: ArcSwap::default(), fetching: Semaphore::new(1) }
    }

    /// The keys; fetched again if they are old, or if `suffice` says that what is wanted is not among them.
    pub(crate) async fn keys(
        &self,
        suffice: impl Fn(&[Key]) -> bool,
    ) -> Result<Arc<Vec<Key>>, Unavailable> {
        if let Some(keys) = self.fresh(&suffice) {
            return Ok(keys);
        }
        // Never closed.
        let _permit = self.fetching.acquire().await.map_err(|_| Unavailable)?;
        // Somebody may have fetched them meanwhile.
        if let Some(keys) = self.fresh(&suffice) {
            return Ok(keys);
        }
        if self.may_try() {
            self.fetch().await;
        }
        self.usable().ok_or(Unavailable)
    }

    fn fresh(&self, suffice: &impl Fn(&[Key]) -> bool) -> Option<Arc<Vec<Key>>> {
        let state = self.state.load();
        let (keys, at) = state.keys.as_ref()?;
        (at.elapsed() < self.address.refresh && suffice(keys)).then(|| keys.clone())
    }

    fn usable(&self) -> Option<Arc<Vec<Key>>> {
        let state = self.state.load();
        let (keys, at) = state.keys.as_ref()?;
        (at.elapsed() < MAX_AGE).then(|| keys.clone())
    }

    fn may_try(&self) -> bool {
        self.state.load().tried.is_none_or(|tried| tried.elapsed() >= self.address.min_refresh)
    }

    async fn fetch(&self) {
        let keys = self.state.load().keys.clone();
        // Noted first: a login that gives up waiting counts as a try.
        self.state.store(Arc::new(State { keys: keys.clone(), tried: Some(Instant::now()) }));
        let address = self.address.clone();
        let fetched = tokio::task::spawn_blocking(move || {
            let text = get(&address)?;
            keys::of_json(&text, &address.algorithms)
        });
        let outcome = fetched.await.unwrap_or_else(|_| Err("the fetch was given up".to_owned()));
        let url = &self.address.url;
        match outcome {
            Ok(found) => {
                emit(&Event::KeysLoaded { url, keys: found.len() });
                let now = Instant::now();
                let keys = Some((Arc::new(found), now));
                self.state.store(Arc::new(State { keys, tried: Some(now) }));
            }
            Err(reason) => emit(&Event::KeysFailed { url, reason: &reason }),
        }
    }
}

fn get(address: &Address) -> Result<String, String> {
    let roots = address.roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(crate::tls::provider())
        .build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .build()
        .new_agent();
    let mut response = agent.get(&address.url).call().map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let body = response.body_mut().with_config().limit(MAX_BYTES).read_to_string();
    body.map_err(|error| error.to_string())
}

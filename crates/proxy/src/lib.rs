//! Everything that waits: listening, TLS, authentication, sessions, pools, catalog loading, reload.
//!
//! In:  a [`Config`].
//! Out: [`serve`], sessions for this process itself ([`Inside`]), and what `check` and `explain` need of a live database ([`load_snapshot`]).
//!
//! Invariants:
//! - Statement text goes upstream only as [`Cleared`](pgcordon_rewrite::Cleared), or as one of the proxy's own few
//!   statements (`wire`).

mod answer;
mod auth;
mod cancel;
mod catalog;
mod certificate;
mod clock;
mod config;
mod event;
mod facts;
mod frame;
mod greeting;
mod judged;
mod link;
mod message;
mod plans;
mod pool;
mod redact;
mod server;
mod session;
mod settings;
mod startup;
mod state;
mod statements;
mod tls;
mod upstream;
mod wire;

pub use auth::query::check_lookups;
pub use catalog::{CatalogError, Loaded, load_snapshot, read_snapshot};
pub use clock::now;
pub use config::{Config, LimitsConfig, Secret, TlsConfig, UpstreamConfig};
pub use event::{Event, RefusalId};
pub use facts::{Fact, facts};
pub use server::{Inside, ServeError, Server, describe, serve, that_count};
pub use tls::{SslMode, TlsError};
pub use upstream::UpstreamError;

//! The demo's stage: the server, the proxy in this process, and its configuration.
//!
//! In:  the embedded configuration and policy of `config/demo`.
//! Out: a [`Stage`] whose proxy accepts connections.
//!
//! Invariants:
//! - The proxy reads its configuration from files, as `serve` does: nothing is configured past the policy files.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use pgcordon_proxy::Config;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::binaries;
use super::cluster::{Cluster, write_secret};
use crate::failure::Failure;

const CONFIG: &str = include_str!("../../../../config/demo/pgcordon.yaml");
const POLICY: &str = include_str!("../../../../config/demo/policy.yaml");
/// Where psql's lines in the README point.
const USUAL_PORT: u16 = 6432;
/// How long sessions may take to end when the demo stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) address: SocketAddr,
    pub(super) config: Config,
    pub(super) config_path: PathBuf,
    proxy: Proxy,
    // After the proxy: sessions end before the server does.
    pub(super) cluster: Cluster,
}

/// The proxy's task, stopped on drop.
#[derive(Debug)]
struct Proxy {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Stage {
    /// Starts server and proxy.
    pub(super) async fn set_up(port: Option<u16>) -> Result<Self, Failure> {
        let programs = binaries::find()?;
        let cluster = Cluster::start(&programs).await?;
        let config_path = write_configuration(&cluster, proxy_port(port)?)?;
        let config = Config::load(&config_path)?;
        let server =
            pgcordon_proxy::Server::bind(config.clone()).await.map_err(crate::serve::failure)?;
        let address = first(&server.local_addrs().map_err(Failure::io("asking for the port"))?)?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let asked = async move {
                // A dropped sender is the wish to stop, too.
                let _ = stopped.await;
            };
            server.run(asked).await;
        });
        let proxy = Proxy { stop: Some(stop), task };
        Ok(Self { address, config, config_path, proxy, cluster })
    }

    /// Ends sessions, then the server, then removes the folder.
    pub(super) async fn tear_down(mut self) {
        if let Some(stop) = self.proxy.stop.take() {
            let _ = stop.send(());
        }
        // Past the time it is aborted on drop.
        let _ = tokio::time::timeout(DRAIN, &mut self.proxy.task).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn first(addresses: &[SocketAddr]) -> Result<SocketAddr, Failure> {
    addresses.first().copied().ok_or_else(|| Failure::Told("the proxy does not listen".to_owned()))
}

/// The port that was asked for, or the usual one, or any free one.
fn proxy_port(asked: Option<u16>) -> Result<u16, Failure> {
    if let Some(port) = asked {
        return Ok(port);
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, USUAL_PORT)) {
        Ok(_) => Ok(USUAL_PORT),
        Err(_) => super::cluster::free_port(),
    }
}

fn write_configuration(cluster: &Cluster, port: u16) -> Result<PathBuf, Failure> {
    let folder = cluster.folder();
    let config = filled_in(cluster.port, port)?;
    write_secret(&folder.join("upstream_password"), &cluster.upstream_password)?;
    write_secret(&folder.join("policy.yaml"), POLICY)?;
    let path = folder.join("pgcordon.yaml");
    write_secret(&path, &config)?;
    Ok(path)
}

/// Puts the three values in that differ from run to run; each must stand in the file exactly once.
fn filled_in(server_port: u16, proxy_port: u16) -> Result<String, Failure> {
    let mut text = CONFIG.to_owned();
    let values = [
        ("listen: 127.0.0.1:6432", format!("listen: 127.0.0.1:{proxy_port}")),
        ("    port: 5432", format!("    port: {server_port}")),
        ("password_env: PGCORDON_UPSTREAM_PASSWORD", "password_file: upstream_password".to_owned()),
    ];
    for (old, new) in values {
        if text.matches(old).count() != 1 {
            return Err(Failure::Told(format!("`{old}` is not once in the demo's configuration")));
        }
        text = text.replace(old, &new);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::people::PEOPLE;

    #[test]
    fn every_value_is_filled_in() {
        let text = filled_in(1234, 5678).expect("the placeholders are there");
        assert!(text.contains("listen: 127.0.0.1:5678"), "{text}");
        assert!(text.contains("    port: 1234"), "{text}");
        assert!(text.contains("password_file: upstream_password"), "{text}");
        assert!(!text.contains("5432") && !text.contains("6432"), "{text}");
    }

    #[test]
    fn everybody_has_a_line_in_the_policy() {
        for person in PEOPLE {
            assert!(
                POLICY.contains(&format!("\n  {}: {{ password:", person.name)),
                "{}",
                person.name
            );
            assert!(POLICY.contains(person.password), "{}", person.name);
        }
    }
}

//! Name resolution that keeps a registry from leading us into our own network.
//!
//! Addresses are judged when the connection is made, not before: a name that changes its address in
//! between gains nothing. Where a proxy makes the connection, only what the name is to us can be judged.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::reach::Reach;

/// Resolves names to the addresses that reach no further inside than allowed.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    /// The most private reach that is allowed.
    pub(super) limit: Reach,
    /// Names that the operator configured, such as proxies, may have any address.
    pub(super) trusted: Arc<HashSet<String>>,
}

/// Why a name has no address for us.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum LookupError {
    #[error("{reason}")]
    NotFound { reason: String },
    #[error("{host} is an address of a private network")]
    Forbidden { host: String },
}

/// The longest that a name is looked up that a proxy will look up, too.
const LONGEST_LOOKUP: Duration = Duration::from_secs(3);

/// Whether a name has, as far as this machine can tell, an address that reaches further inside than `limit`.
pub(super) async fn leads_inside(host: &str, limit: Reach) -> bool {
    let lookup = tokio::net::lookup_host((host, 0));
    let Ok(Ok(mut found)) = tokio::time::timeout(LONGEST_LOOKUP, lookup).await else { return false };
    found.any(|address| Reach::of(address.ip()) > limit)
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await;
            let found = found.map_err(|error| LookupError::NotFound { reason: error.to_string() })?;
            let free = this.trusted.contains(host);
            let allowed: Vec<SocketAddr> =
                found.filter(|address| free || Reach::of(address.ip()) <= this.limit).collect();
            if allowed.is_empty() {
                return Err(LookupError::Forbidden { host: host.to_owned() }.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lookup(limit: Reach, trusted: &[&str], name: &str) -> Result<usize, String> {
        let trusted = Arc::new(trusted.iter().map(|name| (*name).to_owned()).collect());
        let found = Resolver { limit, trusted }.resolve(name.parse().unwrap()).await;
        found.map(Iterator::count).map_err(|error| error.to_string())
    }

    /// Hostile input: `registry-inside`.
    #[tokio::test]
    async fn names_of_private_addresses_have_no_address_for_outsiders() {
        assert!(lookup(Reach::Machine, &[], "localhost").await.unwrap() > 0);
        for limit in [Reach::Public, Reach::Private] {
            assert!(lookup(limit, &[], "localhost").await.unwrap_err().contains("private network"));
        }
        assert!(lookup(Reach::Public, &["localhost"], "localhost").await.unwrap() > 0);
        assert!(leads_inside("localhost", Reach::Private).await);
        assert!(!leads_inside("localhost", Reach::Machine).await);
        assert!(!leads_inside("registry.invalid", Reach::Public).await);
    }
}

//! Links for one download each, for whoever cannot send the server's key: a browser that saves a file.
//!
//! A link is a secret of its own. It is good for one download that begins within five minutes, and nobody can
//! guess it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::secret::{Secret, position};
use crate::config::LINKS;
use crate::locked::locked;
use crate::model;

/// What the paths of links begin with. They are open to those without a key.
pub(super) const PATH: &str = "/ollamake/v1/links/";

/// How long a link is good.
pub(super) const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The links that are good.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<Vec<Link>>);

#[derive(Debug)]
struct Link {
    secret: Secret,
    target: Target,
}

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) blob: model::Digest,
    /// What it is to be called.
    pub(super) name: String,
}

/// There are as many links as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyLinks;

impl Links {
    /// The secret of a new link.
    pub(super) fn make(&self, target: Target) -> Result<String, TooManyLinks> {
        self.make_at(target, Instant::now())
    }

    fn make_at(&self, target: Target, now: Instant) -> Result<String, TooManyLinks> {
        let (text, secret) = Secret::new(now + LIFETIME);
        let mut links = locked(&self.0);
        links.retain(|link| link.secret.is_good(now));
        if links.len() >= LINKS {
            return Err(TooManyLinks);
        }
        links.push(Link { secret, target });
        Ok(text)
    }

    /// What a link leads to. It is not good any more then.
    pub(super) fn take(&self, secret: &str) -> Option<Target> {
        self.take_at(secret, Instant::now())
    }

    fn take_at(&self, secret: &str, now: Instant) -> Option<Target> {
        let mut links = locked(&self.0);
        links.retain(|link| link.secret.is_good(now));
        let found = position(links.iter().map(|link| &link.secret), secret.as_bytes());
        found.map(|index| links.swap_remove(index).target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target { blob: model::Digest::of(b"x"), name: "x.gguf".to_owned() }
    }

    #[test]
    fn a_link_is_good_once_and_for_a_while() {
        let (links, now) = (Links::default(), Instant::now());
        let secret = links.make_at(target(), now).unwrap();
        assert_eq!(secret.len(), 43);
        assert_eq!(links.take_at("other", now), None);
        assert_eq!(links.take_at(&secret, now + LIFETIME - Duration::from_secs(1)), Some(target()));
        assert_eq!(links.take_at(&secret, now), None);
        let late = links.make_at(target(), now).unwrap();
        assert_eq!(links.take_at(&late, now + LIFETIME), None);
    }

    #[test]
    fn there_are_only_so_many_at_once() {
        let (links, now) = (Links::default(), Instant::now());
        let secrets: Vec<_> = (0..LINKS).map(|_| links.make_at(target(), now).unwrap()).collect();
        assert_eq!(links.make_at(target(), now), Err(TooManyLinks));
        assert_eq!(links.take_at(&secrets[LINKS / 2], now), Some(target()));
        assert!(links.make_at(target(), now).is_ok());
        assert!(links.make_at(target(), now + LIFETIME).is_ok(), "those that are over make room");
    }
}

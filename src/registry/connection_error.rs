//! What a failed connection means, found out from the chain of errors under it.

use std::error::Error as StdError;
use std::io;

use url::Url;

use super::RegistryError;
use super::place::display;
use super::repository::Repository;
use super::resolver::LookupError;

/// The error of a request to `url`, perhaps through a proxy, that got no answer.
pub(super) fn connection_error(
    repository: &Repository,
    url: &Url,
    proxy: Option<&Url>,
    error: &reqwest::Error,
) -> RegistryError {
    let mut registry = repository.registry().to_owned();
    if url.origin() != repository.origin() {
        registry = format!("{registry} (leading to {})", display(url));
    }
    let mut reason = "the connection was closed".to_owned();
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        match cause.downcast_ref::<LookupError>() {
            Some(LookupError::NotFound { reason }) if proxy.is_none() => {
                return RegistryError::UnknownHost { registry, reason: reason.clone() };
            }
            Some(forbidden @ LookupError::Forbidden { .. }) => {
                let (registry, target) = (repository.registry().to_owned(), display(url));
                return RegistryError::ForbiddenTarget { registry, target, reason: forbidden.to_string() };
            }
            _ => {}
        }
        match cause.downcast_ref::<rustls::Error>() {
            Some(failure @ rustls::Error::InvalidMessage(_)) => {
                return RegistryError::NoTls { registry, reason: failure.to_string() };
            }
            Some(failure) => return RegistryError::Certificate { registry, reason: failure.to_string() },
            None => {}
        }
        reason = cause.to_string();
        // An I/O error does not count what it wraps among its sources.
        let io_error = cause.downcast_ref::<io::Error>();
        let wrapped = io_error.and_then(|failure| failure.get_ref());
        next = match wrapped {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    match proxy {
        Some(proxy) if error.is_connect() => RegistryError::Proxy { registry, proxy: display(proxy), reason },
        None if error.is_connect() => RegistryError::Unreachable { registry, reason },
        _ => RegistryError::Interrupted { registry, reason },
    }
}

//! Places that a registry names: redirects, upload locations, token servers.

use url::Url;

use super::RegistryError;
use super::reach::Reach;
use super::repository::Repository;

/// A URL that we are willing to ask.
#[derive(Debug, Clone)]
pub(super) struct Place {
    url: Url,
    reach: Reach,
}

impl Place {
    /// A place that the user named: it may be anywhere.
    pub(super) fn of_user(url: Url) -> Self {
        Self { url, reach: Reach::Machine }
    }

    /// Another URL of the same origin.
    pub(super) fn at(url: Url, same_origin: &Self) -> Self {
        Self { url, reach: same_origin.reach }
    }

    /// The URL.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// How private its address may be.
    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// The same place with a longer query.
    pub(super) fn with_query(&self, pairs: &[(&str, &str)]) -> Self {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(pairs);
        Self { url, reach: self.reach }
    }

    /// Where a reference, absolute or relative, leads that this place gave us.
    ///
    /// `reach` says how private the place itself is: it may lead no further inside. Nor may it
    /// lead from HTTPS to HTTP.
    pub(super) fn leads_to(
        &self,
        repository: &Repository,
        reference: &str,
        reach: Reach,
    ) -> Result<Self, RegistryError> {
        let registry = repository.registry().to_owned();
        let Ok(mut url) = self.url.join(reference) else {
            return Err(RegistryError::Protocol {
                registry,
                reason: "it leads to something that is not a URL".to_owned(),
            });
        };
        url.set_fragment(None);
        let forbidden = |reason: &str| {
            let (registry, target) = (registry.clone(), display(&url));
            Err(RegistryError::ForbiddenTarget { registry, target, reason: reason.to_owned() })
        };
        if url.origin() == repository.origin() {
            return Ok(Self::of_user(url));
        }
        match (self.url.scheme(), url.scheme()) {
            (_, "https") | ("http", "http") => {}
            ("https", "http") => {
                return forbidden(
                    "that would leave the secure connection; check the registry's configuration for its \
                     outside URL",
                );
            }
            _ => return forbidden("that is neither http nor https"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return forbidden("a user or password in a URL is not accepted");
        }
        if Reach::of_literal(&url).is_some_and(|target| target > reach) {
            return forbidden("that is an address of a private network");
        }
        Ok(Self { url, reach })
    }
}

/// Scheme, host and port: the rest of a URL may be secret.
pub(super) fn display(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(name: &str, reach: Reach, reference: &str) -> Result<String, RegistryError> {
        let name = name.parse().unwrap();
        let repository = Repository::of(&name, true).unwrap();
        let place = Place::of_user(repository.manifest("latest"));
        place.leads_to(&repository, reference, reach).map(|place| place.url().to_string())
    }

    #[test]
    fn relative_and_absolute_references() {
        for (reference, url) in [
            ("/v2/x?a=b", "https://ex.com/v2/x?a=b"),
            ("?state=1", "https://ex.com/v2/n/m/manifests/latest?state=1"),
            ("//cdn.example/y", "https://cdn.example/y"),
            ("https://cdn.example/y#part", "https://cdn.example/y"),
        ] {
            assert_eq!(leads("https://ex.com/n/m", Reach::Public, reference).unwrap(), url);
        }
    }

    #[test]
    fn places_that_are_out_of_bounds() {
        for (reach, reference) in [
            (Reach::Public, "http://ex.com/plain"),
            (Reach::Public, "ftp://ex.com/"),
            (Reach::Public, "file:///etc/passwd"),
            (Reach::Public, "https://user@cdn.example/"),
            (Reach::Public, "https://127.0.0.1/"),
            (Reach::Public, "https://10.0.0.1/"),
            (Reach::Public, "https://0xa9fea9fe/latest/meta-data"),
            (Reach::Public, "https://[::1]/"),
            (Reach::Public, "https://localhost/"),
            (Reach::Private, "https://169.254.169.254/"),
            (Reach::Private, "https://localhost:11434/"),
        ] {
            let result = leads("https://ex.com/n/m", reach, reference);
            assert!(matches!(result, Err(RegistryError::ForbiddenTarget { .. })), "{reference}");
        }
        assert!(matches!(leads("ex.com/n/m", Reach::Public, "http://"), Err(RegistryError::Protocol { .. })));
    }

    #[test]
    fn a_private_registry_may_lead_to_its_own_network() {
        assert!(leads("http://10.0.0.1/n/m", Reach::Private, "http://10.0.0.2/blob").is_ok());
        assert!(leads("http://127.0.0.1:5000/n/m", Reach::Machine, "http://127.0.0.1:6000/blob").is_ok());
    }
}

//! A path, and what it answers to.

use axum::routing::MethodRouter;

use super::Shared;

/// A path and what it answers to.
pub(super) struct Route {
    /// The path, its variable parts in braces.
    pub(super) path: &'static str,
    /// The methods, in the order in which Ollama names them.
    pub(super) allow: &'static str,
    /// What answers them.
    pub(super) handlers: MethodRouter<Shared>,
}

impl Route {
    pub(super) fn new(path: &'static str, allow: &'static str, handlers: MethodRouter<Shared>) -> Self {
        Self { path, allow, handlers }
    }

    /// Whether it answers requests for `path`.
    pub(super) fn matches(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        for wanted in self.path.split('/') {
            match parts.next() {
                Some(part) if wanted.starts_with("{*") => return !part.is_empty(),
                Some(part) if wanted == part || (wanted.starts_with('{') && !part.is_empty()) => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::any;

    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        let matches = |pattern, path: &str| Route::new(pattern, "GET", any(|| async {})).matches(path);
        assert!(matches("/api/blobs/{digest}", "/api/blobs/x"));
        assert!(!matches("/api/blobs/{digest}", "/api/blobs/"));
        assert!(!matches("/api/blobs/{digest}", "/api/blobs/x/y"));
        assert!(!matches("/api/tags", "/api"));
        assert!(matches("/models/{*path}", "/models/a/b/file"));
        assert!(!matches("/models/{*path}", "/models/"));
    }
}

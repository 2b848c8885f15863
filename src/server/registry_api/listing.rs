//! Repositories and tags, page by page.

use std::collections::{BTreeSet, HashSet};

use axum::http::header;
use axum::response::Response;
use serde_json::json;

use super::refusal::{Code, Refusal};
use crate::model::{Label, Repository};
use crate::server::body::json as answer;
use crate::server::headers::set;
use crate::store::Store;

/// Names on a page, unless fewer are asked for.
const PAGE: usize = 1000;

/// Which page is asked for (distribution specification, "Listing Tags").
struct Page {
    /// How many names.
    count: usize,
    /// The name that the page before ended with.
    last: Option<String>,
}

impl Page {
    fn of(query: &str) -> Result<Self, Refusal> {
        let mut page = Self { count: PAGE, last: None };
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "n" => {
                    let count: usize = value.parse().map_err(|_| {
                        Refusal::new(Code::Unsupported, format!("n={value} is not a number of names"))
                    })?;
                    page.count = count.min(PAGE);
                }
                "last" => page.last = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(page)
    }

    /// The names of this page, and where the next one begins.
    fn cut(&self, names: BTreeSet<String>) -> (Vec<String>, Option<String>) {
        let is_after = |name: &String| self.last.as_ref().is_none_or(|last| name > last);
        let mut rest = names.into_iter().filter(is_after);
        let page: Vec<_> = rest.by_ref().take(self.count).collect();
        let next = rest.next().and_then(|_| page.last().cloned());
        (page, next)
    }
}

/// `GET /v2/_catalog`
pub(super) fn catalog(store: &Store, query: &str) -> Result<Response, Refusal> {
    let page = Page::of(query)?;
    let models = store.list()?;
    let mut repositories: Vec<_> = models.iter().filter_map(|model| Repository::of(&model.name)).collect();
    // Letter case does not count.
    let known: HashSet<String> = repositories.iter().map(Repository::directory).collect();
    let guests = store.guest_repositories()?.into_iter();
    repositories.extend(guests.filter(|repository| !known.contains(&repository.directory())));
    let (repositories, next) = page.cut(repositories.iter().map(ToString::to_string).collect());
    Ok(linked("_catalog", page.count, next, &json!({"repositories": repositories})))
}

/// `GET /v2/NAME/tags/list`
pub(super) fn tags(store: &Store, repository: &Repository, query: &str) -> Result<Response, Refusal> {
    let page = Page::of(query)?;
    let models = store.list()?;
    let of_it = models.iter().filter(|model| repository.holds(&model.name));
    let mut tags: BTreeSet<_> = of_it.map(|model| model.name.tag().to_owned()).collect();
    let guests = store.guests_of(repository)?;
    if tags.is_empty() && guests.is_empty() {
        return Err(Refusal::new(Code::NameUnknown, format!("there is no repository {repository}")));
    }
    tags.extend(guests.iter().filter_map(|guest| match &guest.label {
        Label::Tag(tag) => Some(tag.to_string()),
        Label::Digest(_) => None,
    }));
    let (tags, next) = page.cut(tags);
    let path = format!("{repository}/tags/list");
    Ok(linked(&path, page.count, next, &json!({"name": repository.to_string(), "tags": tags})))
}

/// A page, with a link to the next one if there is one (RFC 8288).
fn linked(path: &str, count: usize, next: Option<String>, body: &serde_json::Value) -> Response {
    let mut response = answer(body);
    if let Some(last) = next {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("n", &count.to_string())
            .append_pair("last", &last)
            .finish();
        set(response.headers_mut(), header::LINK, format!("</v2/{path}?{query}>; rel=\"next\""));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let names = || ["a", "b", "c"].map(str::to_owned).into();
        let cut = |query| Page::of(query).unwrap().cut(names());
        assert_eq!(cut(""), (vec!["a".into(), "b".into(), "c".into()], None));
        assert_eq!(cut("n=2"), (vec!["a".into(), "b".into()], Some("b".into())));
        assert_eq!(cut("n=2&last=b"), (vec!["c".into()], None));
        assert_eq!(cut("n=0"), (vec![], None));
        assert!(Page::of("n=x").is_err());
    }
}

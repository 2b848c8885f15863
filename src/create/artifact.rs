//! Artifacts as sources: models as other tools keep them in registries stand for the files that they hold, be
//! they pulled, or pushed to this server before.

use super::{CreateError, Files, Request, Workshop};
use crate::convert::select;
use crate::model::{LONGEST_TEXT, Label, Name, Repository, Tag};
use crate::registry::Artifact;
use crate::store::StoreError;

impl Workshop {
    /// A request whose source was pushed here as an artifact, as one of the artifact's files; any other as it
    /// is. Of several that a text may mean, a model comes first.
    pub(super) fn unfolded(&self, mut request: Request) -> Result<Request, CreateError> {
        if request.from.is_empty() || !request.remote_host.is_empty() {
            return Ok(request);
        }
        let Some(artifact) = self.pushed(&request.from)? else { return Ok(request) };
        request.licenses.splice(0..0, licenses_of(&artifact)?);
        Ok(request.made_of(files_of(&artifact)?))
    }

    fn pushed(&self, text: &str) -> Result<Option<Artifact>, CreateError> {
        let store = self.store();
        let name = text.parse::<Name>().ok();
        if let Some(name) = &name
            && !matches!(store.manifest(name), Err(StoreError::ModelNotFound { .. }))
        {
            return Ok(None);
        }
        let of_name = name.and_then(|name| Some((Repository::of(&name)?, name.tag().parse().ok()?)));
        for (repository, tag) in of_name.into_iter().chain(repository_and_tag(text)) {
            if let Some(guest) = store.guest(&repository, &Label::Tag(tag))? {
                let unusable = |problem| CreateError::NoModelInArtifact { from: text.to_owned(), problem };
                return Artifact::of_guest(store, &guest).map(Some).map_err(|error| match error {
                    StoreError::InvalidManifest { problem } => unusable(problem),
                    other => other.into(),
                });
            }
        }
        Ok(None)
    }
}

/// `REPOSITORY[:TAG]`, as clients of registries write it.
fn repository_and_tag(text: &str) -> Option<(Repository, Tag)> {
    let (repository, tag) = match text.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (text, "latest"),
    };
    Some((repository.parse().ok()?, tag.parse().ok()?))
}

/// The files of an artifact that a model is made of: GGUF files, or a checkpoint and what describes it.
pub(super) fn files_of(artifact: &Artifact) -> Result<Files, CreateError> {
    let names: Vec<&str> = artifact.files.iter().map(|(name, _)| name.as_str()).collect();
    // Where nothing can be told from the names, all of them are meant.
    let selected = select(&names).unwrap_or(names);
    let files = artifact.files.iter().filter(|(name, _)| selected.contains(&name.as_str()));
    Files::parse(files.map(|(name, blob)| (name.clone(), blob.digest().to_string())).collect())
}

pub(super) fn licenses_of(artifact: &Artifact) -> Result<Vec<String>, CreateError> {
    let read = |blob: &crate::store::Blob| -> Result<String, CreateError> {
        Ok(String::from_utf8_lossy(&blob.read(LONGEST_TEXT)?).into_owned())
    };
    artifact.licenses.iter().map(read).collect()
}

//! What a client sends in several attempts: uploads, and pushes to the server as a registry.

use std::time::{Duration, Instant};

use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};
use rand::Rng as _;

use super::api::{Api, Outcome};
use super::client::{Client, GRACE};
use super::material::File;
use super::operation::Manner;
use super::world::{Made, Weights};
use crate::support::noise::noise;

/// An upload in several attempts.
pub(super) struct Begun {
    file: File,
    path: String,
    /// So many bytes the server has promised to have, and when.
    acknowledged: (usize, Instant),
}

/// A model on its way to the server as a registry.
pub(super) struct Pushing {
    file: File,
    /// Where its weights go.
    path: String,
    /// So many bytes the server has promised to have, and when.
    acknowledged: (usize, Instant),
}

impl Client {
    /// Begins an upload in several attempts, or goes on with it, until it is whole.
    pub(super) async fn go_on(&mut self, api: &Api) -> Result<Outcome, Outcome> {
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => {
                let length = self.random.random_range(1..1_500_000);
                let file = File::new("blob", noise(self.random.random(), length));
                let path = api.begin_upload(length).await?;
                Begun { file, path, acknowledged: (0, Instant::now()) }
            }
        };
        let (path, bytes) = (begun.path.clone(), begun.file.bytes.clone());
        let mut pieces = Vec::new();
        for _ in 0..20 {
            pieces.push(self.random.random_range(1..700_000));
        }
        let pause = Duration::from_micros(self.random.random_range(0..3000));
        let (acknowledged, when) = begun.acknowledged;
        let digest = begun.file.digest;
        // Whoever breaks off or finds the server gone goes on another time.
        let begun = self.begun.insert(begun);
        let (mut offset, mut became) = api.upload_at(&path).await?;
        // A blob that nobody needed for so long may have gone.
        assert!(offset >= acknowledged || when.elapsed() > GRACE, "{offset} of {acknowledged} are left");
        let mut begin = None;
        for piece in pieces {
            if became.is_some() {
                break;
            }
            begin = Some(Instant::now());
            let part = bytes.slice(offset..bytes.len().min(offset.saturating_add(piece)));
            (offset, became) = match api.go_on(&path, offset, &part, pause).await {
                // An earlier request, which was broken off, is still at it.
                Err(Outcome::Refused(text)) if text.starts_with("423") || text.starts_with("409") => {
                    api.upload_at(&path).await?
                }
                answer => answer?,
            };
            begun.acknowledged = (offset, Instant::now());
        }
        if let Some(became) = became {
            assert_eq!(became, digest.to_string());
            self.begun = None;
            self.uploads.extend(begin.map(|begin| (digest, begin)));
        }
        Ok(Outcome::Done)
    }

    /// Pushes a model to the server as a registry, or goes on with a push, and gives it a name.
    pub(super) async fn push(&mut self, api: &Api) -> Result<Outcome, Outcome> {
        const REPOSITORY: &str = "library/on-its-way";
        let pushing = match self.pushing.take() {
            Some(pushing) => pushing,
            None => {
                let seed = self.seed();
                let file = self.world.material.gguf(seed);
                let path = api.begin_push(REPOSITORY).await?;
                Pushing { file, path, acknowledged: (0, Instant::now()) }
            }
        };
        let mut pieces = Vec::new();
        for _ in 0..20 {
            pieces.push(self.random.random_range(1..1_500_000));
        }
        let pause = Duration::from_micros(self.random.random_range(0..3000));
        let (file, path, (acknowledged, when)) =
            (pushing.file.clone(), pushing.path.clone(), pushing.acknowledged);
        // Whoever breaks off or finds the server gone goes on another time.
        let pushing = self.pushing.insert(pushing);
        match api.push_at(&path).await {
            Ok(mut offset) => {
                assert!(offset >= acknowledged, "{offset} of {acknowledged} are left");
                pushing.acknowledged = (offset, Instant::now());
                for piece in pieces {
                    let part = file.bytes.slice(offset..file.bytes.len().min(offset.saturating_add(piece)));
                    if part.is_empty() {
                        break;
                    }
                    offset = match api.push_on(&path, offset, &part, pause).await {
                        // An earlier request, which was broken off, is still at it.
                        Err(Outcome::Refused(text)) if text.starts_with("503") || text.starts_with("416") => {
                            api.push_at(&path).await?
                        }
                        answer => answer?,
                    };
                    pushing.acknowledged = (offset, Instant::now());
                }
                if offset < file.bytes.len() {
                    return Ok(Outcome::Done);
                }
                api.end_push(&path, file.digest).await?;
            }
            // The end was not heard. A blob that nobody needed for so long may have gone.
            Err(Outcome::Refused(text)) if text.starts_with("404") => {
                assert!(acknowledged == file.bytes.len(), "an upload is lost: {text}");
                let is_there = api.has(file.digest).await?;
                assert!(is_there || when.elapsed() > GRACE, "a blob that was pushed is lost");
                if !is_there {
                    self.pushing = None;
                    return Ok(Outcome::Done);
                }
            }
            Err(outcome) => return Err(outcome),
        }
        self.pushing = None;
        let (system, text) = self.system();
        let config = ModelConfig::default().to_bytes();
        for blob in [&config[..], text.as_bytes()] {
            api.push_blob(REPOSITORY, blob).await?;
        }
        let layer = |kind, bytes: &[u8]| Layer::new(kind, Digest::of(bytes), bytes.len() as u64);
        let layers = vec![layer(MediaType::Model, &file.bytes), layer(MediaType::System, text.as_bytes())];
        let manifest = Manifest::new(layer(MediaType::Config, &config), layers).to_bytes();
        let number = self.random.random_range(0..4);
        let (repository, name) = match self.manner {
            Manner::Careful => {
                let name = format!("c{}-{number}", self.number);
                (format!("library/{name}"), format!("{name}:latest"))
            }
            Manner::Careless => (format!("library/pushed-{number}"), String::new()),
        };
        let made = Made { weights: Weights::Are(file.digest), system: Some(system) };
        Ok(self.attempt(&name, Some(made), api.push_manifest(&repository, "latest", manifest)).await)
    }
}

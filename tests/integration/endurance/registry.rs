//! A registry of a few models that takes its time to send them, so that downloads are interrupted.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, RANGE};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};

use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};

use super::material::Material;
use crate::support::noise::noise;

/// The number of models.
pub(super) const MODELS: usize = 4;
/// So much is sent at a time, with a pause behind it.
const PIECE: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(2);

/// A model: weights, a license and a configuration.
pub(super) struct Model {
    pub(super) manifest: Vec<u8>,
    pub(super) blobs: [Vec<u8>; 3],
}

impl Model {
    fn new(material: &Material, seed: u64) -> Self {
        let weights = material.gguf(seed).bytes.to_vec();
        // The same for all.
        let license = hex::encode(noise(1, 150_000)).into_bytes();
        let config = ModelConfig { model_format: "gguf".into(), ..ModelConfig::default() }.to_bytes();
        let layer = |kind, bytes: &[u8]| Layer::new(kind, Digest::of(bytes), bytes.len() as u64);
        let layers = vec![layer(MediaType::Model, &weights), layer(MediaType::License, &license)];
        let manifest = Manifest::new(layer(MediaType::Config, &config), layers).to_bytes();
        Self { manifest, blobs: [weights, license, config] }
    }
}

/// The registry; it ends with this value. Every repository has a model `pulled-0`, `pulled-1`, and so on.
pub(super) struct Registry {
    pub(super) address: SocketAddr,
    pub(super) models: Arc<Vec<Model>>,
    task: tokio::task::JoinHandle<()>,
}

impl Registry {
    pub(super) async fn start(material: &Material) -> Self {
        // Some of the files are those that others upload.
        let models = Arc::new((1..=MODELS as u64).map(|seed| Model::new(material, seed)).collect::<Vec<_>>());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().fallback(serve).with_state(models.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, models, task }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(models): State<Arc<Vec<Model>>>, request: Request) -> Response {
    let path = request.uri().path();
    let last = path.rsplit('/').next().unwrap();
    // Otherwise its client keeps connections for later, which look like descriptors left behind.
    let answer = Response::builder().header(CONNECTION, "close");
    let found = if path.contains("/manifests/") {
        let number =
            path.split("/pulled-").nth(1).and_then(|rest| rest.split('/').next()?.parse::<usize>().ok());
        number.and_then(|number| models.get(number)).map(|model| model.manifest.clone())
    } else {
        let mut blobs = models.iter().flat_map(|model| &model.blobs);
        blobs.find(|blob| Digest::of(blob).to_string() == last).cloned()
    };
    let Some(bytes) = found else { return answer.status(404).body(Body::empty()).unwrap() };
    let range = request.headers().get(RANGE).map(|value| {
        let (start, last) = value.to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let end = last.parse().map_or(bytes.len(), |last: usize| (last + 1).min(bytes.len()));
        start.parse::<usize>().unwrap()..end
    });
    let answer = answer.header("docker-content-digest", Digest::of(&bytes).to_string());
    match range {
        None => answer.header("content-length", bytes.len()).body(slowly(bytes)).unwrap(),
        Some(range) => answer
            .status(206)
            .header("content-range", format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len()))
            .header("content-length", range.len())
            .body(slowly(bytes[range].to_vec()))
            .unwrap(),
    }
}

fn slowly(bytes: Vec<u8>) -> Body {
    let pieces: Vec<_> = bytes.chunks(PIECE).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::iter(pieces).then(|piece| async move {
        tokio::time::sleep(PAUSE).await;
        Ok::<_, Infallible>(piece)
    }))
}

//! A client that does everything at random, and knows what it was promised.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ollamake::model::Digest;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, Outcome};
use super::attempts::{Begun, Pushing};
use super::material::File;
use super::operation::{KINDS, Kind, Manner, in_order};
use super::registry;
use super::snapshot::Snapshot;
use super::world::{CONSTANT, Made, Weights, World};
use crate::support::noise::noise;
use crate::support::process::command;

/// Pruning spares blobs that were used so shortly ago.
pub(super) const GRACE: Duration = Duration::from_secs(6);
/// An operation that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is known of a name.
#[derive(Debug, Default)]
struct Promise {
    now: Option<Made>,
    /// What an operation would leave that has not ended.
    pending: Option<Option<Made>>,
}

/// A client.
pub(super) struct Client {
    pub(super) world: Arc<World>,
    pub(super) number: usize,
    pub(super) manner: Manner,
    pub(super) random: StdRng,
    counter: u64,
    promises: BTreeMap<String, Promise>,
    /// Uploads of the last moments, and when they began.
    pub(super) uploads: Vec<(Digest, Instant)>,
    /// An upload that was not finished, perhaps since the server was killed.
    pub(super) begun: Option<Begun>,
    /// The same of a push.
    pub(super) pushing: Option<Pushing>,
    pub(super) doing: Arc<Mutex<Option<Kind>>>,
}

impl Client {
    pub(super) fn new(world: &Arc<World>, number: usize, manner: Manner, seed: u64) -> Self {
        Self {
            world: world.clone(),
            number,
            manner,
            random: StdRng::seed_from_u64(seed ^ (number as u64) << 32),
            counter: 0,
            promises: BTreeMap::new(),
            uploads: Vec::new(),
            begun: None,
            pushing: None,
            doing: Arc::default(),
        }
    }

    /// Works until the time is over. An error says what a server left unanswered.
    pub(super) async fn work(&mut self, servers: &[Api], end: Instant) -> Result<(), String> {
        while Instant::now() < end {
            let mut draw = self.random.random_range(0..KINDS.iter().map(|(_, weight)| weight).sum());
            let kind = KINDS.iter().find(|(_, weight)| {
                let hit = draw < *weight;
                draw = draw.wrapping_sub(*weight);
                hit
            });
            let (kind, _) = kind.expect("the draw is less than the sum");
            let api = servers[self.random.random_range(0..servers.len())].clone();
            self.operate(*kind, &api).await?;
        }
        Ok(())
    }

    /// Does everything once.
    pub(super) async fn work_once(&mut self, api: &Api) -> Result<(), String> {
        for (kind, _) in KINDS {
            self.operate(kind, api).await?;
        }
        Ok(())
    }

    async fn operate(&mut self, kind: Kind, api: &Api) -> Result<(), String> {
        *self.doing.lock().unwrap() = Some(kind);
        *self.world.counts.lock().unwrap().entry(kind).or_default() += 1;
        let breaks_off =
            self.manner == Manner::Careless && kind != Kind::Prune && self.random.random_bool(0.3);
        let patience =
            if breaks_off { Duration::from_millis(self.random.random_range(0..300)) } else { PATIENCE };
        let manner = self.manner;
        let outcome = match tokio::time::timeout(patience, self.perform(kind, api)).await {
            Ok(outcome) => outcome,
            Err(_) if breaks_off => Outcome::Done,
            Err(_) => panic!("{kind:?} hangs"),
        };
        *self.doing.lock().unwrap() = None;
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Broken(error) => Err(format!("{kind:?}: {error}")),
            Outcome::Refused(text) => match in_order(kind, manner, &text) {
                Some(reason) => {
                    let reason = format!("{kind:?}: {reason}");
                    *self.world.refusals.lock().unwrap().entry(reason).or_default() += 1;
                    Ok(())
                }
                None => panic!("{kind:?} by client {}: {text}", self.number),
            },
        }
    }

    async fn perform(&mut self, kind: Kind, api: &Api) -> Outcome {
        match kind {
            Kind::Upload => {
                let length = self.random.random_range(1..1_500_000);
                let file = File::new("blob", noise(self.random.random(), length));
                let begin = Instant::now();
                let outcome = self.upload(api, &file).await;
                if outcome == Outcome::Done {
                    self.uploads.push((file.digest, begin));
                }
                outcome
            }
            Kind::WrongUpload => {
                let file = File { digest: Digest::of(b"another"), ..File::new("blob", noise(1, 300_000)) };
                self.upload(api, &file).await
            }
            Kind::LongUpload => self.go_on(api).await.unwrap_or_else(|outcome| outcome),
            Kind::Push => self.push(api).await.unwrap_or_else(|outcome| outcome),
            Kind::Import => {
                let seed = self.seed();
                let file = self.world.material.gguf(seed);
                let weights = Weights::Are(file.digest);
                self.make(api, vec![file], weights, json!({})).await
            }
            Kind::Quantize => {
                let seed = self.seed();
                let file = self.world.material.gguf(seed);
                let to = ["q4_K_M", "q2_K", "q8_0"][self.random.random_range(0..3)];
                let weights = Weights::Come(format!("{} as {to}", file.digest));
                self.make(api, vec![file], weights, json!({"quantize": to})).await
            }
            Kind::Convert => {
                let seed = self.seed();
                let files = self.world.material.checkpoint(seed);
                let weights = files.last().unwrap().digest;
                if self.random.random() {
                    self.make(api, files, Weights::Come(weights.to_string()), json!({})).await
                } else {
                    let recipe = Weights::Come(format!("{weights} as q8_0"));
                    self.make(api, files, recipe, json!({"quantize": "q8_0"})).await
                }
            }
            Kind::Derive => {
                let (base, made) = self.source();
                let (system, text) = self.system();
                let made = Made { system: Some(system), ..made };
                let name = self.name();
                let body = json!({"model": name, "from": base, "system": text});
                self.attempt(&name, Some(made), api.job("create", &body)).await
            }
            Kind::Copy => {
                let (source, made) = self.source();
                let name = self.name();
                let body = json!({"source": source, "destination": name});
                self.attempt(&name, Some(made), api.call(Method::POST, "copy", &body)).await
            }
            Kind::Delete => {
                let name = match self.manner {
                    Manner::Careless => self.name(),
                    Manner::Careful => match self.owned() {
                        Some((name, _)) => name,
                        None => return Outcome::Done,
                    },
                };
                let body = json!({"model": name});
                self.attempt(&name, None, api.call(Method::DELETE, "delete", &body)).await
            }
            Kind::Pull => {
                let number = self.random.random_range(0..registry::MODELS);
                let owner = if self.manner == Manner::Careful { self.number } else { 1000 };
                let name = format!("{}/c{owner}/pulled-{number}:latest", self.world.registry.address);
                let weights = Digest::of(&self.world.registry.models[number].blobs[0]);
                let made = Made { weights: Weights::Are(weights), system: None };
                self.attempt(&name, Some(made), api.job("pull", &json!({"model": name}))).await
            }
            Kind::Prune => self.prune().await,
            Kind::Look => self.look(api).await,
        }
    }

    /// Uploads files and makes a model of them.
    async fn make(&mut self, api: &Api, files: Vec<File>, weights: Weights, mut more: Value) -> Outcome {
        for file in &files {
            let outcome = self.upload(api, file).await;
            if outcome != Outcome::Done {
                return outcome;
            }
        }
        let (system, text) = self.system();
        more["system"] = text.into();
        let name = self.name();
        let made = Made { weights, system: Some(system) };
        self.attempt(&name, Some(made), api.create(&name, &files, &more)).await
    }

    async fn upload(&mut self, api: &Api, file: &File) -> Outcome {
        let pause = Duration::from_micros(self.random.random_range(0..3000));
        api.upload(&file.digest.to_string(), &file.bytes, pause).await
    }

    /// An operation that is to leave `made` behind a name.
    pub(super) async fn attempt(
        &mut self,
        name: &str,
        made: Option<Made>,
        work: impl Future<Output = Outcome>,
    ) -> Outcome {
        if self.manner == Manner::Careless {
            return work.await;
        }
        self.promises.entry(name.to_owned()).or_default().pending = Some(made.clone());
        let outcome = work.await;
        let promise = self.promises.entry(name.to_owned()).or_default();
        match outcome {
            Outcome::Done => *promise = Promise { now: made, pending: None },
            Outcome::Refused(_) => promise.pending = None,
            Outcome::Broken(_) => {}
        }
        outcome
    }

    async fn look(&mut self, api: &Api) -> Outcome {
        match api.tags().await {
            Err(error) => Outcome::Broken(error.to_string()),
            Ok(names) => {
                for (name, promise) in &self.promises {
                    if promise.now.is_some() {
                        assert!(names.contains(name), "{name} is not listed");
                    }
                }
                assert!(names.iter().any(|name| name == CONSTANT));
                api.call(Method::POST, "show", &json!({"model": CONSTANT})).await
            }
        }
    }

    /// Runs the program in another process beside the server.
    async fn prune(&mut self) -> Outcome {
        let grace = GRACE.as_secs().to_string();
        let mut command = command(&self.world.root, &["prune", "--grace", &grace]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let child = Arc::new(Mutex::new(child));
        {
            let mut pruning = self.world.pruning.lock().unwrap();
            pruning.retain(|child| Arc::strong_count(child) > 1);
            pruning.push(child.clone());
        }
        loop {
            match child.lock().unwrap().try_wait().unwrap() {
                Some(status) if status.success() => return Outcome::Done,
                Some(status) if status.code().is_none() => return Outcome::Broken(status.to_string()),
                Some(status) => return Outcome::Refused(status.to_string()),
                None => {}
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether everything is there that was promised and nothing that was not; what was pending is settled.
    pub(super) fn check(&mut self, snapshot: &Snapshot) {
        assert!(self.world.matches(Some(&self.world.constant()), snapshot.models.get(CONSTANT)));
        for (name, promise) in &mut self.promises {
            let found = snapshot.models.get(name);
            if let Some(pending) = promise.pending.take()
                && self.world.matches(pending.as_ref(), found)
            {
                promise.now = pending;
            }
            let now = promise.now.as_ref();
            assert!(self.world.matches(now, found), "{name} should be {now:?}, is {found:?}");
        }
        self.promises.retain(|_, promise| promise.now.is_some());
        for (digest, begin) in self.uploads.drain(..) {
            // Until here the reading of the snapshot has taken some time.
            if begin.elapsed() < GRACE {
                assert!(snapshot.blobs.contains(&digest), "upload {digest} is lost");
            }
        }
    }

    /// A seed that others have too, or nobody else.
    pub(super) fn seed(&mut self) -> u64 {
        self.counter += 1;
        if self.random.random() {
            self.random.random_range(0..3)
        } else {
            (self.number as u64 + 1) << 32 | self.counter
        }
    }

    /// A system prompt that no other model has.
    pub(super) fn system(&mut self) -> (Digest, String) {
        self.counter += 1;
        let text = format!("prompt {} of {}", self.counter, self.number);
        (Digest::of(text.as_bytes()), text)
    }

    /// A name for something new.
    fn name(&mut self) -> String {
        let number = self.random.random_range(0..4);
        match self.manner {
            Manner::Careful => format!("c{}-{number}:latest", self.number),
            // One that is not there is asked for at the registry, in vain.
            Manner::Careless => format!("{}/shared/any-{number}:latest", self.world.registry.address),
        }
    }

    /// A model of one's own that is there.
    fn owned(&mut self) -> Option<(String, Made)> {
        let there = |(name, promise): (&String, &Promise)| Some((name.clone(), promise.now.clone()?));
        let mut there: Vec<_> = self.promises.iter().filter_map(there).collect();
        if there.is_empty() {
            None
        } else {
            Some(there.swap_remove(self.random.random_range(0..there.len())))
        }
    }

    /// A model to make another of.
    fn source(&mut self) -> (String, Made) {
        let constant = (CONSTANT.to_owned(), self.world.constant());
        match self.manner {
            Manner::Careful => self.owned().unwrap_or(constant),
            Manner::Careless => (self.name(), constant.1),
        }
    }
}

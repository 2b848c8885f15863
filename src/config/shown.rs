//! What is set, for whoever may ask: the values that hold, and no secret.

use serde::Serialize;
use utoipa::ToSchema;

use super::config::Config;
use super::setting::UNBOUNDED;
use super::variables as v;

/// A setting, and what holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Setting {
    /// Its variable of the environment.
    pub name: &'static str,
    /// What it is about.
    pub section: &'static str,
    /// What it means.
    pub meaning: String,
    /// What holds if it is not set, for people.
    pub default: String,
    /// What holds. Absent where it is a secret, or tells about the machine what is nobody's business.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Shown>,
}

/// A value that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Shown {
    /// Whether something is so.
    Truth(bool),
    /// Things, bytes or seconds.
    Number(u64),
    /// A word.
    Text(String),
    /// Several.
    Texts(Vec<String>),
}

impl Config {
    /// What holds of a variable, if it may be shown. Paths of this machine, logins and proxies may not.
    pub(super) fn shown(&self, name: &str) -> Option<Shown> {
        let limits = &self.limits;
        let count = |number: usize| Shown::Number(number as u64);
        let seconds = |time: std::time::Duration| Shown::Number(time.as_secs());
        let texts = |texts: &[String]| Shown::Texts(texts.to_vec());
        let numbers = [
            (v::MAX_REQUEST, Shown::Number(limits.request)),
            (v::MAX_UPLOAD, Shown::Number(limits.upload)),
            (v::MAX_FILES, count(limits.files)),
            (v::MAX_CONNECTIONS, count(limits.connections)),
            (v::IDLE, seconds(limits.head)),
            (v::STALL, seconds(limits.stall)),
            (v::UPLOAD, seconds(limits.upload_lifetime)),
            (v::SHUTDOWN, seconds(limits.shutdown)),
            (v::MAX_JOBS, count(limits.jobs)),
            (v::MAX_TRANSFERS, count(limits.transfers)),
            (v::MAX_QUEUE, count(limits.queue)),
            (v::CHECKPOINT, Shown::Number(self.checkpoint)),
            (v::JOB_MEMORY, count(self.resources.memory)),
            (v::JOB_THREADS, count(self.resources.threads.get())),
            (v::REGISTRY_SILENCE, seconds(self.registry.retry.longest_silence)),
            (v::LIBRARY_WAIT, seconds(self.sharing.patience)),
        ];
        let rest = [
            (v::HOST, Shown::Text(self.host.to_string())),
            (v::NO_PRUNE, Shown::Truth(!self.prune)),
            (v::OPEN_REGISTRY, Shown::Truth(self.open_registry)),
            (v::HOSTS, texts(&self.hosts)),
            (v::ORIGINS, texts(&self.origins)),
            (v::SIMD, Shown::Text(self.platform.name().to_owned())),
            (v::DEBUG, Shown::Text(self.log.directive().to_owned())),
            (v::PUBLISH, Shown::Truth(self.sharing.publish)),
        ];
        let library = self.registry.library.iter();
        let library = library.map(|library| (v::LIBRARY.name, Shown::Text(library.to_string())));
        let cache = self.sharing.cache.map_or_else(|| Shown::Text(UNBOUNDED.to_owned()), Shown::Number);
        let library = library.chain([(v::CACHE_SIZE.name, cache)]);
        let numbers = numbers.into_iter().map(|(number, shown)| (number.name, shown));
        let rest = rest.into_iter().map(|(row, shown)| (row.name, shown));
        numbers.chain(rest).chain(library).find(|(known, _)| *known == name).map(|(_, shown)| shown)
    }
}

//! Comparing answers whose digests, times and order may differ for known reasons.

use std::collections::HashMap;

use serde_json::Value;

use super::recording::Exchange;
use crate::in_process::Answer;

/// Recorded digests in ours.
pub(super) struct Translation {
    digests: HashMap<String, String>,
    /// Our digests of the uploaded files.
    uploaded: Vec<String>,
    /// Whether the recorded server rewrites what it imports (0.33).
    rewrites: bool,
}

/// What changes from run to run.
const VOLATILE: [&str; 4] = ["modified_at", "created", "size", "digest"];

/// Models that are refused here: one with a model in the place of its adapter, and one that was to be made
/// both from another model and of files.
const NOT_MADE: [&str; 2] = ["tadp:latest", "tfrom2:latest"];

impl Translation {
    pub(super) fn new(digests: HashMap<String, String>, rewrites: bool) -> Self {
        let uploaded = digests.values().cloned().collect();
        Self { digests, uploaded, rewrites }
    }

    /// A text with our digests in the place of the recorded ones.
    pub(super) fn digests(&self, text: &str) -> String {
        self.digests.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }

    /// Compares the bodies of two answers.
    pub(super) fn assert_same(&mut self, exchange: &Exchange, ours: &Answer, context: &dyn Fn() -> String) {
        let theirs = &exchange.answer;
        let kind = theirs.headers.get("content-type").map_or("", String::as_str);
        match (exchange.path.as_str(), kind) {
            ("/api/tags" | "/v1/models", _) if theirs.body.contains("\"t1") => {
                self.assert_listing(theirs, &ours.json(), context);
            }
            ("/api/show", _) if theirs.status == 200 => self.assert_show(exchange, ours, context),
            (_, "application/x-ndjson") => self.assert_lines(exchange, ours, context),
            (_, "application/json" | "application/json; charset=utf-8") if !theirs.body.is_empty() => {
                let mut theirs: Value = serde_json::from_str(&theirs.body).unwrap();
                let mut ours = ours.json();
                without(&mut theirs, &VOLATILE);
                without(&mut ours, &VOLATILE);
                // `error` stays what it is; what file it is about stands beside it.
                if theirs.get("error").is_some_and(Value::is_string) {
                    without(&mut ours, &["file", "hint"]);
                }
                assert_eq!(ours, theirs, "{}", context());
            }
            _ => assert_eq!(ours.body.trim(), theirs.body, "{}", context()),
        }
    }

    /// Status lines. How many states of a bar are sent is a matter of speed; that there are some is not.
    fn assert_lines(&mut self, exchange: &Exchange, ours: &Answer, context: &dyn Fn() -> String) {
        let is_bar = |line: &&str| line.contains("\"total\":");
        let theirs: Vec<&str> = exchange.answer.body.lines().collect();
        let ours: Vec<&str> = ours.body.lines().collect();
        if let Some(bar) = theirs.iter().find(|line| is_bar(line)) {
            let start = bar.split(",\"completed\"").next().unwrap();
            assert!(ours.iter().any(|line| line.starts_with(start)), "{}", context());
        }
        let is_import =
            !exchange.body.contains("quantize") || exchange.body.contains("\"quantize\": \"F16\"");
        // An imported file is not rewritten, so there is nothing to verify, and its layer is there already.
        let skipped = |line: &&str| self.rewrites && is_import && line.contains("verifying conversion");
        let theirs: Vec<&str> = theirs.into_iter().filter(|line| !is_bar(line) && !skipped(line)).collect();
        let ours: Vec<&str> = ours.into_iter().filter(|line| !is_bar(line)).collect();
        assert_eq!(ours.len(), theirs.len(), "{}", context());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            self.learn(theirs, ours);
            let mut theirs = self.digests(theirs);
            if self.uploaded.iter().any(|digest| theirs.contains(digest)) {
                theirs = theirs.replace("creating new layer", "using existing layer");
            }
            assert_eq!(**ours, theirs, "{}", context());
        }
    }

    /// Remembers under which digest we have a quantized layer, the first time that it is told.
    fn learn(&mut self, theirs: &str, ours: &str) {
        let layer = |line: &str| {
            let (status, digest) = line.split_once(" layer sha256:")?;
            Some((status.to_owned(), digest.get(..64)?.to_owned()))
        };
        if let (Some((their_status, theirs)), Some((our_status, ours))) = (layer(theirs), layer(ours))
            && their_status == our_status
            && theirs != ours
            && QUANTIZED.contains(&theirs.as_str())
        {
            self.digests.entry(theirs).or_insert(ours);
        }
    }

    /// A listing: whatever theirs tells about a model, ours must tell too. We have more models, and tell more
    /// about them than 0.24 did.
    fn assert_listing(&self, theirs: &super::Recorded, ours: &Value, context: &dyn Fn() -> String) {
        let ours = ours.get("models").or(ours.get("data")).and_then(Value::as_array).unwrap();
        let id = |model: &Value| model.get("name").or(model.get("id")).cloned();
        let listed = entries(&theirs.body);
        assert!(listed.len() > 5, "{}", context());
        for mut model in
            listed.into_iter().filter(|model| !NOT_MADE.iter().any(|name| id(model) == Some((*name).into())))
        {
            let mut ours = ours
                .iter()
                .find(|ours| id(ours) == id(&model))
                .unwrap_or_else(|| panic!("{}", context()))
                .clone();
            // A quantized file is as long as llama-quantize's. 0.33 takes F32 (file type 0) for unknown,
            // which makes the configuration longer, and adds a key to the F16 file, which here stays as it
            // is.
            let name = id(&model).unwrap_or_default();
            let is_quantized = name.as_str().is_some_and(|name| name.starts_with('q'));
            let is_alike = self.rewrites && is_quantized && name != "q-f32:latest" && name != "q-f16:latest";
            if model["details"]["quantization_level"] == "unknown" {
                model["details"]["quantization_level"] = "F32".into();
            }
            if is_alike {
                assert_eq!(ours["size"], model["size"], "{}", context());
            }
            if !self.rewrites {
                // 0.24 tells the parent in `show` only.
                without(&mut model, &["parent_model"]);
            }
            without(&mut model, &VOLATILE);
            without(&mut ours, &VOLATILE);
            assert_contains(&ours, &model, context);
        }
        let times: Vec<_> =
            ours.iter().filter_map(|model| model.get("modified_at")).map(Value::to_string).collect();
        assert!(times.is_sorted_by(|one, two| one >= two), "{}", context());
    }

    fn assert_show(&self, exchange: &Exchange, ours: &Answer, context: &dyn Fn() -> String) {
        let is_quantized = exchange.body.contains("\"q-");
        let body = self.digests(&exchange.answer.body).replace("$OLLAMA_MODELS/blobs/sha256-", "sha256:");
        // What 0.33 adds when it rewrites an imported file.
        let body = match is_quantized {
            true => body,
            false => body.replace("\"general.quantization_version\":2,", ""),
        };
        if exchange.answer.is_cut {
            // The recording breaks off within the tensors, which the other answers show in full.
            let info = |text: &str| {
                let start = text.find("\"model_info\":").unwrap();
                text[start..text.find(",\"tensors\":").unwrap()].to_owned()
            };
            assert_eq!(info(&ours.body), info(&body), "{}", context());
            return;
        }
        let mut theirs: Value = serde_json::from_str(&body).unwrap();
        let mut ours = ours.json();
        without(&mut theirs, &VOLATILE);
        without(&mut ours, &VOLATILE);
        for show in [&mut theirs, &mut ours] {
            sort_lines(&mut show["parameters"]);
            sort_tensors(&mut show["tensors"]);
            // 0.24 puts the path of the blob here.
            if show["details"]["parent_model"].as_str().is_some_and(|parent| parent.starts_with("sha256:")) {
                show["details"]["parent_model"] = "".into();
            }
        }
        if !self.rewrites && is_quantized {
            // As llama-quantize does, we state the version of the block formats; 0.24 did not.
            without(&mut ours["model_info"], &["general.quantization_version"]);
        }
        assert_eq!(ours, theirs, "{}", context());
    }
}

/// The recorded digests of layers that quantization made.
const QUANTIZED: [&str; 10] = [
    "d47fb5f03b49c38eef667282b825a2291b93eb8273f4c38ee65dde29e9b10ab9",
    "cb6f1e555272d768035690e8dc69a68499c1009bb98a0ae1e40d6adf1e2c57f1",
    "dd3c65147cae9c83514b7ccc0987daaf16a3177aa61860d46cf8eacefa9b5992",
    "3acf7ea493d5b24b6462d77ef7d887d508b49c8795de66665745dbb90822d602",
    "b666fb71a590833a852d467b76d844256b85486b6d0858bd401627cae68669b1",
    "70e1203ec7c0ff3fea3e83f9860bb301a19a89d0aed861be97df0268b46b6d72",
    "0c1c16d07762778c34faa5bf9e0d109d61447fea4c2303d9a0901e2d11b90e7f",
    "e051eaa7753d79295ce8dc4e3c1f22a203bd2c33f1d46fbff67746015ea403fe",
    "daa9615d152caea5399dbd7429f3cb9042173805cd582aa62471fdbbcad0b092",
    "6272ee0ab378b946ed58a592620dae4ec171533c2f00a855b267dcca705eec88",
];

/// The models of a listing, also of one that breaks off.
fn entries(body: &str) -> Vec<Value> {
    let mut rest = &body[body.find('[').unwrap() + 1..];
    let mut entries = Vec::new();
    loop {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(entry)) = stream.next() else { return entries };
        rest = rest[stream.byte_offset()..].trim_start_matches(',');
        entries.push(entry);
    }
}

fn without(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !keys.contains(&key.as_str()));
            members.values_mut().for_each(|member| without(member, keys));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, keys)),
        _ => {}
    }
}

fn assert_contains(ours: &Value, theirs: &Value, context: &dyn Fn() -> String) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, theirs) in theirs {
                let ours = ours.get(key).unwrap_or_else(|| panic!("{key} of {}", context()));
                assert_contains(ours, theirs, context);
            }
        }
        _ => assert_eq!(ours, theirs, "{}", context()),
    }
}

fn sort_lines(value: &mut Value) {
    if let Some(text) = value.as_str() {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        *value = lines.join("\n").into();
    }
}

/// Ours are in the order of the file, theirs in the order of the file that they rewrote.
fn sort_tensors(value: &mut Value) {
    if let Some(tensors) = value.as_array_mut() {
        tensors.sort_by_key(|tensor| tensor["name"].to_string());
    }
}

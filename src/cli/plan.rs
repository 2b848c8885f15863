//! What a dry run tells, as a page.

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::{self, bytes, count_of, text};

/// The plan that the server answered with; `verbose` shows each tensor.
pub(super) fn describe(plan: &Value, verbose: bool) -> String {
    let mut sections = vec![models(plan)];
    for model in list(plan, "outputs") {
        sections.push(layers(model));
        sections.push(if verbose { tensors(model) } else { types(model) });
        sections.push(memory(model));
    }
    sections.push(sources(plan));
    sections.push(costs(plan));
    sections.extend(list(plan, "warnings").map(|warning| format!("warning: {}\n", text(warning))));
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

fn models(plan: &Value) -> String {
    let mut rows = vec![["MODEL", "TYPE", "SIZE", "BITS"].map(str::to_owned)];
    rows.extend(list(plan, "outputs").map(|model| {
        let bits = model["bits_per_weight"].as_f64().map(|bits| format!("{bits:.2}"));
        [text(&model["model"]), text(&model["type"]), exact(&model["size"]), bits.unwrap_or_default()]
    }));
    format::table(&rows)
}

fn layers(model: &Value) -> String {
    let mut rows = vec![["LAYER", "SIZE", "DIGEST"].map(str::to_owned)];
    rows.extend(list(model, "layers").map(|layer| {
        let kind = text(&layer["mediaType"]);
        let kind = kind.rsplit_once("image.").map_or(kind.as_str(), |(_, kind)| kind).to_owned();
        let digest: String = text(&layer["digest"]).chars().take(19).collect();
        [kind, size(&layer["size"]), if digest.is_empty() { "to be made".to_owned() } else { digest }]
    }));
    format::table(&rows)
}

/// How many tensors of a model get which type, and why.
fn types(model: &Value) -> String {
    let mut sums: BTreeMap<(String, String), (usize, u64)> = BTreeMap::new();
    for tensor in list(model, "tensors") {
        let sum = sums.entry((text(&tensor["to"]), text(&tensor["rule"]))).or_default();
        *sum = (sum.0 + 1, sum.1.saturating_add(tensor["bytes"].as_u64().unwrap_or(0)));
    }
    if sums.is_empty() {
        return String::new();
    }
    let mut rows = vec![["TO", "TENSORS", "SIZE", "RULE"].map(str::to_owned)];
    rows.extend(
        sums.into_iter().map(|((kind, rule), (count, sum))| [kind, count.to_string(), bytes(sum), rule]),
    );
    format::table(&rows)
}

fn tensors(model: &Value) -> String {
    let mut rows = vec![["TENSOR", "SHAPE", "FROM", "TO", "BYTES", "RULE"].map(str::to_owned)];
    rows.extend(
        list(model, "tensors")
            .map(|tensor| ["name", "shape", "from", "to", "bytes", "rule"].map(|field| text(&tensor[field]))),
    );
    if rows.len() == 1 { String::new() } else { format::table(&rows) }
}

fn memory(model: &Value) -> String {
    let memory = &model["memory"];
    if memory.is_null() {
        return String::new();
    }
    let caches =
        list(memory, "cache").map(|cache| format!("{} in {}", size(&cache["bytes"]), text(&cache["type"])));
    let caches: Vec<_> = caches.collect();
    format!(
        "to run it with {} tokens: {} ({} of weights, keys and values {}, states {})\n",
        memory["context"],
        size(&memory["total"]),
        size(&memory["weights"]),
        caches.join(", "),
        size(&memory["state"]),
    )
}

fn sources(plan: &Value) -> String {
    let sizes = list(plan, "sources").filter_map(|source| source["size"].as_u64());
    let (count, sum) = sizes.fold((0, 0_u64), |(count, sum), size| (count + 1, sum.saturating_add(size)));
    match plan["pulls"].as_str() {
        Some(model) => format!("{model} has to be pulled before more is known\n"),
        None => format!("reads {} of {}\n", bytes(sum), count_of(count, "file")),
    }
}

fn costs(plan: &Value) -> String {
    let mut lines = format!(
        "writes {}; needs {}, and {} are free\n",
        exact(&plan["written"]),
        size(&plan["needed"]),
        size(&plan["available"]),
    );
    let time = &plan["time"];
    if let Some(seconds) = time["seconds"].as_f64() {
        let disk = if time["writing"].is_null() { ", if the disk keeps up" } else { "" };
        lines.push_str(&format!("takes about {seconds:.1} s on {}{disk}\n", cores(time)));
    }
    lines
}

fn cores(time: &Value) -> String {
    count_of(time["cores"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(1), "core")
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value[field].as_array().into_iter().flatten()
}

fn size(value: &Value) -> String {
    value.as_u64().map_or_else(|| "?".to_owned(), bytes)
}

/// A size for people, and to the byte.
fn exact(value: &Value) -> String {
    match value.as_u64() {
        None => "not known yet".to_owned(),
        Some(count) if count < 1000 => bytes(count),
        Some(count) => format!("{} ({count} bytes)", bytes(count)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_said_to_be_so() {
        let plan = json!({
            "outputs": [{"model": "m:latest", "type": "Q4_K_M", "layers": [], "tensors": []}],
            "sources": [], "pulls": "far:latest", "written": 10, "needed": 0, "available": 5000,
            "warnings": ["beware"],
        });
        let page = describe(&plan, false);
        assert!(page.contains("m:latest    Q4_K_M    not known yet"), "{page}");
        assert!(page.contains("far:latest has to be pulled before more is known"), "{page}");
        assert!(page.contains("writes 10 B; needs 0 B, and 4.9 KiB are free"), "{page}");
        assert!(page.ends_with("warning: beware\n"), "{page}");
        assert!(!page.contains("takes about"), "{page}");
    }

    #[test]
    fn tensors_are_summed_up_or_shown_one_by_one() {
        let tensor = |name: &str, bytes: u64| {
            json!({
                "name": name, "shape": [256, 4], "from": "F16", "to": "Q4_K", "bytes": bytes,
                "rule": "mixture",
            })
        };
        let plan = json!({
            "outputs": [{
                "model": "m:latest", "type": "Q4_K_M", "size": 4_683_073_184_u64, "bits_per_weight": 4.85,
                "layers": [{"mediaType": "application/vnd.ollama.image.model", "size": 2000}],
                "tensors": [tensor("a", 1000), tensor("b", 1000)],
                "memory": {
                    "context": 4096, "total": 3000, "weights": 2000, "state": 0,
                    "cache": [{"type": "F16", "bytes": 1000}, {"type": "Q8_0", "bytes": 531}],
                },
            }],
            "sources": [{"file": "x", "size": 8000}], "written": 2000, "needed": 2000, "available": 5000,
            "time": {"seconds": 12.34, "writing": null, "cores": 2}, "warnings": [],
        });
        let page = describe(&plan, false);
        assert!(page.contains("m:latest    Q4_K_M    4.4 GiB (4683073184 bytes)    4.85"), "{page}");
        assert!(page.contains("model    2.0 KiB    to be made"), "{page}");
        assert!(page.contains("Q4_K    2          2.0 KiB    mixture"), "{page}");
        assert!(page.contains("keys and values 1.0 KiB in F16, 531 B in Q8_0, states 0 B"), "{page}");
        assert!(page.contains("takes about 12.3 s on 2 cores, if the disk keeps up"), "{page}");
        let long = describe(&plan, true);
        assert!(long.contains("a         [256,4]    F16     Q4_K    1000     mixture"), "{long}");
    }
}

//! What a model can do, as far as its files tell.
//!
//! Rules: Ollama, `server/images.go` (`Capabilities`).

use super::description::{ChatTemplateSupport, Description};
use crate::family;
use crate::model::ModelConfig;
use crate::template::Template;

/// The parts of a model that tell what it can do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub(crate) config: &'a ModelConfig,
    /// Of the weights.
    pub(crate) weights: Option<&'a Description>,
    /// Whether there is a projector, and whether one of them hears.
    pub(crate) projector: Option<Projector>,
    /// The model's Go template.
    pub(crate) template: Option<&'a Template>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Projector {
    pub(crate) hears: bool,
}

/// The capabilities, in Ollama's order.
pub(crate) fn capabilities(evidence: Evidence<'_>) -> Vec<String> {
    let Evidence { config, weights, projector, template } = evidence;
    let mut found: Vec<String> = Vec::new();
    let mut add = |capability: &str, is_there: bool| {
        if is_there && !found.iter().any(|known| known == capability) {
            found.push(capability.to_owned());
        }
    };
    for capability in &config.capabilities {
        add(capability, true);
    }
    if let Some(weights) = weights {
        let own = weights.chat_template.filter(|_| !is_rendered_by_ollama(evidence));
        add("tools", own.is_some_and(|own| own.tools));
        add("thinking", own.is_some_and(|own| own.thinking));
        add("embedding", weights.pools);
        add("completion", !weights.pools && !family::makes_images(&weights.architecture));
        add("vision", weights.sees);
        add("audio", weights.hears && family::of(&weights.architecture).hears);
    }
    add("vision", projector.is_some());
    let family = family::of(&config.model_family);
    add("audio", projector.is_some_and(|projector| projector.hears) && family.hears);
    if let Some(template) = template.filter(|_| uses_go_template(evidence)) {
        add("tools", template.uses("tools"));
        add("insert", template.uses("suffix"));
        add("thinking", template.thinking_tags().is_some());
    }
    if let Some(parser) = family::parser(&config.parser) {
        add("tools", parser.tools);
        add("thinking", parser.thinking);
    }
    add("thinking", family.thinks);
    found
}

/// Whether the runtime renders prompts itself, and does not leave it to the weights' own chat template.
pub(crate) fn is_rendered_by_ollama(evidence: Evidence<'_>) -> bool {
    let config = evidence.config;
    !config.renderer.is_empty()
        || !config.parser.is_empty()
        || evidence.template.is_some_and(|template| is_built_in(config, template))
        || uses_go_template(evidence)
}

/// Whether the model's Go template is used: not if the weights have a chat template that can do more.
fn uses_go_template(evidence: Evidence<'_>) -> bool {
    let Some(template) = evidence.template else { return false };
    let config = evidence.config;
    let has_built_in =
        !config.renderer.is_empty() || !config.parser.is_empty() || is_built_in(config, template);
    match evidence.weights.and_then(|weights| weights.chat_template) {
        Some(own) if !has_built_in => !is_better(own, template),
        _ => true,
    }
}

fn is_better(own: ChatTemplateSupport, template: &Template) -> bool {
    let theirs = [template.uses("tools"), template.uses("suffix"), template.thinking_tags().is_some()];
    let ours = [own.tools, false, own.thinking];
    let count = |capabilities: [bool; 3]| capabilities.into_iter().filter(|&is_there| is_there).count();
    let text = template.text();
    let round_trip = template.uses("tools")
        && template.uses("toolcalls")
        && ["eq .Role \"tool\"", "tool_response", "TOOL_RESULTS"].iter().any(|mark| text.contains(mark));
    if count(ours) > count(theirs) {
        return !round_trip || own.tool_round_trip;
    }
    ours == theirs && own.tools && own.tool_round_trip && !round_trip
}

/// Whether the runtime knows the model's format and renders prompts itself in place of the template.
fn is_built_in(config: &ModelConfig, template: &Template) -> bool {
    family::of(&config.model_family).renders_in_place_of(template.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MediaType;

    fn weights(chat_template: Option<ChatTemplateSupport>) -> Description {
        Description {
            architecture: "llama".into(),
            kind: MediaType::Model,
            parameter_count: 1,
            file_type: "F16",
            context_length: 0,
            embedding_length: 0,
            pools: false,
            sees: false,
            hears: false,
            chat_template,
            is_shard: false,
        }
    }

    fn of(config: &ModelConfig, weights: &Description, template: Option<&str>) -> Vec<String> {
        let template = template.map(|text| Template::parse(text).unwrap());
        capabilities(Evidence {
            config,
            weights: Some(weights),
            projector: None,
            template: template.as_ref(),
        })
    }

    #[test]
    fn templates_and_weights_tell() {
        let config = ModelConfig::default();
        assert_eq!(of(&config, &weights(None), None), ["completion"]);
        let template = "{{ .Tools }}{{ .Prompt }}{{ .Suffix }}";
        assert_eq!(of(&config, &weights(None), Some(template)), ["completion", "tools", "insert"]);
        let embedding = Description { pools: true, ..weights(None) };
        assert_eq!(of(&config, &embedding, None), ["embedding"]);
        let thinker = ModelConfig { parser: "qwen3-thinking".into(), ..ModelConfig::default() };
        assert_eq!(of(&thinker, &weights(None), None), ["completion", "tools", "thinking"]);
    }

    #[test]
    fn the_better_template_is_used() {
        let config = ModelConfig::default();
        let own = ChatTemplateSupport { tools: true, tool_round_trip: true, thinking: false };
        let poor = "{{ .Prompt }}";
        assert_eq!(of(&config, &weights(Some(own)), Some(poor)), ["tools", "completion"]);
        let good = "{{ .Tools }}{{ .ToolCalls }}{{ if eq .Role \"tool\" }}{{ end }}{{ .Suffix }}";
        assert_eq!(of(&config, &weights(Some(own)), Some(good)), ["completion", "tools", "insert"]);
    }
}

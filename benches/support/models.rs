use ollamake::model::{Layer, Manifest, MediaType, ModelConfig};
use ollamake::store::Store;

/// Adds so many models that share a configuration, each with a system prompt of its own.
pub(crate) fn add_models(store: &Store, count: usize) {
    let config = ModelConfig { model_format: "gguf".into(), ..ModelConfig::default() };
    let config = store.put_bytes(&config.to_bytes()).expect("a blob").blob;
    let config = Layer::new(MediaType::Config, config.digest(), config.length());
    for index in 0..count {
        let system = store.put_bytes(format!("system {index}").as_bytes()).expect("a blob").blob;
        let layers = vec![Layer::new(MediaType::System, system.digest(), system.length())];
        let name = format!("model{index}").parse().expect("a name");
        store.put_manifest(&name, &Manifest::new(config.clone(), layers).to_bytes()).expect("a manifest");
    }
}

//! Debian's `skopeo` takes models out of a bundle, and what it makes is loaded.

use super::*;
use crate::support::skopeo::copy;

#[test]
fn skopeo_copies_each_model_out_of_a_bundle() {
    let (_source, store) = source();
    let work = tempfile::tempdir().unwrap();
    let bundle = work.path().join("models.tar");
    std::fs::write(&bundle, saved(&store)).unwrap();
    for model in ["one:latest", "team/two:tag", "three:latest"] {
        let copied = work.path().join("copied.tar");
        let _ = std::fs::remove_file(&copied);
        let (from, to) = (format!("{}:{model}", bundle.display()), format!("{}:{model}", copied.display()));
        if !copy(&[], &format!("oci-archive:{from}"), &format!("oci-archive:{to}")) {
            return;
        }
        let (_target, other) = target();
        let models = loaded(&other, &std::fs::read(&copied).unwrap());
        assert_eq!(models.iter().map(|model| model.name.short()).collect::<Vec<_>>(), [model]);
        let (ours, theirs) = (store.manifest(&name(model)).unwrap(), other.manifest(&name(model)).unwrap());
        assert_eq!(theirs.manifest.layers, ours.manifest.layers, "{model}");
        assert!(other.check(true, |_| {}).unwrap().is_clean());
    }
}

//! The files of the page, as they are in `files/`.

use crate::model::Digest;

/// A file that is part of the program.
#[derive(Debug)]
pub(super) struct File {
    path: &'static str,
    pub(super) bytes: &'static [u8],
}

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(File { path: $path, bytes: include_bytes!(concat!("files/", $path)) }),*]
    };
}

/// All files; a test compares them with the directory.
const FILES: &[File] = embedded![
    "core/announce.js",
    "core/api.js",
    "core/batches.js",
    "core/dom.js",
    "core/draft.js",
    "core/format.js",
    "core/key.js",
    "core/outage.js",
    "core/rate.js",
    "core/router.js",
    "core/save.js",
    "icon.svg",
    "index.html",
    "inspection/files.js",
    "inspection/folder.js",
    "inspection/gguf.js",
    "inspection/safetensors.js",
    "inspection/window.js",
    "main.js",
    "style/base.css",
    "style/controls.css",
    "style/figures.css",
    "style/layout.css",
    "style/tables.css",
    "upload/queue.js",
    "upload/remembered.js",
    "upload/tus.js",
    "views/choose.js",
    "views/choose/candidates.js",
    "views/choose/figures.js",
    "views/choose/recipe.js",
    "views/compare.js",
    "views/inspect.js",
    "views/inspect/layers.js",
    "views/inspect/metadata.js",
    "views/inspect/overview.js",
    "views/inspect/provenance.js",
    "views/inspect/tensors.js",
    "views/inspect/texts.js",
    "views/job.js",
    "views/job/account.js",
    "views/job/follow.js",
    "views/job/telling.js",
    "views/jobs.js",
    "views/models.js",
    "views/models/change.js",
    "views/new.js",
    "views/new/beside.js",
    "views/new/file_list.js",
    "views/new/files.js",
    "views/new/steps.js",
    "views/new/transfer.js",
    "views/new/verdict.js",
    "views/plan.js",
    "views/plan/ask.js",
    "views/plan/outline.js",
    "views/plan/words.js",
    "views/publish.js",
    "views/store.js",
    "views/store/check.js",
    "views/store/prune.js",
    "views/store/settings.js",
    "views/store/use.js",
    "widgets/attempt.js",
    "widgets/button.js",
    "widgets/choose_file.js",
    "widgets/columns.js",
    "widgets/dialog.js",
    "widgets/drop.js",
    "widgets/facts.js",
    "widgets/field.js",
    "widgets/heat_map.js",
    "widgets/histogram.js",
    "widgets/list.js",
    "widgets/plot.js",
    "widgets/problem.js",
    "widgets/progress.js",
    "widgets/state.js",
];

impl File {
    /// The file of this name.
    pub(super) fn find(path: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.path == path)
    }

    /// What changes with its content. The files are so small that nothing is remembered of them.
    pub(super) fn tag(&self) -> String {
        format!("\"{}\"", Digest::of(self.bytes).hex())
    }

    /// What its name says that it is.
    pub(super) fn content_type(&self) -> &'static str {
        match self.path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn collect(directory: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => collect(&entry.path(), &format!("{name}/"), found),
                false => drop(found.insert(name)),
            }
        }
    }

    #[test]
    fn every_file_of_the_directory_is_embedded() {
        let mut found = BTreeSet::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/page/files"), "", &mut found);
        let embedded: Vec<_> = FILES.iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(embedded, Vec::from_iter(found), "FILES names them in the order of their names");
    }

    #[test]
    fn all_files_together_are_small() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        FILES.iter().for_each(|file| encoder.write_all(file.bytes).unwrap());
        let length = encoder.finish().unwrap().len();
        assert!(length < 250 << 10, "{length} bytes compressed");
    }

    #[test]
    fn every_kind_of_file_has_a_type() {
        for file in FILES {
            assert_ne!(file.content_type(), "application/octet-stream", "{}", file.path);
        }
    }
}

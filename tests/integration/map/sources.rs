//! What the files of the crate import, read from their text.
//!
//! An import through a face counts as one of the file that defines the item. A face that only declares and
//! re-exports imports nothing; in one with code of its own a re-export counts if the code uses it. What
//! stands in test modules does not count.

use std::collections::{BTreeMap, HashSet};

use regex::Regex;

/// `["store", "blob"]` for `store/blob.rs`, `["store"]` for `store/mod.rs`.
type Module = Vec<String>;

/// All files of the crate.
pub(super) struct Sources {
    files: BTreeMap<Module, File>,
}

struct File {
    path: String,
    uses: Vec<Use>,
    /// Its code without imports, declarations of modules, comments and the contents of texts.
    body: String,
}

/// One name that a `use` brings in.
struct Use {
    path: Vec<String>,
    alias: String,
    is_public: bool,
}

/// An item that a file uses of another one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) from: String,
    /// The file that defines it.
    pub(super) to: String,
    /// As it is written.
    pub(super) path: String,
}

impl Sources {
    /// Texts by their paths under `src`.
    pub(super) fn parse(texts: BTreeMap<String, String>) -> Self {
        // main.rs is another crate, which sees the rooms by the name of this one.
        let texts = texts.into_iter().filter(|(path, _)| path.contains('/'));
        Self { files: texts.map(|(path, text)| (module_of(&path), File::parse(path, &text))).collect() }
    }

    /// The rooms, and rooms within them that have a line of their own in the map.
    pub(super) fn rooms(&self) -> Vec<String> {
        let mut rooms: Vec<String> = self.files.values().map(|file| self.room(&file.path)).collect();
        rooms.dedup();
        rooms.sort();
        rooms.dedup();
        rooms
    }

    /// The room of a file.
    pub(super) fn room(&self, path: &str) -> String {
        const INNER: [&str; 3] = ["convert/tokenizer", "convert/architecture", "convert/packed"];
        let inner = INNER.into_iter().find(|room| path.starts_with(&format!("{room}/")));
        inner.unwrap_or_else(|| path.split('/').next().unwrap_or_default()).to_owned()
    }

    /// Everything that is imported from another file.
    pub(super) fn imports(&self) -> Vec<Import> {
        let mut found = Vec::new();
        for (module, file) in &self.files {
            let mut seen = HashSet::new();
            for path in file.imported_paths() {
                let Some(absolute) = self.absolute(module, &path) else { continue };
                // A whole module is not an item; what is used of it is found where it is used.
                if self.files.contains_key(&absolute) {
                    continue;
                }
                let target = &self.files[&self.defining(&absolute, &mut HashSet::new())].path;
                if *target != file.path && seen.insert(target.clone()) {
                    let path = path.join("::");
                    found.push(Import { from: file.path.clone(), to: target.clone(), path });
                }
            }
        }
        found
    }

    /// A path from the root of the crate; nothing for those of other crates.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let mut rest = path;
        let mut base = match rest.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => module.clone(),
            first => {
                let inner = [module.as_slice(), &[first.to_owned()]].concat();
                return self.files.contains_key(&inner).then(|| [module.as_slice(), path].concat());
            }
        };
        while let Some((first, after)) = rest.split_first()
            && matches!(first.as_str(), "crate" | "self" | "super")
        {
            if first == "super" {
                base.pop();
            }
            rest = after;
        }
        base.extend_from_slice(rest);
        self.files.keys().any(|file| file.first() == base.first()).then_some(base)
    }

    /// The module that defines the item at an absolute path, however many faces re-export it.
    fn defining(&self, path: &Module, seen: &mut HashSet<Module>) -> Module {
        let depth = (1..=path.len()).rev().find(|depth| self.files.contains_key(&path[..*depth]));
        let depth = depth.unwrap_or(1);
        let module = path[..depth].to_vec();
        let Some(name) = path.get(depth).filter(|_| seen.insert(path.clone())) else { return module };
        let exported = self.files[&module].uses.iter().find(|import| import.alias == *name);
        match exported.and_then(|import| self.absolute(&module, &import.path)) {
            Some(further) => self.defining(&[further.as_slice(), &path[depth + 1..]].concat(), seen),
            None => module,
        }
    }
}

impl File {
    fn parse(path: String, text: &str) -> Self {
        let text = plain_code(text);
        let statement = Regex::new(r"(?m)^\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);").unwrap();
        let mut uses = Vec::new();
        for found in statement.captures_iter(&text) {
            let is_public = found.get(1).is_some();
            for (path, alias) in flattened(&found[2], &[]) {
                uses.push(Use { path, alias, is_public });
            }
        }
        let body = statement.replace_all(&text, "");
        let modules = Regex::new(r"(?m)^\s*(pub(?:\([^)]*\))?\s+)?mod\s+\w+;").unwrap();
        let body = modules.replace_all(&body, "").into_owned();
        Self { path, uses, body }
    }

    /// The paths that it imports: of its `use`s, and those in its code.
    fn imported_paths(&self) -> Vec<Vec<String>> {
        let code = Regex::new(r"#!?\[[^\]]*\]").unwrap().replace_all(&self.body, "").into_owned();
        if self.path.ends_with("mod.rs") && code.trim().is_empty() {
            return Vec::new();
        }
        let uses_name = |name: &str| Regex::new(&format!(r"\b{name}\b")).unwrap().is_match(&code);
        let mut paths: Vec<Vec<String>> = self
            .uses
            .iter()
            .filter(|import| !import.is_public || uses_name(&import.alias))
            .map(|import| import.path.clone())
            .collect();
        let segments = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
        let absolute = Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").unwrap();
        paths.extend(absolute.find_iter(&code).map(|found| segments(found.as_str())));
        // `error::Kind` after `use super::error`, or of a module of its own.
        let relative = Regex::new(r"(^|[^\w:])([a-z_]\w*)::(\w+)").unwrap();
        for found in relative.captures_iter(&code) {
            let (first, item) = (&found[2], found[3].to_owned());
            let import = self.uses.iter().find(|import| import.alias == *first);
            let mut path = import.map_or_else(|| vec![first.to_owned()], |import| import.path.clone());
            path.push(item);
            paths.push(path);
        }
        paths
    }
}

fn module_of(path: &str) -> Module {
    let mut module: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The text without comments, without the contents of texts, and without the test module at its end.
fn plain_code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let quote = Regex::new(r#"'\\?"'"#).unwrap();
    let strings = Regex::new(r#""(?:[^"\\]|\\.)*""#).unwrap();
    let comments = Regex::new(r"//[^\n]*").unwrap();
    let text = Regex::new(r"(?m)^\s*//[^\n]*").unwrap().replace_all(text, "").into_owned();
    let text = quote.replace_all(&text, "''").into_owned();
    let text = strings.replace_all(&text, "\"\"").into_owned();
    comments.replace_all(&text, "").into_owned()
}

/// The paths of a tree of imports, each with the name that it is known by.
fn flattened(tree: &str, prefix: &[String]) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    if let Some((head, rest)) = tree.split_once('{') {
        let head = head.trim().trim_end_matches("::").split("::").filter(|segment| !segment.is_empty());
        let prefix: Vec<String> =
            prefix.iter().cloned().chain(head.map(|segment| segment.trim().to_owned())).collect();
        let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
        return items(inner).into_iter().flat_map(|item| flattened(item, &prefix)).collect();
    }
    let (path, alias) =
        tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
    let mut path: Vec<String> =
        prefix.iter().cloned().chain(path.split("::").map(|segment| segment.trim().to_owned())).collect();
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let alias = alias.map(str::to_owned).or_else(|| path.last().cloned()).unwrap_or_default();
    vec![(path, alias)]
}

/// The items of a list between braces, which may hold such lists.
fn items(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (place, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    items.push(&list[start..]);
    items.into_iter().filter(|item| !item.trim().is_empty()).collect()
}

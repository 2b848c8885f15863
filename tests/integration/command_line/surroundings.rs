//! What surrounds a command: no server, no rights, no home, odd locales, odd clocks, many models.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant, SystemTime};

use super::{Desk, said};
use crate::support::files::files;
use crate::support::process::text;

/// A port that nobody listens on.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn without_a_server_it_is_said_who_does_the_work() {
    let desk = Desk::new();
    let host = format!("127.0.0.1:{}", free_port());
    let list = |quiet: &[&str]| {
        let arguments = [quiet, &["list"]].concat();
        desk.command(&arguments).env("OLLAMA_HOST", &host).output().unwrap()
    };
    let store = desk.models.path().display();
    let expected = format!("no server answers at http://{host}; working on the store in {store} itself\n");
    assert_eq!(said(&list(&[])), expected);
    assert_eq!(said(&list(&["--quiet"])), "");
    // Elsewhere nobody does it.
    let output = desk.command(&["list"]).env("OLLAMA_HOST", "192.0.2.1.invalid").output().unwrap();
    let said = said(&output);
    assert!(output.status.code() == Some(1) && said.contains("cannot reach the server at http://"), "{said}");
}

#[test]
fn who_only_looks_begins_no_store() {
    let desk = Desk::empty();
    let models = desk.models.path().join("none");
    let run = |arguments: &[&str]| desk.command(arguments).env("OLLAMA_MODELS", &models).output().unwrap();
    let list = run(&["list"]);
    assert!(list.status.success() && list.stdout.starts_with(b"NAME"), "{}", text(&list));
    assert!(run(&["jobs"]).status.success());
    for arguments in
        [&["show", "m"][..], &["rm", "m"], &["compare", "m", "n"], &["recipe", "m"], &["jobs", "--stop", "1"]]
    {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(said(&output).contains("there is no model store in this directory; set OLLAMA_MODELS"));
    }
    assert!(!models.exists());
}

#[test]
fn a_port_that_is_none_is_told() {
    let desk = Desk::new();
    for host in ["127.0.0.1:99999", "localhost:http", ":-1"] {
        let output = desk.command(&["list"]).env("OLLAMA_HOST", host).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{host}");
        let said = said(&output);
        assert!(said.contains("OLLAMA_HOST=") && said.contains("invalid port"), "{said}");
    }
}

#[test]
fn without_a_home_the_store_has_to_be_named() {
    let desk = Desk::new();
    let without_home = |arguments: &[&str], models: Option<&Path>| {
        let mut command = desk.command(arguments);
        command.env_remove("HOME").env_remove("OLLAMA_MODELS");
        if let Some(models) = models {
            command.env("OLLAMA_MODELS", models);
        }
        command.output().unwrap()
    };
    let output = without_home(&["list"], None);
    assert!(said(&output).contains("set OLLAMA_MODELS, or HOME"), "{}", text(&output));
    assert!(without_home(&["list"], Some(desk.models.path())).status.success());
    // What needs no store works all the same.
    for arguments in
        [&["architectures"][..], &["quantize", "m.gguf", "o.gguf", "q8_0"], &["completions", "fish"]]
    {
        let output = without_home(arguments, None);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn locales_and_clocks_do_not_matter() {
    let desk = Desk::new();
    let list = desk.output(&["list"]);
    for locale in ["C", "POSIX", "tr_TR.UTF-8", "de_DE.ISO-8859-1", "xx_XX", ""] {
        let mut command = desk.command(&["list", "M"]);
        command.envs([("LC_ALL", locale), ("LANG", locale), ("LANGUAGE", locale)]);
        assert_eq!(String::from_utf8(command.output().unwrap().stdout).unwrap(), list, "{locale}");
    }
    // Models from the future, as the clock was set back, and from before the beginning of time.
    let manifest = desk.models.path().join("manifests/registry.ollama.ai/library/m/latest");
    let hour = Duration::from_secs(3600);
    for time in [SystemTime::now() + 1000 * hour, SystemTime::UNIX_EPOCH - hour, SystemTime::UNIX_EPOCH] {
        fs::File::open(&manifest).unwrap().set_modified(time).unwrap();
        let list = desk.output(&["list"]);
        assert!(list.contains("m:latest"), "{list}");
        desk.output(&["show", "m"]);
        desk.output(&["create", "n", "--dry-run"]);
        desk.output(&["prune"]);
    }
    assert!(desk.output(&["list"]).contains("years ago"));
}

/// Who is root may do anything, so what may not be done is tried as nobody.
const NOBODY: u32 = 65_534;

impl Desk {
    /// Runs a command as somebody whom rights concern, and whose the files are.
    fn run_with_rights(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        if rustix::process::geteuid().is_root() {
            for root in [self.models.path(), self.directory.path()] {
                give_away(root);
            }
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }
}

fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    for entry in fs::read_dir(path).into_iter().flatten().map(Result::unwrap) {
        give_away(&entry.path());
    }
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_may_not_be_read_or_written_is_named() {
    let desk = Desk::new();
    let path = |name: &str| desk.directory.path().join(name);
    for directory in ["closed", "fixed"] {
        fs::create_dir(path(directory)).unwrap();
    }
    fs::write(path("closed/m.gguf"), "x").unwrap();
    permit(&path("closed"), 0o000);
    permit(&path("fixed"), 0o555);
    let cases: [(&[&str], &str); 5] = [
        (&["create", "n", "-f", "closed/Modelfile"], "closed/Modelfile: Permission denied"),
        (&["export", "m", "fixed/o.gguf"], "fixed/o.gguf: Permission denied"),
        (&["quantize", "m.gguf", "fixed/o.gguf", "q8_0"], "fixed/o.gguf: Permission denied"),
        (&["save", "m", "-o", "fixed/b.tar"], "fixed/b.tar: Permission denied"),
        (&["man", "fixed/pages"], "fixed/pages: Permission denied"),
    ];
    for (arguments, says) in cases {
        let output = desk.run_with_rights(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
        assert!(said(&output).contains(says), "{}", said(&output));
    }
    permit(&path("closed"), 0o755);
    assert!(files(&path("fixed")).is_empty());
}

#[test]
fn a_store_that_cannot_be_written_can_be_read() {
    let desk = Desk::new();
    let directories: Vec<_> = ["", "blobs", "manifests", "manifests/registry.ollama.ai/library"]
        .iter()
        .map(|name| desk.models.path().join(name))
        .collect();
    directories.iter().for_each(|directory| permit(directory, 0o555));
    let read = [&["list"][..], &["show", "m"], &["export", "m", "o.gguf"]];
    let read = read.map(|arguments| desk.run_with_rights(arguments));
    let refused = desk.run_with_rights(&["cp", "m", "n"]);
    directories.iter().for_each(|directory| permit(directory, 0o755));
    for output in read {
        assert!(output.status.success(), "{}", text(&output));
    }
    assert!(said(&refused).contains("read-only or denies access"), "{}", text(&refused));
}

#[test]
fn ten_thousand_models_are_listed() {
    let desk = Desk::new();
    let library = desk.models.path().join("manifests/registry.ollama.ai/library");
    let manifest = fs::read(library.join("m/latest")).unwrap();
    for number in 0..10_000 {
        let model = library.join(format!("m{number:05}"));
        fs::create_dir(&model).unwrap();
        fs::write(model.join("latest"), &manifest).unwrap();
    }
    let begun = Instant::now();
    assert_eq!(desk.output(&["list"]).lines().count(), 10_002);
    assert_eq!(desk.output(&["list", "m0999"]).lines().count(), 11);
    desk.output(&["show", "m09999"]);
    desk.output(&["create", "n"]);
    desk.output(&["rm", "m00000", "m00001"]);
    assert!(begun.elapsed() < Duration::from_secs(120), "it takes {:?}", begun.elapsed());
}

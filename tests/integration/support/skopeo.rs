//! Debian's skopeo.

use std::process::Command;

use super::process::text;

/// Copies with skopeo; `false`, and a line that says so, where it is not installed and
/// `OLLAMAKE_REQUIRE_SKOPEO` does not ask for it.
pub(crate) fn copy(arguments: &[&str], from: &str, to: &str) -> bool {
    let mut skopeo = Command::new("skopeo");
    match skopeo.args(["--insecure-policy", "copy"]).args(arguments).args([from, to]).output() {
        Ok(output) => assert!(output.status.success(), "{from} to {to}: {}", text(&output)),
        Err(error) => {
            let is_required = std::env::var_os("OLLAMAKE_REQUIRE_SKOPEO").is_some();
            assert!(!is_required, "skopeo cannot be started: {error}");
            println!("skipped: skopeo cannot be started here ({error})");
            return false;
        }
    }
    true
}

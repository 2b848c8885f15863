//! The web origins that may talk to the server, as people write them in `OLLAMA_ORIGINS`.

/// The patterns in a list: origins without a slash at their end, with one star or none. Whoever names no
/// scheme means both, and whoever separates by semicolons or blanks means a list, too.
///
/// # Errors
/// The first item that matches no origin, however it is read.
pub(super) fn patterns(list: &str) -> Result<Vec<String>, String> {
    let items = list.split([',', ';', ' ', '\t', '\n']).filter(|item| !item.is_empty());
    let mut patterns = Vec::new();
    for item in items {
        let origin = item.trim_end_matches('/');
        let (scheme, authority) =
            origin.split_once("://").map_or((None, origin), |(one, two)| (Some(one), two));
        let is_possible = !authority.is_empty()
            && !authority.ends_with(':')
            && !authority.contains(['/', '?', '#', '@'])
            && origin.matches('*').count() <= 1;
        match scheme {
            _ if !is_possible || scheme == Some("") => return Err(item.to_owned()),
            Some(_) => patterns.push(origin.to_owned()),
            None if authority == "*" => patterns.push(origin.to_owned()),
            None => patterns.extend(["http", "https"].map(|scheme| format!("{scheme}://{authority}"))),
        }
    }
    Ok(patterns)
}

/// Origins on this machine, and those of desktop programs that embed a browser.
pub(super) fn local() -> impl Iterator<Item = String> {
    let web = ["localhost", "127.0.0.1", "0.0.0.0"].into_iter().flat_map(|host| {
        ["http", "https"]
            .into_iter()
            .flat_map(move |scheme| [format!("{scheme}://{host}"), format!("{scheme}://{host}:*")])
    });
    let desktop = ["app", "file", "tauri", "vscode-webview", "vscode-file"];
    web.chain(desktop.into_iter().map(|scheme| format!("{scheme}://*")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood_or_refused() {
        for (list, expected) in [
            ("", &[][..]),
            ("http://a, http://b", &["http://a", "http://b"]),
            ("https://a.com/", &["https://a.com"]),
            ("https://a.com;https://b.com", &["https://a.com", "https://b.com"]),
            ("a.com", &["http://a.com", "https://a.com"]),
            ("a.com:8080", &["http://a.com:8080", "https://a.com:8080"]),
            ("chrome-extension://*", &["chrome-extension://*"]),
            ("https://*.a.com", &["https://*.a.com"]),
            ("*", &["*"]),
        ] {
            assert_eq!(patterns(list).unwrap(), expected, "{list}");
        }
        for (list, culprit) in [
            ("https://a.com/path", "https://a.com/path"),
            ("http://a,https://", "https://"),
            ("://a", "://a"),
            ("http://*.a.*", "http://*.a.*"),
            ("https://me@a.com", "https://me@a.com"),
        ] {
            assert_eq!(patterns(list).unwrap_err(), culprit);
        }
    }
}

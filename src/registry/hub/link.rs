//! The header that leads to the next page (RFC 8288).

/// The address with the relation `next`.
pub fn next_page(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let (target, behind) = rest[start + 1..].split_once('>')?;
        // The parameters end where the next address begins.
        let end = behind.find('<').unwrap_or(behind.len());
        let is_next = behind[..end].split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && relations.any(|name| name.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = &behind[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_others() {
        for (header, next) in [
            ("<https://h/a?cursor=x>; rel=\"next\"", Some("https://h/a?cursor=x")),
            ("</first>; rel=first, </b,c;d>; title=\"x\"; rel=\"prev next\"", Some("/b,c;d")),
            ("<a>; REL=NEXT", Some("a")),
            ("<a>; rel=\"prev\"", None),
            ("</v2/_catalog?last=a&n=1>; rel=\"next\"", Some("/v2/_catalog?last=a&n=1")),
            ("<x>;rel=next", Some("x")),
            ("x; rel=next", None),
            ("<a", None),
            ("", None),
        ] {
            assert_eq!(next_page(header), next, "{header}");
        }
    }
}

//! Uploads in several attempts that say what cannot be, or what is not so.

use super::{Case, input};

const ALL: &str = "/ollamake/v1/uploads";
const BYTES: &str = "Content-Type: application/offset+octet-stream";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = headers();
    cases.extend(lies());
    cases
}

/// An upload that is not begun.
fn headers() -> Vec<Case> {
    let metadata = |text: String| format!("Upload-Metadata: {text}");
    let (long, many) = (metadata(format!("name {}", "A".repeat(60_000))), metadata("a,".repeat(2000)));
    let rows: [(&str, &[&str], u16, &str); 13] = [
        ("no version", &["Upload-Length: 5"], 412, "tus-resumable"),
        ("a version of the future", &["Tus-Resumable: 9.9.9", "Upload-Length: 5"], 412, "1.0.0"),
        ("no length", &[], 400, "upload-length"),
        ("a length of words", &["Upload-Length: five"], 400, "whole number"),
        ("a length below zero", &["Upload-Length: -5"], 400, "whole number"),
        ("a length beyond 64 bits", &["Upload-Length: 18446744073709551616"], 400, "whole number"),
        ("the largest length", &["Upload-Length: 18446744073709551615"], 413, "must not be larger"),
        ("more than any disk has", &["Upload-Length: 4398046511104"], 507, "not enough space"),
        ("a length that comes later", &["Upload-Defer-Length: 1"], 400, "upload-length"),
        ("60,000 bytes of metadata", &["Upload-Length: 5", &long], 431, "4096 bytes"),
        ("metadata of 2000 keys", &["Upload-Length: 5", &many], 400, "base64"),
        ("metadata that is not Base64", &["Upload-Length: 5", "Upload-Metadata: a \u{1}!"], 400, ""),
        ("a checksum of MD5", &["Upload-Length: 5", "Upload-Checksum: md5 AAAA"], 400, "sha1,sha256"),
    ];
    let case = |(name, given, status, says): (&str, &[&str], u16, &str)| {
        let version = ["Tus-Resumable: 1.0.0"];
        let version = if name.contains("version") { &[][..] } else { &version };
        let headers = [version, given].concat();
        Case::new("upload-headers", name, input("POST", ALL, &headers, b""), status, &[says])
    };
    rows.into_iter().map(case).collect()
}

/// Bytes that are not what was said of them, and uploads that do not exist.
fn lies() -> Vec<Case> {
    let begin = |more: &[&str], body: &[u8]| {
        let headers = [&["Tus-Resumable: 1.0.0", BYTES, "Upload-Length: 5"], more].concat();
        input("POST", ALL, &headers, body)
    };
    let sha1 = "Upload-Checksum: sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=";
    let mut cases = vec![
        Case::new(
            "lying-upload",
            "more than was said",
            begin(&[], &[7; 600_000]),
            413,
            &["a length of 5 bytes"],
        ),
        Case::new("lying-upload", "another checksum", begin(&[sha1], b"hello"), 460, &["checksum mismatch"]),
    ];
    let zeros = "0".repeat(32);
    for id in ["x", "..%2F..%2Fblobs", "%00", &zeros, &"0".repeat(5000)] {
        for method in ["PATCH", "DELETE"] {
            let headers = ["Tus-Resumable: 1.0.0", BYTES, "Upload-Offset: 0"];
            let input = input(method, &format!("{ALL}/{id}"), &headers, b"hello");
            let says = if id == zeros { "there is no upload" } else { "is not the identifier of an upload" };
            cases.push(Case::new("lying-upload", format!("{method} {id:.20}"), input, 404, &[says]));
        }
    }
    cases
}

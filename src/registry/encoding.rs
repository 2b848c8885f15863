//! Answers that arrive packed, though they were asked for as they are: some proxies and static file servers
//! know no better.

use std::io::Read as _;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::RegistryError;

/// The contents of an answer of which `encoding` is the header `Content-Encoding` (RFC 9110, section 8.4.1).
/// Not more than `limit` bytes are unpacked, whatever is packed into them.
pub(super) fn decoded(
    registry: &str,
    what: &str,
    encoding: &str,
    contents: Vec<u8>,
    limit: u64,
) -> Result<Vec<u8>, RegistryError> {
    let mut unpacked = Vec::new();
    let reading = match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(contents),
        "gzip" | "x-gzip" => MultiGzDecoder::new(&*contents).take(limit + 1).read_to_end(&mut unpacked),
        "deflate" => ZlibDecoder::new(&*contents).take(limit + 1).read_to_end(&mut unpacked),
        _ => Err(std::io::ErrorKind::Unsupported.into()),
    };
    let (registry, what) = (registry.to_owned(), what.to_owned());
    match reading {
        Ok(_) if unpacked.len() as u64 > limit => Err(RegistryError::TooLarge { registry, what, limit }),
        Ok(_) => Ok(unpacked),
        Err(_) => {
            let reason = format!(
                "{what} is sent with Content-Encoding {encoding:?}, which was not asked for, and cannot be \
                 unpacked"
            );
            Err(RegistryError::Protocol { registry, reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(contents: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(contents).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let decode = |encoding, contents| decoded("registry", "a manifest", encoding, contents, 1000);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"{}").unwrap();
        for (encoding, contents) in
            [("", b"{}".to_vec()), ("GZIP", gzip(b"{}")), ("deflate", zlib.finish().unwrap())]
        {
            assert_eq!(decode(encoding, contents).unwrap(), b"{}", "{encoding}");
        }
        for (encoding, contents) in
            [("br", b"{}".to_vec()), ("gzip", b"{}".to_vec()), ("gzip", gzip(b"{}")[..12].to_vec())]
        {
            let error = decode(encoding, contents).unwrap_err().to_string();
            assert!(error.contains(&format!("{encoding:?}")), "{error}");
        }
    }

    /// Hostile input: `packed-answer`.
    #[test]
    fn a_bomb_is_unpacked_to_the_limit() {
        let bomb = gzip(&vec![0; 10_000_000]);
        let error = decoded("registry", "a manifest", "gzip", bomb, 100_000).unwrap_err();
        assert!(matches!(error, RegistryError::TooLarge { limit: 100_000, .. }), "{error}");
    }
}

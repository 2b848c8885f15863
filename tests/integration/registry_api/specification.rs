//! What version 1.1 of the distribution specification asks of a registry that takes pushes, one requirement a
//! test. The endpoints are numbered as there.

use ollamake::config::ApiKey;
use ollamake::model::{DOCKER_INDEX, Digest, Manifest, OCI_INDEX, OCI_MANIFEST};
use serde_json::{Value, json};

use super::pushing::{
    EMPTY, LAYER, begin, descriptor, image, place, push, push_blob, push_image, said, with_digest,
};
use super::*;

#[tokio::test]
async fn end_2_blobs_are_asked_for_and_fetched() {
    let server = InProcess::new();
    let digest = push_blob(&server, "alpine", LAYER).await;
    let path = format!("/v2/alpine/blobs/{digest}");
    let head = server.call("HEAD", &path, "").await;
    assert_eq!((head.status.as_u16(), header(&head, "content-length")), (200, "19"));
    assert_eq!(server.get(&path).await.body.as_bytes(), LAYER);
    let absent = server.get(&format!("/v2/alpine/blobs/{}", Digest::of(b"absent"))).await;
    assert_eq!(said(&absent), (404, "BLOB_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn end_3_manifests_are_fetched_with_their_media_type_and_digest() {
    let server = InProcess::new();
    let bytes = push_image(&server, "a/b/c", "latest", LAYER).await;
    for label in ["latest", &Digest::of(&bytes).to_string()] {
        let path = format!("/v2/a/b/c/manifests/{label}");
        let answer = server.get(&path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_bytes()), (200, &*bytes), "{label}");
        assert_eq!(header(&answer, "content-type"), OCI_MANIFEST);
        assert_eq!(header(&answer, "docker-content-digest"), Digest::of(&bytes).to_string());
        let head = server.call("HEAD", &path, "").await;
        assert_eq!(header(&head, "content-length"), bytes.len().to_string());
        let tag = header(&answer, "etag");
        assert_eq!(server.call_with("GET", &path, &[("If-None-Match", tag)], "").await.status, 304);
    }
}

#[tokio::test]
async fn end_4a_and_6_a_blob_is_pushed_with_post_and_put() {
    let server = InProcess::new();
    let path = begin(&server, "alpine").await;
    let answer = server.call("PUT", &with_digest(&path, LAYER), LAYER).await;
    assert_eq!(answer.status, 201);
    let digest = Digest::of(LAYER);
    assert_eq!(header(&answer, "location"), format!("/v2/alpine/blobs/{digest}"));
    assert_eq!(header(&answer, "docker-content-digest"), digest.to_string());
    // The session is over.
    let again = server.call("PUT", &with_digest(&path, LAYER), LAYER).await;
    assert_eq!(said(&again), (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));
    assert_eq!(std::fs::read_dir(server.directory.path().join("ollamake/uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn end_4b_a_blob_is_pushed_with_one_post() {
    let server = InProcess::new();
    let post = async |bytes: &[u8], body: &'static [u8]| {
        let path = with_digest("/v2/alpine/blobs/uploads/", bytes);
        let length = body.len().to_string();
        server.call_with("POST", &path, &[("Content-Length", &length)], body).await
    };
    let answer = post(LAYER, LAYER).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(header(&answer, "location"), format!("/v2/alpine/blobs/{}", Digest::of(LAYER)));
    assert_eq!(post(LAYER, LAYER).await.status, 201);
    assert_eq!(post(b"", b"").await.status, 201);
    assert_eq!(said(&post(b"other", b"these bytes").await), (400, "DIGEST_INVALID".to_owned()));
    assert!(!server.store.contains(Digest::of(b"other")).unwrap());
    // Who names a digest and sends nothing sends it later.
    assert_eq!(post(b"later", b"").await.status, 202);
}

#[tokio::test]
async fn end_5_a_blob_is_pushed_in_chunks_that_come_in_order() {
    let server = InProcess::new();
    let mut path = begin(&server, "alpine").await;
    let patch = async |path: &str, range: &str, bytes: &'static [u8]| {
        server.call_with("PATCH", path, &[("Content-Range", range)], bytes).await
    };
    for (range, bytes, reached) in [("0-4", &LAYER[..5], "0-4"), ("5-9", &LAYER[5..10], "0-9")] {
        let answer = patch(&path, range, bytes).await;
        assert_eq!((answer.status.as_u16(), header(&answer, "range")), (202, reached), "{}", answer.body);
        path = place(&answer);
    }
    for (range, status, expected) in [
        ("5-9", 416, "BLOB_UPLOAD_INVALID"),
        ("11-15", 416, "BLOB_UPLOAD_INVALID"),
        ("10", 400, "BLOB_UPLOAD_INVALID"),
        ("15-10", 400, "BLOB_UPLOAD_INVALID"),
    ] {
        let answer = patch(&path, range, &LAYER[10..15]).await;
        assert_eq!(said(&answer), (status, expected.to_owned()), "{range}");
    }
    // Without a range, the bytes go where the others end.
    let answer = server.call("PATCH", &path, &LAYER[10..]).await;
    assert_eq!(header(&answer, "range"), "0-18");
    let answer = server.call("PUT", &with_digest(&place(&answer), LAYER), "").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(server.store.size(Digest::of(LAYER)).unwrap(), Some(19));
}

#[tokio::test]
async fn end_5_the_last_chunk_may_come_with_the_end() {
    let server = InProcess::new();
    let path = begin(&server, "alpine").await;
    server.call_with("PATCH", &path, &[("Content-Range", "0-9")], &LAYER[..10]).await;
    let headers = [("Content-Range", "10-18")];
    let answer = server.call_with("PUT", &with_digest(&path, LAYER), &headers, &LAYER[10..]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[tokio::test]
async fn end_13_an_upload_tells_how_far_it_is_also_after_a_restart() {
    let server = InProcess::new();
    let path = begin(&server, "alpine").await;
    let fresh = server.get(&path).await;
    assert_eq!((fresh.status.as_u16(), header(&fresh, "range")), (204, "0-0"));
    server.call("PATCH", &path, &LAYER[..10]).await;
    let InProcess { directory, .. } = server;
    let store = Store::open(directory.path()).unwrap();
    let server = InProcess::over(store, directory, |_| ());
    let answer = server.get(&path).await;
    assert_eq!((answer.status.as_u16(), header(&answer, "range")), (204, "0-9"));
    assert_eq!(place(&answer), path);
    let answer = server.call("PUT", &with_digest(&path, LAYER), &LAYER[10..]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[tokio::test]
async fn end_14_an_upload_is_cancelled() {
    let server = InProcess::new();
    let path = begin(&server, "alpine").await;
    server.call("PATCH", &path, &LAYER[..10]).await;
    assert_eq!(server.call("DELETE", &path, "").await.status, 204);
    for (method, expected) in [("GET", 404), ("PATCH", 404), ("DELETE", 404)] {
        let answer = server.call(method, &path, "").await;
        assert_eq!(said(&answer), (expected, "BLOB_UPLOAD_UNKNOWN".to_owned()), "{method}");
    }
    assert_eq!(server.store.account().unwrap().uploads.files, 0);
}

#[tokio::test]
async fn an_upload_is_forgotten_when_its_time_is_over() {
    let server = InProcess::with(|config| config.limits.upload_lifetime = std::time::Duration::ZERO);
    let path = begin(&server, "alpine").await;
    assert_eq!(said(&server.get(&path).await), (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn bytes_that_are_not_what_their_digest_says_are_refused() {
    let server = InProcess::new();
    for digest in
        [Digest::of(b"other").to_string(), "sha256:12".to_owned(), format!("sha512:{}", "0".repeat(128))]
    {
        let path = begin(&server, "alpine").await;
        let answer = server.call("PUT", &format!("{path}?digest={digest}"), LAYER).await;
        assert_eq!(said(&answer), (400, "DIGEST_INVALID".to_owned()), "{digest}");
    }
    let path = begin(&server, "alpine").await;
    assert_eq!(said(&server.call("PUT", &path, LAYER).await), (400, "DIGEST_INVALID".to_owned()));
    assert!(!server.store.contains(Digest::of(LAYER)).unwrap());
}

#[tokio::test]
async fn a_blob_that_is_too_long_is_refused() {
    let server = InProcess::with(|config| config.limits.upload = 10);
    let path = begin(&server, "alpine").await;
    let answer = server.call("PATCH", &path, LAYER).await;
    assert_eq!(said(&answer), (413, "SIZE_INVALID".to_owned()));
}

#[tokio::test]
async fn end_11_a_blob_is_mounted_from_another_repository() {
    let server = InProcess::new();
    let digest = push_blob(&server, "alpine", LAYER).await;
    let mount = async |digest: &str| {
        let path = format!("/v2/a/b/c/blobs/uploads/?mount={digest}&from=alpine");
        server.call("POST", &path, "").await
    };
    let answer = mount(&digest.to_string()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(header(&answer, "location"), format!("/v2/a/b/c/blobs/{digest}"));
    // What is not there is to be sent.
    let answer = mount(&Digest::of(b"absent").to_string()).await;
    assert_eq!(answer.status, 202);
    assert!(place(&answer).starts_with("/v2/a/b/c/blobs/uploads/"));
    assert_eq!(said(&mount("sha512:00").await), (400, "DIGEST_INVALID".to_owned()));
}

#[tokio::test]
async fn end_7_a_manifest_is_pushed_by_tag_or_digest_and_served_byte_for_byte() {
    let server = InProcess::new();
    push_blob(&server, "alpine", LAYER).await;
    push_blob(&server, "alpine", b"{}").await;
    // Nobody else writes it like this.
    let bytes = serde_json::to_string_pretty(&image(LAYER)).unwrap() + "\n\n";
    let digest = Digest::of(bytes.as_bytes()).to_string();
    for label in ["3.20", &digest] {
        let answer =
            push(&server, &format!("alpine/manifests/{label}"), OCI_MANIFEST, bytes.as_bytes()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(header(&answer, "location"), format!("/v2/alpine/manifests/{digest}"));
        assert_eq!(header(&answer, "docker-content-digest"), digest);
        assert_eq!(server.get(&format!("/v2/alpine/manifests/{label}")).await.body, bytes);
    }
    let other = format!("alpine/manifests/{}", Digest::of(b"other"));
    let answer = push(&server, &other, OCI_MANIFEST, bytes.as_bytes()).await;
    assert_eq!(said(&answer), (400, "DIGEST_INVALID".to_owned()));
}

#[tokio::test]
async fn manifests_that_cannot_be_are_refused() {
    let server = InProcess::new();
    push_blob(&server, "alpine", LAYER).await;
    push_blob(&server, "alpine", b"{}").await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut manifest = image(LAYER);
        change(&mut manifest);
        manifest.to_string()
    };
    let absent = Digest::of(b"absent").to_string();
    let sha512 = format!("sha512:{}", "0".repeat(128));
    let index =
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"digest": absent, "size": 1}]});
    for (name, text, kind, status, expected) in [
        ("no JSON", "{".to_owned(), OCI_MANIFEST, 400, "MANIFEST_INVALID"),
        ("nothing", String::new(), OCI_MANIFEST, 400, "MANIFEST_INVALID"),
        ("a list", "[]".to_owned(), OCI_MANIFEST, 400, "MANIFEST_INVALID"),
        ("no configuration", r#"{"schemaVersion":2}"#.to_owned(), OCI_MANIFEST, 400, "MANIFEST_INVALID"),
        ("version 1", with(&|m| m["schemaVersion"] = 1.into()), OCI_MANIFEST, 400, "MANIFEST_INVALID"),
        ("sent as another kind", with(&|_| ()), Manifest::MEDIA_TYPE, 400, "MANIFEST_INVALID"),
        ("sent as an index", with(&|m| drop(m["mediaType"].take())), OCI_INDEX, 400, "MANIFEST_INVALID"),
        (
            "an unknown kind",
            with(&|m| m["mediaType"] = "text/plain".into()),
            "text/plain",
            400,
            "MANIFEST_INVALID",
        ),
        ("both kinds", with(&|m| m["manifests"] = json!([])), OCI_MANIFEST, 400, "MANIFEST_INVALID"),
        (
            "an absent layer",
            with(&|m| m["layers"][0]["digest"] = absent.as_str().into()),
            OCI_MANIFEST,
            404,
            "MANIFEST_BLOB_UNKNOWN",
        ),
        (
            "an absent configuration",
            with(&|m| m["config"]["digest"] = absent.as_str().into()),
            OCI_MANIFEST,
            404,
            "MANIFEST_BLOB_UNKNOWN",
        ),
        (
            "another length",
            with(&|m| m["layers"][0]["size"] = 20.into()),
            OCI_MANIFEST,
            400,
            "MANIFEST_INVALID",
        ),
        (
            "a length below zero",
            with(&|m| m["layers"][0]["size"] = (-1).into()),
            OCI_MANIFEST,
            400,
            "MANIFEST_INVALID",
        ),
        (
            "another algorithm",
            with(&|m| m["layers"][0]["digest"] = sha512.as_str().into()),
            OCI_MANIFEST,
            400,
            "DIGEST_INVALID",
        ),
        (
            "a subject of another algorithm",
            with(&|m| m["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": sha512, "size": 1})),
            OCI_MANIFEST,
            400,
            "DIGEST_INVALID",
        ),
        ("an index of nothing that is here", index.to_string(), OCI_INDEX, 404, "MANIFEST_BLOB_UNKNOWN"),
    ] {
        let answer = push(&server, "alpine/manifests/latest", kind, text.as_bytes()).await;
        assert_eq!(said(&answer), (status, expected.to_owned()), "{name}: {}", answer.body);
    }
    assert_eq!(said(&server.get("/v2/alpine/tags/list").await), (404, "NAME_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn manifests_of_four_megabytes_are_taken_and_longer_ones_are_not() {
    let server = InProcess::new();
    push_blob(&server, "alpine", LAYER).await;
    push_blob(&server, "alpine", b"{}").await;
    for (length, status) in [(4 << 20, 201), ((4 << 20) + 1, 413)] {
        let mut text = image(LAYER).to_string();
        text.push_str(&" ".repeat(length - text.len()));
        let answer = push(&server, "alpine/manifests/long", OCI_MANIFEST, text.as_bytes()).await;
        assert_eq!(answer.status, status, "{:.200}", answer.body);
        if status == 413 {
            assert_eq!(code(&answer), "MANIFEST_INVALID");
        }
    }
}

#[tokio::test]
async fn indexes_are_taken_although_some_of_their_manifests_are_not_here() {
    let server = InProcess::new();
    let child = push_image(&server, "alpine", "child", LAYER).await;
    let absent = json!({"mediaType": OCI_MANIFEST, "digest": Digest::of(b"absent").to_string(), "size": 6});
    for kind in [OCI_INDEX, DOCKER_INDEX] {
        let manifests = [descriptor(OCI_MANIFEST, &child), absent.clone()];
        let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests});
        let index = index.to_string();
        let answer = push(&server, "alpine/manifests/many", kind, index.as_bytes()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let answer = server.get("/v2/alpine/manifests/many").await;
        assert_eq!((answer.body.as_str(), header(&answer, "content-type")), (index.as_str(), kind));
    }
    let lying = json!({"schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{"digest": Digest::of(&child).to_string(), "size": 1}]});
    let answer = push(&server, "alpine/manifests/lying", OCI_INDEX, lying.to_string().as_bytes()).await;
    assert_eq!(said(&answer), (400, "MANIFEST_INVALID".to_owned()));
}

#[tokio::test]
async fn end_8_tags_are_listed_in_order_and_by_pages() {
    let server = InProcess::new();
    for tag in ["b", "a", "A", "c"] {
        push_image(&server, "alpine", tag, LAYER).await;
    }
    // What has no tag is not listed.
    let bytes = image(LAYER).to_string();
    push(
        &server,
        &format!("alpine/manifests/{}", Digest::of(bytes.as_bytes())),
        OCI_MANIFEST,
        bytes.as_bytes(),
    )
    .await;
    let tags = server.get("/v2/alpine/tags/list").await.json();
    assert_eq!(tags, json!({"name": "alpine", "tags": ["A", "a", "b", "c"]}));
    let page = server.get("/v2/alpine/tags/list?n=2").await;
    assert_eq!(page.json()["tags"], json!(["A", "a"]));
    assert_eq!(header(&page, "link"), "</v2/alpine/tags/list?n=2&last=a>; rel=\"next\"");
    assert_eq!(server.get("/v2/alpine/tags/list?last=a").await.json()["tags"], json!(["b", "c"]));
    assert_eq!(server.get("/v2/_catalog").await.json(), json!({"repositories": ["alpine"]}));
}

#[tokio::test]
async fn end_9_a_tag_is_deleted_alone_and_a_manifest_with_its_tags() {
    let server = InProcess::new();
    let digest = Digest::of(&push_image(&server, "alpine", "one", LAYER).await).to_string();
    push_image(&server, "alpine", "two", LAYER).await;
    let delete =
        async |label: &str| server.call("DELETE", &format!("/v2/alpine/manifests/{label}"), "").await;
    assert_eq!(delete("one").await.status, 202);
    assert_eq!(said(&delete("one").await), (404, "MANIFEST_UNKNOWN".to_owned()));
    assert_eq!(server.get(&format!("/v2/alpine/manifests/{digest}")).await.status, 200);
    assert_eq!(delete(&digest).await.status, 202);
    assert_eq!(said(&server.get("/v2/alpine/manifests/two").await), (404, "MANIFEST_UNKNOWN".to_owned()));
    // The blobs that nothing needs any more are gone.
    assert!(!server.store.contains(Digest::of(LAYER)).unwrap());
    assert_eq!(server.get("/v2/_catalog").await.json(), json!({"repositories": []}));
}

#[tokio::test]
async fn end_10_a_blob_is_deleted_unless_a_manifest_needs_it() {
    let server = InProcess::new();
    push_image(&server, "alpine", "latest", LAYER).await;
    put(&server.store, "m", WEIGHTS);
    let loose = push_blob(&server, "alpine", b"loose").await;
    let delete =
        async |digest: Digest| server.call("DELETE", &format!("/v2/alpine/blobs/{digest}"), "").await;
    for needed in [LAYER, WEIGHTS] {
        let answer = delete(Digest::of(needed)).await;
        assert_eq!(said(&answer), (403, "DENIED".to_owned()));
        assert!(server.store.contains(Digest::of(needed)).unwrap());
    }
    assert_eq!(delete(loose).await.status, 202);
    assert_eq!(said(&delete(loose).await), (404, "BLOB_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn end_12_referrers_are_listed_and_filtered() {
    let server = InProcess::new();
    let subject = push_image(&server, "alpine", "latest", LAYER).await;
    let artifact = |kind: &str| {
        let mut manifest = image(LAYER);
        manifest["config"] = descriptor(EMPTY, b"{}");
        manifest["artifactType"] = kind.into();
        manifest["subject"] = descriptor(OCI_MANIFEST, &subject);
        manifest["annotations"] = json!({"by": "us"});
        manifest.to_string()
    };
    for kind in ["application/signature", "application/bill"] {
        let text = artifact(kind);
        let path = format!("alpine/manifests/{}", Digest::of(text.as_bytes()));
        let answer = push(&server, &path, OCI_MANIFEST, text.as_bytes()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(header(&answer, "oci-subject"), Digest::of(&subject).to_string());
    }
    let path = format!("/v2/alpine/referrers/{}", Digest::of(&subject));
    let all = server.get(&path).await;
    assert_eq!(header(&all, "content-type"), OCI_INDEX);
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 2);
    let some = server.get(&format!("{path}?artifactType=application/signature")).await;
    assert_eq!(header(&some, "oci-filters-applied"), "artifactType");
    let text = artifact("application/signature");
    let expected = json!([{
        "mediaType": OCI_MANIFEST,
        "digest": Digest::of(text.as_bytes()).to_string(),
        "size": text.len(),
        "artifactType": "application/signature",
        "annotations": {"by": "us"},
    }]);
    assert_eq!(some.json()["manifests"], expected);
    let none = server.get(&format!("/v2/alpine/referrers/{}", Digest::of(b"x"))).await;
    assert_eq!((none.status.as_u16(), none.json()["manifests"].clone()), (200, json!([])));
    assert_eq!(said(&server.get("/v2/alpine/referrers/sha256:1").await), (400, "DIGEST_INVALID".to_owned()));
}

#[tokio::test]
async fn everything_is_behind_the_key_unless_reading_is_open() {
    for open in [false, true] {
        let server = InProcess::with(|config| {
            config.api_key = Some(ApiKey::parse("secret").unwrap());
            config.open_registry = open;
        });
        let layer = server.store.put_bytes(LAYER).unwrap().blob.digest();
        let read = if open { 200 } else { 401 };
        for (method, path, status) in [
            ("GET", "/v2/".to_owned(), read),
            ("GET", "/v2/_catalog".to_owned(), read),
            ("HEAD", format!("/v2/alpine/blobs/{layer}"), read),
            ("GET", format!("/v2/alpine/blobs/{layer}"), read),
            ("POST", "/v2/alpine/blobs/uploads/".to_owned(), 401),
            ("GET", format!("/v2/alpine/blobs/uploads/{}", "0".repeat(32)), 401),
            ("GET", "/v2/token".to_owned(), 401),
            ("PUT", "/v2/alpine/manifests/latest".to_owned(), 401),
            ("DELETE", format!("/v2/alpine/blobs/{layer}"), 401),
            ("GET", "/api/tags".to_owned(), 401),
        ] {
            let answer = server.call(method, &path, "").await;
            assert_eq!(answer.status, status, "{method} {path}, open: {open}");
            if path.starts_with("/v2/") {
                // Some clients look for this in the first answer alone.
                assert!(header(&answer, "www-authenticate").starts_with("Basic "), "{method} {path}");
            }
        }
        let key = [("Authorization", "Bearer secret")];
        let begun = server.call_with("POST", "/v2/alpine/blobs/uploads/", &key, "").await;
        assert_eq!(begun.status, 202);
        // How far an upload is concerns its client alone, in whatever way its path is written.
        let id = header(&begun, "docker-upload-uuid");
        for path in [
            "alpine/blobs/uploads",
            "alpine/blobs/uplo%61ds",
            "alpine/blobs%2Fuploads",
            "alpine%2fblobs/uploads",
        ] {
            let path = format!("/v2/{path}/{id}");
            for method in ["GET", "HEAD"] {
                let strange = server.call(method, &path, "").await;
                assert_eq!((strange.status.as_u16(), header(&strange, "range")), (401, ""), "{path}");
                assert_eq!(server.call_with(method, &path, &key, "").await.status, 204, "{path}");
            }
        }
        let wrong = [("Authorization", "Bearer other")];
        assert_eq!(server.call_with("GET", "/v2/_catalog", &wrong, "").await.status, read);
    }
}

//! Our own client against our own server, over connections that break.

use ollamake::registry::Config;

use crate::registry::model::Model;
use crate::registry::{Site, impatient};
use crate::socket::Listening;
use crate::support::cutting_proxy::CuttingProxy;

const SIZE: usize = 4_000_000;

fn in_pieces() -> Config {
    Config { download_piece: 700_000, upload_piece: 700_000, ..impatient() }
}

/// Where connections break: once after each tenth, and after every tenth.
fn cuts() -> impl Iterator<Item = (u64, u64)> {
    let tenth = SIZE as u64 / 10;
    (1..10).map(move |tenths| (tenths * tenth, 1)).chain([(tenth, 9)])
}

fn assert_little_was_repeated(moved: u64, model: &Model) {
    let size = model.size();
    assert!(moved >= size && moved < size * 2, "{moved} bytes moved for {size}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_cut_at_every_tenth_goes_on() {
    for (number, (interval, count)) in cuts().enumerate() {
        let server = Listening::new().await;
        let proxy = CuttingProxy::start(server.address.parse().unwrap(), interval, count).await;
        let model = Model::new(40 + number as u64, &[SIZE]);
        let site = Site::with(in_pieces());
        let name = format!("{}/team/up", proxy.host());
        model.put(&site.store, &name);
        site.push(&name).await.unwrap_or_else(|error| panic!("{interval}, {count} times: {error}"));
        assert_eq!(proxy.cuts(), count, "the proxy has to break connections");
        assert_little_was_repeated(proxy.up(), &model);
        model.assert_in(&server.store, "team/up");
        assert_eq!(server.unfinished(), Vec::<String>::new());
        assert!(server.store.check(true, |_| {}).unwrap().is_clean());
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_cut_at_every_tenth_goes_on() {
    let server = Listening::new().await;
    let model = Model::new(60, &[SIZE]);
    model.put(&server.store, "team/down");
    for (interval, count) in cuts() {
        let proxy = CuttingProxy::start(server.address.parse().unwrap(), interval, count).await;
        let site = Site::with(in_pieces());
        let name = format!("{}/team/down", proxy.host());
        site.pull(&name).await.unwrap_or_else(|error| panic!("{interval}, {count} times: {error}"));
        assert_eq!(proxy.cuts(), count, "the proxy has to break connections");
        assert_little_was_repeated(proxy.down(), &model);
        model.assert_in(&site.store, &name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_not_sent_again() {
    let server = Listening::new().await;
    let model = Model::new(70, &[SIZE]);
    model.put(&server.store, "team/first");
    let proxy = CuttingProxy::start(server.address.parse().unwrap(), u64::MAX, 0).await;
    let site = Site::new();
    let name = format!("{}/other/second", proxy.host());
    model.put(&site.store, &name);
    site.push(&name).await.unwrap();
    assert!(proxy.up() < 100_000, "{} bytes sent", proxy.up());
    model.assert_in(&server.store, "other/second");
}

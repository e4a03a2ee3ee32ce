//! What sending a datagram costs: one call each, many to a call, and cut by the kernel.
//!
//! `cargo xtask bench datagrams`. A picture of nine datagrams goes to each of 32 viewers; receivers
//! are drained between rounds by nobody, their buffers overflow, and the kernel still does all the
//! work of delivery up to there.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark stops where it cannot go on")]

use std::net::SocketAddr;

use divan::Bencher;
use divan::counter::ItemsCount;
use tally_server::net::{DatagramBatch, DatagramSocket, Route};
use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};

const VIEWERS: usize = 32;
const PICTURE: usize = 9;
const DATAGRAM_BYTES: u16 = 1_200;

fn main() {
    divan::main();
}

struct Scene {
    runtime: Runtime,
    sender: UdpSocket,
    viewers: Vec<(UdpSocket, SocketAddr)>,
}

fn scene() -> Scene {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (sender, viewers) = runtime.block_on(async {
        let mut viewers = Vec::new();
        for _ in 0..VIEWERS {
            let viewer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = viewer.local_addr().unwrap();
            viewers.push((viewer, address));
        }
        (UdpSocket::bind("127.0.0.1:0").await.unwrap(), viewers)
    });
    Scene { runtime, sender, viewers }
}

fn fill(batch: &mut DatagramBatch, viewers: &[(UdpSocket, SocketAddr)]) {
    for (_, address) in viewers {
        for _ in 0..PICTURE {
            batch.push(Route::to(*address), DATAGRAM_BYTES, |room| room.len());
        }
    }
}

fn batched(bencher: Bencher<'_, '_>, new: fn(UdpSocket) -> std::io::Result<DatagramSocket>) {
    let Scene { runtime, sender, viewers } = scene();
    let sender = new(sender).unwrap();
    let mut batch = DatagramBatch::new(VIEWERS * PICTURE * usize::from(DATAGRAM_BYTES));
    bencher.counter(ItemsCount::new(VIEWERS * PICTURE)).bench_local(|| {
        fill(&mut batch, &viewers);
        runtime.block_on(sender.send(&mut batch)).unwrap()
    });
}

#[divan::bench]
fn one_call_each(bencher: Bencher<'_, '_>) {
    let Scene { runtime, sender, viewers } = scene();
    let datagram = [0; DATAGRAM_BYTES as usize];
    bencher.counter(ItemsCount::new(VIEWERS * PICTURE)).bench_local(|| {
        runtime.block_on(async {
            for (_, address) in &viewers {
                for _ in 0..PICTURE {
                    sender.send_to(&datagram, address).await.unwrap();
                }
            }
        });
    });
}

#[divan::bench]
fn many_to_a_call(bencher: Bencher<'_, '_>) {
    batched(bencher, DatagramSocket::without_segmentation);
}

#[divan::bench]
fn cut_by_the_kernel(bencher: Bencher<'_, '_>) {
    batched(bencher, DatagramSocket::new);
}

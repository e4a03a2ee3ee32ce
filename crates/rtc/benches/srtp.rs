//! What sealing and opening a packet of 1,200 bytes costs: `cargo bench -p tally-rtc --bench srtp`.
//!
//! No case may show an allocation. The slices are how a packet's payload lies in memory: one is a
//! slice of the frame; two are a payload format's prefix and such a slice, the usual case; three
//! have to be copied together first.

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use tally_rtc::rtp::{HEADER_BYTES_MAX, Header, HeaderWriter};
use tally_rtc::srtp::{Opener, Profile, Sealer, SrtpKeys};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Bytes of a plain packet, as many as fit any path.
const PACKET_BYTES: usize = 1_200;
/// Packets per run: a large keyframe.
const PACKETS: u16 = 500;
const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80];

fn main() {
    divan::main();
}

fn ends(profile: Profile) -> (Sealer, Opener) {
    let material: Vec<u8> = (0..).take(profile.exporter_bytes()).collect();
    let of = |is_client| {
        SrtpKeys::from_exporter(profile, &material, is_client).expect("as long as asked for")
    };
    let sealer = Sealer::new(profile, &of(true).sending).expect("keys of this profile");
    (sealer, Opener::new(profile, &of(false).receiving).expect("keys of this profile"))
}

/// Seals one packet, header written anew as for one viewer.
fn seal(sealer: &Sealer, sequence: u16, body: &[u8], cuts: &[usize], out: &mut [u8]) -> usize {
    let mut header = [0; HEADER_BYTES_MAX];
    let fixed = Header { payload_type: 96, sequence, ssrc: 7, ..Default::default() };
    let header_bytes = HeaderWriter::new(fixed)
        .extension(1, &sequence.to_be_bytes())
        .extension(2, &[0; 3])
        .write(&mut header);
    let mut rest = &body[..PACKET_BYTES - header_bytes];
    let mut slices = [&[][..]; 3];
    for (slice, cut) in slices.iter_mut().zip(cuts) {
        (*slice, rest) = rest.split_at(*cut);
    }
    slices[cuts.len()] = rest;
    sealer
        .seal_rtp(&header[..header_bytes], &slices[..=cuts.len()], 0, out)
        .expect("the buffer is long enough")
}

fn bench_seal(bencher: Bencher<'_, '_>, profile: Profile, cuts: &[usize]) {
    let (sealer, _) = ends(profile);
    let body = vec![0xAB; PACKET_BYTES];
    let mut out = vec![0; 1_500];
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| {
        for sequence in 0..PACKETS {
            black_box(seal(&sealer, sequence, black_box(&body), cuts, &mut out));
        }
    });
}

#[divan::bench(args = PROFILES)]
fn seal_one_slice(bencher: Bencher<'_, '_>, profile: Profile) {
    bench_seal(bencher, profile, &[]);
}

#[divan::bench(args = PROFILES)]
fn seal_prefix_and_slice(bencher: Bencher<'_, '_>, profile: Profile) {
    bench_seal(bencher, profile, &[3]);
}

#[divan::bench(args = PROFILES)]
fn seal_three_slices(bencher: Bencher<'_, '_>, profile: Profile) {
    bench_seal(bencher, profile, &[3, 500]);
}

#[divan::bench(args = PROFILES)]
fn open(bencher: Bencher<'_, '_>, profile: Profile) {
    let body = vec![0xAB; PACKET_BYTES];
    let (sealer, _) = ends(profile);
    let sealed = |sequence| {
        let mut packet = vec![0; 1_500];
        let len = seal(&sealer, sequence, &body, &[], &mut packet);
        packet.truncate(len);
        packet
    };
    let all: Vec<Vec<u8>> = (0..=PACKETS).map(sealed).collect();
    let known = || {
        let mut packets = all.clone();
        let mut opener = ends(profile).1;
        opener.open_rtp(&mut packets[0]).expect("authentic");
        (opener, packets)
    };
    bencher.counter(ItemsCount::new(PACKETS)).with_inputs(known).bench_local_refs(
        |(opener, packets)| {
            for packet in &mut packets[1..] {
                black_box(opener.open_rtp(packet).expect("authentic, and not seen before"));
            }
        },
    );
}

/// What a session costs at its start: the keys of one direction.
#[divan::bench(args = PROFILES)]
fn derive_keys(bencher: Bencher<'_, '_>, profile: Profile) {
    let material: Vec<u8> = (0..).take(profile.exporter_bytes()).collect();
    let keys = SrtpKeys::from_exporter(profile, &material, true).expect("as long as asked for");
    bencher.bench_local(|| Sealer::new(profile, black_box(&keys.sending)).is_ok());
}

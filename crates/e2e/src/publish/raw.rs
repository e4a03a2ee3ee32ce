//! An encoder of our own, down to the bytes, that can stop or lie at any point.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

/// How long an answer may take; also how long a test waits for the server to hang up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One RTMP connection in the hands of a test.
#[derive(Debug)]
pub struct RawEncoder {
    stream: TcpStream,
}

/// How far a connection is taken before the test takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// TCP only.
    Connected,
    /// C0 and C1 sent, S0 and S1 read.
    HalfShaken,
    /// Handshake done.
    Shaken,
    /// `connect` sent and answered.
    InApplication,
    /// `publish` sent and answered.
    Publishing,
}

/// Every state, in order.
pub const STATES: [State; 5] =
    [State::Connected, State::HalfShaken, State::Shaken, State::InApplication, State::Publishing];

impl RawEncoder {
    /// Connects and goes on to `state`, publishing under `name` where it comes that far.
    ///
    /// # Errors
    /// When the server refuses on the way.
    pub fn reach(address: SocketAddr, state: State, name: &str) -> anyhow::Result<Self> {
        Self::connect(address, state, name, &[])
    }

    /// A publisher that told in `connect` that it understands a Reconnect Request (`capsEx` 1).
    ///
    /// # Errors
    /// When the server refuses on the way.
    pub fn able_to_reconnect(address: SocketAddr, name: &str) -> anyhow::Result<Self> {
        let caps_ex = [&text("capsEx")[1..], &number(1.0)].concat();
        Self::connect(address, State::Publishing, name, &caps_ex)
    }

    /// `properties` are further ones of the `connect` command, as AMF0.
    fn connect(
        address: SocketAddr,
        state: State,
        name: &str,
        properties: &[u8],
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut this = Self { stream };
        if state >= State::HalfShaken {
            this.send(&[&[3][..], &[0; 1536]].concat())?;
            let mut s0_s1 = [0; 1537];
            this.stream.read_exact(&mut s0_s1).context("S0 and S1")?;
            ensure!(s0_s1[0] == 3, "RTMP version {}", s0_s1[0]);
            if state >= State::Shaken {
                this.send(&s0_s1[1..])?;
                this.stream.read_exact(&mut [0; 1536]).context("S2")?;
            }
        }
        if state >= State::InApplication {
            this.send(&connect_command(properties))?;
            this.read_until("_result")?;
        }
        if state >= State::Publishing {
            this.send(&publish_commands(name))?;
            this.read_until("NetStream.Publish")?;
        }
        Ok(this)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the server has hung up.
    pub fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads until the server has sent `text`; gives everything read.
    ///
    /// # Errors
    /// When the connection ends first.
    pub fn read_until(&mut self, text: &str) -> anyhow::Result<Vec<u8>> {
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        while !read.windows(text.len()).any(|window| window == text.as_bytes()) {
            let count = self.stream.read(&mut buffer)?;
            ensure!(count > 0, "hung up before `{text}`");
            read.extend_from_slice(&buffer[..count]);
        }
        Ok(read)
    }

    /// Says that nothing more comes, and waits until the server hangs up.
    ///
    /// # Errors
    /// When it does not within half a minute.
    pub fn finish(self) -> anyhow::Result<()> {
        // A connection already reset cannot be shut down, and need not be.
        let _ = self.stream.shutdown(Shutdown::Write);
        self.wait_for_hangup().map(drop)
    }

    /// Waits, sending nothing, until the server hangs up; gives what it said until then.
    ///
    /// # Errors
    /// When it does not within half a minute.
    pub fn wait_for_hangup(mut self) -> anyhow::Result<Vec<u8>> {
        let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(read),
                Ok(count) => read.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Ok(read);
                }
                Err(error) => return Err(error).context("the server does not hang up"),
            }
        }
    }
}

/// One message on a chunk stream, in 128-byte chunks as before any Set Chunk Size.
pub fn message(chunk_stream: u8, kind: u8, message_stream: u32, payload: &[u8]) -> Vec<u8> {
    message_at(chunk_stream, kind, message_stream, 0, payload)
}

/// The same with a timestamp, which has to be below 2^24 - 1 ms.
pub fn message_at(
    chunk_stream: u8,
    kind: u8,
    message_stream: u32,
    at_ms: u32,
    payload: &[u8],
) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let [_, a, b, c] = at_ms.to_be_bytes();
    let mut bytes = vec![chunk_stream, a, b, c, length[1], length[2], length[3], kind];
    bytes.extend(message_stream.to_le_bytes());
    for (index, chunk) in payload.chunks(128).enumerate() {
        if index > 0 {
            bytes.push(0xc0 | chunk_stream);
        }
        bytes.extend(chunk);
    }
    bytes
}

fn connect_command(properties: &[u8]) -> Vec<u8> {
    let mut command = [text("connect"), number(1.0), vec![3]].concat();
    for (name, value) in
        [("app", "live"), ("type", "nonprivate"), ("tcUrl", "rtmp://localhost/live")]
    {
        command.extend(&text(name)[1..]);
        command.extend(text(value));
    }
    command.extend(properties);
    command.extend([0, 0, 9]);
    message(3, 20, 0, &command)
}

fn publish_commands(name: &str) -> Vec<u8> {
    let create = [text("createStream"), number(2.0), vec![5]].concat();
    let publish = [text("publish"), number(3.0), vec![5], text(name), text("live")].concat();
    [message(3, 20, 0, &create), message(4, 20, 1, &publish)].concat()
}

fn text(value: &str) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    [&[2][..], &length.to_be_bytes(), value.as_bytes()].concat()
}

fn number(value: f64) -> Vec<u8> {
    [&[0][..], &value.to_be_bytes()].concat()
}

"""Publishes or plays over WebRTC with aiortc and prints one JSON report as its last line.

    python3 aiortc_peer.py publish --url URL [--token KEY] [--codec H264]
    python3 aiortc_peer.py watch --url URL --seconds N

A publisher prints a line PUBLISHING and goes on until its standard input ends.
"""

import argparse
import asyncio
import fractions
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import av
import marks
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtcpSrPacket

WIDTH, HEIGHT, FRAMES_PER_SECOND = 640, 360, 30
SOUND_SAMPLES = 960
START_WITHIN_S = 20

# The newest sender report of each receiver: what places its stream on the common clock.
sender_reports = {}
handle_rtcp = RTCRtpReceiver._handle_rtcp_packet


async def remember_report(self, packet):
    if isinstance(packet, RtcpSrPacket):
        sender_reports[self] = packet.sender_info
    await handle_rtcp(self, packet)


RTCRtpReceiver._handle_rtcp_packet = remember_report


def request(url, method, body=None, token=None):
    """Gives status, headers and text of an answer, whatever the status."""
    headers = {"content-type": "application/sdp"} if body else {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    asked = urllib.request.Request(url, data=body and body.encode(), headers=headers, method=method)
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read().decode()


async def connect(connection, url, token=None):
    """Exchanges descriptions; gives the session's URL, or the report of a refusal."""
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    status, headers, body = await asyncio.to_thread(request, url, "POST", offer, token)
    if status != 201:
        return None, {"status": status, "started": False, "problem": body}
    await connection.setRemoteDescription(RTCSessionDescription(body, "answer"))
    return urllib.parse.urljoin(url, headers["location"]), None


class Pictures(MediaStreamTrack):
    kind = "video"

    def __init__(self, start_s):
        super().__init__()
        self.start_s, self.count = start_s, 0

    async def recv(self):
        at_s = self.count / FRAMES_PER_SECOND
        await asyncio.sleep(self.start_s + at_s - time.time())
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        marks.draw(frame, time.time() * 1000, at_s)
        frame.pts, frame.time_base = self.count * 3000, fractions.Fraction(1, 90_000)
        self.count += 1
        return frame


class Sound(MediaStreamTrack):
    kind = "audio"

    def __init__(self, start_s):
        super().__init__()
        self.start_s, self.count = start_s, 0
        samples = marks.SAMPLES_PER_SECOND
        self.second = [marks.sound(at, SOUND_SAMPLES) for at in range(0, samples, SOUND_SAMPLES)]

    async def recv(self):
        at = self.count * SOUND_SAMPLES
        await asyncio.sleep(self.start_s + at / marks.SAMPLES_PER_SECOND - time.time())
        frame = av.AudioFrame("s16", "stereo", SOUND_SAMPLES)
        frame.planes[0].update(self.second[self.count % len(self.second)])
        frame.sample_rate = marks.SAMPLES_PER_SECOND
        frame.pts, frame.time_base = at, fractions.Fraction(1, marks.SAMPLES_PER_SECOND)
        self.count += 1
        return frame


async def publish(options):
    connection = RTCPeerConnection()
    start_s = time.time()
    connection.addTransceiver(Sound(start_s), "sendonly")
    video = connection.addTransceiver(Pictures(start_s), "sendonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    wanted = (f"video/{options.codec}".lower(), "video/rtx")
    video.setCodecPreferences([codec for codec in codecs if codec.mimeType.lower() in wanted])
    session, refused = await connect(connection, options.url, options.token)
    if refused:
        return refused
    connected = asyncio.Event()

    @connection.on("connectionstatechange")
    def look():
        if connection.connectionState == "connected":
            connected.set()

    look()
    await asyncio.wait_for(connected.wait(), START_WITHIN_S)
    print("PUBLISHING", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    deleted, _, _ = await asyncio.to_thread(request, session, "DELETE", None, options.token)
    sent = video.sender.track.count
    await connection.close()
    return {"status": 201, "deleted": deleted, "frames": sent}


class Stream:
    """What came in on one track, with the places of its marks in RTP time."""

    def __init__(self, receiver, clock_hz):
        self.receiver, self.clock_hz = receiver, clock_hz
        self.count, self.samples, self.first, self.last = 0, 0, None, None
        self.energy, self.marks, self.size = 0.0, [], (0, 0)

    def take(self, frame):
        self.count += 1
        self.first = frame.pts if self.first is None else self.first
        self.last = frame.pts

    def media_ms(self):
        return None if self.first is None else (self.last - self.first) * 1000 / self.clock_hz

    def wall_s(self, pts):
        """The sender's clock at a place in the stream, by its newest report."""
        report = sender_reports.get(self.receiver)
        if report is None:
            return None
        origin = self.receiver._RTCRtpReceiver__timestamp_mapper._origin
        distance = (pts + origin - report.rtp_timestamp + 2**31) % 2**32 - 2**31
        return report.ntp_timestamp / 2**32 + distance / self.clock_hz


async def watch_pictures(track, stream):
    lit = True
    while True:
        frame = await track.recv()
        stream.take(frame)
        stream.size = (frame.width, frame.height)
        now_lit = marks.read_flash(frame)
        if now_lit and not lit:
            stream.marks.append(stream.wall_s(frame.pts))
        lit = now_lit


async def watch_sound(track, stream):
    beeps = marks.Beeps()
    while True:
        frame = await track.recv()
        stream.take(frame)
        stream.samples += frame.samples
        peak = max(map(abs, memoryview(frame.planes[0]).cast("h")[: 2 * frame.samples]))
        stream.energy += (peak / 32_768) ** 2 * frame.samples / frame.sample_rate
        stream.marks += [stream.wall_s(frame.pts + index) for index in beeps.onsets(frame)]


def offsets_ms(flashes, beeps):
    """How far each beep comes after its flash, on the sender's clock."""
    beeps = [beep for beep in beeps if beep is not None]
    found = []
    for flash in flashes:
        nearest = min((beep - flash for beep in beeps if flash is not None), key=abs, default=1)
        if abs(nearest) < 0.5:
            found.append(nearest * 1000)
    return summary(found)


def summary(values):
    if not values:
        return None
    values = sorted(values)
    at = lambda part: values[min(len(values) - 1, int(len(values) * part))]
    return {"count": len(values), "min": at(0), "p50": at(0.5), "p99": at(0.99), "max": at(1)}


async def watch(options):
    connection = RTCPeerConnection()
    events = []
    # Only so that the offer has a section for data: the server opens the channel it tells things by.
    connection.createDataChannel("viewer")

    @connection.on("datachannel")
    def opened(channel):
        channel.on("message", lambda message: events.append(str(message)))

    sound = Stream(connection.addTransceiver("audio", "recvonly").receiver, 48_000)
    pictures = Stream(connection.addTransceiver("video", "recvonly").receiver, 90_000)
    asked_s = time.monotonic()
    session, refused = await connect(connection, options.url)
    if refused:
        return refused
    work = [
        asyncio.create_task(watch_pictures(pictures.receiver.track, pictures)),
        asyncio.create_task(watch_sound(sound.receiver.track, sound)),
    ]
    while pictures.count == 0 and time.monotonic() - asked_s < START_WITHIN_S:
        await asyncio.sleep(0.01)
    start_ms = (time.monotonic() - asked_s) * 1000
    await asyncio.sleep(options.seconds)
    for task in work:
        task.cancel()
    codec = [codec for codec in pictures.receiver._RTCRtpReceiver__codecs.values()]
    deleted, _, _ = await asyncio.to_thread(request, session, "DELETE")
    await connection.close()
    return {
        "status": 201,
        "deleted": deleted,
        "started": pictures.count > 0,
        "start_ms": start_ms,
        "codec": codec[0].mimeType if codec else None,
        "frames": pictures.count,
        "media_ms": pictures.media_ms(),
        "width": pictures.size[0],
        "height": pictures.size[1],
        "audio_samples": sound.samples,
        "audio_energy": sound.energy,
        "av_offset_ms": offsets_ms(pictures.marks, sound.marks),
        "events": events,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["publish", "watch"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--token")
    parser.add_argument("--codec", default="H264")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    report = asyncio.run(publish(options) if options.role == "publish" else watch(options))
    print(json.dumps(report), flush=True)


main()

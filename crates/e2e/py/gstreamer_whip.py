"""Publishes over WHIP with GStreamer's webrtcbin until its standard input ends.

    /usr/bin/python3 gstreamer_whip.py --url URL [--token KEY]

Prints a line PUBLISHING when connected, and FAILED with a reason when it cannot be.
"""

import argparse
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball
  ! video/x-raw,format=I420,width=640,height=360,framerate=30/1
  ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 bitrate=800
  ! video/x-h264,profile=constrained-baseline
  ! rtph264pay pt=96 aggregate-mode=zero-latency config-interval=-1
  ! application/x-rtp,media=video,encoding-name=H264,payload=96 ! peer.
audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2
  ! opusenc ! rtpopuspay pt=97
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer.
"""


class Publisher:
    def __init__(self, url, token):
        self.url, self.token, self.session = url, token, None
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(PIPELINE)
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.negotiate)
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        self.peer.connect("notify::connection-state", self.connected)

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        threading.Thread(target=self.wait_for_end, daemon=True).start()
        self.loop.run()
        if self.session:
            self.request(self.session, "DELETE")
        self.pipeline.set_state(Gst.State.NULL)

    def wait_for_end(self):
        sys.stdin.read()
        GLib.idle_add(self.loop.quit)

    def negotiate(self, _):
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

    def offered(self, promise, _):
        reply = promise.get_reply()  # owns the offer
        self.peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(self, *_):
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if self.peer.get_property("ice-gathering-state") == complete and not self.session:
            GLib.idle_add(self.ask)

    def ask(self):
        offer = self.peer.get_property("local-description").sdp.as_text()
        try:
            answer = self.request(self.url, "POST", offer.encode())
        except urllib.error.HTTPError as refusal:
            print(f"FAILED {refusal.code} {refusal.read().decode()}", flush=True)
            self.loop.quit()
            return
        self.session = urllib.parse.urljoin(self.url, answer.headers["location"])
        _, message = GstSdp.SDPMessage.new_from_text(answer.read().decode())
        kind = GstWebRTC.WebRTCSDPType.ANSWER
        description = GstWebRTC.WebRTCSessionDescription.new(kind, message)
        self.peer.emit("set-remote-description", description, Gst.Promise.new())

    def connected(self, *_):
        state = self.peer.get_property("connection-state")
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            print("PUBLISHING", flush=True)
        if state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            print("FAILED to connect", flush=True)

    def request(self, url, method, body=None):
        headers = {"content-type": "application/sdp"} if body else {}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        asked = urllib.request.Request(url, data=body, headers=headers, method=method)
        return urllib.request.urlopen(asked)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--token")
    options = parser.parse_args()
    Gst.init(None)
    Publisher(options.url, options.token).run()


main()

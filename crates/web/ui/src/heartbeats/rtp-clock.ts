// The time of the picture on screen of a WebRTC viewer, on the EXT-X-PROGRAM-DATE-TIME axis.

interface Timeline {
  type: string;
  rtp: number;
  clock_hz: number;
  unix_ms: number;
}

/**
 * What `attest` takes for a WHEP viewer; to be called before the connection is made. The server tells
 * over a data channel of its own (the offer has to have one: any) which RTP timestamp is which moment;
 * the browser tells the timestamp of what is shown.
 */
export function rtpClock(connection: RTCPeerConnection): () => number | null {
  let known: Timeline | null = null;
  const take = ({ data }: MessageEvent): void => {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    const message = JSON.parse(text) as Timeline;
    known = message.type === "timeline" ? message : known;
  };
  connection.addEventListener("datachannel", ({ channel }) => {
    channel.binaryType = "arraybuffer";
    channel.addEventListener("message", take);
  });
  return () => {
    const receiver = connection.getReceivers().find(({ track }) => track.kind === "video");
    const shown = receiver?.getSynchronizationSources()[0];
    if (known === null || shown === undefined) {
      return null;
    }
    // Timestamps wrap: the nearest to the one that is known, which moves along.
    const ticks = (shown.rtpTimestamp - known.rtp) | 0;
    known.unix_ms += (ticks * 1000) / known.clock_hz;
    known.rtp = shown.rtpTimestamp;
    return known.unix_ms;
  };
}

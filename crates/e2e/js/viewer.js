// A page of somebody else's that plays a show with hls.js and attests it with the server's script.
//
// What it really rendered is told by the browser itself: `video.played`, which neither the script nor
// the server has a part in.

const query = new URLSearchParams(location.search);
const server = query.get("server") ?? "";
const handle = query.get("handle") ?? "";
const video = /** @type {HTMLVideoElement} */ (document.getElementById("video"));

/** Stretches that were rendered but must not count, on the media's axis. */
const worthless = [];
let hls = null;
let stop = async () => {};

const until = (done) =>
  new Promise((resolve) => {
    const look = () => done() && (clearInterval(timer), resolve(undefined));
    const timer = setInterval(look, 50);
  });

/** From the video's own time to the axis of EXT-X-PROGRAM-DATE-TIME, in milliseconds. */
const pdtOf = (seconds) => hls.playingDate.getTime() + (seconds - video.currentTime) * 1000;

/** Opens a session and plays until the picture moves; gives the session's show. */
globalThis.begin = async () => {
  const { openSession } = await import(`${server}/assets/tally-heartbeats.js`);
  const session = await openSession({ server, handle });
  const moves = play(session.hls);
  stop = session.attest(video, () => hls.playingDate?.getTime() ?? null);
  await moves;
  return session.show;
};

/** The same as people have it who never heard of sessions: what counts is what CMCD says. */
globalThis.beginStock = async (cmcd) => {
  const { show } = await (await fetch(`${server}/api/v1/live/${handle}`)).json();
  await play(`${server}/live/${handle}/index.m3u8`, { cmcd });
  return show;
};

/** With a session, and CMCD of version 2 in event mode as what is said in its name. */
globalThis.beginEvents = async () => {
  const request = { method: "POST", body: "{}" };
  const response = await fetch(`${server}/api/v1/live/${handle}/sessions`, request);
  const { show, hls: path, session } = await response.json();
  const url = `${server}/api/v1/playback/${session}/cmcd`;
  const eventTargets = [{ url, events: ["ps", "t"], interval: 2 }];
  await play(server + path, { cmcd: { version: 2, eventTargets } });
  return show;
};

/** Over WebRTC, attested. What was rendered are the pictures the browser says it put on screen. */
globalThis.beginWhep = async () => {
  const { openSession, rtpClock } = await import(`${server}/assets/tally-heartbeats.js`);
  const session = await openSession({ server, handle });
  const connection = new RTCPeerConnection();
  const clock = rtpClock(connection);
  connection.createDataChannel("");
  for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
  const stream = new MediaStream();
  connection.ontrack = ({ track }) => stream.addTrack(track);
  video.srcObject = stream;
  const shown = [];
  const onFrame = (_, { rtpTimestamp }) => {
    shown.push(rtpTimestamp);
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  await connection.setLocalDescription();
  const headers = { "content-type": "application/sdp" };
  const body = connection.localDescription?.sdp;
  const response = await fetch(session.whep, { method: "POST", headers, body });
  await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  const attested = session.attest(video, clock);
  video.play();
  // The last pictures count once the browser has acknowledged them: once a second.
  stop = () => new Promise((resolve) => setTimeout(resolve, 3000)).then(attested);
  globalThis.rendered = () => {
    const ms = shown.map((timestamp) => ((timestamp - shown[0]) | 0) / 90);
    const played = ms.slice(1).map((end, at) => [ms[at], end]).filter(([start, end]) => start < end);
    return { played, worthless, moved: globalThis.movedUntilNow() };
  };
  await until(() => shown.length > 0 && clock() !== null);
  return session.show;
};

/** Resolves when the picture moves. */
function play(url, options = {}) {
  // Who seeks back has to have something to go back to.
  hls = new Hls({ lowLatencyMode: true, backBufferLength: 60, ...options });
  // As every page with hls.js does: go on when the network comes back.
  hls.on(Hls.Events.ERROR, (_, { fatal, type, details }) => {
    if (fatal) console.log(`fatal: ${type} ${details}`);
    if (fatal) setTimeout(() => hls.startLoad(), 500);
  });
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
  hls.loadSource(url);
  hls.attachMedia(video);
  return until(() => video.currentTime > 0 && !video.paused && video.readyState > 2 && hls.playingDate);
}

globalThis.video = video;
/** Plays on for so many seconds of media, which take longer where the machine is busy. */
globalThis.playOn = (seconds) => {
  const target = video.currentTime + seconds;
  return until(() => video.currentTime >= target);
};
/** From here on what is rendered is worth nothing, until the function it gives is called. */
globalThis.beWorthless = () => {
  const from = pdtOf(video.currentTime);
  globalThis.beOfWorth = () => worthless.push([from, pdtOf(video.currentTime)]);
};
/** What was rendered so far. */
globalThis.rendered = () => ({
  played: Array.from({ length: video.played.length }, (_, at) =>
    [video.played.start(at), video.played.end(at)].map(pdtOf),
  ),
  worthless,
  moved: globalThis.movedUntilNow(),
});
globalThis.finish = async () => {
  video.pause();
  const report = globalThis.rendered();
  await stop();
  return report;
};

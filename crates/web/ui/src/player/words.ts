// What the player says to a person: plain words for each state.
import { codecsText, isOnly } from "./format.ts";
import type { Reason, State } from "./state.ts";

/** A message over the picture. An empty title means that the spinner says enough. */
export interface Message {
  title: string;
  text: string;
  /** Whether a "Try again" button makes sense. */
  retry: boolean;
}

/**
 * The message for a state. `name` is the creator as shown, such as `@alice`; `codecs` is what the
 * show is sent as (RFC 6381), for the message that names it.
 */
export function messageOf(
  state: State,
  reason: Reason,
  name: string,
  codecs: string[],
): Message {
  switch (state) {
    case "waiting":
      return waiting(reason, name);
    case "reconnecting":
      return reconnecting(reason, name);
    case "ended":
      return say("The show has ended", `Thanks for watching. ${name}’s next show starts here.`);
    case "error":
      return failed(reason, name, codecs);
    case "live":
    case "buffering":
      return isOnly("sound", codecs) ? say("", `${name} is on air, with sound only.`) : SILENT;
    case "checking":
    case "connecting":
      return SILENT;
  }
}

/** One line for screen readers, said when the state changes. */
export function announcementOf(state: State, message: Message, name: string): string {
  switch (state) {
    case "live":
      return `${name} is live`;
    case "buffering":
      return "Buffering";
    case "checking":
    case "connecting":
      return "Connecting";
    default:
      return `${message.title}. ${message.text}`;
  }
}

function waiting(reason: Reason, name: string): Message {
  switch (reason) {
    case "server-unreachable":
      return say("Can’t reach the server", "Check your connection. We keep trying.");
    case "server-busy":
      return say("The server is busy", "Your place is kept. We keep trying.");
    default:
      return say(
        `${name} is not live right now`,
        "Stay here: the show starts by itself the moment it goes live.",
      );
  }
}

function reconnecting(reason: Reason, name: string): Message {
  if (reason === "encoder-away") {
    return say(`${name}’s connection dropped`, "The show goes on when the picture is back.");
  }
  return say("Reconnecting", "The connection was lost. We keep trying.");
}

function failed(reason: Reason, name: string, codecs: string[]): Message {
  switch (reason) {
    case "refused":
      return ask("This show is not open to everyone", `Ask ${name} for a link that lets you in.`);
    case "codec": {
      const sentAs = codecs.length === 0 ? "" : `It is sent as ${codecsText(codecs)}. `;
      return ask("This browser can’t play the show’s format", `${sentAs}Try another browser.`);
    }
    case "unsupported":
      return ask("This browser can’t play live video", "Update it, or try another browser.");
    default:
      return ask("Playback keeps failing", "The browser could not go on with this show.");
  }
}

// The picture or the spinner says enough.
const SILENT = say("", "");

function say(title: string, text: string): Message {
  return { title, text, retry: false };
}

function ask(title: string, text: string): Message {
  return { title, text, retry: true };
}

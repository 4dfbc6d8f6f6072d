/* A websocket that is opened again whenever it is lost. After each text the server is
   told how many came in: it sends no more than a few that were not yet seen. */

const FIRST_BACK_OFF_MS = 500;
const LONGEST_BACK_OFF_MS = 15000;

export const SIGNED_OUT = 4401;

export class Reconnecting {
  #path;
  #act;
  #socket = null;
  #backOff = FIRST_BACK_OFF_MS;
  #received = 0;
  #acknowledging = null;

  /* opened(): each time it is. told(text). closed(code): false if it is over. */
  constructor(path, { opened, told, closed, acknowledgeMs }) {
    this.#path = path;
    this.#act = { opened, told, closed, acknowledgeMs };
    this.#open();
  }

  say(words) {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(words));
    }
  }

  #open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.#socket = new WebSocket(`${scheme}//${location.host}${this.#path}`);
    this.#received = 0;
    this.#socket.addEventListener("open", () => this.#act.opened());
    this.#socket.addEventListener("message", ({ data }) => this.#take(data));
    this.#socket.addEventListener("close", ({ code }) => this.#closed(code));
  }

  #take(text) {
    this.#received += 1;
    this.#backOff = FIRST_BACK_OFF_MS;
    this.#acknowledge();
    this.#act.told(text);
  }

  /* Once for all that came in together. */
  #acknowledge() {
    this.#acknowledging ??= setTimeout(() => {
      this.#acknowledging = null;
      this.say({ seen: this.#received });
    }, this.#act.acknowledgeMs);
  }

  #closed(code) {
    if (!this.#act.closed(code)) return;
    // Not all pages at once, when a server comes back.
    setTimeout(() => this.#open(), this.#backOff * (0.5 + Math.random()));
    this.#backOff = Math.min(this.#backOff * 2, LONGEST_BACK_OFF_MS);
  }
}

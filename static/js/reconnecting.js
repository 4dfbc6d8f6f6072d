/* A websocket that reconnects. It acknowledges messages, so that the server can limit
   the number in flight. */

const FIRST_BACK_OFF_MS = 500;
const LONGEST_BACK_OFF_MS = 15000;

export const SIGNED_OUT = 4401;

export class ReconnectingSocket {
  #path;
  #handlers;
  #socket = null;
  #backOff = FIRST_BACK_OFF_MS;
  #received = 0;
  #acknowledging = null;

  /* onOpen(): after each (re)connection. onMessage(text). onClose(code): returns whether
     to reconnect. */
  constructor(path, { onOpen, onMessage, onClose, acknowledgeMs }) {
    this.#path = path;
    this.#handlers = { onOpen, onMessage, onClose, acknowledgeMs };
    this.#open();
  }

  send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
    }
  }

  #open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.#socket = new WebSocket(`${scheme}//${location.host}${this.#path}`);
    this.#received = 0;
    this.#socket.addEventListener("open", () => this.#handlers.onOpen());
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("close", ({ code }) => this.#closed(code));
  }

  #receive(text) {
    this.#received += 1;
    this.#backOff = FIRST_BACK_OFF_MS;
    this.#acknowledge();
    this.#handlers.onMessage(text);
  }

  /* Once for all messages that arrive together. */
  #acknowledge() {
    this.#acknowledging ??= setTimeout(() => {
      this.#acknowledging = null;
      this.send({ seen: this.#received });
    }, this.#handlers.acknowledgeMs);
  }

  #closed(code) {
    if (!this.#handlers.onClose(code)) return;
    // Jitter, so that pages do not all reconnect at once when a server comes back.
    setTimeout(() => this.#open(), this.#backOff * (0.5 + Math.random()));
    this.#backOff = Math.min(this.#backOff * 2, LONGEST_BACK_OFF_MS);
  }
}

/** The live stream of the contract over a `MockCity`. */
import { WebSocketServer } from "ws";
import { kpiSamples } from "./kpis.mjs";

const FRAME_HEADER = 8;
const FRAME_ROW = 6;

function stateFrame(devices, full, epoch) {
  const bytes = Buffer.alloc(FRAME_HEADER + devices.length * FRAME_ROW);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt8(full ? 1 : 0, 1);
  bytes.writeUInt32LE(epoch, 4);
  devices.forEach(({ index, state, flags }, n) => {
    const at = FRAME_HEADER + n * FRAME_ROW;
    bytes.writeUInt32LE(index, at);
    bytes.writeUInt8(state, at + 4);
    bytes.writeUInt8(flags, at + 5);
  });
  return bytes;
}

const tableRow = ({ index, id, domain, kind, lon, lat, ward }) => ({
  i: index,
  id,
  domain,
  kind,
  lon,
  lat,
  ward,
});

export class MockStream {
  constructor(city, api) {
    this.city = city;
    this.api = api;
    this.epoch = 1;
    this.changed = new Map();
    /** When set, connections stay open and say nothing: a network that swallows everything. */
    this.muted = false;
    this.server = new WebSocketServer({ noServer: true });
    this.server.on("connection", (socket) => this.greet(socket));
    city.on("transition", (entry) =>
      this.each("alerts", (socket) => this.send(socket, { type: "alert", ...entry })),
    );
    city.on("state", (device) => this.changed.set(device.index, device));
    this.timer = setInterval(() => this.beat(), 1000);
  }

  /** Takes an upgrade request of the HTTP server; says whether it was ours. */
  upgrade(request, socket, head) {
    const url = new URL(request.url, "http://localhost");
    if (url.pathname !== "/api/v1/stream") return false;
    if (this.muted || !this.api.userOf(request.headers, url)) {
      socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n");
    } else {
      this.server.handleUpgrade(request, socket, head, (client) =>
        this.server.emit("connection", client, request),
      );
    }
    return true;
  }

  send(socket, message) {
    if (!this.muted && socket.readyState === socket.OPEN)
      socket.send(Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  each(channel, visit) {
    for (const socket of this.server.clients) if (socket.channels?.has(channel)) visit(socket);
  }

  greet(socket) {
    this.send(socket, {
      type: "hello",
      last_seq: this.city.seq,
      server_time: Date.now(),
      protocol: 1,
      build: "mock",
    });
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      if (message.type === "subscribe") this.subscribe(socket, message);
    });
  }

  subscribe(socket, { channels, after }) {
    socket.channels = new Set(channels);
    if (socket.channels.has("alerts") && after === undefined) {
      this.send(socket, { type: "snapshot", seq: this.city.seq, alerts: this.city.open() });
    } else if (socket.channels.has("alerts")) {
      for (const entry of this.city.transitions)
        if (entry.seq > after) this.send(socket, { type: "alert", ...entry });
    }
    if (socket.channels.has("state")) {
      this.send(socket, { type: "devices", epoch: this.epoch, items: this.city.devices.map(tableRow) });
      this.send(socket, stateFrame(this.city.devices, true, this.epoch));
    }
  }

  beat() {
    const t = Date.now();
    this.city.tick(t);
    const changed = [...this.changed.values()];
    this.changed.clear();
    for (const socket of this.server.clients) this.send(socket, { type: "heartbeat", t, seq: this.city.seq });
    this.each("kpi", (socket) =>
      this.send(socket, { type: "kpi", t, items: kpiSamples(t, this.city.flood) }),
    );
    if (changed.length)
      this.each("state", (socket) => this.send(socket, stateFrame(changed, false, this.epoch)));
  }

  close() {
    clearInterval(this.timer);
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
  }
}

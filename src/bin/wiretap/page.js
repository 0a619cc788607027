"use strict";
const MAX_ENTRIES = 2000; // that are shown, as in page.rs
const MIN_LANE = 380; // pixels: if a connection would have less, all share one lane
const NAMES = { tcp: "TCP", http: "HTTP", websocket: "WebSocket", "engine.io": "Engine.IO", "socket.io": "Socket.IO" };
// HTTP and WebSocket both stand on TCP, one after the other.
const DEPTHS = { tcp: 0, http: 1, websocket: 1, "engine.io": 2, "socket.io": 3 };
// The first two bytes of a frame, in bits (RFC 6455 §5.2).
const FIELDS = { FIN: [0, 1], RSV: [1, 4], opcode: [4, 8], MASK: [8, 9], length: [9, 16] };

const { state, form, filter, connection, pause, diagram, heads, empty, rows, panel } =
  Object.fromEntries([...document.querySelectorAll("[id]")].map((part) => [part.id, part]));
const lines = rows.getElementsByClassName("line");
const lastRows = new Map(); // of each connection that is shown
let waiting = []; // entries that are not shown yet
let opened; // the line whose entry is in the panel

const isPaused = () => pause.ariaPressed === "true";
const shownLines = () => [...lines].filter((line) => !line.hidden && !line.parentNode.hidden);

function connect() {
  const socket = new WebSocket(location.origin.replace(/^http/, "ws"));
  const became = (className, textContent) => Object.assign(state, { className, textContent });
  socket.onopen = () => {
    became("open", "listening");
    waiting = [{ at: -1 }]; // before all else: the history begins anew
  };
  socket.onmessage = ({ data }) => {
    waiting.push(JSON.parse(data));
    if (waiting.length > MAX_ENTRIES) waiting.shift();
  };
  socket.onclose = () => {
    became("", "no wiretap, trying again");
    setTimeout(connect, 1000);
  };
}

function draw() {
  if (isPaused() || !waiting.length) return;
  const follows = diagram.scrollHeight - diagram.scrollTop - diagram.clientHeight < 40;
  // Each connection has a thread that explains it: their entries arrive in any order.
  const byTime = waiting.splice(0).sort((a, b) => a.at - b.at);
  for (const entry of byTime) entry.at < 0 ? clear() : add(entry);
  [...lines].slice(0, Math.max(lines.length - MAX_ENTRIES, 0)).forEach(remove);
  arrange();
  if (follows) diagram.scrollTop = diagram.scrollHeight;
}

// All text comes into the page here, and never as markup.
function element(parent, name, className = "", textContent = "") {
  return parent.appendChild(Object.assign(document.createElement(name), { className, textContent }));
}

// An entry stands on the arrow of the entry that carries it. So does what has no head of its own and
// arrived together with it: a body, a message of several frames, a note.
function add(entry) {
  const { connection, at, from, layer, text, details, bytes } = entry;
  const depth = DEPTHS[layer];
  let row = lastRows.get(connection);
  const continues = row?.at === at && !details.length;
  if (!row?.carries || row.from !== from || (depth <= row.depth && !continues)) {
    row = element(rows, "div", `row ${from} ${bytes ? "" : "quiet"}`);
    Object.assign(row, { connection, at, from, depth, carries: bytes !== "", role: "group" });
    row.ariaLabel = `connection ${connection}, from the ${from}`;
    element(row, "time");
    lastRows.set(connection, row);
  }
  const line = element(row, "div", "line");
  Object.assign(line, { entry, role: "option", tabIndex: -1, ariaSelected: "false" });
  line.style.setProperty("--depth", Math.max(depth - row.depth, 0));
  element(line, "b", "", NAMES[layer]);
  element(line, "span", "", text);
}

function remove(line) {
  const row = line.parentNode;
  line.remove();
  if (row.lastChild.className === "line") return;
  row.remove();
  if (lastRows.get(row.connection) === row) lastRows.delete(row.connection);
}

function clear() {
  rows.replaceChildren();
  lastRows.clear();
  waiting = [];
  close();
  arrange();
}

// Shows what the form asks for; connections side by side, if they fit.
function arrange() {
  const connections = [...lastRows.keys()].sort((a, b) => a - b);
  offer(connections);
  const asked = new FormData(form);
  const [layers, sides, part] = [asked.getAll("layer"), asked.getAll("from"), asked.get("text").toLowerCase()];
  const matches = ({ layer, from, text, details }) => layers.includes(layer) && sides.includes(from) &&
    [text, ...details].some((line) => line.toLowerCase().includes(part));
  const chosen = connections.filter((number) => ["", `${number}`].includes(connection.value));
  const isShared = chosen.length * MIN_LANE > diagram.clientWidth;
  drawHeads(isShared ? ["all connections"] : chosen.map((number) => `connection ${number}`));
  for (const row of rows.children) {
    const [time, ...carried] = row.children;
    for (const line of carried) line.hidden = !matches(line.entry);
    row.hidden = !chosen.includes(row.connection) || carried.every((line) => line.hidden);
    row.style.setProperty("--lane", isShared ? 0 : chosen.indexOf(row.connection));
    time.textContent = row.at.toFixed(3) + (isShared ? `\n#${row.connection}` : "");
  }
  empty.hidden = shownLines().length > 0;
  empty.textContent = lines.length ? "Nothing matches the filter." : "Nothing yet. Connect a client to the wiretap.";
}

function offer(connections) {
  if (`${[...connection].slice(1).map((option) => option.value)}` === `${connections}`) return;
  const { value } = connection;
  connection.length = 1;
  for (const number of connections) connection.add(new Option(`connection ${number}`, number));
  connection.value = connections.includes(+value) ? value : "";
}

function drawHeads(lanes) {
  heads.replaceChildren();
  for (const lane of lanes) {
    const head = element(heads, "div", "", lane);
    head.prepend(element(head, "b", "client", "client"));
    element(head, "b", "server", "server");
  }
  diagram.style.setProperty("--lanes", lanes.length || 1);
}

function open(line) {
  close();
  opened = line;
  line.ariaSelected = "true";
  const { connection, at, from, layer, text, details, bytes, length } = line.entry;
  const kept = bytes.split(" ");
  Object.assign(panel, { hidden: false, className: from });
  element(panel, "button", "", "Close").onclick = close;
  element(panel, "h2", "", `${NAMES[layer]} from the ${from}`);
  element(panel, "p", "", `connection ${connection}, after ${at.toFixed(6)} s`);
  element(panel, "pre", "", [text, ...details].join("\n"));
  if (layer === "websocket" && details.length) drawFields(parseInt(kept[0] + kept[1], 16).toString(2));
  if (!bytes) return;
  element(panel, "p", "", `bytes: ${length}${length > kept.length ? `, of which the first ${kept.length}` : ""}`);
  element(panel, "pre", "", dump(kept));
}

function close() {
  if (opened) opened.ariaSelected = "false";
  opened = undefined;
  panel.hidden = true;
  panel.replaceChildren();
}

function drawFields(bits) {
  const fields = element(panel, "div", "fields");
  for (const [name, [start, end]] of Object.entries(FIELDS)) {
    const field = element(fields, "span", "", name);
    field.prepend(element(field, "b", "", bits.padStart(16, "0").slice(start, end)));
  }
}

// Eight bytes a line: offset, hexadecimal, text.
function dump(bytes) {
  let dump = "";
  for (let at = 0; at < bytes.length; at += 8) {
    const part = bytes.slice(at, at + 8);
    const text = String.fromCharCode(...part.map((byte) => parseInt(byte, 16))).replace(/[^ -~]/g, ".");
    dump += `${at.toString(16).padStart(4, "0")}  ${part.join(" ").padEnd(23)}  ${text}\n`;
  }
  return dump;
}

// From the line that has the focus, or is open; the last one, if there is none.
function move(step) {
  const shown = shownLines();
  const at = Math.max(shown.indexOf(document.activeElement), shown.indexOf(opened));
  const line = at < 0 ? shown.at(-1) : shown[at + step];
  if (opened && line) open(line);
  line?.focus();
}

const KEYS = {
  " ": () => pause.click(),
  "/": () => filter.focus(),
  c: clear,
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  Enter: () => document.activeElement.entry && open(document.activeElement),
  Escape: () => {
    (opened ?? rows).focus();
    close();
  },
};

document.onkeydown = (event) => {
  const { key, target } = event;
  const types = target.matches("#filter, select") && key !== "Escape";
  const presses = target.matches("input, button") && [" ", "Enter"].includes(key);
  if (types || presses || event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(KEYS, key)) return;
  event.preventDefault();
  KEYS[key]();
};
rows.onclick = ({ target }) => target.closest(".line") && open(target.closest(".line"));
pause.onclick = () => (pause.ariaPressed = `${!isPaused()}`);
document.getElementById("clear").onclick = clear;
form.oninput = arrange;
form.onsubmit = (event) => event.preventDefault();
new ResizeObserver(() => {
  arrange();
  opened?.scrollIntoView({ block: "nearest" });
}).observe(diagram);
setInterval(draw, 50);
connect();

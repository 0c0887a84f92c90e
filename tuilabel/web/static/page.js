// The terminal of the page: what is typed goes to the program, what the program writes is shown.
"use strict";

const element = document.getElementById("terminal");
const ended = document.getElementById("ended");
const terminal = new Terminal({
  allowProposedApi: true,
  fontFamily: "'DejaVu Sans Mono', Menlo, Consolas, monospace",
  fontSize: Number(localStorage.getItem("font-size")) || 15,
  scrollback: 0,
});
const fit = new FitAddon.FitAddon();
terminal.loadAddon(fit);
terminal.loadAddon(new ImageAddon.ImageAddon({ enableSizeReports: false, storageLimit: 64 }));
terminal.loadAddon(new Unicode11Addon.Unicode11Addon());
terminal.unicode.activeVersion = "11";
terminal.open(element);
fit.fit();
window.terminal = terminal; // for those who look at it, such as the tests

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const name = encodeURIComponent(element.dataset.annotator);
const size = `width=${terminal.cols}&height=${terminal.rows}`;
const socket = new WebSocket(`${scheme}//${location.host}/ws/${name}?${size}`);
socket.binaryType = "arraybuffer";

function send(kind, value) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify([kind, value]));
}

socket.addEventListener("message", (event) => {
  if (typeof event.data !== "string") {
    terminal.write(new Uint8Array(event.data));
    return;
  }
  const [kind, value] = JSON.parse(event.data);
  if (kind === "failed") document.getElementById("why").textContent = value;
});
socket.addEventListener("close", () => ended.showModal());
terminal.onData((keys) => send("stdin", keys));
terminal.onResize(({ cols, rows }) => send("resize", { width: cols, height: rows }));
new ResizeObserver(() => fit.fit()).observe(element);

for (const button of document.querySelectorAll("nav button")) {
  button.addEventListener("mousedown", (event) => event.preventDefault()); // keys stay with the terminal
  button.addEventListener("click", () => {
    if (button.dataset.keys) send("stdin", button.dataset.keys);
    if (button.dataset.font) {
      const points = Math.min(40, Math.max(6, terminal.options.fontSize + Number(button.dataset.font)));
      terminal.options.fontSize = points;
      localStorage.setItem("font-size", points);
      fit.fit();
    }
    terminal.focus();
  });
}
document.getElementById("again").addEventListener("click", () => location.reload());
terminal.focus();

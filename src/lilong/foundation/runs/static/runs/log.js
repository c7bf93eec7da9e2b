// Follows logs live: by server-sent events, and where the hub has no stream left, by asking now and then.
// Keeps a bounded part of the log in the page; the whole is one link away.
"use strict";

const KEPT_CHARACTERS = 200000;
const ASK_EVERY_MS = 5000;

function follow(box) {
  const pane = box.querySelector("pre");
  const state = box.querySelector("[data-log-state]");
  const says = (name) => box.dataset[`says${name}`];
  const tell = (text) => { state.textContent = text; };
  let place = box.dataset.from || "";
  let timer = 0;

  function write(text) {
    if (!text) return;
    const atEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 40;
    pane.append(text);
    if (pane.textContent.length > KEPT_CHARACTERS * 1.5) {
      const whole = pane.textContent;
      const cut = whole.indexOf("\n", whole.length - KEPT_CHARACTERS) + 1 || whole.length - KEPT_CHARACTERS;
      pane.textContent = `${says("Skip")}\n${whole.slice(cut)}`;
    }
    if (atEnd) pane.scrollTop = pane.scrollHeight;
  }

  function changed() {
    document.body.dispatchEvent(new CustomEvent("run-changed"));
  }

  function begin(number) {
    if (number > 1 || pane.textContent) {
      write(`${pane.textContent && !pane.textContent.endsWith("\n") ? "\n" : ""}${says("Attempt").replace("{number}", number)}\n`);
    }
  }

  async function ask() {
    const url = new URL(box.dataset.tail, location.href);
    if (place) url.searchParams.set("from", place);
    try {
      const answer = await fetch(url, { redirect: "manual", cache: "no-store" });
      const nextAttemptIsAwaited = answer.status === 404 && place.endsWith(".0");
      if (answer.type === "opaqueredirect" || answer.status === 403 || (answer.status === 404 && !nextAttemptIsAwaited)) {
        tell(says("Gone"));
        return;
      }
      if (answer.ok && (await take(answer))) return;
    } catch { /* the hub is away: ask again */ }
    timer = setTimeout(ask, ASK_EVERY_MS);
  }

  // Writes what an answer brings, and says whether it was the last.
  async function take(answer) {
    const found = answer.headers.get("Log-Place");
    const number = Number(found.split(".")[0]);
    const text = await answer.text();
    if (place.endsWith(".0") && text) begin(number);
    write(text);
    place = found;
    if (answer.headers.get("Log-Complete") !== "true") return false;
    changed();
    if (answer.headers.get("Run-Over") !== "true") {
      place = `${number + 1}.0`;
      return false;
    }
    tell(says("End"));
    return true;
  }

  function listen() {
    const url = new URL(box.dataset.stream, location.href);
    if (place) url.searchParams.set("from", place);
    const source = new EventSource(url);
    tell(says("Connecting"));
    source.addEventListener("open", () => tell(says("Live")));
    source.addEventListener("log", (event) => {
      place = event.lastEventId;
      write(JSON.parse(event.data).text);
    });
    source.addEventListener("skip", (event) => {
      place = event.lastEventId;
      write(`${says("Skip")}\n`);
    });
    source.addEventListener("attempt", (event) => begin(JSON.parse(event.data).number));
    source.addEventListener("state", changed);
    source.addEventListener("end", () => {
      source.close();
      tell(says("End"));
      changed();
    });
    source.addEventListener("gone", () => {
      source.close();
      tell(says("Gone"));
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) { tell(says("Connecting")); return; }
      tell(says("Polling"));
      timer = setTimeout(ask, ASK_EVERY_MS / 5);
    });
    addEventListener("pagehide", () => { source.close(); clearTimeout(timer); });
  }

  pane.scrollTop = pane.scrollHeight;
  listen();
}

document.querySelectorAll("[data-live-log]").forEach(follow);

// The page of `tformer serve --http`: asks the JSON interface of the same server, and nobody else.

const PAUSE = 350; // milliseconds without typing before a translation is asked for
const ALTERNATIVES = 4;

const byId = (id) => document.getElementById(id);
const text = byId("text"), result = byId("result"), mirror = byId("mirror");
const source = byId("source"), target = byId("target"), glossary = byId("glossary");
const status = byId("status"), warnings = byId("warnings"), box = byId("alternatives");

let parts = []; // of the text: {text, separator, start}, a sentence each
let shown = []; // their translations, as they are on the page
let running = null; // AbortController of the request under way
let timer = 0;
let names = null; // of languages, in the language of the browser
let targets = {}; // target languages by source language

// --- asking the server -------------------------------------------------------------------------

async function ask(path, body, signal, form = null) {
  const headers = form ? {} : { "Content-Type": "application/json" };
  const key = sessionStorage.getItem("key");
  if (key) headers.Authorization = `Bearer ${key}`;
  const sent = form ?? (body === undefined ? undefined : JSON.stringify(body));
  const method = sent === undefined ? "GET" : "POST";
  const reply = await fetch(path, { method, headers, body: sent, signal, credentials: "omit" });
  if (reply.ok) return reply;
  const told = await reply.json().catch(() => ({}));
  const message = told.error?.message ?? told.error ?? `HTTP ${reply.status}`;
  if (reply.status === 401 || (form && reply.status === 403)) byId("key-form").hidden = false;
  throw new Error(message);
}

const asJson = async (path, body, signal) => (await ask(path, body, signal)).json();

function request(contents, options) {
  const message = { contents, targetLanguageCode: target.value, options };
  if (source.value) message.sourceLanguageCode = source.value;
  if (glossary.value) message.glossaryConfig = { glossary: glossary.value };
  return message;
}

// --- languages ---------------------------------------------------------------------------------

function nameOf(code) {
  try {
    return names?.of(code) ?? code;
  } catch {
    return code;
  }
}

function option(value, label) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = label;
  return made;
}

function fillTargets() {
  const before = target.value;
  const codes = source.value
    ? targets[source.value] ?? []
    : [...new Set(Object.values(targets).flat())].sort();
  target.replaceChildren(...codes.map((code) => option(code, nameOf(code))));
  if (codes.includes(before)) target.value = before;
}

async function loadLanguages() {
  try {
    names = new Intl.DisplayNames(navigator.languages, { type: "language" });
  } catch {
    names = null;
  }
  const languages = await asJson("/languages");
  targets = Object.fromEntries(languages.map((each) => [each.code, each.targets]));
  source.append(...languages.map((each) => option(each.code, nameOf(each.code))));
  fillTargets();
  const wanted = navigator.language.split("-")[0];
  if ([...target.options].some((each) => each.value === wanted)) target.value = wanted;
}

async function loadGlossaries() {
  try {
    const { glossaries = [] } = await asJson("/v1/translate/glossaries");
    glossary.replaceChildren(option("", "None"), ...glossaries.map((g) => option(g.name, g.name)));
    byId("glossaries").hidden = !glossaries.length;
  } catch {
    byId("glossaries").hidden = true; // a token is needed first
  }
}

function swap() {
  const from = source.value || status.dataset.detected;
  if (!from || !targets[target.value]) return;
  const to = target.value, said = result.textContent;
  source.value = to;
  fillTargets();
  target.value = from;
  if (said.trim()) text.value = said;
  translateNow();
}

// --- sentences and translations ----------------------------------------------------------------

/** Cut a text into sentences; what is between them is kept. */
function cut(whole) {
  const found = [];
  let start = 0;
  for (const line of whole.split(/(\n)/)) {
    for (const sentence of line === "\n" ? [] : sentences(line)) {
      const body = sentence.trimEnd();
      found.push({ text: body, separator: sentence.slice(body.length), start });
      start += sentence.length;
    }
    if (line === "\n") {
      if (!found.length) found.push({ text: "", separator: "", start });
      found.at(-1).separator += "\n";
      start += 1;
    }
  }
  return found;
}

function sentences(line) {
  if (!line) return [];
  if (!Intl.Segmenter) return [line];
  const cutter = new Intl.Segmenter(source.value || undefined, { granularity: "sentence" });
  return [...cutter.segment(line)].map((each) => each.segment);
}

function schedule() {
  running?.abort(); // what is under way is about an older text
  clearTimeout(timer);
  closeAlternatives();
  byId("count").textContent = text.value ? `${[...text.value].length} characters` : "";
  result.classList.add("stale");
  mark([]);
  timer = setTimeout(translateNow, PAUSE);
}

async function translateNow() {
  clearTimeout(timer);
  running?.abort();
  closeAlternatives();
  byId("download").hidden = true;
  const mine = (running = new AbortController());
  const sent = cut(text.value);
  if (!text.value.trim()) return show([], []);
  tell("Translating …");
  const started = performance.now();
  try {
    const contents = sent.map((each) => each.text);
    const answer = await asJson("/v1/translate", request(contents, { alignments: true }), mine.signal);
    show(sent, answer.translations ?? []);
    summarise(answer.translations ?? [], performance.now() - started);
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message, true);
  } finally {
    if (running === mine) running = null;
  }
}

function tell(message, isError = false) {
  status.textContent = message;
  status.classList.toggle("error", isError);
}

function summarise(translations, milliseconds) {
  const detected = translations.map((each) => each.detectedLanguageCode).find(Boolean);
  status.dataset.detected = detected ?? "";
  const from = detected ? `Detected ${nameOf(detected)} · ` : "";
  const failed = translations.find((each) => each.error);
  if (failed) tell(failed.error.message, true);
  else tell(`${from}${Math.round(milliseconds)} ms`);
  const said = new Set(translations.flatMap((each) => each.warnings ?? []));
  warnings.replaceChildren(
    ...[...said].map((warning) => {
      const item = document.createElement("li");
      item.textContent = warning;
      return item;
    }),
  );
}

function show(sent, translations) {
  parts = sent;
  shown = translations;
  result.lang = target.value;
  result.classList.remove("stale");
  result.replaceChildren(...sent.flatMap((part, index) => [sentence(index), part.separator]));
  byId("copy").disabled = !sent.length;
  if (!sent.length) {
    tell("");
    warnings.replaceChildren();
  }
}

/** A sentence of the translation as an element; each aligned word knows where it comes from. */
function sentence(index) {
  const { translatedText: said = "", hypotheses = [] } = shown[index] ?? {};
  const made = document.createElement("span");
  made.className = "sentence";
  made.dataset.index = index;
  made.role = "button";
  made.tabIndex = said ? 0 : -1;
  if (!said) made.removeAttribute("role");
  const points = [...said]; // alignments count code points
  let at = 0;
  for (const [start, end, links] of words(hypotheses[0]?.alignment ?? [])) {
    if (start < at) continue;
    made.append(points.slice(at, start).join(""));
    const word = document.createElement("span");
    word.textContent = points.slice(start, end).join("");
    word.dataset.links = JSON.stringify(links);
    made.append(word);
    at = end;
  }
  made.append(points.slice(at).join(""));
  return made;
}

/** Target spans in order, each with the source spans that it is linked to. */
function words(alignment) {
  const found = new Map();
  for (const { source: from = {}, target: to = {} } of alignment) {
    const key = `${to.start ?? 0}-${to.end ?? 0}`;
    if (!found.has(key)) found.set(key, [to.start ?? 0, to.end ?? 0, []]);
    found.get(key)[2].push([from.start ?? 0, from.end ?? 0]);
  }
  return [...found.values()].sort((a, b) => a[0] - b[0]);
}

// --- alignment ---------------------------------------------------------------------------------

/** Mark places of the text, given in its UTF-16 units. */
function mark(places) {
  const whole = text.value;
  const nodes = [];
  let at = 0;
  for (const [start, end] of places.sort((a, b) => a[0] - b[0])) {
    if (start < at) continue;
    const marked = document.createElement("mark");
    marked.textContent = whole.slice(start, end);
    nodes.push(whole.slice(at, start), marked);
    at = end;
  }
  mirror.replaceChildren(...nodes, `${whole.slice(at)}\n`);
  mirror.scrollTop = text.scrollTop;
}

const units = (string, points) => [...string].slice(0, points).join("").length;

function markSource(word) {
  const part = parts[word.closest(".sentence").dataset.index];
  const links = JSON.parse(word.dataset.links);
  mark(
    links.map(([start, end]) => [
      part.start + units(part.text, start),
      part.start + units(part.text, end),
    ]),
  );
  word.classList.add("pointed");
}

/** Mark the words that the word at the caret has become. */
function markTarget() {
  const caret = text.selectionStart;
  for (const old of result.querySelectorAll("mark")) old.replaceWith(...old.childNodes);
  for (const word of result.querySelectorAll("[data-links]")) {
    const part = parts[word.closest(".sentence").dataset.index];
    const hit = JSON.parse(word.dataset.links).some(([start, end]) => {
      const from = part.start + units(part.text, start), to = part.start + units(part.text, end);
      return from <= caret && caret < to;
    });
    if (hit && !result.classList.contains("stale")) {
      const marked = document.createElement("mark");
      marked.append(...word.childNodes);
      word.append(marked);
    }
  }
}

// --- alternatives ------------------------------------------------------------------------------

async function openAlternatives(element) {
  closeAlternatives();
  const index = Number(element.dataset.index);
  element.classList.add("open");
  try {
    const options = { nBest: ALTERNATIVES, beamSize: ALTERNATIVES };
    const answer = await asJson("/v1/translate", request([parts[index].text], options));
    const [translation] = answer.translations;
    if (translation.error) throw new Error(translation.error.message);
    const texts = [...new Set(translation.hypotheses.map((each) => each.text))];
    if (!element.isConnected) return;
    box.firstElementChild.replaceChildren(...texts.map((each) => choice(each, index)));
    const place = element.getBoundingClientRect();
    box.style.top = `${place.bottom + scrollY + 4}px`;
    box.style.left = `${Math.max(8, Math.min(place.left, innerWidth - 340)) + scrollX}px`;
    box.hidden = false;
    box.querySelector("button").focus();
  } catch (error) {
    element.classList.remove("open");
    tell(error.message, true);
  }
}

function choice(said, index) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.lang = target.value;
  button.textContent = said;
  button.addEventListener("click", () => {
    shown[index] = { translatedText: said };
    const old = result.querySelector(`[data-index="${index}"]`);
    const made = sentence(index);
    closeAlternatives();
    old.replaceWith(made);
    made.focus();
  });
  item.append(button);
  return item;
}

function closeAlternatives() {
  const open = result.querySelector(".open");
  open?.classList.remove("open");
  if (!box.hidden && box.contains(document.activeElement)) open?.focus();
  box.hidden = true;
}

function moveInAlternatives(event) {
  const buttons = [...box.querySelectorAll("button")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const at = buttons.indexOf(document.activeElement);
  buttons[(at + step + buttons.length) % buttons.length].focus();
}

// --- files -------------------------------------------------------------------------------------

async function translateFile(file) {
  if (!file) return;
  const form = new FormData();
  form.append("file", file);
  form.append("source", source.value || "auto");
  form.append("target", target.value);
  const key = sessionStorage.getItem("key");
  if (key) form.append("api_key", key);
  tell(`Translating ${file.name} …`);
  try {
    const { translatedFileUrl } = await (await ask("/translate_file", undefined, undefined, form)).json();
    const link = byId("download");
    link.href = new URL(translatedFileUrl).pathname;
    link.textContent = `Download the translation of ${file.name}`;
    link.download = "";
    link.hidden = false;
    link.focus();
    tell(`${file.name} is translated`);
  } catch (error) {
    tell(error.message, true);
  }
}

async function loadSettings() {
  const settings = await asJson("/frontend/settings");
  byId("key-form").hidden = !settings.keyRequired || Boolean(sessionStorage.getItem("key"));
  if (!settings.filesTranslation) return;
  byId("choose").hidden = false;
  byId("file").accept = settings.supportedFilesFormat.join(",");
  const drop = byId("drop");
  let depth = 0;
  addEventListener("dragenter", (event) => {
    if (event.dataTransfer?.types.includes("Files")) drop.hidden = !++depth;
  });
  addEventListener("dragleave", () => (drop.hidden = !(depth = Math.max(0, depth - 1))));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.hidden = !!(depth = 0) || true;
    translateFile(event.dataTransfer.files[0]);
  });
}

// --- colours -----------------------------------------------------------------------------------

const THEMES = ["", "light", "dark"];
const THEME_NAMES = { "": "as the system", light: "light", dark: "dark" };

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  byId("theme").ariaLabel = `Colours: ${THEME_NAMES[theme]}`;
  localStorage.setItem("theme", theme);
}

function nextTheme() {
  const now = document.documentElement.dataset.theme ?? "";
  setTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
}

// --- what happens when -------------------------------------------------------------------------

text.addEventListener("input", schedule);
text.addEventListener("scroll", () => (mirror.scrollTop = text.scrollTop));
document.addEventListener("selectionchange", () => document.activeElement === text && markTarget());
source.addEventListener("change", () => (fillTargets(), translateNow()));
target.addEventListener("change", translateNow);
glossary.addEventListener("change", translateNow);
byId("swap").addEventListener("click", swap);
byId("theme").addEventListener("click", nextTheme);
byId("clear").addEventListener("click", () => ((text.value = ""), schedule(), text.focus()));
byId("choose").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", (event) => translateFile(event.target.files[0]));
byId("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(result.textContent);
  tell("Copied");
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", byId("key").value);
  byId("key-form").hidden = true;
  loadGlossaries();
  translateNow();
});
result.addEventListener("click", (event) => {
  const found = event.target.closest(".sentence");
  if (found) openAlternatives(found);
});
result.addEventListener("mouseover", (event) => {
  const word = event.target.closest("[data-links]");
  if (word && !result.classList.contains("stale")) markSource(word);
});
result.addEventListener("mouseout", () => mark([]));
box.addEventListener("keydown", moveInAlternatives);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeAlternatives();
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) translateNow();
  else if (event.altKey && event.key.toLowerCase() === "s") {
    event.preventDefault();
    swap();
  } else if ((event.key === "Enter" || event.key === " ") && event.target.matches?.(".sentence")) {
    event.preventDefault();
    openAlternatives(event.target);
  }
});
document.addEventListener("click", (event) => {
  if (!box.contains(event.target) && !event.target.closest(".sentence")) closeAlternatives();
});

setTheme(localStorage.getItem("theme") ?? "");
try {
  await Promise.all([loadLanguages(), loadSettings()]);
  await loadGlossaries();
  if (text.value) translateNow();
} catch (error) {
  tell(error.message, true);
}
document.documentElement.dataset.ready = "yes";

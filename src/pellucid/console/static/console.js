// The console by keyboard, and pictures unveiled in place. Every page works without it: it follows the page's own links and forms.

const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const say = (text) => { find("#live").textContent = text; };
const SINGLE = "pellucid-single-keys";

// Pictures

function unveil(frame, image, bare) {
  image.src = bare ? image.dataset.bare : image.dataset.veiled;
  image.alt = image.alt.replace(/^(Blurred picture|Picture)/, bare ? "Picture" : "Blurred picture");
  frame.classList.toggle("veiled", !bare);
  say(bare ? "The picture is shown" : "The picture is veiled");
}

function toggleThumbnail(row) {
  const frame = find(".thumb", row);
  if (!frame || !find("img", frame)) return;
  const bare = frame.classList.contains("veiled");
  unveil(frame, find("img", frame), bare);
  const link = find("[data-reveal]", row);
  if (link) link.firstChild.textContent = bare ? "Veil" : "Show";
}

function toggleBare() {
  const frame = find("[data-frame]");
  if (!frame) return;
  if (frame.classList.contains("heated")) return toggleHeat();
  const bare = frame.classList.contains("veiled");
  unveil(frame, find(".bare", frame), bare);
  find("[data-bare-switch]").firstChild.textContent = bare ? "Veil " : "Show ";
}

async function toggleHeat() {
  const frame = find("[data-frame]");
  if (!frame) return;
  const heat = find(".heat", frame);
  if (frame.classList.contains("heated")) {
    heat.hidden = true;
    frame.classList.remove("heated");
    return say("The heat map is off");
  }
  if (!heat.getAttribute("src")) {
    say("The heat map is being drawn; that takes seconds");
    frame.setAttribute("aria-busy", "true");
    heat.src = heat.dataset.heat;
    try {
      await heat.decode();
    } catch {
      heat.removeAttribute("src");
      return say("There is no heat map yet; press h again, or there is none for this picture");
    } finally {
      frame.removeAttribute("aria-busy");
    }
  }
  if (frame.classList.contains("veiled")) toggleBare();
  heat.hidden = false;
  frame.classList.add("heated");
  say("Heat map: where hiding a part lowered the score most. An aid, not proof");
}

// Lists

function step(by) {
  const rows = all("[data-list] [data-row]");
  const at = rows.indexOf(document.activeElement);
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
  next?.focus();
  next?.closest("li").scrollIntoView({ block: "nearest" });
}

const rowInFocus = () => document.activeElement.closest("[data-list] > li");

// The ruling

function choose(place) {
  const pick = all('#rule [name="verdict"]')[place];
  if (!pick) return false;
  pick.checked = true;
  pick.focus({ preventScroll: true });
  fits();
  return true;
}

// A reason that was quoted for another verdict goes when the verdict changes; what was typed stays.
function fits() {
  const verdict = find('#rule [name="verdict"]:checked')?.value;
  const quotes = all('#rule [name="quoted"]');
  for (const [field, name] of [[find("#f-reason"), "text"], [find("#f-reply"), "reply"]]) {
    const of = quotes.filter((each) => each.dataset[name] && each.dataset[name] === field.value.trim());
    if (of.length && !of.some((each) => each.closest(`.for-${verdict}`))) field.value = "";
  }
  for (const each of quotes) if (each.checked && !each.closest(`.for-${verdict}`)) each.checked = false;
  keep();
}

function quote(key) {
  const verdict = find('#rule [name="verdict"]:checked');
  const pick = verdict && find(`.for-${verdict.value} [data-key="${key}"]`);
  if (!pick) return false;
  pick.checked = true;
  fill(pick);
  say("Quoted");
  return true;
}

// What was typed stays; what was quoted before gives way.
function fill(pick) {
  const quotes = all('#rule [name="quoted"]');
  for (const [field, name] of [[find("#f-reason"), "text"], [find("#f-reply[data-fill]"), "reply"]]) {
    const typed = field?.value.trim();
    if (field && (!typed || quotes.some((each) => each.dataset[name] === typed))) field.value = pick.dataset[name];
  }
  keep();
}

// What is typed outlives a reload, and a session that ends.
const FIELDS = ["reason", "reply", "decision"];
const draftOf = (name) => `pellucid-draft-${name}`;

function keep() {
  const form = find("#rule");
  const draft = Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value]));
  draft.verdict = form.elements.verdict.value;
  sessionStorage.setItem(draftOf(form.dataset.case), JSON.stringify(draft));
}

function restore(form) {
  const kept = JSON.parse(sessionStorage.getItem(draftOf(form.dataset.case)) || "null");
  if (!kept || form.elements.reason.value || form.elements.verdict.value) return;
  for (const name of FIELDS) form.elements[name].value = kept[name];
  form.elements.verdict.value = kept.verdict;
}

// Keys

const isText = (element) => element.matches('textarea, select, input:not([type="radio"], [type="checkbox"])');
const follow = (selector) => { find(selector)?.click(); return Boolean(find(selector)); };

const KEYS = {
  j: () => (find("[data-list]") ? step(1) : follow("[data-next]")),
  k: () => step(-1),
  ArrowDown: () => find("[data-list]") && (step(1), true),
  ArrowUp: () => find("[data-list]") && (step(-1), true),
  o: () => rowInFocus() && find("[data-row]", rowInFocus()).click(),
  b: () => (rowInFocus() ? toggleThumbnail(rowInFocus()) : toggleBare()),
  h: toggleHeat,
  r: () => { const field = find("#f-reason"); field?.focus(); return Boolean(field); },
  q: () => follow("[data-queue]") || location.assign("/console/queue"),
  "/": () => { const field = find("#q"); if (field) field.focus(); else location.assign("/console/search"); },
  "?": () => find("#keys").showModal(),
};

function onKey(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && find("#rule")) {
    event.preventDefault();
    return find("#rule").requestSubmit();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || find("dialog[open]")) return;
  if (isText(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (localStorage.getItem(SINGLE) === "off" && event.key.length === 1 && event.key !== "?") return;
  const arrow = event.key.startsWith("Arrow");
  if (arrow && event.target.matches("input")) return;
  const action = KEYS[event.key];
  if (action) {
    if (action(event) !== false) event.preventDefault();
  } else if (find("#rule") && /^[1-4a-z]$/.test(event.key)) {
    if (/[1-4]/.test(event.key) ? choose(Number(event.key) - 1) : quote(event.key)) event.preventDefault();
  }
}

function onClick(event) {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const action = {
    reveal: () => toggleThumbnail(link.closest("li")), bareSwitch: toggleBare, heatSwitch: toggleHeat, help: KEYS["?"],
  }[Object.keys(link.dataset)[0]];
  if (action) {
    event.preventDefault();
    action();
  }
}

document.addEventListener("keydown", onKey);
document.addEventListener("click", onClick);

const form = find("#rule");
if (form) {
  restore(form);
  form.addEventListener("input", (event) => {
    const then = { quoted: fill, verdict: fits }[event.target.name] ?? keep;
    then(event.target);
  });
}
// One ruling a page, however often the keys are pressed; what is in drafts is nobody's after signing out.
document.addEventListener("submit", (event) => {
  if (event.target === form) {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  } else if (event.target.matches(".who")) {
    sessionStorage.clear();
  }
});
addEventListener("pageshow", () => { if (form) delete form.dataset.sent; });
const made = find("[data-made]");
if (made) sessionStorage.removeItem(draftOf(made.dataset.made));
find("#wrong")?.focus();
if (find("[data-list]") && document.activeElement === document.body && !location.hash) find("[data-row]").focus({ preventScroll: true });
const single = find("#single-keys");
if (single) {
  single.checked = localStorage.getItem(SINGLE) !== "off";
  single.addEventListener("change", () => localStorage.setItem(SINGLE, single.checked ? "on" : "off"));
}

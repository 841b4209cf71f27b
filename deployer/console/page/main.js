// Puts the page together: one stream of events, one store, and the parts that draw what it holds.

import { h, put } from "./dom.js";
import { follow } from "./events.js";
import { Files } from "./files.js";
import { Graph } from "./graph.js";
import { Header } from "./header.js";
import { Panel } from "./panel.js";
import { Store } from "./store.js";
import { Upload } from "./upload.js";

const find = (selector) => document.querySelector(selector);

const store = new Store();
const header = new Header(store);
const graph = new Graph(find("#graph"));
const files = new Files(store, find("#files"));
const upload = new Upload(store, find("#upload"));
const panel = new Panel(store, find("#panel"));

put(find("#legend"), ["busy", "warning", "error"].map((state) => h("span", { class: "key" }, h("i", { class: "swatch round", "data-state": state }), state)));

// Sections that changed since the last frame: a tab draws once a frame, whatever arrives.
let waiting = new Set();
function draw() {
    const sections = waiting;
    waiting = new Set();
    header.render(sections);
    if (sections.has("graph")) graph.render(store.state.graph);
    if (sections.has("files")) files.render();
    if (["stack", "connection", "graph"].some((name) => sections.has(name))) upload.render();
}

store.listen((sections) => {
    if (waiting.size === 0) requestAnimationFrame(draw);
    for (const name of sections) waiting.add(name);
});

// The address after `#` is the place of the panel, which stays.
find(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    find("#pipeline").focus();
});

panel.onRoute = ([kind, name]) => graph.select(kind === "resource" ? name : null);
panel.show(false);
follow(store, (state) => header.link(state));

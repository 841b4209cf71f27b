// The plan of the next deployment, and drift: only read here; a deployment is a command.

import { read } from "./api.js";
import { foreign, h } from "./dom.js";
import { Loader, cell, command, head, note, section } from "./parts.js";

/** Between two questions whether the detection of drift is over: CloudFormation has no other way. */
const PAUSE = 3_000;

const KINDS = {
    plan: { title: "Plan of the next deployment", load: plan },
    drift: { title: "Drift", load: drift },
};

export class PlanPlace {
    #loader;

    constructor(kind) {
        const detail = h("div");
        const again = h("button", { type: "button", class: "small" }, "Read again");
        this.element = h("div", { class: "place" }, head("stack", KINDS[kind].title, again), detail);
        this.#loader = new Loader(detail);
        const load = () => this.#loader.load(KINDS[kind].load);
        again.addEventListener("click", load);
        load();
    }

    close() {
        this.#loader.close();
    }
}

async function plan(signal) {
    const { document: { lines, problems } } = await read("/api/plan", {}, signal);
    return [
        problems?.length > 0 && section("Problems", problems.map(note)),
        lines.length === 0
            ? h("p", {}, "Nothing would change.")
            : h("ol", { class: "plan" }, lines.map((line) => h("li", { "data-sign": line.sign, "data-severity": line.severity }, h("span", { class: "sign" }, line.sign), foreign(line.text, { class: "wrap" })))),
        command("deployer deploy", "The console deploys nothing. To deploy:"),
    ];
}

function pause(signal) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, PAUSE);
        signal.addEventListener("abort", () => {
            clearTimeout(timer);
            reject(new DOMException("aborted", "AbortError"));
        });
    });
}

async function drift(signal) {
    let answer = await read("/api/drift", {}, signal);
    while (answer.status === 202) {
        await pause(signal);
        answer = await read("/api/drift", {}, signal);
    }
    const { resources, unchecked } = answer.document;
    const skipped = unchecked?.length > 0 && section("Not compared", h("p", { class: "muted" }, "The detection of drift does not support these resources:"), h("p", {}, unchecked.join(", ")));
    if (resources.length === 0) return [h("p", {}, "Every resource that can be compared is as it was deployed."), skipped];
    const changed = resources.map((one) => section(one.logicalId, h("p", { class: "muted" }, one.status),
        one.differences?.length > 0 && h("div", { class: "table", tabindex: "0", role: "region", "aria-label": `Differences of ${one.logicalId}` }, h("table", {},
            h("thead", {}, h("tr", {}, ["Property", "Deployed", "Found"].map((name) => h("th", { scope: "col" }, name)))),
            h("tbody", {}, one.differences.map((difference) => h("tr", {}, h("th", { scope: "row" }, cell(difference.property)), h("td", {}, cell(difference.expected)), h("td", {}, cell(difference.actual)))))))));
    return [changed, skipped];
}

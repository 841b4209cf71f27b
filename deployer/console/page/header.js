// The bar at the top, and the banners under it: what is connected, what it costs, what is wrong.

import { toast } from "./ask.js";
import { area } from "./chart.js";
import { attribute, foreign, h, put, text } from "./dom.js";
import { count, dollars, rate, time } from "./format.js";

const WORDS = { connecting: "connecting", connected: "connected", lost: "connection lost", notDeployed: "not deployed" };

/** The bar and the banners. */
export class Header {
    #store;
    #link = "lost";
    #shown = null;
    #banners = "";

    constructor(store) {
        this.#store = store;
    }

    /** Takes the state of the stream itself: without it, what the page shows is old. */
    link(state) {
        this.#link = state;
        this.render(new Set(["connection"]));
    }

    render(sections) {
        const state = this.#store.state;
        if (sections.has("stack") && state) this.#stack(state.stack);
        if (sections.has("rates") && state) this.#rate(state.rates);
        if ((sections.has("budget") || sections.has("stack")) && state) this.#budget(state);
        if (sections.has("activity") && state) this.#activity(state.activity);
        if (sections.has("connection") || sections.has("problems")) {
            this.#connection(state);
            this.#warn(state);
        }
    }

    #stack(stack) {
        text(find("stack-name"), stack.name);
        find("stack-name").title = stack.name;
        document.title = `${stack.name} · deployer console`;
        const where = stack.target === "aws" ? [stack.account, stack.region].filter(Boolean).join(" · ") || "AWS" : "local cloud";
        put(find("stack-badges"),
            h("span", { class: "badge", "data-target": stack.target }, where),
            stack.readOnly && h("span", { class: "badge", title: "Started with --read-only: nothing can be changed from here" }, "read-only"),
            stack.showsSensitive && h("span", { class: "badge", "data-severity": "warning", title: "Started with --show-sensitive" }, "shows sensitive values"));
    }

    #rate(rates) {
        put(find("rate"), h("b", {}, rate(rates.rowsPerSecond) || "–"), h("span", { class: "unit" }, "rows"), area(rates.history, 88, 24));
    }

    #budget({ budget, stack }) {
        const cost = stack.target === "aws" && budget.costPerHourUsd !== null && budget.costPerHourUsd !== undefined ? ` · ${dollars(budget.costPerHourUsd)}/h` : "";
        const meter = h("i", { class: "meter-fill" });
        meter.style.setProperty("width", `${Math.min(100, (budget.usedLastMinute / Math.max(1, budget.callsPerMinute)) * 100)}%`);
        put(find("budget"), h("b", {}, `${count(budget.usedLastMinute)} / ${count(budget.callsPerMinute)}`), h("span", { class: "unit" }, `calls/min${cost}`), h("i", { class: "meter", "aria-hidden": "true" }, meter));
        find("budget").title = "Calls of the last minute, and the most that the console makes in one, for all tabs together";
    }

    #connection(state) {
        const seen = this.#link === "open" ? (state?.connection.state ?? "connecting") : state === null && this.#link === "lost" ? "connecting" : "lost";
        const pill = find("connection");
        attribute(pill, "data-state", seen);
        text(pill.querySelector(".text"), WORDS[seen] ?? seen);
        document.body.classList.toggle("stale", seen === "lost");
        if (this.#shown === "lost" && seen === "connected") toast("The connection is back");
        this.#shown = seen;
    }

    #warn(state) {
        const banners = [];
        if (this.#link === "denied") {
            banners.push(["error", "This link is not valid any more", "The console was started anew. Open the link that it printed."]);
        } else if (this.#link === "lost" && state !== null) {
            banners.push(["error", "The console does not answer", "See whether the command `deployer console` still runs. The page shows the last state, and connects by itself."]);
        } else if (state !== null && (state.connection.state === "lost" || state.connection.state === "notDeployed")) {
            const { problem, since, state: kind } = state.connection;
            const what = kind === "lost" ? `No connection since ${time(since)}` : "The stack is not deployed";
            banners.push([kind === "lost" ? "error" : "warning", problem ? `${what}: ${problem.text}` : what, problem?.hint]);
        } else if (state?.connection.problem) {
            banners.push(["warning", state.connection.problem.text, state.connection.problem.hint]);
        }
        const problems = (state?.problems ?? []).map((problem) => ({ ...problem }));
        const shown = JSON.stringify([banners, problems]);
        if (shown === this.#banners) return;
        this.#banners = shown;
        put(find("banners"),
            banners.map(([severity, what, hint]) => h("div", { class: "banner", "data-severity": severity, role: "alert" }, h("p", {}, what), hint && h("p", { class: "hint" }, hint))),
            problems.length > 0 && h("section", { class: "banner problems", "aria-label": "Problems of the stack file", "data-severity": problems.some((one) => one.severity === "error") ? "error" : "warning" },
                problems.map((one) => h("div", { class: "problem", "data-severity": one.severity },
                    h("p", {}, h("b", { class: "code" }, one.code ?? one.severity), " ", foreign(one.text, { class: "wrap" }), one.file && h("code", { class: "where" }, `${one.file}:${one.line}:${one.column}`)),
                    one.help && h("p", { class: "hint" }, one.help)))));
    }

    #activity(activity) {
        const element = find("activity");
        element.hidden = activity === null || activity === undefined;
        if (activity) put(element, h("span", { class: "spinner", "aria-hidden": "true" }), h("span", {}, foreign(activity.text, { class: "wrap" })), h("time", { datetime: activity.since, class: "muted" }, `since ${time(activity.since)}`));
    }
}

function find(id) {
    return document.getElementById(id);
}

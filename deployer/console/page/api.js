// Requests to the console: reads on demand, and the actions, which the server takes only with its header and a confirmation.

/** An answer that is not what was asked for: what is wrong, and what to do. */
export class ApiError extends Error {
    constructor(status, text, hint) {
        super(text);
        this.status = status;
        this.hint = hint ?? null;
    }
}

function address(path, query) {
    const url = new URL(path, location.origin);
    for (const [name, value] of Object.entries(query ?? {})) {
        if (value !== null && value !== undefined) url.searchParams.set(name, value);
    }
    return url;
}

function problem(status, body) {
    let error = null;
    try {
        error = JSON.parse(body).error;
    } catch {
        // Not a document of the console: its status has to do.
    }
    return new ApiError(status, error?.text ?? `the console answered with status ${status}`, error?.hint);
}

async function ask(url, options) {
    let answer;
    try {
        answer = await fetch(url, { ...options, cache: "no-store", redirect: "error" });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new ApiError(0, "the console cannot be reached", "See whether the command `deployer console` still runs.");
    }
    const body = await answer.text();
    if (!answer.ok) throw problem(answer.status, body);
    try {
        return { status: answer.status, document: body === "" ? null : JSON.parse(body) };
    } catch {
        throw new ApiError(answer.status, "the answer of the console is not JSON");
    }
}

/** Reads a document; `status` matters where 202 means that it is not ready. */
export function read(path, query, signal) {
    return ask(address(path, query), { signal });
}

/** Does something that was confirmed. */
export async function act(path, body) {
    const headers = { "X-Console": "1", "Content-Type": "application/json" };
    const answer = await ask(address(path, { confirm: 1 }), { method: "POST", headers, body: JSON.stringify(body) });
    return answer.document;
}

/** Returns the address of a download. */
export function download(id, which) {
    return address("/api/download", { id, which }).href;
}

/** Sends a file that was confirmed. Only `XMLHttpRequest` tells how many bytes have been sent. */
export function send(file, query, onProgress) {
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open("POST", address("/api/upload", { ...query, confirm: 1 }));
        request.setRequestHeader("X-Console", "1");
        request.setRequestHeader("Content-Type", "application/octet-stream");
        request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
        request.addEventListener("error", () => reject(new ApiError(0, "the upload was interrupted", "Drop the file again.")));
        request.addEventListener("load", () => {
            if (request.status < 200 || request.status > 299) return reject(problem(request.status, request.responseText));
            try {
                resolve(JSON.parse(request.responseText));
            } catch {
                reject(new ApiError(request.status, "the answer of the console is not JSON"));
            }
        });
        request.send(file);
    });
}

// What the panel shows is written in the address after `#`, so that the browser's own Back works and a link can be kept.
// `#/file/ID/row/17` is `["file", "ID", "row", "17"]`.

/** Returns the link to a place in the panel. */
export function href(...path) {
    return `#/${path.map(encodeURIComponent).join("/")}`;
}

/** Reads the address. Without a path, the panel shows the overview. */
export function route(hash = location.hash) {
    if (!hash.startsWith("#/")) return [];
    try {
        return hash.slice(2).split("/").filter((part) => part !== "").map(decodeURIComponent);
    } catch {
        // A `%` that encodes nothing.
        return [];
    }
}

/** Goes to a place in the panel. */
export function go(...path) {
    location.hash = path.length === 0 ? "#/" : href(...path);
}

/* Paths of the site, which may be below a prefix (URL_PREFIX). */

const PREFIX = new URL("../..", import.meta.url).pathname.slice(0, -1);

export const sitePath = (path) => PREFIX + path;

// The page's words in its language; they come with the page.
const kept = document.getElementById("strings").dataset;

/** The words for `key`, with {names} filled in; undefined if there are none. */
export function words(key, values = {}) {
  const text = kept[key];
  return text && Object.entries(values).reduce((done, [name, value]) => done.replace(`{${name}}`, value), text);
}

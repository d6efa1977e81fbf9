/** The display token: comes once in the address, behind `#`, so that it is in no log; kept for this tab. */
const STORED_AS = "ioc-display-token";

/** Takes the token out of the address, or the one that was kept. */
export function displayToken(): string | null {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(STORED_AS, given);
    history.replaceState(history.state, "", location.pathname + location.search);
  }
  return given ?? sessionStorage.getItem(STORED_AS);
}

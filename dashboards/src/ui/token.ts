/** Returns a colour of `tokens.css`, named without its dashes, for what is drawn without style sheets. */
export const token = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

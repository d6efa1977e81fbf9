/** Remembers who has the keyboard; what it returns gives it back, if that is still there. */
export function borrowFocus(): () => void {
  const before = document.activeElement;
  return () => {
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  };
}

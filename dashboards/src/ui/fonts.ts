/** Be Vietnam Pro in the two weights of the screens; served from this host. */
import "@fontsource/be-vietnam-pro/vietnamese-400.css";
import "@fontsource/be-vietnam-pro/vietnamese-600.css";
import "@fontsource/be-vietnam-pro/latin-400.css";
import "@fontsource/be-vietnam-pro/latin-600.css";
import "@fontsource/be-vietnam-pro/latin-ext-400.css";
import "@fontsource/be-vietnam-pro/latin-ext-600.css";

export const FONT = "Be Vietnam Pro";

/** Waits for both weights: a map or a chart that starts earlier draws with a fallback for good. */
export async function fontsReady(): Promise<void> {
  await Promise.allSettled(
    [400, 600].map((weight) => document.fonts.load(`${weight} 20px "${FONT}"`, "Huế Ọ 1")),
  );
}

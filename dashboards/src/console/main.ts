import { mount } from "svelte";
import type { Feature } from "../app/feature.ts";
import { fontsReady } from "../ui/fonts.ts";
import "../ui/tokens.css";
import "uplot/dist/uPlot.min.css";
import "./console.css";
import Console from "./Console.svelte";

/** Everything in `features` that registers itself; all in one file, so that a new server takes no page from an open console. */
const features = Object.values(
  import.meta.glob<Feature>("../features/*/index.ts", { eager: true, import: "default" }),
);

const target = document.getElementById("app");
if (!target) throw new Error("index.html has no #app");
void fontsReady().then(() => mount(Console, { target, props: { features } }));

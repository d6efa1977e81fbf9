import { mount } from "svelte";
import { fontsReady } from "../ui/fonts.ts";
import "../ui/tokens.css";
import "uplot/dist/uPlot.min.css";
import "./console.css";
import Console from "./Console.svelte";

const target = document.getElementById("app");
if (!target) throw new Error("index.html has no #app");
void fontsReady().then(() => mount(Console, { target }));

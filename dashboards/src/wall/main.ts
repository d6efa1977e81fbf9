import { mount } from "svelte";
import { fontsReady } from "../ui/fonts.ts";
import "../ui/tokens.css";
import "uplot/dist/uPlot.min.css";
import Wall from "./Wall.svelte";

const target = document.getElementById("app");
if (!target) throw new Error("wall.html has no #app");
void fontsReady().then(() => mount(Wall, { target }));

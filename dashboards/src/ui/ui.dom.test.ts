import { render, screen, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { createRawSnippet } from "svelte";
import { describe, expect, it, vi } from "vitest";
import { ApiError } from "../api/client.ts";
import { show } from "../testing/show.ts";
import Badge from "./Badge.svelte";
import Button from "./Button.svelte";
import Dialog from "./Dialog.svelte";
import EmptyState from "./EmptyState.svelte";
import ErrorState from "./ErrorState.svelte";
import Field from "./Field.svelte";
import LoadingState from "./LoadingState.svelte";
import Table from "./Table.svelte";

const html = (text: string) => createRawSnippet(() => ({ render: () => `<span>${text}</span>` }));
const user = userEvent.setup();

describe("Button", () => {
  it("is pressed by mouse and keyboard, unless it is disabled", async () => {
    const onclick = vi.fn();
    const { rerender } = render(Button, { children: html("Save"), key: "S", onclick });
    const button = screen.getByRole("button", { name: "Save S" });
    await user.click(button);
    button.focus();
    await user.keyboard("{Enter}");
    expect(onclick).toHaveBeenCalledTimes(2);
    await rerender({ disabled: true });
    await user.click(button);
    expect(onclick).toHaveBeenCalledTimes(2);
  });

  it("submits no form unless it is told to", () => {
    render(Button, { children: html("Save") });
    expect(screen.getByRole("button").getAttribute("type")).toBe("button");
  });

  it("is a link when it leads somewhere", () => {
    render(Button, { children: html("Back"), href: "#/devices" });
    expect(screen.getByRole("link", { name: "Back" }).getAttribute("href")).toBe("#/devices");
  });
});

describe("Field", () => {
  it("has its label and tells what is typed", async () => {
    const onvalue = vi.fn();
    render(Field, { label: "Name", onvalue });
    await user.type(screen.getByLabelText("Name"), "ab");
    expect(onvalue.mock.calls.flat()).toEqual(["a", "ab"]);
  });

  it("has a label for those who do not see when there is no room for one", () => {
    render(Field, { label: "Search", bare: true, type: "search", value: "x" });
    expect(screen.queryByText("Search")).toBeNull();
    expect(screen.getByRole<HTMLInputElement>("searchbox", { name: "Search" }).value).toBe("x");
  });

  it("says what is wrong, and that it is about this field", async () => {
    const { rerender } = render(Field, { label: "Name", error: "too short" });
    const field = screen.getByLabelText("Name");
    const error = screen.getByRole("alert");
    expect(error.textContent).toBe("too short");
    expect(field.getAttribute("aria-describedby")).toBe(error.id);
    expect(field.getAttribute("aria-invalid")).toBe("true");
    await rerender({ error: null });
    expect(screen.queryByRole("alert")).toBeNull();
    expect(field.getAttribute("aria-invalid")).toBe("false");
  });

  it("is a choice when there are options, a text when there are rows", async () => {
    const onvalue = vi.fn();
    const options = [
      { value: "", text: "Any" },
      { value: "1", text: "One" },
    ];
    render(Field, { label: "Ward", bare: true, options, value: "", onvalue });
    const choice = screen.getByRole<HTMLSelectElement>("combobox", { name: "Ward" });
    expect(choice.value).toBe("");
    await user.selectOptions(choice, "One");
    expect(onvalue).toHaveBeenCalledExactlyOnceWith("1");
    render(Field, { label: "Note", rows: 2, id: "note" });
    expect(screen.getByLabelText("Note").tagName).toBe("TEXTAREA");
    expect(screen.getByLabelText("Note").id).toBe("note");
  });
});

describe("Dialog", () => {
  const open = (onclose = vi.fn()) => ({
    onclose,
    ...render(Dialog, { title: "Sure?", children: html("text"), onclose }),
  });

  it("is modal and has its title as its name", () => {
    const showModal = vi.spyOn(HTMLDialogElement.prototype, "showModal");
    open();
    expect(showModal).toHaveBeenCalledOnce();
    expect(screen.getByRole("dialog", { name: "Sure?" }).hasAttribute("open")).toBe(true);
    showModal.mockRestore();
  });

  it("tells its owner when the browser closes it, not when its owner takes it away", () => {
    const closed = open();
    screen.getByRole<HTMLDialogElement>("dialog").close();
    expect(closed.onclose).toHaveBeenCalledOnce();
    closed.unmount();
    const taken = open();
    taken.unmount();
    expect(taken.onclose).not.toHaveBeenCalled();
  });

  it("gives the keyboard back", () => {
    render(Button, { children: html("Open") });
    const button = screen.getByRole("button");
    button.focus();
    const { unmount } = open();
    screen.getByRole("dialog").focus();
    unmount();
    expect(document.activeElement).toBe(button);
  });
});

describe("Table", () => {
  const items = Array.from({ length: 500 }, (_, n) => ({ id: `row-${n}` }));
  const keyOf = (item: unknown): string => (item as { id: string }).id;
  const row = createRawSnippet((item: () => unknown) => ({
    render: () => `<td>${keyOf(item())}</td>`,
  }));
  const head = createRawSnippet(() => ({ render: () => "<th>Id</th>" }));

  it("holds the rows in sight only, and tells how many there are", () => {
    render(Table, { items, keyOf, label: "Devices", head, row });
    const table = screen.getByRole("table");
    expect(table.getAttribute("aria-rowcount")).toBe("501");
    expect(within(table).getByText("row-0")).toBeTruthy();
    expect(within(table).queryByText("row-400")).toBeNull();
    expect(screen.getByRole("region", { name: "Devices" }).tabIndex).toBe(0);
  });

  it("tells which row is chosen, and marks it", async () => {
    const onselect = vi.fn();
    const few = items.slice(0, 3);
    render(Table, { items: few, keyOf, label: "x", head, row, selected: "row-1", onselect });
    expect(screen.getByText("row-1").closest("tr")?.getAttribute("aria-current")).toBe("true");
    await user.click(screen.getByText("row-2"));
    expect(onselect).toHaveBeenCalledExactlyOnceWith("row-2");
  });
});

describe("states", () => {
  it("say that there is nothing, and what can be done", () => {
    render(EmptyState, { text: "No device", children: html("Clear") });
    expect(screen.getByRole("status").textContent).toContain("No device");
    expect(screen.getByText("Clear")).toBeTruthy();
  });

  it("say that something is on its way, in the language of the screen", () => {
    show(LoadingState, {}, { lang: "vi" });
    expect(screen.getByRole("status").textContent).toBe("Đang tải…");
  });

  it("say what failed, under which number its owner finds it, and try again", async () => {
    const retry = vi.fn();
    const problem = new ApiError(503, { title: "Busy", detail: "the disk is full", request_id: "r-1" });
    const stage = show(ErrorState, { problem, retry });
    const alert = screen.getByRole("alert");
    expect(alert.textContent).toContain("the disk is full");
    expect(alert.textContent).toContain("r-1");
    await stage.user.click(screen.getByRole("button", { name: "Try again" }));
    expect(retry).toHaveBeenCalledOnce();
  });

  it("say that the server cannot be reached in words of ours", () => {
    show(ErrorState, { problem: new ApiError(0, { title: "network" }) });
    expect(screen.getByRole("alert").textContent).toContain("The server cannot be reached");
    expect(screen.queryByRole("button")).toBeNull();
  });

  it("remark on something in a frame", () => {
    render(Badge, { children: html("Sketch"), title: "not official" });
    expect(screen.getByTitle("not official").textContent).toBe("Sketch");
  });
});

import { screen } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import { Refused, show } from "../../testing/show.ts";
import account from "./index.ts";
import SignInAgain from "./SignInAgain.svelte";
import SignInForm from "./SignInForm.svelte";

const session = { user: { name: "mai", role: "operator" }, expires_at: null, durable: true };
const refused = (status: number, kind: string) =>
  new Refused(status, { type: `urn:ioc:problem:${kind}`, title: "x", detail: "x" });

describe("signing in", () => {
  it("says that name or password is wrong, and lets in when they are right", async () => {
    const onsigned = vi.fn();
    const answer = ({ body }: { body: { password: string } }) =>
      body.password === "right" ? session : refused(401, "unauthorized");
    const { user } = show(SignInForm, { onsigned }, { answers: { "POST /session": answer } });
    await user.type(screen.getByLabelText("User name"), " mai ");
    await user.type(screen.getByLabelText("Password"), "wrong{Enter}");
    expect((await screen.findByRole("alert")).textContent).toBe("The user name or the password is wrong");
    expect(onsigned).not.toHaveBeenCalled();
    await user.clear(screen.getByLabelText("Password"));
    await user.type(screen.getByLabelText("Password"), "right{Enter}");
    await vi.waitFor(() => expect(onsigned).toHaveBeenCalledOnce());
  });

  it("again lets the calls go on that waited for it", async () => {
    const stage = show(SignInAgain, {}, { answers: { "POST /session": session } });
    const waiting = stage.session.askAgain();
    await stage.user.type(screen.getByLabelText("Password"), "right{Enter}");
    expect(await waiting).toBe(true);
  });

  it("again can wait, and the calls fail", async () => {
    const stage = show(SignInAgain, {});
    const waiting = stage.session.askAgain();
    await stage.user.click(screen.getByRole("button", { name: "Later" }));
    expect(await waiting).toBe(false);
  });
});

describe("changing one's password", () => {
  const fill = async ({ user }: ReturnType<typeof show>, repeated = "ba con voi") => {
    await user.type(screen.getByLabelText("Current password"), "old");
    await user.type(screen.getByLabelText("New password"), "ba con voi");
    await user.type(screen.getByLabelText("New password again"), repeated);
  };
  const open = (answers = {}) => show(account.menu.dialog, { onclose: vi.fn() }, { answers });

  it("sends nothing while the two new ones differ", async () => {
    const stage = open();
    await fill(stage, "other");
    await stage.user.click(screen.getByRole("button", { name: "Change password" }));
    expect(screen.getByRole("alert").textContent).toBe("The two new passwords are not the same");
    expect(stage.asked).toEqual([]);
  });

  it("says at the field that it is about why it was refused", async () => {
    const stage = open({ "PATCH /users/mai": refused(403, "wrong-password") });
    await fill(stage);
    await stage.user.keyboard("{Enter}");
    const error = await screen.findByRole("alert");
    expect(screen.getByLabelText("Current password").getAttribute("aria-describedby")).toBe(error.id);
  });

  it("says that it is done", async () => {
    const stage = open({ "PATCH /users/mai": {} });
    await fill(stage);
    await stage.user.keyboard("{Enter}");
    expect(await screen.findByText(/The password was changed/)).toBeTruthy();
    expect(stage.asked[0]?.body).toEqual({ current_password: "old", password: "ba con voi" });
  });
});

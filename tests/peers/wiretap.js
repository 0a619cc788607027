// Drives the page of the wiretap in Chromium.   node wiretap.js URL [FOLDER FOR SCREENSHOTS]
// It prints what it observes; the test holds the conversations meanwhile.
const assert = require("node:assert");
const { launch } = require("./chromium");
const [url, folder] = process.argv.slice(2);

async function main() {
  const browser = await launch();
  const page = await open(browser);
  const [state, heads] = [page.getByRole("status"), page.locator("#heads div")];
  const [panel, filter] = [page.getByRole("complementary"), page.getByRole("searchbox")];
  const focused = page.locator(".line:focus");
  const line = (hasText) => page.getByRole("listbox", { name: "Entries" }).getByRole("option").filter({ hasText });
  const lanes = async () => `lanes: ${(await heads.allTextContents()).map((head) => head.replace(/^client|server$/g, ""))}`;
  const shoot = (name) => folder && page.screenshot({ path: `${folder}/wiretap-${name}.png` });

  await state.filter({ hasText: "listening" }).waitFor();
  console.log("listening");
  console.log(await page.getByText("Nothing yet").textContent());

  const img = line('Engine.IOmessage, 34 bytes: "30["<img src=x onerror=alert(1)>"]"'); // the acknowledgement
  await img.waitFor();
  assert.equal(await page.locator("img").count(), 0);
  console.log("a text of the wire is text, and no image");
  console.log(await lanes());
  await shoot("light");

  console.log(`one arrow: ${await img.locator("xpath=..").locator("b").allTextContents()}`);

  const frame = line('WebSockettext, 35 bytes: "430["<img');
  await frame.click();
  console.log(`the head of a frame in bits: ${await panel.locator(".fields b").allTextContents()}`);
  await img.click();
  assert.match(await panel.locator("pre").last().textContent(), /3c[^]*69[^]*6d[^]*67/);
  assert.equal(await img.getAttribute("aria-selected"), "true");
  console.log("a click opens it, with its bytes");
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot("open-dark");
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "hidden" });
  const text = await img.textContent();
  assert.equal(await focused.textContent(), text);
  console.log("Escape closes it, and the focus is on it");

  await page.keyboard.press("ArrowUp");
  assert.notEqual(await focused.textContent(), text);
  await page.keyboard.press("Enter");
  const opened = await panel.textContent();
  console.log("ArrowUp moves up, and Enter opens");
  await page.keyboard.press("ArrowDown");
  assert.notEqual(await panel.textContent(), opened);
  assert.equal(await focused.textContent(), text);
  console.log("while one is open, ArrowDown opens the next");
  await page.keyboard.press("Escape");

  await page.keyboard.press("/");
  await page.keyboard.type("<IMG");
  assert.ok((await line(/./).filter({ visible: true }).allTextContents()).every((text) => text.includes("<img")));
  await page.keyboard.type("no such text");
  console.log(`the filter hides what does not match: ${await page.getByText("Nothing matches").textContent()}`);
  await filter.fill("");
  await page.keyboard.press("Escape");
  await page.getByRole("checkbox", { name: "client" }).uncheck();
  await img.waitFor();
  console.log(`only the server: ${await page.locator(".row.client:visible").count()} arrows from the client`);
  await page.getByRole("checkbox", { name: "client" }).check();
  await page.keyboard.press("Escape");

  await page.locator("#rows").press(" ");
  await page.getByRole("button", { name: "Pause", pressed: true }).waitFor();
  const another = await open(browser);
  console.log("paused");
  await another.getByRole("option").filter({ hasText: "while it is paused" }).last().waitFor();
  await another.close();
  assert.equal(await line("while it is paused").count(), 0);
  console.log("another page shows it, this one does not");
  await page.keyboard.press(" ");
  await line("while it is paused").last().waitFor();
  console.log("not paused: it shows it");

  console.log(await lanes());
  await shoot("two-dark");
  await page.getByRole("combobox").selectOption("connection 2");
  assert.equal(await page.getByRole("group", { name: "connection 1" }).filter({ visible: true }).count(), 0);
  console.log((await lanes()).replace("lanes", "chosen"));
  await page.getByRole("combobox").selectOption("all connections");
  await page.setViewportSize({ width: 360, height: 640 });
  await heads.getByText("all connections").waitFor();
  console.log(await lanes());
  console.log(`of 360 pixels it takes ${await page.evaluate(() => document.documentElement.scrollWidth)}`);
  await shoot("phone-dark");
  await page.locator("#rows").press("c");
  await page.getByText("Nothing yet").waitFor();
  assert.equal(await line(/./).count(), 0);
  console.log("cleared");

  await state.filter({ hasText: "no wiretap" }).waitFor();
  console.log("no wiretap");
  await state.filter({ hasText: "listening" }).waitFor();
  console.log("listening");
  await line("after a restart").last().waitFor();
  console.log("it shows what the new wiretap hears");
  await browser.close();
}

async function open(browser) {
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, colorScheme: "light" });
  page.setDefaultTimeout(60_000); // as long as a line may take
  page.on("pageerror", (error) => console.log(`error: ${error.message}`));
  page.on("console", (message) => console.log(`console: ${message.text()}`));
  await page.goto(url);
  return page;
}

main().catch((error) => {
  console.log(`error: ${error.message}`);
  process.exit(1);
});

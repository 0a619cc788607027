// Drives the page of ws-server in Chromium.   node page.js URL [FOLDER FOR SCREENSHOTS]
// It prints what it observes; the test stops and restarts the server meanwhile.
const { launch } = require("./chromium");
const [url, folder] = process.argv.slice(2);

async function main() {
  const browser = await launch();
  const page = await browser.newPage({ viewport: { width: 900, height: 640 }, colorScheme: "light" });
  page.setDefaultTimeout(60_000); // as long as a line may take
  const [status, input] = [page.getByRole("status"), page.getByRole("textbox", { name: "Message" })];
  const [button, last] = [page.getByRole("button", { name: "Send" }), page.locator("#log li").last()];

  page.on("pageerror", (error) => console.log(`error: ${error.message}`));
  const shoot = (name) => folder && page.screenshot({ path: `${folder}/${name}.png` });

  async function becomes(text) {
    await status.filter({ hasText: text }).waitFor();
    console.log(`status: ${text}`);
  }

  async function type(line) {
    await input.fill(line);
    await button.click();
    await page.locator(".received").getByText(line, { exact: true }).waitFor();
  }

  async function inView(part) {
    const { y, height } = await part.boundingBox();
    return y >= 0 && y + height <= page.viewportSize().height;
  }

  await page.goto(url);
  await becomes("connected");
  await type("Hello from the browser");
  console.log("echo: Hello from the browser");
  await shoot("ws-light");

  await becomes("no server");
  console.log(`the button is disabled: ${await button.isDisabled()}`);
  await shoot("ws-no-server");
  await becomes("connected");
  await type("안녕하세요, again");
  console.log("echo: 안녕하세요, again");

  await page.emulateMedia({ colorScheme: "dark" });
  await shoot("ws-dark");
  await page.setViewportSize({ width: 360, height: 640 });
  for (let i = 1; i <= 20; i++) await type(`line ${i}`);
  await type("https://example.com/" + "a-word-that-does-not-end-".repeat(4));
  console.log("echo: a line that is longer than any phone is wide");
  console.log(`of 360 pixels it takes ${await page.evaluate(() => document.documentElement.scrollWidth)}`);
  const seen = await Promise.all([status, last, button].map(inView));
  console.log(`status, last line and button are in view: ${seen}`);
  await shoot("ws-phone-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await shoot("ws-phone-light");
  await browser.close();
}

main().catch((error) => {
  console.log(`error: ${error.message}`);
  process.exit(1);
});

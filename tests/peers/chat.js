// Drives the page of socketio-server in two tabs.   node chat.js URL [FOLDER FOR SCREENSHOTS]
// It prints what it observes; the test stops and restarts the server meanwhile.
const { launch } = require("./chromium");
const [url, folder] = process.argv.slice(2);

// The messages of others, and those of this tab.
const messages = ".received, .mine";

// One user's tab.
class Tab {
  constructor(page, name) {
    [this.page, this.name] = [page, name];
    this.state = page.getByRole("status");
    this.room = page.getByRole("textbox", { name: "Room" });
    this.text = page.getByRole("textbox", { name: "Message" });
    this.button = page.getByRole("button", { name: "Send" });
    page.on("pageerror", (error) => console.log(`error: ${error.message}`));
  }

  async becomes(state) {
    await this.state.filter({ hasText: state }).waitFor();
    console.log(`${this.name}: ${state}`);
  }

  async goesTo(room) {
    await this.room.fill(room);
    await this.room.press("Enter");
    await this.becomes(room ? `in the room ${room}` : "in no room");
  }

  async send(line) {
    await this.text.fill(line);
    await this.button.click();
  }

  async receives(line) {
    await this.page.locator(messages).getByText(line, { exact: true }).waitFor();
  }

  // Prints all that it has received since the last time.
  async printReceived() {
    const lines = await this.page.locator(messages).allTextContents();
    console.log(`${this.name} received: ${lines.slice(this.before).join(", ")}`);
    this.before = lines.length;
  }

  shoot(name) {
    return folder && this.page.screenshot({ path: `${folder}/${name}.png` });
  }
}

async function inView(page, part) {
  const { y, height } = await part.boundingBox();
  return y >= 0 && y + height <= page.viewportSize().height;
}

async function main() {
  const browser = await launch();
  const open = async (name) => {
    const page = await browser.newPage({ viewport: { width: 900, height: 640 }, colorScheme: "light" });
    page.setDefaultTimeout(60_000); // as long as a line may take
    const tab = new Tab(page, name);
    await page.goto(url);
    await tab.becomes("connected");
    return tab;
  };
  const [ann, bob] = [await open("Ann"), await open("Bob")];

  await ann.goesTo("tea");
  await bob.goesTo("news");
  await ann.send("The water boils");
  await ann.receives("The water boils");
  await bob.send("It rains");
  await bob.receives("It rains");
  await bob.goesTo("");
  await bob.send("Hello, all rooms"); // once this has arrived, all before it has
  for (const tab of [ann, bob]) await tab.receives("Hello, all rooms");
  await ann.shoot("chat-light");
  for (const tab of [ann, bob]) await tab.printReceived();
  await bob.goesTo("news");

  for (const tab of [ann, bob]) await tab.becomes("no server");
  console.log(`the buttons are disabled: ${await ann.button.isDisabled()}, ${await bob.button.isDisabled()}`);
  await ann.room.fill("coffee"); // joined when the client reconnects
  await ann.shoot("chat-no-server");
  await ann.becomes("in the room coffee");
  await bob.becomes("in the room news");
  await ann.send("안녕하세요, coffee");
  await ann.receives("안녕하세요, coffee");
  await bob.send("It has stopped");
  await bob.receives("It has stopped");
  for (const tab of [ann, bob]) await tab.printReceived();

  const { page } = ann;
  await page.emulateMedia({ colorScheme: "dark" });
  await ann.shoot("chat-dark");
  await page.setViewportSize({ width: 360, height: 640 });
  for (let i = 1; i <= 20; i++) await ann.send(`line ${i}`);
  const long = "https://example.com/" + "a-word-that-does-not-end-".repeat(4);
  await ann.send(long);
  await ann.receives(long);
  console.log(`of 360 pixels it takes ${await page.evaluate(() => document.documentElement.scrollWidth)}`);
  const parts = [ann.state, page.locator("#log li").last(), ann.room, ann.text, ann.button];
  console.log(`all parts are in view: ${await Promise.all(parts.map((part) => inView(page, part)))}`);
  await ann.shoot("chat-phone-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await ann.shoot("chat-phone-light");
  await browser.close();
}

main().catch((error) => {
  console.log(`error: ${error.message}`);
  process.exit(1);
});

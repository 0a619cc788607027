// Debian's Chromium, as the tests start it: headless, and without requests of its own.
const { chromium } = require("playwright-core");

const args = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

exports.launch = () => chromium.launch({ executablePath: "/usr/bin/chromium", args });

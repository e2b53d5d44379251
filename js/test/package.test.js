// What is published: its files, its declarations and its size.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { transform } from "esbuild";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const run = (program, ...args) => promisify(execFile)(program, args, { cwd: HERE, encoding: "utf8" });
const tsc = (...args) => run(process.execPath, "node_modules/typescript/bin/tsc", ...args);
const text = (path) => readFile(join(HERE, path), "utf8");

const MOST_BYTES = 6 * 1024;

test("minified it has at most 6 KiB", async (t) => {
  const { code } = await transform(await text("tower-refresh.js"), { minify: true, format: "esm" });
  const bytes = Buffer.byteLength(code);
  t.diagnostic(`${bytes} bytes of ${MOST_BYTES}`);
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes`);
});

test("the module's types are strict, and its declarations agree with them", async () => {
  await tsc("--project", "tsconfig.json");
  const folder = await mkdtemp(join(tmpdir(), "declarations-"));
  try {
    await tsc("--project", "tsconfig.json", "--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", folder);
    const current = await readFile(join(folder, "tower-refresh.d.ts"), "utf8");
    assert.equal(await text("tower-refresh.d.ts"), current, "run: npm run declarations -- .");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a strict application compiles, and its mistakes do not", async () => {
  for (const [module, resolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
    await tsc("--ignoreConfig", "--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--noEmit",
      "--target", "es2022", "--module", module, "--moduleResolution", resolution, "--lib", "es2022,dom", "--types", "",
      "test/consumer.ts");
  }
});

test("the package contains the module, its declarations, the licences and nothing else", async () => {
  const [{ files, name }] = JSON.parse((await run("npm", "pack", "--dry-run", "--json", "--ignore-scripts")).stdout);
  assert.equal(name, "tower-refresh");
  assert.deepEqual(files.map(({ path }) => path).sort(), [
    "LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json", "tower-refresh.d.ts", "tower-refresh.js",
  ]);
});

test("it needs no other package, and has the licence and the version of the server's", async () => {
  const manifest = JSON.parse(await text("package.json"));
  for (const kind of ["dependencies", "peerDependencies", "optionalDependencies"]) assert.equal(manifest[kind], undefined, kind);
  assert.doesNotMatch(await text("tower-refresh.js"), /^import |\bimport\(/m);
  const cargo = await text("../Cargo.toml");
  assert.match(cargo, new RegExp(`^name = "${manifest.name}"\nversion = "${manifest.version}"$`, "m"));
  assert.ok(cargo.includes(`\nlicense = "${manifest.license}"\n`));
  // npm leaves symbolic links out of packages.
  for (const file of ["LICENSE-APACHE", "LICENSE-MIT"]) assert.equal(await text(file), await text(`../${file}`), file);
});

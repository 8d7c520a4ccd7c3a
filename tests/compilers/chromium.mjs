// Has headless Chromium compile WGSL texts and run compute passes: node chromium.mjs JOB.json ANSWERS.json
//
// The job: `texts`, each with its `wgsl` and `entry` point; `buffers` by name, each of `bytes` in hexadecimal; and
// `dispatches` over them, each with `wgsl`, `entry`, the buffers that it binds in order (`bind`) and `groups`. The
// answers: what the compiler says about each text (`messages`), and the buffers after the last dispatch (`buffers`).
// Chromium is driven through a pair of pipes, so nothing but node is needed.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [jobFile, answersFile] = process.argv.slice(2);
const job = JSON.parse(readFileSync(jobFile, "utf8"));

// How many texts are compiled at a time, and the most seconds for one.
const AT_ONCE = 4;
const SECONDS = 240;

const folder = mkdtempSync(join(tmpdir(), "sharpsweep-chromium-"));
// A file is a secure context, without which there is no WebGPU.
const page = join(folder, "page.html");
writeFileSync(page, "<!DOCTYPE html><title>kernels</title>");
const flags = [
  "--headless", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--remote-debugging-pipe",
  `--user-data-dir=${join(folder, "profile")}`,
];
const chromium = process.env.SHARPSWEEP_CHROMIUM ?? "chromium";
const browser = spawn(chromium, flags, { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] });
let said = "";
browser.stderr.on("data", (data) => (said = (said + data).slice(-4000)));
const gone = new Promise((_, reject) => {
  browser.on("error", (error) => reject(new Error(`${chromium} could not be started: ${error.message}`)));
  browser.on("exit", (code, signal) => reject(new Error(`${chromium} ended (${code ?? signal}): ${said}`)));
});
// It is raced against, and must not end the program by itself.
gone.catch(() => {});

// The DevTools protocol: one JSON text a message, with a zero byte after it.
const [, , , requests, responses] = browser.stdio;
const waiting = new Map();
let received = "";
responses.setEncoding("utf8");
responses.on("data", (data) => {
  const texts = (received + data).split("\0");
  received = texts.pop();
  for (const text of texts) {
    const message = JSON.parse(text);
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  }
});
requests.on("error", () => {});
let last = 0;
function ask(method, params, sessionId) {
  const id = ++last;
  const answer = new Promise((resolve) => waiting.set(id, resolve));
  requests.write(JSON.stringify({ id, method, params, sessionId }) + "\0");
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer to ${method} within ${SECONDS} s`)), SECONDS * 1000);
  });
  return Promise.race([answer, late, gone]).finally(() => clearTimeout(timer)).then((message) => {
    if (message.error) throw new Error(`${method}: ${message.error.message}`);
    return message.result;
  });
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Runs in the page, as the next three functions do.
async function open() {
  // On a busy machine its graphics process may come late.
  let adapter = null;
  for (let tries = 0; !adapter && tries < 60; tries++) {
    adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  if (!adapter) throw new Error("Chromium has no WebGPU adapter here");
  const device = await adapter.requestDevice();
  globalThis.device = device;
  globalThis.uncaught = [];
  device.onuncapturederror = ({ error }) => uncaught.push(error.message);
  device.lost.then(({ reason, message }) => uncaught.push(`the device was lost: ${reason} ${message}`));
  const { vendor, architecture, description } = adapter.info;
  return [vendor, architecture, description].filter(Boolean).join(" ");
}

async function compiled({ wgsl, entry }) {
  const module = device.createShaderModule({ code: wgsl });
  const { messages } = await module.getCompilationInfo();
  const found = messages.map(({ type, lineNum, message }) => `${type}, line ${lineNum}: ${message}`);
  await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: entry } })
    .catch((error) => found.push(`no pipeline: ${error.message}`));
  return found;
}

async function run({ buffers, dispatches }) {
  const { STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const made = {};
  for (const [name, hex] of Object.entries(buffers)) {
    const bytes = Uint8Array.from({ length: hex.length / 2 }, (_, k) => parseInt(hex.substr(2 * k, 2), 16));
    made[name] = device.createBuffer({ size: bytes.length, usage: STORAGE | UNIFORM | COPY_SRC | COPY_DST });
    device.queue.writeBuffer(made[name], 0, bytes);
  }
  for (const { wgsl, entry, bind, groups } of dispatches) {
    // What the text declares, whether the entry point uses it or not.
    const declared = [...wgsl.matchAll(/^@group\(0\) @binding\((\d+)\) var<([a-z_, ]+)>/gm)];
    const types = { uniform: "uniform", "storage, read": "read-only-storage", "storage, read_write": "storage" };
    const layout = device.createBindGroupLayout({
      entries: declared.map(([, binding, space]) => (
        { binding: Number(binding), visibility: GPUShaderStage.COMPUTE, buffer: { type: types[space] } }
      )),
    });
    const pipeline = device.createComputePipeline({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: device.createShaderModule({ code: wgsl }), entryPoint: entry },
    });
    const entries = bind.map((name, binding) => ({ binding, resource: { buffer: made[name] } }));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(...groups);
    pass.end();
    device.queue.submit([encoder.finish()]);
  }
  const found = {};
  for (const [name, buffer] of Object.entries(made)) {
    const copy = device.createBuffer({ size: buffer.size, usage: MAP_READ | COPY_DST });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
    device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const bytes = new Uint8Array(copy.getMappedRange());
    found[name] = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  return found;
}

async function work() {
  const { targetId } = await ask("Target.createTarget", { url: pathToFileURL(page).href });
  const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
  const call = async (does, argument) => {
    const expression = `(${does})(${JSON.stringify(argument ?? null)})`;
    const answer = await ask("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }, sessionId);
    if (answer.exceptionDetails) {
      throw new Error(answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text);
    }
    return answer.result.value;
  };
  const loaded = () => location.protocol === "file:" && document.readyState === "complete";
  for (let tries = 0; !(await call(loaded)); tries++) {
    if (tries > 600) throw new Error("Chromium did not open its page");
    await pause(100);
  }
  const adapter = await call(open);
  const messages = [];
  let next = 0;
  const some = async () => {
    while (next < job.texts.length) {
      const k = next++;
      messages[k] = await call(compiled, job.texts[k]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
  const buffers = await call(run, job);
  const uncaught = await call(() => uncaught);
  const { product } = await ask("Browser.getVersion");
  return { product, adapter, messages, buffers, uncaught };
}

try {
  writeFileSync(answersFile, JSON.stringify(await work()));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  const ended = new Promise((resolve) => browser.on("close", resolve));
  if (browser.exitCode === null && browser.signalCode === null && browser.pid) {
    browser.kill("SIGKILL");
    await ended;
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
